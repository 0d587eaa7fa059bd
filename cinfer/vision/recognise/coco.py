"""The class names of COCO, in the two numberings that detectors use."""
from __future__ import annotations

# As COCO numbers them, from 1; "" stands for numbers that COCO has left out.
_NAMES = """person,bicycle,car,motorcycle,airplane,bus,train,truck,boat,traffic light,fire hydrant,,stop sign,parking meter,
bench,bird,cat,dog,horse,sheep,cow,elephant,bear,zebra,giraffe,,backpack,umbrella,,,handbag,tie,suitcase,frisbee,skis,
snowboard,sports ball,kite,baseball bat,baseball glove,skateboard,surfboard,tennis racket,bottle,,wine glass,cup,fork,knife,
spoon,bowl,banana,apple,sandwich,orange,broccoli,carrot,hot dog,pizza,donut,cake,chair,couch,potted plant,bed,,dining table,
,,toilet,,tv,laptop,mouse,remote,keyboard,cell phone,microwave,oven,toaster,sink,refrigerator,,book,clock,vase,scissors,
teddy bear,hair drier,toothbrush""".replace("\n", "").split(",")


def coco_80() -> list[str]:
    """The 80 classes in a row, from 0."""
    return [name for name in _NAMES if name]


def coco_91() -> list[str]:
    """COCO's own numbers: 1 is person, 90 toothbrush; "N/A" for 0 and for those that COCO does not use."""
    return ["N/A", *(name or "N/A" for name in _NAMES)]


def has_classes(constants, count: int) -> bool:
    """Do the weights of a network speak against its having so many classes? False: they do.

    What gives the scores of classes has a bias, or a weight, for each, or for each at some anchors (4, 6, 9 at a place)."""
    shapes = [a.shape for a in constants.values() if a.ndim]
    if sum(len(shape) > 1 for shape in shapes) < 10:
        return True                                 # too few weights to say
    sides = {side for shape in shapes for side in (shape[0], shape[-1])}
    return any(count * anchors in sides for anchors in (1, 3, 4, 6, 9))

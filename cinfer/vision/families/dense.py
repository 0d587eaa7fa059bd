"""Networks that say something of every pixel: classes, depth, what is cut out, what is not as it should be.

    semantic.py   a class for each pixel: from logits or probabilities of each class, a mask, or classes themselves
    depth.py      how far it is
    matting.py    how much of it belongs to what is in front
    anomaly.py    how unusual it is

Told by the names of outputs
    predicted_depth, depth                          transformers' exports; those of Depth Anything's own networks
    pred_score with anomaly_map or pred_label       anomalib
    out (and aux) of rank 4                         torchvision's segmentation
    logits of rank 4                                transformers' segmentation (SegFormer and others)
    input_image and output_image of one channel     BiRefNet
or by their shapes
    seven outputs of one channel, as large as the input             U2-Net: the first is the answer
    one of integers, as large as the input                          classes that are computed already
    one of floating point as large as the input, one channel        a guess: a mask where it has rank 4, depth in rank 3
                                                                    (MiDaS); the line on stderr names the others
    one of two or more channels (three are a picture), or the first of two or three that are alike: as large as the
    input or half of it, or a quarter or an eighth for the numbers of classes of VOC, Cityscapes and ADE20K: semantic
"""
from __future__ import annotations

from ...errors import InputError
from ..recognise.habits import NORMALISED
from ..recognise.model import Found, Model, with_batch

TASKS = ("semantic", "segmentation", "depth", "matting", "anomaly")
REMBG = {"task": "matting", "input.resize": "stretch", "input.filter": "lanczos",
         "input.mean": NORMALISED["input.mean"], "input.std": f"largest:{NORMALISED['input.std']}"}
# Where a network takes any size, about what such are trained with; of transformers the patches, 14 pixels each, decide.
FREE, TRIED, IN_PATCHES = "fit:512:32", (512, 672), "fit:518:14"
KNOWN_COUNTS = (19, 21, 150)        # classes of Cityscapes, Pascal VOC with background, ADE20K
VOC = ("background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
       "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor")


def by_names(model: Model, words) -> Found | None:
    found = _named(model)
    if found is None or words.task in ("", found.words["task"]):
        return found
    return found if (words.task, found.words["task"]) == ("segmentation", "semantic") else None


def _named(model: Model) -> Found | None:
    for name in ("predicted_depth", "depth"):
        if model.outputs_named(name) and (len(model.outputs) == 1 or name == "predicted_depth"):
            filter = "bicubic" if name == "predicted_depth" else "bilinear"
            return Found({"task": "depth", "input.size": _size(model, "fit:518:14"), "input.filter": "bicubic",
                          "output.name": name, "output.filter": filter, **NORMALISED}, f"its output {name!r}")
    if model.outputs_named("pred_score") and (model.outputs_named("anomaly_map") or model.outputs_named("pred_label")):
        return Found({"task": "anomaly"}, "anomalib's outputs")
    if model.outputs_named("out") and (channels := _channels(model, "out")):
        is_voc = model.outputs_named("aux") and channels == len(VOC)
        return Found({"task": "semantic", "output.name": "out", "input.size": _size(model, "short:520"), **NORMALISED},
                     "its output 'out', as torchvision has it", list(VOC) if is_voc else None)
    if model.outputs_named("logits") and _channels(model, "logits"):
        return Found({"task": "semantic", "output.name": "logits", "input.size": _size(model, "512x512"), **NORMALISED},
                     "its output 'logits' of rank 4")
    if model.outputs_named("output_image") and any(port.name == "input_image" for port in model.inputs):
        shape = model.output("output_image").shape
        if shape is None or len(shape) == 4 and (shape[1] == 1 or not isinstance(shape[1], int)):
            return Found({"input.size": _size(model, "1024x1024"), "output.name": "output_image", **REMBG},
                         "BiRefNet's names")
    return None


def by_shapes(model: Model, words) -> Found | None:
    found = _seen(model, words)
    if found is not None and found.words.get("input.size") == FREE and _seen(model.of(TRIED), words) is None:
        found.words["input.size"] = IN_PATCHES
    return found


def _seen(model: Model, words) -> Found | None:
    port, size = model.picture_input(), model.sample
    if port is None or with_batch(port.shape) is None or len(with_batch(port.shape)) != 4:
        return None
    shapes = [each.shape for each in model.outputs]
    if any(shape is None for shape in shapes):
        return None
    if len(shapes) == 7 and all(len(shape) == 4 and shape[1] == 1 for shape in shapes) and len(
            {shape[2:] for shape in shapes}) == 1 and (shapes[0][2:] == size or size is None):
        return Found({"input.size": _size(model, "320x320"), **REMBG}, "seven maps of one channel, as U2-Net has them")
    alike = len(shapes) <= 3 and len(set(shapes)) == 1 and len(shapes[0]) == 4
    if size is None or len(shapes) != 1 and not (alike and {shapes[0][1], shapes[0][3]}.isdisjoint((1, 3))):
        return None
    shape, dtype = shapes[0], model.outputs[0].dtype
    fed = {**NORMALISED, **({} if model.size(port) else {"input.size": FREE})}
    if dtype is None or len(shape) not in (3, 4):
        return None
    if dtype.kind in "iu":
        flat = tuple(side for side in shape[1:] if side != 1) if len(shape) == 4 else shape[1:]
        if flat == size and shape[0] in (1, None) or flat == size and isinstance(shape[0], str):
            return Found({"task": "semantic", **fed}, "a guess by its output, a class for each pixel")
        return None
    if dtype.kind == "f" and (found := _one_channel(shape, size, fed)) and not _is_grey(model, port):
        return Found({**REMBG, "input.size": _size(model, "320x320")}, "the task that is named, as rembg feeds it") \
            if words.task == "matting" else found
    if dtype.kind != "f" or len(shape) != 4:
        return None
    channels, high, wide = (shape[3], *shape[1:3]) if model.layout(port) == "NHWC" else shape[1:]
    if not all(isinstance(side, int) and side > 0 for side in (channels, high, wide)) or channels < 2:
        return None
    shrunk = size[0] / high
    is_likely = shrunk in (1, 2) and channels <= 1000 or shrunk in (4, 8) and channels in KNOWN_COUNTS
    if not is_likely or shrunk != size[1] / wide or (shrunk, channels) == (1, 3):      # or is it a picture?
        return None
    told = f"output, {channels} numbers for each pixel"
    if len(shapes) > 1:
        return Found({"task": "semantic", "output.name": model.outputs[0].name, **fed}, f"a guess by its first {told}")
    return Found({"task": "semantic", **fed}, f"a guess by its {told}")


def _is_grey(model: Model, port) -> bool:
    """Is the input of one channel? Then what comes out may as well be a picture."""
    return with_batch(port.shape)[3 if model.layout(port) == "NHWC" else 1] == 1


def _one_channel(shape, size, fed: dict[str, str]) -> Found | None:
    sides = tuple(shape[1:]) if len(shape) == 3 else tuple(side for side in shape[1:] if side != 1)
    if sides != size or shape[0] not in (1, None) and not isinstance(shape[0], str):
        return None
    task, others = ("depth", "semantic") if len(shape) == 3 else ("semantic", "depth")
    return Found({"task": task, **fed},
                 f"a guess by its output, a number for each pixel; --task {others} or --task matting, if it is that")


def _size(model: Model, free: str) -> str:
    """The words' size: what is fixed, else this."""
    port = model.picture_input()
    size = model.size(port) if port is not None else None
    return f"{size[0]}x{size[1]}" if size else free


def _channels(model: Model, name: str) -> int | None:
    """How many classes an output of rank 4 has, -1 where it does not say so; None: it is of another rank."""
    shape = model.output(name).shape
    if shape is None or len(shape) != 4:
        return None
    return shape[1] if isinstance(shape[1], int) else -1


def decode(view):
    from . import anomaly, depth, matting, semantic
    task = view.words.task
    homes = {"semantic": semantic, "segmentation": semantic, "depth": depth, "matting": matting, "anomaly": anomaly}
    if task not in homes:
        raise InputError(f"{view.words.where('task')} is {task!r}; maps of pixels are {', '.join(TASKS)}")
    return homes[task].decode(view)

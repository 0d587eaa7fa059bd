"""What is left where nobody says anything: a guess by shapes, and the habits of ImageNet and of Kinetics."""
from __future__ import annotations

from .model import Found, Model, with_batch
from .sizes import FRAMES

NORMALISED = {"input.mean": "123.675,116.28,103.53", "input.std": "58.395,57.12,57.375"}        # by ImageNet's
IMAGENET = {"input.resize": "centre:0.875", **NORMALISED}
# Clips: as torchvision's r3d, mc3 and r2plus1d take them, 112 x 112 of 128 x 171; others: the middle of 8/7 of a side.
# torchvision's S3D and MViT, PyTorchVideo's nets and others vary in mean and std by a few grey levels.
KINETICS = {
    "input.resize": "centre:1",
    "input.filter": "linear",
    "input.mean": "110.2008,100.63983,95.99475",
    "input.std": "58.14765,56.46975,55.332195",
}
PYRAMID = "multiple:32"             # free sizes: networks that halve the picture five times add what was halved


def habits(model: Model, family: str | None, is_fed: bool = False, is_sized: bool = False) -> Found | None:
    """How a picture is usually prepared for a model of this family; None: of no known one.

    is_fed : somebody has said how pictures are prepared; is_sized : or how they get their size"""
    port = model.picture_input()
    if port is None:
        return None
    layout = model.layout(port)
    shape = with_batch(port.shape)
    words = {"input.name": port.name, "input.layout": layout, "input.std": "255"}
    channels = shape[layout.index("C")] if shape and len(shape) == len(layout) else None
    words["input.channels"] = "GRAY" if channels == 1 else "RGB"
    if "T" in layout:
        frames = shape[layout.index("T")]
        words["input.frames"] = str(frames if isinstance(frames, int) else FRAMES)
    size = model.size(port, layout) or (None if is_sized else model.only)
    if family == "classify" and words["input.channels"] == "RGB":
        size = size or ((112, 112) if "T" in layout else (224, 224))
        if is_fed:
            pass
        elif "T" in layout:
            words |= KINETICS
            if not is_sized:
                words["input.scale"] = "128x171" if size == (112, 112) else f"short:{round(min(size) * 8 / 7)}"
        else:
            words |= IMAGENET
    words["input.size"] = f"{size[0]}x{size[1]}" if size else PYRAMID
    height = shape[layout.index("H")] if shape and len(shape) == len(layout) else None
    if not size and isinstance(height, int):            # as wide as the picture's shape asks
        words["input.size"] = f"{height}xW"
    of = "the habits of Kinetics" if "T" in layout else "the habits of ImageNet"
    return Found(words, of if family == "classify" else "the shape of the input")

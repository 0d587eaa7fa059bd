"""What is left where nobody says anything: a guess by shapes, and the habits of ImageNet."""
from __future__ import annotations

from .model import Found, Model, with_batch

IMAGENET = {
    "input.resize": "centre:0.875",
    "input.mean": "123.675,116.28,103.53",
    "input.std": "58.395,57.12,57.375",
}
PYRAMID = "multiple:32"             # free sizes: networks that halve the picture five times add what was halved


def habits(model: Model, family: str | None) -> Found | None:
    """How a picture is usually prepared for a model of this family; None: of no known one."""
    port = model.picture_input()
    if port is None:
        return None
    layout = model.layout(port)
    shape, floating = with_batch(port.shape), port.dtype is not None and port.dtype.kind not in "iub"
    words = {"input.name": port.name, "input.layout": layout, "input.std": "255" if floating else "1"}
    channels = shape[-1 if layout == "NHWC" else 1] if shape else None
    words["input.channels"] = "GRAY" if channels == 1 else "RGB"
    if layout == "NCTHW" and isinstance(shape[2], int):
        words["input.frames"] = str(shape[2])
    size = model.size(port, layout)
    if family == "classify" and words["input.channels"] == "RGB":
        size = size or (224, 224)
        words |= IMAGENET if floating else {"input.resize": IMAGENET["input.resize"]}
    words["input.size"] = f"{size[0]}x{size[1]}" if size else PYRAMID
    return Found(words, "the habits of ImageNet" if family == "classify" else "the shape of the input")

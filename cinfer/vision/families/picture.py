"""Picture to picture: pixel = output * std + mean, rounded, 0..255; of a padded input without what the padding became.

Told by the shape of the only output: 3 channels (or 1, as the input has) and 2, 3, 4 or 8 times the input's size. One
of the input's own size may as well be a map of three classes: --task image says that it is none. Where its size is
free the picture is not scaled; it is continued to multiples of 32 where the output does not follow any size.
Words: output.mean, output.std; a model without words of its own gives floating point from 0 to 1. output.layout,
output.channels: as the input's, where nothing is said.
"""
from __future__ import annotations

import warnings

import numpy as np

from ...errors import InputError
from ..answers.picture import Picture
from ..prepare.recipe import CHANNELS, parse_numbers
from ..recognise.model import Found, Model, with_batch

TASKS = ("image",)
LARGER = (2, 3, 4, 8)
STEP = 32                           # of networks that halve their input five times
WHITE = 2 * 255.0                   # few of a picture's numbers are larger, however its edges overshoot
ODD = (451, 893)                    # a size that halving does not divide


def by_shapes(model: Model, words) -> Found | None:
    port = model.picture_input()
    if port is None or not model.outputs:
        return None
    output = model.output(words.text("output.name")) or model.outputs[0]
    floating = output.dtype is not None and output.dtype.kind not in "iub"
    how = {"task": "image", "output.std": "255" if floating else "1"}
    if words.task == "image":
        return Found(how | sizes(model, port), "")
    size, layout, shape = model.sample, model.layout(port), output.shape
    taken = with_batch(port.shape)
    if len(model.outputs) != 1 or size is None or not shape or len(shape) != 4 or len(taken) != 4:
        return None
    channel, high, wide = (3, 1, 2) if layout == "NHWC" else (1, 2, 3)
    if shape[channel] != taken[channel] or shape[channel] not in (1, 3):
        return None
    times = next((n for n in LARGER if (shape[high], shape[wide]) == (size[0] * n, size[1] * n)), None)
    if times is None:
        return None
    return Found(how | sizes(model, port),
                 f"a guess by its output, {shape[channel]} channels and {times} times the input's size")


def sizes(model: Model, port) -> dict[str, str]:
    """Where the size is free: the picture's own, continued to multiples of 32 where the output does not follow any."""
    if port.shape is None or model.size(port) or model.side(port):
        return {}
    odd, high = model.of(ODD).outputs[0].shape or (), 1 if model.layout(port) == "NHWC" else 2
    if any(odd[high:high + 2] == (ODD[0] * n, ODD[1] * n) for n in (1, *LARGER)):
        return {"input.size": "any"}
    return {"input.size": f"up:{STEP}", "input.resize": "mirror"}


def decode(view) -> Picture:
    words, planes = view.words, view.output()
    planes = planes[None] if planes.ndim == 3 and view.recipe is not None and view.recipe.rank == 3 else planes
    if planes.ndim != 4 or planes.shape[0] != 1 or not planes.size:
        raise InputError(f"{words.where('task')} is image, but the output has shape {view.output().shape}; "
                         "that of a picture is of rank 4 and batch 1")
    like_input = "NHWC" if words.text("input.layout") == "NHWC" and planes.shape[3] in (1, 3) else "NCHW"
    if words.one_of("output.layout", ("NCHW", "NHWC"), like_input) == "NCHW":
        planes = planes.transpose(0, 2, 3, 1)
    channels = words.one_of("output.channels", ("RGB", "BGR", "GRAY"), "GRAY" if planes.shape[3] == 1 else "RGB")
    if planes.shape[3] != CHANNELS[channels]:
        raise InputError(f"{words.where('output.channels')} is {channels}, the output has {planes.shape[3]} channels")
    mean, std = (parse_numbers(words.text(key, default), words.where(key), CHANNELS[channels])
                 for key, default in (("output.mean", "0"), ("output.std", "1")))
    with np.errstate(over="ignore", invalid="ignore"):
        pixels = np.nan_to_num(planes[0].astype(np.float32, copy=False) * np.array(std, np.float32)
                               + np.array(mean, np.float32))
    if max(std) > 1 and np.count_nonzero(pixels > WHITE) > pixels.size / 2:
        warnings.warn("most of the picture is white, for the output's numbers are too large; --output-scale 1 "
                      "(recipe output.std=1) takes those from 0 to 255 as they are", stacklevel=2)
    pixels = np.rint(pixels.clip(0, 255)).astype(np.uint8)
    pixels = pixels[_unpadded(view.where, *pixels.shape[:2])]
    shown = {"RGB": pixels, "BGR": pixels[..., ::-1], "GRAY": pixels[..., 0]}[channels]
    return Picture(np.ascontiguousarray(shown))


def _unpadded(where, rows: int, columns: int) -> tuple[slice, slice]:
    """The part of an output that the picture became."""
    x1, y1, x2, y2 = where.filled()
    high, wide = rows / where.input_height, columns / where.input_width
    return slice(round(y1 * high), max(1, round(y2 * high))), slice(round(x1 * wide), max(1, round(x2 * wide)))

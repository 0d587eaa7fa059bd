"""Picture to picture: pixel = output * std + mean, rounded, 0..255.

Told by the shape of the only output: 3 channels (or 1, as the input has) and 2, 3, 4 or 8 times the input's size. One
of the input's own size may as well be a map of three classes: --task image says that it is none.
Words: output.mean, output.std; a model without words of its own gives floating point from 0 to 1. output.layout,
output.channels: as the input's, where nothing is said.
"""
from __future__ import annotations

import numpy as np

from ...errors import InputError
from ..answers.picture import Picture
from ..prepare.recipe import CHANNELS, parse_numbers
from ..recognise.habits import PYRAMID
from ..recognise.model import Found, Model, with_batch

TASKS = ("image",)
LARGER = (2, 3, 4, 8)
ODD = (451, 893)                    # a size that halving does not divide


def by_shapes(model: Model, words) -> Found | None:
    port = model.picture_input()
    if port is None or not model.outputs:
        return None
    output = model.output(words.text("output.name")) or model.outputs[0]
    floating = output.dtype is not None and output.dtype.kind not in "iub"
    how = {"task": "image", "output.std": "255" if floating else "1"}
    if words.task == "image":
        return Found(how, "")
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
    if not model.size(port):
        odd = model.of(ODD).outputs[0].shape or ()
        how["input.size"] = "any" if odd[high:wide + 1] == (ODD[0] * times, ODD[1] * times) else PYRAMID
    return Found(how, f"a guess by its output, {shape[channel]} channels and {times} times the input's size")


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
    pixels = np.rint(pixels.clip(0, 255)).astype(np.uint8)
    shown = {"RGB": pixels, "BGR": pixels[..., ::-1], "GRAY": pixels[..., 0]}[channels]
    return Picture(np.ascontiguousarray(shown))

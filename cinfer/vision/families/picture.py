"""Picture to picture: pixel = output * std + mean, rounded, 0..255."""
from __future__ import annotations

import numpy as np

from ...errors import InputError
from ..answers.types import Picture
from ..prepare.recipe import CHANNELS, parse_numbers

TASKS = ("image",)


def decode(view) -> Picture:
    words, planes = view.words, view.output()
    if planes.ndim != 4 or planes.shape[0] != 1:
        raise InputError(f"{words.where('task')} is image, but the output has shape {planes.shape}; "
                         "that of a picture is of rank 4 and batch 1")
    if words.one_of("output.layout", ("NCHW", "NHWC"), "NCHW") == "NCHW":
        planes = planes.transpose(0, 2, 3, 1)
    channels = words.one_of("output.channels", ("RGB", "BGR", "GRAY"), "RGB")
    if planes.shape[3] != CHANNELS[channels]:
        raise InputError(f"{words.where('output.channels')} is {channels}, the output has {planes.shape[3]} channels")
    mean, std = (parse_numbers(words.text(key, default), words.where(key), CHANNELS[channels])
                 for key, default in (("output.mean", "0"), ("output.std", "1")))
    pixels = np.nan_to_num(planes[0] * np.array(std, np.float32) + np.array(mean, np.float32))
    pixels = np.rint(pixels.clip(0, 255)).astype(np.uint8)
    shown = {"RGB": pixels, "BGR": pixels[..., ::-1], "GRAY": pixels[..., 0]}[channels]
    return Picture(np.ascontiguousarray(shown))

"""A picture becomes the array to feed, and says where it lies in it."""
from __future__ import annotations

import numpy as np

from ...errors import InputError
from .fit import fit
from .geometry import Geometry
from .recipe import Recipe


def prepare(picture, recipe: Recipe, original: tuple[int, int] | None = None) -> tuple[np.ndarray, Geometry]:
    """Resize a picture and make the network's input of it.

    Parameters
    ----------
    picture : PIL.Image.Image, mode L or RGB
    original : its (width, height), if it was decoded at a fraction of them

    Returns
    -------
    array of the recipe's dtype and layout, (1, c, height, width), (1, height, width, c) or (1, c, frames, height,
    width), without the 1 for an input of one axis less, C-contiguous: (value - mean) / std, rounded for integer types
    Geometry, from pixels of the picture to those of the array

    Raises
    ------
    InputError : the picture does not have the size asked for, or the values do not fit an integer type
    LimitError : the input would be larger than any picture may be
    """
    picture, where = fit(picture.convert("L" if recipe.channels == "GRAY" else "RGB"), recipe, original)
    pixels = np.asarray(picture)
    pixels = pixels[..., None] if pixels.ndim == 2 else pixels
    pixels = pixels[..., ::-1] if recipe.channels == "BGR" else pixels
    height, width, channels = pixels.shape
    with_ones = recipe.channels == "RGB+1"
    if recipe.layout == "NHWC":
        x = np.empty((1, height, width, channels + with_ones), recipe.dtype)
        planes = x[0].transpose(2, 0, 1)
    else:
        x = np.empty((1, channels + with_ones, height, width), recipe.dtype)
        planes = x[0]
    most = max(1, int(pixels.max())) if recipe.largest else 255
    x1, y1, x2, y2 = where.filled()
    for channel in range(channels):
        planes[channel] = value_table(recipe, channel, most)[pixels[..., channel]]
        if recipe.resize[1] is None and (x1, y1, x2, y2) != (0, 0, width, height):
            planes[channel, :y1] = planes[channel, y2:] = planes[channel, :, :x1] = planes[channel, :, x2:] = 0
    if with_ones:
        planes[channels] = 1
    if recipe.layout == "NCTHW":
        x = np.repeat(x[:, :, None], recipe.frames, axis=2)
    return (x if recipe.rank is None or recipe.rank == x.ndim else x[0]), where


def value_table(recipe: Recipe, channel: int, most: int = 255) -> np.ndarray:
    """What each of the 256 pixel values is fed as; computed in float64, rounded once. most : the value that counts as
    255"""
    mean, std = recipe.mean[channel % len(recipe.mean)], recipe.std[channel % len(recipe.std)]
    values = (np.arange(256) * (255 / most) - mean) / std
    if recipe.dtype.kind in "iu":
        values, limits = np.rint(values), np.iinfo(recipe.dtype)
        if values.min() < limits.min or values.max() > limits.max:
            raise InputError(f"mean {mean:g} and std {std:g} give {values.min():g} to {values.max():g}; "
                             f"input {recipe.input!r} is {recipe.dtype}: change --mean or --std")
    return values.astype(recipe.dtype)

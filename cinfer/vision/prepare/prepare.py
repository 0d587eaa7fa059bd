"""A picture becomes the array to feed, and says where it lies in it."""
from __future__ import annotations

from functools import lru_cache

import numpy as np

from ...errors import InputError
from ..pictures.frames import Frame
from .fit import fit
from .geometry import Geometry
from .inside import warped
from .pixels import as_pixels
from .recipe import Recipe
from .resample import resample


def prepare(picture, recipe: Recipe, original: tuple[int, int] | None = None,
            order: str = "RGB") -> tuple[np.ndarray, Geometry]:
    """Resize a picture and make the network's input of it.

    Parameters
    ----------
    picture : PIL.Image.Image of mode L or RGB, or an array of uint8, (height, width, 3) or (height, width)
    order : "RGB" or "BGR", of an array's channels
    original : its (width, height), if it was decoded at a fraction of them

    Returns
    -------
    array of the recipe's dtype and layout, (1, c, height, width), (1, height, width, c), or with an axis of equal
    frames after either of the first two, without the 1 for an input of one axis less, C-contiguous:
    (value - mean) / std, rounded for integer types
    Geometry, from pixels of the picture to those of the array

    Raises
    ------
    InputError : the picture does not have the size asked for, or the values do not fit an integer type
    LimitError : the input would be larger than any picture may be
    """
    if recipe.resize[0] == "inside":
        made, made_recipe, where = warped(Frame(picture, 0, 0, "", order).picture, recipe, original)
        return prepare(made, made_recipe)[0], where
    pixels = as_pixels(picture, recipe.channels == "GRAY", order)
    way = fit(*(original or (pixels.shape[1], pixels.shape[0])), recipe)
    if way.part is not None:
        pixels = part_of(pixels, way)
    where, channels, with_ones = way.where, pixels.shape[2], recipe.channels == "RGB+1"
    tables = value_tables(recipe, max(1, int(pixels.max())) if recipe.largest else 255)
    width, height = where.input_width, where.input_height
    if recipe.layout.endswith("C"):
        x = np.empty((1, height, width, channels + with_ones), recipe.dtype)
        planes = x[0].transpose(2, 0, 1)
    else:
        x = np.empty((1, channels + with_ones, height, width), recipe.dtype)
        planes = x[0]
    left, top = way.corner
    inside = planes[:channels, top:top + way.count[1], left:left + way.count[0]]
    if not way.covers:
        beyond = np.zeros(channels, recipe.dtype) if recipe.beyond is None else tables[:, recipe.beyond]
        fill_around(planes[:channels], inside, way.corner, beyond)
    reverse = channels == 3 and (recipe.channels == "BGR") != (isinstance(picture, np.ndarray) and order == "BGR")
    if recipe.dtype == np.float32:
        resample(pixels, way, recipe.filter, inside, tables, reverse)
    else:
        values = np.empty(inside.shape, np.uint8)
        resample(pixels, way, recipe.filter, values, None, reverse)
        for channel in range(channels):
            inside[channel] = tables[channel][values[channel]]
    if recipe.resize[0] == "mirror" and not way.covers:
        mirrored(planes[:channels], *inside.shape[1:])
    if with_ones:
        planes[channels] = 1
    if "T" in recipe.layout:
        axis = recipe.layout.index("T")
        x = np.repeat(np.expand_dims(x, axis), recipe.frames, axis=axis)
    return (x if recipe.rank is None or recipe.rank == x.ndim else x[0]), where


def fill_around(planes: np.ndarray, inside: np.ndarray, corner: tuple[int, int], values: np.ndarray) -> None:
    """What of (channels, height, width) is not `inside`, with its corner at (x, y), becomes a value for each
    channel."""
    (left, top), values = corner, values[:, None, None]
    below, right = top + inside.shape[1], left + inside.shape[2]
    planes[:, :top], planes[:, below:] = values, values
    planes[:, top:below, :left], planes[:, top:below, right:] = values, values


def mirrored(planes: np.ndarray, height: int, width: int) -> None:
    """Go on beyond the picture at the upper left of planes (channels, rows, columns) as in mirrors at its edges."""
    for axis, side in ((1, height), (2, width)):
        places = np.arange(side, planes.shape[axis]) % (2 * side)
        beyond = planes[:, side:] if axis == 1 else planes[..., side:]
        beyond[:] = planes.take(np.minimum(places, 2 * side - 1 - places), axis)


def part_of(pixels: np.ndarray, way) -> np.ndarray:
    """The part of a picture that is scaled; of one that was decoded at a fraction, to the nearest pixel."""
    fx, fy = pixels.shape[1] / way.where.width, pixels.shape[0] / way.where.height
    x1, y1, x2, y2 = way.part
    x1, y1 = round(x1 * fx), round(y1 * fy)
    return pixels[y1:max(y1 + 1, round(y2 * fy)), x1:max(x1 + 1, round(x2 * fx))]


@lru_cache(maxsize=64)
def value_tables(recipe: Recipe, most: int = 255) -> np.ndarray:
    """(channels, 256): what each of the 256 pixel values of a channel, in the order fed, is fed as; computed in
    float64, rounded once. most : the value that counts as 255"""
    tables = []
    for channel in range(1 if recipe.channels == "GRAY" else 3):
        mean, std = recipe.mean[channel % len(recipe.mean)], recipe.std[channel % len(recipe.std)]
        values = (np.arange(256) * (255 / most) - mean) / std
        if recipe.dtype.kind in "iu":
            values, limits = np.rint(values), np.iinfo(recipe.dtype)
            if values.min() < limits.min or values.max() > limits.max:
                raise InputError(f"mean {mean:g} and std {std:g} give {values.min():g} to {values.max():g}; "
                                 f"input {recipe.input!r} is {recipe.dtype}: change --mean or --std")
        tables.append(values.astype(recipe.dtype))
    return np.stack(tables)

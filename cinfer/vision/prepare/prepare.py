"""A picture becomes the array to feed, and says where it lies in it."""
from __future__ import annotations

from functools import lru_cache

import numpy as np

from ...errors import InputError
from ..pictures.frames import Frame
from .fit import fit
from .geometry import Geometry
from .inside import warped
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
        for channel in range(channels):
            planes[channel] = 0 if recipe.beyond is None else tables[channel][recipe.beyond]
    reverse = channels == 3 and (recipe.channels == "BGR") != (isinstance(picture, np.ndarray) and order == "BGR")
    if recipe.dtype == np.float32:
        resample(pixels, way, recipe.filter, inside, tables, reverse)
    else:
        values = np.empty(inside.shape, np.uint8)
        resample(pixels, way, recipe.filter, values, None, reverse)
        for channel in range(channels):
            inside[channel] = tables[channel][values[channel]]
    if with_ones:
        planes[channels] = 1
    if "T" in recipe.layout:
        axis = recipe.layout.index("T")
        x = np.repeat(np.expand_dims(x, axis), recipe.frames, axis=axis)
    return (x if recipe.rank is None or recipe.rank == x.ndim else x[0]), where


def part_of(pixels: np.ndarray, way) -> np.ndarray:
    """The part of a picture that is scaled; of one that was decoded at a fraction, to the nearest pixel."""
    fx, fy = pixels.shape[1] / way.where.width, pixels.shape[0] / way.where.height
    x1, y1, x2, y2 = way.part
    x1, y1 = round(x1 * fx), round(y1 * fy)
    return pixels[y1:max(y1 + 1, round(y2 * fy)), x1:max(x1 + 1, round(x2 * fx))]


def as_pixels(picture, grey: bool, order: str = "RGB") -> np.ndarray:
    """uint8 (height, width, channels), 1 or 3 in their order, a row of which is contiguous."""
    if not isinstance(picture, np.ndarray):
        pixels = np.asarray(picture if picture.mode == ("L" if grey else "RGB")
                            else picture.convert("L" if grey else "RGB"))
    elif picture.ndim == 3 and not grey or picture.ndim == 2 and grey:
        is_row = picture.strides[-1] == 1 and (grey or picture.strides[1] == 3)
        pixels = picture if is_row and picture.strides[0] > 0 else np.ascontiguousarray(picture)
    elif grey:
        from PIL import Image
        array = picture[..., ::-1] if order == "BGR" else picture
        pixels = np.asarray(Image.fromarray(np.ascontiguousarray(array)).convert("L"))
    else:
        pixels = np.repeat(picture[..., None], 3, axis=2)
    return pixels[..., None] if pixels.ndim == 2 else pixels


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

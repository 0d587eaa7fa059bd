"""A picture becomes the array to feed. Resizing is Pillow's own, to the bit: accuracy depends on it."""
from __future__ import annotations

import numpy as np

from ..errors import InputError
from .decode import MOST_PIXELS
from .recipe import Recipe, target_size


def prepare(picture, recipe: Recipe) -> np.ndarray:
    """Resize a picture and make the network's input of it.

    Parameters
    ----------
    picture : PIL.Image.Image, mode L or RGB

    Returns
    -------
    array of the recipe's dtype and layout, (1, c, height, width) or (1, height, width, c), without the 1 for an
    input without batch, C-contiguous: (value - mean) / std, rounded for integer types

    Raises
    ------
    InputError : the picture does not have the size asked for, or the values do not fit an integer type
    LimitError : the input would be larger than any picture may be
    """
    picture, columns = fit(picture.convert("L" if recipe.channels == "GRAY" else "RGB"), recipe)
    pixels = np.asarray(picture)
    pixels = pixels[..., None] if pixels.ndim == 2 else pixels
    pixels = pixels[..., ::-1] if recipe.channels == "BGR" else pixels
    height, width, channels = pixels.shape
    with_ones = recipe.channels == "RGB+1"
    if recipe.layout == "NCHW":
        x = np.empty((1, channels + with_ones, height, width), recipe.dtype)
        planes = x[0]
    else:
        x = np.empty((1, height, width, channels + with_ones), recipe.dtype)
        planes = x[0].transpose(2, 0, 1)
    for channel in range(channels):
        planes[channel] = value_table(recipe, channel)[pixels[..., channel]]
        planes[channel, :, columns:] = 0
    if with_ones:
        planes[channels] = 1
    return x if recipe.has_batch else x[0]


def value_table(recipe: Recipe, channel: int) -> np.ndarray:
    """What each of the 256 pixel values is fed as; computed in float64, rounded once."""
    mean, std = recipe.mean[channel % len(recipe.mean)], recipe.std[channel % len(recipe.std)]
    values = (np.arange(256) - mean) / std
    if recipe.dtype.kind in "iu":
        values, limits = np.rint(values), np.iinfo(recipe.dtype)
        if values.min() < limits.min or values.max() > limits.max:
            raise InputError(f"mean {mean:g} and std {std:g} give {values.min():g} to {values.max():g}; "
                             f"input {recipe.input!r} is {recipe.dtype}: change --mean or --std")
    return values.astype(recipe.dtype)


def fit(picture, recipe: Recipe):
    """(the picture resized, cropped or padded; how many of its columns hold picture)"""
    from PIL import Image
    resample = Image.Resampling[recipe.filter.upper()]
    w, h = target_size(recipe, *picture.size)
    mode, value = recipe.resize
    if mode in ("stretch", "height"):
        return picture.resize((w, h), resample), w
    if mode == "none":
        if picture.size != (w, h):
            raise InputError(f"the picture is {picture.width}x{picture.height}, the recipe takes {w}x{h} "
                             "only (resize none); --resize stretch fits any picture")
        return picture, w
    if mode == "crop":
        return crop(picture, w, h, value, resample), w
    if mode == "fit-left":
        columns = max(1, min(w, round(picture.width * h / picture.height)))
        size, corner, value = (columns, h), (0, 0), 0
    else:
        scale = min(w / picture.width, h / picture.height)
        size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
        columns, corner = w, ((w - size[0]) // 2, (h - size[1]) // 2)
    canvas = Image.new(picture.mode, (w, h), (value,) * len(picture.getbands()))
    canvas.paste(picture.resize(size, resample), corner)
    return canvas, columns


def crop(picture, w: int, h: int, share: float, resample):
    """The w x h centre of the picture scaled so that its smaller side, relative to w x h, is it / share."""
    scale = max(w / picture.width, h / picture.height) / share
    width, height = max(w, round(picture.width * scale)), max(h, round(picture.height * scale))
    left, top = round((width - w) / 2), round((height - h) / 2)
    if width * height <= MOST_PIXELS:
        return picture.resize((width, height), resample).crop((left, top, left + w, top + h))
    # A thread-thin picture: scale only the part that is kept. Equal but for the last bits of the coordinates.
    fx, fy = picture.width / width, picture.height / height
    return picture.resize((w, h), resample, box=(left * fx, top * fy, (left + w) * fx, (top + h) * fy))

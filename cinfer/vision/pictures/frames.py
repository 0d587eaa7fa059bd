"""Whatever holds a picture becomes a Frame: files, bytes, arrays of cameras, Pillow's pictures."""
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...errors import InputError, wrong
from .decode import check_pixels, decoded, name_of


class Frame(NamedTuple):
    """held : PIL.Image.Image, L or RGB, upright; or an array of uint8, (height, width, 3) or (height, width)
    width, height : of the picture as a person sees it; what is held may be smaller, decoded at a fraction of them
    name : what to call it in messages
    order : "RGB" or "BGR", of an array's channels
    number : of a video's or camera's frame, from 0
    """
    held: object
    width: int
    height: int
    name: str
    order: str = "RGB"
    number: int | None = None

    @property
    def picture(self):
        """PIL.Image.Image"""
        if not isinstance(self.held, np.ndarray):
            return self.held
        from PIL import Image
        array = self.held[..., ::-1] if self.order == "BGR" and self.held.ndim == 3 else self.held
        return Image.fromarray(np.ascontiguousarray(array))


def frame(source, order: str = "RGB", name: str | None = None, needed=None) -> Frame:
    """A Frame of a path, bytes, a binary file, a PIL.Image.Image, or an array of uint8.

    order : "RGB" or "BGR", the channels of an array (height, width, 3)
    name : what to call a file in messages, if not by its path
    needed : as of `decoded`: large JPEGs are decoded at a fraction of their size

    Raises InputError, LimitError.
    """
    if isinstance(source, Frame):
        return source
    check_order(order)
    if isinstance(source, np.ndarray):
        return of_array(source, order)
    if hasattr(source, "getbands"):
        return of_pillow(source)
    name = name or name_of(source)
    picture, size = decoded(source, name, needed)
    return Frame(picture, *size, name)


def check_order(order) -> str:
    if not isinstance(order, str) or order not in ("RGB", "BGR"):
        raise wrong("order", order, "'RGB' or 'BGR'")
    return order


def of_pillow(source) -> Frame:
    """source : PIL.Image.Image, whose pixels may not yet be unpacked, or be no more"""
    from .decode import eight_bit, unpacked
    from .orientation import turned
    name = "the picture"
    check_pixels(*source.size, name)
    orientation = unpacked(source, name)
    picture = turned(eight_bit(source, None, name), orientation)
    return Frame(picture, *picture.size, name)


def of_array(array: np.ndarray, order: str) -> Frame:
    if array.dtype != np.uint8 or array.ndim not in (2, 3) or array.ndim == 3 and array.shape[2] not in (1, 3):
        raise InputError(f"the picture is an array of {array.dtype} of shape {array.shape}; right is uint8, "
                         "(height, width, 3) or (height, width)")
    if not array.size:
        raise InputError(f"the picture is of shape {array.shape}; it has no pixels")
    check_pixels(array.shape[1], array.shape[0], "the picture")
    array = array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array
    if array.ndim == 3 and array.strides[2] == -1:          # frame[..., ::-1], as from OpenCV's to RGB
        array, order = array[..., ::-1], "RGB" if order == "BGR" else "BGR"
    return Frame(array, array.shape[1], array.shape[0], "the picture", order)

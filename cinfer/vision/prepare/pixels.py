"""The pixels of a picture as an array; of Pillow's without a copy, where it lends them."""
from __future__ import annotations

import ctypes

import numpy as np


def as_pixels(picture, grey: bool, order: str = "RGB") -> np.ndarray:
    """uint8 (height, width, channels), 1 or 3 in their order, the pixels of a row 1, 3 or 4 bytes apart; only to read.

    picture : PIL.Image.Image, or an array of uint8, (height, width, 3) or (height, width); order : of its channels
    """
    if not isinstance(picture, np.ndarray):
        mode = "L" if grey else "RGB"
        picture = picture if picture.mode == mode else picture.convert(mode)
        pixels = lent(picture)
        pixels = np.asarray(picture) if pixels is None else pixels
    elif picture.ndim == 3 and not grey or picture.ndim == 2 and grey:
        side_by_side = picture.strides[-1] == 1 and (grey or picture.strides[1] in (3, 4)) and picture.strides[0] > 0
        pixels = picture if side_by_side else picture.ravel().reshape(picture.shape)    # steps by the shape
    elif grey:
        from PIL import Image
        array = picture[..., ::-1] if order == "BGR" else picture
        pixels = np.asarray(Image.fromarray(np.ascontiguousarray(array)).convert("L"))
    else:
        pixels = np.repeat(picture[..., None], 3, axis=2)
    return pixels[..., None] if pixels.ndim == 2 else pixels


class _Array(ctypes.Structure):
    """ArrowArray of https://arrow.apache.org/docs/format/CDataInterface.html"""


_Array._fields_ = [*((name, ctypes.c_int64) for name in ("length", "nulls", "offset", "n_buffers", "n_children")),
                   ("buffers", ctypes.POINTER(ctypes.c_void_p)), ("children", ctypes.POINTER(ctypes.POINTER(_Array)))]


class _Lent:
    """What NumPy makes a view of. The capsule keeps the picture alive, and the view this."""

    def __init__(self, capsule, address: int, shape: tuple[int, ...]):
        self.capsule = capsule
        self.__array_interface__ = {"version": 3, "typestr": "|u1", "shape": shape, "data": (address, True)}


def lent(picture) -> np.ndarray | None:
    """A picture of mode L or RGB where Pillow has it: (height, width), or (height, width, 3) of pixels of 4 bytes.
    None: this Pillow does not say where (before 11.2), or it is in several pieces (beyond 16 MB).

    It says so by the PyCapsule interface of Apache Arrow: an array of bytes, or of lists of 4."""
    try:
        _, capsule = picture.__arrow_c_array__()
    except (AttributeError, ValueError, MemoryError):
        return None
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)
    array = _Array.from_address(pointer(capsule, b"arrow_array"))
    (width, height), size = picture.size, 1 if picture.mode == "L" else 4
    values = array.children[0].contents if size == 4 and array.n_children == 1 else array
    if values.n_buffers != 2 or values.length != width * height * size or array.offset or values.offset:
        return None
    pixels = np.asarray(_Lent(capsule, values.buffers[1], (height, width, 4)[:2 + (size == 4)]))
    return pixels if size == 1 else pixels[..., :3]

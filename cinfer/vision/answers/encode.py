"""Pixels become a picture file."""
from __future__ import annotations

import os

import numpy as np

from ...errors import InputError

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".bmp": "BMP", ".tif": "TIFF",
           ".tiff": "TIFF", ".ppm": "PPM"}
OPTIONS = {"JPEG": {"quality": 95, "subsampling": 0}, "WEBP": {"quality": 95}}


def format_of(path: str) -> str:
    """Pillow's name of the format that a file name asks for; InputError for an ending of none."""
    ending = os.path.splitext(path)[1].lower()
    if ending not in FORMATS:
        raise InputError(f"{path}: the ending says no picture format; right is {', '.join(FORMATS)}")
    return FORMATS[ending]


def write(answer, frame, file, format: str) -> None:
    """Write what an answer looks like: the picture that the network made, or the one it saw with the answer drawn on it."""
    if hasattr(answer, "pixels"):
        encode(answer.pixels, file, format)
    else:
        encode(np.asarray(answer.draw(frame.picture)), file, format)


def encode(pixels: np.ndarray, file, format: str) -> None:
    """Write pixels, uint8 of shape (height, width) or (height, width, 3), to a binary file."""
    from PIL import Image
    try:
        Image.fromarray(pixels).save(file, format, **OPTIONS.get(format, {}))
    except ValueError as error:                         # WebP and JPEG have limits on the size
        size = f"{pixels.shape[1]}x{pixels.shape[0]}"
        raise InputError(f"{size} pixels cannot be written as {format}: {error}") from None

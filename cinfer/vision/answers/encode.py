"""Pixels become a picture file."""
from __future__ import annotations

import os

import numpy as np

from ...errors import InputError

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".bmp": "BMP", ".tif": "TIFF",
           ".tiff": "TIFF", ".ppm": "PPM"}
FILMS = ".mp4", ".mkv", ".webm", ".gif"             # film.py
WITH_ALPHA = ("PNG", "WEBP", "TIFF")
OPTIONS = {"JPEG": {"quality": 95, "subsampling": 0}, "WEBP": {"quality": 95}}


def ending_of(path: str) -> str:
    return os.path.splitext(path)[1].lower()


def format_of(path: str, flag: str = "") -> str:
    """Pillow's name of the format that a file name asks for; InputError for an ending of none. flag : for messages"""
    ending = ending_of(path)
    if ending not in FORMATS:
        raise InputError(f"{flag}{path}: the ending says no picture format; right is {', '.join(FORMATS)}")
    return FORMATS[ending]


def write(answer, frame, file, format: str, font: str | None = None) -> None:
    """Write what an answer looks like: the picture that the network made, or the one it saw with the answer drawn on
    it. font : as of `draw`"""
    encode(np.asarray(drawn(answer, frame, font)), file, format)


def drawn(answer, frame, font: str | None = None):
    """PIL.Image.Image: what `write` writes."""
    if hasattr(answer, "pixels"):
        from PIL import Image
        return Image.fromarray(answer.pixels)
    picture, size = frame.picture, (frame.width, frame.height)
    return answer.on(picture if picture.size == size else picture.resize(size), font)


def on_white(picture):
    """An RGBA picture as RGB."""
    from PIL import Image
    return Image.alpha_composite(Image.new("RGBA", picture.size, (255, 255, 255, 255)), picture).convert("RGB")


def encode(pixels: np.ndarray, file, format: str) -> None:
    """Write pixels, uint8 of shape (height, width) or (height, width, 3 or 4), or uint16 of the first, to a
    binary file. What is transparent is laid on white where the format knows no alpha."""
    from PIL import Image
    picture = Image.fromarray(pixels)
    if picture.mode == "RGBA" and format not in WITH_ALPHA:
        picture = on_white(picture)
    try:
        picture.save(file, format, **OPTIONS.get(format, {}))
    except ValueError as error:                         # WebP and JPEG have limits on the size
        size = f"{pixels.shape[1]}x{pixels.shape[0]}"
        raise InputError(f"{size} pixels cannot be written as {format}: {error}") from None

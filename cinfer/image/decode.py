"""A picture file becomes upright 8-bit pixels, whatever it holds; what is no picture is one clear error.

Nothing here trusts the file: its size is checked before its pixels are unpacked; devices are never opened.
"""
from __future__ import annotations

import io
import os
import stat
import sys

from ..errors import InputError, LimitError

MOST_PIXELS = 100_000_000           # Pillow keeps 4 bytes of each, and turning upright needs a second copy
MOST_BYTES = 1 << 30                # of a picture that comes through a pipe
COMMON = ("JPEG", "PNG", "GIF", "BMP", "PPM")       # the plugins that Pillow loads at once
# Loaded when a file is none of the common ones. Those left out run other programs (EPS), are documents, or
# have no pixels.
RARE = ("WEBP", "TIFF", "DIB", "ICO", "JPEG2000", "AVIF", "QOI", "PCX", "SGI", "TGA")
WITH_ALPHA = ("P", "PA", "LA", "La", "RGBA", "RGBa")


def decode(source):
    """Decode the first frame of a picture.

    Parameters
    ----------
    source : path ("-" is standard input), bytes, or a binary file object

    Returns
    -------
    PIL.Image.Image of mode "L" or "RGB", upright (EXIF orientation applied). Transparent parts are laid on
    white, 16-bit pixels are scaled to 8 bit, palettes and CMYK become RGB.

    Raises
    ------
    InputError : no such file, no picture, damaged or truncated
    LimitError : more than 100 million pixels
    """
    from PIL import Image

    name = name_of(source)
    stream = open_regular(source, name)
    try:
        return upright(eight_bit(opened(Image, stream, name), name))
    except (InputError, LimitError):
        raise
    except (MemoryError, Image.DecompressionBombError):
        raise LimitError(f"{name}: unpacking this picture would take too much memory") from None
    except Exception as error:      # damaged data raise anything in Pillow: struct.error, KeyError, ...
        raise InputError(f"{name}: the picture is damaged: {error or type(error).__name__}") from None
    finally:
        if stream is not source:
            stream.close()


def name_of(source) -> str:
    """What to call a picture in a message."""
    if source == "-":
        return "standard input"
    if isinstance(source, (str, os.PathLike)):
        name = os.fsdecode(source)
        return name if len(name) <= 120 else "..." + name[-100:]
    return "the picture"


def open_regular(source, name: str):
    """A binary stream of the source; of paths only regular files: a pipe or a device may never end."""
    if source == "-":
        return io.BytesIO(sys.stdin.buffer.read(MOST_BYTES))
    if isinstance(source, (bytes, bytearray, memoryview)):
        return io.BytesIO(source)
    if not isinstance(source, (str, os.PathLike)):
        return source
    try:
        mode = os.stat(source).st_mode
        if stat.S_ISDIR(mode):
            raise InputError(f"{name} is a folder; name a picture file")
        if not stat.S_ISREG(mode):
            raise InputError(f"{name} is no regular file; name a picture file, or - for standard input")
        return open(source, "rb")
    except OSError as error:
        raise InputError(f"{name}: {error.strerror}; name a picture file") from None
    except ValueError:
        raise InputError(f"{name!r} cannot be a file name") from None


def opened(Image, stream, name: str):
    """The picture with its pixels unpacked."""
    import warnings
    with warnings.catch_warnings():                 # Pillow's hints are for programmers
        warnings.simplefilter("ignore")
        try:
            picture = Image.open(stream, formats=COMMON)
        except Image.UnidentifiedImageError:
            Image.init()
            try:
                picture = Image.open(stream, formats=[f for f in RARE if f in Image.OPEN])
            except Image.UnidentifiedImageError:
                raise InputError(f"{name} is no picture (PNG, JPEG, WebP, GIF, TIFF, ...)") from None
        if picture.width * picture.height > MOST_PIXELS:
            raise LimitError(f"{name} is {picture.width}x{picture.height} pixels; "
                             f"the limit is {MOST_PIXELS // 10**6} million")
        if not picture.width or not picture.height:
            raise InputError(f"{name} is {picture.width}x{picture.height} pixels; it has none")
        try:
            picture.load()
        except OSError as error:
            if "truncated" in str(error):
                raise InputError(f"{name}: the picture is truncated; is the file complete?") from None
            raise
    return picture


def eight_bit(picture, name: str):
    """The picture in mode L or RGB."""
    from PIL import Image
    if picture.mode in ("L", "RGB") and "transparency" not in picture.info:
        return picture
    if picture.mode in WITH_ALPHA or "transparency" in picture.info:
        layer = picture.convert("RGBA")
        return keep_exif(picture, on_white(Image, layer))
    if picture.mode.startswith("I"):
        return keep_exif(picture, from_16_bit(Image, picture, name))
    if picture.mode == "F":
        raise InputError(f"{name} has floating-point pixels of no known range; save it with 8 or 16 bits")
    return keep_exif(picture, picture.convert("L" if picture.mode == "1" else "RGB"))


def on_white(Image, layer):
    """An RGBA picture as it looks on white paper: colours hidden under transparent parts must not count."""
    paper = Image.new("RGB", layer.size, (255, 255, 255))
    paper.paste(layer, mask=layer.getchannel("A"))
    return paper


def from_16_bit(Image, picture, name: str):
    """Grey pixels of 16 bits to 8: v / 257, so that 65535 becomes 255. (Some 16-bit files come as mode I.)"""
    import numpy as np
    pixels = np.asarray(picture)
    if pixels.min() < 0 or pixels.max() > 65535:
        raise InputError(f"{name} has 32-bit pixels of no known range; save it with 8 or 16 bits")
    return Image.fromarray(((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8))


def keep_exif(picture, converted):
    """Not every conversion carries the EXIF orientation along."""
    converted.info.setdefault("exif", picture.info.get("exif", b""))
    return converted


def upright(picture):
    """The picture turned as its EXIF orientation (EXIF 2.32, tag 0x0112) says."""
    from PIL import Image
    try:
        orientation = picture.getexif().get(0x0112, 1)
    except Exception:               # damaged EXIF: the pixels are fine, and almost every picture is upright
        return picture
    turn = Image.Transpose
    turns = {2: turn.FLIP_LEFT_RIGHT, 3: turn.ROTATE_180, 4: turn.FLIP_TOP_BOTTOM, 5: turn.TRANSPOSE,
             6: turn.ROTATE_270, 7: turn.TRANSVERSE, 8: turn.ROTATE_90}
    return picture.transpose(turns[orientation]) if orientation in turns else picture

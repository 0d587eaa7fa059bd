"""A picture file becomes upright 8-bit pixels, whatever it holds; what is no picture is one clear error.

Nothing here trusts the file: its size is checked before its pixels are unpacked; devices are never opened.
"""
from __future__ import annotations

import io
import os
import sys
import threading
import warnings
from contextlib import contextmanager

from ...errors import InputError, LimitError, an
from ...paths import check_regular, unreadable
from .orientation import SIDEWAYS, TURNS, UPRIGHT, in_exif, orientation_of, turned

MOST_PIXELS = 100_000_000           # Pillow keeps 4 bytes of each, and turning upright needs a second copy
MOST_BYTES = 1 << 30                # of a picture that comes through a pipe
SMALL = 1_000_000                   # pixels of a JPEG that is decoded whole in any case: that takes some 10 ms
COMMON = ("JPEG", "PNG", "GIF", "BMP", "PPM")       # the plugins that Pillow loads at once
# Loaded when a file is none of the common ones. Those left out run other programs (EPS), are documents, or
# have no pixels.
RARE = ("WEBP", "TIFF", "DIB", "ICO", "JPEG2000", "AVIF", "QOI", "PCX", "SGI", "TGA")
WITH_ALPHA = ("P", "PA", "LA", "La", "RGBA", "RGBa")
GREYS = {"L;2": 85, "L;4": 17}      # rawmodes of grey pixels that Pillow spreads to 0..255, and by how much


def decode(source):
    """Decode the first frame of a picture.

    Parameters
    ----------
    source : path ("-" is standard input), bytes, or a binary file object

    Returns
    -------
    PIL.Image.Image of mode "L" or "RGB", upright (orientation of EXIF or XMP applied). Transparent parts
    are laid on white, 16-bit pixels are scaled to 8 bit, palettes and CMYK become RGB. Colour profiles are
    ignored.

    Raises
    ------
    InputError : no such file, no picture, truncated, or damaged as far as Pillow sees it: of a JPEG, rarely
    LimitError : more than 100 million pixels

    A UserWarning tells of a JPEG that lacks nothing but its end marker.
    """
    return decoded(source)[0]


def decoded(source, name: str | None = None, needed=None):
    """As `decode`: (the picture, its (width, height) in the file as a person sees it).

    name : what to call it in messages
    needed : (width, height) -> the least that the picture is needed at, or None for all of it. A JPEG of more than
        SMALL pixels that is several times as large is decoded at 1/2, 1/4 or 1/8 of its size: a fraction of the time
        and of the memory
    """
    name = name or name_of(source)
    stream = open_regular(source, name)
    try:
        picture, rawmode, orientation, (width, height) = opened(stream, name, needed)
        size = (height, width) if orientation in SIDEWAYS else (width, height)
        return turned(eight_bit(picture, rawmode, name), orientation), size
    finally:
        if stream is not source:
            stream.close()


class Quiet:
    """Pillow's warnings, which are for programmers, are dropped while any thread is in such a block. Not one
    catch_warnings a thread: where the blocks of two overlap, the last one leaves the first one's filters."""

    def __init__(self):
        self._lock, self._inside, self._plans = threading.Lock(), 0, None

    def __enter__(self):
        with self._lock:
            if not self._inside:
                self._plans = warnings.catch_warnings()
                self._plans.__enter__()
                warnings.filterwarnings("ignore", module=r"PIL\b")
            self._inside += 1

    def __exit__(self, *_):
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._plans.__exit__(None, None, None)


quiet = Quiet()


@contextmanager
def pillow_at_work(name: str):
    """What Pillow raises becomes an error of cinfer. Nothing else belongs into such a block: a mistake of our
    own is no damaged picture."""
    from PIL import Image
    try:
        with quiet:
            yield Image
    except (InputError, LimitError):
        raise
    except (MemoryError, Image.DecompressionBombError):
        raise LimitError(f"{name}: unpacking this picture would take too much memory") from None
    except Exception as error:      # damaged data raise anything: struct.error, KeyError, TypeError, ...
        if isinstance(error, OSError) and "truncated" in str(error):
            raise InputError(f"{name}: the picture is truncated; is the file complete?") from None
        text = str(error).partition("\n")[0] or type(error).__name__
        raise InputError(f"{name}: the picture is damaged: {text}") from None


def check_pixels(width: int, height: int, name: str) -> None:
    """LimitError for a picture of more than MOST_PIXELS, InputError for one without any."""
    if width * height > MOST_PIXELS:
        raise LimitError(f"{name} is {width}x{height} pixels; the limit is {MOST_PIXELS // 10**6} million")
    if not width or not height:
        raise InputError(f"{name} is {width}x{height} pixels; it has none")


def name_of(source) -> str:
    """What to call a picture in a message."""
    if isinstance(source, str) and source == "-":
        return "standard input"
    if isinstance(source, (str, os.PathLike)):
        name = os.fsdecode(source)
        return name if len(name) <= 120 else "..." + name[-100:]
    return "the picture"


def open_regular(source, name: str):
    """A binary stream of the source; of paths only regular files: a pipe or a device may never end."""
    if isinstance(source, str) and source == "-":
        if sys.stdin is None:
            raise InputError("standard input is closed; name a picture file")
        return io.BytesIO(sys.stdin.buffer.read(MOST_BYTES))
    if isinstance(source, (bytes, bytearray, memoryview)):
        return io.BytesIO(source)
    if not isinstance(source, (str, os.PathLike)):
        if not callable(getattr(source, "read", None)):
            raise InputError(f"{an(type(source))} is no picture; give a path, bytes or a binary file")
        return source
    right = "a picture file, or - for standard input"
    check_regular(source, name, right)
    try:
        return open(source, "rb")
    except OSError as error:
        raise unreadable(name, error, right) from None


def opened(stream, name: str, needed=None):
    """(the picture with its pixels unpacked, how they are in the file as Pillow calls it, orientation, (width, height)
    in the file)"""
    picture = identified(stream, name)
    check_pixels(*picture.size, name)
    size = picture.size
    if needed is not None and picture.format in ("JPEG", "MPO") and picture.width * picture.height > SMALL:
        shrink(picture, needed, name)
    rawmode = picture.tile[0][3] if picture.format == "PNG" and picture.tile else None
    try:
        orientation = unpacked(picture, name)
    except InputError:
        if picture.format not in ("JPEG", "MPO"):
            raise
        picture = without_end(picture, name)
        if picture is None:
            raise
        with quiet:
            orientation = orientation_of(picture)
    if picture.format not in ("JPEG", "MPO"):            # some say their size, or which way up, only now
        size = picture.size
    return picture, rawmode, orientation, size


def unpacked(picture, name: str) -> int:
    """The orientation of a picture, whose pixels are unpacked. Pillow turns a TIFF itself then, and forgets the
    orientation in EXIF, but not always in XMP."""
    with quiet:
        before = in_exif(picture) if picture.format == "TIFF" else None
    with pillow_at_work(name):
        picture.load()
    with quiet:
        upright = before == UPRIGHT or before in TURNS and in_exif(picture) is None
        return UPRIGHT if upright else orientation_of(picture)


def shrink(picture, needed, name: str) -> None:
    """Let a JPEG be decoded at a fraction whose sides are not less than twice what is needed: libjpeg makes 4x4, 2x2 or
    1 pixel of each block of 8x8."""
    with quiet:
        sideways = orientation_of(picture) in SIDEWAYS
    width, height = reversed(picture.size) if sideways else picture.size
    least = needed(width, height)
    if least is not None:
        wide, high = (2 * side for side in (reversed(least) if sideways else least))
        with pillow_at_work(name):
            picture.draft(None, (wide, high))


def identified(stream, name: str):
    """The picture, its pixels not yet unpacked."""
    with pillow_at_work(name) as Image:
        try:
            return Image.open(stream, formats=COMMON)
        except Image.UnidentifiedImageError:
            Image.init()
        try:
            return Image.open(stream, formats=[f for f in RARE if f in Image.OPEN])
        except Image.UnidentifiedImageError:
            raise InputError(f"{name} is no picture (PNG, JPEG, WebP, GIF, TIFF, ...)") from None


def without_end(picture, name: str):
    """A JPEG that could not be loaded, loaded, if it lacks only its end marker; else None."""
    from .jpeg_end import with_end
    with pillow_at_work(name) as Image:
        if picture.fp is None:
            return None
        picture.fp.seek(0)
        data = with_end(picture.fp.read(MOST_BYTES))
        if data is None:
            return None
        picture = Image.open(io.BytesIO(data), formats=["JPEG"])
        picture.load()
    warnings.warn(f"{name}: the JPEG has no end marker; all its pixels are there", stacklevel=5)
    return picture


def eight_bit(picture, rawmode, name: str):
    """The picture in mode L or RGB."""
    hidden = picture.info.get("transparency")
    if picture.mode in ("L", "RGB") and hidden is None:
        return picture
    if picture.mode.startswith("I"):
        return from_many_bits(picture, hidden, name)
    if picture.mode == "F":
        raise InputError(f"{name} has floating-point pixels of no known range; save it with 8 or 16 bits")
    if rawmode in GREYS and isinstance(hidden, int):            # a PNG of few bits says it in these
        picture.info["transparency"] = hidden * GREYS[rawmode]
    elif rawmode == "RGB;16B" and isinstance(hidden, tuple):    # Pillow keeps the upper 8 bits of pixels only
        picture.info["transparency"] = tuple(value >> 8 for value in hidden)
    with pillow_at_work(name) as Image:
        if picture.mode in WITH_ALPHA or hidden is not None:
            if picture.mode == "La":                            # not directly: that would lose the alpha
                picture = picture.convert("LA")
            return on_white(Image, picture.convert("RGBA"))
        return picture.convert("L" if picture.mode == "1" else "RGB")


def on_white(Image, layer):
    """An RGBA picture as it looks on white paper: colours hidden under transparent parts must not count."""
    paper = Image.new("RGB", layer.size, (255, 255, 255))
    paper.paste(layer, mask=layer.getchannel("A"))
    return paper


def from_many_bits(picture, hidden, name: str):
    """Grey pixels of 16 bits to 8: v / 257, so that 65535 becomes 255. (Some 16-bit files come as mode I.)
    hidden : the value that is transparent, or None"""
    import numpy as np
    from PIL import Image
    pixels = np.asarray(picture)
    if pixels.min() < 0 or pixels.max() > 65535:
        raise InputError(f"{name} has 32-bit pixels of no known range; save it with 8 or 16 bits")
    most, from_white = 65535, False
    if picture.format == "TIFF":
        most = 4095 if picture.tag_v2.get(258) in (12, (12,)) else most     # BitsPerSample
        from_white = picture.tag_v2.get(262) == 0                           # PhotometricInterpretation
    grey = ((pixels.astype(np.uint32) * 255 + most // 2) // most).astype(np.uint8)
    if from_white:
        grey = 255 - grey
    if isinstance(hidden, int):
        grey[pixels == hidden] = 255
    return Image.fromarray(grey)

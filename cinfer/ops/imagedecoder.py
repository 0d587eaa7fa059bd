"""ImageDecoder: the bytes of a picture's file become its pixels, by Pillow, imported when it is asked for.
https://onnx.ai/onnx/operators/onnx__ImageDecoder.html"""
from __future__ import annotations

import io

import numpy as np

from ..errors import LimitError, UnsupportedError
from .registry import op

FORMATS = ("BMP", "JPEG", "JPEG2000", "TIFF", "PNG", "WEBP", "PPM")
CHANNELS = {"RGB": 3, "BGR": 3, "Grayscale": 1}
MOST_PIXELS = 1 << 28


def decoded(content: bytes, gray: bool) -> np.ndarray | None:
    """The pixels (h, w, channels) as they lie in the file, of its first picture; None where there is none."""
    try:
        from PIL import Image
    except ImportError:
        raise UnsupportedError("ImageDecoder needs Pillow, which is not installed: pip install pillow"
                               ) from None
    try:
        picture = Image.open(io.BytesIO(content), formats=FORMATS)
        if picture.width * picture.height > MOST_PIXELS:
            raise Image.DecompressionBombError
        picture.load()
        if picture.mode.startswith("I"):        # 16 bits a pixel, gray
            pixels = np.asarray(picture).clip(0, 65535).astype(np.uint16)
            picture = Image.fromarray(((pixels + 128.0) // 257).astype(np.uint8))
        pixels = np.asarray(picture.convert("L" if gray else "RGB"))
    except (Image.DecompressionBombError, MemoryError):
        raise LimitError(f"ImageDecoder: the picture is too large; at most {MOST_PIXELS} pixels are possible"
                         ) from None
    except Exception:                           # damaged data raise anything
        return None
    return pixels[:, :, None] if gray else pixels


@op("ImageDecoder", since=20, types=(np.dtype(np.uint8),), rank=lambda *_, **__: 3)
class ImageDecoder:
    """uint8 (h, w, channels), or (0, 0, channels) where the bytes are no picture of a kind that it knows."""
    def evaluate(encoded_stream, *, pixel_format="RGB"):
        if encoded_stream.dtype != np.uint8 or encoded_stream.ndim != 1:
            raise ValueError(f"encoded_stream is {encoded_stream.dtype} of {encoded_stream.ndim} axes; it "
                             "has to be uint8, a list of bytes")
        if pixel_format not in CHANNELS:
            raise ValueError(f"pixel_format {pixel_format!r}; it has to be {', '.join(CHANNELS)}")
        pixels = decoded(encoded_stream.tobytes(), pixel_format == "Grayscale")
        if pixels is None:
            return np.zeros((0, 0, CHANNELS[pixel_format]), np.uint8)
        return np.ascontiguousarray(pixels[:, :, ::-1] if pixel_format == "BGR" else pixels)

"""ImageDecoder, with pictures that Pillow writes, and the standard's examples."""
import io
import sys

import numpy as np
import pytest
from one_node import run

import backend_cases
from cinfer.errors import LimitError, UnsupportedError

Image = pytest.importorskip("PIL.Image")


@pytest.mark.parametrize("case", backend_cases.of("ImageDecoder"))
def test_backend_case(case):
    backend_cases.check(case)


def encoded(pixels, form, **options) -> np.ndarray:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, form, **options)
    return np.frombuffer(stream.getvalue(), np.uint8)


PIXELS = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)


@pytest.mark.parametrize("form", ("PNG", "BMP", "TIFF", "PPM", "WEBP"))
def test_pixels_come_back(form):
    content = encoded(PIXELS, form, **({"lossless": True} if form == "WEBP" else {}))
    np.testing.assert_array_equal(run("ImageDecoder", content), PIXELS)
    np.testing.assert_array_equal(run("ImageDecoder", content, pixel_format="BGR"), PIXELS[..., ::-1])
    gray = run("ImageDecoder", content, pixel_format="Grayscale")
    assert gray.shape == (5, 7, 1)
    # https://en.wikipedia.org/wiki/Luma_(video), Rec. 601
    np.testing.assert_allclose(gray[..., 0], PIXELS @ [0.299, 0.587, 0.114], atol=1)


def test_other_kinds_of_pixels():
    gray = PIXELS[..., 0]
    for content in (encoded(gray, "PNG"), encoded(gray.astype(np.uint16) * 257, "PNG")):
        np.testing.assert_array_equal(run("ImageDecoder", content), np.stack([gray] * 3, -1))
        np.testing.assert_array_equal(run("ImageDecoder", content, pixel_format="Grayscale"), gray[..., None])
    alpha = np.concatenate((PIXELS, PIXELS[..., :1]), -1)
    np.testing.assert_array_equal(run("ImageDecoder", encoded(alpha, "PNG")), PIXELS)


def test_no_picture():
    content = encoded(PIXELS, "PNG")
    for broken in (content[:40], np.zeros(0, np.uint8), np.arange(100, dtype=np.uint8),
                   encoded(PIXELS, "GIF")):
        assert run("ImageDecoder", broken).shape == (0, 0, 3)
        assert run("ImageDecoder", broken, pixel_format="Grayscale").shape == (0, 0, 1)


def test_refuses(monkeypatch):
    with pytest.raises(ValueError, match="RGB, BGR, Grayscale"):
        run("ImageDecoder", encoded(PIXELS, "PNG"), pixel_format="YUV")
    with pytest.raises(ValueError, match="has to be uint8"):
        run("ImageDecoder", np.zeros(4, np.int8))
    monkeypatch.setattr("cinfer.ops.imagedecoder.MOST_PIXELS", 34)
    with pytest.raises(LimitError):
        run("ImageDecoder", encoded(PIXELS, "PNG"))


def test_without_pillow(monkeypatch):
    content = encoded(PIXELS, "PNG")
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(UnsupportedError, match="pip install pillow"):
        run("ImageDecoder", content)

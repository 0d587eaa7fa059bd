"""Whatever holds a picture is the same picture: files, bytes, Pillow's, arrays in either order."""

import io

import numpy as np
import pytest
from fake_session import recipe_of, session
from PIL import Image

from cinfer.errors import InputError, LimitError
from cinfer.vision.pictures import decode
from cinfer.vision.pictures.frames import frame
from cinfer.vision.prepare.prepare import prepare

PIXELS = np.random.default_rng(0).integers(0, 256, (30, 50, 3), np.uint8)


def fed(held, channels="RGB", order="RGB"):
    recipe = recipe_of(session({"cinfer.recipe": "1", "cinfer.input.size": "20x24", "cinfer.input.channels": channels}))
    taken = frame(held, order)
    assert (taken.width, taken.height) == (50, 30)
    return prepare(taken.held, recipe, (taken.width, taken.height), taken.order)[0]


def png() -> bytes:
    file = io.BytesIO()
    Image.fromarray(PIXELS).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("channels", ["RGB", "BGR", "GRAY"])
@pytest.mark.parametrize("held, order", [
    (png(), "RGB"), (Image.fromarray(PIXELS), "RGB"), (PIXELS, "RGB"), (PIXELS[..., ::-1], "BGR"),
    (np.ascontiguousarray(PIXELS[..., ::-1]), "BGR"), (np.ascontiguousarray(PIXELS[..., ::-1])[..., ::-1], "RGB"),
    (np.asfortranarray(PIXELS), "RGB"), (PIXELS[::-1].copy()[::-1], "RGB"), (np.repeat(PIXELS, 2, 1)[:, ::2], "RGB")])
def test_all_are_the_same_picture(held, order, channels):
    assert np.array_equal(fed(held, channels, order), fed(PIXELS, channels))


def test_pictures_of_arrays():
    assert np.array_equal(np.asarray(frame(PIXELS[..., ::-1], "BGR").picture), PIXELS)
    grey = PIXELS[..., 0]
    for held in (grey, grey[..., None]):
        assert np.array_equal(np.asarray(frame(held).picture), grey) and frame(held).picture.mode == "L"


@pytest.mark.parametrize("held, words", [
    (PIXELS.astype(float), "right is uint8"), (PIXELS[..., :2], "right is uint8"), (PIXELS[None], "right is uint8"),
    (np.zeros((0, 5, 3), np.uint8), "has no pixels"), (object(), "is no picture")])
def test_what_is_no_picture_is_refused(held, words):
    with pytest.raises(InputError, match=words):
        frame(held)


def test_order_and_size(monkeypatch):
    with pytest.raises(InputError, match="order is 'GBR'; right is 'RGB' or 'BGR'"):
        frame(PIXELS, "GBR")
    monkeypatch.setattr(decode, "MOST_PIXELS", 1000)
    with pytest.raises(LimitError, match="50x30 pixels"):
        frame(PIXELS)


def opened_halfway():
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)).save(file, "PNG")
    return Image.open(io.BytesIO(file.getvalue()[:4000]))


def closed():
    picture = Image.new("RGB", (8, 8))
    picture.close()
    return picture


@pytest.mark.parametrize("made, right", [
    (opened_halfway, "truncated"), (closed, "closed"), (lambda: Image.new("RGB", (0, 5)), "it has none"),
])
def test_pillow_pictures_without_pixels(made, right):
    with pytest.raises(InputError, match=right):
        frame(made())


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["TIFF", "JPEG", "PNG"])
def test_pillow_pictures_are_turned_once(kind, orientation):
    exif, file = Image.Exif(), io.BytesIO()
    exif[0x0112] = orientation
    Image.fromarray(np.arange(24, dtype=np.uint8).reshape(4, 6) * 10).save(file, kind, exif=exif)
    whole = np.asarray(frame(file.getvalue()).picture)
    lazy, loaded = (Image.open(io.BytesIO(file.getvalue())) for _ in range(2))
    loaded.load()
    assert np.array_equal(np.asarray(frame(lazy).picture), whole)
    assert np.array_equal(np.asarray(frame(loaded).picture), whole)

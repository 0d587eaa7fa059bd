"""Pixels of pictures and arrays, copied only where they have to be."""
import gc

import numpy as np
import pytest
from PIL import Image

from cinfer.vision.prepare.pixels import as_pixels, lent
from cinfer.vision.prepare.prepare import prepare
from cinfer.vision.prepare.recipe import Recipe, Size

PIXELS = np.random.default_rng(0).integers(0, 256, (37, 53, 3), np.uint8)
lends = pytest.mark.skipif(not hasattr(Image.Image, "__arrow_c_array__"), reason="Pillow before 11.2 lends no pixels")


@lends
@pytest.mark.parametrize("pixels", [PIXELS, PIXELS[..., 1], PIXELS[:1, :1], PIXELS[:, :1, 0]])
def test_pillows_pixels_are_lent_for_as_long_as_they_are_used(pixels):
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    found = lent(picture)
    assert found is not None and not found.flags.writeable
    del picture
    gc.collect()
    others = [Image.new("RGB", (53, 37), (n, n, n)) for n in range(20)]         # what was freed would be theirs
    assert np.array_equal(found, pixels) and len(others) == 20


@lends
def test_pixels_in_several_pieces_are_copied():
    picture = Image.effect_noise((3000, 2000), 90).convert("RGB")
    assert lent(picture) is None and np.array_equal(as_pixels(picture, False), np.asarray(picture))


def test_a_pillow_that_lends_nothing(monkeypatch):
    monkeypatch.delattr(Image.Image, "__arrow_c_array__", raising=False)
    assert np.array_equal(as_pixels(Image.fromarray(PIXELS), False), PIXELS)


@pytest.mark.parametrize("grey", [False, True])
def test_pictures_of_other_modes_are_converted(grey):
    picture = Image.fromarray(PIXELS).convert("RGB" if grey else "L")
    want = np.asarray(picture.convert("L" if grey else "RGB"))
    assert np.array_equal(as_pixels(picture, grey), want.reshape(*want.shape[:2], -1))


def test_arrays_are_not_copied_where_pixels_lie_side_by_side():
    four = np.dstack([PIXELS, PIXELS[..., 0]])
    for array in (PIXELS, PIXELS[3:30, 5:], four[..., :3]):
        assert np.shares_memory(as_pixels(array, False), array)
    for array in (PIXELS[::-1], PIXELS[:, ::-1], PIXELS[:, ::2], PIXELS.transpose(1, 0, 2)):
        assert np.array_equal(as_pixels(array, False), array)


def test_an_axis_of_one_pixel_has_no_step_of_its_own():
    row = PIXELS[:1].copy()
    assert as_pixels(row.transpose(1, 0, 2), False).strides[1] == 3
    assert as_pixels(row[..., 0].copy().T, True).strides[1] == 1


@pytest.mark.parametrize("filter", ["nearest", "bilinear", "bicubic", "lanczos", "linear", "cubic"])
@pytest.mark.parametrize("resize", [("letterbox", 114), ("stretch", None), ("middle", None), ("crop", .9)])
@pytest.mark.parametrize("size", [(20, 31), (64, 48), (90, 7)])
def test_a_picture_is_fed_as_its_array_is(filter, resize, size):
    for channels in ("RGB", "BGR", "GRAY"):
        recipe = Recipe("x", np.dtype(np.float32), 4, Size("fixed", size), "NCHW", channels, resize, filter, (1.0,),
                        (2.0,), largest=filter == "cubic")
        given = prepare(Image.fromarray(PIXELS), recipe)
        four = np.dstack([PIXELS, np.full((37, 53), 255, np.uint8)])[..., :3]
        for array in (PIXELS, four):
            found = prepare(array, recipe)
            assert np.array_equal(given[0], found[0]) and given[1] == found[1]

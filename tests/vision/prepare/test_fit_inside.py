"""Pictures within a share of the input, and pictures that are padded: their pixels, and where they lie."""

import numpy as np
import pytest
from fake_session import recipe_of, session
from PIL import Image

from cinfer.vision.prepare.prepare import prepare


def fed(pixels, original=None, **words):
    keys = {f"cinfer.input.{key}": text for key, text in words.items()}
    recipe = recipe_of(session({"cinfer.recipe": "1", "cinfer.input.layout": "NHWC"} | keys))
    x, where = prepare(Image.fromarray(pixels), recipe, original)
    return x[0], where


def noise(width, height, seed=0):
    """Smooth, so that one grey level of rounding is all that differs."""
    small = Image.fromarray(np.random.default_rng(seed).integers(0, 256, (6, 6, 3), np.uint8))
    return np.asarray(small.resize((width, height), Image.BICUBIC))


def sampled(pixels, x, y):
    """Bilinear between the indices of pixels."""
    x1, y1 = int(np.floor(x)), int(np.floor(y))
    fx, fy = x - x1, y - y1
    value = 0
    for dy, dx, weight in ((0, 0, (1 - fx) * (1 - fy)), (0, 1, fx * (1 - fy)), (1, 0, (1 - fx) * fy), (1, 1, fx * fy)):
        value = value + weight * pixels[y1 + dy, x1 + dx].astype(float)
    return value


@pytest.mark.parametrize("width, height", [(100, 60), (61, 97), (192, 256), (700, 300)])
def test_inside_is_a_warp_around_the_centre_in_whole_indices(width, height):
    pixels = noise(width, height)
    x, where = fed(pixels, size="64x48", resize="inside:0.8", filter="linear")
    scale = 0.8 * min(48 / width, 64 / height)
    left, top = 24 - scale * width / 2, 32 - scale * height / 2
    assert (where.scale_x, where.scale_y, where.left, where.top) == pytest.approx((scale, scale, left, top))
    for row in range(64):
        for column in range(0, 48, 3):
            u, v = (column - left) / scale, (row - top) / scale
            if 0 < u < width - 1.01 and 0 < v < height - 1.01:
                assert np.abs(x[row, column] - sampled(pixels, u, v)).max() <= 1.01, (row, column)
            elif not (-1 <= u <= width and -1 <= v <= height):
                assert not x[row, column].any(), (row, column)
    assert where.points(np.array([24.0, 32.0])) == pytest.approx((width / 2, height / 2))


def test_inside_of_a_picture_that_was_decoded_smaller():
    pixels = noise(100, 80)
    _, whole = fed(pixels, size="64x48", resize="inside:0.5")
    half = np.asarray(Image.fromarray(pixels).resize((50, 40), Image.BOX))
    x, where = fed(half, (100, 80), size="64x48", resize="inside:0.5")
    assert where == whole
    assert np.abs(x - fed(pixels, size="64x48", resize="inside:0.5")[0]).mean() < 4


def test_inside_takes_the_arrays_of_cameras():
    pixels = noise(100, 80)
    recipe = recipe_of(session({"cinfer.recipe": "1", "cinfer.input.size": "64x48",
                                "cinfer.input.resize": "inside:0.8"}))
    wanted = prepare(Image.fromarray(pixels), recipe)[0]
    assert np.array_equal(prepare(pixels, recipe)[0], wanted)
    assert np.array_equal(prepare(pixels[..., ::-1], recipe, order="BGR")[0], wanted)


@pytest.mark.parametrize("width, height", [(100, 60), (64, 96), (31, 33)])
def test_padded_pictures_keep_their_pixels(width, height):
    pixels = noise(width, height)
    x, where = fed(pixels, size="up:32", resize="pad:0")
    assert x.shape == (-(-height // 32) * 32, -(-width // 32) * 32, 3)
    assert np.array_equal(x[:height, :width], pixels)
    assert not x[height:].any() and not x[:, width:].any()
    assert (where.scale_x, where.scale_y, where.left, where.top) == (1, 1, 0, 0)


def test_what_is_too_large_to_be_padded_is_shrunk():
    x, where = fed(noise(200, 100), size="64x64", resize="pad:7")
    assert (where.scale_x, where.scale_y) == (0.32, 0.32)
    assert (x[32:] == 7).all() and not (x[:32] == 7).all()

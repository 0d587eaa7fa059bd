"""Resizing is Pillow's, to the bit; without antialiasing it is what the definition says, within a grey level."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cinfer.vision.prepare.fit import Fit
from cinfer.vision.prepare.resample import is_by_rows_first, resample

SIDES = st.integers(1, 90)


def scaled(pixels, size, filter, first=(0, 0), count=None):
    count = count or size
    planes = np.empty((pixels.shape[2], count[1], count[0]), np.uint8)
    resample(pixels, Fit(size, first, count, (0, 0), None), filter, planes, None)
    return planes.transpose(1, 2, 0)


@settings(max_examples=300, deadline=None)
@given(st.tuples(SIDES, SIDES), st.tuples(SIDES, SIDES), st.sampled_from(["nearest", "bilinear", "bicubic", "lanczos"]),
       st.sampled_from([1, 3]), st.integers(0, 9), st.data())
def test_equals_pillow_bit_for_bit(source, size, filter, channels, seed, data):
    pixels = np.random.default_rng(seed).integers(0, 256, (source[1], source[0], channels), np.uint8)
    picture = Image.fromarray(pixels if channels == 3 else pixels[..., 0])
    want = np.asarray(picture.resize(size, Image.Resampling[filter.upper()])).reshape(size[1], size[0], channels)
    assert np.array_equal(scaled(pixels, size, filter), want)
    left, top = (data.draw(st.integers(0, side - 1)) for side in size)
    count = data.draw(st.integers(1, size[0] - left)), data.draw(st.integers(1, size[1] - top))
    assert np.array_equal(scaled(pixels, size, filter, (left, top), count),
                          want[top:top + count[1], left:left + count[0]])


def places(size, wanted, filter):
    scale = size / wanted
    return np.arange(wanted) * scale if filter == "corner" else (np.arange(wanted) + 0.5) * scale - 0.5


def weights(size, wanted, filter):
    """(wanted, size): OpenCV's linear and cubic; what lies outside is the edge."""
    found = np.zeros((wanted, size))
    for row, place in enumerate(places(size, wanted, filter)):
        for tap in range(int(np.floor(place)) - 2, int(np.floor(place)) + 4):
            x = abs(tap - place)
            if filter == "cubic":
                a = -0.75
                w = (a + 2) * x**3 - (a + 3) * x**2 + 1 if x < 1 else a * (x**3 - 5 * x**2 + 8 * x - 4) if x < 2 else 0
            else:
                w = max(0, 1 - x)
            found[row, min(max(tap, 0), size - 1)] += w
    return found


@settings(max_examples=100, deadline=None)
@given(st.tuples(SIDES, SIDES), st.tuples(SIDES, SIDES), st.sampled_from(["linear", "cubic", "corner"]),
       st.integers(0, 9))
def test_without_antialiasing_only_the_pixels_around_count(source, size, filter, seed):
    # of middle grey, so that nothing is cut off between the passes; each rounds to 8 bits
    pixels = np.random.default_rng(seed).integers(96, 160, (source[1], source[0], 1), np.uint8)
    want = weights(source[1], size[1], filter) @ pixels[..., 0] @ weights(source[0], size[0], filter).T
    assert np.abs(scaled(pixels, size, filter)[..., 0] - want).max() <= (1.3 if filter == "cubic" else 1.001)


@pytest.mark.parametrize("source, size, rows_first", [
    ((1920, 1080), (640, 360), True), ((768, 576), (224, 224), True), ((1080, 1920), (360, 640), True),
    ((50, 90), (49, 24), False), ((10, 100), (20, 50), False), ((10, 100), (5, 50), False)])
def test_order_of_the_passes(source, size, rows_first):
    assert is_by_rows_first(*source, size) is rows_first

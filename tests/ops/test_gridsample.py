"""GridSample against a loop written from the standard, and onnxruntime; AffineGrid against its formula."""
import itertools
import math

import numpy as np
import pytest
from one_node import agrees_with_onnxruntime, needs_value, refuses, run, spec


rng = np.random.default_rng(2)
X = rng.standard_normal((2, 3, 4, 5)).astype(np.float32)
GRID = rng.uniform(-1.6, 1.6, (2, 3, 4, 2)).astype(np.float32)


def reflected(x, low, high):
    while not low <= x <= high:
        x = 2 * low - x if x < low else 2 * high - x
    return x


def pixel(row, i, padding_mode, low, high):
    if padding_mode == "zeros":
        return row[i] if 0 <= i < len(row) else 0 * row[0]
    if padding_mode == "reflection":
        i = reflected(i, low, high)
    return row[int(min(max(i, 0), len(row) - 1))]


def look_up(picture, place, mode, padding_mode, align_corners):
    """picture (d0, d1, ...) at place (..., x1, x0): one axis after the other."""
    if picture.ndim == 0:
        return picture
    n, x = picture.shape[0], float(place[-1])
    low, high = (0, n - 1) if align_corners else (-0.5, n - 0.5)
    x = (x + 1) / 2 * (n - 1) if align_corners else ((x + 1) * n - 1) / 2
    if mode == "nearest":
        x = round(x)
    if not low <= x <= high and mode != "cubic":          # whose taps are moved, each by itself
        if padding_mode == "border":
            x = min(max(x, 0), n - 1)
        elif padding_mode == "reflection":
            x = reflected(x, low, high)
    row = [look_up(slab, place[:-1], mode, padding_mode, align_corners) for slab in picture]
    base = math.floor(x)
    t = x - base
    at = lambda i: pixel(row, i, padding_mode, low, high)
    if mode == "nearest":
        return at(base)
    if mode == "linear":
        return (1 - t) * at(base) + t * at(base + 1)
    a = -0.75
    near = lambda t: (a + 2) * t**3 - (a + 3) * t**2 + 1
    far = lambda t: a * t**3 - 5 * a * t**2 + 8 * a * t - 4 * a
    return (far(t + 1) * at(base - 1) + near(t) * at(base) + near(1 - t) * at(base + 1)
            + far(2 - t) * at(base + 2))


@pytest.mark.parametrize("align_corners", [0, 1])
@pytest.mark.parametrize("padding_mode", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
@pytest.mark.parametrize("sizes", [(6,), (4, 5), (2, 3, 4)])
def test_every_place_is_the_formula(sizes, mode, padding_mode, align_corners):
    x = rng.standard_normal((2, 2, *sizes))
    grid = rng.uniform(-1.6, 1.6, (2, 5) + (2,) * (len(sizes) - 1) + (len(sizes),))
    y = run("GridSample", x, grid, opset=20, mode=mode, padding_mode=padding_mode,
            align_corners=align_corners)
    for n, at in itertools.product(range(2), np.ndindex(grid.shape[1:-1])):
        for c in range(2):
            expected = look_up(x[n, c], grid[(n, *at)], mode, padding_mode, align_corners)
            np.testing.assert_allclose(y[(n, c, *at)], expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("align_corners", [0, 1])
@pytest.mark.parametrize("padding_mode", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
def test_as_onnxruntime(mode, padding_mode, align_corners):
    agrees_with_onnxruntime("GridSample", X, GRID, opset=16, mode=mode, padding_mode=padding_mode,
                            align_corners=align_corners, atol=1e-5)


def test_corners():
    x = np.arange(20.0).reshape(1, 1, 4, 5)
    grid = np.array([[[[-1.0, -1], [1, -1], [0, 0], [1, 1]]]])
    assert run("GridSample", x, grid, opset=16, align_corners=1).ravel().tolist() == [0, 4, 9.5, 19]


@pytest.mark.parametrize("padding_mode", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30, -3e38, 2.0**63])
def test_places_far_outside_do_no_harm(value, mode, padding_mode):
    grid = GRID.copy()
    grid[0, 1, 2, 0] = value
    y = run("GridSample", X, grid, opset=20, mode=mode, padding_mode=padding_mode)
    clean = run("GridSample", X, GRID, opset=20, mode=mode, padding_mode=padding_mode)
    assert np.isfinite(y).all()
    if padding_mode == "zeros":
        assert not y[0, :, 1, 2].any()
    y[0, :, 1, 2] = clean[0, :, 1, 2]
    np.testing.assert_array_equal(y, clean)


def test_integers_are_looked_up_exactly_and_blended_by_rounding():
    x = np.array([[[0, 255, 3]]], np.uint8)
    grid = np.float32([[[-1], [-0.5], [0], [1]]])
    nearest = run("GridSample", x, grid, opset=20, mode="nearest", align_corners=1)
    linear = run("GridSample", x, grid, opset=20, align_corners=1)
    assert nearest.ravel().tolist() == [0, 0, 255, 3] and linear.ravel().tolist() == [0, 128, 255, 3]


def test_gridsample_refuses():
    for grid in (GRID[..., :1], GRID[:1], GRID[0]):
        refuses("grid of shape", "GridSample", X, grid)
    refuses("'BILINEAR'", "GridSample", X, GRID, mode="BILINEAR")
    refuses("'wrap'", "GridSample", X, GRID, padding_mode="wrap")
    refuses("nothing to look up", "GridSample", X[..., :0], GRID)
    refuses("can be blended", "GridSample", X > 0, GRID)


@pytest.mark.parametrize("align_corners", [0, 1])
@pytest.mark.parametrize("size", [(2, 3, 4, 5), (1, 1, 2, 3, 4), (2, 1, 1, 6)])
def test_affine_grid(size, align_corners):
    axes = len(size) - 2
    theta = rng.standard_normal((size[0], axes, axes + 1))
    y = run("AffineGrid", theta, np.array(size), align_corners=align_corners)
    for n, at in itertools.product(range(size[0]), np.ndindex(size[2:])):
        place = [-1 + 2 * i / (d - 1) if align_corners and d > 1 else (2 * i + 1) / d - 1 for i,
                 d in zip(at, size[2:])]
        np.testing.assert_allclose(y[(n, *at)], theta[n] @ [*place[::-1], 1], atol=1e-12)


def test_affine_grid_refuses():
    refuses("theta of shape", "AffineGrid", np.zeros((1, 3, 3)), np.array([1, 1, 4, 4]))
    refuses("theta of shape", "AffineGrid", np.zeros((2, 2, 3)), np.array([1, 1, 4, 4]))
    needs_value("AffineGrid", spec(1, 2, 3), spec(4, dtype=np.int64))

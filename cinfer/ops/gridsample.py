"""GridSample and AffineGrid: a picture looked up at given places.
https://onnx.ai/onnx/operators/onnx__GridSample.html"""
from __future__ import annotations

from itertools import product

import numpy as np

from .limits import check_ints, check_size
from .registry import op
from .resize import cubic

MODES = {"nearest": "nearest", "linear": "linear", "bilinear": "linear", "cubic": "cubic", "bicubic": "cubic"}
PADDING_MODES = ("zeros", "border", "reflection")


def reflect(x: np.ndarray, low: float, high: float) -> np.ndarray:
    """x mirrored at both borders as often as it takes."""
    if high <= low:
        return np.full_like(x, low)
    period = 2 * (high - low)
    return low + (high - low) - abs((high - low) - (x - low) % period)


def axis_taps(x: np.ndarray, size: int, mode: str, padding_mode: str,
              align_corners: bool) -> tuple[np.ndarray, np.ndarray]:
    """(index, weight) of the neighbours along one axis, each (taps,) + x.shape, from coordinates -1 to 1;
    index -1: nothing there.

    As PyTorch has it: a point outside is moved into the picture, but not that of a cubic curve: there each of
    the neighbours is moved by itself, and the curve bends up to where only the border's pixel is left of it.
    """
    x = (x + 1) / 2 * (size - 1) if align_corners else ((x + 1) * size - 1) / 2
    # far outside is far outside; beyond this an int overflows, and nan is nowhere
    x = np.nan_to_num(x, nan=-16.0, posinf=1e9, neginf=-1e9).clip(-1e9, 1e9)
    low, high = (0.0, size - 1.0) if align_corners else (-0.5, size - 0.5)
    if mode == "nearest":
        x = np.rint(x)
    if padding_mode == "border" and mode != "cubic":
        x = np.where((x < low) | (x > high), x.clip(0, size - 1), x)
    elif padding_mode == "reflection" and mode != "cubic":
        x = reflect(x, low, high)
    base = np.floor(x)
    t = x - base
    offsets = {"nearest": (0,), "linear": (0, 1), "cubic": (-1, 0, 1, 2)}[mode]
    index = np.stack([base + o for o in offsets])
    if mode == "nearest":
        weight = np.ones_like(index)
    elif mode == "linear":
        weight = np.stack((1 - t, t))
    else:
        weight = cubic(np.stack([t - o for o in offsets]), -0.75)
    if padding_mode == "zeros":
        index = np.where((index < 0) | (index >= size), -1, index)
    else:
        if padding_mode == "reflection":
            index = reflect(index, low, high)
        index = index.clip(0, size - 1)
    return index.astype(np.int64), weight


def check_grid(x, grid, mode: str, padding_mode: str) -> None:
    if mode not in MODES or padding_mode not in PADDING_MODES:
        raise ValueError(f"mode {mode!r}, padding_mode {padding_mode!r}; they have to be of "
                         f"{', '.join(MODES)} and {', '.join(PADDING_MODES)}")
    if x.ndim < 3 or grid.ndim != x.ndim or grid.shape[-1] != x.ndim - 2 or grid.shape[0] != x.shape[0]:
        raise ValueError(f"grid of shape {list(grid.shape)} for input of shape {list(x.shape)}; it has to "
                         f"be n, the sizes of the answer, {x.ndim - 2}")
    if 0 in x.shape[2:]:
        raise ValueError(f"nothing to look up in shape {list(x.shape)}")
    if x.dtype.kind in "bOSU" and MODES[mode] != "nearest":
        raise ValueError(f"mode {mode!r} of {x.dtype}; only numbers can be blended")


def grid_sample(x: np.ndarray, grid: np.ndarray, mode: str, padding_mode: str,
                align_corners: bool) -> np.ndarray:
    check_grid(x, grid, mode, padding_mode)
    n, c, *sizes = x.shape
    y = np.zeros(check_size((n, c) + grid.shape[1:-1], max(x.itemsize, 4)), x.dtype)
    if y.size == 0:
        return y
    work = np.result_type(x.dtype, np.float32)
    places = grid.astype(np.result_type(grid.dtype, np.float32)).reshape(n, -1, len(sizes))
    for sample in range(n):
        picture = x[sample].reshape(c, -1)
        # the last number of a place is the first axis of the picture
        taps = [axis_taps(places[sample, :, -1 - axis], size, MODES[mode], padding_mode, align_corners)
                for axis, size in enumerate(sizes)]
        total = np.zeros((c, places.shape[1]), x.dtype if MODES[mode] == "nearest" else work)
        for corner in product(*(range(len(index)) for index, _ in taps)):
            at, weight, inside = 0, 1, True
            for tap, size, (index, weights) in zip(corner, sizes, taps):
                at = at * size + index[tap].clip(0)
                weight = weight * weights[tap]
                inside = inside & (index[tap] >= 0)
            if MODES[mode] == "nearest":
                total[:, inside] = picture[:, at[inside]]
            else:
                total += picture[:, at] * np.where(inside, weight, 0).astype(work)
        if x.dtype.kind in "iu":
            limits = np.iinfo(x.dtype)
            total = np.rint(total).clip(limits.min, limits.max) if MODES[mode] != "nearest" else total
        y[sample] = total.reshape(y.shape[1:])
    return y


@op("GridSample", since=16, rank=0, mixes_floats=True)
class GridSampleFirst:
    """https://onnx.ai/onnx/operators/text_diff_GridSample_16_20.html"""
    def infer(x, grid, *, align_corners=0, mode="bilinear", padding_mode="zeros"):
        check_grid(x, grid, mode, padding_mode)
        return x.like(check_size(x.shape[:2] + grid.shape[1:-1], x.dtype.itemsize))

    def evaluate(x, grid, *, align_corners=0, mode="bilinear", padding_mode="zeros"):
        return grid_sample(x, grid, mode, padding_mode, bool(align_corners))


@op("GridSample", since=20, rank=0, mixes_floats=True)
class GridSample:
    """Any number of axes. https://onnx.ai/onnx/operators/onnx__GridSample.html"""
    def infer(x, grid, *, align_corners=0, mode="linear", padding_mode="zeros"):
        return GridSampleFirst.infer(x, grid, mode=mode, padding_mode=padding_mode)

    def evaluate(x, grid, *, align_corners=0, mode="linear", padding_mode="zeros"):
        return grid_sample(x, grid, mode, padding_mode, bool(align_corners))


def affine_shape(theta, size: np.ndarray) -> tuple[int, ...]:
    """The shape of the grid: n, the spatial sizes, 2 or 3."""
    size = check_ints(size, "size")
    axes = len(size) - 2
    if axes not in (2, 3) or theta.shape != (size[0], axes, axes + 1):
        raise ValueError(f"theta of shape {list(theta.shape)} and size {size}; theta has to be n, 2, 3 and "
                         "size n, c, h, w, or n, 3, 4 and n, c, d, h, w")
    return check_size((size[0], *size[2:], axes), max(theta.dtype.itemsize, 4))


@op("AffineGrid", since=20)
class AffineGrid:
    """The places that GridSample looks up for affine maps.
    https://onnx.ai/onnx/operators/onnx__AffineGrid.html"""
    def infer(theta, size, *, align_corners=0):
        return theta.like(affine_shape(theta, size.known("the size of AffineGrid")))

    def evaluate(theta, size, *, align_corners=0):
        shape = affine_shape(theta, size)
        axes = [np.linspace(-1, 1, d) if align_corners and d > 1 else (2 * np.arange(d) + 1) / d - 1 if d
                else np.zeros(0) for d in shape[1:-1]]
        columns = np.meshgrid(*axes, indexing="ij")[::-1]          # x, y (, z): the last axis first
        places = np.stack([c.reshape(-1) for c in columns] + [np.ones(columns[0].size)])
        return (theta.astype(np.float64) @ places).transpose(0, 2, 1).reshape(shape).astype(theta.dtype)

"""Resize and Upsample: every axis by itself, each output element a weighted sum of a few input elements.

`resize_axis` gives sources and weights along one axis, `resize_axes` all axes that change; kernels are
planned from the same numbers. https://onnx.ai/onnx/operators/onnx__Resize.html
"""
from __future__ import annotations

from collections.abc import Sequence
from math import floor, isfinite, prod

import numpy as np

from .facts import Fact
from .families import OWN_DOMAIN
from .limits import check_axes, check_ints, check_size, known
from .quantize import dequantize, quantize
from .registry import op
from .symbols import Symbol, Undecided, below

MODES = ("nearest", "linear", "cubic")
COORDINATES = ("half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric",
               "tf_crop_and_resize", "tf_half_pixel_for_nn")
POLICIES = ("stretch", "not_larger", "not_smaller")
NEAREST = {"round_prefer_floor": lambda x: np.ceil(x - 0.5), "round_prefer_ceil": lambda x: np.floor(x + 0.5),
           "floor": np.floor, "ceil": np.ceil}


def snap(x: np.ndarray) -> np.ndarray:
    """Coordinates within a float32's error of a multiple of 1/2 become that multiple.

    Scales are float32: 1/3 as such is a little off, and x / scale would be 2.9999998 where the exporter meant
    pixel 3.
    """
    near = np.rint(2 * x) / 2
    return np.where(abs(x - near) <= abs(x) * 2.0**-23, near, x)


def source_coordinates(size: int, out_size: int, scale: float, mode: str, roi=(0.0, 1.0)) -> np.ndarray:
    """Where each output element of one axis lies on the input's axis, in elements; float64, shape
    (out_size,)."""
    x = np.arange(out_size, dtype=np.float64)
    full, near = scale * size, round(2 * scale * size) / 2
    if abs(full - near) <= abs(full) * 2.0**-23:            # as snap; not whole when it comes from a scale
        full = near
    exact = full == out_size                                # then x * size / out_size, which rounds once
    if mode == "align_corners":
        return x * 0 if full == 1 else snap(x * (size - 1) / (full - 1))
    if mode == "tf_crop_and_resize":
        start, end = roi
        span = 0.5 * (end - start) if full == 1 else x * ((end - start) / (full - 1))
        return (size - 1) * (start + span) + 0 * x
    if mode == "asymmetric":
        return x * size / out_size if exact else snap(x / scale)
    centre = (x + 0.5) * size / out_size if exact else snap((x + 0.5) / scale)
    if mode == "tf_half_pixel_for_nn":
        return centre
    if mode == "half_pixel_symmetric":
        return snap(size / 2 * (1 - out_size / full) + centre - 0.5)
    if mode == "pytorch_half_pixel" and out_size == 1:
        return x * 0
    return centre - 0.5


def cubic(t: np.ndarray, a: float) -> np.ndarray:
    """Keys' convolution kernel, equation (4) of https://ieeexplore.ieee.org/document/1163711"""
    t = abs(t)
    return np.where(t <= 1, ((a + 2) * t - (a + 3)) * t * t + 1,
                    np.where(t < 2, ((t - 5) * t + 8) * t * a - 4 * a, 0.0))


def resize_axis(size: int, out_size: int, scale: float, *, mode: str = "nearest",
                coordinate_transformation_mode: str = "half_pixel", nearest_mode: str = "round_prefer_floor",
                cubic_coeff_a: float = -0.75, exclude_outside: int = 0, antialias: int = 0,
                roi: tuple[float, float] = (0.0, 1.0)) -> tuple[np.ndarray, np.ndarray]:
    """Sources and weights along one axis: y[i] = sum over t of weights[i, t] * x[index[i, t]].

    Parameters
    ----------
    size, out_size : elements of the axis before and after, both >= 1
    scale : the scale that maps coordinates; out_size / size or close to it
    roi : (start, end) of the axis, of tf_crop_and_resize

    Returns
    -------
    index : int64 (out_size, taps), within 0 to size - 1; taps is 1 (nearest), 2 (linear), 4 (cubic), more
    with antialias
    weights : float64 (out_size, taps); a row sums to 1, or is all zeros where tf_crop_and_resize looks beyond
    the input
    """
    x = source_coordinates(size, out_size, scale, coordinate_transformation_mode, roi)
    outside = None
    if coordinate_transformation_mode == "tf_crop_and_resize":
        outside = ~((x >= 0) & (x <= size - 1))
        x = np.where(outside, 0, x)
    if mode == "nearest":
        index = NEAREST[nearest_mode](x).astype(np.int64)[:, None]
        weights = np.ones(index.shape)
    elif mode == "linear" and not antialias and not exclude_outside:    # as below, of two taps
        base = np.floor(x)
        index, weights = np.empty((out_size, 2), np.int64), np.empty((out_size, 2))
        index[:, 0] = base
        np.add(index[:, 0], 1, out=index[:, 1])
        near = np.subtract(1, x - base, out=weights[:, 0])
        far = np.subtract(1, near, out=weights[:, 1])
        weights /= (near + far)[:, None]
    else:
        reach = 1 if mode == "linear" else 2
        # the filter of antialias is as many times wider as the picture shrinks; never wider than the input
        # needs
        narrow = max(min(scale, 1.0), 1 / (4 * size)) if antialias else 1.0
        first = floor(-reach / narrow) + 1
        taps = np.arange(first, 2 - first)
        check_size((out_size, len(taps)), 32)
        base = np.floor(x)
        t = narrow * (taps - (x - base)[:, None])
        weights = (1 - abs(t)).clip(0, 1) if mode == "linear" else cubic(t, cubic_coeff_a)
        index = base.astype(np.int64)[:, None] + taps
        if exclude_outside:
            weights = np.where((index < 0) | (index >= size), 0, weights)
        total = weights.sum(1, keepdims=True)
        weights = np.divide(weights, total, out=weights, where=total != 0)
    if outside is not None:
        weights[outside] = 0
    return index.clip(0, size - 1), weights


def resize_sizes(shape: Sequence[int], scales: Sequence[float] | None, sizes: Sequence[int] | None,
                 axes: Sequence[int] | None = None,
                 keep_aspect_ratio_policy: str = "stretch") -> tuple[tuple[int, ...], list[float]]:
    """(shape of the answer, scale of each axis)"""
    axes = check_axes(range(len(shape)) if axes is None else axes, len(shape))
    if (scales is None) == (sizes is None):
        raise ValueError("give either scales or sizes")
    given = scales if sizes is None else sizes
    if len(given) != len(axes):
        raise ValueError(f"{len(given)} {'scales' if sizes is None else 'sizes'} for {len(axes)} axes; "
                         "there has to be one for each")
    if keep_aspect_ratio_policy not in POLICIES:
        raise ValueError(f"keep_aspect_ratio_policy {keep_aspect_ratio_policy!r}; it has to be "
                         f"{', '.join(POLICIES)}")
    out, factors = list(shape), [1.0] * len(shape)
    if sizes is None:
        for axis, scale in zip(axes, scales):
            if not (isfinite(scale) and scale > 0):
                raise ValueError(f"scale {scale} of axis {axis}; it has to be a positive number")
            factors[axis] = scale
            if type(shape[axis]) is Symbol:
                out[axis] = shape[axis] * scale     # Undecided, unless the scale is a whole number
                below(1 << 24, out[axis])           # float32 has all numbers up to this
                continue
            # rounded to float32, as those who wrote 0.7 mean it; 2^62 is refused by whoever checks the size
            out[axis] = int(np.float32(min(scale * shape[axis], 2.0**62)))
        return tuple(out), factors
    for axis, size in zip(axes, sizes):
        if Symbol in (type(size), type(shape[axis])):
            if keep_aspect_ratio_policy != "stretch":
                raise Undecided
            if below(size, 0) or type(shape[axis]) is Symbol and below(shape[axis], 1):
                raise ValueError(f"axis {axis} of {shape[axis]} elements cannot become {size}")
            out[axis] = size
            continue
        if size < 0 or (shape[axis] == 0 and size):
            raise ValueError(f"axis {axis} of {shape[axis]} elements cannot become {size}")
        out[axis], factors[axis] = size, size / max(shape[axis], 1)
    if keep_aspect_ratio_policy != "stretch":
        wanted = [factors[axis] for axis in axes]
        scale = (min if keep_aspect_ratio_policy == "not_larger" else max)(wanted, default=1.0)
        for axis in axes:
            out[axis], factors[axis] = floor(scale * shape[axis] + 0.5), scale
    return tuple(out), factors


def resize_axes(shape: Sequence[int], roi: Sequence[float] | None = None,
                scales: Sequence[float] | None = None, sizes: Sequence[int] | None = None, *,
                axes: Sequence[int] | None = None, keep_aspect_ratio_policy: str = "stretch",
                coordinate_transformation_mode: str = "half_pixel",
                **attributes) -> tuple[tuple[int, ...], dict[int, tuple[np.ndarray, np.ndarray]]]:
    """The shape of the answer, and for each axis that does not stay as it is, (index, weights) of
    `resize_axis`. An axis of scale 1 stays, whatever the coordinate_transformation_mode (batch, channels)."""
    out, factors = resize_sizes(shape, scales, sizes, axes, keep_aspect_ratio_policy)
    check_size(out)
    rois = {}
    if coordinate_transformation_mode == "tf_crop_and_resize":
        cropped = check_axes(range(len(shape)) if axes is None else axes, len(shape))
        if roi is None or len(roi) != 2 * len(cropped):
            raise ValueError(f"roi of {0 if roi is None else len(roi)} numbers; tf_crop_and_resize takes a "
                             f"start and an end for each of {len(cropped)} axes")
        if not all(map(isfinite, roi)):
            raise ValueError(f"roi {list(roi)}; it has to be of finite numbers")
        rois = {axis: ends for axis, ends in zip(cropped, zip(roi, roi[len(cropped):]))}
    tables = {}
    if 0 not in out:
        for axis, (size, out_size) in enumerate(zip(shape, out)):
            ends = rois.get(axis, (0.0, 1.0))
            if out_size != size or factors[axis] != 1 or ends != (0.0, 1.0):
                tables[axis] = resize_axis(size, out_size, factors[axis], roi=ends,
                                           coordinate_transformation_mode=coordinate_transformation_mode,
                                           **attributes)
    return out, tables


def resize_array(x: np.ndarray, shape: tuple[int, ...], tables: dict,
                 extrapolation_value: float = 0.0) -> np.ndarray:
    """x with the sources and weights of `resize_axes` applied, the axis that shrinks most first."""
    if prod(shape) == 0:
        return np.empty(shape, x.dtype)
    order = sorted(tables, key=lambda axis: shape[axis] / x.shape[axis])
    y = x
    blended = any(index.shape[1] > 1 for index, _ in tables.values())
    if blended:
        y = x.astype(np.result_type(x.dtype, np.float32), copy=False)
    for axis in order:
        index, weights = tables[axis]
        if index.shape[1] == 1:
            y = np.take(y, index[:, 0], axis)
            continue
        columns = (-1,) + (1,) * (y.ndim - axis - 1)
        weights = weights.astype(y.dtype)
        total = None
        for t in range(index.shape[1]):
            part = np.take(y, index[:, t], axis)
            part *= weights[:, t].reshape(columns)
            total = part if total is None else np.add(total, part, out=total)
        y = total
    if blended and x.dtype.kind in "iu":
        limits = np.iinfo(x.dtype)
        y = np.rint(y).clip(limits.min, limits.max)
    y = y.astype(x.dtype, copy=False)
    for axis, (_, weights) in tables.items():
        outside = ~weights.any(1)
        if outside.any():
            y[(slice(None),) * axis + (outside,)] = extrapolation_value
    return y


def check_modes(x, mode: str, coordinate_transformation_mode: str, nearest_mode: str) -> None:
    for what, value, allowed in (("mode", mode, MODES), ("nearest_mode", nearest_mode, NEAREST),
                                 ("coordinate_transformation_mode", coordinate_transformation_mode,
                                  COORDINATES)):
        if value not in allowed:
            raise ValueError(f"{what} {value!r}; it has to be {', '.join(allowed)}")
    if mode != "nearest" and x.dtype.kind in "bOSU":
        raise ValueError(f"mode {mode!r} of {x.dtype}; only numbers can be blended")


def check_scales(scales: np.ndarray | None) -> list[float] | None:
    """None also for the empty tensor that stands for an absent input."""
    if scales is None or scales.size == 0:
        return None
    if scales.dtype != np.float32 or scales.ndim != 1:
        raise ValueError(f"scales are {scales.dtype} of shape {list(scales.shape)}; they have to be "
                         "float32, of 1 axis")
    return scales.tolist()


def check_sizes(sizes: np.ndarray | None) -> list[int] | None:
    return None if sizes is None or sizes.size == 0 else check_ints(sizes, "sizes")


@op("Resize", since=11, rank=0, mixes_floats=True)
class Resize:
    """https://onnx.ai/onnx/operators/onnx__Resize.html"""
    def infer(x, roi=None, scales=None, sizes=None, *, antialias=0, axes=None,
              coordinate_transformation_mode="half_pixel", cubic_coeff_a=-0.75, exclude_outside=0,
              extrapolation_value=0.0, keep_aspect_ratio_policy="stretch", mode="nearest",
              nearest_mode="round_prefer_floor"):
        check_modes(x, mode, coordinate_transformation_mode, nearest_mode)
        out, _ = resize_sizes(x.shape, check_scales(known_unless_empty(scales, "the scales of Resize")),
                              check_sizes(known_unless_empty(sizes, "the sizes of Resize")), axes,
                              keep_aspect_ratio_policy)
        return x.like(check_size(out, x.dtype.itemsize))

    def evaluate(x, roi=None, scales=None, sizes=None, *, antialias=0, axes: list[int] = None,
                 coordinate_transformation_mode="half_pixel", cubic_coeff_a=-0.75, exclude_outside=0,
                 extrapolation_value=0.0, keep_aspect_ratio_policy="stretch", mode="nearest",
                 nearest_mode="round_prefer_floor"):
        check_modes(x, mode, coordinate_transformation_mode, nearest_mode)
        out, tables = resize_axes(x.shape, None if roi is None else roi.tolist(), check_scales(scales),
                                  check_sizes(sizes), axes=axes,
                                  keep_aspect_ratio_policy=keep_aspect_ratio_policy,
                                  coordinate_transformation_mode=coordinate_transformation_mode, mode=mode,
                                  nearest_mode=nearest_mode, cubic_coeff_a=cubic_coeff_a,
                                  exclude_outside=exclude_outside, antialias=antialias)
        check_size(out, x.itemsize)
        return resize_array(x, out, tables, extrapolation_value)


@op("QLinearResize", since=1, domain=OWN_DOMAIN, types=(0,), rank=0)
class QLinearResize:
    """y = quantised(Resize(the numbers of x)): the inputs of Resize, then scales and zero points of x and of y."""
    def infer(x, roi, scales, sizes, x_scale, x_zero_point, y_scale, y_zero_point, **attributes):
        return Resize.infer(x, roi, scales, sizes, **attributes)

    def evaluate(x, roi, scales, sizes, x_scale, x_zero_point, y_scale, y_zero_point, *, axes: list[int] = None,
                 coordinate_transformation_mode="half_pixel", keep_aspect_ratio_policy="stretch", mode="linear"):
        y = Resize.evaluate(dequantize(x, x_scale, x_zero_point), roi, scales, sizes, axes=axes, mode=mode,
                            coordinate_transformation_mode=coordinate_transformation_mode,
                            keep_aspect_ratio_policy=keep_aspect_ratio_policy)
        return quantize(y, y_scale, y_zero_point, y_zero_point.dtype)


def known_unless_empty(spec: Fact | None, what: str) -> np.ndarray | None:
    return None if spec is None or spec.shape == (0,) else known(spec, what)


def upsample_spec(x, scales: Sequence[float], mode: str):
    check_modes(x, "linear" if mode == "bilinear" else mode, "asymmetric", "floor")
    return x.like(check_size(resize_sizes(x.shape, scales, None)[0], x.dtype.itemsize))


def upsample_array(x: np.ndarray, scales: Sequence[float], mode: str, ceil_down: bool = False) -> np.ndarray:
    """Before opset 11: corner (0, 0) stays in place, the nearest is the one before."""
    upsample_spec(Fact.of(x), scales, mode)
    mode = "linear" if mode == "bilinear" else mode
    out, tables = resize_axes(x.shape, None, scales, mode=mode, coordinate_transformation_mode="asymmetric",
                              nearest_mode="floor")
    if ceil_down and mode == "nearest":
        _, up = resize_axes(x.shape, None, scales, mode=mode, coordinate_transformation_mode="asymmetric",
                            nearest_mode="ceil")
        tables = {axis: up[axis] if scales[axis] < 1 else table for axis, table in tables.items()}
    return resize_array(x, out, tables)


@op("Resize", since=10, rank=0, mixes_floats=True)
class ResizeFirst:
    """As Upsample, but scales may shrink; then the nearest is the pixel behind, as runtimes and the
    standard's examples have it.
    https://onnx.ai/onnx/operators/text_diff_Resize_10_11.html"""
    def infer(x, scales, *, mode="nearest"):
        return upsample_spec(x, check_scales(scales.known("the scales of Resize")), mode)

    def evaluate(x, scales, *, mode="nearest"):
        return upsample_array(x, check_scales(scales), mode, ceil_down=True)


@op("Upsample", since=9, rank=0, mixes_floats=True)
class Upsample:
    """https://onnx.ai/onnx/operators/onnx__Upsample.html"""
    def infer(x, scales, *, mode="nearest"):
        return upsample_spec(x, check_scales(scales.known("the scales of Upsample")), mode)

    def evaluate(x, scales, *, mode="nearest"):
        return upsample_array(x, check_scales(scales), mode)


@op("Upsample", since=7, rank=0, mixes_floats=True)
class UpsampleByAttribute:
    """https://onnx.ai/onnx/operators/text_diff_Upsample_7_9.html"""
    def infer(x, *, scales, mode="nearest"):
        return upsample_spec(x, scales, mode)

    def evaluate(x, *, scales: list[float], mode="nearest"):
        return upsample_array(x, scales, mode)


@op("Upsample", since=1, rank=0, mixes_floats=True)
class UpsampleFirst:
    """https://onnx.ai/onnx/operators/text_diff_Upsample_1_7.html"""
    def infer(x, *, height_scale, width_scale, mode="nearest"):
        return upsample_spec(x, (1.0,) * (x.ndim - 2) + (height_scale, width_scale), mode)

    def evaluate(x, *, height_scale: float, width_scale: float, mode="nearest"):
        return upsample_array(x, (1.0,) * (x.ndim - 2) + (height_scale, width_scale), mode)

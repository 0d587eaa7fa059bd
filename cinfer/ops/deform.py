"""DeformConv: a convolution whose taps are moved, each at each place, by offsets that are fed.
https://onnx.ai/onnx/operators/onnx__DeformConv.html, https://arxiv.org/abs/1811.11168"""
from __future__ import annotations

from itertools import product as corners_of
from math import prod

import numpy as np

from .conv import COLUMN_BYTES, check_kernel
from .facts import rank_of_any
from .geometry import Geometry, conv_geometry
from .limits import check_size
from .numeric import along, check_kind, check_same, check_sizes, product, settle, spec_of, widen
from .registry import op
from .symbols import differ

FAR = 1e9                       # pixels; what lies beyond is nowhere, and an int holds it


def deform_geometry(x, w, offset, b, mask, group: int, offset_group: int, kernel_shape, **attributes
                    ) -> Geometry:
    """The windows before they are moved; ValueError where shapes or types do not belong together."""
    check_kind(x, "float")
    check_same(x.dtype, w, offset, b, mask, what="x, w, offset, b and mask")
    check_kernel(x, w, group, kernel_shape)
    if offset_group < 1 or differ(x.shape[1] % offset_group, 0):
        raise ValueError(f"offset_group {offset_group}; it has to divide the {x.shape[1]} channels of x")
    geometry = conv_geometry(x.shape[2:], w.shape[2:], **attributes)
    taps = offset_group * prod(w.shape[2:])
    check_sizes(offset, (x.shape[0], taps * (x.ndim - 2), *geometry.out_sizes), "offset")
    check_sizes(mask, (x.shape[0], taps, *geometry.out_sizes), "mask")
    check_sizes(b, w.shape[:1], "b")
    return geometry


def sampled(picture: np.ndarray, places: np.ndarray, sizes: tuple[int, ...]) -> np.ndarray:
    """Linear interpolation between the pixels around each place; beyond the picture lie zeros.

    picture : (channels, pixels), places : (axes, anything), in pixels; -> (channels, anything)
    """
    places = np.nan_to_num(places, nan=-FAR, posinf=FAR, neginf=-FAR).clip(-FAR, FAR)
    base = np.floor(places)
    part = places - base
    base = base.astype(np.int64)
    y = np.zeros((len(picture), *places.shape[1:]), picture.dtype)
    if not picture.shape[1]:
        return y
    for corner in corners_of((0, 1), repeat=len(sizes)):
        at, weight = np.zeros(places.shape[1:], np.int64), np.ones(places.shape[1:])
        for axis, (step, size) in enumerate(zip(corner, sizes)):
            index = base[axis] + step
            weight *= np.where((index < 0) | (index >= size), 0, part[axis] if step else 1 - part[axis])
            at = at * size + index.clip(0, size - 1)
        y += np.where(weight == 0, 0, picture[:, at]) * weight.astype(picture.dtype)
    return y


def deformed(x, w, offset, mask, geometry: Geometry, group: int, offset_group: int) -> np.ndarray:
    """The sums of products (n, m, *out_sizes), by im2col, some of the windows at a time.

    The offsets of a tap are one number for each spatial axis, the first axis first."""
    n, channels, axes = x.shape[0], x.shape[1], len(geometry.in_sizes)
    taps, windows = prod(geometry.kernel_shape), prod(geometry.out_sizes)
    y = np.zeros((n, group, w.shape[0] // group, windows), x.dtype)
    if not y.size or not channels or not taps:
        return y.reshape(n, w.shape[0], *geometry.out_sizes)
    x = x.reshape(n, offset_group, channels // offset_group, -1)
    w = w.reshape(group, w.shape[0] // group, -1)
    offset = offset.reshape(n, offset_group, taps, axes, windows)
    mask = None if mask is None else mask.reshape(n, offset_group, taps, windows)
    starts = np.stack(np.meshgrid(*(np.arange(out) * stride - begin for out, stride, begin in zip(
        geometry.out_sizes, geometry.strides, geometry.begins)), indexing="ij")).reshape(axes, 1, windows)
    steps = np.stack(np.meshgrid(*(np.arange(kernel) * dilation for kernel, dilation in zip(
        geometry.kernel_shape, geometry.dilations)), indexing="ij")).reshape(axes, taps, 1)
    at_once = max(1, COLUMN_BYTES // (taps * max(channels, 8 * axes) * x.itemsize))
    for image in range(n):
        for start in range(0, windows, at_once):
            some = slice(start, start + at_once)
            columns = []
            for i in range(offset_group):
                moved = starts[..., some] + steps + offset[image, i, ..., some].swapaxes(0, 1)
                column = sampled(x[image, i], moved, geometry.in_sizes)
                columns.append(column if mask is None else column * mask[image, i, :, some])
            columns = np.concatenate(columns).reshape(group, w.shape[2], -1)
            y[image, ..., some] = product(w, columns)
    return y.reshape(n, -1, *geometry.out_sizes)


@op("DeformConv", since=19, one_type=True, rank=lambda x, w, *_, **__: rank_of_any(x, w))
class DeformConv:
    def infer(x, w, offset, b=None, mask=None, *, dilations=None, group=1, kernel_shape=None, offset_group=1,
              pads=None, strides=None):
        geometry = deform_geometry(x, w, offset, b, mask, group, offset_group, kernel_shape,
                                   dilations=dilations, pads=pads, strides=strides)
        return x.like(check_size((x.shape[0], w.shape[0], *geometry.out_sizes), 4))

    def evaluate(x, w, offset, b=None, mask=None, *, dilations: list[int] = None, group=1,
                 kernel_shape: list[int] = None, offset_group=1, pads: list[int] = None,
                 strides: list[int] = None):
        where = dict(dilations=dilations, pads=pads, strides=strides)
        given = [spec_of(each) for each in (x, w, offset, b, mask)]
        DeformConv.infer(*given, group=group, kernel_shape=kernel_shape, offset_group=offset_group, **where)
        geometry = conv_geometry(x.shape[2:], w.shape[2:], **where)
        mask = None if mask is None else widen(mask)
        y = deformed(widen(x), widen(w), widen(offset), mask, geometry, group, offset_group)
        if b is not None:
            y += widen(b).reshape(along(1, x.ndim))
        return settle(y, x.dtype)

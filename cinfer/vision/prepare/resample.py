"""Pictures scaled and fed by the kernel `picture` (_ops/picture.h), in the bits of Pillow's Image.resize.

The weights are those of Pillow's Resample.c, rounded to 22 bits: a filter that grows with the factor when a picture
shrinks (antialiasing). Without it (`linear`, `cubic`, `corner`) only the pixels around each centre count, as in
OpenCV's resize, within one grey level of it: both passes round to 8 bits here.

Rows are scaled first, as in Pillow; from version 13 on it scales columns first where the height loses more than twice
as many pixels as the width. Such pictures are left to it.
"""
from __future__ import annotations

from functools import lru_cache
from math import ceil, pi

import numpy as np

from ... import _ops
from .fit import Fit

BITS = 22                                       # 1 << BITS is a weight of 1
MOST_WINDOWS = 64                               # tables of weights that are kept
HAMMING = float(np.float32(0.54)), float(np.float32(0.46))      # Pillow has them as float
# name -> (half its width, weight by distance, does it grow when a picture shrinks?)
FILTERS = {
    "bilinear": (1.0, lambda x: np.maximum(0.0, 1.0 - np.abs(x)), True),
    "bicubic": (2.0, lambda x: _cubic(np.abs(x), -0.5), True),
    "lanczos": (3.0, lambda x: np.where((x >= -3) & (x < 3), _sinc(x) * _sinc(x / 3), 0.0), True),
    "box": (0.5, lambda x: np.where((x > -0.5) & (x <= 0.5), 1.0, 0.0), True),
    "hamming": (1.0, lambda x: np.where(np.abs(x) < 1, _sinc(x) * (HAMMING[0] + HAMMING[1] * np.cos(x * pi)), 0.0),
                True),
    "linear": (1.0, lambda x: np.maximum(0.0, 1.0 - np.abs(x)), False),
    "cubic": (2.0, lambda x: _cubic(np.abs(x), -0.75), False),         # OpenCV's
}


def _cubic(x, a: float):
    """https://en.wikipedia.org/wiki/Bicubic_interpolation#Bicubic_convolution_algorithm"""
    near = ((a + 2.0) * x - (a + 3.0)) * x * x + 1
    far = (((x - 5) * x + 8) * x - 4) * a
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))


def _sinc(x):
    x = np.asarray(x) * pi
    return np.where(x == 0, 1.0, np.sin(x) / np.where(x == 0, 1.0, x))


@lru_cache(maxsize=MOST_WINDOWS)
def windows(filter: str, size: int, wanted: int, first: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Of pixels first .. first + count - 1 of `size` pixels scaled to `wanted`: (weights, int32 [count][n]; the first
    pixel that each takes, int32 [count]). All windows lie inside."""
    steps, scale = np.arange(first, first + count), size / wanted
    if size == wanted and filter != "corner":
        return np.full((count, 1), 1 << BITS, np.int32), steps.astype(np.int32)
    if filter == "nearest":
        places = np.full(first + count, scale)              # one step after another, as Pillow adds them
        places[0] = scale * 0.5
        nearest = np.add.accumulate(places)[first:].astype(np.int64).clip(0, size - 1)
        return np.full((count, 1), 1 << BITS, np.int32), nearest.astype(np.int32)
    centres = steps * scale + 0.5 if filter == "corner" else (steps + 0.5) * scale
    half, weigh, grows = FILTERS["linear" if filter == "corner" else filter]
    grown = max(1.0, scale) if grows else 1.0
    support = half * grown
    begins = np.floor(centres - support + 0.5).astype(np.int64)
    ends = np.floor(centres + support + 0.5).astype(np.int64)
    if grows:                                   # what lies outside does not count; else it is the edge
        begins, ends = begins.clip(0), ends.clip(None, size)
    places = begins[:, None] + np.arange(ceil(support) * 2 + 1)
    weights = weigh((places - centres[:, None] + 0.5) * (1.0 / grown))
    weights[places >= ends[:, None]] = 0
    total = np.zeros(count)
    for column in weights.T:                    # one after another, as Pillow adds them
        total += column
    weights /= np.where(total == 0, 1.0, total)[:, None]
    whole = np.trunc(weights * (1 << BITS) + np.where(weights < 0, -0.5, 0.5)).astype(np.int64)
    return _inside(whole, places.clip(0, size - 1), size)


def _inside(weights: np.ndarray, places: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The weights of pixels at these places, several of which may be one at an edge, as windows that lie inside and
    never go back."""
    used = weights != 0
    first = np.minimum.accumulate(np.where(used, places, size).min(1)[::-1])[::-1]
    n = min(size, int((np.where(used, places, -1).max(1) - first).max()) + 1)
    first = np.minimum(first, size - n)
    found = np.zeros((len(weights), n), np.int64)
    rows = np.broadcast_to(np.arange(len(weights))[:, None], weights.shape)
    np.add.at(found, (rows[used], (places - first[:, None])[used]), weights[used])
    return np.ascontiguousarray(found.astype(np.int32)), first.astype(np.int32)


def is_by_rows_first(width: int, height: int, scaled: tuple[int, int]) -> bool:
    """Does every version of Pillow scale rows first?"""
    return scaled[1] >= height or height - scaled[1] < 2 * (width - scaled[0])


def resample(pixels: np.ndarray, way: Fit, filter: str, planes: np.ndarray, tables: np.ndarray | None,
             reverse: bool = False) -> None:
    """Scale a picture and write the part that is kept.

    Parameters
    ----------
    pixels : uint8 (height, width, 3) or (height, width, 1), of which a row is contiguous
    planes : (channels, height, width) of what is written, a view of float32 with `tables`, else of uint8
    tables : float32 (channels, 256), what each value is written as
    reverse : the last channel first
    """
    (height, width, channels), (wide, high) = pixels.shape, way.scaled
    if not is_by_rows_first(width, height, way.scaled) and FILTERS.get(filter, (0, 0, False))[2]:
        from PIL import Image
        picture = Image.fromarray(pixels if channels == 3 else pixels[..., 0])
        pixels = np.asarray(picture.resize(way.scaled, Image.Resampling[filter.upper()])).reshape(high, wide, channels)
        height, width = high, wide
    table = _ops.table()
    kx, jx = windows(filter, width, wide, way.first[0], way.count[0])
    ky, iy = windows(filter, height, high, way.first[1], way.count[1])
    ow, oh = way.count
    lanes = max(8, table.vw)
    ring, row = ky.shape[1] + lanes - 1, -(-ow // 16) * 16
    scratch = -(-width * channels // 16) * 16 * lanes + channels * row * (lanes + ring) + row + 8 * ky.shape[1]
    yc, yr, yx = (step // planes.itemsize for step in planes.strides)
    params = table.pack(
        "picture", x=_at(pixels), kx=_at(kx), jx=_at(jx), ky=_at(ky), iy=_at(iy), y=_at(planes),
        table=(0, 0) if tables is None else _at(tables), ih=height, iw=width, c=channels, xr=pixels.strides[0],
        oh=oh, ow=ow, nx=kx.shape[1], ny=ky.shape[1], yc=yc, yr=yr, yx=yx, reverse=reverse, ring=ring, rows=oh)
    _ops.executor().run_once(table, "picture", params, 1, 1, scratch)


def _at(array: np.ndarray) -> tuple[int, int]:
    return 0, array.ctypes.data

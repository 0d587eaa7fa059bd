"""Maps of numbers become maps of the picture's size: one number for each of its pixels, wherever it lies in the input.

A map has (rows, columns) of its own, spread evenly over the input. Pixel p of the picture lies at (p + 1/2) scale +
offset of the input (prepare/geometry.py), so at that * rows / input_height - 1/2 of the map: the half pixels of OpenCV,
PyTorch (align_corners False) and ONNX. Two steps of the authors, upsampling to the input and resizing what is not
padding, are one here.
"""
from __future__ import annotations

import numpy as np

from ... import _ops
from ...errors import InputError
from . import bilinear


def planes_of(array: np.ndarray, layout: str, what: str) -> np.ndarray:
    """An output as (channels, rows, columns). layout : NCHW or NHWC, of one of rank 4; of rank 3 it is without batch

    InputError for other ranks, a batch, and maps without pixels; what : to say in it"""
    planes = np.asarray(array)
    if planes.ndim == 4 and planes.shape[0] == 1:
        planes = planes[0].transpose(2, 0, 1) if layout == "NHWC" else planes[0]
    if planes.ndim != 3 or not planes.size:
        raise InputError(f"{what} is of shape {np.shape(array)}; right is 1 x channels x rows x columns, "
                         "or of rank 3 without the batch")
    if planes.dtype.kind not in "fiub":
        try:
            planes = planes.astype(np.float32)          # bfloat16 and others that NumPy does not know
        except (TypeError, ValueError):
            raise InputError(f"{what} is {planes.dtype}; a map is of numbers") from None
    return planes


def one_plane(array: np.ndarray, layout: str, what: str) -> np.ndarray:
    """A map of one channel as (rows, columns), whatever axes of 1 it has."""
    array = np.asarray(array)
    if array.ndim > 2 and array.shape[0] == array.shape[-1] == 1 and min(array.shape[1:-1]) > 1:
        array = array.reshape(array.shape[:-1])         # 1 x rows x columns x 1
    array = array[None] if array.ndim == 2 else array
    planes = planes_of(array, layout if array.ndim == 4 else "NCHW", what)
    if planes.shape[0] != 1:
        raise InputError(f"{what} is of shape {np.shape(array)}; a map of one channel is right")
    return planes[0]


def layout_of(view, array: np.ndarray) -> str:
    """Of an output: as said, else as the input's."""
    if "output.layout" in view.words:
        return view.words.one_of("output.layout", ("NCHW", "NHWC"), "NCHW")
    return "NHWC" if view.words.text("input.layout") == "NHWC" and array.ndim == 4 else "NCHW"


def places(where, rows: int, columns: int, align_corners: bool = False,
           box: tuple[int, int, int, int] | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Where the picture's rows and columns of pixels lie in a map, float64; pixel i is at i. Not below the first and
    not beyond the last one.

    align_corners : the corner pixels of both lie upon each other (PyTorch); for pictures that were stretched
    box : x1, y1, x2, y2, the pixels of the picture that are asked for; None: all
    """
    x1, y1, x2, y2 = box or (0, 0, where.width, where.height)
    found = []
    for pixels, side, inside, scale, offset, count in (
            (np.arange(y1, y2), where.height, where.input_height, where.scale_y, where.top, rows),
            (np.arange(x1, x2), where.width, where.input_width, where.scale_x, where.left, columns)):
        if align_corners:
            at = pixels * ((count - 1) / max(1, side - 1))
        else:
            at = ((pixels + .5) * scale + offset) * (count / inside) - .5
        found.append(at.clip(0, count - 1))
    return found[0], found[1]


def unseen(where) -> tuple[slice, slice] | None:
    """Rows and columns of the picture that the input holds, where it is cut out of the picture; None: all of them."""
    x1, y1, x2, y2 = where.shown()
    return None if (x1, y1, x2, y2) == (0, 0, where.width, where.height) else (slice(y1, y2), slice(x1, x2))


def nearest(plane: np.ndarray, where) -> np.ndarray:
    """(height, width) of the picture, of the map's dtype."""
    ys, xs = (np.floor(at + .5).astype(np.intp) for at in places(where, *plane.shape))
    return plane[ys][:, xs]


def smooth(plane: np.ndarray, where, filter: str = "bilinear", align_corners: bool = False) -> np.ndarray:
    """(height, width) of the picture, float32: bilinear or bicubic (a = -3/4, PyTorch's and OpenCV's), no antialias.
    What the input does not hold of the picture is nan. A pixel beside one that is not finite is not finite either."""
    plane = np.ascontiguousarray(plane, np.float32)
    rows, columns = places(where, *plane.shape, align_corners)
    wide = np.empty((len(plane), len(columns)), np.float32)
    _resample(plane, wide, columns, filter, along_rows=True)
    found = np.empty((len(rows), len(columns)), np.float32)
    _resample(wide, found, rows, filter, along_rows=False)
    if (seen := unseen(where)) is not None:
        whole = np.full_like(found, np.nan)
        whole[seen] = found[seen]
        return whole
    return found


def _resample(x: np.ndarray, y: np.ndarray, at: np.ndarray, filter: str, along_rows: bool) -> None:
    """y, of x at places along one axis, by the kernel of the operator Resize (_ops/resample.h)."""
    size = x.shape[along_rows]
    indices, weights = weighted(at, size, filter)
    table = np.concatenate([np.int32([len(indices)]), indices.T.ravel(), weights.T.ravel().view(np.int32)])
    (height, width), wanted = x.shape, len(at)
    how = {"dims": [1, 1, 1], "xs": [0] * 3, "ys": [0] * 3, "xa": width, "ya": width, "inner": width}
    if along_rows:
        how = {"dims": [1, 1, height], "xs": [0, 0, width], "ys": [0, 0, wanted], "xa": 1, "ya": 1, "inner": 1,
               "lanes": 1}
    kernels, (from_x, to_y, from_table) = _ops.table(), _ops.executor().addresses_of([x, y, table])
    params = kernels.pack("resample", x=(0, from_x), y=(0, to_y), table=(0, from_table), size=size, wanted=wanted,
                          outer=height + wanted, **how)
    _ops.executor().run_once(kernels, "resample", params, 1)


def weighted(at: np.ndarray, count: int, filter: str) -> tuple[np.ndarray, np.ndarray]:
    """(taps, n) int32 indices and float32 weights of the numbers that make the one at each place."""
    first = np.floor(at).astype(np.int32)
    t = at - first
    if filter == "bicubic":
        a, offsets = -.75, (-1, 0, 1, 2)
        near = lambda d: ((a + 2) * d - (a + 3)) * d * d + 1                    # noqa: E731
        far = lambda d: ((d - 5) * d + 8) * d * a - 4 * a                      # noqa: E731
        weights = far(t + 1), near(t), near(1 - t), far(2 - t)
    else:
        offsets, weights = (0, 1), (1 - t, t)
    return (np.stack([(first + o).clip(0, count - 1) for o in offsets]),
            np.stack(weights).astype(np.float32))


def largest(planes: np.ndarray, where) -> np.ndarray:
    """The class of each pixel of the picture: the largest of the bilinearly upsampled planes (channels, rows, columns),
    of equal ones the first; uint8, or uint16 for more than 255 classes. What is no number never wins."""
    return bilinear.largest(planes, *taps(where, *planes.shape[1:]))


def above(plane: np.ndarray, where, least: float, box: tuple[int, int, int, int] | None = None) -> np.ndarray:
    """Where a plane (rows, columns) that is as large as the picture, bilinearly, is above `least`: bool. box : as of
    `places`"""
    return bilinear.above(plane, *taps(where, *plane.shape, box), least)


def taps(where, rows: int, columns: int, box: tuple[int, int, int, int] | None = None) -> list[bilinear.Taps]:
    """How the picture's rows and columns of pixels are read in a map. box : as of `places`"""
    found = places(where, rows, columns, box=box)
    return [bilinear.taps(at, count) for at, count in zip(found, (rows, columns))]

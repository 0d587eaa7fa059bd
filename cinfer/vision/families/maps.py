"""Maps of numbers become maps of the picture's size: one number for each of its pixels, wherever it lies in the input.

A map has (rows, columns) of its own, spread evenly over the input. Pixel p of the picture lies at (p + 1/2) scale +
offset of the input (prepare/geometry.py), so at that * rows / input_height - 1/2 of the map: the half pixels of OpenCV,
PyTorch (align_corners False) and ONNX. Two steps of the authors, upsampling to the input and resizing what is not
padding, are one here.
"""
from __future__ import annotations

import numpy as np

from ...errors import InputError

TILE = 32                           # pixels a side; of 16 to 64 the fastest for 21 classes at 1080p, 65x65 and 520x520
AT_ONCE = 64                        # tiles; their numbers stay in the second cache
LARGEST = np.float32(3e38)          # stands for infinity, for 0 * inf is no number


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
    return np.ascontiguousarray(planes)


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


def places(where, rows: int, columns: int, align_corners: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Where the picture's rows and columns of pixels lie in a map, float64; pixel i is at i. Not below the first and
    not beyond the last one.

    align_corners : the corner pixels of both lie upon each other (PyTorch); for pictures that were stretched
    """
    found = []
    for side, inside, scale, offset, count in ((where.height, where.input_height, where.scale_y, where.top, rows),
                                               (where.width, where.input_width, where.scale_x, where.left, columns)):
        if align_corners:
            at = np.arange(side) * ((count - 1) / max(1, side - 1))
        else:
            at = ((np.arange(side) + .5) * scale + offset) * (count / inside) - .5
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
    ys, xs = places(where, *plane.shape, align_corners)
    with np.errstate(invalid="ignore", over="ignore"):
        wide = _along_rows(np.ascontiguousarray(plane.T), *taps(xs, plane.shape[1], filter))
        found = _along_rows(np.ascontiguousarray(wide.T), *taps(ys, plane.shape[0], filter))
    if (seen := unseen(where)) is not None:
        whole = np.full_like(found, np.nan)
        whole[seen] = found[seen]
        return whole
    return found


def taps(at: np.ndarray, count: int, filter: str) -> tuple[np.ndarray, np.ndarray]:
    """(taps, n) indices and float32 weights of the numbers that make the one at each place."""
    first = np.floor(at).astype(np.intp)
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


def _along_rows(plane: np.ndarray, indices: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Rows of a plane mixed: y[i] = sum_k weights[k, i] * plane[indices[k, i]], of weights of 0 nothing"""
    y = np.empty((indices.shape[1], plane.shape[1]), np.float32)
    step = max(1, 65536 // plane.shape[1])
    for begin in range(0, len(y), step):
        part, product = y[begin:begin + step], None
        for k, (rows, w) in enumerate(zip(indices[:, begin:begin + step], weights[:, begin:begin + step, None])):
            product = plane.take(rows, 0)
            if k:
                product *= w
                part += product
            else:
                np.multiply(product, w, out=part)
    return y


def largest(planes: np.ndarray, where) -> np.ndarray:
    """The class of each pixel of the picture: the largest of the bilinearly upsampled planes (channels, rows, columns),
    of equal ones the first; uint8, or uint16 for more than 255 classes.

    Bilinear numbers lie between the four about them. So in a tile of pixels only those classes can win whose largest
    number about it is not below the smallest one of some class; where one is left, nothing needs to be computed. What
    is no number never wins.
    """
    channels, rows, columns = planes.shape
    if planes.dtype != np.float32:
        planes = planes.astype(np.float32)
    ys, xs = places(where, rows, columns)
    high, wide = _Tiles(ys, rows), _Tiles(xs, columns)
    tops = np.stack([planes[:, a:b].max(1) for a, b in high.spans], 1)                  # (channels, tiles, columns)
    tops = np.ascontiguousarray(tops.transpose(2, 0, 1))
    tops = np.stack([tops[a:b].max(0) for a, b in wide.spans], 2)                       # (channels, tiles, tiles)
    if not np.isfinite(tops).all():
        return largest(np.nan_to_num(planes, nan=-LARGEST, posinf=LARGEST, neginf=-LARGEST), where)
    best = tops.argmax(0)
    flat = planes.reshape(channels, -1)
    inside = (high.window * columns)[:, None, :, None] + wide.window[:, None, :]
    least = flat.take(inside + (best * (rows * columns))[..., None, None]).min((2, 3))
    able = tops >= least
    dtype = np.uint8 if channels <= 255 else np.uint16
    found = np.empty((high.count, TILE, wide.count, TILE), dtype)
    found[:] = best.astype(dtype)[:, None, :, None]
    counts = able.sum(0)
    mixed = np.argwhere(counts > 1)
    mixed = mixed[np.argsort(-counts[tuple(mixed.T)], kind="stable")]
    for begin in range(0, len(mixed), AT_ONCE):
        t, u = mixed[begin:begin + AT_ONCE].T
        found[t, :, u] = _mixed(flat, inside[t, u], able[:, t, u], high.weights[t], wide.weights[u], dtype)
    return found.reshape(high.count * TILE, wide.count * TILE)[:len(ys), :len(xs)]


class _Tiles:
    """TILE pixels each along an axis of the picture.

    spans : of each, the numbers of the map from first to last + 1 that it needs
    window : (tiles, most numbers), their indices; weights : (tiles, TILE, most numbers)
    """

    def __init__(self, at: np.ndarray, count: int):
        self.count = -(-len(at) // TILE)
        indices, shares = taps(at[np.arange(self.count * TILE).clip(0, len(at) - 1)], count, "bilinear")
        indices, shares = indices.reshape(2, self.count, TILE), shares.reshape(2, self.count, TILE)
        first, last = indices[0, :, 0], indices[1, :, -1]
        self.spans = list(zip(first.tolist(), (last + 1).tolist()))
        size = int((last - first).max()) + 1
        self.window = (first[:, None] + np.arange(size)).clip(None, last[:, None])
        self.weights = np.zeros((self.count, TILE, size), np.float32)
        tile, pixel = np.ogrid[:self.count, :TILE]
        for k in range(2):              # two steps, for both may be the same number
            self.weights[tile, pixel, indices[k] - first[:, None]] += shares[k]


def _mixed(flat, inside, able, down, along, dtype) -> np.ndarray:
    """The classes of n tiles in which more than one may win, (n, TILE, TILE).

    flat : (channels, rows * columns); inside : (n, high, wide) the numbers of each tile, in a plane
    able : (channels, n), which classes may win: of a tile no more than of the one before it
    down, along : (n, TILE, high), (n, TILE, wide) weights
    """
    along = along.transpose(0, 2, 1)
    tile, which = np.nonzero(able.T)                    # in the order of tiles, then classes
    nth = np.arange(len(tile)) - np.searchsorted(tile, tile)
    value = np.full((len(inside), TILE, TILE), -np.inf, np.float32)
    found = np.zeros(value.shape, dtype)
    for rank in range(int(nth.max()) + 1):              # the first class of each tile that has one, the second ...
        classes = which[nth == rank]
        n = len(classes)                                # those of the first n tiles
        window = flat.take(inside[:n] + (classes * flat.shape[1])[:, None, None])
        here = down[:n] @ window.clip(-LARGEST, LARGEST) @ along[:n]
        classes = classes.astype(dtype)[:, None, None]
        np.copyto(found[:n], classes, where=here > value[:n])
        np.maximum(value[:n], here, out=value[:n])
    return found

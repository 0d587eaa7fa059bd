"""Operators on boxes: NonMaxSuppression, RoiAlign, MaxRoiPool."""
from __future__ import annotations

from math import ceil

import numpy as np

from ..errors import LimitError
from .facts import INT64, Fact
from .limits import check_scalar, check_size
from .numeric import matmul, selecting
from .registry import op


def corners(boxes: np.ndarray, center_point_box: int) -> np.ndarray:
    """Boxes (..., 4) as x_min, y_min, x_max, y_max, in rows: (4, ...)."""
    a, b, c, d = np.moveaxis(boxes, -1, 0)
    if center_point_box:
        return np.stack((a - c / 2, b - d / 2, a + c / 2, b + d / 2))
    return np.stack((np.minimum(b, d), np.minimum(a, c), np.maximum(b, d), np.maximum(a, c)))


def suppress(boxes: np.ndarray, limit: int, overlap: float) -> list[int]:
    """Which of a list's boxes stay, from best to worst: each that overlaps no kept one before it by more than
    `overlap`.

    boxes : their `corners`; limit : of boxes that stay
    """
    areas = (boxes[2] - boxes[0]) * (boxes[3] - boxes[1])
    left, kept = np.arange(boxes.shape[1]), []
    while left.size and len(kept) < limit:
        best, left = left[0], left[1:]
        kept.append(best)
        x_min, y_min, x_max, y_max = boxes[:, left]
        width = np.minimum(x_max, boxes[2, best]) - np.maximum(x_min, boxes[0, best])
        height = np.minimum(y_max, boxes[3, best]) - np.maximum(y_min, boxes[1, best])
        shared = width * height
        union = areas[left] + areas[best] - shared
        real = (width > 0) & (height > 0) & (areas[left] > 0) & (areas[best] > 0)
        left = left[~(real & (shared / union > overlap))]
    return kept


def select(boxes: np.ndarray, scores: np.ndarray, limit: int, overlap: float, least: float | None,
           center_point_box: int) -> list[np.ndarray]:
    """The boxes that stay of each list, best first; of equal scores the first box first.

    boxes : (batches, count, 4); scores : (lists, count), as many lists for each batch; least : None, or what a
        score has to be above
    """
    chosen = []
    for i, row in enumerate(scores):
        found = np.arange(len(row)) if least is None else np.flatnonzero(row > least)
        found = found[np.argsort(-row[found], kind="stable")]
        batch = i * len(boxes) // len(scores)
        chosen.append(found[suppress(corners(boxes[batch, found], center_point_box), limit, overlap)])
    return chosen


@op("NonMaxSuppression", since=10, types=(INT64,), rank=lambda *_, **__: 2)
class NonMaxSuppression:
    """int64 (kept, 3): batch, class, box; by batch, class, falling score; of equal scores the first box
    first.
    https://onnx.ai/onnx/operators/onnx__NonMaxSuppression.html"""
    def evaluate(boxes, scores, max_output_boxes_per_class=None, iou_threshold=None, score_threshold=None, *,
                 center_point_box=0):
        if boxes.ndim != 3 or boxes.shape[2] != 4 or scores.ndim != 3 or scores.shape[::2] != boxes.shape[:2]:
            raise ValueError(f"boxes of shape {list(boxes.shape)} and scores {list(scores.shape)}; they "
                             "have to be batch, boxes, 4 and batch, classes, boxes")
        if center_point_box not in (0, 1):
            raise ValueError(f"center_point_box {center_point_box}; it has to be 0 or 1")
        limit, overlap, least = (default if v is None else check_scalar(v, what) for v, what, default in (
            (max_output_boxes_per_class, "max_output_boxes_per_class", 0),
            (iou_threshold, "iou_threshold", 0.0), (score_threshold, "score_threshold", None)))
        if not 0 <= overlap <= 1:
            raise ValueError(f"iou_threshold {overlap}; it has to be 0 to 1")
        if limit <= 0 or not scores.size:
            return np.empty((0, 3), np.int64)
        batches, labels, count = scores.shape
        chosen = (selecting.get() or select)(boxes, scores.reshape(batches * labels, count), int(limit), overlap, least,
                                             center_point_box)
        counts = [len(each) for each in chosen]
        y = np.zeros((sum(counts), 3), np.int64)
        for column, numbers in enumerate(np.divmod(np.arange(batches * labels), labels)):
            if numbers[-1]:
                y[:, column] = np.repeat(numbers, counts)
        np.concatenate(chosen, out=y[:, 2])
        return y


def check_rois(x, rois, columns: int, output: tuple[int, int]) -> tuple[int, ...]:
    """The shape of the answer: rois, channels, output height and width."""
    if x.ndim != 4 or rois.ndim != 2 or rois.shape[1] != columns:
        raise ValueError(f"input of shape {list(x.shape)} and rois {list(rois.shape)}; they have to be n, "
                         f"c, h, w and rois, {columns}")
    if min(output) < 1:
        raise ValueError(f"output of {output[0]} x {output[1]}; it has to be at least 1 x 1")
    if 0 in x.shape[2:]:
        raise ValueError(f"no pixels in an input of shape {list(x.shape)}")
    return check_size((rois.shape[0], x.shape[1], *output), x.dtype.itemsize)


def check_batches(batches: np.ndarray, size: int) -> None:
    if batches.size and not 0 <= batches.min() <= batches.max() < size:
        raise ValueError(f"batch indices {batches.min()} to {batches.max()}; allowed is 0 to {size - 1}")


# along one axis of one roi; the adaptive grid takes about one for each pixel of the roi
MAX_SAMPLES = 1 << 16


def bilinear_axis(start: float, extent: float, bins: int, sampling_ratio: int, size: int):
    """Sample points of a roi along one axis: (index of the pixel before, of the one behind, weight of
    either), each (bins, grid)."""
    if not (abs(start) < 1e9 and abs(extent) < 1e9):
        raise ValueError(f"a roi from {start} over {extent} pixels")
    grid = sampling_ratio if sampling_ratio > 0 else max(ceil(extent / bins), 0)
    if bins * grid > MAX_SAMPLES:
        raise LimitError(f"RoiAlign with {grid} x {bins} samples along one axis of a roi; at most "
                         f"{MAX_SAMPLES} are possible")
    bin_size = extent / bins
    at = start + bin_size * (np.arange(bins)[:, None] + (np.arange(grid)[None, :] + 0.5) / max(grid, 1))
    beyond = (at < -1) | (at > size)
    at = at.clip(0, size - 1)
    before = np.minimum(at.astype(np.int64), max(size - 2, 0))
    t = at - before
    behind = np.minimum(before + 1, size - 1)
    return before, behind, np.where(beyond, 0, 1 - t), np.where(beyond, 0, t)


def axis_matrix(before, behind, near, far, size: int) -> np.ndarray:
    """(bins, size): the mean over each bin's samples, as weights of the pixels."""
    bins, grid = before.shape
    matrix = np.zeros((bins, size))
    rows = np.arange(bins)[:, None]
    np.add.at(matrix, (rows, before), near)
    np.add.at(matrix, (rows, behind), far)
    return matrix / max(grid, 1)


def roi_align(x, rois, batch_indices, offset: float, mode: str, output_height: int, output_width: int,
              sampling_ratio: int, spatial_scale: float) -> np.ndarray:
    shape = roi_align_shape(x, rois, batch_indices, mode, output_height, output_width)
    check_batches(batch_indices, x.shape[0])
    y = np.empty(shape, x.dtype)
    work = np.result_type(x.dtype, np.float32)
    h, w = x.shape[2:]
    for i, (roi, batch) in enumerate(zip(rois.astype(np.float64) * spatial_scale - offset, batch_indices)):
        extent = roi[2:] - roi[:2]
        if not offset:
            # as before opset 16: a roi is at least a pixel
            extent = np.where(extent < 1, 1.0, extent)
        rows = bilinear_axis(roi[1], extent[1], output_height, sampling_ratio, h)
        columns = bilinear_axis(roi[0], extent[0], output_width, sampling_ratio, w)
        picture = x[batch].astype(work, copy=False)
        if mode == "avg":
            # the mean of bilinear samples on a grid is a product of one matrix per axis
            y[i] = matmul(matmul(axis_matrix(*rows, h).astype(work), picture),
                          axis_matrix(*columns, w).astype(work).T)
        else:
            y[i] = max_of_samples(picture, rows, columns)
    return y


def max_of_samples(picture: np.ndarray, rows, columns) -> np.ndarray:
    """The largest of the weighted neighbours (not of their sums: so the standard's examples and the runtimes
    have it) in each bin."""
    (bins_h, grid_h), (bins_w, grid_w) = rows[0].shape, columns[0].shape
    y = np.zeros((picture.shape[0], bins_h, bins_w), picture.dtype)
    for i, k in np.ndindex(bins_h, grid_h if grid_w else 0):
        neighbours = [picture[:, row[i, k], column] * (row_weight[i, k] * column_weight).astype(picture.dtype)
                      for row, row_weight in (rows[::2], rows[1::2])
                      for column, column_weight in (columns[::2], columns[1::2])]
        best = np.maximum.reduce(neighbours).max(-1)
        y[:, i] = np.maximum(y[:, i], best) if k else best
    return y


def roi_align_shape(x, rois, batch_indices, mode: str, output_height: int,
                    output_width: int) -> tuple[int, ...]:
    if mode not in ("avg", "max"):
        raise ValueError(f"mode {mode!r}; it has to be avg or max")
    if batch_indices.shape != rois.shape[:1] or batch_indices.dtype.kind not in "iu":
        raise ValueError(f"batch_indices are {batch_indices.dtype} of shape {list(batch_indices.shape)}; "
                         f"one int is needed for each of {rois.shape[0] if rois.ndim else 0} rois")
    return check_rois(x, rois, 4, (output_height, output_width))


@op("RoiAlign", since=10)
class RoiAlignFirst:
    """https://onnx.ai/onnx/operators/text_diff_RoiAlign_10_16.html"""
    def infer(x, rois, batch_indices, *, mode="avg", output_height=1, output_width=1, sampling_ratio=0,
              spatial_scale=1.0):
        return x.like(roi_align_shape(x, rois, batch_indices, mode, output_height, output_width))

    def evaluate(x, rois, batch_indices, *, mode="avg", output_height=1, output_width=1, sampling_ratio=0,
                 spatial_scale=1.0):
        return roi_align(x, rois, batch_indices, 0.0, mode, output_height, output_width, sampling_ratio,
                         spatial_scale)


def pixel_offset(mode: str) -> float:
    if mode not in ("half_pixel", "output_half_pixel"):
        raise ValueError(f"coordinate_transformation_mode {mode!r}; it has to be half_pixel or "
                         "output_half_pixel")
    return 0.5 if mode == "half_pixel" else 0.0


@op("RoiAlign", since=16)
class RoiAlign:
    """https://onnx.ai/onnx/operators/onnx__RoiAlign.html"""
    def infer(x, rois, batch_indices, *, coordinate_transformation_mode="half_pixel", mode="avg",
              output_height=1, output_width=1, sampling_ratio=0, spatial_scale=1.0):
        pixel_offset(coordinate_transformation_mode)
        return x.like(roi_align_shape(x, rois, batch_indices, mode, output_height, output_width))

    def evaluate(x, rois, batch_indices, *, coordinate_transformation_mode="half_pixel", mode="avg",
                 output_height=1, output_width=1, sampling_ratio=0, spatial_scale=1.0):
        return roi_align(x, rois, batch_indices, pixel_offset(coordinate_transformation_mode), mode,
                         output_height, output_width, sampling_ratio, spatial_scale)


def pool_bins(start: int, extent: int, bins: int, size: int) -> list[slice]:
    """The pixels of each bin of a roi along one axis; bins overlap where the roi does not divide."""
    return [slice(min(max(start + i * extent // bins, 0), size),
                  min(max(start - (-(i + 1) * extent // bins), 0), size)) for i in range(bins)]


@op("MaxRoiPool", since=1)
class MaxRoiPool:
    """The largest pixel of each bin, 0 for an empty one; rois are batch index, x1, y1, x2, y2, ends included.
    https://onnx.ai/onnx/operators/onnx__MaxRoiPool.html"""
    def infer(x, rois, *, pooled_shape, spatial_scale=1.0):
        if len(pooled_shape) != 2:
            raise ValueError(f"pooled_shape {list(pooled_shape)}; it has to be height, width")
        if max(pooled_shape) > MAX_SAMPLES:
            raise LimitError(f"pooled_shape {list(pooled_shape)}; at most {MAX_SAMPLES} are possible")
        return x.like(check_rois(x, rois, 5, tuple(pooled_shape)))

    def evaluate(x, rois, *, pooled_shape: list[int], spatial_scale=1.0):
        y = np.zeros(MaxRoiPool.infer(Fact.of(x), rois, pooled_shape=pooled_shape).shape, x.dtype)
        if not (np.isfinite(rois).all() and (abs(rois * spatial_scale) < 1e9).all()):
            raise ValueError("a roi that is not finite, or ends beyond 1e9 pixels")
        check_batches(rois[:, 0], x.shape[0])
        for i, roi in enumerate(rois):
            x1, y1, x2, y2 = (int(np.floor(v + 0.5)) for v in roi[1:].astype(np.float64) * spatial_scale)
            picture = x[int(roi[0])]
            by_column = np.zeros(picture.shape[:2] + (pooled_shape[1],), x.dtype)
            for c, columns in enumerate(pool_bins(x1, max(x2 - x1 + 1, 1), pooled_shape[1], x.shape[3])):
                if columns.start < columns.stop:
                    by_column[:, :, c] = picture[:, :, columns].max(2)
            for r, rows in enumerate(pool_bins(y1, max(y2 - y1 + 1, 1), pooled_shape[0], x.shape[2])):
                if rows.start < rows.stop:
                    y[i, :, r] = by_column[:, rows].max(1)
        return y

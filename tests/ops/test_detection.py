"""NonMaxSuppression, RoiAlign and MaxRoiPool against loops written from the standard, and onnxruntime."""
import numpy as np
import pytest
from one_node import agrees_with_onnxruntime, refuses, run

from cinfer.errors import LimitError

rng = np.random.default_rng(3)
X = rng.standard_normal((2, 3, 9, 11)).astype(np.float32)
ROIS = np.float32([[0, 0, 3, 3], [1.3, 2.2, 8.7, 7.1], [-3, -2, 20, 14], [4, 4, 4.2, 4.1]])
BATCHES = np.array([0, 1, 0, 1])


def scalar(value, dtype=np.float32):
    return np.array([value], dtype)


def iou(a, b):
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    shared = max(width, 0) * max(height, 0)
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared
    return shared / union


@pytest.mark.parametrize("limit, overlap, least", [(3, 0.5, 0.2), (99, 0.1, 0.0), (99, 1.0, 0.5),
                                                   (2**62, 0.3, 0.9)])
@pytest.mark.parametrize("center_point_box", [0, 1])
def test_nms_keeps_the_best_of_what_overlaps(limit, overlap, least, center_point_box):
    low = rng.random((2, 12, 2)) * 5
    # x_min, y_min, x_max, y_max
    edges = np.concatenate((low, low + 0.5 + rng.random((2, 12, 2)) * 4), 2)
    scores = rng.permutation(2 * 3 * 12).reshape(2, 3, 12) / 72
    if center_point_box:
        boxes = np.concatenate(((edges[..., :2] + edges[..., 2:]) / 2, edges[..., 2:] - edges[..., :2]), 2)
    else:
        # y, x of two corners, upside down
        boxes = edges[..., [3, 0, 1, 2]]
    expected = []
    for batch, label in np.ndindex(2, 3):
        kept = []
        for i in sorted(range(12), key=lambda i: -scores[batch, label, i]):
            if scores[batch, label, i] > least and len(kept) < limit:
                if all(iou(edges[batch, i], edges[batch, k]) <= overlap for k in kept):
                    kept.append(i)
        expected += [[batch, label, i] for i in kept]
    y = run("NonMaxSuppression", boxes.astype(np.float32), scores.astype(np.float32), scalar(limit, np.int64),
            scalar(overlap), scalar(least), opset=11, center_point_box=center_point_box)
    assert y.tolist() == expected


def test_nms_takes_the_first_of_equal_scores_and_keeps_the_threshold_itself():
    boxes = np.float32([[[0, 0, 1, 1], [0, 0, 1, 1], [0, 0, 1, 2]]])
    y = run("NonMaxSuppression", boxes, np.float32([[[0.5, 0.5, 0.5]]]), scalar(9, np.int64), scalar(0.5))
    assert y.tolist() == [[0, 0, 0], [0, 0, 2]]              # an overlap of exactly 0.5 is kept


def test_nms_of_nothing():
    boxes, scores = np.zeros((1, 4, 4), np.float32), np.ones((1, 2, 4), np.float32)
    # by default no box is wanted
    assert run("NonMaxSuppression", boxes, scores).shape == (0, 3)
    assert run("NonMaxSuppression", boxes, scores, scalar(-5, np.int64)).shape == (0, 3)
    # boxes without area do not overlap
    assert len(run("NonMaxSuppression", boxes, scores, scalar(9, np.int64))) == 8
    assert run("NonMaxSuppression", boxes[:, :0], scores[..., :0], scalar(9, np.int64)).shape == (0, 3)


def test_nms_refuses():
    boxes, scores = np.zeros((1, 4, 4), np.float32), np.ones((1, 2, 4), np.float32)
    for bad in ((boxes[..., :3], scores), (boxes[0], scores), (boxes, scores[0]), (boxes, scores[..., :3]),
                (boxes.repeat(2, 0), scores)):
        refuses("they have to be", "NonMaxSuppression", *bad)
    refuses("iou_threshold 1.5", "NonMaxSuppression", boxes, scores, scalar(3, np.int64), scalar(1.5))
    refuses("center_point_box 2", "NonMaxSuppression", boxes, scores, center_point_box=2)


def bilinear(picture, y, x):
    h, w = picture.shape[1:]
    if y < -1 or y > h or x < -1 or x > w:
        return np.zeros(picture.shape[0])
    y, x = min(max(y, 0), h - 1), min(max(x, 0), w - 1)
    y0, x0 = int(y), int(x)
    y1, x1 = min(y0 + 1, h - 1), min(x0 + 1, w - 1)
    ly, lx = y - y0, x - x0
    upper = (1 - lx) * picture[:, y0, x0] + lx * picture[:, y0, x1]
    lower = (1 - lx) * picture[:, y1, x0] + lx * picture[:, y1, x1]
    return (1 - ly) * upper + ly * lower


@pytest.mark.parametrize("sampling_ratio", [0, 1, 2])
@pytest.mark.parametrize("transformation", ["half_pixel", "output_half_pixel"])
def test_roi_align_is_the_mean_of_bilinear_samples(sampling_ratio, transformation):
    scale, bins_h, bins_w = 0.8, 2, 3
    y = run("RoiAlign", X, ROIS, BATCHES, opset=16, coordinate_transformation_mode=transformation,
            output_height=bins_h, output_width=bins_w, sampling_ratio=sampling_ratio, spatial_scale=scale)
    offset = 0.5 if transformation == "half_pixel" else 0
    for r, (roi, batch) in enumerate(zip(ROIS.astype(np.float64) * scale - offset, BATCHES)):
        h, w = roi[3] - roi[1], roi[2] - roi[0]
        if not offset:
            h, w = max(h, 1), max(w, 1)
        gh, gw = (sampling_ratio or int(np.ceil(h / bins_h))), (sampling_ratio or int(np.ceil(w / bins_w)))
        for i, j in np.ndindex(bins_h, bins_w):
            samples = [bilinear(X[batch], roi[1] + h / bins_h * (i + (a + 0.5) / gh),
                                roi[0] + w / bins_w * (j + (b + 0.5) / gw)) for a, b in np.ndindex(gh, gw)]
            # float32 sums of some ten terms
            np.testing.assert_allclose(y[r, :, i, j], np.mean(samples, 0), atol=2e-6)


@pytest.mark.parametrize("mode", ["avg", "max"])
@pytest.mark.parametrize("opset", [10, 16])
def test_roi_align_as_onnxruntime(opset, mode):
    # onnxruntime has the coordinates in float32
    agrees_with_onnxruntime("RoiAlign", X, ROIS, BATCHES, opset=opset, mode=mode, output_height=3,
                            output_width=2, sampling_ratio=2, spatial_scale=0.7, atol=2e-5)


def test_roi_align_refuses():
    for batch in (2, -1, 2**63 - 1):
        with pytest.raises(ValueError, match="allowed is 0 to 1"):
            run("RoiAlign", X, ROIS, np.array([0, 0, 0, batch]))
    refuses("rois, 4", "RoiAlign", X, np.zeros((4, 5), np.float32), BATCHES)
    refuses("rois, 4", "RoiAlign", X[0], ROIS, BATCHES)
    refuses("one int is needed", "RoiAlign", X, ROIS, BATCHES[:2])
    refuses("at least 1 x 1", "RoiAlign", X, ROIS, BATCHES, output_height=0)
    refuses("mode 'MAX'", "RoiAlign", X, ROIS, BATCHES, mode="MAX")
    refuses("no pixels", "RoiAlign", X[:, :, :0], ROIS, BATCHES)
    with pytest.raises(ValueError, match="a roi from"):
        run("RoiAlign", X, np.float32([[0, 0, np.nan, 3]]), BATCHES[:1])
    with pytest.raises(LimitError, match="samples"):
        run("RoiAlign", X, np.float32([[0, 0, 1e8, 3]]), BATCHES[:1])


@pytest.mark.parametrize("scale", [1.0, 0.5])
@pytest.mark.parametrize("pooled_shape", [[1, 1], [2, 3], [7, 7]])
def test_max_roi_pool_as_onnxruntime(pooled_shape, scale):
    rois = np.float32([[0, 0, 0, 5, 5], [1, 2, 3, 10, 8], [0, 7, 7, 3, 3], [1, -4, -4, 30, 30],
                       [0, 20, 20, 25, 25]])
    agrees_with_onnxruntime("MaxRoiPool", X, rois, opset=12, pooled_shape=pooled_shape, spatial_scale=scale,
                            atol=0)


def test_max_roi_pool_refuses():
    rois = np.float32([[0, 0, 0, 5, 5]])
    refuses("rois, 5", "MaxRoiPool", X, rois[:, :4], pooled_shape=[2, 2])
    refuses("pooled_shape", "MaxRoiPool", X, rois, pooled_shape=[2])
    refuses("at most", "MaxRoiPool", X, rois, pooled_shape=[2, 2**40], error=LimitError)
    for bad in (np.nan, np.inf, 1e30):
        with pytest.raises(ValueError, match="finite"):
            run("MaxRoiPool", X, np.float32([[0, 0, 0, bad, 5]]), pooled_shape=[2, 2])

"""YOLOX and NanoDet: rows for the cells of grids, encoded here by hand."""

import math

import numpy as np
import pytest
from detector_models import Case, iou, said, write

from cinfer.errors import InputError
from cinfer.vision.families.grid import cells, strides_of
from cinfer.vision.prepare.geometry import Geometry


def index_of(row, column, stride, height, width, strides):
    """The number of a cell's row."""
    before = 0
    for s in strides:
        if s == stride:
            return before + row * math.ceil(width / s) + column
        before += math.ceil(height / s) * math.ceil(width / s)


def count_of(height, width, strides):
    return sum(math.ceil(height / s) * math.ceil(width / s) for s in strides)


class Yolox:
    strides = (8, 16, 32)

    def __init__(self, side=64, classes=80):
        self.side = side
        self.rows = np.zeros((1, count_of(side, side, self.strides), 5 + classes), np.float32)
        self.rows[..., 4] = 0.01

    def put(self, box, sure, scores, stride, column, row):
        x1, y1, x2, y2 = box
        at = self.rows[0, index_of(row, column, stride, self.side, self.side, self.strides)]
        at[:4] = ((x1 + x2) / 2 / stride - column, (y1 + y2) / 2 / stride - row,
                  math.log((x2 - x1) / stride), math.log((y2 - y1) / stride))
        at[4] = sure
        for index, score in scores.items():
            at[5 + index] = score


def test_cells_come_stride_by_stride_from_left_to_right():
    places, strides = cells(count_of(40, 64, (8, 16, 32)), 40, 64)
    assert places[[0, 1, 8, 40, 44]].tolist() == [[0, 0], [1, 0], [0, 1], [0, 0], [0, 1]]
    assert strides[[39, 40]].tolist() == [8, 16]
    assert strides_of(count_of(416, 416, (8, 16, 32, 64)), 416, 416) == (8, 16, 32, 64)
    assert strides_of(9, 416, 416) is None


@pytest.mark.parametrize("symbolic", [False, True])
def test_yolox_is_told_by_the_count_of_its_rows(tmp_path, symbolic):
    given = Yolox()
    given.put((8, 16, 40, 48), 0.9, {3: 0.8, 5: 0.7}, 8, 3, 4)          # the better class alone
    given.put((9, 17, 41, 49), 0.9, {7: 0.7}, 16, 1, 1)                 # another class, the same place: goes
    given.put((8, 16, 40, 20), 0.5, {1: 0.21}, 32, 0, 0)                # just above .1, little overlap
    given.put((50, 50, 70, 60), 0.5, {1: 0.19}, 32, 1, 1)               # just below
    case = Case(write(tmp_path / "m.onnx", {"output": given.rows}, symbolic=symbolic))
    assert case.family == "yolox" and "YOLOX" in case.words.origin()
    assert str(case.recipe) == "64x64 BGR NCHW, corner:114 linear, mean 0, std 1"
    # a picture of 100x50 at .64 : 64x32 in the corner
    answer = case.decode({"output": given.rows}, (100, 50), (64, 64), Geometry(100, 50, 64, 64, 0.64, 0.64))
    assert said(answer) == [(3, 0.72, (12.5, 25, 62.5, 50)), (1, 0.105, (12.5, 25, 62.5, 31.25))]
    assert [each.label for each in answer.found] == ["motorcycle", "bicycle"]


def test_yolox_scales_by_one_factor_though_sides_were_rounded(tmp_path):
    given = Yolox()
    given.put((0, 0, 64, 42), 0.9, {0: 1.0}, 8, 0, 0)
    case = Case(write(tmp_path / "m.onnx", {"output": given.rows}))
    # 1000x667: .064, 64 x int(42.688)
    answer = case.decode({"output": given.rows}, (1000, 667), (64, 64), Geometry(1000, 667, 64, 64, 0.064, 42 / 667))
    assert answer.found[0].box == pytest.approx((0, 0, 1000, 42 / 0.064), abs=0.01)


@pytest.mark.parametrize("scale, left", [(1, 1), (.5, 1), (.25, 2), (.1, 2)])
def test_yolox_counts_the_pixels_of_both_corners(tmp_path, scale, left):
    """8 x 8 and 8 x 3 of the input's pixels: .375 from corner to corner. Of the picture's, with one more each way,
    (8/s + 1)(3/s + 1) / (8/s + 1)^2: .444, .412, .394, .383. Two of these are above .4."""
    given = Yolox()
    given.put((8, 8, 16, 16), .9, {0: 1.}, 8, 1, 1)
    given.put((8, 8, 16, 11), .8, {0: 1.}, 8, 2, 1)
    case = Case(write(tmp_path / "m.onnx", {"output": given.rows}), {"output.iou": ".4"})
    size = round(64 / scale)
    answer = case.decode({"output": given.rows}, (size, size), (64, 64), Geometry(size, size, 64, 64, scale, scale))
    assert len(answer.found) == left


def test_yolox_survives_numbers_that_are_none(tmp_path):
    given = Yolox()
    given.put((8, 16, 40, 48), 0.9, {3: 0.8}, 8, 3, 4)
    given.rows[0, :5, :] = np.nan
    given.rows[0, 5:9, 2] = np.inf
    given.rows[0, 5:9, 4:6] = 1
    case = Case(write(tmp_path / "m.onnx", {"output": given.rows}))
    answer = case.decode({"output": given.rows}, (64, 64), (64, 64))
    assert (3, 0.72, (8, 16, 40, 48)) in said(answer)
    with pytest.raises(InputError, match="7 rows for an input of 64x64; its grids would have 84 or 85"):
        case.decode({"output": given.rows[:, :7]}, (64, 64), (64, 64))
    with pytest.raises(InputError, match="6 numbers a row or more"):
        case.decode({"output": given.rows[..., :4]}, (64, 64), (64, 64))


class Nanodet:
    def __init__(self, strides, side=64, classes=80, bins=8):
        self.strides, self.side, self.classes, self.bins = strides, side, classes, bins
        rng = np.random.default_rng(7)
        self.rows = rng.normal(size=(1, count_of(side, side, strides), classes + 4 * bins)).astype(np.float32)
        self.rows[..., :classes] = 0.02

    def put(self, box, scores, stride, column, row):
        """The box is where the bins can say: distances up to (bins - 1) * stride."""
        half = 0 if len(self.strides) == 4 else 0.5
        x, y = (column + half) * stride, (row + half) * stride
        at = self.rows[0, index_of(row, column, stride, self.side, self.side, self.strides)]
        for side, distance in enumerate((x - box[0], y - box[1], box[2] - x, box[3] - y)):
            distance /= stride
            low = min(int(distance), self.bins - 2)
            logits = np.full(self.bins, -40.0)
            share = distance - low
            logits[low], logits[low + 1] = math.log(1 - share + 1e-9), math.log(share + 1e-9)
            at[self.classes + side * self.bins:][:self.bins] = logits
        for index, score in scores.items():
            at[index] = score


@pytest.mark.parametrize("strides, resize", [((8, 16, 32, 64), "stretch"), ((8, 16, 32), "letterbox:0")])
def test_nanodet(tmp_path, strides, resize):
    given = Nanodet(strides)
    box, twin, near, off = (10, 12, 50, 44), (10, 14, 50, 46), (10, 24, 50, 56), (40, 36, 63, 63)
    assert iou(box, twin) > 0.82 and 0.4 < iou(box, near) < 0.6
    given.put(box, {0: 0.9, 4: 0.7}, 8, 4, 3)               # two classes of a cell: both
    given.put(twin, {0: 0.8}, 8, 4, 4)                      # goes
    given.put(near, {0: 0.5}, 8, 4, 5)                      # stays
    given.put(off, {9: 0.36, 8: 0.34}, 16, 3, 3)            # the threshold is .35
    case = Case(write(tmp_path / "m.onnx", {"output": given.rows}, name="data"))
    assert case.family == "nanodet"
    assert case.text("input.resize", "input.filter", "input.channels", "input.mean") == (
        resize, "linear", "BGR", "103.53,116.28,123.675")
    answer = case.decode({"output": given.rows}, (128, 32), (64, 64))
    wanted = [(0, 0.9, box), (4, 0.7, box), (0, 0.5, near), (9, 0.36, off)]
    assert [(c, s) for c, s, _ in said(answer)] == [(c, s) for c, s, _ in wanted]
    for each, (_, _, (x1, y1, x2, y2)) in zip(answer.found, wanted):
        assert each.box == pytest.approx((2 * x1, y1 / 2, 2 * x2, y2 / 2), abs=0.01)
    assert [each.label for each in answer.found] == ["person", "airplane", "person", "traffic light"]


def test_nanodet_cuts_boxes_off_before_it_compares_them(tmp_path):
    given = Nanodet((8, 16, 32, 64))
    given.put((-8, -8, 16, 16), {2: 0.9}, 8, 1, 1)
    given.put((0, 0, 16, 16), {2: 0.8}, 8, 1, 0)            # overlap 4/9 with the whole box, 1 with what is seen of it
    case = Case(write(tmp_path / "m.onnx", {"output": given.rows}, name="data"))
    answer = case.decode({"output": given.rows}, (64, 64), (64, 64))
    assert [(c, s) for c, s, _ in said(answer)] == [(2, 0.9)]


@pytest.mark.parametrize("columns, labels, name, wanted", [
    (112, None, "images", "nanodet"), (85, None, "data", "yolox"), (124, None, "images", "nanodet"),
    (40, [str(i) for i in range(8)], "images", "nanodet"), (40, [str(i) for i in range(35)], "data", "yolox"),
    (40, None, "images", "yolox"), (40, None, "data", "nanodet"), (7, None, "data", "yolox"),
])
def test_labels_then_counts_then_names_tell_yolox_from_nanodet(tmp_path, columns, labels, name, wanted):
    path = write(tmp_path / "m.onnx", {"output": np.zeros((1, 84, columns), np.float32)}, name=name)
    assert Case(path, labels=labels).family == wanted


def test_eleven_bins(tmp_path):
    given = Nanodet((8, 16, 32), classes=3, bins=11)
    given.put((2, 2, 62, 62), {1: 0.9}, 8, 4, 4)
    case = Case(write(tmp_path / "m.onnx", {"output": given.rows}, name="data"), labels=["a", "b", "c"])
    assert case.family == "nanodet"
    answer = case.decode({"output": given.rows}, (64, 64), (64, 64))
    assert [(each.label, each.box) for each in answer.found] == [("b", pytest.approx((2, 2, 62, 62), abs=0.01))]

"""From a map to quads, by hand."""

import numpy as np
import pytest

from cinfer.vision.families import text_lines
from cinfer.vision.families.regions import Rectangles


def test_each_pixel_also_counts_for_those_right_and_below():
    mask = np.zeros((5, 6), bool)
    mask[1, 2] = mask[4, 5] = True
    wanted = np.zeros((5, 6), bool)
    wanted[1:3, 2:4] = wanted[4, 5] = True
    assert np.array_equal(text_lines.dilated(mask), wanted)
    assert mask.sum() == 2  # what is given stays


def blocks(*at, shape=(120, 200)):
    """A map of upright blocks. at : x, y, width, height, value"""
    likely = np.zeros(shape, np.float32)
    for x, y, w, h, value in at:
        likely[y : y + h, x : x + w] = value
    return likely


def grown(x, y, w, h):
    """The corners of a block: dilation makes it as large as its pixels' outer edges; each side moves out by the area
    times 1.6 over the perimeter; to whole pixels, .5 up."""
    d = w * h * 1.6 / (2 * (w + h))
    x1, y1, x2, y2 = (int(np.floor(v + 0.5)) for v in (x - d, y - d, x + w + d, y + h + d))
    return [[x1, y1], [x2, y1], [x2, y2], [x1, y2]]


def test_a_block_grows_by_its_area_over_its_perimeter():
    quads, scores = text_lines.quads(blocks((30, 40, 100, 10, 0.9)))
    assert text_lines.upright(quads).tolist() == [grown(30, 40, 100, 10)]
    # the pixels of the rectangle, its border included: 101 x 11, of which 100 x 10 are .9
    assert scores == pytest.approx([0.9 * 1000 / 1111], abs=1e-5)


@pytest.mark.parametrize(
    "block, stays",
    [
        ((20, 20, 50, 8, 0.31), False),  # sure enough for the map, not as a mean
        ((20, 20, 50, 8, 0.3), False),  # more than .3 it must be
        ((20, 20, 50, 8, 0.57), False),  # .57 * 400 / 459 < .5
        ((20, 20, 50, 8, 0.58), True),
        ((20, 20, 50, 2, 0.99), False),  # a side of 2
        ((20, 20, 50, 3, 0.99), True),
        ((20, 20, 3, 3, 0.99), True),
        ((20, 20, 2, 2, 0.99), False),
    ],
)
def test_thresholds(block, stays):
    assert len(text_lines.quads(blocks(block))[0]) == stays


def test_what_is_asked_for_counts():
    likely = blocks((20, 20, 50, 8, 0.4), (100, 60, 50, 8, 0.7))
    assert len(text_lines.quads(likely, 0.3, 0.3)[0]) == 2
    assert len(text_lines.quads(likely, 0.5, 0.3)[0]) == 1
    assert len(text_lines.quads(likely, 0.3, 0.7)[0]) == 0


def test_a_tilted_line_has_a_tilted_quad():
    angle, w, h = 0.3, 120.0, 12.0
    y, x = np.mgrid[:200, :240]
    u, v = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
    dx, dy = x - 120, y - 100
    likely = ((np.abs(dx * u[0] + dy * u[1]) <= w / 2) & (np.abs(dx * v[0] + dy * v[1]) <= h / 2)).astype(np.float32)
    quads, scores = text_lines.quads(likely)
    d = w * h * 1.6 / (2 * (w + h))
    wanted = [np.array([120, 100]) + a * (w / 2 + d) * u + b * (h / 2 + d) * v
              for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))]  # fmt: skip
    # pixels are whole: half of one by drawing, half by the dilation, one by cutting corners to whole ones, half at last
    assert np.abs(text_lines.upright(quads)[0] - wanted).max() < 2.5
    assert 0.8 < scores[0] < 1  # the border, a pixel wide, is half outside: 264 / 2 of 1440 + 264 / 2 pixels


def test_at_most_so_many_parts_the_largest(monkeypatch):
    monkeypatch.setattr(text_lines, "MOST_PARTS", 2)
    likely = blocks((10, 10, 40, 8, 0.9), (10, 40, 60, 8, 0.9), (10, 70, 50, 8, 0.9))
    quads = text_lines.upright(text_lines.quads(likely)[0])
    assert sorted(q[0][1] for q in quads.tolist()) == [grown(10, 40, 60, 8)[0][1], grown(10, 70, 50, 8)[0][1]]


@pytest.mark.parametrize("shape", [(0, 0), (1, 1), (3, 200), (64, 64)])
@pytest.mark.parametrize("value", [0, 1])
def test_any_map_has_an_answer(shape, value):
    quads, scores = text_lines.quads(np.full(shape, value, np.float32))
    assert quads.shape == (len(scores), 4, 2) and len(scores) == (value and min(shape) > 3)


def test_larger_keeps_the_middle():
    boxes = Rectangles(np.array([[5.0, 6]]), np.array([[0.6, 0.8]]), np.array([[10.0, 2]]))
    more = text_lines.larger(boxes, np.array([4.0]))
    assert np.allclose(more.corners().mean(1), [[5, 6]]) and more.sides.tolist() == [[14, 6]]


def test_corners_begin_at_the_upper_left_one():
    square = np.array([(10, 20), (50, 20), (50, 30), (10, 30)], float)
    tilted = np.array([(10, 20), (50, 25), (48, 37), (8, 32)], float)
    for quad in (square, tilted, np.array([(40, 0), (60, 20), (20, 60), (0, 40)], float)):
        for turn in range(4):
            for way in (1, -1):
                found = text_lines.upright(np.roll(quad, turn, axis=0)[::way][None])[0]
                assert sorted(map(tuple, found)) == sorted(map(tuple, quad))
                left = sorted(quad.tolist())[:2]
                assert found[[0, 3]].tolist() == sorted(left, key=lambda p: p[1])
                edges = np.roll(found, -1, axis=0) - found
                following = np.roll(edges, -1, axis=0)
                assert (edges[:, 0] * following[:, 1] > edges[:, 1] * following[:, 0]).all()  # clockwise, y down


def test_quads_stay_in_the_picture_and_small_ones_go():
    quads = np.array([[(-4, 2.4), (60, 2.4), (60, 20), (-4, 20)], [(97, 30), (140, 30), (140, 50), (97, 50)],
                      [(5, 40), (30, 40), (30, 43.4), (5, 43.4)]])  # fmt: skip
    found, which = text_lines.in_picture(quads, 100, 80)
    assert which.tolist() == [0]  # 97 to 100 and 40 to 43 are 3 pixels
    assert found.tolist() == [[[0, 2], [60, 2], [60, 20], [0, 20]]]


def test_lines_are_read_from_top_to_bottom_and_left_to_right():
    first = np.array([(300, 100), (10, 105), (200, 114), (10, 130), (5, 139), (1, 400), (0, 390)])
    # 100, 105, 114 follow each other by less than 10; so do 130 and 139, but not 390 and 400
    assert text_lines.reading_order(first).tolist() == [1, 2, 0, 4, 3, 6, 5]
    assert text_lines.reading_order(np.zeros((0, 2))).tolist() == []


@pytest.mark.parametrize("degrees", [0, 0.5, 8, -20, 90, 180, -90, 135])
def test_tilted_pages_are_read_as_their_text_runs(degrees):
    page = [(x, y, w) for y in range(40, 400, 30) for x, w in ((40, 120), (300, 80))]
    quads = np.array([[(x, y), (x + w, y), (x + w, y + 20), (x, y + 20)] for x, y, w in page], float)
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    shuffled = np.random.default_rng(2).permutation(len(page))
    order = text_lines.order_along((quads @ turn)[shuffled])
    assert shuffled[order].tolist() == list(range(len(page)))
    assert text_lines.order_along(quads[:0]).tolist() == []

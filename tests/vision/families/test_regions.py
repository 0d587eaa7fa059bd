"""Parts of a mask, their hulls and rectangles, against definitions that try everything."""

import itertools

import numpy as np
import pytest

from cinfer.vision.families.regions import around, hulls, least_rectangles, means_inside, parts

MASKS = [(h, w, share, seed) for h, w in ((1, 1), (1, 9), (9, 1), (7, 12), (23, 17)) for share in (0.1, 0.35, 0.6, 1.0)
         for seed in range(3)]  # fmt: skip


def flooded(mask):
    """The label of each pixel, -1 outside, by a flood over the eight neighbours."""
    labels = np.full(mask.shape, -1)
    count = 0
    for start in zip(*np.nonzero(mask)):
        if labels[start] >= 0:
            continue
        todo = [start]
        while todo:
            y, x = todo.pop()
            if 0 <= y < mask.shape[0] and 0 <= x < mask.shape[1] and mask[y, x] and labels[y, x] < 0:
                labels[y, x] = count
                todo += [(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
        count += 1
    return labels, count


def drawn(found, shape):
    labels = np.full(shape, -1)
    for row, first, last, part in zip(found.rows, found.first, found.last, found.part):
        assert (labels[row, first : last + 1] == -1).all()
        labels[row, first : last + 1] = part
    return labels


def random_mask(h, w, share, seed):
    return np.random.default_rng(seed).random((h, w)) < share


@pytest.mark.parametrize("h, w, share, seed", MASKS)
def test_parts_are_those_of_a_flood(h, w, share, seed):
    mask = random_mask(h, w, share, seed)
    labels, count = flooded(mask)
    found = parts(mask)
    assert found.count == count
    assert np.array_equal(drawn(found, mask.shape), labels)  # numbered alike: by the first pixel
    assert found.sizes().tolist() == [(labels == i).sum() for i in range(count)]


def test_parts_of_long_ways_are_one():
    spiral = np.zeros((41, 41), bool)
    y, x, dy, dx = 0, 0, 0, 1
    spiral[0, 0] = True
    for length in [40, 40, 40] + [n for n in range(38, 0, -2) for _ in (0, 1)]:
        for _ in range(length):
            y, x = y + dy, x + dx
            spiral[y, x] = True
        dy, dx = dx, -dy
    comb = np.zeros((30, 61), bool)
    comb[:, ::2] = comb[-1] = True
    for mask in (spiral, spiral.T, comb, comb[::-1], comb.T, comb.T[:, ::-1], np.indices((20, 20)).sum(0) % 2 == 0):
        assert parts(mask).count == flooded(mask)[1] == 1


@pytest.mark.parametrize("shape", [(0, 0), (0, 5), (5, 0), (4, 4)])
def test_a_mask_of_nothing_has_no_parts(shape):
    found = parts(np.zeros(shape, bool))
    assert (found.count, found.rows.size, len(least_rectangles(found).sides)) == (0, 0, 0)


def test_only_keeps_parts_and_numbers_them_anew():
    mask = random_mask(23, 17, 0.3, 5)
    found, (labels, count) = parts(mask), flooded(mask)
    kept = np.arange(count) % 2 == 0
    some = found.only(kept)
    wanted = np.where((labels >= 0) & (labels % 2 == 0), labels // 2, -1)
    assert some.count == kept.sum() and np.array_equal(drawn(some, mask.shape), wanted)


def extreme(points):
    """The corners of a convex hull: points that no triangle or line of others holds, for they see all others within
    less than half a turn."""
    if len(points) == 1:
        return set(points)
    found = set()
    for p in points:
        x, y = np.array([q for q in points if q != p]).T - np.array(p)[:, None]
        # all others on one side of the line through p and another, and those on it on that one's side
        cross, dots = np.outer(x, y) - np.outer(y, x), np.outer(x, x) + np.outer(y, y)
        if ((cross > 0) | (cross == 0) & (dots > 0)).all(1).any():
            found.add(p)
    return found


@pytest.mark.parametrize("h, w, share, seed", [case for case in MASKS if case[0] < 20])
def test_hulls_have_the_extreme_points(h, w, share, seed):
    mask = random_mask(h, w, share, seed)
    labels, count = flooded(mask)
    corners, counts = hulls(parts(mask))
    assert counts.sum() == len(corners)
    for i, own in enumerate(np.split(corners, np.cumsum(counts)[:-1]) if count else []):
        points = [(int(x), int(y)) for y, x in zip(*np.nonzero(labels == i))]
        assert set(map(tuple, own.tolist())) == extreme(points), f"part {i}"


def least_area(points):
    """Over the directions of all pairs of points: among them are all edges of the hull."""
    points = np.array(points, float)
    if len(points) == 1:
        return 0.0
    areas = []
    for a, b in itertools.combinations(points, 2):
        u = (b - a) / np.hypot(*(b - a))
        areas.append(np.ptp(points @ u) * np.ptp(points @ (-u[1], u[0])))
    return min(areas)


@pytest.mark.parametrize("h, w, share, seed", [case for case in MASKS if case[2] < 1 and case[0] < 20])
def test_rectangles_are_of_least_area_and_hold_all_pixels(h, w, share, seed):
    mask = random_mask(h, w, share, seed)
    labels, count = flooded(mask)
    boxes = least_rectangles(parts(mask))
    assert np.allclose(np.hypot(*boxes.along.T), 1)
    for i in range(count):
        points = np.argwhere(labels == i)[:, ::-1]
        assert np.prod(boxes.sides[i]) == pytest.approx(least_area(points), abs=1e-6), f"part {i}"
        away = points - boxes.centre[i]
        assert (np.abs(away @ boxes.along[i]) <= boxes.sides[i, 0] / 2 + 1e-9).all()
        assert (np.abs(away @ boxes.across()[i]) <= boxes.sides[i, 1] / 2 + 1e-9).all()


def test_many_parts_are_looked_at_in_several_goes(monkeypatch):
    found = parts(random_mask(60, 60, 0.2, 0))
    whole = least_rectangles(found)
    monkeypatch.setattr("cinfer.vision.families.regions.MOST_PAIRS", 50)
    part = least_rectangles(found)
    assert np.array_equal(whole.corners(), part.corners())


def test_corners_go_around():
    boxes = around(np.array([[(0.0, 0), (8, 6), (5, 10), (-3, 4)], [(2, 1), (9, 1), (9, 4), (2, 4)]]))
    assert sorted(boxes.sides[0].tolist()) == pytest.approx([5, 10])
    assert sorted(boxes.sides[1].tolist()) == [3, 7]
    for box, wanted in zip(boxes.corners(), ([(0, 0), (8, 6), (5, 10), (-3, 4)], [(2, 1), (9, 1), (9, 4), (2, 4)])):
        assert sorted(map(tuple, np.round(box, 6).tolist())) == sorted(wanted)
        edges = np.roll(box, -1, axis=0) - box
        assert np.abs((edges * np.roll(edges, -1, axis=0)).sum(1)).max() < 1e-9


def test_means_are_of_the_pixels_inside():
    rng = np.random.default_rng(4)
    values = rng.random((40, 50)).astype(np.float32)
    quads = []
    for _ in range(60):  # some of them reach beyond the map, or lie outside
        centre, angle, w, h = rng.uniform(-5, 50, 2), rng.uniform(-2, 2), rng.uniform(0.1, 30), rng.uniform(0.1, 12)
        u = np.array([np.cos(angle), np.sin(angle)]) / 2
        v = np.array([-u[1], u[0]])
        quads.append([centre + a * w * u + b * h * v for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))])
    quads += [[(3, 4), (10, 4), (10, 6), (3, 6)], [(0, 0), (49, 0), (49, 39), (0, 39)], [(7, 7)] * 4]
    boxes = around(np.array(quads, float))
    y, x = np.mgrid[:40, :50]
    for i, mean in enumerate(means_inside(values, boxes)):
        dx, dy = x - boxes.centre[i, 0], y - boxes.centre[i, 1]
        inside = np.ones((40, 50), bool)
        for axis, side in ((boxes.along[i], boxes.sides[i, 0]), (boxes.across()[i], boxes.sides[i, 1])):
            inside &= np.abs(dx * axis[0] + dy * axis[1]) <= side / 2 + 1e-6
        assert mean == pytest.approx(values[inside].mean(dtype=float) if inside.any() else 0, abs=1e-6), f"box {i}"

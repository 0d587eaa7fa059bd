"""The connected parts of a mask and the rectangle of least area around each; NumPy alone, no loop over parts or pixels.

A part is kept as its runs: where pixels follow each other in a row. Pixels are points at whole numbers (x, y), as in
OpenCV: a part of one pixel has no width.
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MOST_PAIRS = 1 << 20                # of an edge and a corner looked at in one go: 8 MB an array


@dataclass(frozen=True, slots=True)
class Parts:
    """Runs of pixels, a row after the other, and the part (0 to count - 1) that each belongs to.

    rows, first, last : int64, (runs,); last is the last pixel of the run; part : int64, (runs,)
    """
    rows: np.ndarray
    first: np.ndarray
    last: np.ndarray
    part: np.ndarray
    count: int

    def sizes(self) -> np.ndarray:
        """Pixels of each part."""
        return np.bincount(self.part, self.last - self.first + 1, self.count).astype(np.int64)

    def only(self, kept: np.ndarray) -> Parts:
        """kept : bool, (count,)"""
        number = np.cumsum(kept) - 1
        runs = kept[self.part]
        return Parts(self.rows[runs], self.first[runs], self.last[runs], number[self.part[runs]], int(kept.sum()))


@dataclass(frozen=True, slots=True)
class Rectangles:
    """centre, along, sides : (n, 2): the middle, the unit vector of the first side, lengths along it and across"""
    centre: np.ndarray
    along: np.ndarray
    sides: np.ndarray

    def only(self, kept: np.ndarray) -> Rectangles:
        return Rectangles(self.centre[kept], self.along[kept], self.sides[kept])

    def across(self) -> np.ndarray:
        return np.stack([-self.along[:, 1], self.along[:, 0]], axis=1)

    def corners(self) -> np.ndarray:
        """(n, 4, 2), one after the other around the rectangle."""
        half = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) / 2 * self.sides[:, None]
        return self.centre[:, None] + half[..., :1] * self.along[:, None] + half[..., 1:] * self.across()[:, None]


def parts(mask: np.ndarray) -> Parts:
    """The 8-connected parts of a bool mask (height, width), numbered by their first pixel, row by row."""
    height, width = mask.shape
    wide = width + 1                                    # a column between the rows, so that runs end with them
    flat = np.zeros(height * wide + 1, bool)
    flat[1:].reshape(height, wide)[:, :width] = mask
    borders = np.flatnonzero(flat[1:] != flat[:-1])
    first, last = borders[::2], borders[1::2] - 1
    # A run touches those of the next row that end at its first pixel - 1 or later and begin at its last + 1 or before.
    low = np.searchsorted(last, first + wide - 1)
    high = np.searchsorted(first, last + wide + 1, side="right")
    touched = np.maximum(high - low, 0)
    above = np.repeat(np.arange(first.size), touched)
    below = np.arange(above.size) - np.repeat(np.cumsum(touched) - touched - low, touched)
    roots, part = np.unique(_joined(first.size, above, below), return_inverse=True)
    rows = first // wide
    return Parts(rows, first - rows * wide, last - rows * wide, part.astype(np.int64), roots.size)


def _joined(count: int, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Union-find over pairs: the least of all that each of 0 .. count - 1 is joined with.

    Every round hangs each root below the least root it is paired with, then makes all paths of length one."""
    root = np.arange(count)
    while True:
        x, y = root[a], root[b]
        differ = x != y
        if not differ.any():
            return root
        a, b, x, y = a[differ], b[differ], x[differ], y[differ]
        np.minimum.at(root, np.maximum(x, y), np.minimum(x, y))
        while True:
            shorter = root[root]
            if np.array_equal(shorter, root):
                break
            root = shorter


def hulls(found: Parts) -> tuple[np.ndarray, np.ndarray]:
    """The convex hull of each part: corners (n, 2) as x, y, int64, part after part, around each; how many each has.

    A corner appears twice where the hull's left and right side meet in it."""
    order = np.argsort(found.part, kind="stable")           # then rows are in order within a part
    part, y = found.part[order], found.rows[order]
    begins = np.flatnonzero(np.concatenate(([True], (part[1:] != part[:-1]) | (y[1:] != y[:-1]))))
    if not part.size:
        return np.zeros((0, 2), np.int64), np.zeros(0, np.int64)
    left, right = np.minimum.reduceat(found.first[order], begins), np.maximum.reduceat(found.last[order], begins)
    part, y = part[begins], y[begins]
    kept_left, kept_right = _outermost(part, y, left), _outermost(part, y, -right)
    # down the left side, up the right one
    sides = [np.stack([part[k], np.full(k.size, side), way * y[k], x[k], y[k]])
             for k, side, way, x in ((kept_left, 0, 1, left), (kept_right, 1, -1, right))]
    of, side, at, x, y = np.concatenate(sides, axis=1)
    order = np.lexsort((at, side, of))
    return np.stack([x, y], axis=1)[order], np.bincount(of, minlength=found.count)


def _outermost(part: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Indices of the points, sorted by part and y, at which the lower convex envelope of x over y bends, and the ends.

    A point that is not below the line between its neighbours is none; all such go at once, for whether others go does
    not change that they lie above the envelope. Until none is left."""
    kept = np.arange(part.size)
    while True:
        p, u, v = part[kept], y[kept], x[kept]
        turn = (v[1:-1] - v[:-2]) * (u[2:] - u[:-2]) - (v[2:] - v[:-2]) * (u[1:-1] - u[:-2])
        gone = np.zeros(kept.size, bool)
        gone[1:-1] = (turn >= 0) & (p[2:] == p[:-2])
        if not gone.any():
            return kept
        kept = kept[~gone]


def least_rectangles(found: Parts) -> Rectangles:
    """The rectangle of least area around each part; of equal ones that of the hull's first edge.

    One side of it lies along an edge of the convex hull (Freeman and Shapira 1975), so all edges are tried."""
    corners, counts = hulls(found)
    corners = corners.astype(np.float64)
    centre, along, sides = np.zeros((3, found.count, 2))
    ends = np.cumsum(counts)
    begin = 0
    while begin < found.count:
        # as many parts as make at most MOST_PAIRS pairs, but one at least
        pairs = np.cumsum(counts[begin:] ** 2)
        end = begin + max(1, int(np.searchsorted(pairs, MOST_PAIRS, side="right")))
        where = slice(ends[begin] - counts[begin], ends[end - 1])
        centre[begin:end], along[begin:end], sides[begin:end] = _least(corners[where], counts[begin:end])
        begin = end
    return Rectangles(centre, along, sides)


def around(quads: np.ndarray) -> Rectangles:
    """The rectangles of least area around convex quads (n, 4, 2)."""
    return Rectangles(*_least(quads.reshape(-1, 2), np.full(len(quads), 4)))


def _least(corners: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(centre, along, sides) of the rectangles around polygons, corners one after the other, so many each."""
    if not counts.size:
        return np.zeros((0, 2)), np.zeros((0, 2)), np.zeros((0, 2))
    begins = np.cumsum(counts) - counts
    following = np.arange(1, len(corners) + 1)
    following[begins + counts - 1] = begins
    edge = corners[following] - corners
    length = np.hypot(edge[:, 0], edge[:, 1])
    edge[length == 0] = 1, 0                                # of a corner that is there twice: any direction will do
    edge /= np.where(length == 0, 1, length)[:, None]
    # each edge with each corner of its part
    many = np.repeat(counts, counts)
    starts = np.cumsum(many) - many
    corner = np.arange(many.sum()) - np.repeat(starts - np.repeat(begins, counts), many)
    points, directions = corners[corner], np.repeat(edge, many, axis=0)
    u = points[:, 0] * directions[:, 0] + points[:, 1] * directions[:, 1]
    v = points[:, 1] * directions[:, 0] - points[:, 0] * directions[:, 1]
    low = np.stack([np.minimum.reduceat(u, starts), np.minimum.reduceat(v, starts)], axis=1)
    high = np.stack([np.maximum.reduceat(u, starts), np.maximum.reduceat(v, starts)], axis=1)
    sides = high - low
    area = np.round(sides[:, 0] * sides[:, 1], 6)           # equal but for rounding is equal
    part = np.repeat(np.arange(counts.size), counts)
    best = np.lexsort((area, part))[begins]
    middle, along = (low[best] + high[best]) / 2, edge[best]
    across = np.stack([-along[:, 1], along[:, 0]], axis=1)
    return middle[:, :1] * along + middle[:, 1:] * across, along, sides[best]


def means_inside(values: np.ndarray, boxes: Rectangles) -> np.ndarray:
    """The mean of a map (height, width) over the pixels that lie in each rectangle, its border included; 0 where none
    does."""
    height, width = values.shape
    across, eps = boxes.across(), 1e-6
    reach = (np.abs(boxes.along[:, 1]) * boxes.sides[:, 0] + np.abs(across[:, 1]) * boxes.sides[:, 1]) / 2
    top = np.clip(np.ceil(boxes.centre[:, 1] - reach - eps), 0, height).astype(np.int64)
    bottom = np.clip(np.floor(boxes.centre[:, 1] + reach + eps) + 1, 0, height).astype(np.int64)
    rows = np.maximum(bottom - top, 0)
    box = np.repeat(np.arange(rows.size), rows)
    y = np.arange(box.size) - np.repeat(np.cumsum(rows) - rows - top, rows)
    left, right = np.zeros(box.size), np.full(box.size, width - 1.)
    for axis, side in ((boxes.along, boxes.sides[:, 0]), (across, boxes.sides[:, 1])):
        # |axis . ((x, y) - centre)| <= side / 2
        ax, ay = axis[box].T
        offset = ay * (y - boxes.centre[box, 1])
        half = side[box] / 2 + eps
        with np.errstate(divide="ignore", invalid="ignore"):
            a, b = (-half - offset) / ax, (half - offset) / ax
        flat = np.abs(ax) < 1e-9                            # the row is along this side: all of it or none
        a, b = np.where(flat, -np.inf, np.minimum(a, b)), np.where(flat, np.inf, np.maximum(a, b))
        left = np.maximum(left, np.ceil(a + boxes.centre[box, 0]))
        right = np.minimum(right, np.floor(b + boxes.centre[box, 0]))
    some = right >= left
    box, begin = box[some], (y * width + left.astype(np.int64))[some]
    count = (right - left)[some].astype(np.int64) + 1
    # reduceat sums from each index up to the next one: what lies between two spans is summed too, so they are in order
    order = np.argsort(begin)
    box, begin, count = box[order], begin[order], count[order]
    borders = np.stack([begin, begin + count], axis=1).reshape(-1)
    sums = np.add.reduceat(np.append(values, np.float32(0)), borders)[::2] if borders.size else np.zeros(0)
    return np.bincount(box, sums, rows.size) / np.maximum(np.bincount(box, count, rows.size), 1)

"""Where lines of text are, from a map of how likely each pixel is one of text: DB, differentiable binarization.

A map > .3, dilated by 2x2, falls into parts; of each the rectangle of least area, its corners cut to whole pixels as
the authors do; the mean inside is the score; then each side is moved out by area * 1.6 / perimeter, for the networks
are taught to find text shrunk. Source: Liao et al. 2020 (arXiv 1911.08947) and the numbers of PaddleOCR and RapidOCR.
"""
from __future__ import annotations

import numpy as np

from .regions import Rectangles, around, least_rectangles, means_inside, parts

MAP_THRESHOLD = .3
BOX_THRESHOLD = .5                  # of the mean inside
MOST_PARTS = 1000
LEAST_SIDE = 3                      # of a part, in pixels of the map; of what has grown: 2 more
GROWTH = 1.6                        # of a side's length: GROWTH * area / half of the perimeter
LINE_GAP = 10                       # pixels from one line's y to the next one's, of a picture of up to
LARGEST = 2000
TILT = .02                          # tangent; about a degree


def quads(likely: np.ndarray, threshold: float = MAP_THRESHOLD,
          least: float = BOX_THRESHOLD) -> tuple[np.ndarray, np.ndarray]:
    """(n, 4, 2) corners at whole pixels of a map (height, width), and (n,) the means inside, all at least `least`."""
    found = parts(dilated(likely > threshold))
    found = found.only(_large(found))
    boxes = least_rectangles(found)
    boxes = boxes.only(boxes.sides.min(1) >= LEAST_SIDE)
    whole = around(np.trunc(boxes.corners()))
    # a border as one draws it, a pixel wide, is inside
    scores = means_inside(likely, larger(whole, np.abs(whole.along).max(1)))
    w, h = boxes.sides.T
    boxes = larger(whole, GROWTH * w * h / (w + h))
    kept = (scores >= least) & (boxes.sides.min(1) >= LEAST_SIDE + 2)
    return np.floor(boxes.only(kept).corners() + .5), scores[kept]


def dilated(mask: np.ndarray) -> np.ndarray:
    """Each pixel also counts for those right of it, below it, and both."""
    wide = mask.copy()
    wide[:, 1:] |= mask[:, :-1]
    high = wide.copy()
    high[1:] |= wide[:-1]
    return high


def _large(found) -> np.ndarray:
    """bool: the MOST_PARTS parts of most pixels, without those that no rectangle of LEAST_SIDE can be of: the one of
    least area is not larger than the upright one."""
    left, top = np.full((2, found.count), np.iinfo(np.int64).max)
    right, bottom = np.full((2, found.count), -1)
    for at, value, least in ((left, found.first, True), (top, found.rows, True), (right, found.last, False),
                             (bottom, found.rows, False)):
        (np.minimum if least else np.maximum).at(at, found.part, value)
    kept = (right - left) * (bottom - top) >= LEAST_SIDE ** 2
    if kept.sum() > MOST_PARTS:
        order = np.argsort(-np.where(kept, found.sizes(), 0), kind="stable")
        kept[order[MOST_PARTS:]] = False
    return kept


def larger(boxes: Rectangles, more: np.ndarray) -> Rectangles:
    """Rectangles with both sides longer, by a number each."""
    return Rectangles(boxes.centre, boxes.along, boxes.sides + more[:, None])


def upright(corners: np.ndarray) -> np.ndarray:
    """Corners (n, 4, 2) in the order upper left, upper right, lower right, lower left: of the two that are furthest
    left the upper one is the first."""
    by_x = np.take_along_axis(corners, np.argsort(corners[..., 0], axis=1, kind="stable")[..., None], axis=1)
    pairs = by_x.reshape(-1, 2, 2, 2)                       # left and right, two each
    order = np.argsort(pairs[..., 1], axis=2, kind="stable")
    pairs = np.take_along_axis(pairs, order[..., None], axis=2)
    return np.stack([pairs[:, 0, 0], pairs[:, 1, 0], pairs[:, 1, 1], pairs[:, 0, 1]], axis=1)


def in_picture(corners: np.ndarray, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """Corners in pixels of the picture as upright quads at whole pixels inside it, in the order in which they are read;
    and which of the given ones they were: those of LEAST_SIDE or less are gone."""
    found = upright(np.clip(np.rint(corners), 0, (width, height)))
    w = np.hypot(*(found[:, 1] - found[:, 0]).T)
    h = np.hypot(*(found[:, 3] - found[:, 0]).T)
    kept = np.flatnonzero((w > LEAST_SIDE) & (h > LEAST_SIDE))
    order = kept[reading_order(found[kept, 0], line_gap(width, height))]
    return found[order], order


def line_gap(width: int, height: int) -> float:
    """Pixels of a picture from one line's y to the next one's at least."""
    return LINE_GAP * max(1, max(width, height) / LARGEST)


def reading_order(first: np.ndarray, gap: float = LINE_GAP) -> np.ndarray:
    """Indices of lines by their first corners (n, 2): from top to bottom, and from left to right where one's y follows
    upon the other's by less than `gap`."""
    by_y = np.lexsort((first[:, 0], first[:, 1]))
    line = np.cumsum(np.diff(first[by_y, 1], prepend=first[by_y[:1], 1]) >= gap)
    return by_y[np.lexsort((first[by_y, 0], line))]


def order_along(quads: np.ndarray, gap: float = LINE_GAP) -> np.ndarray:
    """The same for quads (n, 4, 2) whose first corner is where the text begins: a page may be tilted or upside down.
    Top is where it is for most of the text; a page tilted by less than TILT is read as it is."""
    if not len(quads):
        return np.zeros(0, np.int64)
    x, y = (quads[:, 1] - quads[:, 0]).sum(0)
    length = np.hypot(x, y)
    if x > 0 and abs(y) <= TILT * x or length == 0:
        return reading_order(quads[:, 0], gap)
    x, y = x / length, y / length
    return reading_order(quads[:, 0] @ np.array([[x, -y], [y, x]]), gap)

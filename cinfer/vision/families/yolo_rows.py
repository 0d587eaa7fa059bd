"""The rows of numbers that a YOLO gives: in which of the known forms they are, and those above the threshold.

Forms, as the word `output.kind` says them, else by the shape of the array; nc classes, e extra numbers (coefficients of
a mask, points, an angle), N places of the grids of an input (8400 at 640x640):

    cx,cy,w,h,classes               (4+nc+e, N)     v8, v9, 11, 12: class scores that are sigmoids already
    cx,cy,w,h,object,classes        (3N, 5+nc+e)    v5, v7: score = object * class
    x1,y1,x2,y2,score,class         (n, 6+e)        end2end (v10, 26) or with NMS inside; what is missing is 0
    cx,cy,w,h,score,class           (n, 6+e)        RT-DETR of Ultralytics, and oriented boxes of the above
    image,x1,y1,x2,y2,class,score   (n, 7)          YOLOv7 with NMS inside
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...errors import InputError
from .grid import number_of_cells

CLASSES, OBJECT = "cx,cy,w,h,classes", "cx,cy,w,h,object,classes"
CORNERS, CENTRES, IMAGE = "x1,y1,x2,y2,score,class", "cx,cy,w,h,score,class", "image,x1,y1,x2,y2,class,score"
BEFORE = {CLASSES: 4, OBJECT: 5, CORNERS: 6, CENTRES: 6, IMAGE: 7}      # numbers but for class scores and extra ones
KINDS = tuple(BEFORE)
STRIDES = (8, 16, 32), (4, 8, 16, 32), (8, 16, 32, 64)
MOST_CLASS = 1e9
FAR = 1e9                               # no place: such boxes, NaN, and scores that are infinite are dropped


@dataclass(slots=True)
class Rows:
    """Those above the threshold. boxes : (n, 4) float32 in pixels of the input, x1 y1 x2 y2 or, if `centred`, cx cy w h
    scores : (n,); classes : (n,) int64; extra : (n, e); ready : duplicates are removed already; normalized : numbers
    were from 0 to 1; scale : of the numbers, (2,): pixels of the input for one"""
    boxes: np.ndarray
    scores: np.ndarray
    classes: np.ndarray
    extra: np.ndarray
    centred: bool
    ready: bool
    normalized: bool
    scale: np.ndarray

    def only(self, kept) -> Rows:
        return Rows(self.boxes[kept], self.scores[kept], self.classes[kept], self.extra[kept], self.centred, self.ready,
                    self.normalized, self.scale)


def places(height: int, width: int) -> set[int]:
    """How many places the grids of an input have together, at each of STRIDES."""
    return {number_of_cells(height, width, strides) for strides in STRIDES}


def read(view, table: np.ndarray, extra: int) -> Rows:
    """table : (a, b) float32; extra : how many numbers follow box and classes. Raises InputError for another form"""
    normalized = view.words.one_of("output.units", ("pixels", "normalized"), "pixels") == "normalized"
    kind, is_key = None, view.words.where("output.kind").startswith("cinfer.")
    if "output.kind" in view.words:
        kind = view.words.one_of("output.kind", KINDS, CLASSES)
    if kind is None or is_key and kind in (CORNERS, CENTRES) and table.shape[1] != 6 + extra:
        kind = kind_of(view, table, extra, normalized)          # what is there says more than a key
    if kind == CLASSES:
        table = numbers_first(view, table, extra)
    least = view.threshold(.25)
    if kind == CORNERS and is_open(view) and are_shares(table[table[:, 4] > least, :4]):
        kind, normalized = CENTRES, True
    before = BEFORE[kind]
    count = table.shape[0 if kind == CLASSES else 1] - before - extra       # of class scores
    if count < 1 if before < 6 else count:
        raise InputError(f"the output is {' x '.join(map(str, table.shape))}; rows of {kind} "
                         f"{f'and {extra} more numbers ' * bool(extra)}have {before + extra + (before < 6)}"
                         f"{' or more' * (before < 6)}. {view.words.where('output.kind')} says the form: "
                         f"{'; '.join(KINDS)}")
    if before < 6:
        view.check_labels(count)
    if kind == IMAGE:
        table, kind, before = table[table[:, 0] == 0][:, [1, 2, 3, 4, 6, 5]], CORNERS, 6
    with np.errstate(all="ignore"):
        if kind == CLASSES:             # (numbers, N): what is not likely is not copied
            best = table[4:4 + count].max(0)
            at = np.flatnonzero(best > least)
            boxes, scores, classes = table[:4, at].T, best[at], table[4:4 + count, at].argmax(0)
            more = table[before + count:, at].T
        else:
            rows = table[table[:, 4] > least]
            boxes, scores, classes, more = rows[:, :4], rows[:, 4], rows[:, 5], rows[:, before + count:]
            if kind == OBJECT:
                values = rows[:, 5:5 + count] * rows[:, 4:5]
                classes = values.argmax(1)
                scores = values[np.arange(len(values)), classes]
        sound = (scores > least) & (scores < np.inf) & (np.abs(boxes) < FAR).all(1)
        sound &= (classes >= 0) & (classes < MOST_CLASS)
    boxes, scores, classes = boxes[sound], scores[sound], classes[sound].astype(np.int64)
    scale = np.array([view.where.input_width, view.where.input_height] if normalized else [1, 1], np.float32)
    found = Rows(boxes * np.tile(scale, 2), scores, classes, more[sound], centred=kind != CORNERS,
                 ready=kind in (CORNERS, CENTRES), normalized=normalized, scale=scale)
    return found if view.options.classes is None else found.only(view.wanted(classes))


def is_open(view) -> bool:
    """Has nobody said how the numbers are to be read?"""
    return not any(word in view.words for word in ("output.kind", "output.units", "recipe"))


def are_shares(boxes: np.ndarray) -> bool:
    """Are these from 0 to 1, or a little beyond, as no boxes in pixels are?"""
    return bool(len(boxes)) and bool((np.abs(boxes) <= 2).all())


def is_of_kind(view, table: np.ndarray, extra: int) -> bool:
    """May rows that are known by their number alone be boxes? Then there are scores and classes where these would
    be."""
    if not is_open(view) or view.words.labels or kind_of(view, table, extra) != CORNERS:
        return True
    scores, classes = table[np.isfinite(table[:, 4:6]).all(1), 4:6].T
    return bool(((scores >= 0) & (scores <= 1) & (classes >= 0) & (classes == np.floor(classes))).all())


def kind_of(view, table: np.ndarray, extra: int, normalized: bool = False) -> str:
    """The form that an array of this shape has."""
    a, b = table.shape
    names = 0 if view.words.labels is None or view.words.labels_given else len(view.words.labels)
    grids = places(view.where.input_height, view.where.input_width)
    short = b == 6 + extra
    if normalized:                      # RT-DETR: class scores until May 2026, then score and class; 2 classes: 6 both
        whole = short and bool((table[:, 5] == np.floor(table[:, 5])).all())
        return CENTRES if short and (names != 2 or whole) else CLASSES
    if any(a == 3 * count for count in grids):
        return OBJECT
    if b in grids:
        return CLASSES
    if short:
        return CENTRES if view.words.task == "oriented" else CORNERS
    if names and b == 5 + names + extra:
        return OBJECT
    if names and 4 + names + extra in (a, b) or 4 + extra < a < b:
        return CLASSES
    fed = f"{view.where.input_width}x{view.where.input_height}{f' and {names} classes' * bool(names)}"
    raise InputError(f"rows of shape {a} x {b} are of no known form of YOLO for an input of {fed}; "
                     f"cinfer.output.kind says the form: {'; '.join(KINDS)}")


def numbers_first(view, table: np.ndarray, extra: int) -> np.ndarray:
    """(4+nc+e, N), whichever way around it is."""
    a, b = table.shape
    names = 0 if view.words.labels is None or view.words.labels_given else len(view.words.labels)
    grids = places(view.where.input_height, view.where.input_width)
    if b in grids or a not in grids and names and a == 4 + names + extra:
        return table
    if a in grids or names and b == 4 + names + extra:
        return table.T
    return table if a < b else table.T

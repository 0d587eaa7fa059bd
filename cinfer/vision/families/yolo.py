"""YOLO and RT-DETR as Ultralytics, YOLOv5, YOLOv7 and YOLOv9 export them: boxes with masks, points or angles.

Told by: the keys of Ultralytics' exporter (recognise/ultralytics.py), which say the task;
    the outputs num_dets, det_boxes, det_scores, det_classes (YOLOv7 with NMS inside);
    input `images` and output `output0`, Ultralytics' names, where the keys are gone;
    (n, 7) rows of a free number for one picture (YOLOv7 with NMS inside);
    (4+nc, N) or (3N, 5+nc) numbers for the N places of the grids of an input (8400 at 640x640);
    (n, 6) rows of few boxes, 57 with points, 6 and as many as there are prototypes with masks: v10 and 26, or NMS
    inside; (n, 6) or (n, 4+nc) of a graph with GridSample, which attention at chosen places needs: RT-DETR.

yolo_rows.py has the forms of the rows, yolo_masks.py and yolo_oriented.py what belongs to some tasks. What files
declare may be symbolic: the arrays' shapes decide. A row counts for its best class alone, and only where that score is
above the threshold; then comes non-maximum suppression within classes. Boxes are cut off at the picture's edges, but
those that are normalized, as RT-DETR's authors leave them.

Words: output.kind (yolo_rows.py); output.units; output.points, as `kpt_shape`: [points, numbers each: x, y and whether
it is visible]; output.names, as `kpt_names`; output.threshold .25, output.iou .7, output.most 300.
"""
from __future__ import annotations

import numpy as np

from ...errors import InputError
from ...metadata import literal
from ..answers.objects import Object, Objects
from ..recognise.coco import coco_80, with_names
from ..recognise.model import Found, Model, with_batch
from . import raw, yolo_masks, yolo_oriented
from .overlap import corners, likeliest, suppress
from .yolo_rows import IMAGE, OBJECT, Rows, is_of_kind, places, read

TASKS = ("detection", "segmentation", "keypoints", "oriented")
READY = ("num_dets", "det_boxes", "det_scores", "det_classes")
OF_ROWS = {6: "detection", 6 + 17 * 3: "keypoints"}     # numbers of a box that is ready
MOST_ROWS = 1000                        # of such; grids have more places
PERSON = 4 + 1 + 17 * 3                 # numbers of a place: one class and the 17 points of COCO


def by_names(model: Model, words) -> Found | None:
    port = model.picture_input()
    if port is None:
        return None
    if model.outputs_named(*READY):
        return Found({"task": "detection", **_fed(model)}, f"the names of its outputs, {', '.join(READY)}: a YOLOv7")
    first = model.output("output0")
    if first is None or port.name != "images" or len(first.shape or ()) != 3:
        return None
    a, b = first.shape[1:]
    if (found := _rows(model, words, a, b, {**OF_ROWS, 7: "oriented"})) is not None:
        return found
    if isinstance(b, int) or not (isinstance(a, int) and a > 4 or b == "anchors"):
        return None                     # by_shapes tells more
    return _places(model, words, a, "the names `images` and `output0`, Ultralytics'")


def by_shapes(model: Model, words) -> Found | None:
    size = model.sample
    first = next((o for o in model.outputs if len(o.shape or ()) in (2, 3)), None)
    if size is None or first is None or first.dtype is None or first.dtype.kind != "f":
        return None
    if len(first.shape) == 2:
        if len(model.outputs) == 1 and first.shape[1] == 7 and _are_rows(model, first):
            return Found({"task": "detection", "output.kind": IMAGE, **_fed(model)},
                         "a free number of rows of 7: a YOLOv7 with NMS inside")
        return None
    a, b = first.shape[1:]
    grids = places(*size)
    if b in grids and isinstance(a, int) and a > 4 and a not in grids:
        return _places(model, words, a, f"its output, {a} numbers for each place: a YOLO")
    if isinstance(a, int) and isinstance(b, int) and any(a == 3 * count for count in grids) and b > 5:
        because = f"its output, three times {b} numbers for each place: a YOLOv5 or v7"
        return _places(model, words, b - 1, because, {"output.kind": OBJECT, "output.iou": ".45"})
    return _rows(model, words, a, b, OF_ROWS)


def _are_rows(model: Model, output) -> bool:
    """Is the first axis of the only output none of pictures, but one of what is found in one?"""
    said, batch = (model.declared[0].shape or (None,))[0], with_batch(model.picture_input().shape)[0]
    if isinstance(said, int):
        return False
    return output.shape[0] != 1 and model.is_taken or said is not None and said != batch and isinstance(batch, int)


def _rows(model: Model, words, count, columns, tasks: dict[int, str]) -> Found | None:
    """What (count, columns) are, if rows of boxes that are told apart already. tasks : columns -> what they may be"""
    masks = next((o.shape[1] for o in model.outputs if len(o.shape or ()) == 4), None)
    if not isinstance(columns, int) or isinstance(count, int) and count > MOST_ROWS \
            or len(model.outputs) != (1 if masks is None else 2):
        return None
    if masks is None and columns > 5 and "GridSample" in model.operators:
        said = {"task": "detection", **_fed(model), "input.resize": "stretch", "output.iou": "1"}
        said |= {} if model.size(model.picture_input()) else {"input.size": "640x640"}
        said |= {} if columns == 6 else {"output.units": "normalized"}
        labels = coco_80() if columns == 84 else None
        because = f"its output, rows of {columns} numbers, and its GridSample: RT-DETR of Ultralytics"
        return Found(said, *with_names(words, because, labels))
    task = tasks.get(columns) if masks is None else "segmentation" if columns - 6 == masks else None
    if task is None:
        return None
    because = f"its output, rows of {columns} numbers: boxes as of YOLOv10 and 26, or with NMS inside"
    if columns == 6:
        because += ", corners in pixels; where all are from 0 to 1, centres and sizes as of RT-DETR, which would be " \
                   "fed with --resize stretch; --recipe output.units=pixels or normalized decides"
    return Found({"task": task, **_fed(model)}, because)


def _places(model: Model, words, numbers, because: str, more: dict | None = None) -> Found:
    """What rows for the places of grids are. numbers : of box and classes of a place, if known"""
    task, masks = "detection", next((o for o in model.outputs if len(o.shape or ()) == 4), None)
    if masks is not None:
        task = "segmentation"
        numbers = numbers - masks.shape[1] if isinstance(numbers, int) and isinstance(masks.shape[1], int) else None
    elif numbers == PERSON and not more and words.task in ("", "keypoints"):
        task, because = "keypoints", because + ", of 17 points each; if it has 52 classes: --task detection"
    labels = None
    if numbers == 84 and not words.labels:
        labels, because = coco_80(), because + "; 80 classes without names are taken for COCO's"
    return Found({"task": task, **_fed(model), **(more or {})}, because, labels)


def _fed(model: Model) -> dict[str, str]:
    size = {} if model.size(model.picture_input()) else {"input.size": "within:640:32"}
    return {"input.resize": "letterbox:114", "input.filter": "linear", "input.mean": "0", "input.std": "255", **size}


def decode(view) -> Objects:
    task = view.words.task
    table, prototypes = arrays(view)
    points = shape_of_points(view) if task == "keypoints" else None
    extra = points[0] * points[1] if points else int(task == "oriented")
    extra = extra if prototypes is None else len(prototypes)
    if not is_of_kind(view, table, extra):
        return raw.decode(view)         # their number made it look like one
    rows = read(view, table, extra)
    if task == "oriented":
        return Objects(yolo_oriented.objects(view, rows), task)
    if rows.centred:
        with np.errstate(over="ignore"):
            rows.boxes, rows.centred = corners(rows.boxes), False
    rows = rows.only(chosen(view, rows))
    boxes = view.where.boxes(rows.boxes, clip=not rows.normalized)
    classes = rows.classes.tolist()
    labels = {c: view.words.label(c) for c in set(classes)}
    found = [Object(c, labels[c], s, tuple(box)) for c, s, box in zip(classes, rows.scores.tolist(), boxes.tolist())]
    if points:
        names = names_of_points(view, points[0])
        for each, its in zip(found, placed_points(view, rows, points)):
            each.points, each.names = its, names
    if prototypes is not None:
        found = yolo_masks.with_masks(view, found, boxes, rows.extra, prototypes)
    return Objects(found, task or "detection")


def chosen(view, rows: Rows) -> np.ndarray:
    """Indices of the rows that stay, the likeliest first."""
    if rows.ready:
        return likeliest(rows.scores, view.most())
    return suppress(rows.boxes, rows.scores, view.iou(.7), view.most(), rows.classes)


def arrays(view) -> tuple[np.ndarray, np.ndarray | None]:
    """(the rows, (a, b) float32; prototypes of masks, (count, height, width) float32, or None)"""
    if set(READY) <= set(view.outputs):
        return _ready(view), None
    found = {name: np.asarray(each) for name, each in view.outputs.items()}
    if "output.name" in view.words:
        rows = view.output()
    else:
        rows = next((each for each in found.values() if each.ndim in (2, 3)), None)
    shapes = ", ".join(f"{name!r} {each.shape}" for name, each in found.items()) or "none"
    if rows is None or rows.ndim not in (2, 3) or rows.ndim == 3 and len(rows) != 1 or rows.dtype.kind not in "fiu":
        raise InputError(f"the output of a YOLO is rows of numbers of one picture, 1 x rows x numbers; "
                         f"here are {shapes}")
    masks = None
    if view.words.task == "segmentation":
        masks = next((each for each in found.values() if each.ndim == 4 and len(each) == 1 and each.size), None)
        if masks is None:
            raise InputError("a YOLO that segments has prototypes of masks, 1 x count x height x width; "
                             f"here are {shapes}")
    rows = rows.reshape(rows.shape[-2:]).astype(np.float32, copy=False)
    return rows, None if masks is None else masks[0].astype(np.float32, copy=False)


def _ready(view) -> np.ndarray:
    """YOLOv7's four outputs as rows x1 y1 x2 y2 score class; as many as num_dets says."""
    count, boxes, scores, classes = (np.asarray(view.outputs[name]) for name in READY)
    boxes = boxes.reshape(-1, 4) if boxes.size % 4 == 0 else np.zeros((0, 4), np.float32)
    most = min(len(boxes), scores.size, classes.size)
    said = float(count.reshape(-1)[0]) if count.size else 0.0
    n = int(min(max(said, 0), most)) if np.isfinite(said) else 0
    return np.concatenate([boxes[:n], scores.reshape(-1, 1)[:n], classes.reshape(-1, 1)[:n]], axis=1).astype(np.float32)


def shape_of_points(view) -> tuple[int, int]:
    """(points, numbers of each: 2 or 3)"""
    text = view.words.text("output.points", "[17, 3]")
    said = literal(text, (list, tuple))
    if said is None or len(said) != 2 or not all(type(n) is int for n in said) or not 1 <= said[0] <= 10_000 \
            or said[1] not in (2, 3):
        raise InputError(f"{view.words.where('output.points')} is {text!r}; right is [points, numbers of each: 2 or "
                         "3], such as [17, 3]")
    return tuple(said)


def placed_points(view, rows: Rows, shape: tuple[int, int]) -> np.ndarray:
    """(n, points, 2 or 3) in pixels of the picture, cut off at its edges; the third number as it is."""
    points = rows.extra.reshape(len(rows.extra), *shape).astype(np.float64)
    xy = view.where.points(points[..., :2] * rows.scale)
    points[..., :2] = np.clip(xy, 0, (view.where.width, view.where.height))
    return points


def names_of_points(view, count: int) -> list[str] | None:
    """Ultralytics writes {class: [name, ...]}; the first class's are taken."""
    said = literal(view.words.text("output.names"), (dict, list, tuple))
    if isinstance(said, dict):
        said = next(iter(said.values()), None)
    if not isinstance(said, (list, tuple)) or len(said) != count:
        return None
    return [str(name) for name in said]

"""Points of bodies and faces.

Told by the model's own keys (task keypoints, output.kind), or by its outputs, K points each:

y,x,score      MoveNet, 1x1x17x3: y and x from 0 to 1 of the input, one person
               MoveNet MultiPose, 1x6x56: six persons of 17 times y, x, score, then ymin, xmin, ymax, xmax, score
x,y,z          MediaPipe's face mesh, 468 or 478 points in pixels of the input; another output of one number says,
               through a sigmoid, how sure it is that there is a face
simcc          two outputs 1xKx2w and 1xKx2h (simcc_x, simcc_y): the largest of each row, halved; the score is the
               lesser of the two (RTMPose, SimCC). output.beta: a softmax with that factor makes the scores (Geti)
heatmaps       1xKxhxw: the largest of each map, moved by 1/4 towards the greater neighbour on either axis where it is
               not near the edge, times input / map (HRNet, SimpleBaseline)
Points that were not found (SimCC, heatmaps: nothing above 0) are at 0, 0 with their score.
"""
from __future__ import annotations

import math

import numpy as np

from ...errors import InputError
from ..answers.objects import Object, Objects
from ..recognise.habits import NORMALISED
from ..recognise.model import Found, Model
from . import raw
from .activations import sigmoid, softmax

TASKS = ("keypoints",)
KINDS = ("y,x,score", "x,y,score", "x,y,z", "x,y", "simcc", "heatmaps")
COCO = ("nose", "left eye", "right eye", "left ear", "right ear", "left shoulder", "right shoulder", "left elbow",
        "right elbow", "left wrist", "right wrist", "left hip", "right hip", "left knee", "right knee", "left ankle",
        "right ankle")
FACE = (468, 478)                   # points of MediaPipe's face mesh; ten more around the pupils
# Whole pictures are fed as their authors do it: with a quarter of the person's size around, black beyond the picture.
TOP_DOWN = {"input.resize": "inside:0.8", "input.filter": "linear", **NORMALISED}
SHAPES = ((256, 192), (384, 288))   # inputs of networks for one person, (height, width)


def by_names(model: Model, words) -> Found | None:
    if model.outputs_named("simcc_x", "simcc_y"):
        return _simcc(model, "the names of its outputs, simcc_x and simcc_y")
    return None


def by_shapes(model: Model, words) -> Found | None:
    port = model.picture_input()
    shapes = [tuple(model.shape_of(each) or ()) for each in model.outputs]
    if port is None:
        return None
    size, free = model.sample, model.size(port) is None
    movenet = {"input.resize": "letterbox:0", "input.filter": "linear", "input.std": "1", "output.kind": "y,x,score",
               "output.units": "normalized"}
    if len(shapes) == 1 and shapes[0][-3:] == (1, 17, 3):
        return _found(movenet | ({"input.size": "192x192"} if free else {}),
                      "a guess by its output, 17 points of MoveNet")
    if len(shapes) == 1 and shapes[0][-2:] == (6, 56):
        movenet |= {"output.threshold": ".25"} | ({"input.size": "within:256:32"} if free else {})
        return _found(movenet, "a guess by its output, six persons of MoveNet")
    if len(shapes) == 2 and size and all(len(s) == 3 for s in shapes) and shapes[0][:2] == shapes[1][:2] \
            and {s[2] for s in shapes} == {2 * n for n in size}:
        return _simcc(model, "a guess by its outputs, twice as long as the input")
    mesh = [port for port, shape in zip(model.outputs, shapes) if {3 * n for n in FACE} & set(shape)]
    if len(mesh) == 1 and model.only and 1 <= len(shapes) <= 2 and all(_count(s) in (1, *(3 * n for n in FACE))
                                                                       for s in shapes):
        return _found({"input.std": "255", "input.filter": "linear", "input.resize": "letterbox:0",
                       "output.kind": "x,y,z", "output.name": mesh[0].name,
                       **({"input.size": "192x192"} if free else {})},
                      f"a guess by its output, {_count(model.shape_of(mesh[0])) // 3} points of MediaPipe's face mesh")
    if len(shapes) == 1 and len(shapes[0]) == 4 and size and shapes[0][2:] == tuple(n // 4 for n in size) \
            and (size in SHAPES or free and shapes[0][1] == len(COCO)):
        return _found(TOP_DOWN | {"output.kind": "heatmaps"} | ({"input.size": "256x192"} if free else {}),
                      "a guess by its output, maps of a quarter of the input")
    return None


def _simcc(model: Model, because: str) -> Found:
    size = model.size(model.picture_input()) if model.picture_input() else None
    words = TOP_DOWN | {"output.kind": "simcc"} | ({} if size else {"input.size": "256x192"})
    if model.metadata.get("model_info model_type", "").lower() == "keypoint_detection" \
            and model.metadata.get("model_info apply_softmax", "").lower() not in ("false", "no"):
        words["output.beta"] = "900"                    # Model API's decode_beta * sigma
    return _found(words, because)


def _count(shape) -> int | None:
    """Of an output's numbers, where all sizes but the batch's are known."""
    sizes = tuple(shape)[1:]
    return math.prod(sizes) if sizes and all(isinstance(n, int) for n in sizes) else None


def _found(words: dict[str, str], because: str) -> Found:
    return Found({"task": "keypoints", **words}, because)


# ---- decoding

def decode(view):
    with np.errstate(over="ignore", invalid="ignore"):  # what is no number is no point
        return _decoded(view)


def _decoded(view):
    arrays = {name: np.asarray(value) for name, value in view.outputs.items()}
    for name, array in arrays.items():
        if array.dtype.kind not in "fiu":
            raise InputError(f"output {name!r} is of {array.dtype}; points are numbers")
    kind = view.words.text("output.kind") or _kind_of(list(arrays.values()))
    if kind is None:
        return raw.decode(view)
    kind = view.words.one_of("output.kind", KINDS, kind)
    if kind == "simcc":
        return _single(view, *simcc(view, arrays))
    if kind == "heatmaps":
        return _single(view, *heatmaps(view))
    return listed(view, arrays, kind)


def _kind_of(arrays) -> str | None:
    """What the arrays look like, of a model that does not say it."""
    shapes = [a.shape for a in arrays]
    if len(shapes) == 2 and all(len(s) == 3 for s in shapes) and shapes[0][:2] == shapes[1][:2]:
        return "simcc"
    if shapes[0][-2:] in ((17, 3), (6, 56)):
        return "y,x,score"
    if len(shapes[0]) == 4 and min(shapes[0][2:]) > 3:
        return "heatmaps"
    return None


def listed(view, arrays, kind: str) -> Objects:
    """Outputs that list points, in pixels of the input or from 0 to 1 of it."""
    array = view.output().astype(np.float64)
    size = np.array([view.where.input_width, view.where.input_height], np.float64)
    unit = size if view.words.one_of("output.units", ("pixels", "normalized"), "pixels") == "normalized" else 1
    if kind == "y,x,score" and array.shape[-1:] == (56,):
        return _persons(view, array.reshape(-1, 56), unit)
    width = kind.count(",") + 1
    if not array.size or array.size % width:
        raise InputError(f"the output is of shape {array.shape}; that of points as {kind} holds {width} numbers each")
    rows = array.reshape(-1, width)
    xy = (rows[:, 1::-1] if kind.startswith("y") else rows[:, :2]) * unit
    score = None
    if kind == "x,y,z":
        other = [a for a in arrays.values() if a.size == 1]
        score = float(sigmoid(other[0].reshape(-1))[0]) if other else None
        if score is not None and not score >= view.threshold(.5):
            return Objects([], "keypoints")
    return _single(view, xy, rows[:, 2] if "score" in kind else None, score)


def simcc(view, arrays):
    """(points in pixels of the input, scores)"""
    if {"simcc_x", "simcc_y"} <= set(arrays):
        x, y = arrays["simcc_x"], arrays["simcc_y"]
    elif len(arrays) >= 2:
        x, y = list(arrays.values())[:2]
        wanted = 2 * view.where.input_width, 2 * view.where.input_height
        if wanted[0] != wanted[1] and (y.shape[-1:], x.shape[-1:]) == ((wanted[0],), (wanted[1],)):
            x, y = y, x
    else:
        raise InputError(f"SimCC has two outputs, for x and for y; this model has {len(arrays)}")
    if x.ndim != 3 or y.ndim != 3 or x.shape[:2] != y.shape[:2] or not x.size or not y.size:
        raise InputError(f"outputs of shapes {x.shape} and {y.shape} are none of SimCC: 1 x points x twice the width, "
                         "and likewise the height")
    x, y = x[0].astype(np.float64), y[0].astype(np.float64)
    xy = np.stack([_argmax(x), _argmax(y)], -1)
    beta = view.words.number("output.beta", 0, 0, 1e6)
    # of a softmax the largest is 1 / sum(exp(beta (v - largest)))
    each = [softmax(beta * v).max(1) if beta else v[np.arange(len(v)), i] for v, i in zip((x, y), xy.T)]
    found = (x[np.arange(len(x)), xy[:, 0]] > 0) & (y[np.arange(len(y)), xy[:, 1]] > 0)
    return np.where(found[:, None], xy / 2, np.nan), np.minimum(*each)


def heatmaps(view):
    """(points in pixels of the input, scores)"""
    maps = view.output()
    if maps.ndim != 4 or not maps.size:
        raise InputError(f"the output is of shape {maps.shape}; heatmaps are 1 x points x height x width")
    maps = maps[0].astype(np.float64)
    count, height, width = maps.shape
    y, x = np.divmod(_argmax(maps.reshape(count, -1)), width)
    each = np.arange(count)
    scores = maps[each, y, x]
    xy = np.stack([x, y], -1).astype(np.float64)
    inner = (x > 1) & (x < width - 1) & (y > 1) & (y < height - 1)
    i, x, y = each[inner], x[inner], y[inner]
    slope = np.stack([maps[i, y, x + 1] - maps[i, y, x - 1], maps[i, y + 1, x] - maps[i, y - 1, x]], -1)
    xy[inner] += np.nan_to_num(np.sign(slope)) / 4
    xy *= (view.where.input_width / width, view.where.input_height / height)
    return np.where((scores > 0)[:, None], xy, np.nan), scores


def _argmax(rows: np.ndarray) -> np.ndarray:
    """Of each row; what is no number is never the largest."""
    return np.where(np.isnan(rows), -np.inf, rows).argmax(-1)


# ---- answers

def _persons(view, rows: np.ndarray, unit) -> Objects:
    rows = rows[np.isfinite(rows[:, 51:]).all(1)]       # the box and the score
    kept = [i for i in np.argsort(-rows[:, 55], kind="stable").tolist() if rows[i, 55] >= view.threshold(.25)]
    found = []
    for row in rows[kept[:view.most()]]:
        points = row[:51].reshape(17, 3)
        box = view.where.boxes((row[51:55].reshape(2, 2)[:, ::-1] * unit).reshape(4))
        found.append(Object(0, "person", float(row[55]), tuple(box.tolist()),
                            _placed(view, points[:, 1::-1] * unit, points[:, 2]), names=_names(view, 17)))
    return Objects(found, "keypoints")


def _single(view, xy: np.ndarray, scores: np.ndarray | None, score: float | None = None) -> Objects:
    label = {len(COCO): "person", FACE[0]: "face", FACE[1]: "face"}.get(len(xy))
    points = _placed(view, xy, scores)
    return Objects([Object(0, label, score, points=points, names=_names(view, len(xy)))], "keypoints")


def _names(view, count: int) -> list[str] | None:
    """Of the points: the model's own where there is one for each, those of COCO for 17."""
    labels = view.words.labels
    if labels is not None and len(labels) == count:
        return labels
    return list(COCO) if count == len(COCO) else None


def _placed(view, xy: np.ndarray, scores: np.ndarray | None) -> np.ndarray:
    """Points in pixels of the picture, with their scores; at 0, 0 where nothing was found."""
    xy = view.where.points(xy)
    xy = np.where(np.isfinite(xy).all(-1, keepdims=True), xy, 0)
    return xy if scores is None else np.concatenate([xy, np.nan_to_num(scores)[:, None]], 1)

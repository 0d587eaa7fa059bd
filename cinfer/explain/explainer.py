"""A session and a picture -> why it got its score; what there is to look at inside."""
from __future__ import annotations

import numpy as np

from ..errors import InputError, whole, wrong
from ..graphs.scopes import separate
from ..model import read
from ..model.graph import Graph
from ..vision.arguments import check_session, flags_of, labels_of
from ..vision.families import maps
from ..vision.inputs import input_shapes
from ..vision.reader import Prepared, Reader, one_of
from .explanation import CAM, METHODS, OCCLUSION, Explanation
from .head import NoHead, find
from .layers import MOST, Features, Layer, features_of, layer_named, layers_of
from .occlude import borders, occluded
from .scores import Scores, Target


def explain(session, picture, *, label: str | int | None = None, method: str | None = None, order: str = "RGB",
            labels: list[str] | None = None, task: str | None = None, recipe: dict | None = None,
            show=None) -> Explanation:
    """What of a picture raised the score of a class, or of an object.

    Parameters
    ----------
    session : cinfer.Session of a classifier or detector
    picture, order, labels, task, recipe : as of `cinfer.vision.read`
    label : what is explained, the name of a class or its number; by default what is the likeliest
    method : "cam", a class activation map (one run; of a classifier that ends in the mean over all places and linear
        layers), or "occlusion" (49 parts are covered, one after the other; any classifier or detector); by default the
        first one where it is possible
    show : called with (what, number, total) before each part

    Returns
    -------
    Explanation: `map`, a number for each pixel of the picture; `label`, `index`, `score`; `line()` for people, `data()`
    for programs, `draw(picture)`

    Raises
    ------
    InputError : the picture cannot be read or fed, the model is of another task, there is no such label or method
    """
    check_session(session)
    reader = Reader(session, flags_of(task, recipe), labels=labels_of(labels))
    return explain_by(reader, reader.opened(picture, order), label, method, show)


def explain_by(reader: Reader, frame, label=None, method: str | None = None, show=None) -> Explanation:
    """As `explain`. frame : Frame"""
    if label is not None and not isinstance(label, str) and whole(label) is None:
        raise wrong("label", label, "the name of a class, or its number")
    if method is not None and method not in METHODS:
        raise wrong("method", method, "'cam' or 'occlusion'")
    scores, ready = Scores(reader), reader.prepare(frame)
    target = scores.target(outputs_of(reader, ready), ready.where, label, frame.name)
    why = ""
    if method != OCCLUSION:
        try:
            return by_map(reader, scores, ready, target)
        except NoHead as error:
            why = str(error)
        if method == CAM:
            raise InputError(f"there is no class activation map: {why}; occlusion explains any classifier or detector")
    grid = occluded(scores, ready, target, show)
    return explanation(ready, target, OCCLUSION, grid, in_parts(grid, ready.where), why=why)


def outputs_of(reader: Reader, ready: Prepared) -> dict[str, np.ndarray]:
    """Name -> what the network gives for one picture."""
    ports, batch = reader.session.outputs, reader._batch
    arrays = reader.session.run(None, ready.feeds)
    return {port.name: one_of(value, port.shape, batch) if batch > 1 else value for port, value in zip(ports, arrays)}


def by_map(reader: Reader, scores: Scores, ready: Prepared, target: Target) -> Explanation:
    """By the class activation map; NoHead where there is none."""
    if scores.output is None:
        raise NoHead("the score is an object's")
    head = find(file_graph(reader.session), scores.output)
    values = dict(zip(head.names, reader.session.run(head.names, ready.feeds)))
    with np.errstate(all="ignore"):                     # of other classes numbers may be infinite
        grid, bias, logit = head.map(values, target.index, reader.session.precision != "fp32")
    return explanation(ready, target, CAM, grid, maps.smooth(grid, ready.where), logit=logit, bias=bias)


def explanation(ready: Prepared, target: Target, method: str, grid: np.ndarray, values: np.ndarray,
                **more) -> Explanation:
    frame = ready.frame
    return Explanation(target.label, target.index, target.score, method, values, grid, box=target.box,
                       image=frame.name, size=(frame.width, frame.height), **more)


def in_parts(grid: np.ndarray, where) -> np.ndarray:
    """Numbers of the parts that were covered -> of the picture's pixels, float32 (height, width); nan beyond."""
    rows, columns = borders(where)
    whole = np.zeros((where.input_height, where.input_width), np.float32)
    whole[rows[0]:rows[-1], columns[0]:columns[-1]] = grid.repeat(np.diff(rows), 0).repeat(np.diff(columns), 1)
    found = maps.nearest(whole, where)
    if (seen := maps.unseen(where)) is not None:
        inside = found[seen]
        found = np.full_like(found, np.nan)
        found[seen] = inside
    return found


# ---- inside

def layers(session, picture=None, *, order: str = "RGB", task: str | None = None,
           recipe: dict | None = None) -> list[Layer]:
    """What can be looked at, in the order of the file: the maps that the network computes of a picture.

    picture : where the model takes pictures of any size; the rest as of `explain`
    Raises InputError where sizes are not known without one."""
    check_session(session)
    reader = Reader(session, flags_of(task, recipe))
    return layers_by(reader, None if picture is None else reader.prepare(reader.opened(picture, order)))


def layers_by(reader: Reader, ready: Prepared | None) -> list[Layer]:
    session = reader.session
    if ready is None:
        shapes = input_shapes(session, {}, lambda name, sizes: "a picture")
        feeds = {port.name: (port.dtype, shapes[port.name]) for port in session.inputs}
    else:
        feeds = {name: (value.dtype, value.shape) for name, value in ready.feeds.items()}
    return layers_of(file_graph(session), feeds, reader.recipe.layout)


def features(session, picture, layer: str, *, most: int = MOST, order: str = "RGB", task: str | None = None,
             recipe: dict | None = None) -> Features:
    """The channels of a layer, as the network computes them of a picture, the most active first.

    layer : the name of a value, or of the node that makes it, as of `layers`; most : channels at most; the rest as of
    `explain`

    Raises InputError where there is no such layer, or it is no map."""
    check_session(session)
    number = whole(most)
    if number is None or number < 1:
        raise wrong("most", most, "a whole number from 1")
    reader = Reader(session, flags_of(task, recipe))
    return features_by(reader, reader.opened(picture, order), layer, number)


def features_by(reader: Reader, frame, layer: str, most: int = MOST) -> Features:
    if not isinstance(layer, str):
        raise wrong("layer", layer, "the name of a layer")
    ready = reader.prepare(frame)
    known = file_graph(reader.session).values()
    return features_of(reader.session, layer_named(layers_by(reader, ready), layer, known), ready, most)


def file_graph(session) -> Graph:
    """As the file spells it."""
    graph = read(session._source).graph
    separate(graph)
    return graph

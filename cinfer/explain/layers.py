"""What there is to look at inside a network: the values that are maps, in the order of the file, and their channels."""
from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor

import numpy as np

from ..errors import InputError, nearest
from ..model.graph import Graph, Node
from ..ops.facts import Fact
from ..plan.bind import bind
from ..table import dims
from .head import depending

MOST = 64                           # channels of a picture of them
PRODUCTS = ("MatMul", "Gemm", "Einsum", "MatMulInteger", "QLinearMatMul")
ROUNDING = ("QuantizeLinear", "DequantizeLinear")           # what they give looks like what they are given


@dataclass(frozen=True, slots=True)
class Layer:
    """A value of shape (1, channels, rows, columns), or with the channels last.

    name : of the value; operator : of the node that makes it, node : its name; channel_axis : 1 or 3"""
    name: str
    operator: str
    shape: tuple[int, ...]
    node: str = ""
    channel_axis: int = 1


@dataclass(slots=True, eq=False)
class Features:
    """Channels of a layer for a picture, the most active first: those of the largest mean |number|.

    channels : their numbers; of : how many there are
    maps : float32 (n, rows, columns), what of them lies on the picture
    image, size : the picture's name, and (width, height)
    """
    layer: Layer
    channels: list[int]
    maps: np.ndarray
    of: int
    image: str = "the picture"
    size: tuple[int, int] = (0, 0)

    def line(self) -> str:
        """What is drawn, in words."""
        count = f"all {self.of} channels" if len(self.channels) == self.of else \
            f"{len(self.channels)} of {self.of} channels"
        layer = self.layer
        return f"{self.image}: {layer.name} ({layer.operator}, {dims(layer.shape)}), {count}, the most active first. " \
               "Each is scaled to its own range, from dark, its least number, to bright, its largest."

    def data(self) -> dict:
        """For programs (docs/explain.md)."""
        return {"image": self.image, "width": self.size[0], "height": self.size[1], "layer": self.layer.name,
                "operator": self.layer.operator, "shape": self.layer.shape, "channels": self.channels}

    def draw(self, font: str | None = None):
        """A PIL.Image.Image: the channels as a grid of pictures with their numbers, and below it the line."""
        from .figure import channels
        return channels(self, font)


def layers_of(graph: Graph, feeds: dict, layout: str) -> list[Layer]:
    """graph : as the file spells it; feeds : name -> (dtype, shape); layout : of the picture's input"""
    names = tuple(name for node in graph.nodes for name in node.outputs if name)
    facts = bind(graph, {name: Fact(np.dtype(dtype), tuple(shape)) for name, (dtype, shape) in feeds.items()},
                 names).facts
    moving, axes = depending(graph), {name: 3 if layout in ("NHWC", "HWC") else 1 for name in feeds}
    # what products of matrices give are tables, such as a transformer's, and so is what has their sizes
    tables = {frozenset(facts[name].shape[-2:]) for node in graph.nodes if node.op_type in PRODUCTS
              for name in node.outputs if type(facts.get(name)) is Fact}
    found = []
    for node in graph.nodes:
        axis = channel_axis(node, axes)
        for name in filter(None, node.outputs):
            axes[name], fact = axis, facts.get(name)
            if name in moving and type(fact) is Fact and node.op_type not in ROUNDING and is_map(fact, axis, tables):
                found.append(Layer(name, node.op_type, tuple(map(int, fact.shape)), node.name, axis))
    return found


def channel_axis(node: Node, axes: dict[str, int]) -> int:
    """Of what a node gives; behind a Reshape, and where a Transpose is of other ranks, the usual one. axes : of the
    values before it"""
    axis, perm = next((axes[name] for name in node.inputs if name in axes), 1), list(node.attributes.get("perm", ()))
    if node.op_type == "Transpose":
        return perm.index(axis) if len(perm) == 4 else 1
    return 1 if node.op_type == "Reshape" else axis


def is_map(fact: Fact, axis: int, tables: set) -> bool:
    if len(fact.shape) != 4 or fact.dtype.kind not in "fiu" or axis not in (1, 3):
        return False
    rows, columns = fact.shape[1:3] if axis == 3 else fact.shape[2:]
    return rows > 1 and columns > 1 and frozenset((rows, columns)) not in tables


def layer_named(layers: list[Layer], name: str, known: set[str]) -> Layer:
    """By the name of a value, or of the node that makes it. known : the names of all values of the model

    Raises InputError where there is none, or nothing to look at."""
    found = next((each for each in layers if each.name == name), None) or next(
        (each for each in layers if each.node == name), None)
    if found is None:
        what = f"{name!r} is no map, rows and columns of numbers" if name in known else f"no layer {name!r}"
        raise InputError(f"{what}; cinfer explain MODEL --layers lists what can be looked at"
                         f"{nearest(name, [each.name for each in layers])}")
    return found


def features_of(session, layer: Layer, ready, most: int = MOST) -> Features:
    """The channels of a layer for a picture. ready : Prepared"""
    value, = session.run([layer.name], ready.feeds)
    maps = np.moveaxis(np.asarray(value[0]), layer.channel_axis - 1, 0).astype(np.float32)
    if maps.ndim != 3:
        raise InputError(f"{layer.name!r} is {dims(np.shape(value))}, no map of rows and columns")
    with np.errstate(over="ignore", invalid="ignore"):
        activity = np.abs(maps).mean((1, 2), np.float64)
    order = np.argsort(-np.nan_to_num(activity), kind="stable")[:most].tolist()
    rows, columns = on_picture(ready.where, *maps.shape[1:])
    frame = ready.frame
    return Features(layer, order, maps[order][:, rows, columns], len(maps), frame.name, (frame.width, frame.height))


def on_picture(where, rows: int, columns: int) -> tuple[slice, slice]:
    """The rows and columns of a map over the input that lie on the picture."""
    x1, y1, x2, y2 = where.filled()
    across, down = columns / where.input_width, rows / where.input_height
    return slice(floor(y1 * down), max(floor(y1 * down) + 1, ceil(y2 * down))), slice(
        floor(x1 * across), max(floor(x1 * across) + 1, ceil(x2 * across)))

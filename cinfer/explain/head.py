"""Class activation maps (B. Zhou and others, Learning Deep Features for Discriminative Localization, CVPR 2016).

Where a network ends in the mean of each channel over all places, and nothing but linear layers make the number of a
class of these means, the sum and the mean may change places:

    number_c = bias_c + sum_k W[c, k] mean_xy F[k, x, y] = bias_c + mean_xy M_c[x, y],   M_c = sum_k W[c, k] F[k]

M_c says how much each place adds to the number, exactly. `find` looks for such an end in the file's own graph,
backwards from the number of a class; `Head.map` multiplies, backwards too: a row of weights, one for each channel of a
value, goes through one layer after the other until it is over the channels of F. So several linear layers are as good
as one, and none at all: of a network whose channels are the classes, M_c is channel c.

Quantised values stand for the numbers that they are rounded from. What rounding adds is small and not in the map.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from ..model.graph import Graph, Node, node_reads

# what leaves the numbers of one picture in their order
SAME = ("Flatten", "Reshape", "Squeeze", "Unsqueeze", "Identity", "Dropout", "Cast", "Transpose")
ROUNDED = ("QuantizeLinear", "DequantizeLinear")
OF_SIZES = ("Shape", "Size")            # exporters write Reshape(x, [Shape(x)[0], -1]) for a flattening
# what makes a score of a number, the larger the larger
SCORES = ("Softmax", "LogSoftmax", "Sigmoid")
POOLS = ("GlobalAveragePool", "AveragePool", "ReduceMean", "QLinearGlobalAveragePool")
# of the largest number; what float32 and the rounding to 8 or 16 bits leave of the identity
EXACT, ROUGH = 1e-4, .05


class NoHead(Exception):
    """Why a network has no class activation map, in a few words."""


@dataclass(slots=True)
class Head:
    """features : the name of F; pool : the node that takes its mean
    number : the name of the value that has the numbers of the classes, before any softmax
    layers : the nodes between, the last one first
    names : all that `map` wants to know
    """
    features: str
    pool: Node
    number: str
    layers: list[Node]
    names: list[str] = field(default_factory=list)

    def map(self, values: dict[str, np.ndarray], index: int, is_rough: bool = False) -> tuple[np.ndarray, float, float]:
        """(M, bias, number) of a class: float64 (rows, columns); mean of M + bias = number.

        values : by the names in `names`, of a run for one picture, or a batch of which the first counts
        is_rough : were products made in fewer bits than those of float32? What the file itself rounds is known
        Raises NoHead where sizes do not fit, and where the three are not what they should be."""
        numbers = np.asarray(values[self.number], np.float64)
        numbers = (numbers[0] if numbers.ndim > 1 else numbers).reshape(-1)
        row, offset = np.zeros(numbers.size), 0.0
        row[index] = 1.0
        for node in self.layers:
            row, offset = LAYERS[node.op_type](node, values, row, offset)
        maps = self._maps(values)
        if maps.shape[0] != row.size:
            raise NoHead(f"{self.pool} gives {maps.shape[0]} means, and {row.size} are read behind it")
        found, number = np.tensordot(row, maps, 1), float(numbers[index])
        most = max(1.0, float(np.abs(numbers).max()))
        off = abs(found.mean() + offset - number)
        is_rough = is_rough or values[self.features].dtype != np.float32 or any(
            node.op_type in ROUNDED or node.op_type.startswith("Q") for node in (*self.layers, self.pool))
        if not off <= (ROUGH if is_rough else EXACT) * most:
            raise NoHead(f"the mean of the map and the bias are off the number by {off:.3g}")
        return found, float(offset), number

    def _maps(self, values: dict[str, np.ndarray]) -> np.ndarray:
        """F of the first picture, float64 (channels, rows, columns)."""
        maps, name = np.asarray(values[self.features]), str(self.pool)
        if maps.ndim != 4:
            raise NoHead(f"{name} is of {maps.ndim} axes, not of channels, rows and columns of a picture")
        maps = maps[0].astype(np.float64)
        if self.pool.op_type == "QLinearGlobalAveragePool":
            maps = (maps - number_of(values, self.pool, 2)) * number_of(values, self.pool, 1)
        kernel = self.pool.attributes.get("kernel_shape")
        if kernel is not None and tuple(kernel) != maps.shape[1:]:
            raise NoHead(f"{name} is no mean over all places")
        maps = np.moveaxis(maps, self._channel(values) - 1, 0)
        if maps[0].size < 2:
            raise NoHead(f"{name} is of one place only")
        return maps

    def _channel(self, values: dict[str, np.ndarray]) -> int:
        """The axis of F that is left, of four."""
        if self.pool.op_type != "ReduceMean":
            return 3 if self.pool.attributes.get("channels_last") else 1
        axes = self.pool.attributes.get("axes")
        if axes is None and len(self.pool.inputs) > 1 and self.pool.inputs[1]:
            axes = values[self.pool.inputs[1]].tolist()
        left = {1, 2, 3} - {int(axis) % 4 for axis in axes or (0, 1, 2, 3)}
        if len(left) != 1 or len(axes) != 2:
            raise NoHead(f"{self.pool} is no mean over the rows and columns of a picture")
        return left.pop()


def find(graph: Graph, output: str) -> Head:
    """The head of the classes that an output tells. graph : as the file spells it

    Raises NoHead: there is something else."""
    makers, moving = graph.producers(), depending(graph)
    name = number = output
    layers: list[Node] = []
    while (node := makers.get(name)) is not None:
        if node.op_type in POOLS and not any(node.attributes.get("pads", ())):
            break
        read = [each for each in node_reads(node) if each in moving]
        if len(read) == 1 and node.op_type in SCORES and number == output and all(
                LAYERS[each.op_type] is same for each in layers):
            number = node.inputs[0]
        elif len(read) == 1 and is_linear(node, read[0]):
            layers.append(node)
        else:
            raise NoHead(f"between the numbers of the classes and a mean over all places there is {node}")
        name = read[0]
    if node is None:
        raise NoHead("there is no mean over all places before its last layer")
    constants = [each for one in (*layers, node) if LAYERS.get(one.op_type) is not same
                 for each in one.inputs if each and each not in moving]
    return Head(node.inputs[0], node, number, layers, list(dict.fromkeys([node.inputs[0], number, *constants])))


def depending(graph: Graph) -> set[str]:
    """The values that depend on the numbers that are fed, not on their sizes alone."""
    found = set(graph.inputs)
    for node in graph.nodes:
        if node.op_type not in OF_SIZES and not found.isdisjoint(node_reads(node)):
            found.update(node.outputs)
    return found


def is_linear(node: Node, read: str) -> bool:
    """Does `LAYERS` know what a node makes of the value that it reads?"""
    if node.op_type not in LAYERS or node.op_type not in ("Add", "Mul") and node.inputs[0] != read:
        return False
    pads, group = node.attributes.get("pads", ()), node.attributes.get("group", 1)
    return group == 1 and not any(pads) and not node.attributes.get("transA")


# ---- layers: (node, values, row over what it gives, offset) -> (row over what it reads, offset)

def same(node, values, row, offset):
    return row, offset


def linear(row: np.ndarray, offset: float, weights: np.ndarray, bias, node: Node) -> tuple[np.ndarray, float]:
    """Through weights (outputs, inputs) and a bias of as many numbers as outputs, or one, or None."""
    if weights.ndim != 2 or weights.shape[0] != row.size:
        raise NoHead(f"{node} has weights of {weights.shape} for {row.size} numbers")
    return row @ weights, offset if bias is None else offset + against(row, bias, node)


def against(row: np.ndarray, constant: np.ndarray, node: Node) -> float:
    """The product of a row with a constant of its size, or one number."""
    return float(row @ np.broadcast_to(vector(constant, row.size, node), row.shape))


def vector(constant: np.ndarray, size: int, node: Node) -> np.ndarray:
    constant = np.asarray(constant, np.float64).reshape(-1)
    if constant.size not in (1, size):
        raise NoHead(f"{node} has {constant.size} numbers for {size}")
    return constant


def given(values, node: Node, place: int) -> np.ndarray | None:
    """An input that is constant, float64; None: it is left out."""
    name = node.inputs[place] if place < len(node.inputs) else ""
    return np.asarray(values[name], np.float64) if name else None


def number_of(values, node: Node, place: int) -> float:
    """A scale or zero point of a whole tensor; without one, 0."""
    array = given(values, node, place)
    if array is None:
        return 0.0
    if array.size != 1:
        raise NoHead(f"{node} has {array.size} scales")
    return float(array.reshape(-1)[0])


def gemm(node, values, row, offset):
    weights, bias, attributes = given(values, node, 1), given(values, node, 2), node.attributes
    weights = weights if attributes.get("transB") else weights.T
    return linear(row, offset, weights * attributes.get("alpha", 1.0),
                  None if bias is None else bias * attributes.get("beta", 1.0), node)


def matmul(node, values, row, offset):
    weights = given(values, node, 1)
    return linear(row, offset, weights.reshape(weights.shape[-2:]).T if weights.ndim > 1 else weights[None], None, node)


def conv(node, values, row, offset):
    return linear(row, offset, of_one_place(given(values, node, 1), node), given(values, node, 2), node)


def add(node, values, row, offset):
    return row, offset + against(row, constant_of(node, values), node)


def sub(node, values, row, offset):
    return row, offset - against(row, given(values, node, 1), node)


def mul(node, values, row, offset):
    return row * vector(constant_of(node, values), row.size, node), offset


def div(node, values, row, offset):
    return row / vector(given(values, node, 1), row.size, node), offset


def constant_of(node: Node, values) -> np.ndarray:
    """The one of two inputs that does not depend on the picture."""
    return given(values, node, 0 if node.inputs[0] in values else 1)


def quantised(values, node: Node, place: int, axis: int) -> np.ndarray:
    """Weights at place, scale and zero point behind them, as numbers. axis : of scales, where there are many"""
    weights, scale, zero = (given(values, node, place + i) for i in range(3))
    sizes = [-1 if i == axis else 1 for i in range(weights.ndim)]
    scale, zero = (np.zeros(1) if each is None else each.reshape(sizes if each.size > 1 else -1)
                   for each in (scale, zero))
    return (weights - zero) * scale


def qgemm(node, values, row, offset):
    is_turned = bool(node.attributes.get("transB"))
    weights, bias = quantised(values, node, 3, 0 if is_turned else 1), given(values, node, 6)
    alpha, bias = node.attributes.get("alpha", 1.0), whole_bias(bias, values, node, 4)      # of the bias's scale too
    return linear(row, offset, alpha * (weights if is_turned else weights.T), None if bias is None else alpha * bias,
                  node)


def qmatmul(node, values, row, offset):
    return linear(row, offset, quantised(values, node, 3, 1).T, None, node)


def qconv(node, values, row, offset):
    weights = of_one_place(quantised(values, node, 3, 0), node)
    return linear(row, offset, weights, whole_bias(given(values, node, 8), values, node, 4), node)


def of_one_place(weights: np.ndarray, node: Node) -> np.ndarray:
    """Those of a 1x1 convolution, (outputs, inputs)."""
    if any(size != 1 for size in weights.shape[2:]):
        raise NoHead(f"{node} is of more than one place")
    return weights.reshape(weights.shape[:2])


def whole_bias(bias, values, node: Node, place: int) -> np.ndarray | None:
    """A bias of integers: its scale is that of the input times that of the weights, at `place`."""
    return None if bias is None else bias * given(values, node, 1).reshape(-1) * given(values, node, place).reshape(-1)


LAYERS: dict[str, Callable] = {
    **dict.fromkeys((*SAME, *ROUNDED), same), "Gemm": gemm, "MatMul": matmul, "Conv": conv, "Add": add, "Sub": sub,
    "Mul": mul, "Div": div, "QGemm": qgemm, "QLinearMatMul": qmatmul, "QLinearConv": qconv}

"""Where a classifier's features are: what the last product of matrices behind the picture multiplies with its weights.
And the network up to there, as it is in the file, with another head.

    ... -> GlobalAveragePool -> Flatten -> feature -> Gemm -> Softmax -> output
    ... -> feature -> Conv 1x1 -> Relu -> GlobalAveragePool -> output       whose mean over the pixels is the feature
"""
from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..errors import InputError
from ..model.graph import Graph, Model, Node, TensorType, node_reads
from ..version import __version__

# operator -> the place of its weights; what they are multiplied with is its first input
WEIGHTS = {"Gemm": 1, "MatMul": 1, "Conv": 1, "MatMulInteger": 1, "ConvInteger": 1, "QLinearMatMul": 3,
           "QLinearConv": 3, "QGemm": 3, "FusedGemm": 1, "FusedMatMul": 1, "FusedConv": 1, "MatMulNBits": 1,
           "DynamicQuantizeMatMul": 1, "MatMulIntegerToFloat": 1}
OF_BYTES = ("QLinearMatMul", "QLinearConv", "QGemm")        # scale and zero point of the first input are the next two
OF_PIXELS = ("Conv", "ConvInteger", "QLinearConv", "FusedConv")
# What may stand between the head and the output: it makes no feature of several ones.
BEHIND = frozenset("""Add Sum Sub Mul Div Softmax LogSoftmax Sigmoid HardSigmoid QLinearSigmoid QLinearSoftmax Relu Clip
    LeakyRelu Tanh Exp Log Neg Flatten Reshape Squeeze Unsqueeze Transpose Identity Dropout Cast CastLike
    GlobalAveragePool GlobalMaxPool AveragePool MaxPool QLinearGlobalAveragePool QLinearAveragePool ReduceMean
    QLinearReduceMean ReduceMax ReduceSum LpNormalization ReduceL2 Max Sqrt Pow Abs Erf QLinearAdd QLinearMul
    BatchNormalization QuantizeLinear DequantizeLinear Shape Gather Slice Concat Constant""".split())
FLOAT = 1                               # of TensorProto.DataType


@dataclass(frozen=True, slots=True)
class Head:
    """node : the product; value : the name of what it multiplies, a feature or a map of them
    scale : names of scale and zero point of a value in bytes, or ()"""
    node: Node
    value: str
    scale: tuple[str, ...] = ()


def head_of(graph: Graph, output: str) -> Head:
    """The head that an output comes from. InputError, with the reason, where there is none."""
    nodes, makers = above(graph, [output]), graph.producers()
    varying = set(graph.inputs)
    for node in nodes:
        if varying.intersection(node_reads(node)):
            varying.update(node.outputs)
    at = next((i for i in reversed(range(len(nodes)))
               if nodes[i].op_type in WEIGHTS and varying.intersection(nodes[i].inputs)), None)
    if at is None:
        raise InputError(refused(output, "no product of matrices stands behind it"))
    node, after = nodes[at], set(nodes[at].outputs)
    for each in nodes[at + 1:]:
        if after.intersection(node_reads(each)):
            after.update(each.outputs)
            if each.op_type not in BEHIND:
                raise InputError(refused(output, f"between {node}, its last product, and the output stands {each}"))
    place = WEIGHTS[node.op_type]
    if node.inputs[0] not in varying:
        raise InputError(refused(output, f"{node}, its last product, has its weights on the left"))
    if len(node.inputs) <= place or node.inputs[place] in varying:
        raise InputError(refused(output, f"{node}, its last product, has no weights of its own"))
    if node.attributes.get("transA"):
        raise InputError(refused(output, f"{node}, its last product, takes its features turned"))
    if node.op_type in OF_PIXELS:
        sizes = node.attributes.get("kernel_shape") or kernel(graph, makers, node.inputs[place])
        if any(size != 1 for size in sizes) or node.attributes.get("group", 1) != 1:
            raise InputError(refused(output, f"{node}, its last product, looks at several pixels at once"))
    value = node.inputs[0]
    maker = makers.get(value)
    if maker is not None and maker.op_type == "DynamicQuantizeLinear":
        return Head(node, maker.inputs[0])
    return Head(node, value, tuple(node.inputs[1:3]) if node.op_type in OF_BYTES else ())


def refused(output: str, reason: str) -> str:
    return (f"the output {output!r} has no head that could be replaced: {reason}; right is a classifier that ends in a "
            "Gemm, a MatMul or a 1x1 Conv")


def kernel(graph: Graph, makers: dict[str, Node], name: str) -> tuple[int, ...]:
    """The size of a window, by weights that may be stored in bytes."""
    while name in makers:
        name = makers[name].inputs[0]
    return graph.constants[name].shape[2:] if name in graph.constants else (0,)


def above(graph: Graph, names: list[str]) -> list[Node]:
    """The nodes that these values come from, in their order."""
    needed, kept = set(names), []
    for node in reversed(graph.nodes):
        if needed.intersection(node.outputs):
            needed.update(node_reads(node))
            kept.append(node)
    return kept[::-1]


# ---- another model

def trunk_of(model: Model, head: Head, dtype: np.dtype, shape: tuple[int, ...]) -> Model:
    """The network up to its features, float32 (n, features).

    dtype, shape : of the value of the head, for one picture
    """
    graph = model.graph
    values, opset = graph.values() | set(graph.types), model.opset.get("", 1)
    nodes: list[Node] = []

    def then(op_type: str, inputs: list[str], **attributes) -> str:
        name = fresh("feature", values)
        nodes.append(Node(op_type, inputs, [name], attributes, opset=opset, name=name))
        return name

    name = head.value
    if head.scale:
        name = then("DequantizeLinear", [name, *head.scale])
    elif dtype != np.float32:
        name = then("Cast", [name], to=FLOAT)
    if head.node.op_type in OF_PIXELS:
        name = then("Flatten", [then("GlobalAveragePool", [name])], axis=1)
    elif len(shape) != 2:
        if len(shape) < 2 or any(size != 1 for size in shape[1:-1]):
            raise InputError(f"what {head.node}, the last product, multiplies is of shape {tuple(shape)}, which is no "
                             "row of features for a picture")
        name = then("Flatten", [name], axis=len(shape) - 1)
    if name == head.value:
        name = then("Identity", [name])                 # an output of its own, whatever else reads the value
    kept = [*above(graph, [head.value, *head.scale]), *nodes]
    return replace(model, graph=part(graph, kept, {name: TensorType(np.dtype(np.float32), (None, None))}), metadata={},
                   defaults={}, source=None, ir_version=max(model.ir_version, 4), producer=f"cinfer {__version__}")


def part(graph: Graph, nodes: list[Node], outputs: dict[str, TensorType]) -> Graph:
    """These nodes of a graph, and what they need of it."""
    read = {name for node in nodes for name in node_reads(node)} | set(outputs)
    made = {name for node in nodes for name in node.outputs}
    return Graph(graph.name, nodes, {name: kind for name, kind in graph.inputs.items() if name in read}, outputs,
                 {name: array for name, array in graph.constants.items() if name in read},
                 {name: kind for name, kind in graph.types.items() if name in made and name not in outputs})


def with_head(trunk: Model, weights: np.ndarray, biases: np.ndarray, batch, metadata: dict[str, str]) -> Model:
    """The network up to its features, and a new end: probabilities, float32 (batch, classes).

    weights : (classes, features); biases : (classes,); batch : a size, a name or None
    """
    graph, opset = trunk.graph, trunk.opset.get("", 1)
    feature, = graph.outputs
    values = graph.values()
    names = [fresh(name, values) for name in ("head.weight", "head.bias", "logits", "probabilities")]
    w, b, logits, output = names
    broadcast = {"broadcast": 1} if opset < 7 else {}
    nodes = [Node("Gemm", [feature, w, b], [logits], {"transB": 1, **broadcast}, opset=opset, name="head"),
             Node("Softmax", [logits], [output], {"axis": 1}, opset=opset, name=output)]
    constants = {w: np.ascontiguousarray(weights, np.float32), b: np.ascontiguousarray(biases, np.float32)}
    whole = replace(graph, nodes=[*graph.nodes, *nodes], constants=graph.constants | constants,
                    outputs={output: TensorType(np.dtype(np.float32), (batch, len(biases)))})
    return replace(trunk, graph=whole, metadata=metadata)


def fresh(name: str, values: set[str]) -> str:
    """A name that no value has; it is taken then."""
    while name in values:
        name += "_"
    values.add(name)
    return name

"""Which operators of a rewritten graph compute on bytes, and which stay in float32 among them, and why."""
from __future__ import annotations

from collections import Counter

import numpy as np

from ..model.graph import Graph, Node, TensorType, all_graphs, subgraphs
from ..ops import registry
from ..ops.facts import Unranked
from ..ops.families import MICROSOFT, OWN_DOMAIN
from ..ops.numeric import F32
from .before_rounding import NO_SLOPES
from .join_quantized import LAYERS, NOT_ALL, WAYS, WEIGHTS
from .known import Known
from .quantized import MOVES, moves

TO_FLOATS = frozenset(("DequantizeLinear", "QuantizeDequantize"))
TO_BYTES = frozenset(("QuantizeLinear", "QuantizeDequantize"))
NARROW = "Narrow"                   # before the name of a product whose weights stay as the file has them
ON_BYTES = ("QLinear", "QGemm", "Grid", "LookUp", "MatMulInteger", "ScaledMatMulInteger", "ScaledConvInteger")
BYTES = ("uint8", "int8")
BY_RUN = ("DynamicQuantize", "DynamicScale")
ALSO_OF_BYTES = frozenset(("Concat", "MaxPool", "Pad"))      # as join_quantized.py makes them
NO_FLOATS = ("Cast", "Constant", "ConstantOfShape", "Range", "Shape", "Size")
AMONG = "among floats: no QuantizeLinear or DequantizeLinear is beside it; cinfer bench --profile says what it takes"
LEFT = "neither its inputs nor its output are quantised; whoever made the file may have left it out " \
       "(nodes_to_exclude, op_types_to_quantize), or it makes answers, for which bytes may be too coarse"
ANSWER = "it makes an output of the model, in floats, as it should"
READS = "it reads bytes, but nothing quantises its output; QuantizeLinear and DequantizeLinear behind it make it bytes"
BETWEEN = "{} stands between it and QuantizeLinear; QuantizeLinear and DequantizeLinear right behind it make it bytes"
BESIDE = "an input and its output are not quantised; QuantizeLinear and DequantizeLinear beside it make it bytes"
GIVES = "its output is quantised, but its input is not; QuantizeLinear and DequantizeLinear before it make it bytes"
FOLLOWS = "it goes with what is before it, which is in float"
NO_BYTES = "it has no kernel for bytes, so it is computed in float beside them"
FASTER = "its sums, of numbers of 16 bits, take less time in float32 here, or no integer kernel takes its shape"
GRID, GRID_KERNELS = "Grid", ("conv_s16", "gemm_s16")      # operators of sums that may be of integers; where they are
NO_KERNEL = "it has no kernel for bytes, so it runs between two conversions; a quantiser that leaves it out " \
            "(nodes_to_exclude) brings its answer nearer"


def on_bytes(graph: Graph) -> dict[str, int]:
    """Operator -> how many of them compute on bytes, in subgraphs too, whatever float or integer they give; the most
    frequent first."""
    counts = Counter(node.op_type for each in all_graphs(graph) for node in each.nodes
                     if node.op_type.startswith(ON_BYTES) and node.domain in ("", MICROSOFT, OWN_DOMAIN))
    return dict(counts.most_common())


def in_float(graph: Graph) -> list[dict]:
    """[{"operator", "nodes": names, "why"}, ...] of what is computed in float32 in a network that has bytes: what reads
    numbers that were bytes, or gives numbers that become bytes, and, last, what stands among floats."""
    graph = opened(graph)
    makers, consumers = graph.producers(), graph.consumers()
    found: dict[tuple[str, str], list[str]] = {}
    weights: dict[tuple[str, str], list[str]] = {}
    among: dict[tuple[str, str], list[str]] = {}
    for node in graph.nodes:
        if node.op_type in TO_FLOATS | TO_BYTES or moves(node) or node.op_type.startswith((*ON_BYTES, *BY_RUN)):
            continue
        name = node.name or node.outputs[0]
        before = [unmoved(name, makers) for name in node.inputs]
        reads = [maker for maker in before if is_border(maker, TO_FLOATS, makers)]
        gives = [reader for reader in moved(node, consumers) if is_border(reader, TO_BYTES, makers)]
        if not reads and ends_sums(node, graph, makers):
            continue
        if reads or gives:
            why = graph.in_float.get(name) or reason(node, reads, gives, graph, makers, consumers)
            found.setdefault((node.op_type, why), []).append(name)
        elif graph.in_float.get(name) == WEIGHTS:
            weights.setdefault((node.op_type, WEIGHTS), []).append(name)
        elif node.op_type not in NO_FLOATS and may_be_float(node, graph) \
                and not reads_others(node, graph) and not any(gives_bytes(name, graph, makers) for name in node.inputs):
            why = LEFT if node.op_type in LAYERS else ANSWER if makes_answer(node, graph, consumers) else AMONG
            among.setdefault((node.op_type, why), []).append(name)
    if not found and not on_bytes(graph):
        among = {}                          # a network of floats
    for group in (weights, among):
        for key, names in group.items():
            found.setdefault(key, []).extend(names)
    return [{"operator": operator.removeprefix(NARROW), "nodes": names, "why": why}
            for (operator, why), names in found.items()]


def unmoved(name: str, makers: dict[str, Node]) -> Node | None:
    """The node that makes a value, or makes that which others only move."""
    node = makers.get(name)
    while node is not None and moves(node) and node.inputs[0] in makers:
        node = makers[node.inputs[0]]
    return node


def moved(node: Node, consumers) -> list[Node]:
    """What reads the outputs of a node, maybe moved."""
    found, waiting = [], [*node.outputs]
    while waiting:
        for reader in consumers.get(waiting.pop(), ()):
            if moves(reader):
                waiting += reader.outputs
            else:
                found.append(reader)
    return found


def opened(graph: Graph) -> Graph:
    """The graph with all nodes of its subgraphs in the place of those that have them, with what bodies take among its
    inputs, and with the types of values.

    What a branch gives is what its If gives. Names are different ones in all graphs; of a node's they may be the same.
    """
    nodes: list[Node] = []
    whole = Graph(graph.name, nodes, dict(graph.inputs), graph.outputs, {})

    def enter(each: Graph, known: Known) -> None:
        makers = each.producers()
        whole.constants.update(each.constants)
        whole.in_float.update(each.in_float)
        if each is not graph:
            whole.inputs.update((name, TensorType(known.dtype(name, makers))) for name in each.inputs)
        for node in each.nodes:
            whole.known.update((name, Unranked(dtype)) for name in node.outputs if (dtype := known.dtype(name, makers)))
            inner = subgraphs(node)
            for subgraph in inner:
                enter(subgraph, known.within(subgraph, makers, known.of_body(node, subgraph, makers)))
                if node.op_type == "If":
                    nodes.extend(Node("Identity", [end], [out], opset=13)
                                 for end, out in zip(subgraph.outputs, node.outputs) if out)
            if not inner:
                nodes.append(node)

    enter(graph, Known(graph))
    return whole


def planned_in_float(steps) -> list[dict]:
    """As of in_float, of operators of on_bytes for which a plan has taken float32. steps : of the plan"""
    found: dict[str, list[str]] = {}
    for step in steps:
        if step.node is not None and step.node.op_type.startswith(GRID) and step.node.domain == OWN_DOMAIN \
                and step.label not in GRID_KERNELS:
            names = found.setdefault(step.node.op_type, [])
            name = step.node.name or step.node.outputs[0]
            if name not in names:
                names.append(name)
    return [{"operator": operator, "nodes": names, "why": FASTER} for operator, names in found.items()]


def reason(node: Node, reads: list[Node], gives: list[Node], graph: Graph, makers, consumers) -> str:
    """Why it is in float32, of a node beside bytes. reads, gives : the borders before and behind it"""
    wide = [dtype for border in (*reads, *gives) if (dtype := type_of(border, graph)) not in BYTES]
    if wide:
        return f"its numbers are stored as {wide[0]}; uint8 and int8 are computed as bytes, of 16 bits " \
               "only sums of products by constants are of integers"
    if node.op_type == "PRelu" and not has_slopes(graph.constants.get(node.inputs[1])):
        return NO_SLOPES
    can_be = node.op_type in (*LAYERS, *WAYS) or is_function(node, graph)
    others = any(name and name not in graph.constants and unmoved(name, makers) not in reads for name in node.inputs)
    if reads and gives:
        return NOT_ALL if can_be and others else NO_KERNEL
    if not gives and makes_answer(node, graph, consumers):
        return ANSWER
    if not can_be:
        return NO_BYTES
    if gives:
        before = [makers[name] for name in node.inputs if name in makers]
        follows = node.op_type == "PRelu" or is_function(node, graph)
        return FOLLOWS if follows and len(before) == 1 and before[0].op_type in LAYERS else GIVES
    if others:
        return BESIDE
    behind = moved(node, consumers)
    if len(behind) == 1 and any(is_border(each, TO_BYTES, makers) for each in moved(behind[0], consumers)):
        return BETWEEN.format(behind[0].op_type)
    return READS


def is_function(node: Node, graph: Graph) -> bool:
    """Whether it is a function of one number, maybe with constants beside it, which would be a table of bytes."""
    if node.domain and node.domain != OWN_DOMAIN:
        return False
    return sole_value(node, graph) is not None and not registry.traits(node).random \
        and all(graph.constants[name].size == 1 for name in node.inputs if name in graph.constants)


def has_slopes(array: np.ndarray | None) -> bool:
    """Whether it is a constant of one slope, or of one for each channel, as far as its shape tells."""
    return array is not None and bool(np.isfinite(array).all()) and (
        array.size == 1 or array.size == max(array.shape) and array.shape[-1] == 1)


def sole_value(node: Node, graph: Graph) -> str | None:
    """What alone an operator reads, element by element, beside constants; None: it is another operator, or reads more.
    """
    values, traits = [name for name in node.inputs if name and name not in graph.constants], registry.traits(node)
    return values[0] if len(values) == 1 and (traits.elementwise or traits.broadcast) else None


def makes_answer(node: Node, graph: Graph, consumers) -> bool:
    """Whether it makes an output of the model, maybe moved."""
    waiting = [*node.outputs]
    while waiting:
        name = waiting.pop()
        if name in graph.outputs:
            return True
        waiting += [out for reader in consumers.get(name, ()) if moves(reader) for out in reader.outputs]
    return False


def reads_others(node: Node, graph: Graph) -> bool:
    """Whether all that it reads are inputs of the graph of another type than floats."""
    given = [getattr(graph.inputs.get(name), "dtype", None) for name in node.inputs
             if name and name not in graph.constants]
    return bool(given) and all(dtype is not None and dtype.kind in "iub" for dtype in given)


def gives_bytes(name: str, graph: Graph, makers: dict[str, Node]) -> bool:
    """Whether a value is bytes, as far as what makes it tells."""
    maker = makers.get(name)
    while maker is not None and maker.op_type in MOVES | ALSO_OF_BYTES and maker.inputs:
        name = maker.inputs[0]
        maker = makers.get(name)
    if maker is None:
        return name in graph.inputs and getattr(graph.inputs[name].dtype, "name", "") in BYTES
    if maker.op_type in TO_FLOATS:
        return False
    if maker.op_type == "LookUp":
        return graph.constants[maker.inputs[1]].dtype.name in BYTES
    return maker.op_type.startswith(("QLinear", "QGemm", "QuantizeLinear", "DynamicQuantizeLinear"))


def ends_sums(node: Node, graph: Graph, makers: dict[str, Node]) -> bool:
    """Whether it goes with sums of integers, as an activation behind a convolution does."""
    maker = makers.get(sole_value(node, graph) or "")
    return maker is not None and maker.op_type.startswith("Scaled")


def may_be_float(node: Node, graph: Graph) -> bool:
    """Whether none of its outputs is known to be of another type."""
    facts = [graph.known.get(name) for name in node.outputs if name]
    return all(fact is None or getattr(fact, "dtype", None) in (None, F32) for fact in facts)


def type_of(border: Node, graph: Graph) -> str:
    """Of the integers of a DequantizeLinear, QuantizeLinear or both, as far as its zero point tells."""
    if border.op_type == "QuantizeDequantize":
        return border.attributes["dtype"]
    zero = graph.constants.get(border.inputs[2]) if len(border.inputs) > 2 else None
    return "uint8" if zero is None else zero.dtype.name


def is_border(node: Node | None, operators: frozenset[str], makers: dict[str, Node]) -> bool:
    """Whether it is one of an island: not one beside a single operator, by a scale that the run finds."""
    return node is not None and node.op_type in operators and not (node.domain and node.domain != OWN_DOMAIN) \
        and not any(makers[name].op_type.startswith(BY_RUN) for name in node.inputs[1:2] if name in makers)

"""Which operators of a rewritten graph compute on bytes, and which stay in float32 among them, and why."""
from __future__ import annotations

from collections import Counter

from ..model.graph import Graph, Node
from ..ops.families import MICROSOFT, OWN_DOMAIN
from .move_bytes import MOVES

TO_FLOATS = frozenset(("DequantizeLinear", "QuantizeDequantize"))
TO_BYTES = frozenset(("QuantizeLinear", "QuantizeDequantize"))
ON_BYTES = ("QLinear", "QGemm", "LookUp", "MatMulInteger", "ScaledMatMulInteger", "ScaledConvInteger")
BYTES = ("uint8", "int8")
BY_RUN = ("DynamicQuantize", "DynamicScale")
WHY = {"PRelu": "bytes have one slope; one for each channel goes to the sums of a convolution, with no QuantizeLinear "
                "between"}


def on_bytes(graph: Graph) -> dict[str, int]:
    """Operator -> how many of them compute on bytes, whatever float or integer they give; the most frequent first."""
    counts = Counter(node.op_type for node in graph.nodes
                     if node.op_type.startswith(ON_BYTES) and node.domain in ("", MICROSOFT, OWN_DOMAIN))
    return dict(counts.most_common())


def in_float(graph: Graph) -> list[dict]:
    """[{"operator", "nodes": names, "why"}, ...] of what is computed in float32 beside bytes: it reads numbers that
    were bytes, or gives numbers that become bytes."""
    makers, consumers = graph.producers(), graph.consumers()
    found: dict[tuple[str, str], list[str]] = {}
    for node in graph.nodes:
        if node.op_type in TO_FLOATS | TO_BYTES | MOVES or node.op_type.startswith((*ON_BYTES, *BY_RUN)):
            continue
        reads = [makers[name] for name in node.inputs if is_border(makers.get(name), TO_FLOATS, makers)]
        behind = [reader for name in node.outputs for reader in consumers.get(name, ())]
        gives = [reader for reader in behind if is_border(reader, TO_BYTES, makers)]
        if not reads and not gives:
            continue
        name = node.name or node.outputs[0]
        others = [dtype for border in (*reads, *gives) if (dtype := type_of(border, graph)) not in BYTES]
        why = graph.in_float.get(name) or (
            f"its numbers are stored as {others[0]}; only uint8 and int8 are computed as bytes" if others else
            WHY.get(node.op_type, "bytes are not computed by this operator") if reads and gives else
            "nothing quantises its output" if reads else "its inputs are not quantised")
        found.setdefault((node.op_type, why), []).append(name)
    return [{"operator": operator, "nodes": names, "why": why} for (operator, why), names in found.items()]


def type_of(border: Node, graph: Graph) -> str:
    """Of the integers of a DequantizeLinear or QuantizeLinear, as far as its zero point tells."""
    zero = graph.constants.get(border.inputs[2]) if len(border.inputs) > 2 else None
    return "uint8" if zero is None else zero.dtype.name


def is_border(node: Node | None, operators: frozenset[str], makers: dict[str, Node]) -> bool:
    """Whether it is one of an island: not one beside a single operator, by a scale that the run finds."""
    return node is not None and node.op_type in operators and not (node.domain and node.domain != OWN_DOMAIN) \
        and not any(makers[name].op_type.startswith(BY_RUN) for name in node.inputs[1:2] if name in makers)

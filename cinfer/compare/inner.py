"""Inner values of a network, which both sides have by one name, in groups that memory holds."""
from __future__ import annotations

from math import prod

from ..errors import Cancelled, Error
from ..model.graph import Graph
from ..ops.facts import Fact
from ..plan.bind import bind

GROUP_BYTES = 32 << 20          # of values that one run gives, on each side


def values_of(graph: Graph) -> dict[str, str]:
    """Name -> the value to compare by this name, in the order of the file.

    That is the value itself. If nothing but QuantizeLinear reads it, it is what the DequantizeLinear behind gives: all
    that follows sees that alone, and the rounding may have taken the place of a Relu or Clip.
    """
    readers, found = graph.consumers(), {}
    for node in graph.nodes:
        for name in filter(None, node.outputs):
            behind = readers.get(name, ())
            seen = [each.outputs[0] for quantize in behind if quantize.op_type == "QuantizeLinear"
                    for each in readers.get(quantize.outputs[0], ()) if each.op_type == "DequantizeLinear"]
            is_rounded = name not in graph.outputs and all(each.op_type == "QuantizeLinear" for each in behind)
            found[name] = seen[0] if seen and is_rounded else name
    return found


def bytes_of(graph: Graph, feeds: dict, names: list[str]) -> dict[str, int]:
    """How much memory each value takes, as far as that is known before a run."""
    try:
        facts = bind(graph, {name: Fact(x.dtype, x.shape) for name, x in feeds.items()}, tuple(names)).facts
    except (Error, AttributeError, KeyError):       # inputs that are lists, or are left out
        return {}
    known = ((name, facts.get(name)) for name in names)
    return {name: prod(fact.shape) * fact.dtype.itemsize for name, fact in known if type(fact) is Fact}


def groups(pairs: list, sizes: dict[str, int], kind) -> list[list]:
    """The pairs in groups of one kind, each of at most GROUP_BYTES, or of one value. kind : of a pair"""
    found: list[list] = []
    of_kind: dict[object, list[list]] = {}
    for pair in pairs:
        mine = of_kind.setdefault(kind(pair), [])
        size = sizes.get(pair.ours, GROUP_BYTES)
        taken = sum(sizes.get(each.ours, GROUP_BYTES) for each in mine[-1]) if mine else 0
        if not mine or taken + size > GROUP_BYTES:
            mine.append([])
            found.append(mine[-1])
        mine[-1].append(pair)
    return found


def fetched(run, pairs: list) -> list[tuple]:
    """(pair, its value, or the Error that it is not there for). run : (pairs) -> values; where it fails for several, it
    is tried with half of them."""
    try:
        return [*zip(pairs, run(pairs))]
    except Cancelled:
        raise
    except Error as error:
        if len(pairs) == 1:
            return [(pairs[0], error)]
    middle = len(pairs) // 2
    return fetched(run, pairs[:middle]) + fetched(run, pairs[middle:])

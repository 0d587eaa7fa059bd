"""What is known at load of the values that a node makes, while sizes are free."""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import Error
from ..model.graph import Node
from . import registry
from .facts import Fact, Unranked, UnknownValue, is_symbolic
from .symbols import Sizes, Undecided

MOST_SIZES = 64             # elements of a tensor whose value is followed while it holds Symbols
MOST_BYTES = 1 << 12        # of a tensor that is computed for what may be made of it: sizes, scales


def foresee(node: Node, facts: Sequence[Fact | None], sizes: Sizes) -> tuple[Fact | None, ...]:
    """Facts of a node's outputs that hold for all sizes, each at least 1; None where nothing is known.

    By `infer` and, for small values, `evaluate`. Where these cannot tell for all sizes, the traits say what
    is left: the element type and the rank, with sizes of their own. Of a node that is wrong nothing is
    known; whoever plans says what is wrong.
    """
    unknown = (None,) * len(node.outputs)
    operator = registry.find(node)
    if operator is None or any(name and fact is None for name, fact in zip(node.inputs, facts)):
        return unknown
    try:
        keywords = registry.arguments(operator, node)
        try:
            found = registry.for_outputs(node, foreseen(operator, facts, keywords))
        except (Undecided, UnknownValue):
            found = _sketched(operator, node, facts, keywords, sizes)
    except (Undecided, Error, *registry.REFUSALS):
        return unknown
    return tuple(found[:len(node.outputs)])


def foreseen(operator: registry.Operator, facts, keywords: dict):
    """What `infer` and, of small values, `evaluate` tell; Undecided or UnknownValue where they cannot."""
    if operator.infer is None:
        raise UnknownValue("the shape")
    found = operator.infer(*facts, **keywords)
    values = [None if fact is None else fact.value for fact in facts]
    if not facts or operator.traits.random or any(f is not None and f.value is None for f in facts):
        return found
    outs = found if isinstance(found, tuple) else (found,)
    if any(out.value is not None or not _is_small(out) for out in outs):
        return found
    if any(map(is_symbolic, facts)):
        return _symbolic(operator, facts, values, outs, keywords)
    with np.errstate(all="ignore"):
        made = operator.evaluate(*values, **keywords)
    return tuple(Fact.of(np.asarray(v)) for v in (made if isinstance(made, tuple) else (made,)))


def _is_small(fact: Fact) -> bool:
    nbytes = fact.dtype.itemsize
    for size in fact.shape:
        if type(size) is not int:
            return False
        nbytes *= size
    return nbytes <= MOST_BYTES


def _symbolic(operator: registry.Operator, facts, values: list, outs: tuple, keywords: dict) -> tuple:
    """The outputs with their values, as far as these can be told: what Symbols become when they are moved, or
    computed with."""
    traits = operator.traits
    if traits.moves:                    # of the first input, or of any number of them
        many = operator.max_inputs is None
        if not many and any(map(is_symbolic, facts[1:])):
            return outs
        values = [v.astype(object) if v is not None and (many or i == 0) else v for i, v in enumerate(values)]
    function = operator.evaluate if traits.moves else traits.symbolic
    if function is None or any(out.dtype.kind not in "iub" for out in outs):
        return outs
    try:
        made = function(*values, **keywords)
    except Undecided:
        return outs
    made = made if isinstance(made, tuple) else (made,)
    return tuple(_valued(out, np.asarray(value)) for out, value in zip(outs, made))


def _valued(fact: Fact, value: np.ndarray) -> Fact:
    if value.size > MOST_SIZES or value.shape != fact.shape:
        return fact
    if all(isinstance(v, (int, np.integer, np.bool_)) for v in value.reshape(-1)):
        value = value.astype(fact.dtype)
    return Fact(fact.dtype, fact.shape, value)


def types_of(node: Node, types: Sequence[np.dtype | None]) -> Sequence[np.dtype | None]:
    """The element types of a node's outputs by those of its inputs; None: not known."""
    operator = registry.find(node)
    missing = [each for name, each in zip(node.inputs, types) if each is None and name]
    if operator is not None and not missing:
        told = operator.traits.types
        try:
            if type(told) is not tuple:
                facts = [None if each is None else Unranked(each) for each in types]
                told = told(*facts, **registry.arguments(operator, node))
            if len(node.outputs) == 1:
                told = told[:1]
            else:
                last = len(told) - 1
                told = [told[min(i, last)] for i in range(len(node.outputs))]
            return [types[each] if type(each) is int else each for each in told]
        except (Undecided, Error, *registry.REFUSALS):
            pass
    return (None,) * len(node.outputs)


def ranks_of(node: Node, facts: Sequence[Fact | None]) -> Sequence[int | None]:
    """The ranks of a node's outputs by the traits of its operator; None: these do not tell. facts : of the
    inputs, with None for sizes that are not known"""
    operator, count = registry.find(node), len(node.outputs)
    if operator is not None:
        traits = operator.traits
        rank = 0 if traits.elementwise else traits.rank
        try:
            if traits.broadcast:
                return [max(fact.ndim for fact in facts)] * count
            if type(rank) is tuple:
                return [facts[rank[min(i, len(rank) - 1)]].ndim for i in range(count)]
            if rank is not None:
                rank = facts[rank].ndim if type(rank) is int else rank(
                    *facts, **registry.arguments(operator, node))
            if type(rank) is tuple:
                return [rank[min(i, len(rank) - 1)] for i in range(count)]
            return [rank if type(rank) is int else None] * count
        except (Undecided, AttributeError, TypeError, Error, *registry.REFUSALS):
            pass                        # an input, or a size, that is not known
    return (None,) * count


def _types(types: tuple, node: Node, facts) -> list[np.dtype]:
    last = len(types) - 1
    types = [types[min(i, last)] for i in range(len(node.outputs))]
    return [facts[t].dtype if type(t) is int else t for t in types]


def _sketched(operator: registry.Operator, node: Node, facts, keywords: dict, sizes: Sizes) -> list:
    """What the traits tell."""
    traits = operator.traits
    types = traits.types(*facts, **keywords) if callable(traits.types) else traits.types
    types = _types(types, node, facts)
    try:
        rank = traits.rank[0] if type(traits.rank) is tuple else traits.rank
        rank = rank(*facts, **keywords) if callable(rank) else None if rank is None else facts[rank].ndim
    except (Undecided, UnknownValue):
        rank = None
    if rank is None and traits.broadcast:
        rank = _broadcast_rank(facts)
    if type(rank) is not int and type(rank) is not tuple:
        return [dtype and Unranked(dtype) for dtype in types]
    ranks = rank if type(rank) is tuple else (rank,)
    return [dtype and Fact(dtype, tuple([sizes.free(f"{name}.{axis}", least=0)
                                         for axis in range(ranks[min(i, len(ranks) - 1)])]))
            for i, (dtype, name) in enumerate(zip(types, node.outputs))]


def _broadcast_rank(facts) -> int | None:
    try:
        return max(fact.ndim for fact in facts)
    except Undecided:
        return None

"""Nodes in whose place others come once a little is known: If, operators on sequences and optionals, NonZero.

Where the condition of an If is known, its branch takes its place. A sequence whose length is known is the names of
its elements (`Elements`): SequenceAt is one of them, SplitToSequence a Split, and so on; an optional is the name of
what it holds (`Maybe`). So plans have tensors alone.
"""
from __future__ import annotations

from math import prod

import numpy as np

from ..errors import ModelError
from ..model.graph import Graph, Node
from ..ops.facts import Elements, Fact, Maybe, names_of_elements
from ..ops.families import OWN_DOMAIN
from ..ops.limits import check_axis, one, pieces, position

OPSET = 11                      # by which the nodes are to be read that come out
MOST_FOUND = 1 << 16            # indices that NonZero may give, if all of its input is not zero


class Made(Node):
    """A node that takes the place of another for some sizes. Nobody is to remember it: there is a new one for
    others."""
    __slots__ = ()


class Resolved:
    """What takes the place of a node.

    nodes : to be bound in its place, in order
    facts : of its outputs that are no tensors, or are known
    constants : of the graph that was put in
    """
    __slots__ = ("nodes", "facts", "constants")

    def __init__(self, nodes=(), facts: dict | None = None, constants: dict | None = None):
        self.nodes, self.facts, self.constants = nodes, facts or {}, constants or {}


def resolve(node: Node, facts: dict) -> Resolved | None:
    """What takes the place of a node, or None: the node itself stays.

    facts : of its inputs, by name
    Raises UnknownValue where a value must be known first, ValueError and ModelError for what is wrong.
    """
    rule = None if node.domain else RULES.get(node.op_type)
    if rule is not None:
        return rule(node, [facts[name] if name else None for name in node.inputs], facts)
    for i, name in enumerate(node.inputs[:TENSORS.get(node.op_type)]):
        if name and type(facts[name]) is not Fact:
            kind = "a sequence" if type(facts[name]) is Elements else "an optional"
            raise ModelError(f"{node}: its input {i} is {kind}; {node.op_type} takes tensors")
    return None


def alias(name: str, fact, output: str) -> Resolved:
    """The output is another value."""
    if type(fact) is not Fact:
        return Resolved(facts={output: fact})
    return Resolved((Made("Identity", [name], [output], opset=OPSET),))


def tensor(fact, what: str) -> Fact:
    if type(fact) is not Fact:
        raise ValueError(f"{what} is no tensor")
    return fact


def elements(fact) -> Elements:
    if type(fact) is not Elements:
        raise ValueError("its first input is no sequence")
    return fact


def identity(node: Node, facts, known) -> Resolved | None:
    return None if type(facts[0]) is Fact else alias(node.inputs[0], facts[0], node.outputs[0])


def if_(node: Node, facts, known) -> Resolved:
    condition = one(tensor(facts[0], "the condition").known("the condition of If"), "the condition")
    branch: Graph = node.attributes["then_branch" if condition else "else_branch"]
    if branch.inputs or len(branch.outputs) < len(node.outputs):
        raise ModelError(f"{node}: its branch {branch.name!r} has {len(branch.inputs)} inputs and "
                         f"{len(branch.outputs)} outputs; it has to have none and {len(node.outputs)}")
    ends = [Made("Identity", [inner], [outer], opset=OPSET, name=node.name)
            for inner, outer in zip(branch.outputs, node.outputs) if outer]
    return Resolved((*branch.nodes, *ends), constants=branch.constants)


def construct(node: Node, facts, known) -> Resolved:
    if len({tensor(fact, "an element of a sequence").dtype for fact in facts}) > 1:
        raise ValueError("the tensors of a sequence have to be of one type")
    return Resolved(facts={node.outputs[0]: Elements(tuple(node.inputs))})


def empty(node: Node, facts, known) -> Resolved:
    return Resolved(facts={node.outputs[0]: Elements(())})


def place(fact: Fact, length: int, last: int) -> int:
    value = tensor(fact, "the position").known("the position in a sequence")
    return position(one(value, "the position", "iu"), length, last)


def insert(node: Node, facts, known) -> Resolved:
    names = elements(facts[0]).names
    tensor(facts[1], "what is inserted")
    at = len(names) if len(facts) < 3 or facts[2] is None else place(facts[2], len(names), len(names))
    return Resolved(facts={node.outputs[0]: Elements((*names[:at], node.inputs[1], *names[at:]))})


def erase(node: Node, facts, known) -> Resolved:
    names = elements(facts[0]).names
    last = len(names) - 1
    at = position(-1, len(names), last) if len(facts) < 2 or facts[1] is None else place(facts[1], len(names), last)
    return Resolved(facts={node.outputs[0]: Elements((*names[:at], *names[at + 1:]))})


def at(node: Node, facts, known) -> Resolved:
    names = elements(facts[0]).names
    return Resolved((Made("Identity", [names[place(facts[1], len(names), len(names) - 1)]], [node.outputs[0]],
                          opset=OPSET),))


def length(node: Node, facts, known) -> Resolved:
    return Resolved(facts={node.outputs[0]: Fact.of(np.array(len(elements(facts[0]).names), np.int64))})


def split(node: Node, facts, known) -> Resolved:
    x = tensor(facts[0], "what is split")
    axis = check_axis(node.attributes.get("axis", 0), x.ndim)
    given = len(facts) > 1 and facts[1] is not None
    sizes = pieces(x.shape[axis], facts[1].known("the sizes to split to") if given else 1)
    output = node.outputs[0]
    names = names_of_elements(output, len(sizes))
    if not sizes:
        return Resolved(facts={output: Elements((), x.dtype)})
    found = Elements(names)
    if given or node.attributes.get("keepdims", 1):
        return Resolved((Made("Split", [node.inputs[0]], list(names), {"axis": axis, "split": sizes}, opset=OPSET),),
                        {output: found})
    whole = [f"{name}/whole" for name in names]
    return Resolved((Made("Split", [node.inputs[0]], whole, {"axis": axis, "split": sizes}, opset=OPSET),
                     *(Made("Squeeze", [each], [name], {"axes": [axis]}, opset=OPSET)
                       for each, name in zip(whole, names))), {output: found})


def concat(node: Node, facts, known) -> Resolved:
    names, axis, output = elements(facts[0]).names, node.attributes["axis"], node.outputs[0]
    if not names:
        raise ValueError("a sequence of no tensors cannot be joined")
    if not node.attributes.get("new_axis", 0):
        return Resolved((Made("Concat", list(names), [output], {"axis": axis}, opset=OPSET),))
    wide = [f"{each}/wide" for each in names_of_elements(output, len(names))]
    return Resolved((*(Made("Unsqueeze", [name], [each], {"axes": [axis]}, opset=OPSET)
                       for name, each in zip(names, wide)),
                     Made("Concat", wide, [output], {"axis": axis}, opset=OPSET)))


def optional(node: Node, facts, known) -> Resolved:
    return Resolved(facts={node.outputs[0]: Maybe(node.inputs[0] if facts and facts[0] is not None else None)})


def has_element(node: Node, facts, known) -> Resolved:
    held = bool(facts) and facts[0] is not None and not (type(facts[0]) is Maybe and facts[0].name is None)
    return Resolved(facts={node.outputs[0]: Fact.of(np.array(held))})


def get_element(node: Node, facts, known) -> Resolved | None:
    fact, name = facts[0], node.inputs[0]
    if type(fact) is Maybe:
        if fact.name is None:
            raise ValueError("the optional holds nothing")
        fact, name = known[fact.name], fact.name
    return alias(name, fact, node.outputs[0])


def nonzero(node: Node, facts, known) -> Resolved | None:
    """By a kernel as much as there may be, and a view of what there is: that runs between parts, in no time."""
    x, (output,) = tensor(facts[0], "its input"), node.outputs
    if x.value is not None or x.dtype.kind not in "biuf" or not x.ndim or x.ndim * prod(x.shape) > MOST_FOUND:
        return None
    bounded = f"{output}/bounded"
    return Resolved((Made("NonZero", node.inputs, [bounded], domain=OWN_DOMAIN, name=node.name),
                     Made("Found", [bounded], [output], {"rank": x.ndim}, domain=OWN_DOMAIN, name=node.name)))


def is_found(node: Node) -> bool:
    return node.op_type == "Found" and node.domain == OWN_DOMAIN


def map_(node: Node, facts, known) -> None:
    elements(facts[0])


# each a function (node, facts of its inputs, facts of all values by name)
RULES = {"If": if_, "Identity": identity, "SequenceConstruct": construct, "SequenceEmpty": empty,
         "SequenceInsert": insert, "SequenceErase": erase, "SequenceAt": at, "SequenceLength": length,
         "SplitToSequence": split, "ConcatFromSequence": concat, "Optional": optional,
         "OptionalHasElement": has_element, "OptionalGetElement": get_element, "SequenceMap": map_, "NonZero": nonzero}
STRUCTURAL = RULES.keys() - {"Identity"}
TENSORS = {"Loop": 2}           # how many inputs have to be tensors, where not all

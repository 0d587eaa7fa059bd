"""What kernels offer for a group of nodes, and the table of those who offer: operator -> Kernel.

A candidate is a promise: it says all that it needs of the values around it, and `emit` then cannot fail. Who
makes candidates only asks (`values.py`) and changes nothing, so a group can be asked again in a shorter form.
No candidate at all means that the node runs in NumPy.
"""
from __future__ import annotations

from collections.abc import Callable

from ..model.graph import Node
from ..ops import registry
from . import kernels as families

# How a value lies in memory, and how it is wanted: with any strides, row-major, or in blocks of channels
PLAIN, CONTIGUOUS, BLOCKED = "plain", "contiguous", "blocked"
# How an operator reads its inputs, whatever candidate is chosen: as plain values, in the layout in which they
# are, or in blocks
FOLLOWS = "follows"
# What may be taken into a step behind its own operator (epilogue.py)
ROW, RESIDUAL, UNARY, SLOPE, TURN, RESHAPE = "row", "residual", "unary", "slope", "turn", "reshape"
QUANTISED = "quantised"                 # a residual of bytes: QLinearAdd
HARMLESS = frozenset(("consumed_inputs",))          # an attribute of opset 1 that says nothing of values


class Candidate:
    """One way to compute a group.

    emit : function of an Emitter that emits its steps; it asks there for all sizes, for the same candidate
        may serve plans for other sizes (choices.py)
    reads : (value, layout) for each value that `emit` asks for
    writes : PLAIN or BLOCKED, the layout of all outputs, new memory unless `view` or `pieces` say otherwise
    cost_ns : function of Values that estimates the time on one thread, to choose among several
    halo : (value, function of Values, byte), where pixels beyond a blocked value are read: how far they reach, as
        (top, left, bottom, right), and of which bytes they have to be: a number, or the name of a single number that
        is there before the value is made
    view : function of the first input's plain view and Values that gives those of the outputs
    pieces : ((output, first channel in the first input), ...) of outputs that are channels of a blocked input
    order : axes of the first output from outermost to innermost in memory, where a reader would like that
    parts : ((value, first channel), ...) of a Concat whose parts may be computed in its memory
    """
    __slots__ = ("emit", "reads", "writes", "cost_ns", "halo", "view", "pieces", "order", "parts")

    def __init__(self, emit: Callable | None, reads=(), writes: str = PLAIN, *,
                 cost_ns: Callable | None = None, halo=None, view: Callable | None = None, pieces=(),
                 order=None, parts=()):
        self.emit, self.reads, self.writes, self.cost_ns, self.halo = emit, reads, writes, cost_ns, halo
        self.view, self.pieces, self.order, self.parts = view, pieces, order, parts


class Kernel:
    """What offers candidates for an operator.

    candidates : function (group, values) -> sequence of Candidate
    attributes : those whose every value it knows; a node with another value than the default in any other
        attribute is not for it, so a new attribute cannot be overlooked
    reading : PLAIN, FOLLOWS or BLOCKED; or a function (values, node, name) that gives it for one input
    takes : what its steps may do behind it: a set, or a function of the node
    unary : function (node, values) -> Unary or None, where the operator may be a function of one number
    """
    __slots__ = ("candidates", "attributes", "reading", "takes", "unary")

    def __init__(self, candidates, attributes, reading, takes, unary):
        self.candidates, self.attributes, self.reading = candidates, attributes, reading
        self.takes, self.unary = takes, unary


KERNELS: dict[tuple[str, str], Kernel | None] = {}         # of the families that were asked for; None: it has none
WHOLE: set[tuple[str, str]] = set()                         # of which the family was imported to its end


def kernel(*operators: str, attributes: str = "", reading: str = PLAIN, takes=frozenset(), unary=None,
           domain: str = ""):
    """Decorator of a function (group, values) -> candidates: enters it for these operators.

    attributes : names, separated by spaces; the rest as for Kernel
    """
    def enter(candidates):
        entry = Kernel(candidates, frozenset(attributes.split()) | HARMLESS, reading,
                       takes if callable(takes) else frozenset(takes), unary)
        KERNELS.update(((domain, name), entry) for name in operators)
        return candidates
    return enter


def kernel_of(node: Node) -> Kernel | None:
    """The kernel for a node, if there is one that knows all its attributes."""
    key = node.domain, node.op_type
    if key not in WHOLE:
        families.enter(registry.find(node))
        KERNELS.setdefault(key, None)
        WHOLE.add(key)
    found = KERNELS[key]
    return found if found is not None and knows(found.attributes, node) else None


def knows(attributes: frozenset[str], node: Node) -> bool:
    """Whether all other attributes of a node have their defaults."""
    if node.attributes.keys() <= attributes:
        return True
    operator = registry.find(node)
    return all(name in attributes or is_default(operator, name, value) for name, value in node.attributes.items())


def is_default(operator, name: str, value) -> bool:
    default = operator.attributes.get(name, registry.REQUIRED)
    return type(default) is type(value) and isinstance(value, (int, float, str)) and default == value

"""What a step does to its value before storing it: the additions and the activation behind an operator.

`chain` decides once which nodes may go into the step of the one before them; a kernel that cannot take all of
them is asked again with one less.
"""
from __future__ import annotations

from math import prod

from ..model.graph import Node
from ..ops.families import MICROSOFT
from .candidate import QUANTISED, RESHAPE, RESIDUAL, ROW, SLOPE, TURN, UNARY, Kernel

TURN_PERM = [0, 2, 3, 1]                # channels last


class Unary:
    """op : of UNARY_OPS in activation.h, with its two numbers.

    slope : name of the constant with a slope per channel (axis 1), for prelu
    """
    __slots__ = ("op", "alpha", "beta", "slope")

    def __init__(self, op: str, alpha: float = 0.0, beta: float = 0.0, slope: str = ""):
        self.op, self.alpha, self.beta, self.slope = op, alpha, beta, slope

    def key(self) -> tuple:
        """What tells it from others."""
        return self.op, self.alpha, self.beta, self.slope


NONE = Unary("none")


class Epilogue:
    """name = unary(value + row + residual), its axes turned to channels last where `turned`. Where Reshapes are taken,
    the outer axes may be others: what is written is contiguous.

    nodes : those that are done with the step, beside the first
    row : name of a constant along the last axis; residual : name of a value of the same shape
    quantised : the QLinearAdd that adds the residual, where it is of bytes
    """
    __slots__ = ("name", "nodes", "row", "residual", "unary", "turned", "quantised")

    def __init__(self, name: str, nodes: tuple = (), row: str = "", residual: str = "", unary: Unary = NONE,
                 turned: bool = False, quantised: Node | None = None):
        self.name, self.nodes, self.row, self.residual = name, nodes, row, residual
        self.unary, self.turned, self.quantised = unary, turned, quantised


class Group:
    """A node, and the epilogue of its step. output : its first output, behind the epilogue"""
    __slots__ = ("node", "epilogue")

    def __init__(self, node: Node, epilogue: Epilogue):
        self.node, self.epilogue = node, epilogue

    @property
    def output(self) -> str:
        return self.epilogue.name


def chain(node: Node, kernel: Kernel, values) -> list[Epilogue]:
    """All epilogues that the node's step might have, each with one more node than the last; the first has
    none."""
    found = [Epilogue(node.outputs[0])]
    takes = kernel.takes(node) if callable(kernel.takes) else kernel.takes
    while takes:
        reader = values.sole_reader(found[-1].name)
        longer = reader and extended(found[-1], reader, takes, values)
        if not longer:
            break
        found.append(longer)
    return found


def extended(e: Epilogue, reader: Node, takes, values) -> Epilogue | None:
    """The epilogue with what `reader` does, or None."""
    kernel = values.kernel_of(reader)
    if kernel is None:
        return None
    nodes, output = (*e.nodes, reader), reader.outputs[0]
    if e.unary is NONE and UNARY in takes and kernel.unary is not None and reader.inputs[0] == e.name:
        unary = values.unary_of(reader, kernel)
        if unary is not None and (not unary.slope or (SLOPE in takes and not e.turned)):
            return Epilogue(output, nodes, e.row, e.residual, unary, e.turned, e.quantised)
    if e.turned:
        return None
    if RESHAPE in takes and reader.op_type == "Reshape" and not reader.domain and reader.inputs[0] == e.name \
            and values.shape(output)[-1:] == values.shape(e.name)[-1:]:
        return Epilogue(output, nodes, e.row, e.residual, e.unary)
    if TURN in takes and reader.op_type == "Transpose":
        if list(reader.attributes.get("perm", ())) == TURN_PERM:
            return Epilogue(output, nodes, e.row, e.residual, e.unary, True)
    if e.unary is NONE and not e.residual and reader.op_type == "Add" and not reader.domain:
        return with_addition(e, reader, takes, values, nodes)
    if QUANTISED in takes and e.unary is NONE and not e.residual and reader.op_type == "QLinearAdd" \
            and reader.domain == MICROSOFT:
        return with_quantised(e, reader, values, nodes)
    return None


def with_addition(e: Epilogue, add: Node, takes, values, nodes) -> Epilogue | None:
    """The epilogue with what an Add adds: a constant row, or a value of the same shape that is there by
    now."""
    if len(add.inputs) != 2 or add.inputs[0] == add.inputs[1]:
        return None
    other, output = add.inputs[add.inputs[0] == e.name], add.outputs[0]
    shape, value = values.shape(e.name), values.constant(other)
    if values.shape(output) != shape:
        return None
    columns, others = shape[-1:], values.shape(other)
    if ROW in takes and not e.row and value is not None and columns \
            and (prod(others),) == columns == others[-1:]:
        return Epilogue(output, nodes, other, "", NONE)
    if RESIDUAL in takes and others == shape and values.available(other):
        return Epilogue(output, nodes, e.row, other, NONE)
    return None


def with_quantised(e: Epilogue, add: Node, values, nodes) -> Epilogue | None:
    """The epilogue with what a QLinearAdd adds: bytes of the same shape that are there by now."""
    if len(add.inputs) != 8 or [add.inputs[0], add.inputs[3]].count(e.name) != 1:
        return None
    other = add.inputs[3 if add.inputs[0] == e.name else 0]
    if values.shape(add.outputs[0]) == values.shape(e.name) == values.shape(other) and values.available(other):
        return Epilogue(add.outputs[0], nodes, e.row, other, NONE, quantised=add)
    return None


def activation_params(out, e: Epilogue) -> dict:
    """The parameters of a kernel that knows activations."""
    unary = e.unary
    return dict(act=out.table.unary[unary.op], alpha=unary.alpha, beta=unary.beta)


def epilogue_params(out, e: Epilogue, bias) -> dict:
    """The parameters of a kernel that knows a bias, activations and slopes per channel. bias : Ref or None"""
    slope = e.unary.slope
    return dict(bias=bias, slope=out.vector(slope) if slope else None, **activation_params(out, e))

"""The same elements under another shape, name or order of axes: views of plain values, pieces of blocked
ones."""
from __future__ import annotations

from ..candidate import BLOCKED, PLAIN, Candidate, kernel
from ..epilogue import Unary
from ..views import broadcast_strides, row_major
from .movement import in_channels


@kernel("Reshape", attributes="allowzero shape")
@kernel("Flatten", attributes="axis")
@kernel("Squeeze", "Unsqueeze", attributes="axes")
def reshape(group, values):
    """The same elements in order."""
    node = group.node
    if any(node.outputs[1:]):
        return ()

    def reshaped(x, values):
        return (x.reshaped(values.shape(node.outputs[0])),)
    if values.plain(node.inputs[0]).reshaped(values.shape(node.outputs[0])) is not None:
        return (Candidate(None, ((node.inputs[0], PLAIN),), view=reshaped),)

    def emit(out):
        x, y = out.plain(node.inputs[0]), out.plain(node.outputs[0])
        out.copy(x, y.with_(x.shape, row_major(x.shape)))
    return (Candidate(emit, ((node.inputs[0], PLAIN),)),)


@kernel("Identity", unary=lambda node, values: Unary("none"), reading=BLOCKED)
@kernel("Dropout", attributes="ratio seed is_test", reading=BLOCKED)
def identity(group, values):
    """A value under another name, in the layout that it has."""
    node = group.node
    if any(node.outputs[1:]):
        return ()
    return renamed(node, values)


def renamed(node, values) -> tuple[Candidate]:
    name, output = node.inputs[0], node.outputs[0]
    if in_channels(name, values):
        return (Candidate(None, ((name, BLOCKED),), BLOCKED, pieces=((output, 0),)),)
    return (Candidate(None, ((name, PLAIN),), view=lambda x, values: (x,)),)


@kernel("Transpose", attributes="perm")
def transpose(group, values):
    node = group.node
    name, output = node.inputs[0], node.outputs[0]
    rank = values.fact(name).ndim
    perm = list(node.attributes.get("perm") or range(rank)[::-1])
    if values.is_blocked(name) and not values.has(name, PLAIN) and rank in (3, 4, 5) \
            and values.sole_reader(name) is not None:
        def emit(out):
            y = out.plain(output)
            out.unblock(out.blocked(name), y, [y.strides[perm.index(axis)] for axis in range(rank)])
        return (Candidate(emit, ((name, BLOCKED),)),)

    def view(x, values):
        return (x.with_([x.shape[a] for a in perm], [x.strides[a] for a in perm]),)
    return (Candidate(None, ((name, PLAIN),), view=view),)


@kernel("Expand")
def expand(group, values):
    node = group.node

    def view(x, values):
        shape = values.shape(node.outputs[0])
        return (x.with_(shape, broadcast_strides(x, shape)),)
    return (Candidate(None, ((node.inputs[0], PLAIN),), view=view),)

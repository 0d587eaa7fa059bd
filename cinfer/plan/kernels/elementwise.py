"""Binary operators, in whichever layout their operands are -> `zip`; Where, comparisons, logic ->
`choose`."""
from __future__ import annotations

from math import prod

import numpy as np

from ..candidate import BLOCKED, CONTIGUOUS, FOLLOWS, PLAIN, UNARY, Candidate, kernel
from ..epilogue import activation_params
from ..tiles import SMALL
from ..views import BLOCK, F32, Blocked, broadcast_strides, collapse, ncdhw, ncdhw_strides

BINARY = {"Add": "add", "Sub": "sub", "Mul": "mul", "Div": "div", "Min": "min", "Max": "max", "Pow": "pow",
          "PRelu": "prelu", "Sum": "add"}


def follows(node, values) -> bool:
    """Blocked where an operand of the output's own shape is."""
    y = values.fact(node.outputs[0])
    shape = y.shape
    if len(shape) in (3, 4, 5) and y.dtype == F32 and 0 not in shape:
        for name in node.inputs:
            if values.is_blocked(name) and values.shape(name) == shape:
                return True
    return False


def blocked_axes(view: Blocked, shape) -> tuple[tuple, tuple]:
    """(dims, strides) of a blocked view over the axes (n, slice, block, row, pixel, lane) of the output.

    Broadcast axes step 0.
    """
    n, c, d, h, w = ncdhw(shape)
    blocks = -(-c // BLOCK)
    return (n, d, blocks, h, w, BLOCK), (
        view.ns * view.d if view.shape[0] == n else 0, view.ns if view.d == d else 0,
        view.bs if view.blocks == blocks else 0, view.rs if view.h == h else 0,
        BLOCK if view.w == w else 0, 1)


def by_rows(out, dims, *strides):
    """dims and strides with rows before blocks where threads divide the rows: each stays in its own."""
    if out.tiles.threads == 1:
        return dims, *strides
    found = out.tiles.ask(ordered, 6 * (1 + len(strides)), *dims, *(s for each in strides for s in each))
    return tuple(tuple(found[i:i + 6]) for i in range(0, len(found), 6))


def ordered(tiles, *numbers) -> list[int]:
    """Of all that is given, each six numbers with the third and fourth in the other order, maybe."""
    dims = numbers[:6]
    if prod(dims) < 2 * SMALL or not tiles.share_rows(*dims[3:5]):
        return list(numbers)
    return [numbers[i + at] for i in range(0, len(numbers), 6) for at in (0, 1, 3, 2, 4, 5)]


def broadcasts(shape, to) -> bool:
    """Whether a shape broadcasts to another by NumPy's rules."""
    return shape == to or len(shape) <= len(to) and all(d in (1, e) for d, e in zip(shape[::-1], to[::-1]))


def full_shape(shape, rank: int) -> tuple[int, ...]:
    """A shape with axes of one in front, as broadcasting sees it."""
    return (1,) * (rank - len(shape)) + tuple(shape)


def operand_layout(name: str, rank: int, values) -> tuple[str, str] | None:
    """How an operand of a blocked operation is read; None for a constant that the store has in blocks."""
    shape = values.shape(name)
    full = shape if len(shape) == rank else full_shape(shape, rank)
    if full[1] == 1:
        return name, PLAIN if values.plain(name).reshaped(full) is not None else CONTIGUOUS
    if len(shape) == rank:
        return name, BLOCKED
    return None if values.constant(name) is not None else (name, CONTIGUOUS)


def operand(out, name: str, shape):
    """(Ref, strides over blocked_axes) of any operand of a blocked operation."""
    own = out.fact(name).shape
    if own == shape and own[1] > 1:
        view = out.blocked(name)
        return view.ref(), blocked_axes(view, shape)[1]
    full = full_shape(own, len(shape))
    n, c, d, h, w = ncdhw(full)
    if c > 1:
        if len(own) == len(shape):
            view = out.blocked(name)
        elif (value := out.constant(name)) is not None:
            view = out.store.blocked(name, value, full)
        else:
            view = out.in_blocks(out.contiguous(name).reshaped(full))
        return view.ref(), blocked_axes(view, shape)[1]
    view = out.plain(name).reshaped(full) or out.contiguous(name).reshaped(full)
    sn, _, sd, sh, sw = ncdhw_strides(view.strides)
    return view.ref(), (sn if n > 1 else 0, sd if d > 1 else 0, 0, sh if h > 1 else 0, sw if w > 1 else 0, 0)


def emit_zip(out, dims, a, b, y, op, e=None) -> None:
    """y = act(a op b); each operand (Ref, strides over dims)."""
    dims, (xs, bs, ys), outer, tiles = out.tiles.walk(tuple(dims), tuple(a[1]), tuple(b[1]), tuple(y[1]))
    act = activation_params(out, e) if e else {}
    out.step("zip", tiles, {
        "a": a[0], "b": b[0], "y": y[0], "dims": dims, "bs": bs, "ys": ys, "op": out.table.binary[op],
        "outer": outer, "as": xs, **act})


@kernel(*(name for name in BINARY if name != "PRelu"), attributes="broadcast", reading=FOLLOWS,
        takes=(UNARY,))
def binary(group, values):
    node = group.node
    shape = values.shape(node.outputs[0])
    if len(node.inputs) != 2 or 0 in shape or len(shape) > 6:
        return ()
    for name in node.inputs:
        x = values.fact(name)
        if x.dtype != F32 or not broadcasts(x.shape, shape):
            return ()                           # slopes and axes of old opsets do not
    a, b = node.inputs
    if follows(node, values):
        reads = operand_layout(a, len(shape), values), operand_layout(b, len(shape), values)
        return (Candidate(lambda out: emit_blocked(out, group),
                          [r for r in reads if r is not None], BLOCKED),)
    return (Candidate(lambda out: emit_plain(out, group), ((a, PLAIN), (b, PLAIN))),)


def emit_blocked(out, group) -> None:
    node = group.node
    shape = out.fact(node.outputs[0]).shape
    a, a_strides = operand(out, node.inputs[0], shape)
    b, b_strides = operand(out, node.inputs[1], shape)
    target = out.output(group.output)
    dims, ys, xs, bs = by_rows(out, *blocked_axes(target, shape), a_strides, b_strides)
    emit_zip(out, dims, (a, xs), (b, bs), (target.ref(), ys), BINARY[node.op_type], group.epilogue)


def emit_plain(out, group) -> None:
    node, target = group.node, out.plain(group.output)
    a, b = ((view.ref(), broadcast_strides(view, target.shape)) for view in map(out.plain, node.inputs))
    emit_zip(out, target.shape, a, b, (target.ref(), target.strides), BINARY[node.op_type], group.epilogue)


# operator -> (number of the kernel's, whether the operands change places); the numbers are in choose.h
CHOICES = {"Where": (0, False), "Equal": (1, False), "Greater": (2, False), "Less": (2, True),
           "GreaterOrEqual": (3, False), "LessOrEqual": (3, True), "And": (4, False), "Or": (5, False),
           "Xor": (6, False), "Not": (6, False)}
COMPARED = ("bool", "uint8", "int32", "int64", "float32")


@kernel(*CHOICES)
def choose(group, values):
    node = group.node
    y, (op, swapped) = values.fact(node.outputs[0]), CHOICES[node.op_type]
    element = values.fact(node.inputs[-1]).dtype.name
    known = element in (values.table.elements if op == 0 else COMPARED)
    if not known or prod(y.shape) == 0 or y.ndim > 6:
        return ()

    def emit(out):
        views = [out.plain(name) for name in node.inputs]
        if node.op_type == "Not":
            views.append(out.store.array("true", TRUE))
        operands = views[-2:][::-1] if swapped else views[-2:]
        target = out.plain(node.outputs[0])
        strides = [broadcast_strides(v, target.shape) for v in operands + views[:-2]] + [target.strides]
        dims, strides = collapse(target.shape, *strides)
        dims, (xs, bs, *cs, ys), outer, tiles = out.tiles.divided(dims, *strides)
        which = dict(c=views[0].ref(), cs=cs[0]) if op == 0 else {}
        out.step("choose", tiles, {
            "a": operands[0].ref(), "b": operands[1].ref(), "y": target.ref(), "dims": dims, "bs": bs,
            "ys": ys, "op": op, "element": out.table.elements[element], "outer": outer, "as": xs, **which})
    return (Candidate(emit, tuple((name, PLAIN) for name in node.inputs)),)


TRUE = np.ones((), bool)

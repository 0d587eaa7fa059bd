"""Binary operators of float32, in whichever layout their operands are -> `zip`; of all other types, comparisons, logic
-> `arithmetic`; Where -> `choose`."""
from __future__ import annotations

from functools import cache
from math import prod

import numpy as np

from ..candidate import BLOCKED, CONTIGUOUS, FOLLOWS, PLAIN, UNARY, Candidate, kernel
from ..epilogue import activation_params
from ..tiles import SMALL
from ..views import BLOCK, F32, Blocked, Plain, broadcast_strides, ncdhw, ncdhw_strides

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


def emit_zip(out, dims, a, b, y, op, e=None, name="") -> None:
    """y = act(a op b); each operand (Ref, strides over dims). name : as of `Emitter.map`"""
    dims, (xs, bs, ys), outer, tiles = out.tiles.walk(tuple(dims), tuple(a[1]), tuple(b[1]), tuple(y[1]))
    act = activation_params(out, e) if e else {}
    if name:
        act |= out.ranged(name, tiles)
    out.step("zip", tiles, {
        "a": a[0], "b": b[0], "y": y[0], "dims": dims, "bs": bs, "ys": ys, "op": out.table.binary[op],
        "outer": outer, "as_": xs, **act})


@kernel(*(name for name in BINARY if name != "PRelu"), attributes="broadcast", reading=FOLLOWS,
        takes=(UNARY,))
def binary(group, values):
    node = group.node
    shape = values.shape(node.outputs[0])
    if len(node.inputs) != 2 or values.fact(node.inputs[0]).dtype != F32:
        return arithmetic(group, values) if node.op_type in ARITHMETIC else ()
    if 0 in shape or len(shape) > 6:
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
    emit_zip(out, dims, (a, xs), (b, bs), (target.ref(), ys), BINARY[node.op_type], group.epilogue,
             group.output if shape[1] % BLOCK == 0 else "")


def emit_plain(out, group) -> None:
    node, target = group.node, out.plain(group.output)
    a, b = ((view.ref(), broadcast_strides(view, target.shape)) for view in map(out.plain, node.inputs))
    emit_zip(out, target.shape, a, b, (target.ref(), target.strides), BINARY[node.op_type], group.epilogue,
             group.output if target.contiguous else "")


# operator -> (name in arithmetic.h, whether the operands change places)
ARITHMETIC = {"Add": ("add", False), "Sub": ("sub", False), "Mul": ("mul", False), "Div": ("div", False),
              "Min": ("min", False), "Max": ("max", False), "Sum": ("add", False), "Mean": ("add", False),
              "Mod": ("mod", False), "Equal": ("equal", False), "Greater": ("greater", False),
              "Less": ("greater", True), "GreaterOrEqual": ("greater_equal", False),
              "LessOrEqual": ("greater_equal", True), "And": ("and", False), "Or": ("or", False),
              "Xor": ("xor", False), "BitwiseAnd": ("and", False), "BitwiseOr": ("or", False),
              "BitwiseXor": ("xor", False)}


@kernel(*(name for name in ARITHMETIC if name not in BINARY), attributes="broadcast fmod")
def arithmetic(group, values):
    """Of any element type, one operand after another."""
    node, y = group.node, values.fact(group.node.outputs[0])
    facts = list(map(values.fact, node.inputs))
    if len(facts) < 2 or group.epilogue.nodes or 0 in y.shape or not is_walked(facts[0], y.shape, values) \
            or not all(broadcasts(x.shape, y.shape) for x in facts) \
            or node.op_type == "Mean" and facts[0].dtype.kind != "f":
        return ()
    op, swapped = ARITHMETIC[node.op_type]
    if op == "mod" and node.attributes.get("fmod", 0):
        op = "fmod"

    def emit(out):
        target = out.plain(node.outputs[0])
        a, *others = map(out.plain, node.inputs)
        for b in others:
            emit_arithmetic(out, op, *((b, a) if swapped else (a, b)), target)
            a = target
        if node.op_type == "Mean":
            emit_arithmetic(out, "div", target, number(out, len(node.inputs), target.dtype), target)
    return (Candidate(emit, plain_inputs(node)),)


def is_walked(x, shape, values) -> bool:
    """Whether the kernels know the type of an operand, and walk that many axes."""
    return x.dtype.name in values.table.elements and len(shape) <= 6


def plain_inputs(node) -> tuple:
    return tuple((name, PLAIN) for name in dict.fromkeys(node.inputs) if name)


def emit_arithmetic(out, op: str, a: Plain, b: Plain, y: Plain) -> None:
    """y = a op b by views of one element type; y may be a or b."""
    dims, (xs, bs, ys), outer, tiles = out.tiles.walk(
        tuple(y.shape), *(tuple(broadcast_strides(view, y.shape)) for view in (a, b)), tuple(y.strides))
    out.step("arithmetic", tiles, {
        "a": a.ref(), "b": b.ref(), "y": y.ref(), "dims": dims, "bs": bs, "ys": ys, "op": out.table.arithmetic[op],
        "element": out.table.elements[a.dtype.name], "outer": outer, "as_": xs})


def number(out, value: int, dtype) -> Plain:
    """A constant of one element, in an element type."""
    return out.store.array(f"{value} as {dtype}", one_number(value, dtype))


@cache
def one_number(value: int, dtype) -> np.ndarray:
    return np.array(value).astype(dtype)


# operator of one input -> name in arithmetic.h, the other operand (None: the input itself)
OF_ONE = {"Neg": ("mul", -1), "Abs": ("abs", None), "Sign": ("sign", None), "Not": ("xor", 1),
          "BitwiseNot": ("xor", -1)}


@kernel("Not", "BitwiseNot")
def of_one(group, values):
    """Functions of one number of any type."""
    node = group.node
    x, found = values.fact(node.inputs[0]), OF_ONE.get(node.op_type)
    if found is None or prod(x.shape) == 0 or not is_walked(x, x.shape, values):
        return ()
    op, other = found

    def emit(out):
        x = out.plain(node.inputs[0])
        emit_arithmetic(out, op, x, x if other is None else number(out, other, x.dtype), out.plain(node.outputs[0]))
    return (Candidate(emit, plain_inputs(node)),)


def clipped(group, values):
    """Clip of any type, by limits that the run may compute."""
    node = group.node
    x, limits = values.fact(node.inputs[0]), [*node.inputs[1:], "", ""][:2]
    if not any(limits) or prod(x.shape) == 0 or not is_walked(x, x.shape, values):
        return ()

    def emit(out):
        x, y = out.plain(node.inputs[0]), out.plain(node.outputs[0])
        for op, name in zip(("max", "min"), limits):
            if name:
                emit_arithmetic(out, op, x, out.plain(name).with_((), ()), y)
                x = y
    return (Candidate(emit, plain_inputs(node)),)


@kernel("Where")
def where(group, values):
    node, y = group.node, values.fact(group.node.outputs[0])
    if y.dtype.hasobject or y.dtype.itemsize not in (1, 2, 4, 8) or prod(y.shape) == 0 or y.ndim > 6:
        return ()

    def emit(out):
        c, a, b = map(out.plain, node.inputs)
        target = out.plain(node.outputs[0])
        dims, (cs, xs, bs, ys), outer, tiles = out.tiles.walk(
            tuple(target.shape), *(tuple(broadcast_strides(v, target.shape)) for v in (c, a, b)),
            tuple(target.strides))
        out.step("choose", tiles, {
            "c": c.ref(), "a": a.ref(), "b": b.ref(), "y": target.ref(), "dims": dims, "cs": cs, "bs": bs, "ys": ys,
            "size": target.dtype.itemsize, "outer": outer, "as_": xs})
    return (Candidate(emit, plain_inputs(node)),)

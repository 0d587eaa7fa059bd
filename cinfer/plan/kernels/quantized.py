"""Operators on bytes, element by element: LookUp -> `look_up_u8`, or the table of the step before; QLinearAdd and
QLinearMul -> `zip_u8`."""
from __future__ import annotations

from math import prod

import numpy as np

from ...ops.families import MICROSOFT, OWN_DOMAIN
from ...ops.numeric import row_axes
from ..candidate import BLOCKED, CONTIGUOUS, FOLLOWS, PLAIN, SLOPE, UNARY, Candidate, kernel
from ..epilogue import Unary
from ..store import constant
from ..views import BLOCK, F32, I8, U8, Blocked, round_up
from .conv_few import wanted_plain
from .elementwise import emit_arithmetic, number

OPS = {"QLinearAdd": 0, "QLinearMul": 1}            # as zip_u8 counts them
SLOPED, SCALED = 2, 3
FLIPPED = np.arange(256, dtype=U8) ^ U8.type(128)
LEAST_ROW = 1024                                    # elements, of which a tile may be made


def table_of(node, values) -> Unary | None:
    table = values.constant(node.inputs[1])
    return Unary("table", slope=node.inputs[1]) if table is not None and not is_flip(table) else None


def is_flip(table: np.ndarray) -> bool:
    """Whether it makes int8 of uint8 that are 128 more, or the other way round: then the top bit is another."""
    return bool((table.view(U8) == FLIPPED).all())


@kernel("LookUp", domain=OWN_DOMAIN, reading=FOLLOWS, unary=table_of)
def look_up(group, values):
    node = group.node
    (name, table), x = node.inputs, values.fact(node.inputs[0])
    if x.dtype not in (U8, I8) or values.constant(table) is None or prod(x.shape) == 0:
        return ()
    is_picture = x.ndim in (3, 4, 5)
    blocked = is_picture and values.is_blocked(name)
    if is_flip(values.constant(table)):             # on the way to the other layout it costs nothing
        plain = not is_picture or wanted_plain(values, node.outputs[0])
        if plain or not blocked:
            emit_flip = (flip_to_plain if blocked else flip_plain) if plain else flip_to_blocked
            return (Candidate(lambda out: emit_flip(out, node), ((name, BLOCKED if blocked else PLAIN),),
                              PLAIN if plain else BLOCKED, order=values.turned_order(node.outputs[0])),)

    def emit(out):
        x, y = views(out, [name], node.outputs[0], blocked)
        dims, strides, tiles = rows_of(out, (x, y))
        out.step("look_up_u8", tiles, dict(x=x.ref(), y=y.ref(), table=table_ref(out, table), **dims,
                                           **named("x", strides[0]), **named("y", strides[1])))
    return (Candidate(emit, ((name, layout_of(blocked)),), BLOCKED if blocked else PLAIN),)


def flip_plain(out, node) -> None:
    x = out.plain(node.inputs[0])
    emit_arithmetic(out, "xor", x, number(out, 128, x.dtype), out.plain(node.outputs[0]))


def flip_to_plain(out, node) -> None:
    y = out.plain(node.outputs[0])
    out.unblock(out.blocked(node.inputs[0]), y, y.strides, flip=128)


def flip_to_blocked(out, node) -> None:
    out.block(out.plain(node.inputs[0]), out.output(node.outputs[0]), flip=128)


def table_ref(out, name: str):
    """A table of 256 bytes, where there is one."""
    return out.store.array(name, out.constant(name)).ref() if name else None


def padded(values: np.ndarray, dtype):
    """A number for each channel, with zeros up to whole blocks."""
    whole = np.zeros(round_up(len(values)), dtype)
    whole[:len(values)] = values
    return constant(whole).ref()


def is_scale(array) -> bool:
    """Whether all numbers of a constant are scales that kernels take."""
    return array.dtype == F32 and bool((array > 0).all() and np.isfinite(array).all())


def layout_of(blocked: bool) -> str:
    return BLOCKED if blocked else CONTIGUOUS


@kernel("QLinearAdd", domain=OWN_DOMAIN, reading=BLOCKED, takes=(UNARY, SLOPE))
@kernel(*OPS, domain=MICROSOFT, reading=FOLLOWS, takes=(UNARY, SLOPE))
def zipped(group, values):
    """Of two operands that broadcast in pictures, or are rows of the output (`row_axes`); of one, and a slope."""
    node, e = group.node, group.epilogue
    inputs, slope, alone = node.inputs, "", node.domain == OWN_DOMAIN and not node.inputs[3]
    if node.domain == OWN_DOMAIN:
        slope = inputs[8]
    if alone:
        inputs = [*inputs[:3], *inputs[:3], *inputs[6:]]
    names, shape = (inputs[0], inputs[3]), values.shape(node.outputs[0])
    facts = [values.fact(name) for name in names]
    given = [name for name in names if values.constant(name) is None]
    types = {fact.dtype for fact in (*facts, values.fact(node.outputs[0]))}
    if len(types) > 1 or not types <= {U8, I8} or any(fact.ndim != len(shape) for fact in facts) or 0 in shape \
            or not given \
            or e.unary.op not in ("none", "table") or len(node.inputs) < 8 \
            or any(values.constant(name) is None for name in inputs if name not in names) \
            or not is_scale(values.constant(inputs[6])) \
            or not all(is_scale(np.abs(values.constant(inputs[i]))) for i in (1, 4)):
        return ()
    # slopes are of channels, which are lanes in blocks
    axes, is_picture = () if slope else row_axes([fact.shape for fact in facts], shape), len(shape) in (3, 4, 5)
    if not axes and not is_picture:
        return ()
    axis = next((axis for axis in axes[::-1] if prod(shape[axis:]) >= LEAST_ROW), axes[0] if axes else None)
    blocked = is_picture and (axis is None or any(map(values.is_blocked, given)))

    def emit(out):
        y = out.output(group.output) if blocked else out.plain(group.output)
        operands = [operand(out, name, blocked) for name in names]
        if blocked:
            dims, (strides,), tiles = rows_of(out, (y,))
            params = [operand_strides(x, y) for x in operands]
            dims["d"] = y.d
        else:
            h, w = prod(y.shape[:axis]), prod(y.shape[axis:])
            rows, row_tiles = out.tiles.sums(h, w)
            dims, tiles = dict(n=1, cb=1, h=h, w=w, rows=rows, row_tiles=row_tiles), row_tiles
            strides = dict(n=0, b=0, r=w)
            params = [row_strides(x.shape, y.shape, axis) for x in operands]
        sa, za, sb, zb, sy, zy = (out.constant(name).item() for name in (*inputs[1:3], *inputs[4:8]))
        flip = 128 if types == {I8} else 0          # the kernel sees int8 as uint8
        op, slopes = (SLOPED, out.constant(slope)) if slope else (OPS[node.op_type], None)
        if alone:
            sb, factors = 0, scaled(node, out)
            if factors is not None:
                op, (sa, slopes) = SCALED, factors
        out.step("zip_u8", tiles, dict(
            a=operands[0].ref(), b=operands[1].ref(), y=y.ref(), table=table_ref(out, e.unary.slope),
            slope=None if slopes is None else padded(slopes, F32), **dims,
            **named("y", strides), **named("a", params[0]), **named("b", params[1]),
            op=op, flip=flip, sa=sa, za=za + flip, sb=sb, zb=zb + flip, sy=sy, zy=zy + flip, lo=0,
            hi=255))
    reads = tuple((name, layout_of(blocked)) for name in dict.fromkeys(given))
    return (Candidate(emit, reads, BLOCKED if blocked else PLAIN),)


def scaled(node, values) -> tuple[float, np.ndarray] | None:
    """(k above 0, k of each channel below it): the bytes that our own QLinearAdd makes of one operand are
    rint((a - its zero point) * k) + the zero point, rounded once. None where some byte had to be another."""
    given = [values.constant(node.inputs[i]) for i in (1, 2, 6, 7, 8)]
    if any(each is None for each in given) or not all(is_scale(given[i]) for i in (0, 2)):
        return None
    return values.store.once(("scaled by sign", node), tuple(given), lambda: _scaled(*given))


def _scaled(a_scale, a_zero, y_scale, y_zero, slope) -> tuple[float, np.ndarray] | None:
    limits, zero = np.iinfo(a_zero.dtype), int(y_zero.item())
    x = np.arange(limits.min, limits.max + 1, dtype=F32) - F32.type(a_zero.item())
    low, high = limits.min - zero, limits.max - zero

    def stored(y):
        return np.clip(np.rint(y), low, high)
    with np.errstate(all="ignore"):
        above, below = x[x > 0], x[x < 0]
        a_scale, y_scale = a_scale.reshape(()), y_scale.reshape(())
        k, k_below = a_scale / y_scale, slope * a_scale / y_scale
        right = np.isfinite(k) and np.isfinite(k_below).all() and (
            stored(above * k) == stored(above * a_scale / y_scale)).all() and (
            stored(below * k_below[:, None]) == stored(below * a_scale * slope[:, None] / y_scale)).all()
    return (float(k), k_below) if right else None


def operand(out, name: str, blocked: bool):
    value = out.constant(name)
    if value is None:
        return out.blocked(name) if blocked else out.contiguous(name)
    return out.store.blocked(name, value, value.shape) if blocked else out.store.array(name, value)


def row_strides(x, y, axis: int) -> dict:
    """Of a plain operand of shape x, rows of which begin at an axis of y, the output's shape."""
    row = 1 if x[axis:] == y[axis:] else 0
    return dict(n=0, b=0, r=prod(x[axis:]) if x[:axis] == y[:axis] else 0, w=BLOCK * row, l=row)


def views(out, names, output: str, blocked: bool) -> list:
    """Of the inputs, and of the output."""
    if blocked:
        return [*map(out.blocked, names), out.output(output)]
    return [*map(out.contiguous, names), out.plain(output)]


def rows_of(out, views) -> tuple[dict, list[dict], int]:
    """(how many pictures, blocks, rows, elements of a row, and how they are divided; strides of each view; tiles)"""
    y = views[-1]
    if type(y) is Blocked:
        n, cb, h, w = y.n, y.blocks, y.h, y.w * BLOCK
        strides = [dict(n=v.ns, b=v.bs, r=v.rs) for v in views]
        rows, row_tiles = out.tiles.rows(h, y.w, n * cb, BLOCK)
    else:
        w = y.shape[-1] if y.shape else 1
        n, cb, h = 1, 1, prod(y.shape[:-1])
        strides = [dict(n=0, b=0, r=w)] * len(views)
        rows, row_tiles = out.tiles.sums(h, w)
    return dict(n=n, cb=cb, h=h, w=w, rows=rows, row_tiles=row_tiles), strides, n * cb * row_tiles


def named(letter: str, strides: dict) -> dict:
    return {letter + axis: step for axis, step in strides.items()}


def operand_strides(x: Blocked, y: Blocked) -> dict:
    """Of an operand that broadcasts to y: axes of one step 0."""
    return dict(n=x.ns * x.d if x.shape[0] == y.shape[0] else 0, z=x.ns if x.d == y.d else 0,
                b=x.bs if x.c == y.c else 0, r=x.rs if x.h == y.h else 0, w=BLOCK if x.w == y.w else 0,
                l=1 if x.c == y.c else 0)

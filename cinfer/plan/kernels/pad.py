"""Pad -> copies and fills. What a convolution can take into its window never comes here (passes/fuse_pad)."""
from __future__ import annotations

from ..candidate import BLOCKED, PLAIN, Candidate, kernel
from ..views import ARENA, BLOCK, F32, IN_BLOCKS, NO_HALO, U8, Blocked, Buffer, Ref, ncdhw
from .movement import in_channels

PAD_MODES = ("constant", "reflect", "edge")


def amounts(node, values):
    """(before, after, mode, value) of a Pad, before and after by axis; None when only the run knows them, or
    they reflect more than there is."""
    shape, get = values.shape(node.inputs[0]), node.attributes.get
    rank = len(shape)
    mode, value = get("mode", "constant"), get("value", 0.0)
    if "pads" in node.attributes or "paddings" in node.attributes:
        pads, axes = get("pads", get("paddings")), range(rank)
    else:
        given = [values.constant(name) if name else None for name in (*node.inputs[1:], "", "")[:3]]
        if any(v is None for v, name in zip(given, node.inputs[1:]) if name):
            return None
        pads = given[0].reshape(-1).tolist()
        axes = range(rank) if given[2] is None else [a % rank for a in given[2].reshape(-1).tolist()]
        value = float(given[1].reshape(-1)[0]) if given[1] is not None and given[1].size else 0.0
    before, after = [0] * rank, [0] * rank
    for i, axis in enumerate(axes):
        before[axis], after[axis] = pads[i], pads[len(axes) + i]
    if mode == "reflect" and any(max(b, a) >= d for b, a, d in zip(before, after, shape) if b or a):
        return None
    return before, after, mode, value


@kernel("Pad", attributes="mode pads paddings value", reading=BLOCKED)
def pad(group, values):
    node = group.node
    name, found = node.inputs[0], amounts(node, values)
    x, y = values.fact(name), values.fact(node.outputs[0])
    if found is None or x.dtype not in IN_BLOCKS or x.ndim > 6 or 0 in x.shape or 0 in y.shape:
        return ()
    before, after, mode, value = found
    if min(before + after, default=0) < 0 or mode not in PAD_MODES:
        return ()
    if x.dtype != F32:
        if x.ndim not in (3, 4, 5) or any(before[:2] + after[:2]) and (
                mode != "constant" or type(y.shape[1]) is not int) \
                or x.ndim == 5 and before[1] + after[1] and before[2] + after[2]:
            return ()
        return (Candidate(lambda out: emit_bytes(out, node, *amounts(node, out)), ((name, BLOCKED),), BLOCKED),)
    if in_channels(name, values) and not any(before[:2] + after[:1]) \
            and (after[1] == 0 or mode == "constant"):
        return (Candidate(lambda out: emit_blocked(out, node, *amounts(node, out)),
                          ((name, BLOCKED),), BLOCKED),)

    def emit(out):
        source, target = out.plain(name), out.plain(node.outputs[0])
        pad_axes(out, list(source.shape), source.ref(), source.strides, target, target.strides,
                 *amounts(node, out))
    return (Candidate(emit, ((name, PLAIN),)),)


def emit_blocked(out, node, before, after, mode, value) -> None:
    x, y = out.blocked(node.inputs[0]), out.output(node.outputs[0])
    before, after, (n, _, d, h, w) = by_blocks(before), by_blocks(after), ncdhw(x.shape)
    xs, ys = ((v.ns * v.d, v.ns, v.bs, v.rs, BLOCK, 1) for v in (x, y))
    if y.c == x.c:
        return pad_axes(out, [n, d, x.blocks, h, w, BLOCK], x.ref(), xs, y, ys, before, after, mode, value)
    fill(out, [n, y.d, y.blocks, y.h, y.w, BLOCK], y.ref(), ys, value)
    _, before_d, _, top, left, _ = before
    if whole := x.c // BLOCK:
        out.map([n, d, whole, h, w, BLOCK], x.ref(), xs, y.ref(top, left, 0, before_d), ys)
    if lanes := x.c % BLOCK:
        out.map([n, d, 1, h, w, lanes], x.ref(block=whole), xs, y.ref(top, left, whole, before_d), ys)
    return None


def by_blocks(amounts) -> list:
    """Over the axes (n, slice, block, row, pixel, lane)."""
    d, h, w = [0] * (5 - len(amounts)) + list(amounts[2:])
    return [amounts[0], d, 0, h, w, 0]


def emit_bytes(out, node, before, after, mode, value) -> None:
    """Blocks of bytes are moved as words, four a pixel; where channels are added, between lanes."""
    x, y = out.blocked(node.inputs[0]), out.output(node.outputs[0])
    (n, _, d, h, w), first = ncdhw(x.shape), before[1]
    before, after, dims = by_blocks(before), by_blocks(after), [n, d, x.blocks, h, w, 4]
    xs, ys = ([v.ns * v.d // 4, v.ns // 4, v.bs // 4, v.rs // 4, 4, 1] for v in (x, y))
    if mode != "constant":
        return pad_axes(out, dims, x.ref(), xs, y, ys, before, after, mode, value)
    (_, _, _, top, left, _), (_, _, _, bottom, right, _) = before, after
    if any(before[:2] + after[:2]):
        fill_bytes(out, y, y.h, y.w, value)
    else:
        out.step("fill_halo", y.n * y.blocks, dict(
            y=y.ref(top, left), n=y.n, cb=y.blocks, h=x.h, w=x.w, yn=y.ns, yb=y.bs, yr=y.rs, t=top, l=left, b=bottom,
            r=right, size=1, fill=int(value) & 255), beside=True)
    to = y.ref(top, left, 0, before[0] * y.d + before[1])
    if x.c != y.c:
        return add_channels(out, x, y, to, first, value)
    return out.map(dims, x.ref(), xs, to, ys)


def add_channels(out, x, y, to: Ref, first: int, value: float) -> None:
    """The pictures of x with channels of a constant before and behind, at `to` in y: these are read from a row that
    stands for all."""
    memory = out.scratch((x.w * BLOCK,), U8)
    row = Blocked(memory.buffer, 0, (1, BLOCK, 1, x.w), 0, 0, 0, NO_HALO, U8)
    fill_bytes(out, row, 1, x.w, value)
    x = out.in_arena(x)
    sources = [(x, c - first) if first <= c < first + x.c else (row, c % BLOCK) for c in range(y.c)]
    rows, row_tiles = out.tiles.rows(x.h, x.w, x.n * y.blocks, BLOCK)
    out.step("gather_channels_u8", x.n * y.blocks * row_tiles, dict(
        x=Ref(Buffer(0, ARENA), 0), y=to, table=out.addresses(sources), n=x.n, c=y.c, h=x.h, w=x.w, yn=y.ns, yb=y.bs,
        yr=y.rs, row_tiles=row_tiles, rows=rows), reads=[x.buffer, row.buffer])


def fill_bytes(out, y: Blocked, h, w, value: float) -> None:
    """All pixels of blocks."""
    out.step("fill_halo", y.n * y.blocks, dict(
        y=y.ref(), n=y.n, cb=y.blocks, h=0, w=0, yn=y.ns, yb=y.bs, yr=y.rs, t=0, l=0, b=h, r=w, size=1,
        fill=int(value) & 255))


def fill(out, dims, y: Ref, ys, value: float) -> None:
    dims, ys = [1] * (6 - len(dims)) + list(dims), [0] * (6 - len(ys)) + list(ys)
    outer, tiles = out.tiles.outer(dims)
    out.step("fill", tiles, dict(y=y, dims=dims, ys=ys, value=value, outer=outer))


def pad_axes(out, dims, x: Ref, xs, y, ys, before, after, mode, value) -> None:
    """A copy brings the values to their place, then axis after axis is extended from what is there."""
    def at(view, steps):
        return Ref(view.buffer, view.offset + 4 * steps)
    full = [b + d + a for b, d, a in zip(before, dims, after)]
    inside = sum(b * s for b, s in zip(before, ys))
    if mode == "constant":
        fill(out, full, at(y, 0), ys, value)
        return out.map(dims, x, xs, at(y, inside), ys)
    out.map(dims, x, xs, at(y, inside), ys)
    start, size = list(before), list(dims)
    for axis in reversed(range(len(dims))):
        b, d, a = before[axis], dims[axis], after[axis]
        jobs = []
        mirrored = mode == "reflect"            # reflect walks backwards, edge stays
        for count, first, source in ((b, 0, 2 * b if mirrored else b), (a, b + d, b + d - 1 - mirrored)):
            if count:
                step = -ys[axis] if mirrored else 0
                where = [0 if i == axis else s for i, s in enumerate(start)]
                base = sum(w * s for w, s in zip(where, ys))
                part = [count if i == axis else n for i, n in enumerate(size)]
                steps = [step if i == axis else s for i, s in enumerate(ys)]
                jobs.append((part, at(y, base + source * ys[axis]), steps, at(y, base + first * ys[axis])))
        for i, (part, source, steps, target) in enumerate(jobs):
            out.map(part, source, steps, target, ys, beside=i < len(jobs) - 1)
        start[axis], size[axis] = 0, full[axis]
    return None

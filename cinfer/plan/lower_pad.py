"""Pad -> copies and fills. What a convolution can take into its window never comes here (passes/fuse_pad)."""
from __future__ import annotations

from .lower_shape import blocked_input
from .planner import Planner, Rule
from .steps import F32, Declined
from .views import BLOCK, Ref

PAD_MODES = ("constant", "reflect", "edge")


def pad_amounts(p: Planner, node):
    """(before, after, mode, value) of a Pad, before and after by axis; None when only the run knows them, or
    they reflect more than there is."""
    shape, get = p.spec(node.inputs[0]).shape, node.attributes.get
    rank = len(shape)
    mode, value = get("mode", "constant"), get("value", 0.0)
    if "pads" in node.attributes or "paddings" in node.attributes:
        pads, axes = get("pads", get("paddings")), range(rank)
    else:
        values = [p.constant(name) if name else None for name in (*node.inputs[1:], "", "")[:3]]
        if any(v is None for v, name in zip(values, node.inputs[1:]) if name):
            return None
        pads = values[0].tolist()
        axes = range(rank) if values[2] is None else [a % rank for a in values[2].tolist()]
        value = float(values[1].reshape(-1)[0]) if values[1] is not None and values[1].size else 0.0
    before, after = [0] * rank, [0] * rank
    for i, axis in enumerate(axes):
        before[axis], after[axis] = pads[i], pads[len(axes) + i]
    if mode == "reflect" and any(max(b, a) >= d for b, a, d in zip(before, after, shape) if b or a):
        return None
    return before, after, mode, value


def pad_blocked(p: Planner, node) -> bool:
    found = pad_amounts(p, node)
    if found is None or not blocked_input(p, node) or 0 in p.spec(node.inputs[0]).shape:
        return False
    before, after, mode, _ = found
    return (min(before + after) >= 0 and not any(before[:2] + after[:1]) and mode in PAD_MODES
            and (after[1] == 0 or mode == "constant"))


def lower_pad(p: Planner, node) -> None:
    found = pad_amounts(p, node)
    x_spec, out = p.spec(node.inputs[0]), node.outputs[0]
    if found is None or x_spec.dtype != F32 or x_spec.ndim > 6 or 0 in x_spec.shape or 0 in p.spec(out).shape:
        raise Declined
    before, after, mode, value = found
    if min(before + after) < 0 or mode not in PAD_MODES:
        raise Declined
    if not p.is_blocked[out]:
        x, y = p.plain(node.inputs[0]), p.new_plain(out)
        return pad_axes(p, list(x.shape), x.ref(), x.strides, y, y.strides, before, after, mode, value)
    x, y = p.blocked(node.inputs[0]), p.new_blocked(out)
    before, after = ([b[0], 0, *([0] if len(b) == 3 else []), *b[2:], 0] for b in (before, after))
    xs, ys = (x.ns, x.bs, x.rs, BLOCK, 1), (y.ns, y.bs, y.rs, BLOCK, 1)
    if y.c == x.c:
        return pad_axes(p, [x.n, x.blocks, x.h, x.w, BLOCK], x.ref(), xs, y, ys, before, after, mode, value)
    fill(p, [y.n, y.blocks, y.h, y.w, BLOCK], y.ref(), ys, value)
    inside = y.ref(before[2], before[3])
    if whole := x.c // BLOCK:
        p.map([x.n, whole, x.h, x.w, BLOCK], x.ref(), xs, inside, ys)
    if lanes := x.c % BLOCK:
        p.map([x.n, 1, x.h, x.w, lanes], x.ref(block=whole), xs, y.ref(before[2], before[3], whole), ys)


def fill(p: Planner, dims, y: Ref, ys, value: float) -> None:
    dims, ys = [1] * (6 - len(dims)) + list(dims), [0] * (6 - len(ys)) + list(ys)
    outer, tiles = p.outer_split(dims)
    p.emit("fill", tiles, y=y, dims=dims, ys=ys, value=value, outer=outer)


def pad_axes(p: Planner, dims, x: Ref, xs, y, ys, before, after, mode, value) -> None:
    """A copy brings the values to their place, then axis after axis is extended from what is there."""
    def at(view, steps):
        return Ref(view.buffer, view.offset + 4 * steps)
    full = [b + d + a for b, d, a in zip(before, dims, after)]
    inside = sum(b * s for b, s in zip(before, ys))
    if mode == "constant":
        fill(p, full, at(y, 0), ys, value)
        return p.map(dims, x, xs, at(y, inside), ys)
    p.map(dims, x, xs, at(y, inside), ys)
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
            p.map(part, source, steps, target, ys, beside=i < len(jobs) - 1)
        start[axis], size[axis] = 0, full[axis]


RULES = {"Pad": Rule(lower_pad, pad_blocked)}

"""Resize and Upsample: pictures by one tap or two along each axis -> `resize`, blocked in and out, those of bytes ->
`resize_u8`; all else one axis after the other -> `resample`, in blocks or plain."""
from __future__ import annotations

from functools import partial
from math import isfinite, prod

import numpy as np

from ...ops import resize as meaning
from ...ops.families import OWN_DOMAIN
from ...ops.symbols import Symbol, Undecided
from ..candidate import BLOCKED, CONTIGUOUS, FOLLOWS, Candidate, kernel
from ..placement import allocate_blocked
from ..views import BLOCK, F32, IN_BLOCKS, NO_HALO, U8, Ref
from .conv_few import wanted_plain
from .movement import in_channels
from .pad import fill
from .shape import renamed

MODES = {"linear": "linear", "bilinear": "linear", "nearest": "nearest", "cubic": "cubic"}
CROP = "tf_crop_and_resize"
FEW = 8                         # channels that are better left in planes


@kernel("Resize", "Upsample", reading=FOLLOWS,
        attributes="antialias axes coordinate_transformation_mode cubic_coeff_a exclude_outside "
                   "extrapolation_value keep_aspect_ratio_policy mode nearest_mode scales height_scale "
                   "width_scale")
def resize(group, values):
    node, get = group.node, group.node.attributes.get
    name, output = node.inputs[0], node.outputs[0]
    x, y = values.fact(name), values.fact(output)
    if x.dtype not in IN_BLOCKS or prod(x.shape) == 0 or prod(y.shape) == 0 \
            or not isfinite(get("extrapolation_value", 0.0)):
        return ()
    axes = axes_of(node, values)
    if axes is None:
        return ()
    if not axes:
        return renamed(node, values)
    if x.dtype != F32:
        return of_bytes(node, axes, values) if x.dtype == U8 or get("mode", "nearest") == "nearest" else ()
    if axes[0] < 2 or has_outside(node) or not pays_in_blocks(node, values, axes[-1]):
        return (Candidate(partial(emit_plain, node, order_of(axes, x, y)), ((name, CONTIGUOUS),)),)
    small = x.ndim == 4 and MODES[get("mode", "nearest")] != "cubic" and not get("antialias", 0)
    emit = partial(emit_picture, node, axes) if small else partial(emit_blocked, node, order_of(axes, x, y))
    return (Candidate(emit, ((name, BLOCKED),), BLOCKED),)


@kernel("QLinearResize", domain=OWN_DOMAIN, reading=BLOCKED,
        attributes="axes coordinate_transformation_mode keep_aspect_ratio_policy mode")
def resize_quantized(group, values):
    node = group.node
    x, y = values.fact(node.inputs[0]), values.fact(node.outputs[0])
    if x.dtype != U8 or prod(x.shape) == 0 or prod(y.shape) == 0 \
            or any(values.constant(name) is None for name in node.inputs[4:]):
        return ()
    axes = axes_of(node, values)
    return of_bytes(node, axes, values) if axes is not None else ()


def of_bytes(node, axes, values) -> tuple[Candidate, ...]:
    """Pictures, in blocks, by one tap or two along each axis; volumes slice by slice, each of one."""
    get, rank = node.attributes.get, values.fact(node.inputs[0]).ndim
    mode, along_slices = MODES[get("mode", "nearest")], rank == 5 and 2 in axes
    if rank not in (3, 4, 5) or min(axes, default=2) < 2 or has_outside(node) or mode == "cubic" \
            or get("antialias", 0) or along_slices and mode != "nearest":
        return ()
    emit = emit_slices if along_slices else emit_picture
    return (Candidate(partial(emit, node, axes), ((node.inputs[0], BLOCKED),), BLOCKED),)


def axes_of(node, values) -> list[int] | None:
    """Which axes change; None where that cannot be said."""
    x, y = values.fact(node.inputs[0]), values.fact(node.outputs[0])
    factors, rois = found = factors_of(node, values), rois_of(node, values)
    if None in found:
        return None
    return [axis for axis in range(x.ndim)
            if x.shape[axis] != y.shape[axis] or factors[axis] != 1 or rois[axis] != (0.0, 1.0)]


def pays_in_blocks(node, values, axis: int) -> bool:
    """Whether to compute in blocks: what is to be converted is the smaller of input and output.

    axis : the last of those that change
    """
    name, output = node.inputs[0], node.outputs[0]
    x, y = values.fact(name), values.fact(output)
    is_blocked, wanted = in_channels(name, values), not wanted_plain(values, output)
    if x.ndim not in (3, 4, 5) or not is_blocked and x.shape[1] < FEW:
        return False
    return is_blocked if is_blocked == wanted else wanted == (x.shape[axis] < y.shape[axis])


def order_of(axes, x, y) -> list[int]:
    """First those that shrink, which leave less for the others; of those that grow the innermost first, which
    the outer ones need not do again."""
    grow = [axis for axis in axes if x.shape[axis] < y.shape[axis]]
    return [axis for axis in axes if axis not in grow] + grow[::-1]


# ---- what a Resize is told

def is_old(node) -> bool:
    """Whether it has scales only, for each axis, and coordinates that need no saying."""
    return node.op_type == "Upsample" or not node.domain and node.opset < 11


def has_outside(node) -> bool:
    """Whether some of the output may lie beyond the input: no tap has a weight there."""
    get = node.attributes.get
    return not is_old(node) and (get("coordinate_transformation_mode") == CROP
                                 or get("exclude_outside", 0) != 0)


def factors_of(node, values) -> list | None:
    """The scale of each axis; 1 where that is an expression of sizes."""
    get, shape = node.attributes.get, values.shape(node.inputs[0])
    if not is_old(node):
        known = [values.constant(name) if name else None for name in (*node.inputs[2:], "", "")[:2]]
        scales, sizes = (None if v is None or not v.size else v.tolist() for v in known)
        if scales is None and sizes is None:
            return None
        return meaning.resize_sizes(shape, scales, sizes, get("axes"),
                                    get("keep_aspect_ratio_policy", "stretch"))[1]
    if "height_scale" in node.attributes:
        return [1.0] * (len(shape) - 2) + [get("height_scale"), get("width_scale")]
    given = values.constant(node.inputs[1]) if len(node.inputs) > 1 else get("scales")
    return None if given is None else [float(v) for v in given]


def rois_of(node, values) -> list[tuple[float, float]] | None:
    """From where to where each axis is cut out."""
    get, rank = node.attributes.get, values.fact(node.inputs[0]).ndim
    rois = [(0.0, 1.0)] * rank
    if not is_old(node) and get("coordinate_transformation_mode") == CROP:
        axes = [axis % rank for axis in get("axes") or range(rank)]
        given = values.constant(node.inputs[1]) if node.inputs[1] else None
        if given is None or given.size != 2 * len(axes) or not np.isfinite(given).all():
            return None
        for axis, *ends in zip(axes, *given.astype(float).reshape(2, -1).tolist()):
            rois[axis] = tuple(ends)
    return rois


def taps_of(node, values, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """(index, weights) along an axis, each (size of the output, taps)."""
    get, scale = node.attributes.get, factors_of(node, values)[axis]
    size, wanted = (values.shape(name)[axis] for name in (node.inputs[0], node.outputs[0]))
    if Symbol in (type(size), type(wanted)):
        raise Undecided
    mode = MODES[get("mode", "nearest")]
    if is_old(node):                                # where a Resize shrinks, the nearest is the pixel behind
        behind = node.op_type == "Resize" and scale < 1
        return meaning.resize_axis(size, wanted, scale, mode=mode,
                                   coordinate_transformation_mode="asymmetric",
                                   nearest_mode="ceil" if behind else "floor")
    known = {name: get(name) for name in ("nearest_mode", "coordinate_transformation_mode", "cubic_coeff_a",
                                          "exclude_outside", "antialias") if name in node.attributes}
    return meaning.resize_axis(size, wanted, scale, mode=mode, roi=rois_of(node, values)[axis], **known)


# ---- one axis after the other

def table_of_axis(node, axis: int, values) -> np.ndarray:
    """As resample.h has it: taps, indices, weights."""
    index, weights = taps_of(node, values, axis)
    return np.concatenate((np.array([index.shape[1]], np.int32), index.astype(np.int32).reshape(-1),
                           weights.astype(np.float32).view(np.int32).reshape(-1)))


def resample(out, node, axis: int, dims, x: Ref, xs, y: Ref, ys, size, wanted, xa, ya, inner,
             lanes=0) -> None:
    """dims : three sizes of what is outside the axis; xs, ys : steps over them"""
    if lanes:
        outer, tiles = out.tiles.sums(-(-dims[2] // BLOCK), BLOCK * 2 * (size + wanted))
    else:
        outer, tiles = out.tiles.sums(prod(dims) * wanted, 2 * inner)
    out.step("resample", tiles, dict(
        x=x, y=y, table=out.table_of(partial(table_of_axis, node, axis)), dims=dims, xs=xs, ys=ys, size=size,
        wanted=wanted, xa=xa, ya=ya, inner=inner, lanes=lanes, outer=outer))


def emit_plain(node, order, out) -> None:
    x, last = out.contiguous(node.inputs[0]), out.plain(node.outputs[0])
    for axis in order:
        shape = [*x.shape[:axis], last.shape[axis], *x.shape[axis + 1:]]
        y = last if axis == order[-1] else out.scratch(shape)
        outer, inner, size, wanted = prod(shape[:axis]), prod(shape[axis + 1:]), x.shape[axis], shape[axis]
        resample(out, node, axis, [1, 1, outer], x.ref(), [0, 0, size * inner], y.ref(),
                 [0, 0, wanted * inner], size, wanted, inner, inner, inner, int(axis == len(shape) - 1))
        x = y
    if has_outside(node):
        for axis in order:
            outer, inner, wanted = prod(x.shape[:axis]), prod(x.shape[axis + 1:]), x.shape[axis]
            for first, end in runs(~taps_of(node, out, axis)[1].any(1)):
                fill(out, [outer, (end - first) * inner], x.ref(first * inner), [wanted * inner, 1],
                     node.attributes.get("extrapolation_value", 0.0))


def runs(mask: np.ndarray) -> list[tuple[int, int]]:
    """(first, end) of each run of True."""
    borders = np.flatnonzero(np.diff(mask, prepend=False, append=False)).tolist()
    return list(zip(borders[::2], borders[1::2]))


def emit_blocked(node, order, out) -> None:
    x, last = out.blocked(node.inputs[0]), out.output(node.outputs[0])
    for axis in order:
        shape = (*x.shape[:axis], last.shape[axis], *x.shape[axis + 1:])
        y = last if axis == order[-1] else allocate_blocked(shape, NO_HALO)
        size, wanted = x.shape[axis], shape[axis]
        if axis == len(shape) - 1:
            how = [x.n, x.blocks, x.h], [x.ns, x.bs, x.rs], [y.ns, y.bs, y.rs], BLOCK, BLOCK, BLOCK
        elif axis == len(shape) - 2:
            how = [1, x.n, x.blocks], [0, x.ns, x.bs], [0, y.ns, y.bs], x.rs, y.rs, x.w * BLOCK
        else:
            how = ([x.shape[0], x.blocks, x.h], [x.ns * x.d, x.bs, x.rs], [y.ns * y.d, y.bs, y.rs],
                   x.ns, y.ns, x.w * BLOCK)
        dims, xs, ys, xa, ya, inner = how
        resample(out, node, axis, dims, x.ref(), xs, y.ref(), ys, size, wanted, xa, ya, inner)
        x = y


# ---- both axes of a picture at once

def tables(node, axes, values, h, w, oh, ow) -> np.ndarray:
    """For each axis first taps, last taps, weights of the last; axes : those that do not stay as they are"""
    found, rank = [], len(values.shape(node.inputs[0]))
    for axis, wanted in ((rank - 2 if rank > 3 else None, oh), (rank - 1, ow)):
        index, weights = taps_of(node, values, axis) if axis in axes else 2 * [np.arange(wanted)[:, None]]
        table = np.zeros((3, len(index)), np.int32)
        table[0], table[1] = index[:, 0], index[:, -1]
        if weights.shape[1] > 1:
            table[2].view(np.float32)[...] = weights[:, -1]
        found.append(table.reshape(-1))
    return np.concatenate(found)


def emit_slices(node, axes, out) -> None:
    """Each slice of the output, of all volumes, from the nearest one."""
    x, y = out.blocked(node.inputs[0]), out.output(node.outputs[0])
    nearest = taps_of(node, out, 2)[0][:, 0].tolist()
    for i, source in enumerate(nearest):
        emit_picture(node, axes, out, dict(x=x.ref(picture=source), y=y.ref(picture=i), xn=x.ns * x.d, yn=y.ns * y.d,
                                           n=x.shape[0]), i < len(nearest) - 1)


def emit_picture(node, axes, out, part=None, beside: bool = False) -> None:
    """part : which pictures, if not all"""
    x, y = out.blocked(node.inputs[0]), out.output(node.outputs[0])
    part = dict(x=x.ref(), y=y.ref(), xn=x.ns, yn=y.ns, n=y.n) if part is None else part
    mode = MODES[node.attributes.get("mode", "nearest")]
    at, params = out.table_of(partial(tables, node, axes), x.h, x.w, y.h, y.w).buffer, {}
    for axis, wanted, first in (("y", y.h, 0), ("x", y.w, 12 * y.h)):
        params |= {f"i{axis}0": Ref(at, first), f"i{axis}1": Ref(at, first + 4 * wanted),
                   f"w{axis}": Ref(at, first + 8 * wanted)}
    pictures = part["n"] * y.blocks
    rows, row_tiles = out.tiles.rows(y.h, y.w, pictures, BLOCK)
    kernel = "resize"
    if y.dtype != F32:
        kernel = "resize_u8"
        params |= dict(iw=x.w, **scales(out, node))
    out.step(kernel, pictures * row_tiles, dict(
        part, cb=y.blocks, oh=y.h, ow=y.w, xb=x.bs, xr=x.rs, yb=y.bs, yr=y.rs, linear=int(mode == "linear"),
        row_tiles=row_tiles, rows=rows, **params), beside=beside)


def scales(out, node) -> dict:
    if not node.domain:         # bytes that are numbers themselves
        return dict(ratio=1.0, xz=0, zy=0, lo=0, hi=255)
    x_scale, x_zero, y_scale, y_zero = (out.constant(name).item() for name in node.inputs[4:])
    return dict(ratio=x_scale / y_scale, xz=x_zero, zy=y_zero, lo=0, hi=255)

"""Pools of pictures -> `pool` and `global_pool`, blocked in and out; LRN -> `lrn`."""
from __future__ import annotations

from math import prod

from ..candidate import BLOCKED, CONTIGUOUS, SLOPE, UNARY, Candidate, kernel
from ..tiles import MOST_MOVED
from ..views import BLOCK, F32, U8
from .window import GEOMETRY, is_picture, lie_apart, window

MAX, MEAN_OF_PRESENT, MEAN_OF_ALL = 0, 1, 2         # modes of `pool`
MOST_SLICES = 256               # of a window: their averages are added one after another
GLOBAL_MAX, GLOBAL_MEAN = 0, 1                      # modes of `global_pool`


@kernel("MaxPool", attributes=GEOMETRY + "ceil_mode storage_order", reading=BLOCKED, takes=(UNARY, SLOPE))
def max_pool(group, values):
    if values.fact(group.node.inputs[0]).dtype == U8:
        from . import pooling_u8                    # not before a model needs it
        return pooling_u8.max_pool(group, values)
    return () if group.epilogue.nodes else pool(group, values)


@kernel("AveragePool", attributes=GEOMETRY + "ceil_mode count_include_pad", reading=BLOCKED)
def pool(group, values):
    node, get = group.node, group.node.attributes.get
    if not is_picture(node, values, 3) or any(node.outputs[1:]) or lie_apart(node, get("kernel_shape")):
        return ()
    win = window(node, values, get("kernel_shape"))
    if win.depth and win.depth.kernel > MOST_SLICES:
        return ()
    average = node.op_type == "AveragePool"
    if win.covers_all():
        return global_pool(node, GLOBAL_MEAN if average else GLOBAL_MAX)
    mode = MAX if not average else MEAN_OF_ALL if get("count_include_pad", 0) else MEAN_OF_PRESENT

    def emit(out):
        x, y = out.blocked(node.inputs[0]), out.output(node.outputs[0])
        win = window(node, out, get("kernel_shape"))
        rows, row_tiles = out.tiles.rows(y.h, y.w, y.n * y.blocks, BLOCK * win.kernel[0])
        (kh, kw), (sh, sw), (dh, dw), (pt, pl, pb, pr) = win.kernel, win.strides, win.dilations, win.pads
        depth = win.depth.params() | dict(pe=win.depth.back) if win.depth else {}
        tiles = y.n * y.blocks * row_tiles
        out.step("pool", tiles, dict(
            x=x.ref(), y=y.ref(), n=y.n, cb=y.blocks, ih=x.h, iw=x.w, oh=y.h, ow=y.w, kh=kh, kw=kw, sh=sh,
            sw=sw, dh=dh, dw=dw, pt=pt, pl=pl, pb=pb, pr=pr, xn=x.ns, xb=x.bs, xr=x.rs, yn=y.ns, yb=y.bs,
            yr=y.rs, mode=mode, row_tiles=row_tiles, rows=rows, channels=y.c,
            **out.ranged(node.outputs[0], tiles), **depth))
    return (Candidate(emit, ((node.inputs[0], BLOCKED),), BLOCKED),)


@kernel("GlobalAveragePool", "GlobalMaxPool", reading=BLOCKED)
def pool_all(group, values):
    node = group.node
    if not is_picture(node, values, 3):
        return ()
    return global_pool(node, GLOBAL_MEAN if node.op_type == "GlobalAveragePool" else GLOBAL_MAX)


def global_pool(node, mode: int) -> tuple[Candidate]:
    """One number for each picture and channel of the node's input."""
    def emit(out):
        x, y = out.blocked(node.inputs[0]), out.output(node.outputs[0])
        out.step("global_pool", y.n * x.blocks, dict(
            x=x.ref(), y=y.ref(), n=y.n, cb=x.blocks, h=x.h, w=x.w, d=x.d, xn=x.ns * x.d, xd=x.ns, xb=x.bs,
            xr=x.rs, yn=y.ns, yb=y.bs, mode=mode))
    return (Candidate(emit, ((node.inputs[0], BLOCKED),), BLOCKED),)


@kernel("LRN", attributes="alpha beta bias size")
def lrn(group, values):
    node, get = group.node, group.node.attributes.get
    x = values.fact(node.inputs[0])
    if x.dtype != F32 or x.ndim < 2 or prod(x.shape) == 0:
        return ()

    def emit(out):
        source, y = out.contiguous(node.inputs[0]), out.plain(node.outputs[0])
        (n, c), hw = source.shape[:2], prod(source.shape[2:])
        chunk = max(BLOCK, -(-hw // out.tiles.enough(c * hw, MOST_MOVED)))
        out.step("lrn", n * -(-hw // chunk), dict(
            x=source.ref(), y=y.ref(), n=n, c=c, hw=hw, size=get("size"), alpha=get("alpha", 1e-4),
            beta=get("beta", 0.75), bias=get("bias", 1.0), chunk=chunk))
    return (Candidate(emit, ((node.inputs[0], CONTIGUOUS),)),)

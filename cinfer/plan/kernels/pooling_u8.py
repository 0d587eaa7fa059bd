"""Pools of pictures of bytes, blocked in and out -> `max_pool_u8`, `average_pool_u8`, `global_pool_u8`."""
from __future__ import annotations

from math import prod

from ...ops.families import MICROSOFT
from ..candidate import BLOCKED, SLOPE, UNARY, Candidate, kernel
from ..views import BLOCK, U8
from .quantized import is_scale, table_ref
from .window import GEOMETRY, lie_apart, window

OF_PRESENT, OF_ALL = 1, 2               # modes of `average_pool_u8`
MOST_PIXELS = 1 << 23                   # of an average, which int32 holds


def is_picture_of_bytes(node, values) -> bool:
    x, y = values.fact(node.inputs[0]), values.fact(node.outputs[0])
    return x.dtype == y.dtype == U8 and x.ndim in (3, 4, 5) and 0 not in x.shape and 0 not in y.shape


def takes_table(group) -> bool:
    return group.epilogue.unary.op in ("none", "table")


def max_pool(group, values) -> tuple[Candidate, ...]:
    """MaxPool of bytes; see pooling.py, which enters it."""
    node = group.node
    if not is_picture_of_bytes(node, values) or any(node.outputs[1:]) or not takes_table(group) \
            or lie_apart(node, node.attributes["kernel_shape"]):
        return ()
    return (Candidate(lambda out: emit_pool(out, group, "max_pool_u8", 0, {}), ((node.inputs[0], BLOCKED),), BLOCKED),)


@kernel("QLinearAveragePool", attributes=GEOMETRY + "ceil_mode count_include_pad", domain=MICROSOFT, reading=BLOCKED,
        takes=(UNARY, SLOPE))
def average_pool(group, values):
    node, get = group.node, group.node.attributes.get
    kernel_shape = get("kernel_shape")
    if not is_picture_of_bytes(node, values) or lie_apart(node, kernel_shape):
        return ()
    if window(node, values, kernel_shape).covers_all():
        return pool_all(group, values)
    if not takes_table(group) or not has_scales(node, values) or prod(kernel_shape) > MOST_PIXELS:
        return ()
    mode = OF_ALL if get("count_include_pad", 0) else OF_PRESENT
    return (Candidate(lambda out: emit_pool(out, group, "average_pool_u8", mode, scales(out, node)),
                      ((node.inputs[0], BLOCKED),), BLOCKED),)


@kernel("QLinearGlobalAveragePool", domain=MICROSOFT, reading=BLOCKED, takes=(UNARY, SLOPE))
def pool_all(group, values):
    node = group.node
    if not is_picture_of_bytes(node, values) or not takes_table(group) or not has_scales(node, values) \
            or not prod(values.shape(node.inputs[0])[2:]) < MOST_PIXELS:
        return ()

    def emit(out):
        x, y = out.blocked(node.inputs[0]), out.output(group.output)
        out.step("global_pool_u8", y.n * x.blocks, dict(
            x=x.ref(), y=y.ref(), n=y.n, cb=x.blocks, h=x.h, w=x.w, d=x.d, xn=x.ns * x.d, xd=x.ns, xb=x.bs, xr=x.rs,
            yn=y.ns, yb=y.bs, mode=1, table=table_ref(out, group.epilogue.unary.slope), **scales(out, node)))
    return (Candidate(emit, ((node.inputs[0], BLOCKED),), BLOCKED),)


def has_scales(node, values) -> bool:
    """Whether scales and zero points of input and output are constants, and such as kernels take."""
    given = [values.constant(name) for name in node.inputs[1:]]
    return len(given) == 4 and all(each is not None for each in given) and all(map(is_scale, given[::2]))


def scales(out, node) -> dict:
    x_scale, x_zero, y_scale, y_zero = (out.constant(name).item() for name in node.inputs[1:])
    return dict(ratio=x_scale / y_scale, xz=x_zero, zy=y_zero, lo=0, hi=255)


def emit_pool(out, group, kernel: str, mode: int, params: dict) -> None:
    node = group.node
    x, y = out.blocked(node.inputs[0]), out.output(group.output)
    win = window(node, out, node.attributes["kernel_shape"])
    rows, row_tiles = out.tiles.rows(y.h, y.w, y.n * y.blocks, BLOCK * win.kernel[0])
    (kh, kw), (sh, sw), (dh, dw), (pt, pl, pb, pr) = win.kernel, win.strides, win.dilations, win.pads
    depth = win.depth.params() | dict(pe=win.depth.back) if win.depth else {}
    out.step(kernel, y.n * y.blocks * row_tiles, dict(
        x=x.ref(), y=y.ref(), n=y.n, cb=y.blocks, ih=x.h, iw=x.w, oh=y.h, ow=y.w, kh=kh, kw=kw, sh=sh, sw=sw, dh=dh,
        dw=dw, pt=pt, pl=pl, pb=pb, pr=pr, xn=x.ns, xb=x.bs, xr=x.rs, yn=y.ns, yb=y.bs, yr=y.rs, mode=mode,
        table=table_ref(out, group.epilogue.unary.slope), row_tiles=row_tiles, rows=rows, **depth,
        **params))

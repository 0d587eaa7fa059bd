"""Pools, resizing and normalisations of pictures, blocked in and out."""
from __future__ import annotations

from math import prod

import numpy as np

from .epilogue import activation_params, epilogue
from .planner import Planner, Rule
from .steps import F32, Declined
from .views import BLOCK
from .window import Window, spatial, window


def pool_window(p: Planner, node) -> Window:
    return window(node, p.spec(node.inputs[0]).shape, node.attributes["kernel_shape"])


def can_pool(p: Planner, node) -> bool:
    return spatial(p, node) and not any(node.outputs[1:])


def covers_all(p: Planner, node) -> bool:
    """Whether an average is taken of the whole picture."""
    win = pool_window(p, node)
    return win.kernel == win.picture and win.count == win.dilations == (1, 1) and not any(win.pads)


def lower_pool(p: Planner, node) -> None:
    if not can_pool(p, node):
        raise Declined
    average = node.op_type == "AveragePool"
    if covers_all(p, node):
        return global_pool(p, node, int(average))
    win = pool_window(p, node)
    x, y = p.blocked(node.inputs[0]), p.new_blocked(node.outputs[0])
    mode = 0 if not average else 2 if node.attributes.get("count_include_pad", 0) else 1
    rows, row_tiles = p.row_split(y.h, y.w, y.n * y.blocks, BLOCK * win.kernel[0])
    (kh, kw), (sh, sw), (dh, dw), (pt, pl, pb, pr) = win.kernel, win.strides, win.dilations, win.pads
    p.emit("pool", y.n * y.blocks * row_tiles, x=x.ref(), y=y.ref(), n=y.n, cb=y.blocks, ih=x.h, iw=x.w,
           oh=y.h, ow=y.w, kh=kh, kw=kw, sh=sh, sw=sw, dh=dh, dw=dw, pt=pt, pl=pl, pb=pb, pr=pr, xn=x.ns,
           xb=x.bs, xr=x.rs, yn=y.ns, yb=y.bs, yr=y.rs, mode=mode, row_tiles=row_tiles, rows=rows)


def global_pool(p: Planner, node, mode: int) -> None:
    x, y = p.blocked(node.inputs[0]), p.new_blocked(node.outputs[0])
    p.emit("global_pool", x.n * x.blocks, x=x.ref(), y=y.ref(), n=x.n, cb=x.blocks, h=x.h, w=x.w, xn=x.ns,
           xb=x.bs, xr=x.rs, yn=y.ns, yb=y.bs, mode=mode)


def lower_global_pool(p: Planner, node) -> None:
    if not spatial(p, node):
        raise Declined
    global_pool(p, node, int(node.op_type == "GlobalAveragePool"))


def resize_tables(p: Planner, node):
    """(index, weights) along y and x of a Resize or Upsample of pictures by one tap or two, else None."""
    return p.once(("resize", id(node)), lambda: _resize_tables(p, node))


def _resize_tables(p, node):
    from ..ops import resize
    get, x, y = node.attributes.get, p.spec(node.inputs[0]), p.spec(node.outputs[0])
    if x.ndim != 4 or x.dtype != F32 or 0 in x.shape or 0 in y.shape or x.shape[:2] != y.shape[:2]:
        return None
    mode = {"linear": "linear", "bilinear": "linear", "nearest": "nearest"}.get(get("mode", "nearest"))
    coordinates = get("coordinate_transformation_mode", "half_pixel")
    if mode is None or get("antialias", 0) or coordinates == "tf_crop_and_resize":
        return None
    nearest = get("nearest_mode", "round_prefer_floor")
    if node.op_type == "Upsample" or node.opset < 11:
        coordinates, nearest = "asymmetric", "floor"
        scales = [float(v) for v in (p.constant(node.inputs[1]) if len(node.inputs) > 1 else get("scales"))]
        if node.op_type == "Resize" and any(s < 1 for s in scales) and mode == "nearest":
            return None
    else:
        values = [p.constant(name) if name else None for name in (*node.inputs[2:], "", "")[:2]]
        scales, sizes = (None if v is None or not v.size else v.tolist() for v in values)
        _, scales = resize.resize_sizes(x.shape, scales, sizes, get("axes"),
                                        get("keep_aspect_ratio_policy", "stretch"))
    how = dict(mode=mode, coordinate_transformation_mode=coordinates, nearest_mode=nearest)
    return [resize.resize_axis(x.shape[a], y.shape[a], scales[a], **how) for a in (2, 3)]


def lower_resize(p: Planner, node) -> None:
    tables = resize_tables(p, node)
    if tables is None:
        raise Declined
    x, y = p.blocked(node.inputs[0]), p.new_blocked(node.outputs[0])
    params, linear = {}, int(tables[0][0].shape[1] > 1)
    for axis, (index, weights) in zip("yx", tables):
        if index.shape[1] > 2:                  # the taps of one output are two; others weigh nothing
            raise Declined
        second = weights[:, -1] if linear else 0 * weights[:, 0]
        for name, values, dtype in (("i{}0", index[:, 0], np.int32), ("i{}1", index[:, -1], np.int32),
                                    ("w{}", second, np.float32)):
            params[name.format(axis)] = p.array(np.ascontiguousarray(values, dtype)).ref()
    rows, row_tiles = p.row_split(y.h, y.w, y.n * y.blocks, BLOCK)
    p.emit("resize", y.n * y.blocks * row_tiles, x=x.ref(), y=y.ref(), n=y.n, cb=y.blocks, oh=y.h, ow=y.w,
           xn=x.ns, xb=x.bs, xr=x.rs, yn=y.ns, yb=y.bs, yr=y.rs, linear=linear, row_tiles=row_tiles,
           rows=rows, **params)


def can_instance_norm(p: Planner, node) -> bool:
    return spatial(p, node) and all(p.constant(n) is not None for n in node.inputs[1:3])


def lower_instance_norm(p: Planner, node) -> None:
    if not can_instance_norm(p, node):
        raise Declined
    x = p.blocked(node.inputs[0])
    scale, bias = (p.channel_vector(p.constant(n)) for n in node.inputs[1:3])
    e = epilogue(p, node.outputs[0], slope=False)
    y = p.new_blocked(e.name)
    p.emit("instance_norm", x.n * x.blocks, x=x.ref(), scale=scale, bias=bias, y=y.ref(), n=x.n, cb=x.blocks,
           h=x.h, w=x.w, xn=x.ns, xb=x.bs, xr=x.rs, yn=y.ns, yb=y.bs, yr=y.rs,
           eps=node.attributes.get("epsilon", 1e-5), **activation_params(p, e))


def lower_lrn(p: Planner, node) -> None:
    x, get = p.spec(node.inputs[0]), node.attributes.get
    if x.dtype != F32 or x.ndim < 2 or prod(x.shape) == 0:
        raise Declined
    source = p.plain(node.inputs[0], contiguous=True)
    y = p.new_plain(node.outputs[0])
    n, c, hw = x.shape[0], x.shape[1], prod(x.shape[2:])
    chunk = max(16, -(-hw // p.tiles_wanted()))
    p.emit("lrn", n * -(-hw // chunk), x=source.ref(), y=y.ref(), n=n, c=c, hw=hw,
           size=node.attributes["size"], alpha=get("alpha", 1e-4), beta=get("beta", 0.75),
           bias=get("bias", 1.0), chunk=chunk)


RULES = {
    "MaxPool": Rule(lower_pool, can_pool), "AveragePool": Rule(lower_pool, can_pool),
    "GlobalAveragePool": Rule(lower_global_pool, spatial), "GlobalMaxPool": Rule(lower_global_pool, spatial),
    "Resize": Rule(lower_resize, lambda p, node: resize_tables(p, node) is not None),
    "Upsample": Rule(lower_resize, lambda p, node: resize_tables(p, node) is not None),
    "InstanceNormalization": Rule(lower_instance_norm, can_instance_norm),
    "LRN": Rule(lower_lrn),
}

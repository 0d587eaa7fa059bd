"""What other families do in float32 alone, in float64: products and Conv -> `product64`, pools -> `pool64`, functions
of one number -> `map64`. Asked where they have no candidate (placement.py)."""
from __future__ import annotations

from math import prod

import numpy as np

from ..candidate import CONTIGUOUS, PLAIN, Candidate, knows
from ..store import constant
from ..views import F64, broadcast_strides, row_major
from .matmul import tiles_of, two_batch_axes, two_batch_sizes
from .window import GEOMETRY, lie_apart, window

LANES = 16                      # of double.h at most
LARGEST, MEAN_OF_PRESENT, MEAN_OF_ALL = 0, 1, 2     # modes of `pool64`
RULES: dict = {}                                    # operator -> (function (node, values) -> candidates, attributes)


def candidates(node, values) -> tuple[Candidate, ...]:
    """For a node that gives float64."""
    inputs = [values.fact(name) for name in node.inputs if name]
    if node.domain or any(node.outputs[1:]) or any(x.dtype != F64 or prod(x.shape) == 0 for x in inputs) \
            or prod(values.shape(node.outputs[0])) == 0:
        return ()
    rule, attributes = RULES.get(node.op_type, (None, frozenset()))
    if rule is not None:
        return rule(node, values) if knows(attributes, node) else ()
    return function(node, values) if len(inputs) == 1 else ()


def rule(*operators: str, attributes: str = ""):
    def enter(body):
        RULES.update((name, (body, frozenset(attributes.split()))) for name in operators)
        return body
    return enter


def product(out, b, a, y, batches: tuple, m: int, n: int, k: int, bias: tuple | None = None, alpha: float = 1.0,
            beta: float = 1.0, **params) -> None:
    """batches : how many as two axes; a, b : (Ref, strides over batches, ar and ak, bk and bn) as far as there are
    such; bias : (Ref, c1, cr, cn)"""
    found = out.tiles.ask(tiles_of, 4, prod(batches), m, n, k, LANES)
    split = dict(zip(("rows", "row_tiles", "cols", "col_tiles"), found))
    c, *strides = bias or (None, 0, 0, 0)
    params |= zip(("a", "a0", "a1", "ar", "ak"), a)
    params |= zip(("b", "b0", "b1", "bk", "bn"), b)
    params |= zip(("c1", "cr", "cn"), strides)
    out.step("product64", prod(batches) * split["row_tiles"] * split["col_tiles"], dict(
        y=y.ref(), c=c, batch1=batches[1], m=m, n=n, k=k, alpha=alpha, beta=beta if bias else 0.0, **split, **params),
        flops=2 * prod(batches) * m * n * k)


@rule("MatMul")
def matmul(node, values):
    a_name, b_name = node.inputs
    a, b = map(values.fact, node.inputs)
    batch = values.shape(node.outputs[0])[:-2]
    if a.ndim < 2 or b.ndim < 2:
        return ()
    if b.ndim == 2:                                 # one product of many rows
        def emit_one(out):
            a, b, y = out.contiguous(a_name), out.plain(b_name), out.plain(node.outputs[0])
            k, n = b.shape
            product(out, (b.ref(), 0, 0, *b.strides), (a.ref(), 0, 0, k, 1), y, (1, 1), prod(a.shape[:-1]), n, k)
        return (Candidate(emit_one, ((a_name, CONTIGUOUS), (b_name, PLAIN))),)
    layouts = [PLAIN if two_batch_axes(values.plain(name), batch) else CONTIGUOUS for name in node.inputs]
    if any(two_batch_axes(view.with_(view.shape, row_major(view.shape)), batch) is None
           for view in map(values.plain, node.inputs)):
        return ()

    def emit(out):
        a, b = (out.plain(name) if layout is PLAIN else out.contiguous(name)
                for name, layout in zip(node.inputs, layouts))
        y = out.plain(node.outputs[0])
        batch, (m, n), k = y.shape[:-2], y.shape[-2:], a.shape[-1]
        product(out, (b.ref(), *two_batch_axes(b, batch), *b.strides[-2:]),
                (a.ref(), *two_batch_axes(a, batch), *a.strides[-2:]), y, two_batch_sizes(batch), m, n, k)
    return (Candidate(emit, tuple(zip(node.inputs, layouts))),)


@rule("Gemm", attributes="alpha beta transA transB broadcast")
def gemm(node, values):
    get = node.attributes.get

    def emit(out):
        a, y = out.plain(node.inputs[0]), out.plain(node.outputs[0])
        (m, n), k = y.shape, a.shape[0 if get("transA", 0) else 1]
        value, b = out.constant(node.inputs[1]), out.plain(node.inputs[1])
        if get("transB", 0):
            if value is not None:                   # so that neighbours in a row of the product are neighbours there
                b = out.store.once(("turned", node.inputs[1]), value, lambda: constant(np.ascontiguousarray(value.T)))
            else:
                b = b.with_(b.shape[::-1], b.strides[::-1])
        bias = None
        if len(node.inputs) > 2 and node.inputs[2] and get("beta", 1.0):
            c = out.plain(node.inputs[2])
            bias = c.ref(), 0, *broadcast_strides(c, (m, n))
        product(out, (b.ref(), 0, 0, *b.strides), (a.ref(), 0, 0, *a.strides[::-1 if get("transA", 0) else 1]), y,
                (1, 1), m, n, k, bias, get("alpha", 1.0), get("beta", 1.0))
    return (Candidate(emit, tuple((name, PLAIN) for name in node.inputs if name)),)


def geometry(win, x, y) -> dict:
    """The windows of float64 pictures x and y, as double.h has them."""
    d, (h, w), (oh, ow) = win.depth, win.picture, win.count
    (kh, kw), (sh, sw), (dh, dw), (pt, pl, _, _) = win.kernel, win.strides, win.dilations, win.pads
    depth = d.params() if d else dict(kd=1, sd=1, dd=1, pf=0, id=1, od=1)
    return dict(depth, kh=kh, kw=kw, sh=sh, sw=sw, dh=dh, dw=dw, pt=pt, pl=pl, ih=h, iw=w, oh=oh, ow=ow)


@rule("Conv", attributes=GEOMETRY + "group")
def conv(node, values):
    x, w = map(values.fact, node.inputs[:2])
    if not 3 <= x.ndim <= 5 or any(type(size) is not int for size in w.shape):
        return ()
    groups, (oc, ic), kernel = node.attributes.get("group", 1), w.shape[:2], w.shape[2:]

    def emit(out):
        x, w, y = (*map(out.contiguous, node.inputs[:2]), out.plain(node.outputs[0]))
        m, k, pixels, area = oc // groups, ic * prod(kernel), prod(y.shape[2:]), prod(x.shape[2:])
        bias = (out.contiguous(node.inputs[2]).ref(), m, 1, 0) if len(node.inputs) > 2 and node.inputs[2] else None
        product(out, (x.ref(), groups * ic * area, ic * area), (w.ref(), 0, m * k, k, 1), y,
                (x.shape[0], groups), m, pixels, k, bias, conv=1, **geometry(window(node, out, kernel), x, y))
    return (Candidate(emit, tuple((name, CONTIGUOUS) for name in node.inputs if name)),)


@rule("MaxPool", attributes=GEOMETRY + "ceil_mode storage_order")
@rule("AveragePool", attributes=GEOMETRY + "ceil_mode count_include_pad")
@rule("GlobalAveragePool", "GlobalMaxPool")
def pool(node, values):
    name, get = node.inputs[0], node.attributes.get
    if not 3 <= values.fact(name).ndim <= 5 or lie_apart(node, get("kernel_shape", ())):
        return ()
    mode = LARGEST if "Max" in node.op_type else MEAN_OF_ALL if get("count_include_pad", 0) else MEAN_OF_PRESENT

    def emit(out):
        x, y = out.contiguous(name), out.plain(node.outputs[0])
        win = window(node, out, x.shape[2:] if "Global" in node.op_type else get("kernel_shape"))
        sizes = geometry(win, x, y)
        planes = prod(x.shape[:2])
        outer, tiles = out.tiles.sums(planes, prod(y.shape[2:]) * sizes["kd"] * sizes["kh"] * sizes["kw"])
        out.step("pool64", tiles, dict(x=x.ref(), y=y.ref(), planes=planes, outer=outer, mode=mode, **sizes,
                                       pe=win.depth.back if win.depth else 0, pb=win.pads[2], pr=win.pads[3]))
    return (Candidate(emit, ((name, CONTIGUOUS),)),)


def function(node, values):
    """Of what float32 has as a function of one number."""
    kernel = values.kernel_of(node)
    found = kernel and kernel.unary and values.unary_of(node, kernel)
    if not found or found.slope or found.op.startswith("quant"):
        return ()

    def emit(out):
        x, y = out.contiguous(node.inputs[0]), out.plain(node.outputs[0])
        n = prod(x.shape)
        outer, tiles = out.tiles.sums(n, 16)
        out.step("map64", tiles, dict(x=x.ref(), y=y.ref(), n=n, outer=outer, op=out.table.unary[found.op],
                                      alpha=found.alpha, beta=found.beta))
    return (Candidate(emit, ((node.inputs[0], CONTIGUOUS),)),)

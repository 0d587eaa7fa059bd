"""Running sums and products along an axis -> `scan`."""
from __future__ import annotations

from math import prod

from ..candidate import PLAIN, Candidate, kernel
from ..views import Plain
from .reduce import others

RUNNING = {"CumSum": 0, "CumProd": 1}               # as in scan.h
SCANNED = ("float32", "float64", "int32", "int64")


@kernel(*RUNNING, attributes="exclusive reverse")
def scan(group, values):
    node, get = group.node, group.node.attributes.get
    name, at = node.inputs
    x, axis = values.fact(name), values.constant(at)
    if axis is None or x.dtype.name not in SCANNED or prod(x.shape) == 0 or x.ndim == 0:
        return ()
    axis = int(axis.reshape(())) % x.ndim

    def walked(x: Plain, y: Plain):
        return others(x, axis, [s for a, s in enumerate(y.strides) if a != axis])
    if walked(*map(values.plain, (name, node.outputs[0]))) is None:
        return ()

    def emit(out):
        x, y = out.plain(name), out.plain(node.outputs[0])
        dims, xs, ys = walked(x, y)
        n, rs, rt = x.shape[axis], x.strides[axis], y.strides[axis]
        outer, columns, tiles = out.tiles.plane(prod(dims[:3]), dims[3], n)
        first, sign = (n - 1, -1) if get("reverse", 0) else (0, 1)
        out.step("scan", tiles, dict(
            x=x.ref(first * rs), y=y.ref(first * rt), dims=dims, xs=xs, ys=ys, n=n, rs=sign * rs, rt=sign * rt,
            op=RUNNING[node.op_type], element=out.table.elements[x.dtype.name], exclusive=get("exclusive", 0),
            outer=outer, columns=columns))
    return (Candidate(emit, ((name, PLAIN),)),)

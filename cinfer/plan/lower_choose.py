"""Where, comparisons and logic -> `choose` steps."""
from __future__ import annotations

from math import prod

import numpy as np

from .planner import Planner, Rule
from .steps import Declined, spread
from .views import broadcast_strides, collapse

# operator -> (number of the kernel's, whether the operands change places); the numbers are in choose.h
OPS = {"Where": (0, False), "Equal": (1, False), "Greater": (2, False), "Less": (2, True),
       "GreaterOrEqual": (3, False), "LessOrEqual": (3, True), "And": (4, False), "Or": (5, False),
       "Xor": (6, False), "Not": (6, False)}
COMPARED = ("bool", "uint8", "int32", "int64", "float32")


def lower_choose(p: Planner, node) -> None:
    y, (op, swapped) = p.spec(node.outputs[0]), OPS[node.op_type]
    element = p.spec(node.inputs[-1]).dtype.name
    known = element in (p.table.elements if op == 0 else COMPARED)
    if not known or prod(y.shape) == 0 or y.ndim > 6 or node.attributes:
        raise Declined                              # attributes: broadcasting before opset 7
    views = [p.plain(name) for name in node.inputs]
    if node.op_type == "Not":
        views.append(p.array(np.ones((), bool)))
    operands = views[-2:][::-1] if swapped else views[-2:]
    out = p.new_plain(node.outputs[0])
    strides = [broadcast_strides(v, y.shape) for v in operands + views[:-2]] + [out.strides]
    packed = collapse(y.shape, *strides)
    if packed is None:
        raise Declined
    dims, (xs, bs, *cs, ys) = spread(packed[0], *packed[1])
    outer, tiles = p.outer_split(dims)
    which = dict(c=views[0].ref(), cs=cs[0]) if op == 0 else {}
    p.emit("choose", tiles, a=operands[0].ref(), b=operands[1].ref(), y=out.ref(), dims=dims, bs=bs, ys=ys,
           op=op, element=p.table.elements[element], outer=outer, **{"as": xs}, **which)


RULES = {name: Rule(lower_choose) for name in OPS}

"""Products of numbers of 16 bits by whole weights (passes/join_grids.py): what their kernels take, what they cost."""
from __future__ import annotations

import numpy as np

from ...ops.grids import steps_of
from ..costs import MULTIPLY_ADD_NS
from ..store import constant
from ..views import round_up
from . import bf16

OPERATORS = ("GridConv", "GridConvTranspose", "GridGemm", "GridMatMul")
# Multiply-adds of float32 in the time of what float32 need not do: narrow a number on its way into a strip, and make
# one of a sum. From 1x1 convolutions of 16 to 960 channels on Zen 3.
STRIP_COST, FINISH_COST = 8, 4
HALF = 1 << 15                  # what numbers of uint16 are less in the kernels


class Grid:
    """constants : x_scale, x_zero, w_steps, w_scale, w_zero, as of ops/grids.py; axis : of the outputs in w

    zero : what a number less its zero point needs to be int16; inverse : steps of x in a unit
    """
    __slots__ = ("constants", "axis", "zero", "inverse")

    def __init__(self, constants: tuple, axis: int):
        self.constants, self.axis = constants, axis
        x_scale, x_zero, *_ = constants
        self.zero = int(x_zero.item()) - (HALF if x_zero.dtype.kind == "u" else 0)
        self.inverse = 1 / float(x_scale.item())

    def steps(self) -> np.ndarray:
        """The weights less their zero points, as int16."""
        _, _, w, _, zero = self.constants
        return np.ascontiguousarray(steps_of(w, zero, self.axis))

    def each(self) -> np.ndarray:
        """What sums are multiplied by, of each output."""
        x_scale, _, w, w_scale, _ = self.constants
        return np.resize(x_scale.reshape(()) * w_scale.reshape(-1), w.shape[self.axis])


def grid_of(node, values) -> Grid | None:
    """Of an operator of ops/grids.py, else None."""
    if node.op_type not in OPERATORS:
        return None
    axis = 0 if node.op_type == "GridConv" or node.attributes.get("transB", 0) else 1
    constants = tuple(values.constant(name) for name in node.inputs[3:8])
    return values.store.once(("grid", node), constants, lambda: Grid(constants, axis))


def cost(store, taps: int, ic: int, outputs: int, sums: int, narrowed: int) -> float:
    """As bf16.cost, in ns. narrowed : numbers that go into strips"""
    rate = store.table.s16_rate
    products = taps * -(-ic // 2) * 2 * round_up(outputs) * max(sums, bf16.WEIGHT_COST * rate / 2) / rate
    return (products + STRIP_COST * narrowed + FINISH_COST * round_up(outputs) * sums) * MULTIPLY_ADD_NS


def packed(out, node, grid: Grid, oc: int, ic: int, strides: tuple[int, int], taps=(1, 1, 1), goc: int = 0,
           offset: int = 0):
    """Weights as `pack_s16` packs them. strides : over outputs and terms in w; goc : outputs of a group, or 0; offset :
    of the first of them"""
    kd, kh, kw = taps

    def params():
        return dict(w=constant(grid.steps()).ref(offset), each=constant(grid.each()).ref(), oc=oc, ic=ic, kd=kd, kh=kh,
                    kw=kw, so=strides[0], sk=strides[1], goc=goc, zero=grid.zero)
    return out.store.once(("s16", node, offset), grid.constants,
                          lambda: out.store.made_by("pack_s16", (node, offset), grid.constants[2:], params()))

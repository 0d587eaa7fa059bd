"""NarrowMatMul -> the weights in their place and type for a few rows, widened and packed once for more.

A product with few rows takes the time of reading its weights: as many bytes fewer, as much faster. With many rows it
takes the time of multiplying, for which widening would come on top each time.
"""
from __future__ import annotations

import numpy as np

from ...ops.families import OWN_DOMAIN
from ..candidate import CONTIGUOUS, Candidate, kernel
from ..epilogue import epilogue_params
from ..store import constant
from ..views import Ref
from .bf16 import BFLOAT16
from .matmul import bias_ref, gemv, multiply_packed, rows_layout, rows_of, takes_row

# So many rows or fewer: reading the weights is the cost. By rows of n, four rows of a are multiplied at once.
FEW_BY_ROWS, FEW_BY_COLUMNS = 4, 2
TYPES = {"float32": 0, "float16": 1, "bfloat16": BFLOAT16, "int8": 3, "uint8": 4}      # of _ops/narrow.h
TWO_IN_A_BYTE = 5
ONE_RUN = 62                        # 2 to this is more than any k


class Narrow:
    """y = act(scale * a w + bias + residual), w narrow. strides : over (n, k) in w, in its elements"""
    __slots__ = ("group", "a", "n", "k", "names", "arrays", "strides", "rows_of_n", "type", "block_size", "bias",
                 "scale")
    beta = 1.0

    def __init__(self, group, values):
        node, get = group.node, group.node.attributes.get
        self.group, self.a, self.names = group, node.inputs[0], (*node.inputs[1:4], "", "")[:3]
        self.arrays = tuple(map(values.constant, self.names))
        w, self.rows_of_n = self.arrays[0], bool(get("transB", 0))
        packs = 2 if get("bits", 0) == 4 else 1
        self.n, k = w.shape if self.rows_of_n else w.shape[::-1]
        self.k = get("K", 0) or k
        self.type = TWO_IN_A_BYTE if packs == 2 else TYPES[w.dtype.name]
        self.strides = (packs * w.shape[1], 1) if self.rows_of_n else (1, w.shape[1])
        self.block_size, self.scale = get("block_size", 0), float(get("alpha", 1.0))
        self.bias = node.inputs[4] if len(node.inputs) > 4 else ""

    def rows(self, values):
        """values : Values or Emitter"""
        count = 1
        for size in values.shape(self.a)[:-1]:
            count *= size
        return count


@kernel("NarrowMatMul", domain=OWN_DOMAIN, attributes="transB alpha bits block_size K",
        takes=lambda node: takes_row(len(node.inputs) <= 4))
def matmul_narrow(group, values):
    y = values.fact(group.node.outputs[0])
    if 0 in y.shape or 0 in values.shape(group.node.inputs[0]):
        return ()
    x, residual = Narrow(group, values), group.epilogue.residual
    m = x.rows(values)
    layout = rows_layout(values, x.a, m, x.k)
    if m <= (FEW_BY_ROWS if x.rows_of_n else FEW_BY_COLUMNS):
        return () if residual else (Candidate(lambda out: emit_few_rows(out, x), ((x.a, layout),)),)
    reads = ((x.a, layout), (residual, CONTIGUOUS)) if residual else ((x.a, layout),)
    return (Candidate(lambda out: emit_many_rows(out, x), reads),)


def emit_few_rows(out, x: Narrow) -> None:
    m = x.rows(out)
    rows, y = rows_of(out, x.a, m, x.k), out.plain(x.group.output)
    gemv(out, weights(out, x), x.strides, x=rows.ref(), ldx=rows.strides[0], y=y.ref(), ldy=x.n, m=m, n=x.n, k=x.k,
         scale=x.scale, **epilogue_params(out, x.group.epilogue, bias_ref(out, x)))


def emit_many_rows(out, x: Narrow) -> None:
    e, m = x.group.epilogue, x.rows(out)
    residual = out.contiguous(e.residual).ref() if e.residual else None
    multiply_packed(out, packed(out, x), rows_of(out, x.a, m, x.k), out.plain(x.group.output).ref(), x.n, res=residual,
                    ldr=x.n, scale=x.scale, **epilogue_params(out, e, bias_ref(out, x)))


def weights(out, x: Narrow) -> dict:
    """The parameters that say what the weights are, but for their strides."""
    found = dict(w=out.store.array(x.names[0], x.arrays[0]).ref(), type=x.type)
    for what, at in (("s", 1), ("z", 2)):
        if x.arrays[1] is not None:
            ref, steps, shift = runs(out, x, at)
            found.update({what: ref, what + "s": steps, "shift" if at == 1 else "zero_shift": shift})
    return found


def runs(out, x: Narrow, at: int) -> tuple[Ref, int, int]:
    """Scales or zero points: where they are, how far apart those of two n (or of two runs, of columns) are, and how
    long a run is."""
    v = x.arrays[at]
    if v is None or v.size == 1:
        value = 0.0 if v is None else float(v.reshape(-1)[0])
        count = 1 if x.rows_of_n else x.n
        return out.store.once(("repeated", value, count), None,
                              lambda: constant(np.full(count, value, np.float32))).ref(), 0, ONE_RUN
    whole = out.store.array(x.names[at], v)
    return whole.ref(), v.shape[1], x.block_size.bit_length() - 1 if x.block_size else ONE_RUN


def packed(out, x: Narrow) -> Ref:
    """The weights in float32, as the kernel `gemm` reads them."""
    sn, sk = x.strides
    return out.store.made_by("widen", (x.names, x.strides, x.block_size), x.arrays,
                             dict(weights(out, x), n=x.n, k=x.k, sn=sn, sk=sk))

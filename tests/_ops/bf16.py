"""bfloat16 by its definition, and where it is computed, for the tests of kernels whose products are of it."""
import numpy as np
from windows import levels_with

import cinfer._ops as ops

LEVELS = levels_with("gemm_bf16")


def say_fast(monkeypatch, rate):
    """Let products of bfloat16 be done in 1/rate of the time of those of float32, by a level that has them."""
    monkeypatch.setattr("cinfer.session.bf16_rate", lambda table: rate(table) if callable(rate) else rate)
    level = ops.table().level
    monkeypatch.setenv("CINFER_ISA", level if level in LEVELS else LEVELS[-1])


def rounded(x):
    """float32 to the nearest bfloat16, ties to even, as float32; NaN stays NaN."""
    x = np.ascontiguousarray(x, np.float32)
    bits = x.view(np.uint32).astype(np.uint64)
    bits = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000
    return np.where(np.isnan(x), x, bits.astype(np.uint32).view(np.float32))

"""Conv in bfloat16 -> `conv_bf16`, beside what it would be in float32 (conv_pairs.py).

Sums as they stand only: rounded numbers lose more digits in Winograd's transforms. First convolutions (but for those of
patches, conv_patches.py), few output channels, depthwise ones and vectors are of float32 in any case.
"""
from __future__ import annotations

from functools import partial

from ..candidate import Candidate
from . import bf16, conv_pairs
from .conv_params import Conv, blocked_candidate

OVER_WINOGRAD = 4               # times the speed of float32 from which it is faster than F(4x4,3x3), whatever the sizes


def beside(conv: Conv, floats: tuple[Candidate, ...], values, alone: bool) -> tuple[Candidate, ...]:
    """The candidates in float32 and the one in bfloat16, if there is one.

    alone : the weights are kept in one layout for all sizes, which `floats` is for
    """
    store = values.store
    if not store.bf16_rate or not fits(conv, values):
        return floats
    if alone:
        return (blocked_candidate(conv, emit),) if store.bf16_rate >= OVER_WINOGRAD else floats
    return conv_pairs.beside(conv, floats, values, emit, bf16.cost)


def fits(conv: Conv, values) -> bool:
    """Whether the kernel takes such groups, and neither sums nor a register tile's strip are too large."""
    ic, table = conv.w.shape[1], values.store.table
    return bf16.filled(table, conv.w[0].size // ic, ic) <= bf16.MOST_TERMS \
        and conv_pairs.fits(conv, values, bf16.group(table))


def emit(out, conv: Conv) -> None:
    conv_pairs.emit(out, conv, "conv_bf16", partial(bf16.packed, out, conv.w_name, conv.w))

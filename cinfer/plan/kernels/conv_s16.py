"""GridConv in integers -> `conv_s16`, beside what it would be in float32 (conv_pairs.py)."""
from __future__ import annotations

from functools import partial

from ..candidate import Candidate
from . import conv_pairs, s16
from .conv_params import Conv


def beside(conv: Conv, floats: tuple[Candidate, ...], values, alone: bool) -> tuple[Candidate, ...]:
    """The candidates in float32, or bfloat16, and the one in integers, if there is one. alone : as of conv_bf16"""
    grid = s16.grid_of(conv.group.node, values)
    if grid is None or alone or not values.table.s16_rate or not conv_pairs.fits(conv, values, 2):
        return floats

    def emit(out, conv):
        conv_pairs.emit(out, conv, "conv_s16", partial(s16.packed, out, conv.group.node, grid), zero=grid.zero,
                        inverse=grid.inverse)
    return conv_pairs.beside(conv, floats, values, emit, s16.cost)

"""Products of bfloat16, where a session asked for them and the CPU has them (`Store.bf16_rate`): what they cost, and
what their kernels take.

Costs in ns are of one thread, as everywhere; weights come from memory while others are multiplied.
"""
from __future__ import annotations

import numpy as np

from ..costs import MULTIPLY_ADD_NS
from ..store import constant, let_go
from ..views import round_up

WEIGHT_COST = 12                # multiply-adds of float32 in the time that a float32 weight takes to come from memory
STRIP_COST = 3                  # likewise to round one number on its way into a strip
TILE_COST = 5                   # likewise to take a sum from an AMX tile and store it, beside the products of the next
REACH = .5                      # of their rate that tiles of AMX reach: their weights come from L2
MOST_STRIP = 1 << 20            # bytes that a register tile reads: beyond, they would not stay in L2
MOST_TILE = 16                  # pixels of a register tile, or rows of a matrix
MOST_TERMS = 1 << 15            # of a sum: an AMX tile adds those of 32 terms one after another (_ops/sums.h)
BFLOAT16 = 2                    # of the types of _ops/narrow.h


def float_cost(terms: int, outputs: int, sums: int, weight: float = WEIGHT_COST) -> float:
    """Of a product in float32: `terms` of each sum, so many outputs for each of so many pixels or rows. weight : what
    one costs at least, in multiply-adds of float32; 0 where the run makes and packs them, in whatever precision"""
    return terms * round_up(outputs) * max(sums, weight) * MULTIPLY_ADD_NS


def cost(store, taps: int, ic: int, outputs: int, sums: int, rounded: int, weight: float = WEIGHT_COST) -> float:
    """The same in bfloat16, of `taps` times ic terms. rounded : numbers that go into strips"""
    tiles, outputs = group(store.table) > 2, round_up(outputs)
    rate = store.bf16_rate * (REACH if tiles else 1)
    products = filled(store.table, taps, ic) * outputs * max(sums, weight * rate / 2) / rate
    if tiles:
        products = max(products, TILE_COST * outputs * sums)
    return (products + STRIP_COST * rounded) * MULTIPLY_ADD_NS


def fits(terms: int) -> bool:
    """Whether rows of so many numbers can be multiplied, as far as sums and the strip allow."""
    return terms <= MOST_TERMS and strip_fits(terms)


def strip_fits(terms: int) -> bool:
    """Whether the rows of a register tile stay in L2."""
    return strip_bytes(terms, 1, MOST_TILE) <= MOST_STRIP


def group(table) -> int:
    """Terms of a sum that one step multiplies: a pair, or in tiles of AMX many, where sums leave the registers."""
    return table.bf16_group


def filled(table, taps: int, ic: int) -> int:
    """Terms of a sum with those of 0 that fill up groups."""
    return taps * -(-ic // group(table)) * group(table)


def strip_bytes(terms: int, rows: int, columns: int) -> int:
    """About what one register tile reads. terms : of a pixel; rows, columns : of them (_ops/conv_pairs.pxi)"""
    return 2 * round_up(terms) * rows * columns


def in_place(out, name: str, w: np.ndarray) -> dict:
    """Weights as `gemv` reads them where they lie, which takes the time of reading them; x stays float32."""
    def make():
        made = constant(rounded(w)).ref()
        let_go(w)
        return made
    return dict(w=out.store.once(("bfloat16", name), w, make), type=BFLOAT16)


def rounded(w: np.ndarray) -> np.ndarray:
    """float32 to the nearest bfloat16, ties to even, as uint16; NaN stays NaN."""
    bits = np.ascontiguousarray(w, np.float32).view(np.uint32)
    nearest = (bits + (0x7fff + (bits >> 16 & 1))) >> 16
    return np.where(np.isnan(w), bits >> 16 | 0x40, nearest).astype(np.uint16)


def packed(out, name: str, w, oc: int, ic: int, strides: tuple[int, int], taps=(1, 1, 1), goc: int = 0,
           offset: int = 0):
    """Weights as `pack_bf16` packs them. strides : over outputs and terms in w; goc : outputs of a group, or 0;
    offset : of the first of them"""
    kd, kh, kw = taps
    return out.store.packed("pack_bf16", name, w, offset, oc=oc, ic=ic, kd=kd, kh=kh, kw=kw, so=strides[0],
                            sk=strides[1], goc=goc)

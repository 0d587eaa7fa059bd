"""3x3 convolutions by Winograd's F(4x4,3x3) and F(2x2,3x3): when, and in what tiles."""
from __future__ import annotations

from functools import partial
from math import prod

from ..candidate import Candidate
from ..costs import MULTIPLY_ADD_NS
from ..views import BLOCK, nchw, round_up
from . import conv_direct
from .conv_params import Conv, blocked_candidate, fixed, output_params

WEIGHT_COST = 12                # multiply-adds in the time that one weight takes to come from memory
PRODUCT_COST = 1.1              # of a multiply-add, over one of `conv`: tiles are smaller
TRANSFORM_COST = 8              # multiply-adds in the time of transforming one number, there or back
PATCHES = 28                    # of a tile: fewer read the weights too often, with more their sums leave L2
VOLUME_PATCHES = 48             # of a tile of several slices, whose transforms and weights serve more sums
SLICE_PATCHES = 6               # of each of these slices, at least
LARGE_WEIGHTS = 4 << 20         # bytes for F(4x4,3x3), of which a second layout is not kept
FEWEST = 20                     # patches of a tile where that gives all threads the same number of tiles


def candidates(conv: Conv, any_size: bool) -> tuple[Candidate, ...]:
    """Direct, F(4x4,3x3) and F(2x2,3x3), with what they cost. any_size : as of a Store; large weights are then kept
    in one layout for all sizes, the one that is best for all but the smallest"""
    oc, ic, kd = *conv.w.shape[:2], prod(conv.w.shape[2:-2])

    def cost_of(algorithm):
        def cost_ns(values):
            n, _, oh, ow = nchw(values.shape(conv.group.node.outputs[0]))
            return algorithm(n, kd * ic, oc, oh, ow)
        return cost_ns
    found = (blocked_candidate(conv, conv_direct.emit, cost_ns=cost_of(direct_cost)),)
    if ic < BLOCK or oc < BLOCK:
        return found
    if is_kept_alone(conv, any_size):
        return (blocked_candidate(conv, lambda out, c: emit(out, c, 4), halo=False),)
    return (*found, *(blocked_candidate(conv, lambda out, c, m=m: emit(out, c, m), halo=False,
                                        cost_ns=cost_of(partial(winograd_cost, m))) for m in (4, 2)))


def is_kept_alone(conv: Conv, any_size: bool) -> bool:
    """Whether there is one layout of its weights for all sizes, that of F(4x4,3x3)."""
    oc, ic, kd = *conv.w.shape[:2], prod(conv.w.shape[2:-2])
    return any_size and min(ic, oc) >= BLOCK and 36 * 4 * kd * ic * oc >= LARGE_WEIGHTS


# Costs in ns. Weights come from memory while others are multiplied: the slower of both counts.

def direct_cost(n: int, ic: int, oc: int, oh: int, ow: int) -> float:
    return 9 * ic * round_up(oc) * max(n * oh * ow, WEIGHT_COST) * MULTIPLY_ADD_NS


def winograd_cost(m: int, n: int, ic: int, oc: int, oh: int, ow: int) -> float:
    """Of F(m x m, 3x3)."""
    ic_blocks, oc_blocks = round_up(ic), round_up(oc)
    patches = n * -(-oh // m) * -(-ow // m)
    taps = (m + 2) ** 2
    products = taps * ic * oc_blocks * patches
    transforms = taps * patches * TRANSFORM_COST * (ic_blocks + oc_blocks)
    weights = WEIGHT_COST * taps * ic * oc_blocks
    return (max(products * PRODUCT_COST, weights) + transforms) * MULTIPLY_ADD_NS


def emit(out, conv: Conv, m: int) -> None:
    """One step: transform of patches, products, transform back; all of a tile in the thread's scratch."""
    oc, ic = conv.w.shape[:2]
    ob, ib, kd = -(-oc // BLOCK), -(-ic // BLOCK), prod(conv.w.shape[2:-2])

    def params():
        packed = out.store.packed("pack_winograd", conv.w_name, conv.w, oc=oc, ic=ic, kd=kd, m=m, so=9 * kd * ic,
                                  si=9 * kd, sz=9, sy=3, sx=1)
        return dict(w=packed, ib=ib, last=(ic - 1) % BLOCK + 1, ob=ob, m=m)
    x, y, win = out.blocked(conv.x), out.output(conv.group.output), conv.window(out)
    (top, left, _, _), depth = win.pads, win.depth
    total, volumes, slices, slice_tiles = -(-y.h // m) * -(-y.w // m), y.n, 1, 1
    if depth:
        volumes = y.shape[0]
        slices = out.tiles.ask(slices_of, 1, y.d, total)
        slice_tiles = -(-y.d // slices)
    patches, blocks = out.tiles.ask(divided, 2, ob, total, volumes * slice_tiles, out.table.conv_oc, slices)
    patch_tiles, oc_tiles = -(-total // patches), -(-ob // blocks)
    out.step(fixed(out, "winograd", conv, (m,), params), volumes * slice_tiles * patch_tiles * oc_tiles, dict(
        x=x.ref(), xn=x.ns, xb=x.bs, xr=x.rs, ih=x.h, iw=x.w, pt=top, pl=left, patches=patches,
        patch_tiles=patch_tiles, oc_tiles=oc_tiles, blocks=blocks, slices=slices, slice_tiles=slice_tiles,
        **output_params(out, conv, y)), flops=conv.flops(y))


def slices_of(tiles, d: int, total: int) -> int:
    """Output slices of a tile: they share the transforms of input slices and the weights."""
    return max(1, min(d, VOLUME_PATCHES // min(total, SLICE_PATCHES)))



def divided(tiles, ob: int, total: int, n: int, width: int, slices: int = 1) -> tuple[int, int]:
    """(patches, output blocks) of a tile: as many tiles for each thread, and few, for each transforms all its
    inputs and reads all its weights; blocks are split only where patches are too few for the threads.

    total : patches of a picture; width : channels of a register tile; slices : pictures of a tile
    """
    threads = tiles.threads
    parts = -(-total * slices // (PATCHES if slices == 1 else VOLUME_PATCHES))
    even = -(-parts // threads) * threads
    if n % threads and total * slices >= FEWEST * even:
        parts = even
    patches = -(-total // parts)
    step, oc_tiles = max(1, width // BLOCK), 1
    if n * parts < threads:
        oc_tiles = max(1, min(-(-threads // (n * parts)), ob // (2 * step)))
    blocks = -(-(-(-ob // oc_tiles)) // step) * step
    return patches, blocks

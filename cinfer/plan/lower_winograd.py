"""3x3 convolutions by Winograd's F(4x4,3x3) and F(2x2,3x3): when, and in what tiles."""
from __future__ import annotations

from .views import BLOCK

WEIGHT_COST = 12                # multiply-adds in the time that one weight takes to come from memory
PATCHES = 28                    # of a tile: fewer read the weights too often, with more their sums leave L2
FEWEST = 20                     # patches of a tile where that gives all threads the same number of tiles


def winograd_or_direct(n, ic, oc, oh, ow) -> str:
    """The cheapest of direct, F(4x4,3x3) and F(2x2,3x3).

    The costs are in multiply-adds. Weights come from memory while others are multiplied: the slower of both
    counts.
    """
    def padded(c):
        return -(-c // BLOCK) * BLOCK

    def cost(m):
        patches = n * -(-oh // m) * -(-ow // m)
        taps = (m + 2) ** 2
        products = taps * ic * padded(oc) * patches
        transforms = taps * patches * (8 * padded(ic) + 8 * padded(oc))
        weights = WEIGHT_COST * taps * ic * padded(oc)
        return max(products * 1.1, weights) + transforms

    direct = 9 * ic * padded(oc) * max(n * oh * ow, WEIGHT_COST)
    best = min(("direct", direct), ("winograd4", cost(4)), ("winograd2", cost(2)), key=lambda c: c[1])
    return best[0] if ic >= BLOCK and oc >= BLOCK else "direct"


def lower_winograd(p, choice, x, y, w, common, flops):
    """One step: transform of patches, products, transform back; all of a tile in the thread's scratch."""
    m = int(choice.kind[-1])
    oc, ic = w.shape[:2]
    taps, ob, ib = (m + 2) ** 2, -(-oc // BLOCK), -(-ic // BLOCK)
    width = p.table.conv_oc
    packed = p.pack("pack_winograd", w, taps * ob * BLOCK * ic, ob, (m,), oc=oc, ic=ic, m=m, so=9 * ic, si=9,
                    sy=3, sx=1)
    total = -(-y.h // m) * -(-y.w // m)
    patches, blocks = winograd_split(p, ob, total, y.n, width)
    patch_tiles, oc_tiles = -(-total // patches), -(-ob // blocks)
    scratch = 64 * taps * ((ib * patches | 1) + (blocks * patches | 1))
    p.emit("winograd", y.n * patch_tiles * oc_tiles, flops=flops, scratch=scratch, x=x.ref(), w=packed, ib=ib,
           last=(ic - 1) % BLOCK + 1, ob=ob, ih=x.h, iw=x.w, pt=choice.window.pads[0],
           pl=choice.window.pads[1], m=m, patches=patches, patch_tiles=patch_tiles, oc_tiles=oc_tiles,
           blocks=blocks, **common)


def winograd_split(p, ob, total, n, width):
    """(patches, output blocks) of a tile: as many tiles for each thread, and few, for each transforms all its
    inputs and reads all its weights; blocks are split only where patches are too few for the threads."""
    parts = -(-total // PATCHES)
    even = -(-parts // p.threads) * p.threads
    if n % p.threads and total >= FEWEST * even:
        parts = even
    patches = -(-total // parts)
    step, oc_tiles = max(1, width // BLOCK), 1
    if n * parts < p.threads:
        oc_tiles = max(1, min(-(-p.threads // (n * parts)), ob // (2 * step)))
    blocks = -(-(-(-ob // oc_tiles)) // step) * step
    return patches, blocks

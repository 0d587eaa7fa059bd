"""3x3 convolutions of bytes by Winograd's F(4x4,3x3) and F(2x2,3x3) in integers (_ops/winograd_u8.h): when, and in
what tiles. They are exact, so that all candidates give the same bytes; weights of F(4x4,3x3) are 4 times as large."""
from __future__ import annotations

from functools import partial

from ..candidate import BLOCKED, Candidate
from ..costs import MULTIPLY_ADD_NS
from ..views import BLOCK, nchw, round_up
from .conv_params import output_params
from .conv_winograd import divided

BOUND = 1 << 29                 # of a sum with its bias: 4 times as much has to be an int32
PRODUCT_COST = 1.1              # of a multiply-add, over one of `conv_u8`: tiles are smaller
TRANSFORM_COST = 12             # multiply-adds in the time of transforming one number, there or back
WEIGHT_COST = 9                 # multiply-adds in the time that one weight takes to come from memory
LARGE_WEIGHTS = 4 << 20         # bytes for F(4x4,3x3), of which a second layout is not kept


def candidates(conv, direct, reads, values) -> tuple[Candidate, ...]:
    """Direct, F(4x4,3x3) and F(2x2,3x3), with what they cost; without the direct one where weights are large and sizes
    free, for then they are kept in one layout for all of them, the one that is best for all but the smallest.

    conv : QuantizedConv; direct : function (cost_ns) that gives the candidate that sums as it stands
    reads : as of it
    """
    oc, ic = len(conv.w), conv.channels

    def cost_of(algorithm):
        def cost_ns(values):
            n, _, oh, ow = nchw(values.shape(conv.group.node.outputs[0]))
            return algorithm(n, ic, oc, oh, ow)
        return cost_ns

    def winograd(m):
        return Candidate(lambda out: emit(out, conv, m), reads, BLOCKED, cost_ns=cost_of(partial(winograd_cost, m)))
    if not applies(conv, values):
        return (direct(None),)
    if values.store.any_size and 36 * 2 * ic * oc >= LARGE_WEIGHTS:
        return (winograd(4),)
    return direct(cost_of(partial(direct_cost, values.table.dot_group))), winograd(4), winograd(2)


def applies(conv, values) -> bool:
    """Whether it is such a convolution, whose channels fill a block, and whose sums are not too large."""
    win, (oc, ic) = conv.window(values), conv.w.shape[:2]
    return conv.groups == 1 and win.kernel == (3, 3) \
        and win.strides == win.dilations == (1, 1) and min(ic, oc) >= BLOCK \
        and conv.sums_within(BOUND)


# Costs in ns. Weights come from memory while others are multiplied: the slower of both counts.

def direct_cost(dot_group: int, n: int, ic: int, oc: int, oh: int, ow: int) -> float:
    """dot_group : of the products (_ops/dot_u8.h). A step of quads takes the time of one of pairs, which is all that
    the other ways have, and its weights take half the memory."""
    return 9 * ic * round_up(oc) * max(n * oh * ow, WEIGHT_COST) * 2 / dot_group * MULTIPLY_ADD_NS


def winograd_cost(m: int, n: int, ic: int, oc: int, oh: int, ow: int) -> float:
    """Of F(m x m, 3x3)."""
    taps, patches = (m + 2) ** 2, n * -(-oh // m) * -(-ow // m)
    weights = taps * ic * round_up(oc)
    transforms = taps * patches * (round_up(ic) + round_up(oc))
    return (weights * max(patches * PRODUCT_COST, WEIGHT_COST) + transforms * TRANSFORM_COST) * MULTIPLY_ADD_NS


def emit(out, conv, m: int) -> None:
    """One step: transform of patches, products, transform back; all of a tile in the thread's scratch."""
    oc, ic = len(conv.w), conv.channels
    ob, ib, node = -(-oc // BLOCK), -(-ic // BLOCK), conv.group.node
    x, y, (top, left, _, _) = out.blocked(conv.x), out.output(conv.group.output), conv.window(out).pads

    def params():
        w = out.store.packed("pack_winograd_u8", conv.w_name, conv.w, shifted=conv.by_channels, oc=oc,
                             ic=ic, m=m, so=9 * ic, si=9, sy=3, sx=1)
        return dict(conv.epilogue(out), w=w, ib=ib, last=(ic - 1) % BLOCK + 1, ob=ob, m=m, xz=conv.x_zero)
    total = -(-y.h // m) * -(-y.w // m)
    patches, blocks = out.tiles.ask(divided, 2, ob, total, y.n, out.table.conv_oc)
    patch_tiles, oc_tiles, e = -(-total // patches), -(-ob // blocks), conv.group.epilogue
    tiles = y.n * patch_tiles * oc_tiles
    out.step(out.store.fixed("winograd_u8", (node, e.residual, e.unary.key(), m), conv.constants, params),
             tiles, dict(
                 x=x.ref(), xn=x.ns, xb=x.bs, xr=x.rs, ih=x.h, iw=x.w, pt=top, pl=left, patches=patches,
                 patch_tiles=patch_tiles, oc_tiles=oc_tiles, blocks=blocks, **conv.of_run(out, tiles),
                 **output_params(out, conv, y)),
             flops=conv.flops(y))

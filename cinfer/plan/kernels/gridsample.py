"""GridSample of float32 pictures and volumes -> `grid_sample`: channels in blocks, or a few in planes."""
from __future__ import annotations

from math import prod

from ...ops.gridsample import MODES, PADDING_MODES
from ..candidate import BLOCKED, CONTIGUOUS, PLAIN, Candidate, kernel
from ..views import BLOCK, F32

POINTS = 64                     # places of a piece, as in grid_sample.h
FEW = 4                         # channels that are better left in planes
MOST = 1 << 30                  # elements of a picture, frame aside: offsets are int32
TAPS = {"nearest": 1, "linear": 2, "cubic": 4}


@kernel("GridSample", attributes="align_corners mode padding_mode", reading=BLOCKED)
def grid_sample(group, values):
    node, get = group.node, group.node.attributes.get
    name, places = node.inputs
    x, grid = values.fact(name), values.fact(places)
    if x.dtype != F32 or grid.dtype != F32 or x.ndim not in (3, 4, 5) \
            or prod(x.shape) == 0 or prod(grid.shape) == 0 \
            or not prod(x.shape[1:]) + BLOCK * prod(x.shape[2:]) < MOST:
        return ()
    axes, mode = x.ndim - 2, MODES[get("mode", "linear")]
    blocked = not x.shape[1] < FEW or values.is_blocked(name)

    def emit(out):
        grid = out.plain(places)
        missing, sizes = [1] * (3 - axes), out.shape(places)[1:-1]
        if blocked:
            x, y = out.blocked(name), out.output(node.outputs[0])
            c, (xs, ys) = x.blocks, ((v.ns * v.d, v.bs, v.ns, v.rs, BLOCK) for v in (x, y))
        else:
            x, y = out.contiguous(name), out.plain(node.outputs[0])
            c, (xs, ys) = x.shape[1], ((*v.strides[:2], *[0] * (3 - axes), *v.strides[2:]) for v in (x, y))
        n, to = x.shape[0], [*missing, *sizes]
        pieces = n * to[0] * to[1] * -(-to[2] // POINTS)
        outer, tiles = out.tiles.sums(pieces, c * (BLOCK if blocked else 1) * POINTS * TAPS[mode] ** axes)
        out.step("grid_sample", tiles, dict(
            x=x.ref(), grid=grid.ref(), y=y.ref(), n=n, c=c, size=[*missing, *x.shape[2:]], out=to, xs=xs,
            ys=ys, gs=[grid.strides[0], *[0] * (3 - axes), *grid.strides[1:]], axes=axes,
            mode=list(TAPS).index(mode),
            padding=PADDING_MODES.index(get("padding_mode", "zeros")), align=bool(get("align_corners", 0)),
            blocked=blocked, outer=outer))
    layout = BLOCKED if blocked else CONTIGUOUS
    return (Candidate(emit, ((name, layout), (places, PLAIN)), BLOCKED if blocked else PLAIN),)

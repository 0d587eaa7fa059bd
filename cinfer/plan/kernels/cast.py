"""Cast and CastLike -> `convert`; to the same type, nothing."""
from __future__ import annotations

from ..candidate import BLOCKED, PLAIN, Candidate, kernel
from ..views import BLOCK, Blocked, Ref
from .shape import renamed


@kernel("Cast", attributes="to saturate", reading=BLOCKED)
@kernel("CastLike", attributes="saturate", reading=BLOCKED)
def cast(group, values):
    node = group.node
    if values.fact(node.inputs[0]).dtype == values.fact(node.outputs[0]).dtype:
        return renamed(node, values)
    return converted(node, values, lambda out: (None, {}))


def converted(node, values, prepare, reads=(), order=None) -> tuple[Candidate, ...]:
    """The candidate for an output that has the elements of the first input in another type.

    prepare : function of the Emitter that gives (the axis along which scales lie or None, further parameters)
    reads : what it reads for them; order : as of Candidate, where it reads plain memory
    """
    name, output = node.inputs[0], node.outputs[0]
    x, y = values.fact(name), values.fact(output)
    if not {x.dtype.name, y.dtype.name} <= values.table.elements.keys() or 0 in x.shape or x.ndim > 6:
        return ()
    if values.is_blocked(name) and not values.has(name, PLAIN) and x.ndim in (3, 4):
        return (Candidate(lambda out: from_blocks(out, out.blocked(name), output, *prepare(out)),
                          ((name, BLOCKED), *reads)),)

    def emit(out):
        axis, more = prepare(out)
        source, target = out.plain(name), out.plain(output)
        axes = order or range(len(source.shape))
        shape, xs, ys = ([view[a] for a in axes] for view in (source.shape, source.strides, target.strides))
        out.convert(shape, source.ref(), xs, target.ref(), ys, source.dtype, target.dtype,
                    ss=[int(a == axis) for a in axes], **more)
    return (Candidate(emit, ((name, PLAIN), *reads), order=order),)


def from_blocks(out, x: Blocked, output: str, axis: int | None, more: dict) -> None:
    """Straight from blocks to plain memory, over the axes (n, block, lane, row, pixel).

    The last block, if it is not whole, is a job of its own.
    """
    y = out.plain(output)
    ys = y.strides if len(x.shape) == 4 else (*y.strides[:2], 0, y.strides[2])
    along = None if axis is None else axis if len(x.shape) == 4 or axis < 2 else 3
    ss = [int(along == 0), BLOCK * (along == 1), int(along == 1), int(along == 2), int(along == 3)]
    whole, lanes = divmod(x.c, BLOCK)
    parts = [part for part in ((0, whole, BLOCK), (whole, 1, lanes)) if part[1] * part[2]]
    for first, blocks, lanes in parts:
        here = {k: Ref(v.buffer, v.offset + 4 * first * ss[1]) if isinstance(v, Ref) else v
                for k, v in more.items()}
        out.convert((x.n, blocks, lanes, x.h, x.w), x.ref(block=first), (x.ns, x.bs, 1, x.rs, BLOCK),
                    y.ref(first * BLOCK * ys[1]), (ys[0], BLOCK * ys[1], *ys[1:]), x.dtype, y.dtype, ss=ss,
                    beside=first == 0 and len(parts) == 2, **here)

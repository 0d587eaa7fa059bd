"""Rotary positions: pairs of numbers are turned by an angle that belongs to their position."""
from __future__ import annotations

from .attention import check_heads, check_rank, divided, positions
from .composite import Body, Value, composite
from .families import MICROSOFT
from .numeric import check_kind, check_same, check_sizes
from .symbols import below


def rotated(m: Body, x: Value, cos: Value, sin: Value, size: int, interleaved: int) -> Value:
    """The first `size` numbers of the last of 4 axes of x, turned in pairs. cos and sin broadcast to one of
    each pair; a pair are two neighbours (interleaved), or two that lie half of `size` apart."""
    last = int(x.shape[3])
    if not 0 < size <= last or size % 2:
        raise ValueError(f"{size} numbers of {last} are to be turned; it has to be an even number of them")
    rest = None
    if size < last:
        x, rest = m.Split(x, [size, last - size], axis=-1, n_outputs=2)
    if interleaved:
        a, b = (m.Slice(x, [i], [size], [-1], [2]) for i in (0, 1))
    else:
        a, b = m.Split(x, [size // 2, size // 2], axis=-1, n_outputs=2)
    turned = a * cos - b * sin, a * sin + b * cos
    if interleaved:
        y = m.Reshape(m.Concat(*[m.Unsqueeze(each, [-1]) for each in turned], axis=-1), [0, 0, 0, size])
    else:
        y = m.Concat(*turned, axis=-1)
    return y if rest is None else m.Concat(y, rest, axis=-1)


@composite("RotaryEmbedding", since=23, rank=0)
def rotary_embedding(m, X, cos_cache, sin_cache, position_ids=None, *, interleaved=0, num_heads=0,
                     rotary_embedding_dim=0):
    """(a, b) becomes (a cos - b sin, a sin + b cos).
    https://onnx.ai/onnx/operators/onnx__RotaryEmbedding.html"""
    check_kind(X, "float", "X")
    check_same(X.dtype, cos_cache, sin_cache, what="X, cos_cache and sin_cache")
    check_rank(X, (3, 4), "X")
    axis = 2 if X.ndim == 3 else 1              # of the heads
    x = X
    if X.ndim == 3:
        check_heads(num_heads, "num_heads")
        x = m.Reshape(X, [0, 0, num_heads, divided(X.shape[2], num_heads, "X")])
    batch, count = X.shape[0], X.shape[-2]
    size = rotary_embedding_dim or int(x.shape[3])
    if position_ids is None:
        wanted = batch, count, size // 2
    else:
        check_kind(position_ids, "int", "position_ids")
        check_sizes(position_ids, (batch, count), "position_ids")
        wanted = cos_cache.shape[0], size // 2
    angles = []
    for what, cache in (("cos_cache", cos_cache), ("sin_cache", sin_cache)):
        check_sizes(cache, wanted, what)
        cache = cache if position_ids is None else m.Gather(cache, position_ids, axis=0)
        angles.append(m.Unsqueeze(cache, [axis]))
    y = rotated(m, x, *angles, size, interleaved)
    return y if X.ndim == 4 else m.Reshape(y, [0, 0, int(x.shape[3]) * num_heads])


@composite("RotaryEmbedding", domain=MICROSOFT, rank=0)
def rotary_embedding_microsoft(m, input, position_ids, cos_cache, sin_cache, *, interleaved=0,
                               is_packed_batching=0, num_heads=0, rotary_embedding_dim=0, scale=1.0):
    """As that of the standard. position_ids : of each position, or one number, the first position.
    https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md"""
    check_kind(input, "float", "input")
    check_same(input.dtype, cos_cache, sin_cache, what="input, cos_cache and sin_cache")
    check_kind(position_ids, "int", "position_ids")
    check_rank(input, (3, 4), "input")
    check_rank(cos_cache, (2,), "cos_cache")
    check_sizes(sin_cache, cos_cache.shape, "sin_cache")
    if scale != 1:
        raise ValueError(f"scale {scale}; onnxruntime takes no notice of it, so it has to be 1")
    if rotary_embedding_dim and not num_heads:
        raise ValueError("rotary_embedding_dim is given without num_heads; both have to be")
    x, axis = input, 1                          # axis : of the heads
    if input.ndim == 3:
        axis = 2
        if num_heads:
            x = m.Reshape(input, [0, 0, num_heads, divided(input.shape[2], num_heads, "input")])
        else:
            head = int(cos_cache.shape[1]) * 2
            hidden = int(input.shape[2])
            if not head or hidden % head:
                raise ValueError(f"input has {hidden} numbers a position; heads of {head} (twice the size of "
                                 "cos_cache) do not fill them")
            x = m.Reshape(input, [0, 0, hidden // head, head])
    size = rotary_embedding_dim or int(x.shape[3])
    check_sizes(cos_cache, (cos_cache.shape[0], size // 2), "cos_cache")
    batch, count = input.shape[0], input.shape[-2]
    if position_ids.ndim == 1:
        check_sizes(position_ids, (1,), "position_ids")
        if below(cos_cache.shape[0], count):
            raise ValueError(f"cos_cache has {cos_cache.shape[0]} positions; it has to have {count} at least")
        where = m.Unsqueeze(positions(m, input, input.ndim - 2) + position_ids, [0])
    else:
        check_sizes(position_ids, (batch, count), "position_ids")
        where = position_ids
    angles = [m.Unsqueeze(m.Gather(cache, where, axis=0), [axis]) for cache in (cos_cache, sin_cache)]
    y = rotated(m, x, *angles, size, interleaved)
    return y if input.ndim == 4 else m.Reshape(y, [0, 0, int(input.shape[2])])

"""Layers that carry a state from one position to the next: LinearAttention, CausalConvWithState.

Each is at https://onnx.ai/onnx/operators/onnx__<its name>.html
"""
from __future__ import annotations

from math import sqrt

import numpy as np

from .attention import check_heads, check_rank
from .composite import composite
from .numeric import F32, check_kind, check_same, check_sizes, matmul, settle, spec_of
from .registry import op
from .symbols import differ

GATED, DELTA = ("gated", "gated_delta"), ("delta", "gated_delta")


def state_type(query, key, value, past_state=None, *_, **__) -> tuple:
    return query.dtype, (query if past_state is None else past_state).dtype


@op("LinearAttention", since=27, types=state_type, mixes_floats=True)
class LinearAttention:
    """S = exp(decay) S + k (beta (v - exp(decay) S' k))', then y = scale * q' S, for each position; without
    decay or beta, as update_rule says, without that part.

    The state S is a matrix for each head of keys, of which a group of heads of queries shares one. Computed
    in float32. chunk_size only says how others may compute it.
    """
    def infer(query, key, value, past_state=None, decay=None, beta=None, *, q_num_heads, kv_num_heads,
              chunk_size=64, scale=0.0, update_rule="gated_delta"):
        heads, shared = check_heads(q_num_heads, "q_num_heads"), check_heads(kv_num_heads, "kv_num_heads")
        if heads % shared:
            raise ValueError(f"{heads} heads of queries do not divide among {shared} of keys and values")
        if update_rule not in ("linear", *GATED, "delta"):
            raise ValueError(f"update_rule {update_rule!r}; it has to be linear, gated, delta or gated_delta")
        for what, x, users in (("decay", decay, GATED), ("beta", beta, DELTA)):
            if (x is not None) != (update_rule in users):
                raise ValueError(f"update_rule {update_rule!r} {'needs' if x is None else 'takes no'} {what}")
        check_kind(query, "float", "query")
        if query.dtype.itemsize > 4:
            raise ValueError(f"query is {query.dtype}; it has to be float32 or narrower")
        check_same(query.dtype, key, value, decay, beta)
        for what, x, count in (("query", query, heads), ("key", key, shared), ("value", value, shared)):
            check_rank(x, (3,), what)
            if differ(x.shape[2] % count, 0):
                raise ValueError(f"{what} has {x.shape[2]} numbers a position; they have to divide into "
                                 f"{count} heads")
        place, size = query.shape[:2], query.shape[2] // heads
        check_sizes(key, (*place, size * shared), "key")
        check_sizes(value, (*place, value.shape[2]), "value")
        for what, x, widths in (("decay", decay, (shared, shared * size)), ("beta", beta, (shared, 1))):
            if x is not None:
                check_rank(x, (3,), what)
                if differ(x.shape[:2], place) or all(differ(x.shape[2], width) for width in widths):
                    raise ValueError(f"{what} has shape {list(x.shape)}; it has to be "
                                     f"{[*place, widths[0]]} or {[*place, widths[1]]}")
        state = place[0], shared, size, value.shape[2] // shared
        if past_state is not None:
            check_kind(past_state, "float", "past_state")
            check_sizes(past_state, state, "past_state")
        return (query.like((*place, state[3] * heads)),
                query.like(state, query.dtype if past_state is None else past_state.dtype))

    def evaluate(query, key, value, past_state=None, decay=None, beta=None, *, q_num_heads: int,
                 kv_num_heads: int, chunk_size=64, scale=0.0, update_rule="gated_delta"):
        y, present = LinearAttention.infer(
            *map(spec_of, (query, key, value, past_state, decay, beta)), q_num_heads=q_num_heads,
            kv_num_heads=kv_num_heads, update_rule=update_rule)
        batch, shared, size, width = present.shape
        count, group = query.shape[1], q_num_heads // shared
        # positions first; a head is a row (keys: a column) so that products are of matrices
        q = by_position(query, shared, group, size) * (scale or 1 / sqrt(size))
        k, v = by_position(key, shared, 1, size), by_position(value, shared, 1, width)
        if decay is not None:
            factor = np.exp(by_position(decay, shared, decay.shape[2] // shared, 1))
        if beta is not None:
            rate = by_position(beta, beta.shape[2], 1, 1)
        state = np.zeros(present.shape, F32) if past_state is None else past_state.astype(F32)
        out = np.empty((count, batch, shared, group, width), F32)
        for i in range(count):
            new = v[i]
            if decay is not None:
                state = state * factor[i]
            if beta is not None:
                new = rate[i] * (new - matmul(k[i], state))
            state = state + k[i].swapaxes(-1, -2) * new
            out[i] = matmul(q[i], state)
        out = np.moveaxis(out, 0, 1).reshape(y.shape)
        return settle(out, y.dtype), settle(state, present.dtype)


def by_position(x: np.ndarray, heads: int, rows: int, columns: int) -> np.ndarray:
    """(batch, positions, ...) -> float32 (positions, batch, heads, rows, columns)"""
    return np.moveaxis(x.astype(F32), 1, 0).reshape(x.shape[1], x.shape[0], heads, rows, columns)


@composite("CausalConvWithState", since=27, rank=0)
def causal_conv_with_state(m, input, weight, bias=None, past_state=None, *, activation="none", n_outputs=1):
    """A convolution of each channel of what was before and the input; the last positions are the state."""
    check_kind(input, "float", "input")
    check_same(input.dtype, weight, bias, past_state)
    check_rank(input, (3,), "input")
    check_rank(weight, (3,), "weight")
    if activation not in ("none", "silu", "swish"):
        raise ValueError(f"activation {activation!r}; it has to be none, silu or swish")
    batch, channels = input.shape[:2]
    before = int(weight.shape[2]) - 1
    check_sizes(weight, (channels, 1, before + 1), "weight")
    check_sizes(bias, (channels,), "bias")
    check_sizes(past_state, (batch, channels, before), "past_state")
    if before < 0:
        raise ValueError("weight is of 0 positions; it has to have one at least")
    if past_state is None:
        long = m.Pad(input, [0, 0, before, 0, 0, 0]) if before else input
    else:
        long = m.Concat(past_state, input, axis=2)
    y = m.Conv(long, weight, bias, group=int(channels))
    if activation != "none":
        y = m.Swish(y)
    if n_outputs == 1:
        return y
    # of no position, it begins where it ends
    return y, m.Slice(long, [-before if before else 0], [2**62 if before else 0], [2])

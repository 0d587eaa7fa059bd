"""Attention as onnxruntime's optimizer writes it, of the domain com.microsoft: Attention, MultiHeadAttention.

https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md
What is masked gets a large negative number (mask_filter_value) added, so a row in which all is masked is
about what it would be without a mask.
"""
from __future__ import annotations

from math import sqrt

import numpy as np

from .attention import (check_heads, check_past, check_rank, merge_heads, positions, products, split_heads,
                        weighted)
from .composite import Body, Value, composite
from .families import MICROSOFT
from .numeric import check_kind, check_same, check_sizes
from .symbols import differ, same

INT32 = np.dtype(np.int32)


def attend(m: Body, q: Value, k: Value, v: Value, added: list[Value], scale: float,
           past: int | Value | None) -> tuple[Value, Value]:
    """(y, what softmax is of) for queries, keys and values of 4 axes.

    added : to the products
    past : how many keys there are before the first query, if a query may not see later keys than its own
    """
    y = products(m, q, k, scale or 1 / sqrt(q.shape[3]))
    for each in added:
        y = y + each
    if past is not None:
        rows = m.Unsqueeze(positions(m, q, 2) + past, [1])
        lowest = m.constant(np.finfo(np.float32).min if q.dtype.itemsize != 2 else -np.inf, q.dtype)
        y = m.Where(m.LessOrEqual(positions(m, k, 2), rows), y, lowest)
    return merge_heads(m, weighted(m, m.Softmax(y, axis=-1), v, q), q.shape[1], v.shape[3]), y


def filtered(m: Body, seen: Value, value: float, dtype: np.dtype) -> Value:
    """0 where a key is seen, the value where it is not."""
    return m.Where(seen, m.constant(0, dtype), m.constant(value, dtype))


def check_bias(bias: Value, q: Value, k: Value) -> None:
    """ValueError unless numbers may be added to the products; one batch and one head may stand for all."""
    check_rank(bias, (4,), "attention_bias")
    check_same(q.dtype, bias, what="inputs and attention_bias")
    whole = *q.shape[:3], k.shape[2]
    first_two = zip(bias.shape[:2], whole)
    if differ(bias.shape[2:], whole[2:]) or any(differ(a, b) and differ(a, 1) for a, b in first_two):
        raise ValueError(f"attention_bias has shape {list(bias.shape)}; it has to be {list(whole)}, or 1 for "
                         "the first two")


def seen_keys(m: Body, mask: Value, q: Value, k: Value) -> Value | None:
    """Which keys are seen by mask_index, of shape

    (batch,)        : the first so many
    (2 * batch,)    : those before the first half of it, and not before the second half
    (batch, keys)   : where it is above 0; (batch, queries, keys) likewise
    (batch or 1, 1) : all

    None: all.
    """
    if mask.dtype != INT32:
        raise ValueError(f"the mask is {mask.dtype}; it has to be int32")
    check_rank(mask, (1, 2, 3), "the mask")
    (batch, count), keys = (q.shape[0], q.shape[2]), k.shape[2]
    if mask.ndim == 1:
        columns = m.Cast(positions(m, k, 2), to=6)
        if mask.shape[0] == batch:
            seen = m.Less(columns, m.Unsqueeze(mask, [1]))
        elif mask.shape[0] == batch * 2:
            end, start = m.Split(mask, num_outputs=2, axis=0, n_outputs=2)
            seen = m.And(m.Less(columns, m.Unsqueeze(end, [1])),
                         m.GreaterOrEqual(columns, m.Unsqueeze(start, [1])))
        else:
            raise ValueError(f"the mask has {mask.shape[0]} numbers; it has to have {batch} (lengths) or "
                             f"{batch * 2} (ends, then beginnings)")
        return m.Unsqueeze(seen, [1, 2])
    if mask.ndim == 2:
        if same(mask.shape[1], 1) and not same(keys, 1):
            if not same(mask.shape[0], 1):
                check_sizes(mask, (batch, 1), "the mask")
            return None
        check_sizes(mask, (batch, keys), "the mask")
        return m.Unsqueeze(m.Greater(mask, 0), [1, 2])
    check_sizes(mask, (batch, count, keys), "the mask")
    return m.Unsqueeze(m.Greater(mask, 0), [1])


def refuse(**given) -> None:
    """ValueError for what cinfer does not take."""
    for name, value in given.items():
        if value is not None and (type(value) is not int or value):
            raise ValueError(f"{name} is given; cinfer takes none")


def first_has_three(*_, n_outputs=1, **__) -> int | None:
    return 3 if n_outputs == 1 else None


@composite("Attention", domain=MICROSOFT, rank=first_has_three)
def attention(m, input, weights, bias=None, mask_index=None, past=None, attention_bias=None,
              past_sequence_length=None, *, do_rotary=0, mask_filter_value=-10000.0, num_heads: int,
              past_present_share_buffer=0, qkv_hidden_sizes: list[int] = None, rotary_embedding_dim=0,
              scale=0.0, unidirectional=0, n_outputs=1):
    """q, k, v = input * weights + bias; then as MultiHeadAttention. The second output is keys and values,
    behind those of `past`, in one tensor."""
    refuse(do_rotary=do_rotary, past_present_share_buffer=past_present_share_buffer,
           rotary_embedding_dim=rotary_embedding_dim, past_sequence_length=past_sequence_length)
    check_kind(input, "float", "input")
    check_same(input.dtype, weights, bias, past)
    check_rank(input, (3,), "input")
    check_rank(weights, (2,), "weights")
    check_heads(num_heads, "num_heads")
    width = int(weights.shape[1])
    widths = qkv_hidden_sizes or [width // 3] * 3
    if len(widths) != 3 or sum(widths) != width or widths[0] != widths[1]:
        raise ValueError(f"queries, keys and values are of sizes {widths}; that has to be three, the first "
                         f"two alike, {width} together")
    check_sizes(bias, (width,), "bias")
    both = input @ weights
    parts = m.Split(both if bias is None else both + bias, widths, axis=2, n_outputs=3)
    q, k, v = (split_heads(m, part, num_heads, what) for part, what in zip(parts, ("Q", "K", "V")))
    before = 0
    if past is not None:
        check_rank(past, (5,), "past")
        check_sizes(past, (2, q.shape[0], num_heads, past.shape[3], q.shape[3]), "past")
        if widths[2] != widths[1]:
            raise ValueError(f"past needs keys and values of one size; they are of {widths[1:]}")
        old_k, old_v = (m.Squeeze(each, [0]) for each in m.Split(past, num_outputs=2, axis=0, n_outputs=2))
        k, v = m.Concat(old_k, k, axis=2), m.Concat(old_v, v, axis=2)
        before = m.Shape(past, start=3, end=4)
    added = masks_and_bias(m, q, k, mask_index, attention_bias, mask_filter_value)
    y, _ = attend(m, q, k, v, added, scale, before if unidirectional else None)
    if n_outputs == 1:
        return y
    if widths[2] != widths[1]:
        raise ValueError(f"the second output needs keys and values of one size; they are of {widths[1:]}")
    return y, m.Concat(m.Unsqueeze(k, [0]), m.Unsqueeze(v, [0]), axis=0)


def masks_and_bias(m: Body, q: Value, k: Value, mask: Value | None, bias: Value | None, filter_value: float
                   ) -> list[Value]:
    added = []
    if bias is not None:
        check_bias(bias, q, k)
        added.append(bias)
    seen = None if mask is None else seen_keys(m, mask, q, k)
    if seen is not None:
        added.append(filtered(m, seen, filter_value, q.dtype))
    return added


@composite("MultiHeadAttention", domain=MICROSOFT, rank=first_has_three)
def multi_head_attention(m, query, key=None, value=None, bias=None, key_padding_mask=None,
                         attention_bias=None, past_key=None, past_value=None, past_sequence_length=None,
                         cache_indirection=None, *, mask_filter_value=-10000.0, num_heads: int, scale=0.0,
                         unidirectional=0, n_outputs=1):
    """softmax(scale * q k' + attention_bias + mask) v for each head; the other outputs are keys and values,
    behind those of the past, and what softmax is of."""
    refuse(past_sequence_length=past_sequence_length, cache_indirection=cache_indirection)
    check_kind(query, "float", "query")
    check_same(query.dtype, key, value, bias, past_key, past_value)
    check_heads(num_heads, "num_heads")
    q, k, v = queries_keys_values(m, query, key, value, bias, num_heads)
    if unidirectional and k.shape[2] != q.shape[2]:
        raise ValueError(f"unidirectional is 1, and there are {k.shape[2]} keys for {q.shape[2]} queries; "
                         "they have to be equally many, for what the last query sees is not agreed upon")
    before = 0
    if (past_key is None) != (past_value is None):
        raise ValueError("only one of past_key and past_value is given; they belong together")
    if past_key is not None:
        if key is not None and key.ndim == 4:
            raise ValueError("past_key is given, and key has 4 axes; it has to have 3 then")
        check_past(past_key, k, "past_key")
        check_past(past_value, v, "past_value")
        if differ(past_key.shape[2], past_value.shape[2]):
            raise ValueError(f"past_key has {past_key.shape[2]} positions, past_value {past_value.shape[2]}; "
                             "they have to have equally many")
        k, v = m.Concat(past_key, k, axis=2), m.Concat(past_value, v, axis=2)
        before = m.Shape(past_key, start=2, end=3)
    added = masks_and_bias(m, q, k, key_padding_mask, attention_bias, mask_filter_value)
    y, scores = attend(m, q, k, v, added, scale, before if unidirectional else None)
    return y, k, v, scores


def queries_keys_values(m: Body, query: Value, key: Value | None, value: Value | None, bias: Value | None,
                        heads: int) -> tuple[Value, Value, Value]:
    """From the forms in which they may be given, with the bias added:

    query (batch, positions, heads * size), key and value likewise
    the same query, key and value of 4 axes, which are taken as they are, also without bias
    the same query, key of shape (batch, positions, heads, 2, size), which holds both, no value
    query of shape (batch, positions, heads, 3, size), which holds all, no key and no value
    """
    check_rank(query, (3, 5) if key is None else (3,), "query")
    if key is None and (value is not None or query.ndim != 5):
        raise ValueError("key is left out; then query has to have 5 axes, and value be left out too")
    packed = query if key is None else key if value is None else None
    if packed is not None:
        count, what = (3, "query") if key is None else (2, "key")
        check_rank(packed, (5,), what)
        check_sizes(packed, (*packed.shape[:2], heads, count, packed.shape[4]), what)
        parts = [m.Transpose(m.Squeeze(part, [3]), perm=[0, 2, 1, 3])
                 for part in m.Split(packed, num_outputs=count, axis=3, n_outputs=count)]
        if count == 2:
            parts.insert(0, split_heads(m, query, heads, "query"))
    elif key.ndim == 4 or value.ndim == 4:
        check_rank(key, (4,), "key")
        check_rank(value, (4,), "value")
        parts = [split_heads(m, query, heads, "query"), key, value]
    else:
        parts = [split_heads(m, x, heads, what)
                 for x, what in ((query, "query"), (key, "key"), (value, "value"))]
    q, k, v = parts
    check_sizes(k, (q.shape[0], heads, k.shape[2], q.shape[3]), "key, by heads,")
    check_sizes(v, (q.shape[0], heads, k.shape[2], v.shape[3]), "value, by heads,")
    if bias is None:
        return q, k, v
    if packed is not None and key is not None:
        raise ValueError("bias is given beside a key that holds the values too; it has to be added before")
    size, width = int(q.shape[3]), int(v.shape[3])
    ends = [heads * size, heads * size * 2, heads * (size * 2 + width)]
    check_sizes(bias, (ends[2],), "bias")
    whole = key is None or key.ndim == 3                # else only the queries get theirs
    each = [x if i and not whole else
            x + m.Reshape(m.Slice(bias, [start], [end], [0]), [heads, 1, -1])
            for i, (x, start, end) in enumerate(zip(parts, [0, *ends], ends))]
    return each[0], each[1], each[2]

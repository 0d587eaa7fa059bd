"""Attention of the standard, written as products and Softmax: Attention, FlexAttention.

Inside, queries, keys and values are of shape (batch, heads, positions, size of a head). What is not named
like an operator serves microsoft_attention.py too.
"""
from __future__ import annotations

from math import sqrt

import numpy as np

from .composite import Body, Value, composite
from .numeric import broadcasts_to, check_kind, check_same, check_sizes
from .symbols import Symbol, Undecided, below, differ, same

# element types by their numbers in TensorProto.DataType
FLOAT, FLOAT16, DOUBLE, BFLOAT16 = 1, 10, 11, 16
PRECISIONS = {FLOAT: "float32", FLOAT16: "float16", DOUBLE: "float64", BFLOAT16: "bfloat16"}
CODES = {name: code for code, name in PRECISIONS.items()}
# numbers from which on rounding to a narrow type gives infinity
OVERFLOWS = {"float16": 65520.0, "bfloat16": 3.3961775292304957e38}


# Sizes

def check_rank(x: Value, ranks: tuple[int, ...], what: str) -> None:
    if x.ndim not in ranks:
        raise ValueError(f"{what} has {x.ndim} axes; it has to have {' or '.join(map(str, ranks))}")


def size_or_rest(x: Value, axis: int) -> int:
    """A size; where it is free, -1, which Reshape takes for the rest."""
    size = x.shape[axis]
    return size if type(size) is int else -1


def sizes(m: Body, *parts: int | tuple[Value, int]) -> list[int] | Value:
    """Sizes for Reshape and its like, each a number or a pair (value, axis)."""
    found = [part if type(part) is int else part[0].shape[part[1]] for part in parts]
    if Symbol not in map(type, found):
        return found
    return m.Concat(*[m.constant([size], np.int64) if type(size) is int
                      else m.Shape(part[0], start=part[1], end=part[1] + 1)
                      for part, size in zip(parts, found)], axis=0)


def length(m: Body, x: Value, axis: int) -> Value:
    """A size as a value of one number."""
    return m.Squeeze(m.Shape(x, start=axis, end=axis + 1))


def positions(m: Body, x: Value, axis: int) -> Value:
    """0, 1 ... below a size."""
    size = x.shape[axis]
    if type(size) is int:
        return m.constant(np.arange(size))
    return m.Range(m.constant(0, np.int64), length(m, x, axis), m.constant(1, np.int64))


def check_heads(heads: int | None, what: str) -> int:
    if not heads or heads < 1:
        raise ValueError(f"{what} is {heads or 'not given'}; it has to be a number of heads, at least 1")
    return heads


def divided(size, heads: int, what: str) -> int:
    """The size of each head; -1 where it is free."""
    if type(size) is not int:
        return -1
    if size < 1 or size % heads:
        raise ValueError(f"{what} has {size} numbers a position; they have to divide into {heads} heads")
    return size // heads


def split_heads(m: Body, x: Value, heads: int, what: str) -> Value:
    """(batch, positions, heads * size) -> (batch, heads, positions, size)"""
    check_rank(x, (3,), what)
    x = m.Reshape(x, [0, 0, heads, divided(x.shape[2], heads, what)])
    return m.Transpose(x, perm=[0, 2, 1, 3])


def merge_heads(m: Body, x: Value, heads: int, size: int | Symbol) -> Value:
    """(batch, heads, positions, size) -> (batch, positions, heads * size)"""
    width = heads * size if type(size) is int else -1
    return m.Reshape(m.Transpose(x, perm=[0, 2, 1, 3]), [0, 0, width])


# Products. Where several heads of queries share one of keys and values, the former are taken for more rows.

def group_size(q: Value, k: Value) -> int:
    """How many heads of queries share one of keys."""
    heads, shared = q.shape[1], k.shape[1]
    if same(heads, shared):
        return 1
    if Symbol in (type(heads), type(shared)):
        raise Undecided
    if shared < 1 or heads % shared:
        raise ValueError(f"{heads} heads of queries do not divide among {shared} of keys and values")
    return heads // shared


def grouped(m: Body, x: Value, k: Value, rows: Value) -> Value:
    """x as if it had the heads of k; rows : of its positions (axis 2)"""
    group = group_size(x, k)
    if group == 1:
        return x
    count = rows.shape[2]
    return m.Reshape(x, sizes(m, 0, k.shape[1], count * group if type(count) is int else -1, (x, 3)))


def products(m: Body, q: Value, k: Value, left: float, right: float = 1.0) -> Value:
    """left * q times right * k, transposed: (batch, heads of q, positions of q, positions of k)"""
    turned = m.Transpose(k, perm=[0, 1, 3, 2])
    y = grouped(m, q, k, q) * left @ (turned if right == 1 else turned * right)
    return y if group_size(q, k) == 1 else m.Reshape(y, sizes(m, 0, q.shape[1], (q, 2), (k, 2)))


def weighted(m: Body, p: Value, v: Value, q: Value) -> Value:
    """p, of shape (batch, heads of q, positions of q, positions of v), times v"""
    group = group_size(q, v)
    if group == 1:
        return p @ v
    rows = q.shape[2]
    y = m.Reshape(p, sizes(m, 0, v.shape[1], rows * group if type(rows) is int else -1, (v, 2))) @ v
    return m.Reshape(y, sizes(m, 0, q.shape[1], (q, 2), (v, 3)))


def cast(m: Body, x: Value, dtype: np.dtype) -> Value:
    return m.Cast(x, to=CODES[dtype.name])


def check_queries_keys_values(q: Value, k: Value, v: Value) -> None:
    """ValueError unless the three, of 4 axes each, belong together."""
    for what, x in (("K", k), ("V", v)):
        if differ(x.shape[0], q.shape[0]):
            raise ValueError(f"{what} has a batch of {x.shape[0]}; it has to be {q.shape[0]}, as of Q")
    if differ(k.shape[1:3], v.shape[1:3]):
        raise ValueError(f"K has {k.shape[1]} heads and {k.shape[2]} positions, V {v.shape[1]} and "
                         f"{v.shape[2]}; they have to be the same")
    if differ(q.shape[3], k.shape[3]):
        raise ValueError(f"heads of Q have {q.shape[3]} numbers, those of K {k.shape[3]}; they have to have "
                         "equally many")


def check_past(past: Value, x: Value, what: str) -> None:
    """ValueError unless a cache fits what is to be put behind it."""
    check_rank(past, (4,), what)
    check_same(x.dtype, past, what=f"{what} and what it belongs to")
    check_sizes(past, (*x.shape[:2], past.shape[2], x.shape[3]), what)


def check_softmax_precision(precision: int | None) -> None:
    if precision is not None and precision not in PRECISIONS:
        raise ValueError(f"softmax_precision {precision}; it has to be 1 (float32), 10 (float16), "
                         "11 (float64) or 16 (bfloat16)")


def scale_of(scale: float | None, q: Value) -> float:
    """What products are multiplied by; the standard takes its square root."""
    if scale is None:
        return 1 / sqrt(q.shape[3])             # Undecided where it is free
    if not scale >= 0:
        raise ValueError(f"scale {scale}; it has to be 0 or more, for its square root is taken")
    return scale


# Attention

def first_rank(Q, *_, n_outputs=1, **__) -> int | None:
    """Of all outputs: the first one may have 3 axes, the others have 4."""
    return Q.ndim if n_outputs == 1 or Q.ndim == 4 else None


def attention(m, Q, K, V, attn_mask, past_key, past_value, nonpad_kv_seqlen, *, pads_mask, is_causal,
              kv_num_heads, q_num_heads, qk_matmul_output_mode, scale, softcap, softmax_precision,
              left_window_size=-1, right_window_size=-1):
    """pads_mask : does a mask that is too short mean that the rest is masked"""
    check_kind(Q, "float", "Q")
    check_same(Q.dtype, K, V, what="Q, K and V")
    check_softmax_precision(softmax_precision)
    if qk_matmul_output_mode not in range(4):
        raise ValueError(f"qk_matmul_output_mode {qk_matmul_output_mode}; it has to be 0, 1, 2 or 3")
    if not softcap >= 0:
        raise ValueError(f"softcap {softcap}; it has to be 0 (none) or more")
    q, k, v = four_axes(m, Q, K, V, q_num_heads, kv_num_heads)
    check_queries_keys_values(q, k, v)
    if (past_key is None) != (past_value is None):
        raise ValueError("only one of past_key and past_value is given; they belong together")
    offset = None
    if past_key is not None:
        if nonpad_kv_seqlen is not None:
            raise ValueError("past_key and nonpad_kv_seqlen are both given; it has to be one of them")
        check_past(past_key, k, "past_key")
        check_past(past_value, v, "past_value")
        if differ(past_key.shape[2], past_value.shape[2]):
            raise ValueError(f"past_key has {past_key.shape[2]} positions, past_value {past_value.shape[2]}; "
                             "they have to have equally many")
        offset = length(m, past_key, 2)
        k, v = m.Concat(past_key, k, axis=2), m.Concat(past_value, v, axis=2)
    elif nonpad_kv_seqlen is not None:
        check_sizes(nonpad_kv_seqlen, q.shape[:1], "nonpad_kv_seqlen")
        offset = m.Reshape(nonpad_kv_seqlen, [-1, 1, 1, 1]) - length(m, q, 2)

    root = sqrt(scale_of(scale, q))
    raw = products(m, q, k, root, root)
    capped = m.Tanh(raw / softcap) * softcap if softcap else raw
    mask = None if attn_mask is None else fitting_mask(m, attn_mask, q, k, pads_mask)
    windows = left_window_size, right_window_size
    bias = attention_bias(m, q, k, mask, offset, nonpad_kv_seqlen, is_causal, *windows)
    biased = capped if bias is None else capped + bias
    wide = biased if softmax_precision is None else m.Cast(biased, to=softmax_precision)
    p = m.Softmax(wide, axis=-1)
    p = p if softmax_precision is None else cast(m, p, q.dtype)
    if mask is not None or nonpad_kv_seqlen is not None or windows != (-1, -1):
        # a row in which everything is masked: zeros, whatever the products are
        most = m.ReduceMax(bias, [-1], keepdims=1)
        p = m.Where(m.Equal(most, m.constant(-np.inf, q.dtype)), m.constant(0, q.dtype), p)
    y = weighted(m, p, v, q)
    if Q.ndim == 3:
        y = merge_heads(m, y, q.shape[1], v.shape[3])
    return y, k, v, (raw, capped, biased, p)[qk_matmul_output_mode]


def four_axes(m: Body, Q: Value, K: Value, V: Value, q_num_heads: int | None, kv_num_heads: int | None):
    check_rank(Q, (3, 4), "Q")
    for what, x in (("K", K), ("V", V)):
        check_rank(x, (Q.ndim,), what)
    if Q.ndim == 4:
        for what, x, heads in (("q_num_heads", Q, q_num_heads), ("kv_num_heads", K, kv_num_heads)):
            if heads is not None and differ(x.shape[1], heads):
                raise ValueError(f"{what} is {heads}, but the input of 4 axes has {x.shape[1]} heads")
        return Q, K, V
    heads, shared = check_heads(q_num_heads, "q_num_heads"), check_heads(kv_num_heads, "kv_num_heads")
    return split_heads(m, Q, heads, "Q"), split_heads(m, K, shared, "K"), split_heads(m, V, shared, "V")


def attention_bias(m: Body, q: Value, k: Value, mask: Value | None, offset: Value | None,
                   nonpad: Value | None, is_causal: int, left: int, right: int) -> Value | None:
    """What is added to products: numbers of a mask, and -inf where a query may not see a key; None: nothing.

    offset : how many keys there are before the first query, one number or one for each of the batch
    """
    for what, size in (("left_window_size", left), ("right_window_size", right)):
        if size < -1:
            raise ValueError(f"{what} {size}; it has to be -1 (no limit) or more")
    number, seen = None, []                     # seen : True where a query may see a key
    if mask is not None and mask.dtype == bool:
        seen.append(mask)
    elif mask is not None:
        number = as_type_of(m, mask, q.dtype)
    if is_causal or left >= 0 or right >= 0:
        columns, rows = positions(m, k, 2), m.Unsqueeze(positions(m, q, 2), [1])
        rows = rows if offset is None else rows + offset
        if is_causal or right >= 0:
            last = rows if is_causal or right == 0 else rows + m.constant(right, np.int64)
            seen.append(m.LessOrEqual(columns, last))
        if left >= 0:
            seen.append(m.GreaterOrEqual(columns, rows - m.constant(left, np.int64)))
    if nonpad is not None:
        seen.append(m.Less(positions(m, k, 2), m.Reshape(nonpad, [-1, 1, 1, 1])))
    if not seen:
        return number
    both = seen[0]
    for each in seen[1:]:
        both = m.And(both, each)
    bias = m.Where(both, m.constant(0, q.dtype), m.constant(-np.inf, q.dtype))
    return bias if number is None else number + bias


def fitting_mask(m: Body, mask: Value, q: Value, k: Value, pads: bool) -> Value:
    """The mask, if it broadcasts to the products; where it is too short and `pads`, the rest is masked."""
    if mask.dtype != bool:
        check_kind(mask, "number", "attn_mask")
    if not mask.ndim:
        return m.Reshape(mask, [1])
    whole = *q.shape[:3], k.shape[2]
    given, wanted = mask.shape[-1], whole[-1]
    shape = mask.shape
    if pads and not same(given, wanted):
        if below(wanted, given):
            raise ValueError(f"attn_mask is for {given} keys; there are {wanted}")
        if mask.dtype.kind in "iu":
            raise ValueError(f"attn_mask of {mask.dtype} is for {given} keys, there are {wanted}; only "
                             "bool or float ones may be for fewer")
        more = m.Unsqueeze(length(m, k, 2) - length(m, mask, mask.ndim - 1), [0])
        rest = m.Expand(m.constant(False if mask.dtype == bool else -np.inf, mask.dtype),
                        m.Concat(m.Shape(mask, end=-1), more, axis=0))
        mask, shape = m.Concat(mask, rest, axis=-1), (*shape[:-1], wanted)
    broadcasts_to(shape, whole, "attn_mask")
    return mask


def as_type_of(m: Body, mask: Value, dtype: np.dtype) -> Value:
    """Numbers to add, of a type; what is too low for it is -inf, where arithmetic is wider too."""
    if mask.dtype == dtype:
        return mask
    limit = OVERFLOWS.get(dtype.name)
    if limit is not None and mask.dtype.kind == "f" and mask.dtype.itemsize > 2:
        mask = m.Where(m.LessOrEqual(mask, -limit), m.constant(-np.inf, mask.dtype), mask)
    return cast(m, mask, dtype)


ATTENTION = dict(types=(0, 1, 2, 0), rank=first_rank, mixes_floats=True)


@composite("Attention", since=23, **ATTENTION)
def attention_first(m, Q, K, V, attn_mask=None, past_key=None, past_value=None, *, is_causal=0,
                    kv_num_heads: int = None, q_num_heads: int = None, qk_matmul_output_mode=0,
                    scale: float = None, softcap=0.0, softmax_precision: int = None, n_outputs=1):
    """softmax(softcap(scale * Q K') + bias) V, the bias by attn_mask and is_causal.
    https://onnx.ai/onnx/operators/text_diff_Attention_23_24.html"""
    return attention(m, Q, K, V, attn_mask, past_key, past_value, None, pads_mask=False, is_causal=is_causal,
                     kv_num_heads=kv_num_heads, q_num_heads=q_num_heads,
                     qk_matmul_output_mode=qk_matmul_output_mode, scale=scale, softcap=softcap,
                     softmax_precision=softmax_precision)


@composite("Attention", since=24, **ATTENTION)
def attention_windows(m, Q, K, V, attn_mask=None, past_key=None, past_value=None, nonpad_kv_seqlen=None, *,
                      is_causal=0, kv_num_heads: int = None, left_window_size=-1, q_num_heads: int = None,
                      qk_matmul_output_mode=0, right_window_size=-1, scale: float = None, softcap=0.0,
                      softmax_precision: int = None, n_outputs=1):
    """As before; keys may be padded, so that the last ones do not count, and the mask be shorter. Since opset
    25 a query may be kept to keys near it. https://onnx.ai/onnx/operators/onnx__Attention.html"""
    return attention(m, Q, K, V, attn_mask, past_key, past_value, nonpad_kv_seqlen, pads_mask=True,
                     is_causal=is_causal, kv_num_heads=kv_num_heads, q_num_heads=q_num_heads,
                     qk_matmul_output_mode=qk_matmul_output_mode, scale=scale, softcap=softcap,
                     softmax_precision=softmax_precision, left_window_size=left_window_size,
                     right_window_size=right_window_size)


@composite("FlexAttention", domain="ai.onnx.preview", rank=0)
def flex_attention(m, Q, K, V, *, prob_mod=None, scale: float = None, score_mod=None,
                   softmax_precision: int = None):
    """prob_mod(softmax(score_mod(scale * Q K'))) V, where the nodes of the subgraphs become nodes of this.
    https://github.com/onnx/onnx/blob/main/docs/Operators.md#aionnxpreviewflexattention"""
    check_kind(Q, "float", "Q")
    check_same(Q.dtype, K, V, what="Q, K and V")
    check_softmax_precision(softmax_precision)
    for what, x in (("Q", Q), ("K", K), ("V", V)):
        check_rank(x, (4,), what)
    check_queries_keys_values(Q, K, V)
    root = sqrt(scale_of(scale, Q))
    precision = softmax_precision or (DOUBLE if Q.dtype == np.float64 else FLOAT)
    scores = modified(m, m.Cast(products(m, Q, K, root, root), to=precision), score_mod, "score_mod")
    p = modified(m, m.Softmax(scores, axis=-1), prob_mod, "prob_mod")
    return cast(m, weighted(m, p, m.Cast(V, to=precision), Q), Q.dtype)


def modified(m: Body, x: Value, graph, what: str) -> Value:
    """What a subgraph makes of x."""
    if graph is None:
        return x
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise ValueError(f"{what} has {len(graph.inputs)} inputs and {len(graph.outputs)} outputs; it has to "
                         "have one of each")
    y, = m.inline(graph, x)
    if x.fact is not None and y.fact is not None:
        if y.dtype != x.dtype or differ(y.shape, x.shape):
            raise ValueError(f"{what} makes {y.dtype} of shape {list(y.shape)} of {x.dtype} of shape "
                             f"{list(x.shape)}; both have to stay")
    return y

"""Operators of the domain com.microsoft that are whole layers on quantised numbers.

Each is at
https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.<its name>
"""
from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .composite import Value, composite
from .families import MICROSOFT, OWN_DOMAIN
from .microsoft import check_given
from .numeric import F32, check_same, check_sizes, matmul, spec_of
from .quantize import (U8, check_8_bit, check_scalars, dequantize, dynamic_range, exact_dtype, quantize,
                       shifted)
from .recurrent import DIRECTIONS, activation_functions, infer_recurrent, lstm_cell
from .registry import op

INT64 = 7                                       # of TensorProto.DataType
LOWEST = float(np.finfo(np.float32).min)


def dequantized_columns(m, weight: Value, scale: Value, zero: Value | None, name: str) -> Value:
    """Weights in floats; scale and zero point may each be one number or one for each column."""
    columns = weight.shape[-1]
    for what, v in ((f"{name}_scale", scale), (f"{name}_zero_point", zero)):
        if v is not None and v.shape not in ((), (1,), (columns,)):
            raise ValueError(f"{what} has shape {list(v.shape)}; it has to be a scalar or [{columns}]")
    if zero is not None and scale.shape != zero.shape:
        scale, zero = m.Expand(scale, [columns]), m.Expand(zero, [columns])
    return m.DequantizeLinear(weight, scale, zero, axis=1)


@composite("QAttention", domain=MICROSOFT, types=(2,), rank=lambda *_, **__: 3)
def q_attention(m, input, weight, bias, input_scale, weight_scale, mask_index=None, input_zero_point=None,
                weight_zero_point=None, past=None, *, num_heads: int, do_rotary=0, mask_filter_value=-10000.0,
                past_present_share_buffer=0, scale=0.0, unidirectional=0):
    """q, k, v = heads of (input weight + bias), k and v behind those of `past`;
    y = softmax(scale q k' + mask) v; present = k, v

    input : (batch, sequence, any); weight : (any, 3 * hidden); past : (2, batch, heads, before, head)
    scale : 1 / sqrt(head) where it is 0; mask_index : see `visible_keys`. Scores that are masked have
    mask_filter_value added; with `unidirectional`, what comes after a token counts for nothing.
    """
    if do_rotary or past_present_share_buffer:
        raise ValueError(f"do_rotary {do_rotary}, past_present_share_buffer {past_present_share_buffer}; "
                         "both have to be 0")
    check_8_bit(input=input, weight=weight)
    check_same(input.dtype, input_zero_point, what="input and its zero point")
    check_same(weight.dtype, weight_zero_point, what="weight and its zero point")
    check_same(F32, bias, input_scale, weight_scale, past, what="floats")
    check_scalars(input_scale=input_scale, input_zero_point=input_zero_point)
    if input.ndim != 3 or weight.ndim != 2:
        raise ValueError(f"input has {input.ndim} axes, weight {weight.ndim}; they have to have 3 and 2")
    hidden = weight.shape[1] // 3
    if num_heads < 1 or hidden * 3 != weight.shape[1] or hidden % num_heads or not hidden:
        raise ValueError(f"weight has {weight.shape[1]} columns; they have to be 3 times {num_heads} heads "
                         "of one size")
    check_sizes(bias, (3 * hidden,), "bias")
    head, batch = hidden // num_heads, input.shape[0]
    if past is not None:
        check_sizes(past, (2, batch, num_heads, past.shape[3] if past.ndim == 5 else -1, head), "past")

    x = m.DequantizeLinear(input, input_scale, input_zero_point)
    x = x @ dequantized_columns(m, weight, weight_scale, weight_zero_point, "weight") + bias
    q, k, v = (m.Transpose(m.Reshape(part, [0, 0, num_heads, head]), perm=[0, 2, 1, 3])
               for part in m.Split(x, axis=2, num_outputs=3, n_outputs=3))
    if past is not None:
        k, v = (m.Concat(m.Squeeze(old, [0]), new, axis=2)
                for old, new in zip(m.Split(past, axis=0, num_outputs=2, n_outputs=2), (k, v)))
    scores = q @ m.Transpose(k, perm=[0, 1, 3, 2]) * (scale or head**-0.5)
    tokens, keys = (m.Squeeze(m.Shape(each, start=2, end=3), [0]) for each in (q, k))
    seen = None if mask_index is None else visible_keys(m, mask_index, batch, q.shape[2], k.shape[2], keys)
    if seen is not None:
        scores = scores + m.Where(seen, m.constant(0, F32), m.constant(mask_filter_value, F32))
    if unidirectional:
        behind = m.Unsqueeze(places(m, tokens), [1]) + (keys - tokens)
        scores = m.Where(m.LessOrEqual(places(m, keys), behind), scores, m.constant(LOWEST, F32))
    y = m.Transpose(m.Softmax(scores, axis=-1) @ v, perm=[0, 2, 1, 3])
    return m.Reshape(y, [0, 0, hidden]), m.Concat(m.Unsqueeze(k, [0]), m.Unsqueeze(v, [0]), axis=0)


def places(m, count: Value) -> Value:
    """0, 1 ... below a number of int64."""
    return m.Range(m.constant(0, np.int64), count, m.constant(1, np.int64))


def visible_keys(m, mask: Value, batch, tokens, keys, count: Value) -> Value | None:
    """Which keys count, so that it broadcasts to (batch, heads, tokens, keys); None: all.

    mask : of shape (batch,) the number of keys; (2 * batch,) their ends, then their beginnings; (batch, keys)
    or (batch, tokens, keys) positive where they count; (batch, 1) and (1, 1) say nothing
    count : of the keys
    """
    if mask.dtype.name != "int32":
        raise ValueError(f"mask_index is {mask.dtype}; it has to be int32")
    shape = mask.shape
    if len(shape) == 1 and shape[0] == batch:
        return m.Less(places(m, count), m.Reshape(m.Cast(mask, to=INT64), [-1, 1, 1, 1]))
    if len(shape) == 1 and shape[0] == 2 * batch:
        ends, begins = m.Split(m.Reshape(m.Cast(mask, to=INT64), [-1, 1, 1, 1]), axis=0, num_outputs=2,
                               n_outputs=2)
        where = places(m, count)
        return m.And(m.Less(where, ends), m.GreaterOrEqual(where, begins))
    if len(shape) == 2 and shape == (batch, keys):
        return m.Greater(m.Unsqueeze(mask, [1, 2]), m.constant(0, np.int32))
    if len(shape) == 2 and shape[1] == 1 and (shape[0] == 1 or shape[0] == batch):
        return None
    if len(shape) == 3 and shape == (batch, tokens, keys):
        return m.Greater(m.Unsqueeze(mask, [1]), m.constant(0, np.int32))
    raise ValueError(f"mask_index has shape {list(shape)}; it has to be [{batch}], [2 * {batch}], "
                     f"[{batch}, {keys}] or [{batch}, {tokens}, {keys}]")


@op("DynamicQuantizeLSTM", domain=MICROSOFT, rank=(0, 0), types=(0,))
class DynamicQuantizeLSTM:
    """The standard's LSTM with weights of 8 bits; its inputs, and its state at each step, are quantised to
    uint8 by their own range.

    W : (directions, input, 4 * hidden), R : (directions, hidden, 4 * hidden), the gates in the order i o f c
    W_scale ... R_zero_point : (directions,) or (directions, 4 * hidden)
    The range is that of all samples together: of inputs up to the longest length, of the state 0 for samples
    that are over. Of a sample of no steps the last state is 0. `clip` bounds the gates, not the cell.
    """
    def infer(X, W, R, B=None, sequence_lens=None, initial_h=None, initial_c=None, P=None, W_scale=None,
              W_zero_point=None, R_scale=None, R_zero_point=None, *, activation_alpha=None,
              activation_beta=None, activations=None, clip=None, direction="forward", hidden_size=None,
              input_forget=0):
        check_same(F32, X, B, initial_h, initial_c, P, W_scale, R_scale, what="floats")
        check_8_bit(W=W, R=R)
        check_same(W.dtype, R, W_zero_point, R_zero_point, what="W, R and their zero points")
        if W.ndim != 3 or R.ndim != 3:
            raise ValueError(f"W has {W.ndim} axes, R {R.ndim}; both have to have 3")
        check_sizes(R, (R.shape[0], R.shape[1], 4 * R.shape[1]), "R")
        check_sizes(W, (R.shape[0], X.shape[2] if X.ndim == 3 else W.shape[1], R.shape[2]), "W")
        w, r = (v.like((v.shape[0], v.shape[2], v.shape[1])) for v in (W, R))
        result = infer_recurrent("LSTM", X, w, r, B, sequence_lens, (initial_h, initial_c), P,
                                 direction=direction, hidden_size=hidden_size, layout=0,
                                 activations=activations)
        count, columns = R.shape[0], R.shape[2]
        parameters = dict(W_scale=W_scale, W_zero_point=W_zero_point, R_scale=R_scale,
                          R_zero_point=R_zero_point)
        check_given(**parameters)
        for what, v in parameters.items():
            if v.shape not in ((count,), (count, columns)):
                raise ValueError(f"{what} has shape {list(v.shape)}; it has to be [{count}] or "
                                 f"[{count}, {columns}]")
        return result

    def evaluate(X, W, R, B=None, sequence_lens=None, initial_h=None, initial_c=None, P=None, W_scale=None,
                 W_zero_point=None, R_scale=None, R_zero_point=None, *, activation_alpha: list[float] = None,
                 activation_beta: list[float] = None, activations: list[str] = None, clip: float = None,
                 direction="forward", hidden_size: int = None, input_forget=0):
        inputs = (X, W, R, B, sequence_lens, initial_h, initial_c, P, W_scale, W_zero_point, R_scale,
                  R_zero_point)
        DynamicQuantizeLSTM.infer(*map(spec_of, inputs), activations=activations, direction=direction,
                                  hidden_size=hidden_size)
        steps, batch, _ = X.shape
        lens = np.full(batch, steps) if sequence_lens is None else sequence_lens
        if ((lens < 0) | (lens > steps)).any():
            raise ValueError(f"sequence_lens {lens.tolist()}; allowed is 0 to {steps}")
        products = [(Dynamic(W[d], W_scale[d], W_zero_point[d]), Dynamic(R[d], R_scale[d], R_zero_point[d]))
                    for d in range(len(R))]
        return lstm_of_products(X, lens, products, R.shape[1], B, initial_h, initial_c, P, direction, input_forget,
                                activations, activation_alpha, activation_beta, clip)


@op("DynamicStateLSTM", since=1, domain=OWN_DOMAIN)
class DynamicStateLSTM:
    """The standard's LSTM whose state is rounded at each step, to uint8 by the range of all samples, before it is
    multiplied; `clip` bounds the gates, not the cell. There are no lengths. This is DynamicQuantizeLSTM but for its
    weights and inputs, which are floats."""
    def infer(x, w, r, b=None, sequence_lens=None, initial_h=None, initial_c=None, p=None, *, activation_alpha=None,
              activation_beta=None, activations=None, clip=None, direction="forward", hidden_size=None,
              input_forget=0):
        return infer_recurrent("LSTM", x, w, r, b, sequence_lens, (initial_h, initial_c), p, direction=direction,
                               hidden_size=hidden_size, layout=0, activations=activations)

    def evaluate(x, w, r, b=None, sequence_lens=None, initial_h=None, initial_c=None, p=None, *,
                 activation_alpha: list[float] = None, activation_beta: list[float] = None,
                 activations: list[str] = None, clip: float = None, direction="forward", hidden_size: int = None,
                 input_forget=0):
        def times(w):
            return lambda x: matmul(x, w.T)
        products = [(times(w[d]), lambda h, product=times(r[d]): product(rounded(h))) for d in range(len(r))]
        return lstm_of_products(x, np.full(x.shape[1], x.shape[0]), products, r.shape[2], b, initial_h, initial_c, p,
                                direction, input_forget, activations, activation_alpha, activation_beta, clip)


def rounded(x: np.ndarray) -> np.ndarray:
    """To uint8 by its own range, and back."""
    scale, zero = dynamic_range(x)
    return dequantize(quantize(x, scale, zero, U8), scale, zero)


def lstm_of_products(x, lens, products, hidden: int, b, initial_h, initial_c, p, direction: str, input_forget,
                     activations, alpha, beta, clip):
    """The outputs of an LSTM. products : of each direction, functions that multiply inputs and states by weights"""
    count, batch = len(products), x.shape[1]
    names = activations or ("Sigmoid", "Tanh", "Tanh") * count
    free, clipped = (activation_functions(names, alpha, beta, bound) for bound in (None, clip))
    bias = np.zeros((count, 1), F32) if b is None else b.reshape(count, 2, -1).sum(1)
    peepholes = np.zeros((count, 3, 1), F32) if p is None else p.reshape(count, 3, hidden)
    start = np.zeros((count, batch, hidden), F32)
    h, c = (start if state is None else state for state in (initial_h, initial_c))
    ys, lasts = [], []
    for d, backwards in enumerate(DIRECTIONS[direction]):
        options = dict(input_forget=input_forget, peephole=peepholes[d])
        act = [*clipped[3 * d:3 * d + 2], free[3 * d + 2]]
        y, *last = run_quantized(x, lens, backwards, *products[d], h[d], c[d],
                                 lambda gates, c: lstm_cell(gates + bias[d], c, act, options))
        ys.append(y)
        lasts.append(last)
    return np.stack(ys, 1), *(np.stack(each) for each in zip(*lasts))


class Dynamic:
    """Multiplies by weights of 8 bits what it quantises to uint8 by its own range."""

    def __init__(self, w: np.ndarray, scale: np.ndarray, zero: np.ndarray):
        self.dtype = exact_dtype(w.shape[0])
        self.weights, self.scale = shifted(w, zero, self.dtype), scale

    def __call__(self, x: np.ndarray) -> np.ndarray:
        x_scale, x_zero = dynamic_range(x)
        total = matmul(shifted(quantize(x, x_scale, x_zero, U8), x_zero, self.dtype), self.weights)
        return total.astype(F32) * (x_scale * self.scale)


def run_quantized(x, lens, backwards: bool, times_w: Callable, times_r: Callable, h, c, cell):
    """(outputs (steps, batch, hidden), last h, last c). cell : function of gates and c that gives h and c"""
    steps, batch = x.shape[:2]
    longest = int(lens.max(initial=0))
    t, sample = np.arange(steps)[:, None], np.arange(batch)
    order = np.where(t < lens, lens - 1 - t, t)             # each sample backwards within its length
    y = np.zeros((steps, batch, h.shape[1]), F32)
    last_h, last_c = np.zeros_like(h), np.zeros_like(h)
    inputs = times_w((x[order, sample] if backwards else x)[:longest])
    for i in range(longest):
        alive = (i < lens)[:, None]
        h, c = cell(inputs[i] + times_r(h), c)
        h = y[i] = np.where(alive, h, 0)
        last_h, last_c = np.where(alive, h, last_h), np.where(alive, c, last_c)
    return (y[order, sample] if backwards else y), last_h, last_c


@composite("QEmbedLayerNormalization", domain=MICROSOFT, types=(8, 0), rank=lambda *_, **__: 3)
def q_embed_layer_normalization(
        m, input_ids, segment_ids=None, word_embedding=None, position_embedding=None, segment_embedding=None,
        gamma=None, beta=None, mask=None, word_scale=None, position_scale=None, segment_scale=None,
        gamma_scale=None, beta_scale=None, word_zero=None, position_zero=None, segment_zero=None,
        gamma_zero=None, beta_zero=None, *, epsilon=1e-12):
    """y = LayerNormalization(word[id] + position[place] + segment[segment id]), and how many 1 each row of
    the mask has, 0 without mask. All tables are quantised, each by one scale.
    """
    tables = {"word": (word_embedding, word_scale, word_zero),
              "position": (position_embedding, position_scale, position_zero),
              "gamma": (gamma, gamma_scale, gamma_zero), "beta": (beta, beta_scale, beta_zero)}
    if segment_ids is not None:
        tables["segment"] = segment_embedding, segment_scale, segment_zero
    for what, table in tables.items():
        if None in table:
            raise ValueError(f"of {what} table, scale or zero point is left out; QEmbedLayerNormalization "
                             "needs all three")
        check_8_bit(**{what: table[0]})
        check_scalars(**{f"{what}_scale": table[1], f"{what}_zero_point": table[2]})
    if input_ids.ndim != 2:
        raise ValueError(f"input_ids has {input_ids.ndim} axes; it has to have 2: batch, sequence")
    check_same(input_ids.dtype, segment_ids, mask, what="input_ids, segment_ids and mask")
    check_sizes(segment_ids, input_ids.shape, "segment_ids")
    check_sizes(mask, input_ids.shape, "mask")

    def rows(what: str, ids: Value) -> Value:
        table, scale, zero = tables[what]
        return m.DequantizeLinear(m.Gather(table, ids), scale, zero)
    place = places(m, m.Squeeze(m.Shape(input_ids, start=1, end=2), [0]))
    x = rows("word", input_ids) + rows("position", place)
    if segment_ids is not None:
        x = x + rows("segment", segment_ids)
    y = m.LayerNormalization(x, m.DequantizeLinear(*tables["gamma"]), m.DequantizeLinear(*tables["beta"]),
                             axis=-1, epsilon=epsilon)
    if mask is None:
        counted = input_ids * 0
    else:
        counted = m.Where(m.Equal(mask, m.constant(1, mask.dtype)), mask, m.constant(0, mask.dtype))
    return y, m.ReduceSum(counted, [1], keepdims=0)

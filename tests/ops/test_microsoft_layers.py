"""Quantised attention, LSTM and embedding: against NumPy, and onnxruntime, which they come from."""
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from loaded_node import both_ways
from one_node import infer, onnxruntime_runs, refuses, run, spec

from cinfer import _ops
from cinfer.ops.families import MICROSOFT

F, U8, S8, I32 = np.float32, np.uint8, np.int8, np.int32
OURS = dict(domain=MICROSOFT, opset=1)
THEIRS = dict(domain=MICROSOFT, opset=17)


def scalar(value, dtype=F) -> np.ndarray:
    return np.array(value, dtype)


def real(*shape, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(F)


def stored(*shape, dtype=U8, low=None, high=None, seed: int = 0) -> np.ndarray:
    limits = np.iinfo(dtype)
    return np.random.default_rng(seed).integers(limits.min if low is None else low,
                                                limits.max + 1 if high is None else high, shape).astype(dtype)


def small(*shape, dtype, seed: int = 0) -> np.ndarray:
    """Weights of half the range: onnxruntime without VNNI adds pairs of products in 16 bits, which
    saturate."""
    return stored(*shape, dtype=dtype, low=-63 if dtype == S8 else None, high=64, seed=seed)


# QAttention

def attention(x, w, bias, heads: int, mask=None, past=None, unidirectional=0, scale=0.0,
              mask_filter_value=-10000.0) -> tuple:
    """(y, present) of real x and w, in float64; query by query."""
    batch, tokens, hidden = *x.shape[:2], w.shape[1] // 3
    head = hidden // heads
    qkv = (x @ w + bias).reshape(batch, tokens, 3, heads, head)
    before = 0 if past is None else past.shape[3]
    keys, present, y = before + tokens, np.zeros((2, batch, heads, before + tokens, head)), np.zeros((
        batch, tokens, hidden))
    for b in range(batch):
        for h in range(heads):
            q, k, v = (qkv[b, :, i, h] for i in range(3))
            if past is not None:
                k, v = (np.concatenate([past[i, b, h], each]) for i, each in enumerate((k, v)))
            present[0, b, h], present[1, b, h] = k, v
            for t in range(tokens):
                scores = q[t] @ k.T * (scale or 1 / np.sqrt(head))
                for i in range(keys):
                    if mask is None or mask.shape in ((batch, 1), (1, 1)):
                        seen = True
                    elif mask.shape == (batch,):
                        seen = i < mask[b]
                    elif mask.shape == (2 * batch,):
                        seen = mask[batch + b] <= i < mask[b]
                    elif mask.ndim == 2:
                        seen = mask[b, i] > 0
                    else:
                        seen = mask[b, t, i] > 0
                    scores[i] += 0 if seen else mask_filter_value
                    if unidirectional and i > before + t:
                        scores[i] = -np.inf
                weights = np.exp(scores - scores.max())
                y[b, t, h * head:(h + 1) * head] = weights / weights.sum() @ v
    return y, present


@st.composite
def attentions(draw):
    batch, tokens, heads, head = (draw(st.integers(1, n)) for n in (3, 4, 3, 4))
    before = draw(st.sampled_from([None, 0, 1, 3]))
    return dict(batch=batch, tokens=tokens, heads=heads, head=head, before=before,
                size=draw(st.integers(1, 9)),
                mask=draw(st.sampled_from(["none", "lengths", "ranges", "keys", "pairs", "dummy", "one"])),
                dtype=draw(st.sampled_from([U8, S8])), columns=draw(st.booleans()),
                zeros=draw(st.sampled_from(["none", "one", "columns"])), input_zero=draw(st.booleans()),
                unidirectional=draw(st.integers(0, 1)), scale=draw(st.sampled_from([0.0, 0.3])),
                mask_filter_value=draw(st.sampled_from([-10000.0, -2.0])))


def attention_arrays(case: dict) -> tuple[list, dict, tuple]:
    """(inputs, attributes, what `attention` takes)"""
    r = np.random.default_rng(0)
    batch, tokens, heads, head = (case[name] for name in ("batch", "tokens", "heads", "head"))
    columns, before, dtype = 3 * heads * head, case["before"], case["dtype"]
    keys = tokens + (before or 0)
    x, w, bias = stored(batch, tokens, case["size"]), small(case["size"], columns, dtype=dtype), real(columns)
    w_scale = r.uniform(0.01, 0.02, columns).astype(F) if case["columns"] else scalar(0.02)
    low, high = (-3, 4) if dtype == S8 else (0, 64)
    w_zero = {"none": None, "one": scalar(3, dtype),
              "columns": r.integers(low, high, columns).astype(dtype)}[case["zeros"]]
    x_zero = scalar(120, U8) if case["input_zero"] else None
    ends = r.integers(1, keys + 1, batch)
    mask = {"none": None, "lengths": ends, "ranges": np.concatenate([ends, r.integers(0, ends)]),
            "keys": r.integers(0, 2, (batch, keys)) | (np.arange(keys) == 0),
            "pairs": r.integers(-1, 3, (batch, tokens, keys)) | (np.arange(keys) == 0),
            "dummy": np.zeros((batch, 1), int), "one": np.zeros((1, 1), int)}[case["mask"]]
    mask = None if mask is None else mask.astype(I32)
    past = None if before is None else real(2, batch, heads, before, head, seed=1)
    attributes = {name: case[name] for name in ("unidirectional", "scale", "mask_filter_value")}
    if not attributes["scale"]:
        del attributes["scale"]
    inputs = [x, w, bias, scalar(0.03), w_scale, mask, x_zero, w_zero, past]
    real_x = (x.astype(float) - (0 if x_zero is None else 120)) * F(0.03)
    real_w = (w.astype(float) - (0 if w_zero is None else w_zero.astype(float))) * w_scale
    return inputs, dict(attributes, num_heads=heads), (real_x, real_w, bias, heads, mask, past)


CONSTANTS = (1, 2, 3, 4, 6, 7)


@settings(max_examples=80, deadline=None)
@given(attentions())
def test_attention(case):
    inputs, attributes, reals = attention_arrays(case)
    expected = attention(*reals, **{k: v for k, v in attributes.items() if k != "num_heads"})
    # Where all keys of a query are masked, scores near -10000 are told apart, in steps of 1e-3
    rounded = case["mask"] in ("ranges", "keys", "pairs") and case["mask_filter_value"] < -100
    tolerance = (2e-3 if rounded else 2e-5) * max(1, np.abs(expected[1]).max())
    how = dict(n_outputs=2, **attributes)
    for answer in (run("QAttention", *inputs, **OURS, **how),
                   *both_ways("QAttention", *inputs, constants=CONSTANTS, types=[F, F], **how),
                   onnxruntime_runs("QAttention", *inputs, types=[F, F], **THEIRS, **how)):
        for y, want in zip(answer, expected):
            np.testing.assert_allclose(y, want, atol=tolerance)


def test_attention_of_weights_that_are_inputs():
    inputs, attributes, reals = attention_arrays(dict(
        batch=2, tokens=3, heads=2, head=4, before=None, size=5, mask="lengths", dtype=S8, columns=True,
        zeros="one", input_zero=True, unidirectional=0, scale=0.0, mask_filter_value=-10000.0))
    for y in both_ways("QAttention", *inputs, types=[F], **attributes):
        np.testing.assert_allclose(y, attention(*reals)[0], atol=1e-5)


def test_attention_foresees_its_shape_without_values():
    inputs, attributes, _ = attention_arrays(dict(
        batch=2, tokens=3, heads=2, head=4, before=None, size=5, mask="none", dtype=S8, columns=True,
        zeros="none", input_zero=True, unidirectional=0, scale=0.0, mask_filter_value=-10000.0))
    facts = [None if x is None else spec(*x.shape, dtype=x.dtype) for x in inputs]
    assert infer("QAttention", *facts, **OURS, **attributes)[0] == spec(2, 3, 8)


def test_attention_refuses():
    x, w, bias, one, mask = stored(2, 3, 5), stored(5, 12, dtype=S8), real(12), scalar(1), np.zeros(2, I32)
    for message, inputs, more in [
            ("weight has 12 columns; they have to be 3 times 3 heads", (x, w, bias, one, one),
             dict(num_heads=3)),
            ("do_rotary 1", (x, w, bias, one, one), dict(do_rotary=1)),
            ("past_present_share_buffer 1", (x, w, bias, one, one), dict(past_present_share_buffer=1)),
            ("mask_index is int64; it has to be int32", (x, w, bias, one, one, mask.astype(int)), {}),
            ("mask_index has shape [3]; it has to be [2], [2 * 2], [2, 3] or [2, 3, 3]",
             (x, w, bias, one, one, np.zeros(3, I32)), {}),
            ("mask_index has shape [2, 1, 3, 3]", (x, w, bias, one, one, np.zeros((2, 1, 3, 3), I32)), {}),
            ("weight_scale has shape [5]; it has to be a scalar or [12]", (x, w, bias, one, np.ones(5, F)),
             {}),
            ("past has shape [2, 2, 2, 1, 3]; it has to be [2, 2, 2, 1, 2]",
             (x, w, bias, one, one, None, None, None, real(2, 2, 2, 1, 3)), {}),
            ("input and its zero point are uint8 and int8", (x, w, bias, one, one, None, scalar(1, S8)), {})]:
        refuses(message, "QAttention", *inputs, **OURS, **{"num_heads": 2, **more})


# DynamicQuantizeLSTM

def quantised(x: np.ndarray) -> np.ndarray:
    """What is left of x when it has been rounded to uint8 by its own range, in float64."""
    low, high = min(x.min(initial=0), 0), max(x.max(initial=0), 0)
    scale = F((F(high) - F(low)) / F(255)) or F(1)
    zero = np.rint(np.clip(-F(low) / scale, 0, 255))
    return (np.clip(np.rint(x.astype(F) / scale) + zero, 0, 255) - zero).astype(float) * float(scale)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm(x, w, r, b, lens, h, c, p, direction: str, clip=None, input_forget=0) -> list:
    """y, the last h and c of real w and r, sample by sample in float64; products are those of `quantised`."""
    steps, batch, hidden = *x.shape[:2], r.shape[1]
    backwards = {"forward": [False], "reverse": [True], "bidirectional": [False, True]}[direction]
    lens = [steps] * batch if lens is None else lens.tolist()
    ys, hs, cs = [], [], []
    for d, back in enumerate(backwards):
        turned = x.copy()
        if back:
            for s in range(batch):
                turned[:lens[s], s] = turned[:lens[s], s][::-1]
        products = quantised(turned[:max(lens)]) @ w[d]
        bias = b[d].astype(float).reshape(2, -1).sum(0)
        state, cell = (np.zeros((batch, hidden)) if v is None else v[d].astype(float) for v in (h, c))
        y, (last_h, last_c) = np.zeros((steps, batch, hidden)), np.zeros((2, batch, hidden))
        pi, po, pf = np.zeros((3, hidden)) if p is None else p[d].astype(float).reshape(3, hidden)
        bound = np.inf if clip is None else clip
        for t in range(max(lens)):
            gates = products[t] + quantised(state) @ r[d] + bias
            for s in range(batch):
                if t >= lens[s]:
                    state[s] = 0
                    continue
                i, o, f, g = gates[s].reshape(4, hidden)
                i = sigmoid(np.clip(i + pi * cell[s], -bound, bound))
                f = 1 - i if input_forget else sigmoid(np.clip(f + pf * cell[s], -bound, bound))
                cell[s] = f * cell[s] + i * np.tanh(np.clip(g, -bound, bound))
                o = sigmoid(np.clip(o + po * cell[s], -bound, bound))
                state[s] = o * np.tanh(cell[s])
                y[lens[s] - 1 - t if back else t, s] = state[s]
                last_h[s], last_c[s] = state[s], cell[s]
        ys.append(y)
        hs.append(last_h)
        cs.append(last_c)
    return [np.stack(ys, 1), np.stack(hs), np.stack(cs)]


@st.composite
def lstms(draw):
    return dict(steps=draw(st.integers(1, 4)), batch=draw(st.integers(1, 3)), size=draw(st.integers(1, 6)),
                hidden=draw(st.integers(1, 5)), dtype=draw(st.sampled_from([U8, S8])),
                columns=draw(st.booleans()),
                lens=draw(st.booleans()), states=draw(st.booleans()), peepholes=draw(st.booleans()),
                direction=draw(st.sampled_from(["forward", "reverse", "bidirectional"])),
                clip=draw(st.sampled_from([None, 0.4])), input_forget=draw(st.integers(0, 1)))


def lstm_arrays(case: dict) -> tuple[list, dict, list]:
    r = np.random.default_rng(0)
    count, hidden, dtype = 1 + (case["direction"] == "bidirectional"), case["hidden"], case["dtype"]
    steps, batch, size = case["steps"], case["batch"], case["size"]
    x = real(steps, batch, size)
    w, rec = (small(count, n, 4 * hidden, dtype=dtype, seed=n) for n in (size, hidden))
    shape = (count, 4 * hidden) if case["columns"] else (count,)
    w_scale, r_scale = (r.uniform(0.01, 0.02, shape).astype(F) for _ in range(2))
    zero = np.full(shape, 0 if dtype == S8 else 30, dtype)
    b = real(count, 8 * hidden, seed=1)
    lens = r.integers(0, steps + 1, batch).astype(I32) if case["lens"] else None
    if lens is not None:
        lens[r.integers(batch)] = steps
    h, c = (real(count, batch, hidden, seed=s) if case["states"] else None for s in (2, 3))
    p = real(count, 3 * hidden, seed=4) if case["peepholes"] else None
    attributes = dict(direction=case["direction"], input_forget=case["input_forget"], hidden_size=hidden)
    if case["clip"]:
        attributes["clip"] = case["clip"]
    spread = (slice(None), None, slice(None)) if case["columns"] else (slice(None), None, None)
    reals = [(v.astype(float) - zero[spread].astype(float)) * scale[spread].astype(float)
             for v, scale in ((w, w_scale), (rec, r_scale))]
    return ([x, w, rec, b, lens, h, c, p, w_scale, zero, r_scale, zero], attributes,
            [x, *reals, b, lens, h, c, p, case["direction"], case["clip"], case["input_forget"]])


@settings(max_examples=80, deadline=None)
@given(lstms())
def test_lstm(case):
    inputs, attributes, reals = lstm_arrays(case)
    expected = lstm(*reals)
    how, constants = dict(n_outputs=3, **attributes), (1, 2, 3, 7, 8, 9, 10, 11)
    for answer in (run("DynamicQuantizeLSTM", *inputs, **OURS, **how),
                   *both_ways("DynamicQuantizeLSTM", *inputs, constants=constants, types=[F] * 3, **how),
                   onnxruntime_runs("DynamicQuantizeLSTM", *inputs, types=[F] * 3, **THEIRS, **how)):
        for y, want in zip(answer, expected):
            # a state that lies on the border of two steps of 1/255 is rounded to the one or the other
            np.testing.assert_allclose(y, want, atol=5e-3)


@pytest.mark.parametrize("isa", _ops.usable_levels())
@pytest.mark.parametrize("direction, batch, hidden", [("forward", 1, 33), ("reverse", 3, 16), ("bidirectional", 2, 40)])
def test_lstm_by_kernels(direction, batch, hidden, isa, monkeypatch):
    case = dict(steps=3, batch=batch, size=9, hidden=hidden, dtype=U8, columns=True, lens=False, states=True,
                peepholes=True, direction=direction, clip=0.9, input_forget=0)
    inputs, attributes, reals = lstm_arrays(case)
    monkeypatch.setenv("CINFER_ISA", isa)
    monkeypatch.delattr("cinfer.ops.microsoft_layers.lstm_of_products")         # there is nothing left for NumPy
    for answer in both_ways("DynamicQuantizeLSTM", *inputs, constants=(1, 2, 3, 7, 8, 9, 10, 11), types=[F] * 3,
                            n_outputs=3, **attributes):
        for y, want in zip(answer, lstm(*reals)):
            np.testing.assert_allclose(y, want, atol=5e-3)


def test_lstm_with_other_activations():
    case = dict(steps=3, batch=2, size=3, hidden=4, dtype=S8, columns=True, lens=False, states=True,
                peepholes=False, direction="bidirectional", clip=0.5, input_forget=0)
    inputs, attributes, _ = lstm_arrays(case)
    names = ["HardSigmoid", "Relu", "Affine", "Sigmoid", "LeakyRelu", "Tanh"]
    how = dict(attributes, n_outputs=3, activations=names,
               activation_alpha=[0.3, 1.5, 0.2], activation_beta=[0.4, 0.1])
    expected = onnxruntime_runs("DynamicQuantizeLSTM", *inputs, types=[F] * 3, **THEIRS, **how)
    for y, want in zip(run("DynamicQuantizeLSTM", *inputs, **OURS, **how), expected):
        np.testing.assert_allclose(y, want, atol=5e-3)


def test_lstm_refuses():
    case = dict(steps=3, batch=2, size=3, hidden=4, dtype=S8, columns=False, lens=True, states=False,
                peepholes=False, direction="forward", clip=None, input_forget=0)
    inputs, attributes, _ = lstm_arrays(case)

    def other(place: int, value) -> list:
        return [*inputs[:place], value, *inputs[place + 1:]]
    for message, wrong in [
            ("W_scale is left out", other(8, None)), ("R_zero_point is left out", other(11, None)),
            ("R_scale has shape [4]; it has to be [1] or [1, 16]", other(10, np.ones(4, F))),
            ("R 2; both have to have 3", other(2, inputs[2][0])),
            ("W has shape [1, 2, 16]; it has to be [1, 3, 16]", other(1, inputs[1][:, :2].copy())),
            ("W, R and their zero points are int8 and uint8", other(9, np.zeros(1, U8))),
            ("floats are float32 and float64", other(3, inputs[3].astype(float)))]:
        refuses(message, "DynamicQuantizeLSTM", *wrong, **OURS, **attributes)


# QEmbedLayerNormalization

@st.composite
def embeddings(draw):
    return dict(batch=draw(st.integers(1, 3)), tokens=draw(st.integers(1, 4)), size=draw(st.integers(2, 6)),
                dtype=draw(st.sampled_from([U8, S8])), segments=draw(st.booleans()), mask=draw(st.booleans()),
                epsilon=draw(st.sampled_from([None, 0.1])))


def embedding_arrays(case: dict) -> tuple[list, dict, list]:
    batch, tokens, size, dtype = case["batch"], case["tokens"], case["size"], case["dtype"]
    ids, segments = (stored(batch, tokens, dtype=I32, low=0, high=n) for n in (7, 2))
    mask = stored(batch, tokens, dtype=I32, low=0, high=2, seed=5) if case["mask"] else None
    tables = [stored(n, size, dtype=dtype, seed=n) for n in (7, 5, 2)]
    tables += [stored(size, dtype=dtype, seed=s) for s in (3, 4)]
    scales = [scalar(0.01 * (i + 1)) for i in range(5)]
    zeros = [scalar(i + 3, dtype) for i in range(5)]
    tables_in_floats = [(t.astype(float) - z.astype(float)) * s for t, s, z in zip(tables, scales, zeros)]
    if not case["segments"]:
        segments = tables[2] = scales[2] = zeros[2] = None
    attributes = {} if case["epsilon"] is None else dict(epsilon=case["epsilon"])
    return [ids, segments, *tables, mask, *scales, *zeros], attributes, tables_in_floats


@settings(max_examples=40, deadline=None)
@given(embeddings())
def test_embedding(case):
    inputs, attributes, (word, position, segment, gamma, beta) = embedding_arrays(case)
    ids, segments, mask = inputs[0], inputs[1], inputs[7]
    x = word[ids] + position[np.arange(case["tokens"])] + (0 if segments is None else segment[segments])
    centred = x - x.mean(-1, keepdims=True)
    variance = (centred**2).mean(-1, keepdims=True)
    y = centred / np.sqrt(variance + attributes.get("epsilon", 1e-12)) * gamma + beta
    counts = np.zeros(len(ids), I32) if mask is None else (mask == 1).sum(1)
    how = dict(n_outputs=2, **attributes)
    for answer in (run("QEmbedLayerNormalization", *inputs, **OURS, **how),
                   *both_ways("QEmbedLayerNormalization", *inputs, types=[F, I32],
                              constants=(*range(2, 7), *range(8, 18)), **how),
                   onnxruntime_runs("QEmbedLayerNormalization", *inputs, types=[F, I32], **THEIRS, **how)):
        np.testing.assert_allclose(answer[0], y, atol=2e-5 * np.abs(y).max())
        np.testing.assert_array_equal(answer[1], counts)


def test_embedding_refuses():
    inputs, _, _ = embedding_arrays(dict(batch=2, tokens=3, size=4, dtype=U8, segments=True, mask=True,
                                         epsilon=None))

    def other(place: int, value) -> list:
        return [*inputs[:place], value, *inputs[place + 1:]]
    for message, wrong in [
            ("of segment table, scale or zero point is left out", other(4, None)),
            ("of word table, scale or zero point is left out", other(8, None)),
            ("gamma_scale has shape [4]; it has to be a scalar", other(11, np.ones(4, F))),
            ("input_ids has 1 axes", other(0, inputs[0][0])),
            ("mask has shape [2, 2]; it has to be [2, 3]", other(7, inputs[7][:, :2].copy()))]:
        refuses(message, "QEmbedLayerNormalization", *wrong, **OURS)

"""LinearAttention and CausalConvWithState against loops over positions, and the standard's cases."""
import math

import backend_cases
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from one_node import refuses, run
from one_node_model import same_when_loaded


@pytest.mark.parametrize("case", backend_cases.of("LinearAttention", "CausalConvWithState"))
def test_backend_case(case):
    backend_cases.check(case)


def by_positions(q, k, v, state, decay, beta, heads, shared, scale):
    """One position, one head of queries after the other; every head keeps a state of its own."""
    batch, count = q.shape[:2]
    size, width = q.shape[2] // heads, v.shape[2] // shared
    y, states = np.zeros((batch, count, heads * width)), np.zeros((batch, shared, size, width))
    for b, h in np.ndindex(batch, heads):
        at = h // (heads // shared)
        s = np.zeros((size, width)) if state is None else state[b, at].astype(np.float64)
        for t in range(count):
            key, value = k[b, t, at * size:(at + 1) * size], v[b, t, at * width:(at + 1) * width]
            key, value = key.astype(np.float64), value.astype(np.float64)
            if decay is not None:
                each = decay.shape[2] // shared
                s = s * np.exp(decay[b, t, at * each:(at + 1) * each].astype(np.float64))[:, None]
            if beta is not None:
                value = float(beta[b, t, at if beta.shape[2] == shared else 0]) * (value - s.T @ key)
            s = s + np.outer(key, value)
            query = q[b, t, h * size:(h + 1) * size].astype(np.float64)
            y[b, t, h * width:(h + 1) * width] = scale * (s.T @ query)
        states[b, at] = s
    return y, states


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_linear_attention(data):
    draw = data.draw
    batch, shared, group, count, size, width = (draw(st.integers(1, 3)) for _ in range(6))
    count, heads = draw(st.integers(0, 4)), shared * group
    rule = draw(st.sampled_from(["linear", "gated", "delta", "gated_delta"]))
    dtype = draw(st.sampled_from([np.float32, np.float16]))
    r = np.random.default_rng(draw(st.integers(0, 99)))

    def normal(*shape):
        return r.standard_normal(shape).astype(dtype) / 2
    q, k, v = normal(batch, count, heads * size), normal(batch, count, shared * size), \
        normal(batch, count, shared * width)
    state = normal(batch, shared, size, width).astype(np.float32) if draw(st.booleans()) else None
    decay = beta = None
    if "gated" in rule:
        decay = -abs(normal(batch, count, shared * draw(st.sampled_from([1, size]))))
    if "delta" in rule:
        beta = abs(normal(batch, count, draw(st.sampled_from([1, shared]))))
    scale = draw(st.sampled_from([0.0, 0.3]))
    y, present = run("LinearAttention", q, k, v, state, decay, beta, opset=27, n_outputs=2, q_num_heads=heads,
                     kv_num_heads=shared, update_rule=rule, scale=scale)
    assert present.dtype == (dtype if state is None else np.float32)
    expected = by_positions(q, k, v, state, decay, beta, heads, shared, scale or 1 / math.sqrt(size))
    for answer, wanted in zip((y, present), expected):
        np.testing.assert_allclose(answer, wanted, atol=1e-5 if dtype == np.float32 else 5e-3)


def test_linear_attention_refuses():
    x, one = np.ones((1, 2, 4), np.float32), np.ones((1, 2, 1), np.float32)
    heads = dict(q_num_heads=2, kv_num_heads=2, opset=27)
    refuses("'gated' needs decay", "LinearAttention", x, x, x, update_rule="gated", **heads)
    refuses("'linear' takes no beta", "LinearAttention", x, x, x, None, None, one, update_rule="linear",
            **heads)
    refuses("update_rule 'fast'", "LinearAttention", x, x, x, update_rule="fast", **heads)
    refuses("3 heads of queries", "LinearAttention", x, x, x, opset=27, q_num_heads=3, kv_num_heads=2)
    refuses("decay has shape [1, 2, 3]", "LinearAttention", x, x, x, None, np.ones((1, 2, 3), np.float32),
            update_rule="gated", **heads)
    refuses("past_state has shape", "LinearAttention", x, x, x, x[None], update_rule="linear", **heads)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_causal_conv_with_state(data):
    draw = data.draw
    batch, channels, size = (draw(st.integers(1, 4)) for _ in range(3))
    count = draw(st.integers(1, 5))
    dtype = draw(st.sampled_from([np.float32, np.float16]))
    r = np.random.default_rng(draw(st.integers(0, 99)))

    def normal(*shape):
        return r.standard_normal(shape).astype(dtype)
    x, w = normal(batch, channels, count), normal(channels, 1, size)
    bias = normal(channels) if draw(st.booleans()) else None
    past = normal(batch, channels, size - 1) if draw(st.booleans()) else None
    activation = draw(st.sampled_from(["none", "silu", "swish"]))
    before = np.zeros((batch, channels, size - 1)) if past is None else past
    long = np.concatenate([before, x], 2).astype(np.float64)
    expected = np.zeros(x.shape)
    for b, c, i in np.ndindex(x.shape):
        total = (long[b, c, i:i + size] * w[c, 0].astype(np.float64)).sum()
        total += 0 if bias is None else float(bias[c])
        expected[b, c, i] = total if activation == "none" else total / (1 + math.exp(-total))
    keywords = dict(opset=27, n_outputs=2, activation=activation)
    y, present = run("CausalConvWithState", x, w, bias, past, **keywords)
    atol = 1e-5 if dtype == np.float32 else 0.01
    np.testing.assert_allclose(y, expected, atol=atol)
    assert present.tolist() == long[:, :, count:].astype(dtype).tolist()
    same_when_loaded("CausalConvWithState", x, w, bias, past, atol=atol, **keywords)


def test_causal_conv_with_state_refuses():
    x, w = np.ones((1, 2, 3), np.float32), np.ones((2, 1, 2), np.float32)
    refuses("activation 'relu'", "CausalConvWithState", x, w, opset=27, activation="relu")
    refuses("weight has shape [2, 1, 2]", "CausalConvWithState", np.ones((1, 3, 3), np.float32), w, opset=27)
    refuses("past_state has shape", "CausalConvWithState", x, w, None, x, opset=27)

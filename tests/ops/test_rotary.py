"""RotaryEmbedding of both domains against loops over pairs, the standard's cases, and onnxruntime."""
import backend_cases
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from one_node import agrees_with_onnxruntime, refuses, run
from one_node_model import same_when_loaded
from test_attention import packed


@pytest.mark.parametrize("case", backend_cases.of("RotaryEmbedding"))
def test_backend_case(case):
    backend_cases.check(case)


def turned(x, cos, sin, size, interleaved):
    """x : (batch, heads, positions, size of a head); cos, sin : (batch, positions, half of size)"""
    y = x.astype(np.float64).copy()
    for b, i, j in np.ndindex(x.shape[0], x.shape[2], size // 2):
        first, second = (2 * j, 2 * j + 1) if interleaved else (j, j + size // 2)
        a, c = x[b, :, i, first].astype(np.float64), x[b, :, i, second].astype(np.float64)
        y[b, :, i, first] = a * cos[b, i, j] - c * sin[b, i, j]
        y[b, :, i, second] = a * sin[b, i, j] + c * cos[b, i, j]
    return y


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_rotary_embedding(data):
    draw = data.draw
    batch, heads, count, half = (draw(st.integers(1, 3)) for _ in range(4))
    rest, interleaved, ids, three = draw(st.integers(0, 3)), draw(st.integers(0, 1)), draw(st.booleans()), \
        draw(st.booleans())
    dtype = draw(st.sampled_from([np.float32, np.float16]))
    r = np.random.default_rng(draw(st.integers(0, 99)))
    x = r.standard_normal((batch, heads, count, half * 2 + rest)).astype(dtype)
    position_ids = r.integers(0, 7, (batch, count)) if ids else None
    cos, sin = (r.uniform(-1, 1, (7, half) if ids else (batch, count, half)).astype(dtype) for _ in range(2))
    expected = turned(x, cos[position_ids] if ids else cos, sin[position_ids] if ids else sin, half * 2,
                      interleaved)
    attributes = dict(interleaved=interleaved)
    if rest:
        attributes["rotary_embedding_dim"] = half * 2
    if three:
        x, expected, attributes["num_heads"] = packed(x), packed(expected), heads
    y = run("RotaryEmbedding", x, cos, sin, position_ids, opset=23, **attributes)
    np.testing.assert_allclose(y, expected, atol=1e-6 if dtype == np.float32 else 8e-3)
    same_when_loaded("RotaryEmbedding", x, cos, sin, position_ids, opset=23,
                     atol=1e-6 if dtype == np.float32 else 8e-3, **attributes)


def test_rotary_embedding_as_onnxruntime():
    r = np.random.default_rng(0)
    x, cos, sin = (r.standard_normal(s).astype(np.float32) for s in ((2, 3, 4, 8), (9, 4), (9, 4)))
    ids = r.integers(0, 9, (2, 4))
    for interleaved in (0, 1):
        agrees_with_onnxruntime("RotaryEmbedding", x, cos, sin, ids, opset=23, atol=1e-6,
                                interleaved=interleaved)
        for inputs in ((x, ids), (packed(x), ids), (packed(x), np.int64([3]))):
            for more in ({}, dict(num_heads=3)):
                agrees_with_onnxruntime("RotaryEmbedding", *inputs, cos, sin, opset=21, atol=1e-6,
                                        interleaved=interleaved, domain="com.microsoft", **more)
                same_when_loaded("RotaryEmbedding", *inputs, cos, sin, opset=21, interleaved=interleaved,
                                 domain="com.microsoft", **more)
        agrees_with_onnxruntime("RotaryEmbedding", packed(x), ids, cos[:, :2].copy(), sin[:, :2].copy(),
                                opset=21, atol=1e-6, interleaved=interleaved, domain="com.microsoft",
                                num_heads=3,
                                rotary_embedding_dim=4)


def test_rotary_embedding_refuses():
    x, cache, ids = np.ones((1, 2, 3, 4), np.float32), np.ones((9, 2), np.float32), np.zeros((1, 3), np.int64)
    refuses("num_heads is not given", "RotaryEmbedding", x[0], cache, cache, ids, opset=23)
    refuses("cos_cache has shape [9, 2]", "RotaryEmbedding", x, cache, cache, opset=23)
    refuses("cos_cache has shape [9, 2]", "RotaryEmbedding", x, cache, cache, ids, opset=23,
            rotary_embedding_dim=2)
    wide = np.ones((9, 3), np.float32)
    refuses("6 numbers of 4", "RotaryEmbedding", x, wide, wide, ids, opset=23, rotary_embedding_dim=6)
    refuses("position_ids has shape [1, 3]", "RotaryEmbedding", np.ones((2, 2, 3, 4), np.float32), cache,
            cache, ids, opset=23)
    refuses("scale 2", "RotaryEmbedding", x, ids, cache, cache, domain="com.microsoft", scale=2.0)
    refuses("cos_cache has 2 positions", "RotaryEmbedding", x, np.int64([0]), cache[:2], cache[:2],
            domain="com.microsoft")

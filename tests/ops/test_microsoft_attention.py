"""Attention and MultiHeadAttention of com.microsoft against loops over heads and rows, and onnxruntime."""
import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from one_node import onnxruntime_runs, refuses, run
from one_node_model import same_when_loaded
from test_attention import packed, softmax

DOMAIN = "com.microsoft"


def by_rows(q, k, v, added, scale, past):
    """added : (batch, heads, queries, keys); past : positions before, or None: later keys are seen"""
    y, scores = np.zeros((*q.shape[:3], v.shape[3])), np.zeros((*q.shape[:3], k.shape[2]))
    for b, h, i in np.ndindex(q.shape[:3]):
        for j in range(k.shape[2]):
            scores[b, h, i, j] = scale * (q[b, h, i].astype(np.float64) @ k[b, h, j]) + added[b, h, i, j]
            if past is not None and j > past + i:
                scores[b, h, i, j] = np.finfo(np.float32).min
        y[b, h, i] = softmax(scores[b, h, i]) @ v[b, h]
    return y, scores


def mask_of(draw, r, batch, rows, keys, ends_and_starts):
    """(a mask, True where a key is seen, of 4 axes)"""
    kind = draw(st.sampled_from(["none", "lengths", "keys", "rows", "one",
                                 *(["ends"] if ends_and_starts else [])]))
    everything = np.ones((batch, 1, rows, keys), bool)
    if kind == "none" or kind == "one" and (keys == 1 or not ends_and_starts):
        return None, everything
    if kind == "one":
        return np.zeros((batch, 1), np.int32), everything
    columns = np.arange(keys)
    if kind == "lengths":
        mask = r.integers(0, keys + 1, batch).astype(np.int32)
        return mask, everything & (columns < mask[:, None, None, None])
    if kind == "ends":
        mask = r.integers(0, keys + 1, 2 * batch).astype(np.int32)
        end, start = mask.reshape(2, batch, 1, 1, 1)
        return mask, everything & (columns < end) & (columns >= start)
    mask = r.integers(-1, 3, (batch, keys) if kind == "keys" else (batch, rows, keys)).astype(np.int32)
    return mask, everything & (mask[:, None, None] > 0 if kind == "keys" else mask[:, None] > 0)


@st.composite
def attentions(draw, one_input: bool):
    """(op_type, inputs, attributes, expected outputs)"""
    batch, heads, rows, size, width = (draw(st.integers(1, 3)) for _ in range(5))
    uni = draw(st.integers(0, 1))
    keys = rows if one_input or uni else draw(st.integers(1, 4))
    r = np.random.default_rng(draw(st.integers(0, 999)))
    with_past = draw(st.booleans())
    width = size if with_past else width

    def normal(*shape):
        return r.standard_normal(shape).astype(np.float32)
    bias = normal(heads * (size * 2 + width)) if draw(st.booleans()) else None
    ends = np.cumsum([heads * size, heads * size])

    def heads_of(x):
        return x.reshape(batch, -1, heads, x.shape[2] // heads).transpose(0, 2, 1, 3)
    if one_input:
        inner = draw(st.integers(1, 4))
        x, weights = normal(batch, rows, inner), normal(inner, heads * (size * 2 + width))
        parts = np.split(x.astype(np.float64) @ weights, ends, 2)
    else:
        parts = given_parts = [normal(batch, rows, heads * size), normal(batch, keys, heads * size),
                               normal(batch, keys, heads * width)]
    if bias is not None:
        parts = [part + each for part, each in zip(parts, np.split(bias, ends))]
    q, k, v = map(heads_of, parts)
    past, old = 0, None
    if with_past:
        past = draw(st.integers(1, 3))
        old = normal(2, batch, heads, past, size)
        k, v = np.concatenate([old[0], k], 2), np.concatenate([old[1], v], 2)
    total = keys + past
    mask, seen = mask_of(draw, r, batch, rows, total, one_input)
    added = np.where(seen, 0, np.float32(-10000)) + np.zeros((batch, heads, rows, total))
    extra = None
    if draw(st.booleans()) and not (one_input and with_past):
        extra = normal(draw(st.sampled_from([1, batch])), draw(st.sampled_from([1, heads])), rows, total)
        added = added + extra
    scale = draw(st.sampled_from([0.0, 0.4]))
    y, scores = by_rows(q, k, v, added, scale or 1 / math.sqrt(size), past if uni else None)
    attributes = dict(num_heads=heads, unidirectional=uni, scale=scale)
    if one_input:
        if width != size or draw(st.booleans()):
            attributes["qkv_hidden_sizes"] = [heads * size, heads * size, heads * width]
        outputs = [packed(y)] + ([np.stack([k, v])] if width == size else [])
        return "Attention", [x, weights, bias, mask, old, extra], attributes, outputs
    olds = [None, None] if old is None else [old[0].copy(), old[1].copy()]
    inputs = [*given_parts, bias, mask, extra, *olds]
    return "MultiHeadAttention", inputs, attributes, [packed(y), k, v, scores]


@settings(max_examples=120, deadline=None)
@given(st.booleans().flatmap(attentions))
def test_by_rows_and_as_onnxruntime(case):
    op_type, inputs, attributes, expected = case
    keywords = dict(domain=DOMAIN, n_outputs=len(expected), **attributes)
    answers = run(op_type, *inputs, **keywords)
    answers = answers if len(expected) > 1 else [answers]
    theirs = onnxruntime_runs(op_type, *inputs, opset=21, **keywords)
    theirs = theirs if len(expected) > 1 else [theirs]
    # a row in which all is masked holds numbers of -10000, which are 0.001 apart
    for answer, wanted, other in zip(answers, expected, theirs):
        assert answer.shape == wanted.shape == other.shape
        np.testing.assert_allclose(answer, wanted, rtol=1e-5, atol=5e-3)
        np.testing.assert_allclose(answer, other, rtol=1e-5, atol=5e-3)


@settings(max_examples=60, deadline=None)
@given(st.booleans().flatmap(attentions))
def test_when_loaded(case):
    op_type, inputs, attributes, expected = case
    same_when_loaded(op_type, *inputs, domain=DOMAIN, n_outputs=len(expected), atol=5e-3, **attributes)


def test_without_masks_it_is_exact_and_float16_too():
    r = np.random.default_rng(0)
    q, k, v = (r.standard_normal((2, n, 8)).astype(np.float32) for n in (3, 5, 5))
    split = [x.reshape(2, -1, 2, 4).transpose(0, 2, 1, 3) for x in (q, k, v)]
    expected = packed(by_rows(*split, np.zeros((2, 2, 3, 5)), 0.5, None)[0])
    np.testing.assert_allclose(run("MultiHeadAttention", q, k, v, domain=DOMAIN, num_heads=2), expected,
                               atol=1e-6)
    halves = [x.astype(np.float16) for x in (q, k, v)]
    y = run("MultiHeadAttention", *halves, domain=DOMAIN, num_heads=2)
    assert y.dtype == np.float16
    np.testing.assert_allclose(y, expected, atol=5e-3)
    same_when_loaded("MultiHeadAttention", *halves, None, np.int32([[1, 0, 1, 1, 0]] * 2), domain=DOMAIN,
                     num_heads=2, atol=5e-3)
    same_when_loaded("MultiHeadAttention", halves[1], *halves[1:], domain=DOMAIN, num_heads=2,
                     unidirectional=1, n_outputs=4, atol=5e-3)


def test_other_forms_of_queries_keys_and_values():
    r = np.random.default_rng(1)
    x = r.standard_normal((2, 3, 2, 3, 4)).astype(np.float32)           # batch, positions, heads, q k v, size
    q, k, v = (np.ascontiguousarray(x[:, :, :, i]).reshape(2, 3, 8) for i in range(3))
    bias = r.standard_normal(24).astype(np.float32)
    keywords = dict(domain=DOMAIN, num_heads=2)
    plain = run("MultiHeadAttention", q, k, v, **keywords)
    np.testing.assert_allclose(run("MultiHeadAttention", x, **keywords), plain, atol=1e-6)
    np.testing.assert_allclose(run("MultiHeadAttention", x, None, None, bias, **keywords),
                               run("MultiHeadAttention", q, k, v, bias, **keywords), atol=1e-6)
    np.testing.assert_allclose(run("MultiHeadAttention", q, x[:, :, :, 1:].copy(), **keywords), plain,
                               atol=1e-6)
    k4, v4 = (np.ascontiguousarray(y.reshape(2, 3, 2, 4).transpose(0, 2, 1, 3)) for y in (k, v))
    np.testing.assert_allclose(run("MultiHeadAttention", q, k4, v4, **keywords), plain, atol=1e-6)
    for inputs in ([x], [x, None, None, bias], [q, x[:, :, :, 1:].copy()], [q, k4, v4], [q, k4, v4, bias]):
        same_when_loaded("MultiHeadAttention", *inputs, **keywords)
    theirs = onnxruntime_runs("MultiHeadAttention", q, k4, v4, bias, opset=21, **keywords)
    np.testing.assert_allclose(run("MultiHeadAttention", q, k4, v4, bias, **keywords), theirs, atol=1e-6)


def test_a_batch_and_positions_that_are_free_are_spelt_out():
    import cinfer
    from cinfer.passes.expand_composites import is_composite
    h = pytest.importorskip("onnx").helper
    r = np.random.default_rng(0)
    weights, bias = r.standard_normal((6, 24)).astype(np.float32), r.standard_normal(24).astype(np.float32)
    from onnx import numpy_helper
    node = h.make_node("Attention", ["x", "w", "b", "m"], ["y"], domain=DOMAIN, num_heads=2, unidirectional=1)
    infos = [h.make_tensor_value_info("x", 1, ["n", "l", 6]), h.make_tensor_value_info("m", 6, ["n", "l"])]
    graph = h.make_graph([node], "g", infos, [h.make_tensor_value_info("y", 1, None)],
                         [numpy_helper.from_array(weights, "w"), numpy_helper.from_array(bias, "b")])
    session = cinfer.load(h.make_model(graph, ir_version=10, opset_imports=[
        h.make_opsetid("", 17), h.make_opsetid(DOMAIN, 1)]).SerializeToString())
    assert not any(map(is_composite, session._graph.nodes))
    for n, l in ((1, 1), (2, 5), (3, 2)):
        x, mask = r.standard_normal((n, l, 6)).astype(np.float32), r.integers(0, 2, (n, l)).astype(np.int32)
        theirs = onnxruntime_runs("Attention", x, weights, bias, mask, opset=17, domain=DOMAIN, num_heads=2,
                                  unidirectional=1)
        np.testing.assert_allclose(session.run(None, dict(x=x, m=mask))[0], theirs, atol=5e-3)


def test_refuses():
    x, one = np.ones((1, 2, 8), np.float32), np.int64([1])
    heads = dict(domain=DOMAIN, num_heads=2)
    mha = "MultiHeadAttention"
    four = np.ones((1, 2, 2, 4), np.float32)
    refuses("past_sequence_length is given", mha, x, x, x, *[None] * 5, one, **heads)
    refuses("the mask is int64", mha, x, x, x, None, np.int64([[1, 1]]), **heads)
    refuses("the mask has 5 numbers", mha, x, x, x, None, np.ones(5, np.int32), **heads)
    refuses("the mask has shape [1, 3]", mha, x, x, x, None, np.ones((1, 3), np.int32), **heads)
    refuses("the mask has 4 axes", mha, x, x, x, None, np.ones((1, 1, 2, 2), np.int32), **heads)
    refuses("attention_bias has shape", mha, x, x, x, None, None, np.ones((1, 1, 1, 2), np.float32), **heads)
    refuses("have to divide into 3 heads", mha, x, x, x, domain=DOMAIN, num_heads=3)
    refuses("2 keys for 1 queries", mha, x[:, :1], x, x, unidirectional=1, **heads)
    refuses("key is left out", mha, x, **heads)
    refuses("value, by heads,", mha, x, x, x[:, :1], **heads)
    refuses("only one of past_key", mha, x, x, x, None, None, None, four, **heads)
    refuses("past_key is given, and key has 4 axes", mha, x, four, four, None, None, None, four, four,
            **heads)
    w = np.ones((8, 24), np.float32)
    refuses("do_rotary is given", "Attention", x, w, do_rotary=1, **heads)
    refuses("of sizes [8, 8, 9]", "Attention", x, w, qkv_hidden_sizes=[8, 8, 9], **heads)
    refuses("the second output needs", "Attention", x, w, qkv_hidden_sizes=[6, 6, 12], n_outputs=2, **heads)
    refuses("past has shape", "Attention", x, w, None, None, np.ones((2, 1, 2, 3, 5), np.float32), **heads)
    refuses("bias has shape [23]", "Attention", x, w, w[0, :23], **heads)

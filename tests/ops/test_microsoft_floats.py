"""Fused operators of floats of com.microsoft against formulas in float64, and onnxruntime."""
import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from one_node import agrees_with_onnxruntime, infer, onnxruntime_runs, refuses, run, spec
from one_node_model import same_when_loaded

DOMAIN = "com.microsoft"
WITH = dict(domain=DOMAIN, opset=21)


def numbers(*shape, seed=0, dtype=np.float32):
    return np.random.default_rng(seed + len(shape)).standard_normal(shape).astype(dtype)


def each(function, x):
    return np.array([function(float(v)) for v in x.ravel()]).reshape(x.shape)


def gelu(v: float) -> float:
    return v / 2 * (1 + math.erf(v / math.sqrt(2)))


def tanh_gelu(v: float) -> float:
    return v / 2 * (1 + math.tanh(math.sqrt(2 / math.pi) * (v + 0.044715 * v**3)))


GELUS = {"Gelu": (gelu, False, {}), "BiasGelu": (gelu, True, {}), "FastGelu": (tanh_gelu, True, {}),
         "QuickGelu": (lambda v: v / (1 + math.exp(-1.3 * v)), False, dict(alpha=1.3))}


@pytest.mark.parametrize("op_type", GELUS)
@pytest.mark.parametrize("shape", [(5,), (2, 3), (2, 3, 4), (0, 4)])
def test_gelus(op_type, shape):
    function, has_bias, attributes = GELUS[op_type]
    inputs = [numbers(*shape)] + ([numbers(shape[-1], seed=5)] if has_bias else [])
    expected = each(function, sum(x.astype(np.float64) for x in inputs))
    np.testing.assert_allclose(run(op_type, *inputs, **WITH, **attributes), expected, atol=1e-6)
    if 0 not in shape:
        agrees_with_onnxruntime(op_type, *inputs, **WITH, atol=1e-5, **attributes)
    same_when_loaded(op_type, *inputs, **WITH, **attributes)
    same_when_loaded(op_type, *inputs, **WITH, free=True, expanded=not has_bias or len(shape) > 0,
                     **attributes)
    halves = [x.astype(np.float16) for x in inputs]
    np.testing.assert_allclose(run(op_type, *halves, **WITH, **attributes), expected, atol=1e-2)
    same_when_loaded(op_type, *halves, **WITH, atol=5e-3, **attributes)


def test_fast_gelu_without_bias_and_defaults():
    x = numbers(3, 4)
    np.testing.assert_allclose(run("FastGelu", x, **WITH), each(tanh_gelu, x), atol=1e-6)
    np.testing.assert_allclose(run("QuickGelu", x, **WITH), each(lambda v: v / (1 + math.exp(-1.702 * v)), x),
                               atol=1e-6)
    refuses("bias has shape [3]", "BiasGelu", x, x[:, 0], **WITH)
    refuses("bias has shape [1]", "FastGelu", x, x[0, :1], **WITH)
    refuses("int64; it has to be float", "Gelu", np.int64([1]), **WITH)
    refuses("float32 and float16", "BiasGelu", x, x[0].astype(np.float16), **WITH)


def test_bias_split_gelu_and_bias_add():
    x, bias, skip = numbers(2, 3, 8), numbers(8, seed=3), numbers(2, 3, 8, seed=7)
    z = x.astype(np.float64) + bias
    np.testing.assert_allclose(run("BiasSplitGelu", x, bias, **WITH), z[..., :4] * each(gelu, z[..., 4:]),
                               atol=1e-5)
    np.testing.assert_allclose(run("BiasAdd", x, bias, skip, **WITH), z + skip, atol=1e-6)
    for op_type, inputs in (("BiasSplitGelu", (x, bias)), ("BiasAdd", (x, bias, skip))):
        same_when_loaded(op_type, *inputs, **WITH)
        same_when_loaded(op_type, *[y.astype(np.float16) for y in inputs], **WITH, atol=2e-2)
    refuses("has to be an even number", "BiasSplitGelu", x[..., :7], bias[:7], **WITH)
    refuses("skip has shape", "BiasAdd", x, bias, skip[:1], **WITH)


# Normalisations: rows of the last axis, one after the other, in float64

def layer_norm(x, gamma, beta, epsilon):
    x = x.astype(np.float64)
    y, mean, factor = np.zeros(x.shape), np.zeros((*x.shape[:-1], 1)), np.zeros((*x.shape[:-1], 1))
    for i in np.ndindex(x.shape[:-1]):
        mean[i], factor[i] = x[i].mean(), 1 / math.sqrt(x[i].var() + epsilon)
        y[i] = (x[i] - mean[i]) * factor[i] * gamma + (0 if beta is None else beta)
    return y, mean, factor


def rms_norm(x, gamma, epsilon):
    x = x.astype(np.float64)
    factor = np.zeros((*x.shape[:-1], 1))
    for i in np.ndindex(x.shape[:-1]):
        factor[i] = 1 / math.sqrt((x[i]**2).mean() + epsilon)
    return x * factor * gamma, factor


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_skip_layer_normalizations(data):
    draw = data.draw
    batch, count, hidden = draw(st.integers(1, 3)), draw(st.integers(1, 4)), draw(st.integers(2, 17))
    shape = draw(st.sampled_from([(batch, count, hidden), (count, hidden)]))
    skip_shape = draw(st.sampled_from([shape, (count, hidden),
                                       (1, count, hidden)] if len(shape) == 3 else [shape]))
    x, skip = numbers(*shape), numbers(*skip_shape, seed=3)
    gamma = numbers(hidden, seed=4)
    beta, bias = (numbers(hidden, seed=seed) if draw(st.booleans()) else None for seed in (5, 6))
    epsilon = draw(st.sampled_from([1e-5, 0.1]))
    simplified = draw(st.booleans())
    total = x.astype(np.float64) + skip + (0 if bias is None else bias)
    if simplified:
        op_type, inputs = "SkipSimplifiedLayerNormalization", [x, skip, gamma, bias]
        expected, factor = rms_norm(total, gamma, epsilon)
    else:
        op_type, inputs = "SkipLayerNormalization", [x, skip, gamma, beta, bias]
        expected, mean, factor = layer_norm(total, gamma, beta, epsilon)
    keywords = dict(WITH, epsilon=epsilon)
    np.testing.assert_allclose(run(op_type, *inputs, **keywords), expected, rtol=1e-4, atol=1e-4)
    agrees_with_onnxruntime(op_type, *inputs, **keywords, atol=1e-4)
    same_when_loaded(op_type, *inputs, **keywords, atol=1e-4)
    halves = [y if y is None else y.astype(np.float16) for y in inputs]
    same_when_loaded(op_type, *halves, **keywords, atol=0.1)
    if not simplified:
        outputs = run(op_type, *inputs, **keywords, n_outputs=4)
        theirs = onnxruntime_runs(op_type, *inputs, **keywords, n_outputs=4)
        for y, wanted, other in zip(outputs, (expected, mean, factor, total), theirs):
            assert y.dtype == np.float32 and y.shape == wanted.shape
            np.testing.assert_allclose(y, wanted, rtol=1e-4, atol=1e-4)
            np.testing.assert_allclose(y, other, rtol=1e-4, atol=1e-4)
        same_when_loaded(op_type, *inputs, **keywords, n_outputs=4, atol=1e-4)


def test_the_sum_alone_and_what_is_not_made():
    import cinfer
    h = pytest.importorskip("onnx").helper
    x, skip, gamma = numbers(2, 3, 4), numbers(2, 3, 4, seed=1), numbers(4)

    def session(outputs):
        infos = [h.make_tensor_value_info(name, 1, y.shape) for name,
                 y in (("x", x), ("s", skip), ("g", gamma))]
        node = h.make_node("SkipSimplifiedLayerNormalization", ["x", "s", "g"], outputs, domain=DOMAIN)
        graph = h.make_graph([node], "g", infos, [h.make_tensor_value_info(o, 1, None) for o in outputs if o])
        return cinfer.load(h.make_model(graph, ir_version=8, opset_imports=[
            h.make_opsetid("", 17), h.make_opsetid(DOMAIN, 1)]).SerializeToString())
    y, total = session(["y", "", "", "t"]).run(None, dict(x=x, s=skip, g=gamma))
    np.testing.assert_allclose(total, x + skip)
    np.testing.assert_allclose(y, rms_norm(x + skip, gamma, 1e-12)[0], atol=1e-5)
    with pytest.raises(cinfer.Error, match="does not make it here"):
        session(["y", "mean"]).run(None, dict(x=x, s=skip, g=gamma))


def test_skip_layer_normalization_refuses():
    x, gamma = numbers(2, 3, 4), numbers(4)
    for skip in (numbers(2, 1, 4), numbers(4), numbers(3, 3, 4)):
        refuses("skip has shape", "SkipLayerNormalization", x, skip, gamma, **WITH)
    refuses("gamma has shape [3]", "SkipLayerNormalization", x, x, gamma[:3], **WITH)
    refuses("input has 4 axes", "SkipLayerNormalization", x[None], x[None], gamma, **WITH)
    refuses("beta has shape [1]", "SkipLayerNormalization", x, x, gamma, gamma[:1], **WITH)


@pytest.mark.parametrize("domain", ["", DOMAIN])
@pytest.mark.parametrize("axis", [-1, 2, 1])
def test_simplified_layer_normalization(domain, axis):
    x = numbers(2, 3, 8) * 3
    scale = numbers(*x.shape[axis:], seed=2)
    flat = x.reshape(*x.shape[:axis], -1)
    y, factor = rms_norm(flat, scale.ravel(), 1e-5)
    keywords = dict(axis=axis, domain=domain, opset=17)
    answer, statistic = run("SimplifiedLayerNormalization", x, scale, n_outputs=2, **keywords)
    np.testing.assert_allclose(answer, y.reshape(x.shape), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(statistic.reshape(factor.shape), factor, rtol=1e-5)
    assert statistic.shape == x.shape[:axis] + (1,) * len(scale.shape)
    same_when_loaded("SimplifiedLayerNormalization", x, scale, n_outputs=2, **keywords)
    # the answer is of the type of scale
    half = x.astype(np.float16)
    for types in ((np.float16, np.float16), (np.float16, np.float32)):
        answer = run("SimplifiedLayerNormalization", half, scale.astype(types[1]), **keywords)
        assert answer.dtype == types[1]
        np.testing.assert_allclose(answer, y.reshape(x.shape), atol=2e-2)
        same_when_loaded("SimplifiedLayerNormalization", half, scale.astype(types[1]), atol=2e-2, **keywords)
    if not domain:
        agrees_with_onnxruntime("SimplifiedLayerNormalization", x, scale, n_outputs=2, atol=1e-5, **keywords)
    # 300 squared is no float16
    large = np.full((1, 1, 8), 300, np.float16)
    assert run("SimplifiedLayerNormalization", large, np.ones(8, np.float16),
               domain=domain).tolist() == [[[1] * 8]]


def group_norm(x, gamma, beta, groups, epsilon, activation):
    """x : (batch, height, width, channels)"""
    y = np.zeros(x.shape)
    for b, g in np.ndindex(x.shape[0], groups):
        part = slice(g * x.shape[3] // groups, (g + 1) * x.shape[3] // groups)
        z = x[b, :, :, part].astype(np.float64)
        y[b, :, :, part] = (z - z.mean()) / math.sqrt(z.var() + epsilon) * gamma[part] + beta[part]
    return y / (1 + np.exp(-y)) if activation else y


@pytest.mark.parametrize("activation", [0, 1])
@pytest.mark.parametrize("channels_last", [0, 1])
@pytest.mark.parametrize("groups", [1, 2, 6])
def test_group_norm(activation, channels_last, groups):
    x, gamma, beta = numbers(2, 3, 5, 6), numbers(6, seed=1), numbers(6, seed=2)
    expected = group_norm(x, gamma, beta, groups, 1e-3, activation)
    x, expected = (y if channels_last else np.ascontiguousarray(y.transpose(0, 3, 1, 2)) for y in (x,
                                                                                                   expected))
    keywords = dict(WITH, groups=groups, activation=activation, epsilon=1e-3, channels_last=channels_last)
    np.testing.assert_allclose(run("GroupNorm", x, gamma, beta, **keywords), expected, atol=1e-5)
    same_when_loaded("GroupNorm", x, gamma, beta, atol=1e-5, **keywords)
    half = run("GroupNorm", x.astype(np.float16), gamma, beta, **keywords)
    assert half.dtype == np.float16
    np.testing.assert_allclose(half, expected, atol=1e-2)
    same_when_loaded("GroupNorm", x.astype(np.float16), gamma, beta, atol=1e-2, **keywords)


@pytest.mark.parametrize("skip_shape", [(2, 3, 5, 6), (2, 1, 1, 6), (2, 6)])
@pytest.mark.parametrize("with_bias", [False, True])
def test_skip_group_norm(skip_shape, with_bias):
    x, gamma, beta = numbers(2, 3, 5, 6), numbers(6, seed=1), numbers(6, seed=2)
    skip, bias = numbers(*skip_shape, seed=3), numbers(6, seed=4) if with_bias else None
    total = x + skip.reshape(skip_shape if len(skip_shape) == 4 else (2, 1, 1,
                                                                      6)) + (bias if with_bias else 0)
    keywords = dict(WITH, groups=3, activation=1, n_outputs=2)
    y, s = run("SkipGroupNorm", x, gamma, beta, skip, bias, **keywords)
    np.testing.assert_allclose(s, total, atol=1e-6)
    np.testing.assert_allclose(y, group_norm(total, gamma, beta, 3, 1e-5, 1), atol=1e-5)
    same_when_loaded("SkipGroupNorm", x, gamma, beta, skip, bias, atol=1e-5, **keywords)


def test_group_norms_refuse():
    x, gamma = numbers(2, 3, 5, 6), numbers(6)
    refuses("activation 2", "GroupNorm", x, gamma, gamma, groups=2, activation=2, **WITH)
    refuses("4 groups", "GroupNorm", x, gamma, gamma, groups=4, activation=0, **WITH)
    refuses("X has 3 axes", "GroupNorm", x[0], gamma, gamma, groups=2, activation=0, **WITH)
    refuses("gamma has shape [6]", "GroupNorm", x, gamma, gamma, groups=1, activation=0, channels_last=0,
            **WITH)
    refuses("channels_last is 0", "SkipGroupNorm", x, gamma, gamma, x, groups=2, activation=0,
            channels_last=0, **WITH)
    refuses("skip has shape", "SkipGroupNorm", x, gamma, gamma, x[:1], groups=2, activation=0, **WITH)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_embed_layer_normalization(data):
    draw = data.draw
    batch, count, hidden = draw(st.integers(1, 3)), draw(st.integers(1, 4)), draw(st.integers(2, 9))
    r = np.random.default_rng(draw(st.integers(0, 99)))
    ids = r.integers(0, 5, (batch, count)).astype(np.int32)
    words, places, kinds = numbers(5, hidden), numbers(6, hidden, seed=1), numbers(2, hidden, seed=2)
    gamma, beta = numbers(hidden, seed=3), numbers(hidden, seed=4)
    segments = r.integers(0, 2, (batch, count)).astype(np.int32) if draw(st.booleans()) else None
    at = draw(st.sampled_from([None, (1, count), (batch, count)]))
    at = None if at is None else r.integers(0, 6, at).astype(np.int32)
    mask = r.integers(0, 3, (batch, count)).astype(np.int32) if draw(st.booleans()) else None
    total = np.zeros((batch, count, hidden))
    for b, i in np.ndindex(batch, count):
        place = i if at is None else at[b if len(at) > 1 else 0, i]
        total[b, i] = words[ids[b, i]].astype(np.float64) + places[place]
        total[b, i] += 0 if segments is None else kinds[segments[b, i]]
    inputs = [ids, segments, words, places, None if segments is None else kinds, gamma, beta, mask, at]
    while inputs[-1] is None:
        inputs.pop()
    keywords = dict(WITH, epsilon=1e-3, n_outputs=3)
    y, index, s = run("EmbedLayerNormalization", *inputs, **keywords)
    np.testing.assert_allclose(y, layer_norm(total, gamma, beta, 1e-3)[0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(s, total, atol=1e-6)
    assert index.dtype == np.int32
    assert index.tolist() == [0 if mask is None else row.count(1) for row in
                              ([[0]] * batch if mask is None else mask.tolist())]
    theirs = onnxruntime_runs("EmbedLayerNormalization", *inputs, types=[np.float32, np.int32, np.float32],
                              **keywords)
    for answer, other in zip((y, index, s), theirs):
        np.testing.assert_allclose(answer, other, atol=1e-5)
    same_when_loaded("EmbedLayerNormalization", *inputs, atol=1e-5, **keywords)


def test_embed_layer_normalization_refuses():
    ids, table, gamma = np.zeros((2, 3), np.int32), numbers(5, 4), numbers(4)
    name = "EmbedLayerNormalization"
    refuses("only one of segment_ids", name, ids, ids, table, table, None, gamma, gamma, **WITH)
    refuses("position_embedding has 2 positions", name, ids, None, table, table[:2], None, gamma, gamma,
            **WITH)
    refuses("position_embedding has shape", name, ids, None, table, table[:, :3], None, gamma, gamma, **WITH)
    refuses("beta is left out", name, ids, None, table, table, None, gamma, **WITH)
    refuses("mask has shape", name, ids, None, table, table, None, gamma, gamma, ids[:, :2], **WITH,
            n_outputs=2)
    refuses("position_ids has shape", name, ids, None, table, table, None, gamma, gamma, None, ids[:, :2],
            **WITH)


ACTIVATIONS = {
    "Relu": (lambda v: max(v, 0), {}), "Tanh": (math.tanh, {}), "Sigmoid": (lambda v: 1 / (1 + math.exp(-v)),
                                                                            {}),
    "Softplus": (lambda v: math.log1p(math.exp(v)), {}), "Softsign": (lambda v: v / (1 + abs(v)), {}),
    "Elu": (lambda v: v if v > 0 else 0.3 * math.expm1(v), dict(alpha=0.3)),
    "LeakyRelu": (lambda v: v if v > 0 else 0.3 * v, dict(alpha=0.3)),
    "ThresholdedRelu": (lambda v: v if v > 0.3 else 0, dict(alpha=0.3)),
    "HardSigmoid": (lambda v: min(max(0.3 * v + 0.4, 0), 1), dict(alpha=0.3, beta=0.4)),
    "ScaledTanh": (lambda v: 0.3 * math.tanh(0.4 * v), dict(alpha=0.3, beta=0.4)),
    "ParametricSoftplus": (lambda v: 0.3 * math.log1p(math.exp(0.4 * v)), dict(alpha=0.3, beta=0.4)),
    "Selu": (lambda v: 1.1 * (v if v > 0 else 1.5 * math.expm1(v)), dict(alpha=1.5, gamma=1.1))}


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("c_shape", [None, (5,), (3, 1), (3, 5), ()])
def test_fused_gemm(activation, c_shape):
    function, parameters = ACTIVATIONS[activation]
    a, b = numbers(4, 3), numbers(5, 4, seed=1)
    c = None if c_shape is None else numbers(*c_shape, seed=2)
    z = 0.5 * a.T.astype(np.float64) @ b.T + (0 if c is None else 2.0 * c)
    keywords = dict(WITH, activation=activation, alpha=0.5, beta=2.0, transA=1, transB=1,
                    **{f"activation_{name}": value for name, value in parameters.items()})
    np.testing.assert_allclose(run("FusedGemm", a, b, c, **keywords), each(function, z), atol=1e-5)
    agrees_with_onnxruntime("FusedGemm", a, b, c, **keywords, atol=1e-5)
    same_when_loaded("FusedGemm", a, b, c, atol=1e-5, **keywords)


def test_fused_gemm_refuses():
    a = numbers(3, 3)
    refuses("activation 'Gelu'", "FusedGemm", a, a, activation="Gelu", **WITH)
    refuses("activation ''", "FusedGemm", a, a, **WITH)
    refuses("without activation_alpha", "FusedGemm", a, a, activation="LeakyRelu", **WITH)


def test_sizes_are_foreseen():
    x, vector = spec(2, 3, 4), spec(4)
    outputs = infer("SkipLayerNormalization", x, x, vector, vector, n_outputs=4, **WITH)
    assert [y.shape for y in outputs] == [(2, 3, 4), (2, 3, 1), (2, 3, 1), (2, 3, 4)]

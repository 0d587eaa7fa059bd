"""Attention and FlexAttention against the standard's cases, loops over heads and rows, and onnxruntime."""
import copy
import math

import backend_cases
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from one_node import agrees_with_onnxruntime, infer, refuses, run, spec
from one_node_model import same_when_loaded


@pytest.mark.parametrize("case", backend_cases.of("Attention"))
def test_backend_case(case):
    case = copy.copy(case)
    # node by node, rounded after each one: two units in the last place, twice
    case.rtol = 2**-6 if "bf16" in case.name else 2**-9 if "fp16" in case.name else case.rtol
    backend_cases.check(case)


def softmax(row: np.ndarray) -> np.ndarray:
    e = np.exp(row - row.max())
    return e / e.sum()


def by_rows(q, k, v, *, mask=None, past=(None, None), nonpad=None, causal=0, scale=None, softcap=0, mode=0,
            left=-1, right=-1):
    """Attention for each query in turn, in float64. q, k, v : (batch, heads, positions, size)"""
    q, k, v = (x.astype(np.float64) for x in (q, k, v))
    before = 0
    if past[0] is not None:
        before = past[0].shape[2]
        k, v = (np.concatenate([old.astype(np.float64), new], 2) for old, new in zip(past, (k, v)))
    batch, heads, rows, size = q.shape
    keys, group = k.shape[2], heads // k.shape[1]
    scale = 1 / math.sqrt(size) if scale is None else scale
    y, debug = np.zeros((batch, heads, rows, v.shape[3])), np.zeros((batch, heads, rows, keys))
    if mask is not None:
        fill = False if mask.dtype == bool else -np.inf
        rest = np.full((*mask.shape[:-1], keys - mask.shape[-1]), fill, mask.dtype)
        mask = np.concatenate([mask, rest], -1)
        mask = np.broadcast_to(mask, debug.shape)
    for b, h, i in np.ndindex(batch, heads, rows):
        offset = before if nonpad is None else int(nonpad[b]) - rows
        scores, bias = np.empty((3, keys)), np.zeros(keys)
        for j in range(keys):
            scores[0, j] = scale * (q[b, h, i] * k[b, h // group, j]).sum()
            scores[1, j] = softcap * math.tanh(scores[0, j] / softcap) if softcap else scores[0, j]
            place = i + offset
            if causal and j > place or left >= 0 and j < place - left or right >= 0 and j > place + right \
                    or nonpad is not None and j >= nonpad[b]:
                bias[j] = -np.inf
            if mask is not None:
                bias[j] += (0 if mask[b, h, i, j] else -np.inf) if mask.dtype == bool else mask[b, h, i, j]
        scores[2] = scores[1] + bias
        p = np.zeros(keys) if (bias == -np.inf).all() else softmax(scores[2])
        y[b, h, i] = p @ v[b, h // group]
        debug[b, h, i] = p if mode == 3 else scores[mode]
    return y, k, v, debug


def packed(x: np.ndarray) -> np.ndarray:
    """(batch, heads, positions, size) -> (batch, positions, heads * size)"""
    batch, heads, count, size = x.shape
    return np.ascontiguousarray(x.transpose(0, 2, 1, 3)).reshape(batch, count, heads * size)


@st.composite
def attentions(draw):
    """(inputs of 4 axes, attributes, opset, keywords of the oracle)"""
    size = st.integers(1, 4)
    batch, shared, group, rows, keys, width, values = (draw(size) for _ in range(7))
    r = np.random.default_rng(draw(st.integers(0, 999)))
    heads = shared * group

    def normal(*shape):
        return (r.standard_normal(shape) * 2).astype(np.float32)
    q, k, v = normal(batch, heads, rows, width), normal(batch, shared, keys, width), \
        normal(batch, shared, keys, values)
    opset = draw(st.sampled_from([23, 24, 25]))
    past, nonpad = (None, None), None
    cache = draw(st.sampled_from(["none", "past", "nonpad"] if opset > 23 else ["none", "past"]))
    if cache == "past":
        old = draw(st.integers(0, 3))
        past = normal(batch, shared, old, width), normal(batch, shared, old, values)
    elif cache == "nonpad":
        nonpad = r.integers(0, keys + 1, batch)
    total = keys + (0 if past[0] is None else past[0].shape[2])
    mask = None
    kind = draw(st.sampled_from(["none", "bool", "float"]))
    if kind != "none":
        shape = [draw(st.sampled_from([1, n])) for n in (batch, heads, rows)] + [total]
        if opset > 23:
            shape[-1] = draw(st.integers(1, total))
        shape = shape[draw(st.integers(0, 3)):]
        mask = r.random(shape) < 0.6
        mask = mask if kind == "bool" else np.where(mask, normal(*shape), np.float32(-np.inf))
    causal, mode = draw(st.integers(0, 1)), draw(st.integers(0, 3))
    scale, softcap = draw(st.sampled_from([None, 0.5])), draw(st.sampled_from([0.0, 1.5]))
    attributes = dict(is_causal=causal, qk_matmul_output_mode=mode, softcap=softcap)
    oracle = dict(mask=mask, past=past, nonpad=nonpad, causal=causal, mode=mode, softcap=softcap, scale=scale)
    if scale is not None:
        attributes["scale"] = scale
    if opset > 24:
        attributes["left_window_size"] = oracle["left"] = draw(st.integers(-1, 3))
        attributes["right_window_size"] = oracle["right"] = draw(st.integers(-1, 3))
    return [q, k, v, mask, *past] + ([nonpad] if opset > 23 else []), attributes, opset, oracle


def check_attention(case, three: bool, dtype=np.float32) -> None:
    inputs, attributes, opset, oracle = case
    inputs = [x if x is None or x.dtype.kind != "f" else x.astype(dtype) for x in inputs]
    oracle = {**oracle, "past": tuple(inputs[4:6]), "mask": inputs[3]}
    y, k, v, debug = by_rows(*inputs[:3], **oracle)
    if three:
        attributes = {**attributes, "q_num_heads": inputs[0].shape[1], "kv_num_heads": inputs[1].shape[1]}
        inputs[:3], y = map(packed, inputs[:3]), packed(y)
    answers = run("Attention", *inputs, opset=opset, n_outputs=4, **attributes)
    for answer, expected in zip(answers, (y, k, v, debug)):
        assert answer.dtype == dtype and answer.shape == expected.shape
        # float16 is rounded after each of a dozen steps, and numbers of 20 are 0.01 apart
        atol = 2e-5 if dtype == np.float32 else 0.1
        np.testing.assert_allclose(answer.astype(np.float64), expected, rtol=atol, atol=atol)


@settings(max_examples=150, deadline=None)
@given(attentions(), st.booleans())
def test_attention_by_rows(case, three):
    check_attention(case, three)


@settings(max_examples=40, deadline=None)
@given(attentions(), st.booleans())
def test_attention_of_float16(case, three):
    check_attention(case, three, np.float16)


@settings(max_examples=60, deadline=None)
@given(attentions(), st.booleans(), st.booleans())
def test_attention_when_loaded(case, three, free):
    inputs, attributes, opset, _ = case
    if three:
        attributes = {**attributes, "q_num_heads": inputs[0].shape[1], "kv_num_heads": inputs[1].shape[1]}
        inputs = [*map(packed, inputs[:3]), *inputs[3:]]
    # with all sizes free, not even the scale is known
    same_when_loaded("Attention", *inputs, opset=opset, n_outputs=4, free=free, expanded=not free, atol=1e-5,
                     **attributes)


@settings(max_examples=30, deadline=None)
@given(attentions())
def test_attention_as_onnxruntime(case):
    inputs, attributes, opset, oracle = case
    total = inputs[1].shape[2] + (0 if oracle["past"][0] is None else oracle["past"][0].shape[2])
    mask = oracle["mask"]
    if mask is not None and (mask.ndim < 2 or mask.shape[-2:] != (inputs[0].shape[2], total)):
        return                                          # onnxruntime broadcasts no last axes
    if attributes["is_causal"] and inputs[0].shape[2] == 1:
        return                                          # a query that is alone sees all in onnxruntime
    if oracle["past"][0] is not None and not oracle["past"][0].size or opset > 24:
        return
    outputs = 3 if oracle["past"][0] is not None else 1
    agrees_with_onnxruntime("Attention", *inputs, opset=opset, n_outputs=outputs, atol=2e-5, **attributes)


def test_a_batch_and_positions_that_are_free_are_spelt_out():
    import cinfer
    from cinfer.passes.expand_composites import is_composite
    from one_node_model import onnx
    r, h = np.random.default_rng(0), onnx.helper
    for heads, shared in ((4, 4), (4, 2)):
        node = h.make_node("Attention", ["q", "k", "k", "m"], ["y"], q_num_heads=heads, kv_num_heads=shared,
                           is_causal=1)
        infos = [h.make_tensor_value_info("q", 1, ["b", "l", heads * 8]),
                 h.make_tensor_value_info("k", 1, ["b", "s", shared * 8]),
                 h.make_tensor_value_info("m", 9, ["b", 1, "l", "s"])]
        model = h.make_model(h.make_graph([node], "g", infos, [h.make_tensor_value_info("y", 1, None)]),
                             ir_version=10, opset_imports=[h.make_opsetid("", 24)])
        session = cinfer.load(model.SerializeToString())
        assert not any(map(is_composite, session._graph.nodes))
        for b, l, s in ((1, 1, 1), (2, 5, 7), (3, 7, 2), (2, 0, 3)):
            q, k = r.standard_normal((b, l, heads * 8)), r.standard_normal((b, s, shared * 8))
            q, k, mask = q.astype(np.float32), k.astype(np.float32), r.random((b, 1, l, s)) < 0.7
            y = session.run(None, dict(q=q, k=k, m=mask))[0]
            split = [x.reshape(b, -1, n, 8).transpose(0, 2, 1, 3)
                     for x, n in ((q, heads), (k, shared), (k, shared))]
            np.testing.assert_allclose(y, packed(by_rows(*split, mask=mask, causal=1)[0]), atol=1e-5)


def test_softmax_in_another_precision():
    r = np.random.default_rng(0)
    q, k, v = (r.standard_normal((1, 2, 3, 4)).astype(np.float32) for _ in range(3))
    expected = by_rows(q, k, v)[0]
    for precision, atol in ((1, 1e-6), (11, 1e-6), (10, 2e-3), (16, 2e-2)):
        y = run("Attention", q, k, v, opset=23, softmax_precision=precision)
        assert y.dtype == np.float32
        np.testing.assert_allclose(y, expected, atol=atol)
        same_when_loaded("Attention", q, k, v, softmax_precision=precision,
                         atol=1e-6 if precision in (1, 11) else 0.02)


def test_a_row_masked_by_a_number_too_low_for_float16_is_zero_in_wider_arithmetic_too():
    q = np.ones((1, 1, 2, 2), np.float16)
    mask = np.float32([[-3.4e38, -1e5], [0, -1e5]])
    for opset in (23, 24):
        y = run("Attention", q, q, q, mask, opset=opset)
        assert y[0, 0].tolist() == [[0, 0], [1, 1]]
        same_when_loaded("Attention", q, q, q, mask, opset=opset)


def test_masks_of_other_kinds():
    q = np.random.default_rng(0).standard_normal((1, 1, 2, 2)).astype(np.float32)
    plain = run("Attention", q, q, q, opset=23)
    # whole numbers are added, as the standard's function body does
    np.testing.assert_allclose(run("Attention", q, q, q, np.int64([[0, 0], [0, 0]]), opset=23), plain)
    added = by_rows(q, q, q, mask=np.float32([[1, 0], [0, 2]]))[0]
    np.testing.assert_allclose(run("Attention", q, q, q, np.int32([[1, 0], [0, 2]]), opset=24), added,
                               rtol=1e-5)
    np.testing.assert_allclose(run("Attention", q, q, q, np.float32(3), opset=23), plain, rtol=1e-5)
    # one number for all keys: before opset 24 it broadcasts, since then the other keys are masked
    one = np.array([[True], [True]])
    np.testing.assert_allclose(run("Attention", q, q, q, one, opset=23), plain)
    np.testing.assert_allclose(run("Attention", q, q, q, one, opset=24)[0, 0], q[0, 0][[0, 0]])


def test_attention_refuses():
    q = np.ones((1, 2, 3, 4), np.float32)
    cases = {
        "Q has 2 axes": ([q[0, 0]] * 3, {}), "K has 3 axes": ([q, q[0], q], {}),
        "q_num_heads is not given": ([q[0]] * 3, {}),
        "do not divide among 3": ([q] + [np.ones((1, 3, 3, 4), np.float32)] * 2, {}),
        "have to divide into 3 heads": ([q[0]] * 3, dict(q_num_heads=3, kv_num_heads=3)),
        "q_num_heads is 3, but": ([q] * 3, dict(q_num_heads=3)),
        "only one of past_key": ([q, q, q, None, q], {}),
        "past_key and nonpad_kv_seqlen": ([q, q, q, None, q, q, np.int64([1])], {}),
        "float32 and float64": ([q, q, q.astype(np.float64)], {}),
        "heads of Q have 4 numbers": ([q, q[..., :3], q], {}),
        "K has 2 heads and 3 positions": ([q, q, q[:, :, :2]], {}),
        "V has a batch of 2": ([q, q, np.ones((2, 2, 3, 4), np.float32)], {}),
        "scale -1": ([q] * 3, dict(scale=-1.0)), "softcap -1": ([q] * 3, dict(softcap=-1.0)),
        "qk_matmul_output_mode 4": ([q] * 3, dict(qk_matmul_output_mode=4)),
        "softmax_precision 7": ([q] * 3, dict(softmax_precision=7)),
        "left_window_size -2": ([q] * 3, dict(left_window_size=-2)),
        "attn_mask is for 4 keys": ([q, q, q, np.ones((3, 4), bool)], {}),
        "attn_mask of int64": ([q, q, q, np.ones((3, 2), np.int64)], {}),
        "attn_mask of shape [2, 3] does not": ([q, q, q, np.ones((2, 3), bool)], {}),
        "nonpad_kv_seqlen has shape [2]": ([q, q, q, None, None, None, np.int64([1, 2])], {}),
        "Q is int64": ([q.astype(np.int64)] * 3, {})}
    for message, (inputs, attributes) in cases.items():
        refuses(message, "Attention", *inputs, opset=25, **attributes)


def test_sizes_and_types_are_foreseen():
    q, k = spec(2, 3, 8), spec(2, 5, 4)
    y, key, value, debug = infer("Attention", q, k, k, opset=24, n_outputs=4, q_num_heads=4, kv_num_heads=2)
    assert y.shape == (2, 3, 8) and key.shape == value.shape == (2, 2, 5, 2) and debug.shape == (2, 4, 3, 5)


# FlexAttention

def modifier(*nodes, constants=()):
    helper = pytest.importorskip("onnx").helper
    return helper.make_graph(
        list(nodes), "mod", [helper.make_tensor_value_info("s", 1, None)],
        [helper.make_tensor_value_info("t", 1, None)],
        [pytest.importorskip("onnx").numpy_helper.from_array(np.float32(value), name)
         for name, value in constants])


def flex_model(shapes, attributes, more=(), opset=24):
    helper = pytest.importorskip("onnx").helper
    infos = [helper.make_tensor_value_info(name, 1, shape) for name, shape in zip("qkv", shapes)]
    nodes = [*more, helper.make_node("FlexAttention", ["q", "k", "v"], ["y"], domain="ai.onnx.preview",
                                     **attributes)]
    graph = helper.make_graph(nodes, "g", infos, [helper.make_tensor_value_info("y", 1, None)])
    return helper.make_model(graph, ir_version=10, opset_imports=[
        helper.make_opsetid("", opset), helper.make_opsetid("ai.onnx.preview", 1)]).SerializeToString()


@pytest.mark.parametrize("shared", [4, 2, 1])
@pytest.mark.parametrize("free", [False, True])
def test_flex_attention_with_modifiers(shared, free):
    import cinfer
    from cinfer.passes.expand_composites import is_composite
    helper = pytest.importorskip("onnx").helper
    r = np.random.default_rng(shared)
    q, k, v = (r.standard_normal(shape).astype(np.float32)
               for shape in ((2, 4, 3, 8), (2, shared, 5, 8), (2, shared, 5, 6)))
    doubled = modifier(helper.make_node("Mul", ["s", "two"], ["t"]), constants=[("two", 2)])
    squared = modifier(helper.make_node("Mul", ["s", "s"], ["t"]))
    shapes = [["b", x.shape[1], f"l{i}", x.shape[3]] if free else x.shape for i, x in enumerate((q, k, v))]
    session = cinfer.load(flex_model(shapes, dict(score_mod=doubled, prob_mod=squared)))
    assert not any(map(is_composite, session._graph.nodes))
    expected = np.zeros((2, 4, 3, 6))
    for b, h, i in np.ndindex(2, 4, 3):
        at = h * shared // 4
        p = softmax(2 / math.sqrt(8) * (k[b, at].astype(np.float64) @ q[b, h, i]))**2
        expected[b, h, i] = p @ v[b, at]
    np.testing.assert_allclose(session.run(None, dict(q=q, k=k, v=v))[0], expected, atol=1e-5)


def test_a_modifier_reads_from_the_graph_around_it():
    import cinfer
    helper = pytest.importorskip("onnx").helper
    around = helper.make_node("Constant", [], ["outer"], value=helper.make_tensor("c", 1, [1], [3.0]))
    tripled = modifier(helper.make_node("Mul", ["s", "outer"], ["t"]))
    q = np.random.default_rng(0).standard_normal((1, 1, 2, 4)).astype(np.float32)
    session = cinfer.load(flex_model([q.shape] * 3, dict(score_mod=tripled), [around]))
    y = session.run(None, dict(q=q, k=q, v=q))[0]
    np.testing.assert_allclose(y, by_rows(q, q, q, scale=1.5)[0], atol=1e-6)


def test_a_modifier_that_changes_the_shape_is_refused():
    import cinfer
    helper = pytest.importorskip("onnx").helper
    smaller = modifier(helper.make_node("ReduceSum", ["s"], ["t"], keepdims=0))
    with pytest.raises(cinfer.Error, match="score_mod makes float32 of shape"):
        cinfer.load(flex_model([(1, 1, 2, 4)] * 3, dict(score_mod=smaller)))


def test_flex_attention_without_modifiers():
    r = np.random.default_rng(0)
    for dtype in (np.float32, np.float16, np.float64):
        q, k, v = (r.standard_normal((1, 2, 3, 4)).astype(dtype) for _ in range(3))
        y = run("FlexAttention", q, k, v, opset=1, domain="ai.onnx.preview", scale=0.7)
        np.testing.assert_allclose(y, by_rows(q, k, v, scale=0.7)[0],
                                   atol=5e-3 if dtype == np.float16 else 1e-5)

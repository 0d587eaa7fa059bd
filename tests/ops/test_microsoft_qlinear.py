"""The quantised operators of com.microsoft over all their attributes: against onnxruntime, also in a loaded
model of one node; where onnxruntime has none, against NumPy."""
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from loaded_node import both_ways
from one_node import onnxruntime_runs, refuses, run

import cinfer
from cinfer.model.graph import Node
from cinfer.ops import registry
from cinfer.ops.families import MICROSOFT

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

F, U8, S8, I32 = np.float32, np.uint8, np.int8, np.int32


def scalar(value, dtype=F) -> np.ndarray:
    return np.array(value, dtype)


def stored(*shape, dtype=U8, seed: int = 0) -> np.ndarray:
    limits = np.iinfo(dtype)
    return np.random.default_rng(seed).integers(limits.min, limits.max + 1, shape).astype(dtype)


def halved(*shape, dtype=S8, seed: int = 0) -> np.ndarray:
    """Of half the range: onnxruntime without VNNI adds pairs of products in 16 bits, which saturate."""
    return stored(*shape, dtype=dtype, seed=seed) // 2


def answers(op_type: str, *inputs, constants=(), types=None, theirs: bool = True, **attributes):
    """(ours in NumPy and loaded, onnxruntime's). theirs=False: it has no kernel for it"""
    ours = [run(op_type, *inputs, domain=MICROSOFT, opset=1, **attributes),
            *both_ways(op_type, *inputs, constants=constants, types=types, **attributes)]
    return ours, onnxruntime_runs(op_type, *inputs, opset=21, types=types, domain=MICROSOFT, **attributes) \
        if theirs else None


def agree(op_type: str, *inputs, constants=(), types=None, steps: int = 1, rtol: float = 1e-5, **attributes
          ) -> None:
    """All ways give what onnxruntime does. Integers may differ by `steps` where float32 arithmetic in another
    order meets a half: in not more than one of twenty (of few there are, one)."""
    ours, expected = answers(op_type, *inputs, constants=constants, types=types, **attributes)
    for y in ours:
        close(y, expected, steps, rtol)


def close(y, expected, steps: int = 1, rtol: float = 1e-5) -> None:
    assert (y.dtype, y.shape) == (expected.dtype, expected.shape)
    if expected.dtype.kind == "f":
        np.testing.assert_allclose(y, expected, rtol=rtol, atol=rtol * np.abs(expected).max(initial=1))
    else:
        difference = np.abs(y.astype(np.int64) - expected)
        assert difference.max(initial=0) <= steps and np.count_nonzero(difference) <= max(1, 0.05 * y.size)


dtypes = st.sampled_from([U8, S8])


@st.composite
def parameters(draw, dtype, optional: bool = False, of: str = "input"):
    """(scale, zero point) of a tensor; without zero point now and then. Scales of the output are others: else
    many numbers lie in the middle between two, where onnxruntime's pools round x / scale + zero_point."""
    limits = np.iinfo(dtype)
    zero = scalar(draw(st.integers(int(limits.min), int(limits.max))), dtype)
    scale = scalar(draw(st.sampled_from([0.0213791, 0.0070711, 0.0871237] if of == "input" else
                                        [0.0174137, 0.0057737, 0.0653879])))
    return scale, None if optional and draw(st.booleans()) else zero


@st.composite
def unary(draw, optional: bool = True, least: int = 1):
    """x, x_scale, x_zero_point, y_scale, y_zero_point"""
    dtype = draw(dtypes)
    shape = draw(st.lists(st.integers(1, 5), min_size=least, max_size=4))
    return (stored(*shape, dtype=dtype), *draw(parameters(dtype, optional)),
            *draw(parameters(dtype, optional, "output")))


ALL = dict(max_examples=40, deadline=None)
PAIR = (1, 2, 3, 4)


@settings(**ALL)
@given(unary(), st.floats(-0.5, 2, width=32))
def test_leaky_relu(inputs, alpha):
    agree("QLinearLeakyRelu", *inputs, constants=PAIR, alpha=alpha)


@settings(**ALL)
@given(unary())
def test_sigmoid(inputs):
    agree("QLinearSigmoid", *inputs, constants=PAIR)


@settings(**ALL)
@given(unary(), st.data())
def test_softmax(inputs, data):
    """onnxruntime computes with 1 / y_scale rounded down to a whole number."""
    x, x_scale, x_zero, _, y_zero = inputs
    y_scale = scalar(data.draw(st.sampled_from([1 / 256, 1 / 128])))
    y_zero = scalar(0, x.dtype) if y_zero is None else y_zero
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    opset, inputs = data.draw(st.sampled_from([11, 12, 13, 17])), (x, x_scale, x_zero, y_scale, y_zero)
    node = Node("QLinearSoftmax", ["" if v is None else "x" for v in inputs], ["y"],
                dict(axis=axis, opset=opset), MICROSOFT)
    ours, = registry.evaluate(registry.lookup(node), node, list(inputs))
    model, fed = softmax_model(inputs, axis, opset)
    expected, = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"]).run(None, fed)
    for y in (ours, cinfer.load(model, threads=1).run(None, fed)[0]):
        close(y, expected)


def softmax_model(inputs, axis: int, opset: int) -> tuple[bytes, dict]:
    """A model of one node, written here because `opset` is something else for those that others write."""
    helper, names = onnx.helper, ["" if v is None else f"in{i}" for i, v in enumerate(inputs)]
    node = helper.make_node("QLinearSoftmax", names, ["y"], domain=MICROSOFT, axis=axis)
    node.attribute.append(helper.make_attribute("opset", opset))
    kind = helper.np_dtype_to_tensor_dtype(inputs[0].dtype)
    stored = [onnx.numpy_helper.from_array(v, n) for n, v in zip(names[1:], inputs[1:]) if n]
    graph = helper.make_graph([node], "g", [helper.make_tensor_value_info("in0", kind, inputs[0].shape)],
                              [helper.make_tensor_value_info("y", kind, None)], stored)
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 21),
                                                                  helper.make_opsetid(MICROSOFT, 1)])
    return model.SerializeToString(), {"in0": inputs[0]}


@settings(**ALL)
@given(st.data(), st.sampled_from(["QLinearAdd", "QLinearMul"]), dtypes)
def test_binary(data, op_type, dtype):
    shape = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    starts = [data.draw(st.integers(0, len(shape) - 1)) for _ in range(2)]
    shapes = [tuple(1 if data.draw(st.booleans()) else d for d in shape[start:]) for start in starts]
    a, b = (stored(*s, dtype=dtype, seed=i) for i, s in enumerate(shapes))
    agree(op_type, a, *data.draw(parameters(dtype)), b, *data.draw(parameters(dtype)),
          *data.draw(parameters(dtype, of="output")), constants=(1, 2, 4, 5, 6, 7))


@pytest.mark.parametrize("op_type, attributes", [
    ("QLinearAdd", {}), ("QLinearMul", {}), ("QLinearAveragePool", dict(kernel_shape=[2, 2]))])
@pytest.mark.parametrize("dtype", [U8, S8])
def test_a_zero_point_that_is_left_out_is_0(op_type, attributes, dtype):
    """They are optional; onnxruntime cannot tell the types of these operators without."""
    x, scale, zero = stored(1, 2, 4, 4, dtype=dtype), scalar(0.02), scalar(0, dtype)
    places = (2, 5, 7) if op_type[7] in "AM" and not attributes else (2, 4)
    given_all = [x, scale, zero] * (2 if len(places) == 3 else 1) + [scalar(0.07), zero]
    left_out = [None if i in places else v for i, v in enumerate(given_all)]
    expected = onnxruntime_runs(op_type, *given_all, opset=21, domain=MICROSOFT, **attributes)
    close(run(op_type, *left_out, domain=MICROSOFT, opset=1, **attributes), expected)
    constants = [i for i in range(1, len(left_out)) if i != 3 or len(places) == 2]
    for y in both_ways(op_type, *left_out, constants=constants, **attributes):
        close(y, expected)


@settings(**ALL)
@given(st.data(), dtypes)
def test_concat(data, dtype):
    shape = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    inputs = [*data.draw(parameters(dtype, of="output"))]
    for i in range(data.draw(st.integers(1, 3))):
        shape[axis] = data.draw(st.integers(1, 4))
        inputs += stored(*shape, dtype=dtype, seed=i), *data.draw(parameters(dtype))
    agree("QLinearConcat", *inputs, types=[dtype], axis=axis,
          constants=[i for i in range(len(inputs)) if i < 2 or i % 3 != 2])


@settings(**ALL)
@given(st.data(), dtypes)
def test_where(data, dtype):
    shape = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    shapes = [tuple(1 if data.draw(st.booleans()) else d for d in shape) for _ in range(3)]
    condition = stored(*shapes[0]) > 100
    inputs = (condition, stored(*shapes[1], dtype=dtype), *data.draw(parameters(dtype)),
              stored(*shapes[2], dtype=dtype, seed=1), *data.draw(parameters(dtype)),
              *data.draw(parameters(dtype, of="output")))
    agree("QLinearWhere", *inputs, types=[dtype], constants=(2, 3, 5, 6, 7, 8))


@settings(**ALL)
@given(unary(), st.data())
def test_reduce_mean(inputs, data):
    """onnxruntime documents it, and has no kernel."""
    x, x_scale, x_zero, y_scale, y_zero = inputs
    axes = data.draw(st.lists(st.integers(0, x.ndim - 1), unique=True, min_size=1))
    keepdims = data.draw(st.integers(0, 1))
    ours, _ = answers("QLinearReduceMean", *inputs, constants=PAIR, theirs=False, axes=axes,
                      keepdims=keepdims)
    real = (x.astype(float) - (0 if x_zero is None else float(x_zero))) * x_scale
    mean = real.mean(tuple(axes), keepdims=bool(keepdims)) / y_scale
    limits = np.iinfo(x.dtype)
    expected = np.clip(np.rint(mean) + (0 if y_zero is None else float(y_zero)), limits.min, limits.max)
    for y in ours:
        close(y, np.asarray(expected).astype(x.dtype))


@st.composite
def pools(draw, spatial: int = 2):
    """x of channels first, and attributes of a pool."""
    kernel = [draw(st.integers(1, 3)) for _ in range(spatial)]
    dilations = [draw(st.integers(1, 2)) for _ in range(spatial)]
    sizes = [draw(st.integers(d * (k - 1) + 1, d * (k - 1) + 5)) for k, d in zip(kernel, dilations)]
    attributes = dict(kernel_shape=kernel, strides=[draw(st.integers(1, 3)) for _ in range(spatial)],
                      ceil_mode=draw(st.integers(0, 1)))
    if draw(st.booleans()):
        # of windows with gaps between them onnxruntime begins with a negative padding
        attributes["strides"] = [min(pair) for pair in zip(attributes["strides"], kernel)]
        attributes["auto_pad"] = draw(st.sampled_from(["SAME_UPPER", "SAME_LOWER", "VALID"]))
    else:
        attributes["pads"] = [draw(st.integers(0, (k - 1) // 2)) for k in kernel * 2]
    return [draw(st.integers(1, 2)), draw(st.integers(1, 5)), *sizes], attributes, dilations


def last(shape) -> list:
    """Sizes with the channels behind."""
    return [shape[0], *shape[2:], shape[1]]


@settings(**ALL)
@given(pools(), st.data(), dtypes, st.booleans(), st.integers(0, 1))
def test_average_pool(case, data, dtype, channels_last, count_include_pad):
    """Windows that end beyond the padding (ceil_mode) onnxruntime divides by the size of the kernel, if
    padding counts: not as the AveragePool it stands for."""
    shape, attributes, _ = case
    if count_include_pad:
        attributes["ceil_mode"] = 0
    shape = [shape[0], shape[1], *(size + 3 for size in shape[2:])]
    x = stored(*(last(shape) if channels_last else shape), dtype=dtype)
    agree("QLinearAveragePool", x, *data.draw(parameters(dtype)), *data.draw(parameters(dtype, of="output")),
          constants=PAIR,
          channels_last=int(channels_last), count_include_pad=count_include_pad, **attributes)


@settings(**ALL)
@given(st.data(), dtypes, st.integers(0, 1), st.lists(st.integers(1, 6), min_size=3, max_size=5))
def test_global_average_pool(data, dtype, channels_last, shape):
    agree("QLinearGlobalAveragePool", stored(*shape, dtype=dtype), *data.draw(parameters(dtype)),
          *data.draw(parameters(dtype, of="output")), constants=PAIR, channels_last=channels_last)


@settings(**ALL)
@given(pools(), dtypes)
def test_max_pool_of_channels_behind(case, dtype):
    shape, attributes, dilations = case
    x = stored(*last(shape), dtype=dtype)
    agree("NhwcMaxPool", x, steps=0, **attributes,
          dilations=[1, 1] if attributes.get("auto_pad", "VALID") != "VALID" else dilations)


@settings(max_examples=60, deadline=None)
@given(pools(), st.data(), st.sampled_from([(U8, U8), (U8, S8), (S8, S8)]), st.booleans(), st.booleans(),
       st.booleans())
def test_conv(case, data, types, channels_last, per_channel, bias):
    (batch, group, *sizes), attributes, dilations = case
    x_dtype, w_dtype = types
    group = data.draw(st.integers(1, 2))
    channels, filters = group * data.draw(st.integers(1, 3)), group * data.draw(st.integers(1, 4))
    shape = [batch, channels, *sizes]
    x = stored(*(last(shape) if channels_last else shape), dtype=x_dtype)
    w = halved(filters, channels // group, *attributes["kernel_shape"], dtype=w_dtype, seed=1)
    del attributes["ceil_mode"]
    count = (filters,) if per_channel else ()
    w_scale = np.random.default_rng(2).uniform(0.01, 0.02, count).astype(F)
    w_zero = np.asarray(np.full(count, 0 if w_dtype == S8 else 60), w_dtype)
    b = np.random.default_rng(3).integers(-500, 500, filters).astype(I32) if bias else None
    y_scale, y_zero = data.draw(parameters(x_dtype, of="output"))
    agree("QLinearConv", x, *data.draw(parameters(x_dtype)), w, w_scale, w_zero, scalar(y_scale * 4), y_zero,
          b, constants=(1, 2, 3, 4, 5, 6, 7, 8), channels_last=int(channels_last), group=group,
          dilations=[1, 1] if attributes.get("auto_pad", "VALID") != "VALID" else dilations, **attributes)


@settings(max_examples=60, deadline=None)
@given(st.data(), st.sampled_from([(U8, U8), (U8, S8), (S8, S8)]), st.integers(0, 1), st.integers(0, 1),
       st.booleans(), st.booleans(), st.sampled_from([1.0, 0.3]))
def test_gemm(data, types, transA, transB, per_column, quantised, alpha):
    a_dtype, b_dtype = types
    m, n, k = (data.draw(st.integers(1, 7)) for _ in range(3))
    a, b = stored(m, k, dtype=a_dtype), halved(k, n, dtype=b_dtype, seed=1)
    count = (n,) if per_column else ()
    b_scale = np.random.default_rng(2).uniform(0.01, 0.02, count).astype(F)
    b_zero = np.asarray(np.full(count, 0 if b_dtype == S8 else 60), b_dtype)
    shape = data.draw(st.sampled_from([None, (), (1,), (n,), (1, n), (m, 1), (m, n)]))
    c = None if shape is None else np.asarray(np.random.default_rng(3).integers(-900, 900, shape), I32)
    y_scale, y_zero = data.draw(parameters(a_dtype, of="output"))
    y = (scalar(y_scale * 4), y_zero) if quantised else ()
    agree("QGemm", a.T.copy() if transA else a, *data.draw(parameters(a_dtype)), b.T.copy() if transB else b,
          b_scale, b_zero, c, *y, types=[a_dtype if quantised else F], constants=range(1, 7 + len(y)),
          alpha=alpha, transA=transA, transB=transB)


@st.composite
def products(draw):
    """shapes of a and b, and how many columns"""
    m, n, k = (draw(st.integers(1, 7)) for _ in range(3))
    before = draw(st.sampled_from([(), (2,), (2, 3)]))
    many = draw(st.booleans())
    return (*before, m, k), (*(before if many else ()), k, n), n


@settings(**ALL)
@given(products(), dtypes, st.booleans(), st.booleans(), st.booleans())
def test_dynamic_matmul(shapes, dtype, per_column, zero, bias):
    a_shape, b_shape, n = shapes
    a = np.random.default_rng(0).normal(size=a_shape).astype(F)
    count = (n,) if per_column and len(b_shape) == 2 else ()
    b_scale = np.random.default_rng(2).uniform(0.01, 0.02, count).astype(F)
    b_zero = np.asarray(np.full(count, 0 if dtype == S8 else 60), dtype) if zero else None
    agree("DynamicQuantizeMatMul", a, halved(*b_shape, dtype=dtype), b_scale, b_zero,
          np.random.default_rng(3).normal(size=n).astype(F) if bias else None, constants=(1, 2, 3, 4))


@settings(**ALL)
@given(products(), st.sampled_from([(U8, U8), (U8, S8), (S8, S8)]), st.booleans(), st.booleans(),
       st.booleans(), st.booleans(), st.data())
def test_matmul_integer_to_float(shapes, types, per_column, a_has_zero, b_has_zero, bias, data):
    (a_shape, b_shape, n), (a_dtype, b_dtype) = shapes, types
    count = (n,) if per_column and len(b_shape) == 2 else ()
    b_scale = np.random.default_rng(2).uniform(0.01, 0.02, count).astype(F)
    b_zero = np.asarray(np.full(count, 0 if b_dtype == S8 else 60), b_dtype) if b_has_zero else None
    a_scale, a_zero = data.draw(parameters(a_dtype))
    b = np.random.default_rng(3).normal(size=n).astype(F) if bias else None
    agree("MatMulIntegerToFloat", stored(*a_shape, dtype=a_dtype), halved(*b_shape, dtype=b_dtype), a_scale,
          b_scale, a_zero if a_has_zero else None, b_zero, b, types=[F], constants=(1, 2, 3, 4, 5, 6))


@settings(**ALL)
@given(products())
def test_matmul_of_16_bits(shapes):
    a, b = (stored(*shape, dtype=np.int16, seed=i) // 16 for i, shape in enumerate(shapes[:2]))
    agree("MatMulInteger16", a, b, types=[I32], constants=(1,), steps=0)


def test_sums_of_16_bits_wrap_around():
    a = np.full((1, 3), -32768, np.int16)
    y = run("MatMulInteger16", a, a.T.copy(), domain=MICROSOFT, opset=1)
    assert y.dtype == I32 and y == (3 * 2**30 + 2**31) % 2**32 - 2**31


@pytest.mark.parametrize("dtype", [U8, S8, np.uint16, np.int16])
@pytest.mark.parametrize("axis", [None, 0, 1, -1])
def test_quantize_and_dequantize(dtype, axis):
    x = np.random.default_rng(0).normal(size=(3, 3, 3)).astype(F)
    shape = () if axis is None else (3,)
    scale = np.random.default_rng(1).uniform(0.01, 0.1, shape).astype(F)
    zero = np.asarray(np.full(shape, 7), dtype)
    how = {} if axis is None else dict(axis=axis)
    agree("QuantizeLinear", x, scale, zero, types=[dtype], constants=(1, 2), **how)
    agree("DequantizeLinear", stored(3, 3, 3, dtype=dtype), scale, zero, types=[F], constants=(1, 2), **how)


def test_refuses():
    x, one, zero, ours = stored(2, 3, 4), scalar(1), scalar(0, U8), dict(domain=MICROSOFT, opset=1)
    for message, op_type, inputs, attributes in [
            ("x is float32; it has to be int8 or uint8", "NhwcMaxPool", (x.astype(F),),
             dict(kernel_shape=[2])),
            ("x has 2 axes", "NhwcMaxPool", (x[0],), dict(kernel_shape=[])),
            ("x has 2 axes", "QLinearConv", (x[0], one, zero, x, one, zero, one, zero),
             dict(channels_last=1)),
            ("inputs are uint8 and int8", "QLinearWhere",
             (x > 3, x, one, zero, x, one, scalar(0, S8), one, zero), {}),
            ("z_scale has shape [2]", "QLinearWhere",
             (x > 3, x, one, zero, x, one, zero, np.ones(2, F), zero), {}),
            ("data_scale has shape [3]", "QLinearReduceMean", (x, np.ones(3, F), zero, one, zero),
             dict(axes=[1], keepdims=1)),
            ("A is uint16, B int16; they have to be int16", "MatMulInteger16",
             (np.ones((2, 2), np.uint16), np.ones((2, 2), np.int16)), {}),
            ("a_scale has shape [2]; it has to be a scalar", "MatMulIntegerToFloat",
             (x, stored(4, 5), np.ones(2, F), one), {}),
            ("floats are float32 and float64", "DynamicQuantizeMatMul",
             (x.astype(F), stored(4, 5), np.ones(())), {})]:
        refuses(message, op_type, *inputs, **ours, **attributes)


@pytest.mark.parametrize("scales", [
    (3e38, 1e-3, 3e36), (3e38, 1e-38, .01), (1e37, .01, 1e36), (1e30, 1e-30, .1), (1e-30, 1e-5, 1e-34),
    (1e-38, 1, 1e-37), (1e-20, 1e-20, 1e-38), (1e-40, 1e3, 1e-36), (np.inf, .1, .1), (.1, .1, np.inf)])
@pytest.mark.parametrize("op_type", ["QLinearConv", "QGemm"])
def test_products_by_scales_of_any_size_are_those_of_integers(op_type, scales):
    """Though floats between DequantizeLinear and QuantizeLinear would be infinite, NaN, or count as 0."""
    x, w = stored(5, 54), halved(54, 8, seed=1) // 2
    sums = (x.astype(int) - 120) @ w
    x_scale, w_scale, y_scale = (scalar(scale) for scale in scales)
    with np.errstate(over="ignore", invalid="ignore"):
        want = np.rint(np.clip(np.nan_to_num(sums * (x_scale * w_scale / y_scale)), -1e3, 1e3)) + 100
    given = x, x_scale, U8(120), w, w_scale, S8(0)
    bias = (None,)
    if op_type == "QLinearConv":
        given, bias = (x.reshape(5, 6, 3, 3), *given[1:3], w.T.reshape(8, 6, 3, 3).copy(), *given[4:]), ()
    ours, theirs = answers(op_type, *map(np.asarray, given), *bias, y_scale, np.asarray(U8(100)),
                           constants=range(1, 8 + len(bias)), types=[U8])
    for y in (*ours, theirs):
        assert np.abs(y.reshape(5, 8).astype(int) - want.clip(0, 255)).max() <= 1

"""Normalisations against the standard's cases and NumPy in float64."""
import backend_cases
import numpy as np
import pytest
from one_node import infer, refuses, run, spec


CASES = backend_cases.of(*"""
    BatchNormalization InstanceNormalization LayerNormalization GroupNormalization RMSNormalization
    MeanVarianceNormalization LpNormalization Dropout""".split())


@pytest.mark.parametrize("case", CASES)
def test_backend_case(case):
    backend_cases.check(case)


def numbers(*shape, dtype=np.float64) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(1, 2, shape).astype(dtype)


def positive(*shape, dtype=np.float64) -> np.ndarray:
    return np.random.default_rng(sum(shape)).uniform(0.5, 2, shape).astype(dtype)


SHAPES = [(2, 3, 4, 5), (2, 3), (2, 3, 4), (4,), (0, 3, 2)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("opset", [1, 6, 7, 9, 14, 15])
def test_batch_normalization(shape, opset):
    x, channels = numbers(*shape), shape[1] if len(shape) > 1 else 1
    scale, b, mean, var = positive(channels), numbers(channels), numbers(channels), positive(channels)
    fit = (1, channels, *(1,) * (len(shape) - 2)) if len(shape) > 1 else (1,)
    expected = (x - mean.reshape(fit)) / np.sqrt(var.reshape(fit) + 0.01)
    expected = expected * scale.reshape(fit) + b.reshape(fit)
    attributes = dict(consumed_inputs=[0, 0, 0, 1, 1], is_test=1) if opset == 1 else {}
    y = run("BatchNormalization", x, scale, b, mean, var, epsilon=0.01, opset=opset, **attributes)
    np.testing.assert_allclose(y, expected, rtol=1e-12)


def test_batch_normalization_of_each_element():
    x, rest = numbers(2, 3, 4), (3, 4)
    scale, b, mean, var = positive(*rest), numbers(*rest), numbers(*rest), positive(*rest)
    y = run("BatchNormalization", x, scale, b, mean, var, epsilon=0.0, spatial=0, opset=7)
    np.testing.assert_allclose(y, (x - mean) / np.sqrt(var) * scale + b, rtol=1e-12)


@pytest.mark.parametrize("opset, n_outputs", [(7, 5), (9, 3), (14, 3)])
def test_batch_normalization_in_training(opset, n_outputs):
    x, mean, var = numbers(4, 3, 5), numbers(3), positive(3)
    attributes = dict(training_mode=1) if opset == 14 else {}
    y, *statistics = run("BatchNormalization", x, np.ones(3), np.zeros(3), mean, var, epsilon=0.0,
                         momentum=0.75, opset=opset, n_outputs=n_outputs, **attributes)
    now = x.mean((0, 2)), x.var((0, 2))
    np.testing.assert_allclose(y, (x - now[0][:, None]) / np.sqrt(now[1])[:, None], rtol=1e-12, atol=1e-12)
    moved = [0.75 * old + 0.25 * new for old, new in zip((mean, var), now)]
    np.testing.assert_allclose(statistics, [*moved, *now][:n_outputs - 1], rtol=1e-12)


def test_batch_normalization_keeps_the_type_of_x():
    x = numbers(2, 3, 4, dtype=np.float16)
    statistics = [positive(3, dtype=np.float32)] * 4
    assert run("BatchNormalization", x, *statistics, opset=15).dtype == np.float16
    refuses("scale has shape [2]; it has to be [3]", "BatchNormalization", x,
            *(positive(n) for n in (2, 3, 3, 3)))


def test_variances_do_not_cancel():
    # mean 1e4, deviation 1: E[x^2] - mean^2 in float32 would be off by several
    x = (np.random.default_rng(0).normal(size=(1, 1, 4096)) + 1e4).astype(np.float32)
    expected = (x - x.mean(dtype=np.float64)) / x.std(dtype=np.float64)
    one, zero = np.float32([1]), np.float32([0])
    for op_type, inputs in (("InstanceNormalization", (one, zero)), ("LayerNormalization", (one,)),
                            ("GroupNormalization", (one, zero)), ("MeanVarianceNormalization", ())):
        attributes = {"GroupNormalization": dict(num_groups=1), "MeanVarianceNormalization": dict(axes=[2])}
        y = run(op_type, x, *inputs, **attributes.get(op_type, dict(epsilon=0.0)))
        np.testing.assert_allclose(y, expected, atol=2e-3)          # float32 knows x to 1e-3


@pytest.mark.parametrize("axis", [-1, 0, 1, -2])
def test_layer_normalization_tells_its_statistics(axis):
    x, scale, b = numbers(2, 3, 4), positive(4), numbers(3, 4) if axis < 1 else numbers(4)
    y, mean, inverse = run("LayerNormalization", x, scale, b, axis=axis, n_outputs=3)
    axes = tuple(range(axis % 3, 3))
    np.testing.assert_allclose(mean, x.mean(axes, keepdims=True), rtol=1e-6)
    np.testing.assert_allclose(inverse, 1 / np.sqrt(x.var(axes, keepdims=True) + 1e-5), rtol=1e-6)
    np.testing.assert_allclose(y, (x - mean) * inverse * scale + b, rtol=1e-5, atol=1e-6)
    assert (y.dtype, mean.dtype, inverse.dtype) == (np.float64, np.float32, np.float32)


def test_groups_have_their_scale_before_opset_21_and_channels_after():
    x = numbers(2, 6, 5)
    grouped = x.reshape(2, 2, 15)
    expected = ((grouped - grouped.mean(2, keepdims=True)) / grouped.std(2, keepdims=True)).reshape(x.shape)
    for opset, count, each in ((18, 2, 3), (21, 6, 1)):
        scale, bias = positive(count), numbers(count)
        y = run("GroupNormalization", x, scale, bias, num_groups=2, epsilon=0.0, opset=opset)
        np.testing.assert_allclose(y, expected * scale.repeat(each)[:, None] + bias.repeat(each)[:, None],
                                   rtol=1e-10)
        refuses(f"scale has shape [5]; it has to be [{count}]", "GroupNormalization", x, positive(5),
                positive(5), num_groups=2, opset=opset)
    refuses("does not divide into 4 groups", "GroupNormalization", x, positive(6), positive(6), num_groups=4)


def test_norms():
    x = np.float64([[3, 4], [0, 0], [-1, 1]])
    np.testing.assert_allclose(run("LpNormalization", x), [[0.6, 0.8], [0, 0], [-0.5**0.5, 0.5**0.5]])
    np.testing.assert_allclose(run("LpNormalization", x, p=1), [[3 / 7, 4 / 7], [0, 0], [-0.5, 0.5]])
    refuses("p 3; it has to be 1 or 2", "LpNormalization", x, p=3)
    np.testing.assert_allclose(run("RMSNormalization", x[:1], positive(2), opset=23, epsilon=0.0),
                               [np.array([3, 4]) / 12.5**0.5 * positive(2)])


def test_ranks_and_types_are_checked():
    x, three = numbers(2, 3), positive(3)
    refuses("at least 3", "InstanceNormalization", x, three, three)
    refuses("axis 2 of a tensor of 2 axes", "LayerNormalization", x, three, axis=2)
    refuses("scale of shape [2] does not broadcast to [2, 3]", "LayerNormalization", x, positive(2))
    refuses("stash_type 7", "LayerNormalization", x, three, stash_type=7)
    refuses("x, scale and B are float64 and float32", "LayerNormalization", x, positive(3, dtype=np.float32))
    refuses("int64; it has to be float", "LpNormalization", x.astype(np.int64))
    assert infer("LayerNormalization", spec(1, 2**40), spec(2**40))[0].shape == (1, 2**40)


@pytest.mark.parametrize("opset, mask", [(1, np.float32), (6, np.float32), (7, np.float32), (10, bool),
                                         (13, bool)])
def test_dropout_is_the_identity(opset, mask):
    x = numbers(2, 3, dtype=np.float32)
    y, kept = run("Dropout", x, opset=opset, n_outputs=2)
    np.testing.assert_array_equal(y, x)
    assert kept.dtype == mask and kept.all()


def test_dropout_in_training():
    x, ratio = np.ones(4000, np.float32), np.float32(0.25)
    y, kept = run("Dropout", x, ratio, np.array(True), seed=3, n_outputs=2)
    np.testing.assert_array_equal(y, np.where(kept, np.float32(1 / 0.75), 0))
    # 4 standard deviations of a mean of 4000
    assert abs(kept.mean() - 0.75) < 4 * (0.75 * 0.25 / 4000)**0.5
    with pytest.raises(ValueError, match="ratio 1.0; it has to be at least 0 and below 1"):
        run("Dropout", x, np.float32(1), np.array(True))


@pytest.mark.parametrize("ratio", [np.zeros(0, np.float32), np.zeros(2, np.float32)])
def test_dropout_refuses_a_ratio_that_is_no_number(ratio):
    refuses("it has to be one number", "Dropout", numbers(2, 3, dtype=np.float32), ratio, opset=13)

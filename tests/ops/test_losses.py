"""Losses, against their formulas written sample by sample, and the standard's reference."""
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from one_node import infer, refuses, run, spec
from other_opinions import reference_answers

import backend_cases

LOSSES = "NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss"


@pytest.mark.parametrize("case", backend_cases.of(*LOSSES))
def test_backend_case(case):
    backend_cases.check(case)


def naive_loss(x, target, weight, reduction, ignore_index):
    """Sample by sample, in float64."""
    loss, total = np.zeros(target.shape), 0.0
    for place in np.ndindex(target.shape):
        label = int(target[place])
        if label != ignore_index:
            factor = 1.0 if weight is None else float(weight[label])
            loss[place] = -float(x[(place[0], label, *place[1:])]) * factor
            total += factor
    if reduction == "mean":
        return np.float64(loss.sum()) / np.float64(total)
    return loss if reduction == "none" else loss.sum()


def log_softmax(x):
    x = x.astype(np.float64)
    e = np.exp(x - x.max(1, keepdims=True))
    return np.log(e / e.sum(1, keepdims=True))


@st.composite
def losses(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n, classes = draw(st.integers(1, 4)), draw(st.integers(1, 5))
    sizes = draw(st.lists(st.integers(1, 3), max_size=3))
    x = rng.standard_normal((n, classes, *sizes)).astype(draw(st.sampled_from((np.float32, np.float64))))
    ignore_index = draw(st.sampled_from((None, 0, -1, 7, -100, 1 << 40)))
    labels = rng.integers(0, classes, (n, *sizes))
    dtype = draw(st.sampled_from((np.int32, np.int64)))
    if ignore_index is not None and (dtype is np.int64 or ignore_index < 1 << 31):
        labels[rng.random(labels.shape) < 0.3] = ignore_index
    weight = rng.random(classes).astype(x.dtype) + x.dtype.type(0.1) if draw(st.booleans()) else None
    return x, labels.astype(dtype), weight, draw(st.sampled_from(("none", "sum", "mean"))), ignore_index


@settings(max_examples=80, deadline=None)
@given(losses(), st.booleans())
def test_any_loss(case, softmax):
    x, target, weight, reduction, ignore_index = case
    more = {} if ignore_index is None else {"ignore_index": ignore_index}
    given = (x, target) if weight is None else (x, target, weight)
    with np.errstate(all="ignore"):
        if softmax:
            y, log_prob = run("SoftmaxCrossEntropyLoss", *given, opset=13, n_outputs=2, reduction=reduction,
                              **more)
            expected = naive_loss(log_softmax(x), target, weight, reduction, ignore_index)
            np.testing.assert_allclose(log_prob, log_softmax(x), rtol=1e-5, atol=1e-5)
        else:
            y = run("NegativeLogLikelihoodLoss", *given, opset=22, reduction=reduction, **more)
            expected = naive_loss(x, target, weight, reduction, ignore_index)
    assert y.dtype == x.dtype
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-5)


def test_reference_agrees():
    rng = np.random.default_rng(1)
    x, target = rng.standard_normal((3, 4, 2)).astype(np.float32), rng.integers(0, 4, (3, 2))
    weight = rng.random(4).astype(np.float32)
    for op_type in LOSSES:
        theirs, = reference_answers(op_type, x, target, weight, opset=13, ignore_index=2)
        np.testing.assert_allclose(run(op_type, x, target, weight, opset=13, ignore_index=2), theirs,
                                   rtol=1e-5)


def test_half_is_rounded_once():
    """A sum beyond float16's 65504 on the way to a mean."""
    x = np.full((2000, 2), -100, np.float16)
    assert run("NegativeLogLikelihoodLoss", x, np.zeros(2000, np.int64)) == np.float16(100)


def test_ignored_infinity_is_nothing():
    x = np.array([[-np.inf, -1], [-2, -3]], np.float32)
    y = run("NegativeLogLikelihoodLoss", x, np.array([0, 1]), reduction="none", ignore_index=0)
    np.testing.assert_array_equal(y, [0, 3])


@pytest.mark.parametrize("label", (-1, -3, 3))
def test_no_such_class(label):
    x = np.zeros((1, 3), np.float32)
    for op_type in LOSSES:
        with pytest.raises(ValueError):
            run(op_type, x, np.array([label]))


def test_shapes_are_foreseen():
    fact, log_prob = infer(LOSSES[1], spec(2, 3, 4), spec(2, 4, dtype=np.int64), n_outputs=2,
                           reduction="none")
    assert (fact.shape, log_prob.shape) == ((2, 4), (2, 3, 4))


def test_refuses():
    x, target = spec(2, 3), spec(2, dtype=np.int64)
    x, target = np.zeros((2, 3), np.float32), np.zeros(2, np.int64)
    for op_type in LOSSES:
        refuses("it has to be none, sum or mean", op_type, x, target, reduction="max")
        refuses("without the axis of classes", op_type, x, np.zeros(3, np.int64))
        refuses("weight has shape [2]", op_type, x, target, np.zeros(2, np.float32))
        refuses("int32 or int64", op_type, x, np.zeros(2, np.uint8))
        refuses("at least 2", op_type, np.zeros(2, np.float32), target)

"""Steps of training, against their formulas for one number after another."""
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from one_node import refuses, run
from other_opinions import reference_answers

import backend_cases

DOMAIN = "ai.onnx.preview.training"


@pytest.mark.parametrize("case", backend_cases.of("Momentum", "Adagrad", "Adam", domain=DOMAIN))
def test_backend_case(case):
    backend_cases.check(case)


def momentum(rate, updates, x, g, v, *, alpha, beta, mode, norm_coefficient):
    g = norm_coefficient * x + g
    v = alpha * v + (beta if updates > 0 else 1) * g
    return (x - rate * (g + alpha * v) if mode == "nesterov" else x - rate * v), v


def adagrad(rate, updates, x, g, h, *, decay_factor, epsilon, norm_coefficient):
    g = norm_coefficient * x + g
    h = h + g**2
    return x - rate / (1 + updates * decay_factor) * g / (h**0.5 + epsilon), h


def adam(rate, updates, x, g, v, h, *, alpha, beta, epsilon, norm_coefficient, norm_coefficient_post):
    g = norm_coefficient * x + g
    v, h = alpha * v + (1 - alpha) * g, beta * h + (1 - beta) * g**2
    if updates > 0:
        rate = rate * (1 - beta**updates)**0.5 / (1 - alpha**updates)
    return (1 - norm_coefficient_post) * (x - rate * v / (h**0.5 + epsilon)), v, h


STEPS = {"Momentum": (momentum, 3, dict(alpha=0.95, beta=0.9, norm_coefficient=0.01)),
         "Adagrad": (adagrad, 3, dict(decay_factor=0.1, epsilon=1e-5, norm_coefficient=0.01)),
         "Adam": (adam, 4, dict(alpha=0.8, beta=0.9, epsilon=1e-5, norm_coefficient=0.01,
                                norm_coefficient_post=0.1))}


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(STEPS)), st.integers(0, 5), st.integers(1, 3), st.integers(0, 99),
       st.sampled_from((np.float32, np.float64)), st.sampled_from(("standard", "nesterov")))
def test_any_step(name, updates, count, seed, dtype, mode):
    rng = np.random.default_rng(seed)
    formula, lists, attributes = STEPS[name]
    attributes = {**attributes, "mode": mode} if name == "Momentum" else attributes
    shapes = [tuple(rng.integers(0, 4, rng.integers(0, 3))) for _ in range(count)]
    columns = [[abs(rng.standard_normal(shape)).astype(dtype) if i == lists - 1 else
                np.asarray(rng.standard_normal(shape), dtype) for shape in shapes] for i in range(lists)]
    columns[-1] = [np.asarray(each, dtype) for each in columns[-1]]
    rate, t = np.array(0.1, np.float32), np.array(updates)
    outs = run(name, rate, t, *sum(columns, []), opset=1, domain=DOMAIN, n_outputs=(lists - 1) * count,
               **attributes)
    outs = outs if isinstance(outs, tuple) else (outs,)
    expected = [formula(float(rate), updates, *(each.astype(np.float64) for each in one), **attributes)
                for one in zip(*columns)]
    for y, want in zip(outs, sum(map(list, zip(*expected)), []), strict=True):
        np.testing.assert_allclose(y, want, rtol=1e-5, atol=1e-6)


def test_reference_agrees():
    rng = np.random.default_rng(0)
    x, g, v, h = (rng.random((2, 3)).astype(np.float32) for _ in range(4))
    for t in (0, 3):
        args = np.array(0.1, np.float32), np.array(t)
        theirs = reference_answers("Adam", *args, x, g, v, h, opset=1, domain=DOMAIN, types=(np.float32,) * 3,
                                   alpha=0.8, beta=0.9)
        ours = run("Adam", *args, x, g, v, h, opset=1, domain=DOMAIN, n_outputs=3, alpha=0.8, beta=0.9)
        for y, want in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(y, want, rtol=1e-5)


def test_refuses():
    r, t, x = np.array(0.1, np.float32), np.array(1), np.zeros(2, np.float32)
    settings = dict(opset=1, domain=DOMAIN, alpha=1.0, beta=1.0, mode="standard", norm_coefficient=0.0)
    refuses("there have to be 3", "Momentum", r, t, x, x, **settings)
    refuses("of one shape", "Momentum", r, t, x, x, np.zeros(3, np.float32), **settings)
    refuses("of one type", "Momentum", r, t, x, x, np.zeros(2), **settings)
    refuses("float32 or float64, and int64", "Momentum", r, r, x, x, x, **settings)
    refuses("it has to be one number", "Momentum", x, t, x, x, x, **settings)
    refuses("standard or nesterov", "Momentum", r, t, x, x, x, **{**settings, "mode": "other"})

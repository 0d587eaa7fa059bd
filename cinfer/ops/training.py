"""Steps of training: Momentum, Adagrad, Adam of the domain ai.onnx.preview.training.

Inputs are the learning rate R, the number T of updates so far, and then, for any number of tensors that are
trained: all of them, all their gradients, and one or two lists of what the step before left. Outputs are the
new tensors and the new lists.
"""
from __future__ import annotations

import numpy as np

from .limits import check_scalar
from .numeric import check_same
from .registry import op
from .symbols import differ

DOMAIN = "ai.onnx.preview.training"


def lists_of(inputs: tuple, count: int) -> list[tuple]:
    """The inputs as `count` lists of equal lengths."""
    n, left = divmod(len(inputs), count)
    if left or not n:
        raise ValueError(f"{len(inputs)} inputs behind R and T; there have to be {count} for each tensor "
                         "that is trained")
    return [inputs[i * n:(i + 1) * n] for i in range(count)]


def check_step(r, t, inputs: tuple, count: int) -> list[tuple]:
    """`lists_of`, where types and shapes belong together."""
    if r.dtype.name not in ("float32", "float64") or t.dtype != np.int64:
        raise ValueError(f"R is {r.dtype}, T {t.dtype}; they have to be float32 or float64, and int64")
    for x, what in ((r, "R"), (t, "T")):
        if any(differ(size, 1) for size in x.shape):
            raise ValueError(f"{what} of shape {list(x.shape)}; it has to be one number")
    lists = lists_of(inputs, count)
    for x, *others in zip(*lists):
        if x.dtype.name not in ("float32", "float64"):
            raise ValueError(f"a trained tensor is {x.dtype}; it has to be float32 or float64")
        check_same(x.dtype, *others, what="a trained tensor and what belongs to it")
        for other in others:
            if differ(other.shape, x.shape):
                raise ValueError(f"a trained tensor of shape {list(x.shape)}, and its gradient or state of "
                                 f"{list(other.shape)}; they have to be of one shape")
    return lists


def inferred(r, t, inputs: tuple, count: int) -> tuple:
    """Facts of the outputs: the new tensors, and the new lists of states."""
    tensors, _, *states = check_step(r, t, inputs, count)
    return tuple([x.like() for each in (tensors, *states) for x in each])


def updated(r, t, inputs: tuple, count: int, update) -> tuple:
    """update(rate, count of updates, x, regularised gradient ...) for each tensor."""
    lists = check_step(r, t, inputs, count)
    rate, updates = float(check_scalar(r, "R")), check_scalar(t, "T")
    results = [update(rate, updates, *each) for each in zip(*lists)]
    return tuple([np.asarray(y).astype(x.dtype, copy=False)
                  for column, x in zip(zip(*results), (lists[0], *lists[2:])) for y, x in zip(column, x)])


def types_for(count: int):
    return lambda r, t, *inputs, **_: tuple([x.dtype for x in lists_of(inputs, count)[0]]) * (count - 1)


@op("Momentum", domain=DOMAIN, since=1, types=types_for(3), mixes_floats=True)
class Momentum:
    """v = alpha v + beta g, beta being 1 for the first update; x = x - R v, or for mode nesterov
    x - R (g + alpha v); g = gradient + norm_coefficient x.
    https://onnx.ai/onnx/operators/onnx_aionnxpreviewtraining_Momentum.html"""
    def infer(r, t, *inputs, alpha, beta, mode, norm_coefficient):
        check_mode(mode)
        return inferred(r, t, inputs, 3)

    def evaluate(r, t, *inputs, alpha: float, beta: float, mode: str, norm_coefficient: float):
        check_mode(mode)

        def update(rate, updates, x, gradient, v):
            gradient = norm_coefficient * x + gradient
            v = alpha * v + (beta if updates > 0 else 1.0) * gradient
            return x - rate * (gradient + alpha * v if mode == "nesterov" else v), v
        return updated(r, t, inputs, 3, update)


def check_mode(mode: str) -> None:
    if mode not in ("standard", "nesterov"):
        raise ValueError(f"mode {mode!r}; it has to be standard or nesterov")


@op("Adagrad", domain=DOMAIN, since=1, types=types_for(3), mixes_floats=True)
class Adagrad:
    """h = h + g^2, x = x - R / (1 + T decay_factor) g / (sqrt(h) + epsilon);
    g = gradient + norm_coefficient x.
    https://onnx.ai/onnx/operators/onnx_aionnxpreviewtraining_Adagrad.html"""
    def infer(r, t, *inputs, decay_factor=0.0, epsilon=1e-6, norm_coefficient=0.0):
        return inferred(r, t, inputs, 3)

    def evaluate(r, t, *inputs, decay_factor=0.0, epsilon=1e-6, norm_coefficient=0.0):
        def update(rate, updates, x, gradient, h):
            gradient = norm_coefficient * x + gradient
            h = h + gradient * gradient
            rate = float(np.float64(rate) / (1 + updates * decay_factor))
            return x - rate * gradient / (np.sqrt(h) + epsilon), h
        return updated(r, t, inputs, 3, update)


@op("Adam", domain=DOMAIN, since=1, types=types_for(4), mixes_floats=True)
class Adam:
    """v = alpha v + (1 - alpha) g, h = beta h + (1 - beta) g^2,
    x = (1 - norm_coefficient_post) (x - r v / (sqrt(h) + epsilon)), where g = gradient + norm_coefficient x
    and r = R sqrt(1 - beta^T) / (1 - alpha^T), or R where T is 0.
    https://onnx.ai/onnx/operators/onnx_aionnxpreviewtraining_Adam.html"""
    def infer(r, t, *inputs, alpha=0.9, beta=0.999, epsilon=1e-6, norm_coefficient=0.0,
              norm_coefficient_post=0.0):
        return inferred(r, t, inputs, 4)

    def evaluate(r, t, *inputs, alpha=0.9, beta=0.999, epsilon=1e-6, norm_coefficient=0.0,
                 norm_coefficient_post=0.0):
        def update(rate, updates, x, gradient, v, h):
            gradient = norm_coefficient * x + gradient
            v = alpha * v + (1 - alpha) * gradient
            h = beta * h + (1 - beta) * (gradient * gradient)
            if updates > 0:
                rate = rate * np.sqrt(1 - np.float64(beta)**updates) / (1 - np.float64(alpha)**updates)
            x = x - float(rate) * v / (np.sqrt(h) + epsilon)
            return (1 - norm_coefficient_post) * x, v, h
        return updated(r, t, inputs, 4, update)

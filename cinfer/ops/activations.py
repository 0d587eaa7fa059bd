"""Activations: functions of one number that networks put between layers, and softmax.

Each is at https://onnx.ai/onnx/operators/onnx__<its name>.html
"""
from __future__ import annotations

import numpy as np

from .composite import composite
from .elementwise import error_function, unary
from .limits import check_axis
from .numeric import aligned, broadcasts_to, check_kind, check_same, settle, spec_of, total, widen
from .registry import add, describe, op
from .symbols import differ


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def softplus(x: np.ndarray) -> np.ndarray:
    """log(1 + exp(x)) without overflow."""
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def elu(x: np.ndarray, alpha: float) -> np.ndarray:
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


for _name, _function, _since in (
        ("Tanh", np.tanh, 1),
        ("Softsign", lambda x: x / (1 + np.abs(x)), 1),
        ("HardSwish", lambda x: x * np.clip(x / 6 + 0.5, 0, 1), 14),
        ("Mish", lambda x: x * np.tanh(softplus(x)), 18)):
    unary(_name, _function, "float", _since)
unary("Sigmoid", sigmoid, "float", not_negative=True)
unary("Softplus", softplus, "float", not_negative=True)
unary("Relu", lambda x: np.maximum(x, 0), "number", not_negative=True)


def activation(name: str, since: int, function, alpha: float) -> None:
    """Register y = function(x, alpha), `alpha` being an attribute and its default."""
    def infer(x, *, alpha=alpha, consumed_inputs=None):
        check_kind(x, "float")
        return x.like()

    def evaluate(x, *, alpha=alpha, consumed_inputs=None):
        check_kind(x, "float")
        return settle(function(widen(x), alpha), x.dtype)
    add(describe("", name, since, evaluate, infer, elementwise=True))


activation("LeakyRelu", 1, lambda x, alpha: np.where(x < 0, alpha * x, x), 0.01)
activation("ThresholdedRelu", 10, lambda x, alpha: np.where(x > alpha, x, 0), 1.0)
activation("Elu", 1, elu, 1.0)
activation("Celu", 12, lambda x, alpha: np.maximum(x, 0) + np.minimum(alpha * np.expm1(x / alpha), 0), 1.0)
activation("Swish", 24, lambda x, alpha: x * sigmoid(alpha * x), 1.0)


@op("Selu", since=1, elementwise=True)
class SeluFirst:
    """With rougher constants. https://onnx.ai/onnx/operators/text_diff_Selu_1_6.html"""
    def infer(x, *, alpha=1.6732, gamma=1.0507, consumed_inputs=None):
        return Selu.infer(x)

    def evaluate(x, *, alpha=1.6732, gamma=1.0507, consumed_inputs=None):
        return Selu.evaluate(x, alpha=alpha, gamma=gamma)


@op("Selu", since=6, elementwise=True)
class Selu:
    def infer(x, *, alpha=1.67326319217681884765625, gamma=1.05070102214813232421875):
        check_kind(x, "float")
        return x.like()

    def evaluate(x, *, alpha=1.67326319217681884765625, gamma=1.05070102214813232421875):
        check_kind(x, "float")
        return settle(gamma * elu(widen(x), alpha), x.dtype)


@op("HardSigmoid", since=1, elementwise=True, not_negative=True)
class HardSigmoid:
    """y = max(0, min(1, alpha * x + beta))"""
    def infer(x, *, alpha=0.2, beta=0.5, consumed_inputs=None):
        check_kind(x, "float")
        return x.like()

    def evaluate(x, *, alpha=0.2, beta=0.5, consumed_inputs=None):
        check_kind(x, "float")
        return settle(np.clip(alpha * widen(x) + beta, 0, 1), x.dtype)


@op("Shrink", since=9, elementwise=True)
class Shrink:
    def infer(x, *, bias=0.0, lambd=0.5):
        check_kind(x, "number")
        return x.like()

    def evaluate(x, *, bias=0.0, lambd=0.5):
        check_kind(x, "number")
        wide = widen(x)
        return settle(np.where(wide < -lambd, wide + bias, np.where(wide > lambd, wide - bias, 0)), x.dtype)


@op("Gelu", since=20, elementwise=True)
class Gelu:
    def infer(x, *, approximate="none"):
        check_kind(x, "float")
        if approximate not in ("none", "tanh"):
            raise ValueError(f"approximate {approximate!r}; it has to be none or tanh")
        return x.like()

    def evaluate(x, *, approximate="none"):
        Gelu.infer(spec_of(x), approximate=approximate)
        wide = widen(x)
        if approximate == "tanh":
            inner = np.tanh((2 / np.pi)**0.5 * (wide + 0.044715 * wide**3))
        else:
            inner = error_function(wide * 0.5**0.5)
        return settle(0.5 * wide * (1 + inner), x.dtype)


@op("PRelu", since=1, one_type=True, rank=0)
class PReluFirst:
    """A slope for all, or one for each channel. https://onnx.ai/onnx/operators/text_diff_PRelu_6_7.html"""
    def infer(x, slope, *, consumed_inputs=None):
        return PRelu.infer(x, slope.like(aligned(slope.shape, x.shape, 1, 1)))

    def evaluate(x, slope, *, consumed_inputs=None):
        return PRelu.evaluate(x, slope.reshape(aligned(slope.shape, x.shape, 1, 1)))


@op("PRelu", since=7, one_type=True, rank=0)
class PRelu:
    def infer(x, slope):
        check_same(x.dtype, slope, what="x and slope")
        check_kind(x, "number")
        broadcasts_to(slope.shape, x.shape, "slope")
        return x.like()

    def evaluate(x, slope):
        PRelu.infer(spec_of(x), spec_of(slope))
        return settle(np.where(x < 0, widen(x) * widen(slope), x), x.dtype)


# Along an axis

def softmax(x: np.ndarray, axis: int) -> np.ndarray:
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / total(e, axis, keepdims=True)


def log_softmax(x: np.ndarray, axis: int) -> np.ndarray:
    x = x - x.max(axis, keepdims=True)
    return x - np.log(total(np.exp(x), axis, keepdims=True))


def hardmax(x: np.ndarray, axis: int) -> np.ndarray:
    """1 at the first of the largest, else 0."""
    y = np.zeros(x.shape, x.dtype)
    np.put_along_axis(y, x.argmax(axis, keepdims=True), 1, axis)
    return y


def along_axis(name: str, function, **traits) -> None:
    """Register y = function(x, axis). Before opset 13, all axes from `axis` on are taken for one.
    https://onnx.ai/onnx/operators/text_diff_Softmax_11_13.html"""
    def infer(x, *, axis=-1):
        check_kind(x, "float")
        check_axis(axis, x.ndim)
        return x.like()

    def evaluate(x, *, axis=-1):
        infer(spec_of(x), axis=axis)
        return settle(function(widen(x), axis), x.dtype) if x.size else x.copy()

    def infer_first(x, *, axis=1):
        check_kind(x, "float")
        if axis != x.ndim:
            check_axis(axis, x.ndim)
        return x.like()

    def evaluate_first(x, *, axis=1):
        infer_first(spec_of(x), axis=axis)
        rows = x.reshape(int(np.prod(x.shape[:axis], dtype=np.int64)), -1) if x.size else x
        return evaluate(rows).reshape(x.shape)

    add(describe("", name, 1, evaluate_first, infer_first, rank=0, **traits))
    add(describe("", name, 13, evaluate, infer, rank=0, **traits))


along_axis("Softmax", softmax, not_negative=True)
along_axis("LogSoftmax", log_softmax)
along_axis("Hardmax", hardmax)


@composite("SwiGLU", since=28, rank=0, one_type=True)
def swiglu(m, A, B, *, alpha=1.0):
    """y = A * sigmoid(alpha * A) * B. https://onnx.ai/onnx/operators/onnx__SwiGLU.html"""
    check_kind(A, "float", "A")
    check_same(A.dtype, B)
    if differ(A.shape, B.shape):
        raise ValueError(f"A of shape {list(A.shape)}, B of {list(B.shape)}; they have to be of one shape")
    return A * m.Sigmoid(A if alpha == 1 else A * alpha) * B

"""Normalisations: https://onnx.ai/onnx/operators/"""
from __future__ import annotations

import numpy as np

from .numeric import widen as wide
from .registry import TensorSpec, op


def per_channel(v, ndim: int) -> np.ndarray:
    return wide(v).reshape(-1, *(1,) * (ndim - 2))


def check_vectors(x, **vectors) -> None:
    channels = x.shape[1] if x.ndim > 1 else 1
    for name, v in vectors.items():
        if v.shape != (channels,):
            raise ValueError(f"{name} has the shape {list(v.shape)}, x has {channels} channels")


def normalised(x, axes, epsilon):
    mean = x.mean(axes, keepdims=True)
    return (x - mean) / np.sqrt(((x - mean) ** 2).mean(axes, keepdims=True) + epsilon)


@op("BatchNormalization", since=1)
class BatchNormalization:
    """y = (x - mean) / sqrt(var + epsilon) * scale + b; with training_mode by the batch's own mean and variance."""
    def infer(x, scale, b, mean, var, *, epsilon=1e-5, momentum=0.9, spatial=1, is_test=0, consumed_inputs=None, training_mode=0, n_outputs=1):
        check_vectors(x, scale=scale, b=b, input_mean=mean, input_var=var)
        return (x.like(), *(mean.like() for _ in range(n_outputs - 1)))

    def evaluate(x, scale, b, mean, var, *, epsilon=1e-5, momentum=0.9, spatial=1, is_test=0, consumed_inputs=None, training_mode=0, n_outputs=1):
        v, running = wide(x), ()
        if training_mode:
            axes = (0, *range(2, x.ndim))
            new = v.mean(axes), v.var(axes)
            running = tuple((old * momentum + now * (1 - momentum)).astype(old.dtype) for old, now in zip((mean, var), new))
            mean, var = new
        s = per_channel(scale, x.ndim) / np.sqrt(per_channel(var, x.ndim) + v.dtype.type(epsilon))
        y = (v - per_channel(mean, x.ndim)) * s + per_channel(b, x.ndim)
        return (y.astype(x.dtype, copy=False), *(running or (mean, var)))[:max(1, n_outputs)]


@op("InstanceNormalization", since=1)
class InstanceNormalization:
    """https://onnx.ai/onnx/operators/onnx__InstanceNormalization.html"""
    def infer(x, scale, b, *, epsilon=1e-5, consumed_inputs=None):
        check_vectors(x, scale=scale, b=b)
        return x.like()

    def evaluate(x, scale, b, *, epsilon=1e-5, consumed_inputs=None):
        y = normalised(wide(x), tuple(range(2, x.ndim)), epsilon)
        return (y * per_channel(scale, x.ndim) + per_channel(b, x.ndim)).astype(x.dtype, copy=False)


@op("LayerNormalization", since=17)
class LayerNormalization:
    """https://onnx.ai/onnx/operators/onnx__LayerNormalization.html; further outputs: mean, 1 / standard deviation."""
    def infer(x, scale, b=None, *, axis=-1, epsilon=1e-5, stash_type=1, n_outputs=1):
        axis = axis % max(x.ndim, 1)
        for name, v in (("scale", scale), ("b", b)):
            if v is not None and np.broadcast_shapes(v.shape, x.shape) != x.shape:
                raise ValueError(f"{name} of shape {list(v.shape)} cannot be broadcast to {list(x.shape)}")
        stat = TensorSpec(np.dtype(np.float32), (*x.shape[:axis], *(1,) * (x.ndim - axis)))
        return (x.like(), stat, stat)[:max(1, n_outputs)]

    def evaluate(x, scale, b=None, *, axis=-1, epsilon=1e-5, stash_type=1, n_outputs=1):
        v, axes = wide(x), tuple(range(axis % max(x.ndim, 1), x.ndim))
        mean = v.mean(axes, keepdims=True)
        inverse = 1 / np.sqrt(((v - mean) ** 2).mean(axes, keepdims=True) + v.dtype.type(epsilon))
        y = (v - mean) * inverse * wide(scale)
        y = (y if b is None else y + wide(b)).astype(x.dtype, copy=False)
        return (y, mean.astype(np.float32), inverse.astype(np.float32))[:max(1, n_outputs)]


@op("RMSNormalization", since=23)
class RMSNormalization:
    """https://onnx.ai/onnx/operators/onnx__RMSNormalization.html"""
    def infer(x, scale, *, axis=-1, epsilon=1e-5, stash_type=1):
        return x.like()

    def evaluate(x, scale, *, axis=-1, epsilon=1e-5, stash_type=1):
        v, axes = wide(x), tuple(range(axis % max(x.ndim, 1), x.ndim))
        return (v / np.sqrt((v * v).mean(axes, keepdims=True) + v.dtype.type(epsilon)) * wide(scale)).astype(x.dtype, copy=False)


@op("GroupNormalization", since=18)
class GroupNormalizationByGroup:
    """scale and bias are per group (opset 18); https://onnx.ai/onnx/operators/onnx__GroupNormalization.html"""
    def infer(x, scale, bias, *, epsilon=1e-5, num_groups, stash_type=1):
        if num_groups < 1 or x.shape[1] % num_groups:
            raise ValueError(f"{x.shape[1]} channels in {num_groups} groups")
        return x.like()

    def evaluate(x, scale, bias, *, epsilon=1e-5, num_groups, stash_type=1):
        grouped = wide(x).reshape(x.shape[0], num_groups, -1)
        y = normalised(grouped, (2,), epsilon).reshape(x.shape)
        each = x.shape[1] // scale.size
        scale, bias = np.repeat(scale, each), np.repeat(bias, each)
        return (y * per_channel(scale, x.ndim) + per_channel(bias, x.ndim)).astype(x.dtype, copy=False)


op("GroupNormalization", since=21)(GroupNormalizationByGroup)


@op("MeanVarianceNormalization", since=9)
class MeanVarianceNormalization:
    """https://onnx.ai/onnx/operators/onnx__MeanVarianceNormalization.html"""
    def infer(x, *, axes=(0, 2, 3)):
        return x.like()

    def evaluate(x, *, axes=(0, 2, 3)):
        v, axes = wide(x), tuple(axes)
        mean = v.mean(axes, keepdims=True)
        deviation = np.sqrt((v * v).mean(axes, keepdims=True) - mean * mean)
        return ((v - mean) / (deviation + v.dtype.type(1e-9))).astype(x.dtype, copy=False)


@op("LpNormalization", since=1)
class LpNormalization:
    """https://onnx.ai/onnx/operators/onnx__LpNormalization.html"""
    def infer(x, *, axis=-1, p=2):
        return x.like()

    def evaluate(x, *, axis=-1, p=2):
        v = wide(x)
        norm = np.abs(v).sum(axis, keepdims=True) if p == 1 else np.sqrt((v * v).sum(axis, keepdims=True))
        return np.where(norm == 0, 0, v / np.where(norm == 0, 1, norm)).astype(x.dtype, copy=False)


def dropout(x, n_outputs):
    return (x, np.ones(x.shape, bool))[:max(1, n_outputs)]


def dropout_spec(x, n_outputs):
    return (x.like(), x.like(dtype=bool))[:max(1, n_outputs)]


@op("Dropout", since=1)
class DropoutByAttribute:
    """Of inference: the identity."""
    def infer(x, *, ratio=0.5, is_test=0, consumed_inputs=None, n_outputs=1):
        return dropout_spec(x, n_outputs)

    def evaluate(x, *, ratio=0.5, is_test=0, consumed_inputs=None, n_outputs=1):
        return dropout(x, n_outputs)


@op("Dropout", since=12)
class Dropout:
    """Of inference: the identity. With training_mode it draws: https://onnx.ai/onnx/operators/onnx__Dropout.html"""
    def infer(x, ratio=None, training_mode=None, *, seed=None, n_outputs=1):
        return dropout_spec(x, n_outputs)

    def evaluate(x, ratio=None, training_mode=None, *, seed=None, n_outputs=1):
        p = 0.5 if ratio is None else float(ratio)
        if training_mode is None or not bool(training_mode) or p == 0:
            return dropout(x, n_outputs)
        mask = np.random.default_rng(seed).random(x.shape) >= p
        return ((x * mask / (1 - p)).astype(x.dtype), mask)[:max(1, n_outputs)]

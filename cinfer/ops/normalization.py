"""Normalisations: an input made to have mean 0 and variance 1, or norm 1, over some of its axes; Dropout.

Each is at https://onnx.ai/onnx/operators/onnx__<its name>.html
"""
from __future__ import annotations

import numpy as np

from .limits import check_axes, check_axis
from .numeric import (F32, along, average, broadcasts_to, check_kind, check_same, check_sizes, is_float,
                      settle, spec_of, total, wide_sums, widen)
from .registry import op
from .symbols import differ


def check_vectors(x, count: int, **vectors) -> None:
    """ValueError unless each has `count` numbers."""
    for name, vector in vectors.items():
        check_kind(vector, "float", name)
        check_sizes(vector, (count,), name)


def channels(x) -> int:
    """A tensor of one axis has one channel."""
    if not x.ndim:
        raise ValueError("x is a scalar; it has to have axes of batch and channels")
    return x.shape[1] if x.ndim > 1 else 1


def per_channel(vector: np.ndarray, x: np.ndarray) -> np.ndarray:
    return widen(vector).reshape(along(1, x.ndim) if x.ndim > 1 else (1,))


def standardize(x: np.ndarray, axes: tuple[int, ...], epsilon: float) -> tuple[np.ndarray, ...]:
    """((x - mean) / sqrt(variance + epsilon), mean, variance); the variance from differences, which do not
    cancel."""
    mean = average(x, axes, keepdims=True)
    difference = x - mean
    variance = average(np.square(difference), axes, keepdims=True)
    return difference / np.sqrt(variance + epsilon), mean, variance


def infer_batch(x, scale, b, mean, var, outputs: int, spatial: int = 1) -> tuple:
    """The specs of y and of so many statistics."""
    check_kind(x, "float")
    if spatial:
        check_vectors(x, channels(x), scale=scale, B=b, mean=mean, var=var)
    else:
        for name, each in (("scale", scale), ("B", b), ("mean", mean), ("var", var)):
            check_sizes(each, x.shape[1:], name)
    return (x.like(), mean.like(), var.like(), mean.like(), var.like())[:outputs]


def batch_norm(x, scale, b, mean, var, epsilon: float, spatial: int = 1) -> np.ndarray:
    def fit(v):
        return per_channel(v, x) if spatial else widen(v)[None]
    return settle((widen(x) - fit(mean)) * (fit(scale) / np.sqrt(fit(var) + epsilon)) + fit(b), x.dtype)


def batch_statistics(x: np.ndarray, spatial: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of this batch, for each channel (or each element)."""
    axes = (0, *range(2, x.ndim)) if spatial and x.ndim > 1 else (0,)
    wide = widen(x)
    mean, var = average(wide, axes), settle(wide.var(axes, wide_sums(wide.dtype)), wide.dtype)
    return (mean, var) if x.ndim > 1 else (mean.reshape(1), var.reshape(1))


def moved(old: np.ndarray, new: np.ndarray, momentum: float) -> np.ndarray:
    return settle(widen(old) * momentum + new * (1 - momentum), old.dtype)


@op("BatchNormalization", since=1, types=(0, 3, 4, 3, 4), mixes_floats=True, rank=(0, 3))
class BatchNormalizationFirst:
    """With statistics of its own for each channel, or with spatial=0 for each element. Training where outputs
    beyond y are asked for and is_test is not set.
    https://onnx.ai/onnx/operators/text_diff_BatchNormalization_7_14.html"""
    def infer(x, scale, B, mean, var, *, consumed_inputs=None, epsilon=1e-5, is_test=0, momentum=0.9,
              spatial=1, n_outputs=1):
        return infer_batch(x, scale, B, mean, var, n_outputs, spatial)

    def evaluate(x, scale, B, mean, var, *, consumed_inputs=None, epsilon=1e-5, is_test=0, momentum=0.9,
                 spatial=1, n_outputs=1):
        infer_batch(*map(spec_of, (x, scale, B, mean, var)), n_outputs, spatial)
        if is_test or n_outputs == 1:
            return (batch_norm(x, scale, B, mean, var, epsilon, spatial), mean, var, mean, var)[:n_outputs]
        now_mean, now_var = batch_statistics(x, spatial)
        return (batch_norm(x, scale, B, now_mean, now_var, epsilon, spatial), moved(mean, now_mean, momentum),
                moved(var, now_var, momentum), settle(now_mean, mean.dtype),
                settle(now_var, var.dtype))[:n_outputs]


@op("BatchNormalization", since=14, types=(0, 3, 4, 3, 4), mixes_floats=True, rank=(0, 3))
class BatchNormalization:
    """With training_mode, y is by the batch's own statistics, and the running ones are outputs."""
    def infer(x, scale, B, input_mean, input_var, *, epsilon=1e-5, momentum=0.9, training_mode=0,
              n_outputs=1):
        return infer_batch(x, scale, B, input_mean, input_var, min(3, n_outputs))

    def evaluate(x, scale, B, input_mean, input_var, *, epsilon=1e-5, momentum=0.9, training_mode=0,
                 n_outputs=1):
        infer_batch(*map(spec_of, (x, scale, B, input_mean, input_var)), n_outputs)
        if not training_mode:
            y = batch_norm(x, scale, B, input_mean, input_var, epsilon)
            return (y, input_mean, input_var)[:n_outputs]
        mean, var = batch_statistics(x)
        return (batch_norm(x, scale, B, mean, var, epsilon), moved(input_mean, mean, momentum),
                moved(input_var, var, momentum))[:n_outputs]


@op("InstanceNormalization", since=1, rank=0)
class InstanceNormalization:
    def infer(x, scale, B, *, epsilon=1e-5, consumed_inputs=None):
        check_kind(x, "float")
        if x.ndim < 3:
            raise ValueError(f"x has {x.ndim} axes; it has to have at least 3: batch, channels, spatial ones")
        check_same(x.dtype, scale, B, what="x, scale and B")
        check_vectors(x, channels(x), scale=scale, B=B)
        return x.like()

    def evaluate(x, scale, B, *, epsilon=1e-5, consumed_inputs=None):
        InstanceNormalization.infer(spec_of(x), spec_of(scale), spec_of(B))
        y, _, _ = standardize(widen(x), tuple(range(2, x.ndim)), epsilon)
        return settle(y * per_channel(scale, x) + per_channel(B, x), x.dtype)


def check_stash(stash_type: int) -> None:
    if stash_type not in (1, 10, 11, 16):
        raise ValueError(f"stash_type {stash_type}; it has to be 1 (float32), 10 (float16), 11 (float64) or "
                         "16 (bfloat16)")


@op("LayerNormalization", since=1, rank=0,
    types=lambda x, *_, stash_type=1, **__: (x.dtype, stash_dtype(stash_type)))
class LayerNormalization:
    """Outputs y, mean, 1 / standard deviation. Computed in float32 at least, whatever stash_type allows."""
    def infer(x, scale, B=None, *, axis=-1, epsilon=1e-5, stash_type=1):
        check_kind(x, "float")
        check_stash(stash_type)
        axis = check_axis(axis, x.ndim)
        check_same(x.dtype, scale, B, what="x, scale and B")
        broadcasts_to(scale.shape, x.shape, "scale")
        if B is not None:
            broadcasts_to(B.shape, x.shape, "B")
        statistic = x.like((*x.shape[:axis], *(1,) * (x.ndim - axis)), stash_dtype(stash_type))
        return x.like(), statistic, statistic

    def evaluate(x, scale, B=None, *, axis=-1, epsilon=1e-5, stash_type=1):
        _, statistic, _ = LayerNormalization.infer(spec_of(x), spec_of(scale), spec_of(B), axis=axis,
                                                   stash_type=stash_type)
        y, mean, variance = standardize(widen(x), tuple(range(check_axis(axis, x.ndim), x.ndim)), epsilon)
        y = y * widen(scale)
        return (settle(y if B is None else y + widen(B), x.dtype), settle(mean, statistic.dtype),
                settle(1 / np.sqrt(variance + epsilon), statistic.dtype))


def stash_dtype(stash_type: int) -> np.dtype:
    if stash_type == 1:
        return F32
    from ..model.tensors import dtype_of
    return dtype_of(stash_type)


@op("RMSNormalization", since=23, types=(1,), mixes_floats=True, rank=0)
class RMSNormalization:
    def infer(x, scale, *, axis=-1, epsilon=1e-5, stash_type=1):
        check_kind(x, "float")
        check_kind(scale, "float", "scale")
        check_stash(stash_type)
        check_axis(axis, x.ndim)
        broadcasts_to(scale.shape, x.shape, "scale")
        return x.like(dtype=scale.dtype)

    def evaluate(x, scale, *, axis=-1, epsilon=1e-5, stash_type=1):
        y = RMSNormalization.infer(spec_of(x), spec_of(scale), axis=axis, stash_type=stash_type)
        wide = widen(x)
        square = average(np.square(wide), tuple(range(check_axis(axis, x.ndim), x.ndim)), keepdims=True)
        return settle(wide / np.sqrt(square + epsilon) * widen(scale), y.dtype)


def group_norm(x: np.ndarray, scale: np.ndarray, bias: np.ndarray, num_groups: int,
               epsilon: float) -> np.ndarray:
    """scale, bias : of each channel"""
    grouped = widen(x).reshape(x.shape[0], num_groups, -1) if x.size else widen(x)[:, None]
    y = standardize(grouped, (2,), epsilon)[0].reshape(x.shape) if x.size else grouped.reshape(x.shape)
    return settle(y * per_channel(scale, x) + per_channel(bias, x), x.dtype)


def check_groups(x, scale, bias, num_groups: int) -> None:
    check_kind(x, "float")
    if x.ndim < 2 or num_groups < 1 or x.shape[1] % num_groups:
        raise ValueError(f"x of shape {list(x.shape)} does not divide into {num_groups} groups of channels")
    check_same(x.dtype, scale, bias, what="x, scale and bias")


@op("GroupNormalization", since=18, rank=0)
class GroupNormalizationFirst:
    """Scale and bias of each group. https://onnx.ai/onnx/operators/text_diff_GroupNormalization_18_21.html"""
    def infer(x, scale, bias, *, num_groups, epsilon=1e-5):
        check_groups(x, scale, bias, num_groups)
        check_vectors(x, num_groups, scale=scale, bias=bias)
        return x.like()

    def evaluate(x, scale, bias, *, num_groups: int, epsilon=1e-5):
        GroupNormalizationFirst.infer(spec_of(x), spec_of(scale), spec_of(bias), num_groups=num_groups)
        each = x.shape[1] // num_groups
        return group_norm(x, scale.repeat(each), bias.repeat(each), num_groups, epsilon)


@op("GroupNormalization", since=21, rank=0)
class GroupNormalization:
    """Scale and bias of each channel."""
    def infer(x, scale, bias, *, num_groups, epsilon=1e-5, stash_type=1):
        check_groups(x, scale, bias, num_groups)
        check_stash(stash_type)
        check_vectors(x, channels(x), scale=scale, bias=bias)
        return x.like()

    def evaluate(x, scale, bias, *, num_groups: int, epsilon=1e-5, stash_type=1):
        GroupNormalization.infer(spec_of(x), spec_of(scale), spec_of(bias), num_groups=num_groups,
                                 stash_type=stash_type)
        return group_norm(x, scale, bias, num_groups, epsilon)


@op("MeanVarianceNormalization", since=9, rank=0)
class MeanVarianceNormalization:
    """y = (x - mean) / (standard deviation + 1e-9)"""
    def infer(x, *, axes=(0, 2, 3)):
        check_kind(x, "float")
        check_axes(axes, x.ndim)
        return x.like()

    def evaluate(x, *, axes: list[int] = (0, 2, 3)):
        check_kind(x, "float")
        _, mean, variance = standardize(widen(x), tuple(check_axes(axes, x.ndim)), 0)
        return settle((widen(x) - mean) / (np.sqrt(variance) + 1e-9), x.dtype)


@op("LpNormalization", since=1, rank=0)
class LpNormalization:
    """A norm of 0 makes 0."""
    def infer(x, *, axis=-1, p=2):
        check_kind(x, "float")
        check_axis(axis, x.ndim)
        if p not in (1, 2):
            raise ValueError(f"p {p}; it has to be 1 or 2")
        return x.like()

    def evaluate(x, *, axis=-1, p: int | float = 2):
        LpNormalization.infer(spec_of(x), axis=axis, p=p)
        wide = widen(x)
        norm = total(np.abs(wide)**p, axis, keepdims=True)**(1 / p)
        return settle(np.where(norm == 0, 0, wide / norm), x.dtype)


@op("Dropout", since=1, elementwise=True)
class DropoutFirst:
    """The identity: cinfer does not train, and is_test=0 is what files say that were never told otherwise.
    https://onnx.ai/onnx/operators/text_diff_Dropout_7_10.html"""
    def infer(x, *, consumed_inputs=None, is_test=0, ratio=0.5):
        return x.like(), x.like()

    def evaluate(x, *, consumed_inputs=None, is_test=0, ratio=0.5):
        return x, np.ones(x.shape, x.dtype)


@op("Dropout", since=10, elementwise=True, types=(0, np.dtype(bool)))
class DropoutByAttribute:
    """The mask is bool. https://onnx.ai/onnx/operators/text_diff_Dropout_10_12.html"""
    def infer(x, *, ratio=0.5):
        return x.like(), x.like(dtype=bool)

    def evaluate(x, *, ratio=0.5):
        return x, np.ones(x.shape, bool)


@op("Dropout", since=12, elementwise=True, random=True, mixes_floats=True, types=(0, np.dtype(bool)))
class Dropout:
    """The identity, unless the input training_mode is true."""
    def infer(x, ratio=None, training_mode=None, *, seed=None):
        if not is_float(x.dtype):
            raise ValueError(f"x is {x.dtype}; it has to be float")
        if ratio is not None and any(differ(d, 1) for d in ratio.shape):
            raise ValueError(f"ratio has shape {list(ratio.shape)}; it has to be one number")
        return x.like(), x.like(dtype=bool)

    def evaluate(x, ratio=None, training_mode=None, *, seed: int = None):
        Dropout.infer(spec_of(x), spec_of(ratio))
        ratio = 0.5 if ratio is None else float(ratio.reshape(()))
        if training_mode is None or not training_mode.any() or ratio == 0:
            return x, np.ones(x.shape, bool)
        if not 0 < ratio < 1:
            raise ValueError(f"ratio {ratio}; it has to be at least 0 and below 1")
        mask = np.random.RandomState(seed).uniform(0, 1, x.shape) >= ratio
        return settle(mask * widen(x) / (1 - ratio), x.dtype), mask

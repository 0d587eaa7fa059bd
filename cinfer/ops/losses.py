"""Losses as compositions: NegativeLogLikelihoodLoss, SoftmaxCrossEntropyLoss."""
from __future__ import annotations

import numpy as np

from .composite import composite
from .limits import check_size
from .numeric import F32, check_kind, check_same, check_sizes
from .symbols import differ

FLOAT = 1                                   # in the standard's numbering of types
CODES = {"float16": 10, "bfloat16": 16}
BEYOND = np.iinfo(np.int32).max             # no class has this number


def check_classes(x, target, weight, reduction: str) -> None:
    """ValueError unless x (n, c, *sizes), target (n, *sizes) and weight (c) belong together."""
    check_kind(x, "float", "the input")
    check_same(x.dtype, weight, what="input and weight")
    if target.dtype.name not in ("int32", "int64"):
        raise ValueError(f"target is {target.dtype}; it has to be int32 or int64")
    if reduction not in ("none", "sum", "mean"):
        raise ValueError(f"reduction {reduction!r}; it has to be none, sum or mean")
    if x.ndim < 2:
        raise ValueError(f"input of {x.ndim} axes; it has to have at least 2: batch, classes, spatial ones")
    if differ(target.shape, (x.shape[0], *x.shape[2:])):
        raise ValueError(f"target of shape {list(target.shape)} for an input of {list(x.shape)}; it has to "
                         "be that without the axis of classes")
    check_sizes(weight, x.shape[1:2], "weight")


def likelihood_loss(m, x, target, weight, ignore_index: int | None, reduction: str):
    """-x[n, target[n, ...], ...], times the target's weight; 0 where the target is to be ignored."""
    limits = np.iinfo(target.dtype)
    ignored, label = None, target
    if ignore_index is not None and limits.min <= ignore_index <= limits.max:
        ignored = m.Equal(target, ignore_index)
        label = m.Where(ignored, m.constant(0, target.dtype), target)
    # Gather counts negative indices from the back; here they are no class, and it has to refuse them
    label = m.Where(m.Less(label, 0), m.constant(BEYOND, target.dtype), label)
    loss = m.Neg(m.Squeeze(m.GatherElements(x, m.Unsqueeze(label, [1]), axis=1), [1]))
    counted = None if weight is None else m.Gather(weight, label)
    if counted is not None:
        loss = loss * counted
    if ignored is not None:
        zero = m.constant(0, x.dtype)
        loss = m.Where(ignored, zero, loss)
        counted = m.Where(ignored, zero, m.constant(1, x.dtype) if counted is None else counted)
    if reduction == "none":
        return loss
    total = m.ReduceSum(loss, keepdims=0)
    if reduction == "sum":
        return total
    return m.ReduceMean(loss, keepdims=0) if counted is None else total / m.ReduceSum(counted, keepdims=0)


def rank_of_loss(x, *_, reduction="mean", n_outputs=1, **__) -> int | None:
    return None if n_outputs > 1 else x.ndim - 1 if reduction == "none" else 0


def widened(m, *values):
    """Narrow floats as float32, so that they are rounded once, at the end."""
    return [v if v is None or v.dtype.name not in CODES else m.Cast(v, to=FLOAT) for v in values]


def narrowed(m, value, dtype: np.dtype):
    return m.Cast(value, to=CODES[dtype.name]) if dtype.name in CODES else value


@composite("NegativeLogLikelihoodLoss", since=12, rank=rank_of_loss)
def negative_log_likelihood_loss(m, x, target, weight=None, *, ignore_index: int = None, reduction="mean"):
    """https://onnx.ai/onnx/operators/onnx__NegativeLogLikelihoodLoss.html

    The mean is over the weights of the targets; without weights, over all targets that are not ignored."""
    check_classes(x, target, weight, reduction)
    wide, weight = widened(m, x, weight)
    return narrowed(m, likelihood_loss(m, wide, target, weight, ignore_index, reduction), x.dtype)


@composite("SoftmaxCrossEntropyLoss", since=12, rank=rank_of_loss)
def softmax_cross_entropy_loss(m, scores, labels, weights=None, *, ignore_index: int = None, reduction="mean",
                               n_outputs=1):
    """The loss above of LogSoftmax(scores), which is the second output.
    https://onnx.ai/onnx/operators/onnx__SoftmaxCrossEntropyLoss.html"""
    check_classes(scores, labels, weights, reduction)
    check_size(scores.shape, F32.itemsize)
    wide, weights = widened(m, scores, weights)
    log_prob = m.LogSoftmax(wide, axis=1)
    loss = narrowed(m, likelihood_loss(m, log_prob, labels, weights, ignore_index, reduction), scores.dtype)
    return loss if n_outputs == 1 else (loss, narrowed(m, log_prob, scores.dtype))

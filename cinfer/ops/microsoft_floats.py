"""Operators of floats of the domain com.microsoft, which onnxruntime's optimizer writes in place of several.

https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md
"""
from __future__ import annotations

import numpy as np

from .composite import Body, Value, composite
from .families import MICROSOFT
from .limits import check_axis
from .normalization import check_stash, stash_dtype
from .numeric import F32, broadcasts_to, check_kind, check_same, check_sizes
from .symbols import below, differ, same

FLOAT, INT32 = 1, 6                             # of TensorProto.DataType


def check_vector(vector: Value | None, size, what: str) -> None:
    """ValueError where an input (None: absent) is not a list of so many numbers."""
    check_sizes(vector, (size,), what)


def last_size(x: Value, what: str = "the input"):
    if not x.ndim:
        raise ValueError(f"{what} is a scalar; it has to have an axis")
    return x.shape[-1]


# Activations

@composite("Gelu", domain=MICROSOFT, elementwise=True)
def gelu(m, X):
    """y = x / 2 * (1 + erf(x / sqrt(2)))"""
    check_kind(X, "float", "X")
    return m.Gelu(X)


@composite("QuickGelu", domain=MICROSOFT, elementwise=True)
def quick_gelu(m, X, *, alpha=1.702):
    """y = x * sigmoid(alpha * x)"""
    check_kind(X, "float", "X")
    return m.Swish(X, alpha=alpha)


@composite("FastGelu", domain=MICROSOFT, rank=0)
def fast_gelu(m, X, bias=None):
    """y = z / 2 * (1 + tanh(sqrt(2 / pi) * (z + 0.044715 z^3))), z = x + bias"""
    check_kind(X, "float", "X")
    return m.Gelu(biased(m, X, bias), approximate="tanh")


@composite("BiasGelu", domain=MICROSOFT, rank=0)
def bias_gelu(m, A, B):
    """y = z / 2 * (1 + erf(z / sqrt(2))), z = A + B"""
    check_kind(A, "float", "A")
    return m.Gelu(biased(m, A, B))


@composite("BiasSplitGelu", domain=MICROSOFT, rank=0)
def bias_split_gelu(m, X, bias):
    """The first half of x + bias times gelu of the second half, along the last axis"""
    check_kind(X, "float", "X")
    if differ(last_size(X) % 2, 0):
        raise ValueError(f"X has {X.shape[-1]} numbers in its last axis; it has to be an even number")
    first, second = m.Split(biased(m, X, bias), num_outputs=2, axis=-1, n_outputs=2)
    return first * m.Gelu(second)


def biased(m: Body, x: Value, bias: Value | None) -> Value:
    if bias is None:
        return x
    check_same(x.dtype, bias)
    check_vector(bias, last_size(x), "bias")
    return x + bias


@composite("BiasAdd", domain=MICROSOFT, rank=0)
def bias_add(m, X, bias, skip):
    """y = X + bias + skip"""
    check_kind(X, "float", "X")
    check_same(X.dtype, skip)
    check_sizes(skip, X.shape, "skip")
    return biased(m, X, bias) + skip


# Normalisations

@composite("SkipLayerNormalization", domain=MICROSOFT, rank=0, types=(0, F32, F32, 0))
def skip_layer_normalization(m, input, skip, gamma, beta=None, bias=None, *, epsilon=1e-12, n_outputs=1):
    """LayerNormalization of input + skip + bias over the last axis. Outputs: y, mean, 1 / standard deviation,
    the sum."""
    x = skipped(m, input, skip, bias)
    check_same(input.dtype, gamma, beta)
    for what, vector in (("gamma", gamma), ("beta", beta)):
        check_vector(vector, input.shape[-1], what)
    if n_outputs == 1:
        return m.LayerNormalization(x, gamma, beta, axis=-1, epsilon=epsilon)
    return *m.LayerNormalization(x, gamma, beta, axis=-1, epsilon=epsilon, n_outputs=3), x


@composite("SkipSimplifiedLayerNormalization", domain=MICROSOFT, rank=0, types=(0, F32, F32, 0))
def skip_simplified_layer_normalization(m, input, skip, gamma, bias=None, *, epsilon=1e-12, n_outputs=1):
    """x / sqrt(mean(x^2) + epsilon) * gamma over the last axis, x = input + skip + bias. Outputs: y, none,
    1 / sqrt(mean(x^2) + epsilon), the sum."""
    x = skipped(m, input, skip, bias)
    check_same(input.dtype, gamma)
    check_vector(gamma, input.shape[-1], "gamma")
    y = m.RMSNormalization(x, gamma, axis=-1, epsilon=epsilon)
    return (y,) if n_outputs == 1 else (y, None, root_mean_square(m, x, -1, epsilon), x)


def skipped(m: Body, input: Value, skip: Value, bias: Value | None) -> Value:
    """input + skip + bias; skip may be one for all of the batch."""
    check_kind(input, "float", "input")
    check_same(input.dtype, skip)
    if input.ndim not in (2, 3):
        raise ValueError(f"input has {input.ndim} axes; it has to have 2 or 3")
    wanted = input.shape[-2:] if skip.ndim == 2 else input.shape
    if skip.ndim == input.ndim == 3 and same(skip.shape[0], 1):
        wanted = (1, *wanted[1:])
    check_sizes(skip, wanted, "skip")
    return biased(m, input + skip, bias)


def root_mean_square(m: Body, x: Value, axis: int, epsilon: float) -> Value:
    """1 / sqrt(mean(x^2) + epsilon) over the axes from one on, in float32 at least"""
    wide = m.Cast(x, to=FLOAT) if x.dtype.itemsize < 4 else x
    return m.Reciprocal(m.Sqrt(m.ReduceMean(wide * wide, list(range(axis, 0)), keepdims=1) + epsilon))


def simplified_layer_normalization(m, X, scale, *, axis=-1, epsilon=1e-5, stash_type=1, n_outputs=1):
    """y = x / sqrt(mean(x^2) + epsilon) * scale over the axes from `axis` on, of the type of scale. The
    second output is 1 / sqrt(mean(x^2) + epsilon). onnxruntime writes it into the domain ai.onnx."""
    check_kind(X, "float", "X")
    check_kind(scale, "float", "scale")
    check_stash(stash_type)
    axis = check_axis(axis, X.ndim) - X.ndim
    broadcasts_to(scale.shape, X.shape, "scale")
    y = m.RMSNormalization(X, scale, axis=axis, epsilon=epsilon)
    return y if n_outputs == 1 else (y, m.Cast(root_mean_square(m, X, axis, epsilon), to=stash_type))


for _domain in ("", MICROSOFT):
    composite("SimplifiedLayerNormalization", domain=_domain, rank=0, mixes_floats=True,
              types=lambda X, scale, *, stash_type=1, **_: (scale.dtype, stash_dtype(stash_type)))(
        simplified_layer_normalization)


def normalize_groups(m: Body, x: Value, gamma: Value, beta: Value, groups: int, epsilon: float,
                     activation: int, channels_last: int) -> Value:
    """Each group of channels to mean 0 and variance 1, times gamma plus beta; then x * sigmoid(x) where
    `activation` is 1. Computed in the type of gamma."""
    if activation not in (0, 1):
        raise ValueError(f"activation {activation}; it has to be 0 (none) or 1 (x * sigmoid(x))")
    if x.ndim != 4:
        raise ValueError(f"X has {x.ndim} axes; it has to have 4")
    check_same(gamma.dtype, beta, what="gamma and beta")
    y = m.Transpose(x, perm=[0, 3, 1, 2]) if channels_last else x
    for what, vector in (("gamma", gamma), ("beta", beta)):
        check_kind(vector, "float", what)
        check_vector(vector, y.shape[1], what)
    y = y if x.dtype == gamma.dtype else m.CastLike(y, gamma)
    y = m.GroupNormalization(y, gamma, beta, num_groups=groups, epsilon=epsilon)
    y = m.Swish(y) if activation else y
    y = y if x.dtype == gamma.dtype else m.CastLike(y, x)
    return m.Transpose(y, perm=[0, 2, 3, 1]) if channels_last else y


@composite("GroupNorm", domain=MICROSOFT, rank=0, mixes_floats=True)
def group_norm(m, X, gamma, beta, *, activation: int, channels_last=1, epsilon=1e-5, groups: int):
    """GroupNormalization, and maybe an activation"""
    check_kind(X, "float", "X")
    return normalize_groups(m, X, gamma, beta, groups, epsilon, activation, channels_last)


@composite("SkipGroupNorm", domain=MICROSOFT, rank=0, mixes_floats=True)
def skip_group_norm(m, X, gamma, beta, skip, bias=None, *, activation: int, channels_last=1, epsilon=1e-5,
                    groups: int):
    """GroupNorm of X + skip + bias, which is the second output. skip : as X, or one for each channel"""
    check_kind(X, "float", "X")
    check_same(X.dtype, skip, bias)
    if not channels_last:
        raise ValueError("channels_last is 0; it has to be 1, for nothing else is documented")
    if X.ndim != 4:
        raise ValueError(f"X has {X.ndim} axes; it has to have 4")
    batch, channels = X.shape[0], X.shape[3]
    if skip.ndim == 2:
        check_sizes(skip, (batch, channels), "skip")
        skip = m.Unsqueeze(skip, [1, 2])
    else:
        is_small = skip.ndim == 4 and same(skip.shape[1], 1) and same(skip.shape[2], 1)
        check_sizes(skip, (batch, 1, 1, channels) if is_small else X.shape, "skip")
    x = biased(m, X + skip, bias)
    return normalize_groups(m, x, gamma, beta, groups, epsilon, activation, channels_last), x


@composite("EmbedLayerNormalization", domain=MICROSOFT, types=(2, np.dtype(np.int32), 2),
           rank=lambda *_, n_outputs=1, **__: 3 if n_outputs == 1 else None)
def embed_layer_normalization(m, input_ids, segment_ids=None, word_embedding=None, position_embedding=None,
                              segment_embedding=None, gamma=None, beta=None, mask=None, position_ids=None, *,
                              epsilon=1e-12, mask_index_type=0, n_outputs=1):
    """LayerNormalization of the sum of the embeddings of words, positions and segments. Outputs: y, how many
    elements of each row of the mask are 1 (0 without a mask), the sum."""
    for what, x in (("word_embedding", word_embedding), ("position_embedding", position_embedding),
                    ("gamma", gamma), ("beta", beta)):
        if x is None:
            raise ValueError(f"{what} is left out; only segments, mask and position_ids may be")
    check_kind(word_embedding, "float", "word_embedding")
    check_same(word_embedding.dtype, position_embedding, segment_embedding, gamma, beta)
    if (segment_ids is None) != (segment_embedding is None):
        raise ValueError("only one of segment_ids and segment_embedding is given; they belong together")
    for what, ids in (("input_ids", input_ids), ("segment_ids", segment_ids), ("position_ids", position_ids)):
        if ids is not None:
            check_kind(ids, "int", what)
    if input_ids.ndim != 2:
        raise ValueError(f"input_ids has {input_ids.ndim} axes; it has to have 2")
    batch, count = input_ids.shape
    hidden = last_size(word_embedding, "word_embedding")
    for what, table in (("word_embedding", word_embedding), ("position_embedding", position_embedding),
                        ("segment_embedding", segment_embedding)):
        if table is not None:
            check_sizes(table, (table.shape[0], hidden) if table.ndim else (1, hidden), what)
    check_vector(gamma, hidden, "gamma")
    check_vector(beta, hidden, "beta")
    x = m.Gather(word_embedding, input_ids, axis=0)
    if position_ids is not None:
        one_for_all = position_ids.ndim == 2 and same(position_ids.shape[0], 1)
        check_sizes(position_ids, (1 if one_for_all else batch, count), "position_ids")
        x = x + m.Gather(position_embedding, position_ids, axis=0)
    else:
        if below(position_embedding.shape[0], count):
            raise ValueError(f"position_embedding has {position_embedding.shape[0]} positions; it has "
                             f"to have {count} at least")
        x = x + m.Slice(position_embedding, [0], m.Shape(input_ids, start=1), [0])
    if segment_ids is not None:
        check_sizes(segment_ids, (batch, count), "segment_ids")
        x = x + m.Gather(segment_embedding, segment_ids, axis=0)
    y = m.LayerNormalization(x, gamma, beta, axis=-1, epsilon=epsilon)
    if n_outputs == 1:
        return y
    if mask is None:
        return y, m.ConstantOfShape(m.Shape(input_ids, start=0, end=1), value=np.zeros(1, np.int32)), x
    check_kind(mask, "int", "mask")
    check_sizes(mask, (batch, count), "mask")
    return y, m.ReduceSum(m.Cast(m.Equal(mask, 1), to=INT32), [1], keepdims=0), x


# Products

ACTIVATIONS = {                                 # function of m, x, activation_alpha, _beta, _gamma
    "Relu": lambda m, x: m.Relu(x), "Sigmoid": lambda m, x: m.Sigmoid(x), "Tanh": lambda m, x: m.Tanh(x),
    "Softplus": lambda m, x: m.Softplus(x), "Softsign": lambda m, x: m.Softsign(x),
    "Elu": lambda m, x, alpha: m.Elu(x, alpha=alpha),
    "LeakyRelu": lambda m, x, alpha: m.LeakyRelu(x, alpha=alpha),
    "ThresholdedRelu": lambda m, x, alpha: m.ThresholdedRelu(x, alpha=alpha),
    "HardSigmoid": lambda m, x, alpha, beta: m.HardSigmoid(x, alpha=alpha, beta=beta),
    "ScaledTanh": lambda m, x, alpha, beta: m.Tanh(x * beta) * alpha,
    "ParametricSoftplus": lambda m, x, alpha, beta: m.Softplus(x * beta) * alpha,
    "Selu": lambda m, x, alpha, gamma: m.Selu(x, alpha=alpha, gamma=gamma)}


@composite("FusedGemm", domain=MICROSOFT, one_type=True, rank=lambda *_, **__: 2)
def fused_gemm(m, A, B, C=None, *, activation="", activation_alpha: float = None,
               activation_beta: float = None, activation_gamma: float = None, alpha=1.0, beta=1.0, transA=0,
               transB=0):
    """activation(alpha * A B + beta * C); what the activation is called with has no defaults."""
    function = ACTIVATIONS.get(activation)
    if function is None:
        raise ValueError(f"activation {activation!r}; it has to be {', '.join(ACTIVATIONS)}")
    given = dict(alpha=activation_alpha, beta=activation_beta, gamma=activation_gamma)
    numbers = {name: given[name] for name in function.__code__.co_varnames[2:function.__code__.co_argcount]}
    for name, number in numbers.items():
        if number is None:
            raise ValueError(f"activation {activation!r} without activation_{name}; it has to be given")
    y = m.Gemm(A, B, C, alpha=alpha, beta=beta, transA=transA, transB=transB)
    return function(m, y, **numbers)

"""Inputs of layers of networks: normalization, matrix products, what goes along time, losses; `c` as in
drawn_inputs.py."""
from __future__ import annotations

import numpy as np

from drawn_common import by_name, picture, scale


# ---- normalization

def per_channel(c, x, names, **limits):
    return [c.make(name, (x.shape[1],), **limits) for name in names]


def batch_normalization(c):
    x = c.x(shape=(c.whole(1, 3), c.whole(1, 4), *c.shape(0, 2, False)))
    one = 1 if len(c.schema.inputs) and c.has("scale") else None
    training = c.maybe("training_mode", 0, 1)
    c.set(is_test=1)
    c.set(consumed_inputs=[0, 0, 0, 1, 1])
    c.set(spatial=1 if one and c.chance() else None)
    c.n_outputs = 3 if training else 1
    vectors = [c.make(i, (x.shape[1],)) for i in (1, 2, 3)]
    return (x, *vectors, np.abs(c.make(4, (x.shape[1],))) + vectors[0].dtype.type(.5))


def instance_normalization(c):
    x = picture(c, 1, 3)
    c.set(consumed_inputs=[0] * 3)
    return (x, *per_channel(c, x, ("scale", "B")))


def group_normalization(c):
    groups, of = c.whole(1, 3), c.whole(1, 3)
    x = c.x(shape=(c.whole(1, 2), groups * of, *c.shape(1, 2, False)))
    c.set(num_groups=groups)
    size = groups if c.since < 21 else groups * of
    return (x, *(c.make(name, (size,)) for name in ("scale", "bias")))


def layer_normalization(c):
    x = c.x(1, 4, False)
    axis = c.axis()
    c.set(stash_type=1 if c.chance() else None)
    scale = c.make(1, x.shape[axis:])
    if c.op_type == "RMSNormalization":
        return x, scale
    c.n_outputs = c.pick(1, 1, 2, 3)
    return x, scale, c.optional("B", x.shape[axis:])


def dropout(c):
    x = c.x()
    c.set(is_test=1, consumed_inputs=[0])
    c.n_outputs = 1 if c.since < 10 else c.pick(1, 2)
    training = np.array(False) if c.has("training_mode") and c.chance() else None
    return x, c.optional("ratio", (), low=0, high=.5), training


def lrn(c):
    c.set(size=c.pick(1, 3, 5))
    return c.x(shape=(c.whole(1, 2), c.whole(1, 7), *(c.whole(1, 4) for _ in range(c.pick(2, 2, 1))))),


def prelu(c):
    x = c.x(2, 4, False)
    shape = c.pick((1,), x.shape[1:2])
    if c.since >= 7:
        shape = [c.pick(1, d) for d in x.shape[c.whole(0, x.ndim):]]
    return x, c.make("slope", shape)


# ---- matrices

def gemm(c):
    m, k, n = (c.whole(1, 5) for _ in range(3))
    a, b = c.maybe("transA", 0, 1), c.maybe("transB", 0, 1)
    c.set(broadcast=1)
    bias = c.pick((m, n), (n,), (m, 1), (1, n), ()) if c.since >= 7 else c.pick((m, n), (n,))
    last = c.make("C", bias) if c.since < 11 or c.chance() else None
    return c.x(shape=(k, m) if a else (m, k)), c.make("B", (n, k) if b else (k, n)), last


def matrices(c):
    m, k, n = (c.whole(1, 5) for _ in range(3))
    lead = c.shape(0, 2, False)
    a = (*lead, m, k) if c.chance(.8) else (k,)
    return a, (*lead[c.whole(0, len(lead)):], k, n) if c.chance(.8) else (k,)


def mat_mul(c):
    a, b = matrices(c)
    return c.x(shape=a), c.make("B", b)


def mat_mul_integer(c):
    a, b = matrices(c)
    zero = c.optional("a_zero_point", (), low=0)
    return c.x(shape=a), c.make("B", b), zero, c.optional("b_zero_point", ()) if zero is not None else None


def qlinear_mat_mul(c):
    a, b = matrices(c)
    return (c.x(shape=a), scale(c, "a_scale", ()), c.make("a_zero_point", (), 0),
            c.make("b", b), scale(c, "b_scale", ()), c.make("b_zero_point", ()),
            scale(c, "y_scale", ()), c.make("y_zero_point", (), 0))


EQUATIONS = [("ij,jk->ik", "23 34"), ("bij,bjk->bik", "223 234"), ("ij->ji", "23"), ("ii->i", "33"),
             ("ij,ij", "23 23"), ("...i,...i->...", "213 13"), ("ij,kj", "23 43"), ("ij->", "23"),
             (" i , j -> ij ", "2 3"), ("ijk,k,j->i", "234 4 3"), ("bhqd,bhkd->bhqk", "1232 1242"),
             ("...ij->...ji", "1234")]


def einsum(c):
    equation, sizes = c.rng.choice(EQUATIONS)
    c.set(equation=equation)
    return [c.make(0, map(int, size)) for size in sizes.split()]


# ---- sequences in time

def recurrent(c):
    length, batch, size, hidden = (c.whole(1, 3) for _ in range(4))
    direction = c.maybe("direction", "forward", "reverse", "bidirectional")
    d = 2 if direction == "bidirectional" else 1
    c.maybe("layout", 0)
    gates = {"RNN": 1, "GRU": 3, "LSTM": 4}[c.op_type]
    c.set(hidden_size=hidden)
    c.maybe("clip", None, *[1.] * (c.op_type != "LSTM"))
    c.maybe("output_sequence", 0, 1)
    c.maybe("linear_before_reset", 0, 1)
    c.maybe("input_forget", 0)
    c.decided |= {"activation_alpha", "activation_beta", "activations"}
    lens = c.numbers.integers(1, length + 1, batch).astype(np.int32) if c.chance(.3) else None
    more = ()
    if c.op_type == "LSTM":
        more = c.optional("initial_c", (d, batch, hidden)), c.optional("P", (d, 3 * hidden))
    c.n_outputs = c.whole(1, 2)
    return (c.x(shape=(length, batch, size), low=-1, high=1), c.make("W", (d, gates * hidden, size), -1, 1),
            c.make("R", (d, gates * hidden, hidden), -1, 1), c.optional("B", (d, 2 * gates * hidden)), lens,
            c.optional("initial_h", (d, batch, hidden)), *more)


def attention(c):
    batch, kv, per, q, k, size, out = (c.whole(1, most) for most in (2, 2, 2, 3, 4, 3, 3))
    heads = kv * per
    c.types["T2"] = c.type_of("Q")                      # onnxruntime has no others; nor has cinfer
    flat = c.chance(.4)
    if flat:
        c.set(q_num_heads=heads, kv_num_heads=kv)
    c.decided |= {"q_num_heads", "kv_num_heads", "softmax_precision", "left_window_size", "right_window_size",
                  "qk_matmul_output_mode"}
    c.maybe("scale", None, .5)
    c.maybe("softcap", 0., 2.)
    past = c.chance(.3)
    before = c.whole(1, 2) if past else 0
    c.n_outputs = 3 if past else 1

    def of(name, heads, length, size):
        return c.make(name, (batch, length, heads * size) if flat else (batch, heads, length, size), -1, 1)
    keys = k + before
    mask = c.optional("attn_mask", c.pick((q, keys), (1, 1, q, keys), (batch, heads, q, keys)))
    more = [c.make(name, (batch, kv, before, d))
            for name, d in (("past_key", size), ("past_value", out)) if past]
    return of("Q", heads, q, size), of("K", kv, k, size), of("V", kv, k, out), mask, *more


def rotary(c):
    batch, heads, length, half = c.whole(1, 2), c.whole(1, 3), c.whole(1, 3), c.whole(1, 3)
    flat = c.chance(.4)
    c.set(num_heads=heads if flat else None)
    part = c.whole(1, half)
    c.set(rotary_embedding_dim=2 * part if part < half else None)
    at = c.numbers.integers(0, 5, (batch, length)) if c.chance() else None
    cache = (5, part) if at is not None else (batch, length, part)
    x = c.x(shape=(batch, length, heads * half * 2) if flat else (batch, heads, length, 2 * half))
    return x, c.make("cos_cache", cache), c.make("sin_cache", cache), at


def causal_conv(c):
    batch, channels, length, k = c.whole(1, 2), c.whole(1, 3), c.whole(1, 4), c.whole(1, 4)
    c.maybe("activation", "none", "silu", "swish")
    return (c.x(shape=(batch, channels, length)), c.make("weight", (channels, 1, k)),
            c.optional("bias", (channels,)), c.optional("past_state", (batch, channels, k - 1)))


def linear_attention(c):
    batch, length, heads, size, out = (c.whole(1, most) for most in (2, 3, 2, 3, 3))
    rule = c.maybe("update_rule", "gated_delta", "linear", "gated", "delta")
    c.set(q_num_heads=heads, kv_num_heads=heads)
    c.maybe("scale", 0., .5)
    c.maybe("chunk_size", 64, 1, 2)
    c.n_outputs = 2
    row = batch, length, heads * size
    return (c.x(shape=row, low=-1, high=1), c.make("key", row, -1, 1),
            c.make("value", (batch, length, heads * out), -1, 1),
            c.optional("past_state", (batch, heads, size, out), low=-1, high=1),
            c.make("decay", (batch, length, heads), -1, 0) if "gated" in rule else None,
            c.make("beta", (batch, length, heads), 0, 1) if "delta" in rule else None)


# ---- losses

def loss(c):
    batch, classes = c.whole(1, 3), c.whole(2, 4)
    more = c.shape(0, 2, False)
    c.maybe("reduction", "mean", "sum", "none")
    c.maybe("ignore_index", None, 0)
    if c.op_type == "SoftmaxCrossEntropyLoss":
        c.n_outputs = c.whole(1, 2)
    labels = c.numbers.integers(0, classes, (batch, *more)).astype(c.type_of(1))
    return c.x(shape=(batch, classes, *more)), labels, c.optional(c.names[2], (classes,), low=1)


INPUTS = by_name({
    attention: "Attention", batch_normalization: "BatchNormalization", causal_conv: "CausalConvWithState",
    dropout: "Dropout", einsum: "Einsum", recurrent: "GRU LSTM RNN", gemm: "Gemm",
    group_normalization: "GroupNormalization", instance_normalization: "InstanceNormalization", lrn: "LRN",
    layer_normalization: "LayerNormalization RMSNormalization", linear_attention: "LinearAttention",
    mat_mul: "MatMul", mat_mul_integer: "MatMulInteger",
    loss: "NegativeLogLikelihoodLoss SoftmaxCrossEntropyLoss", prelu: "PRelu",
    qlinear_mat_mul: "QLinearMatMul", rotary: "RotaryEmbedding",
}) | {
    "Det": lambda c: [c.x(shape=(*c.shape(0, 2, False), *[c.whole(1, 4)] * 2))],
    "MeanVarianceNormalization": lambda c: [picture(c, 2, 2)],
}

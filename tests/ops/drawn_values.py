"""Inputs of operators that make or convert values: constants, types, signals, words; `c` as in drawn_inputs.py."""
from __future__ import annotations

import numpy as np

from drawn_common import by_name, ints, scale


# ---- making and converting

def constant_of_shape(c):
    kind = c.pick("float32", "int64", "int32", "bool", "float16", "float64", "uint8")
    c.set(value=np.array([c.whole(0, 3)], kind) if c.chance(.7) else None)
    return ints(*c.shape()),


def constant(c):
    ways = dict(value=c.array(c.pick("float32", "int64", "bool"), c.shape()), value_float=1.5, value_int=7,
                value_string="ab", value_floats=[1., 2.], value_ints=[1, 2], value_strings=["a", "b"])
    known = [name for name in ways if name in c.schema.attributes]
    c.decided |= c.schema.attributes.keys()
    name = c.rng.choice(known)
    c.set(**{name: ways[name]})
    return ()


def range_(c):
    step = c.pick(1, 2, 3) * (1 if c.type_of(0).kind == "u" else c.pick(1, -1))
    count = c.whole(0, 5)
    start = c.whole(0, 3) if step > 0 else 20
    c.decided.add("stash_type")
    return tuple(np.array(v, c.type_of(0)) for v in (start, start + step * count, step))


CODES = [1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 16]


def cast(c):
    names = "FLOAT", "INT32", "INT64", "UINT8", "BOOL", "DOUBLE", "FLOAT16"
    c.set(to=c.rng.choice(CODES) if c.since >= 6 else c.pick(*names))
    c.decided |= {"saturate", "round_mode"}
    return c.x(),


def cast_like(c):
    c.decided |= {"saturate", "round_mode"}
    return c.x(), c.make("target_type", c.shape())


def bit_cast(c):
    x = c.x()
    size = x.dtype.itemsize
    c.set(to=c.rng.choice({1: [2, 3], 2: [4, 5, 10], 4: [1, 6, 12], 8: [7, 11, 13]}.get(size, [7])))
    return x,


def blocks(c, x):
    """axis and the shape of scales: one for all, one along an axis, one a block."""
    ways = ["all"] + ["axis"] * (c.since >= 13 and x.ndim > 0) + ["blocks"] * (c.since >= 21 and x.ndim > 0)
    way = c.rng.choice(ways)
    c.decided |= {"axis", "block_size"}
    if way == "all":
        return ()
    axis = c.axis()
    if way == "axis":
        return x.shape[axis:axis + 1]
    block = c.rng.choice([n for n in range(1, x.shape[axis] + 1) if x.shape[axis] % n == 0])
    c.set(block_size=block)
    return (*x.shape[:axis], x.shape[axis] // block, *x.shape[axis + 1:])


def quantize_linear(c):
    x = c.x(0, 4, False, low=-40, high=40)
    per = blocks(c, x)
    zero = c.optional("y_zero_point", per, low=0, high=20)
    c.set(output_dtype=c.pick(2, 3) if zero is None and c.chance() else None)
    c.decided |= {"saturate", "precision"}
    return x, scale(c, "y_scale", per), zero


def dequantize_linear(c):
    x = c.x(0, 4, False, low=-100, high=100)
    per = blocks(c, x)
    c.maybe("output_dtype", 0, 1, 10)
    return x, scale(c, "x_scale", per), c.optional("x_zero_point", per) if x.dtype != np.int32 else None


# ---- signals

def dft(c):
    x = c.x(shape=(*c.shape(1, 3, False), c.pick(1, 2)))
    axis = c.whole(0, x.ndim - 2)
    length = np.array(c.whole(1, 5), c.type_of("dft_length")) if c.chance() else None
    inverse, one = c.maybe("inverse", 0, 1), c.maybe("onesided", 0, *[1] * (x.shape[-1] == 1))
    if inverse and one:
        c.attributes.pop("inverse", None)
    if c.has("axis"):
        at = np.array(axis if c.chance() else axis - x.ndim)
        return x, length, at if x.ndim > 2 or c.chance() else None
    c.set(axis=axis)
    return x, length


def stft(c):
    x = c.x(shape=(c.whole(1, 2), c.whole(8, 12), 1))
    length = c.whole(2, 6)
    return (x, np.array(c.whole(1, 3), c.type_of("frame_step")), c.optional("window", (length,), low=0),
            np.array(length, c.type_of("frame_length")))


def one_size(c):
    c.maybe("output_datatype", 1, 10, 11)
    return np.array(c.whole(1, 9), c.type_of(0)),


def mel_weights(c):
    c.maybe("output_datatype", 1, 11)
    ints_, floats = c.type_of(0), c.type_of(3)
    return (*(np.array(v, ints_) for v in (c.whole(2, 6), c.pick(16, 32), 8000)),
            np.array(c.pick(0, 100), floats), np.array(4000, floats))


# ---- words

def string_normalizer(c):
    c.maybe("case_change_action", "NONE", "LOWER", "UPPER")
    c.maybe("stopwords", None, ["a", "b"])
    c.maybe("locale", None)
    return c.x(shape=c.pick((3,), (1, 4))),


def tf_idf(c):
    c.set(mode=c.pick("TF", "IDF", "TFIDF"), min_gram_length=c.pick(1, 2), max_gram_length=2,
          max_skip_count=c.whole(0, 2), ngram_counts=[0, 2], ngram_indexes=[0, 1, 2, 3])
    c.maybe("weights", None, [1., 2., 3., .5])
    c.decided |= {"pool_int64s", "pool_strings"}
    x = c.x(shape=c.pick((6,), (2, 5)), low=0)
    if x.dtype == object:
        c.set(pool_strings=["a", "b", "a", "b", "b", "a"])
    else:
        c.set(pool_int64s=[0, 1, 0, 1, 2, 2])
    return x,


INPUTS = by_name({
    bit_cast: "BitCast", one_size: "BlackmanWindow HammingWindow HannWindow", cast: "Cast",
    cast_like: "CastLike", constant: "Constant", constant_of_shape: "ConstantOfShape", dft: "DFT",
    dequantize_linear: "DequantizeLinear", mel_weights: "MelWeightMatrix", quantize_linear: "QuantizeLinear",
    range_: "Range", stft: "STFT", string_normalizer: "StringNormalizer", tf_idf: "TfIdfVectorizer",
})

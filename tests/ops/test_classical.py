"""Operators of ai.onnx.ml on tables, against their definitions, element by element, and other opinions."""
from math import isnan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from one_node import infer, refuses, run, spec
from other_opinions import ML, onnxruntime_answers, reference_answers, strings

import backend_cases

OPERATORS = "ArrayFeatureExtractor", "Binarizer", "LabelEncoder"
F32 = np.float32


@pytest.mark.parametrize("case", backend_cases.of(*OPERATORS, domain=ML))
def test_backend_case(case):
    backend_cases.check(case)


def ml(op_type, *inputs, opset=1, **attributes):
    return run(op_type, *inputs, opset=opset, domain=ML, **attributes)


def no(message, op_type, *inputs, opset=1, **attributes):
    refuses(message, op_type, *inputs, opset=opset, domain=ML, **attributes)


def table(dtype=F32, shape=(3, 2), seed=0):
    return np.random.default_rng(seed).integers(-4, 5, shape).astype(dtype)


NUMBERS = pytest.mark.parametrize("dtype", (np.float32, np.float64, np.int32, np.int64))


# ArrayFeatureExtractor

@pytest.mark.parametrize("shape, indices", (((5,), [4, 0]), ((2, 5), [1]), ((2, 3, 5), [[0, 4, 4]]),
                                            ((2, 5), [])))
def test_array_feature_extractor(shape, indices):
    x, indices = table(shape=shape), np.array(indices, np.int64)
    y = ml("ArrayFeatureExtractor", x, indices)
    picked = [x[..., i] for i in indices.reshape(-1)]
    expected = np.stack(picked, -1) if picked else np.zeros((*shape[:-1], 0))
    np.testing.assert_array_equal(y, expected.reshape((*(shape[:-1] or (1,)), indices.size)))
    if indices.size:
        theirs, = onnxruntime_answers("ArrayFeatureExtractor", x, indices, opset=1, domain=ML)
        np.testing.assert_array_equal(y, theirs)


def test_array_feature_extractor_of_strings():
    assert ml("ArrayFeatureExtractor", strings("a", "b"), np.array([1, 1, 0])).tolist() == [["b", "b", "a"]]
    for wrong in (-1, 2):
        with pytest.raises(ValueError, match="allowed is 0 to 1"):
            ml("ArrayFeatureExtractor", strings("a", "b"), np.array([wrong]))
    no("int64", "ArrayFeatureExtractor", strings("a"), np.zeros(1, np.int32))


# Binarizer

@NUMBERS
@pytest.mark.parametrize("threshold", (0.0, 1.5, -1.5, 2.0))
def test_binarizer(dtype, threshold):
    x = table(dtype)
    y = ml("Binarizer", x, threshold=threshold)
    assert y.tolist() == [[int(v > threshold) for v in row] for row in x.tolist()]


def test_binarizer_at_the_edges():
    x = np.array([2**53, 2**53 + 1, -2**63])
    assert ml("Binarizer", x, threshold=2.0**53).tolist() == [0, 1, 0]
    assert ml("Binarizer", np.array([1, 2]), threshold=1e30).tolist() == [0, 0]
    assert ml("Binarizer", np.array([np.nan, np.inf], F32)).tolist() == [0, 1]
    no("has to be number", "Binarizer", strings("a"))


# CategoryMapper and LabelEncoder

def test_category_mapper():
    cats = dict(cats_int64s=[5, 7, 5], cats_strings=["a", "b", "a"])
    x = np.array([["a", "x"], ["b", "a"]], object)
    assert ml("CategoryMapper", x, **cats, default_int64=-3).tolist() == [[5, -3], [7, 5]]
    assert ml("CategoryMapper", np.array([7, 1]), **cats).tolist() == ["b", "_Unused"]
    theirs, = onnxruntime_answers("CategoryMapper", x, opset=1, domain=ML, types=(np.int64,), **cats)
    np.testing.assert_array_equal(ml("CategoryMapper", x, **cats), theirs)
    no("as many of both", "CategoryMapper", x, cats_int64s=[1])
    no("strings or int64", "CategoryMapper", table(), **cats)


def test_first_label_encoder():
    classes = dict(classes_strings=["a", "b"])
    assert ml("LabelEncoder", strings("b", "x", "a"), **classes).tolist() == [1, -1, 0]
    y = ml("LabelEncoder", np.array([1, 2, -1, 0]), **classes, default_string="?")
    assert y.tolist() == ["b", "?", "?", "a"]


KINDS = {"floats": F32, "int64s": np.int64, "strings": object}
ELEMENTS = {"floats": st.sampled_from([-1.5, 0.0, 2.0, np.nan, np.inf]), "int64s": st.integers(-2, 2),
            "strings": st.sampled_from(["", "a", "b", "é"])}
DEFAULTS = {"floats": ("default_float", -0.0, 2.5), "int64s": ("default_int64", -1, 9),
            "strings": ("default_string", "_Unused", "?")}


def alike(a, b) -> bool:
    return a == b or isinstance(a, float) and isinstance(b, float) and isnan(a) and isnan(b)


@settings(max_examples=100, deadline=None)
@given(st.data(), st.sampled_from(sorted(KINDS)), st.sampled_from(sorted(KINDS)), st.booleans(),
       st.sampled_from((2, 4)))
def test_any_label_encoder(data, kind, becomes, chosen, opset):
    keys = data.draw(st.lists(ELEMENTS[kind], max_size=4))
    values = data.draw(st.lists(ELEMENTS[becomes], min_size=len(keys), max_size=len(keys)))
    elements = data.draw(st.lists(ELEMENTS[kind], max_size=5))
    x = np.array(elements, KINDS[kind])
    name, default, other = DEFAULTS[becomes]
    y = ml("LabelEncoder", x, opset=opset, **{f"keys_{kind}": keys, f"values_{becomes}": values},
           **({name: other} if chosen else {}))
    expected = [([v for k, v in zip(keys, values) if alike(k, e)] or [other if chosen else default])[-1]
                for e in elements]
    np.testing.assert_array_equal(y, np.array(expected, KINDS[becomes]))
    if kind != "floats" and len({*keys}) == len(keys) and keys and elements:
        more = {name: other if chosen else default}
        theirs, = onnxruntime_answers("LabelEncoder", x, opset=opset, domain=ML, types=(KINDS[becomes],),
                                      **{f"keys_{kind}": keys, f"values_{becomes}": values}, **more)
        np.testing.assert_array_equal(y, theirs)


@pytest.mark.parametrize("keys", (np.float32, np.float64, np.int16, np.int32, np.int64, object))
@pytest.mark.parametrize("values", (np.float32, np.float64, np.int16, np.int32, np.int64, object))
def test_label_encoder_of_tensors(keys, values):
    x, one, two = typed([3, 1, 2], keys), typed([2, 3], keys), typed([7, 8], values).reshape(2, 1)
    y = ml("LabelEncoder", x, opset=4, keys_tensor=one, values_tensor=two)
    default = "_Unused" if values is object else -0.0 if np.dtype(values).kind == "f" else -1
    np.testing.assert_array_equal(y, np.array([two[1, 0], default, two[0, 0]], values))
    y = ml("LabelEncoder", x, opset=4, keys_tensor=one, values_tensor=two, default_tensor=typed([5], values))
    np.testing.assert_array_equal(y, typed([8, 5, 7], values))


def typed(numbers, dtype) -> np.ndarray:
    return np.array([str(n) for n in numbers] if dtype is object else numbers, dtype)


def test_label_encoder_takes_the_last_key_and_any_nan():
    y = ml("LabelEncoder", np.array([1, 2]), opset=4, keys_int64s=[1, 1, 2], values_int64s=[5, 6, 7])
    assert y.tolist() == [6, 7]
    nan = np.array([0x7fc00001, 0xffc00000], np.uint32).view(F32)
    assert ml("LabelEncoder", nan, opset=4, keys_floats=[np.nan], values_int64s=[1]).tolist() == [1, 1]


def test_label_encoder_refuses():
    x = np.array([1])
    no("0 attributes keys_*", "LabelEncoder", x, opset=2, values_int64s=[1])
    no("2 attributes values_*", "LabelEncoder", x, opset=2, keys_int64s=[1], values_int64s=[1],
       values_floats=[1.0])
    no("1 keys and 2 values", "LabelEncoder", x, opset=2, keys_int64s=[1], values_int64s=[1, 2])
    no("of one type", "LabelEncoder", x, opset=2, keys_floats=[1.0], values_int64s=[1])
    no("has to be one of int64", "LabelEncoder", x, opset=4, keys_int64s=[1], values_int64s=[1],
       default_tensor=np.zeros(1, F32))


# FeatureVectorizer

@NUMBERS
def test_feature_vectorizer(dtype):
    a, b = table(dtype), table(dtype, (3, 4), 1)
    y = ml("FeatureVectorizer", a, b, inputdimensions=[3, 2])
    expected = np.concatenate((a, np.zeros((3, 1)), b[:, :2]), 1)
    assert y.dtype == F32
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(ml("FeatureVectorizer", a, b), np.concatenate((a, b), 1))
    np.testing.assert_array_equal(ml("FeatureVectorizer", a[0], b[:1]), np.concatenate((a[:1], b[:1]), 1))
    theirs, = onnxruntime_answers("FeatureVectorizer", a, b, opset=1, domain=ML, inputdimensions=[3, 2])
    np.testing.assert_array_equal(y, theirs)


def test_feature_vectorizer_refuses():
    no("equally many", "FeatureVectorizer", table(), table(shape=(2, 2)))
    no("of one type", "FeatureVectorizer", table(), table(np.float64))
    no("inputdimensions [1]", "FeatureVectorizer", table(), table(), inputdimensions=[1])
    no("allowed is 1 or 2", "FeatureVectorizer", table(shape=(1, 1, 1)))


# Imputer

@NUMBERS
@pytest.mark.parametrize("values", ([9], [9, 8]))
def test_imputer(dtype, values):
    x = table(dtype)
    if np.dtype(dtype).kind == "i":
        more = dict(imputed_value_int64s=values, replaced_value_int64=int(x[1, 1]))
    else:
        more = dict(imputed_value_floats=[float(v) for v in values], replaced_value_float=float(x[1, 1]))
    y = ml("Imputer", x, **more)
    assert y.dtype == dtype
    assert y.tolist() == [[values[j % len(values)] if v == x[1, 1] else v for j, v in enumerate(row)]
                          for row in x.tolist()]


def test_imputer_of_nan():
    x = np.array([[np.nan, 1], [0, np.nan]], F32)
    more = dict(imputed_value_floats=[7.0, 8.0], replaced_value_float=np.nan)
    y = ml("Imputer", x, **more)
    assert y.tolist() == [[7, 1], [0, 8]]
    for answers in (onnxruntime_answers, reference_answers):
        np.testing.assert_array_equal(y, answers("Imputer", x, opset=1, domain=ML, **more)[0])


def test_imputer_refuses():
    no("0 imputed_value_floats", "Imputer", table(), imputed_value_int64s=[1])
    no("3 imputed_value_floats", "Imputer", table(), imputed_value_floats=[1.0] * 3)
    with pytest.raises(ArithmeticError):        # the plan says where
        ml("Imputer", table(np.int32), imputed_value_int64s=[2**40])


# Normalizer, Scaler

@NUMBERS
@pytest.mark.parametrize("norm", ("MAX", "L1", "L2"))
def test_normalizer(dtype, norm):
    x = np.concatenate((table(dtype, (4, 3)), np.zeros((1, 3), dtype), -np.ones((1, 3), dtype)))
    expected = []
    for row in x.astype(np.float64).tolist():
        by = {"MAX": max(row), "L1": sum(map(abs, row)), "L2": sum(v * v for v in row)**0.5}[norm]
        expected.append([v / (by or 1) for v in row])
    y = ml("Normalizer", x, norm=norm)
    assert y.dtype == F32
    np.testing.assert_allclose(y, expected, rtol=1e-6)
    np.testing.assert_array_equal(ml("Normalizer", x[0], norm=norm), y[0])
    theirs, = onnxruntime_answers("Normalizer", x, opset=1, domain=ML, norm=norm)
    np.testing.assert_allclose(y, theirs, rtol=1e-5)


def test_normalizer_of_large_numbers():
    np.testing.assert_allclose(ml("Normalizer", np.array([[3 * 10**9, 4 * 10**9]]), norm="L2"), [[0.6, 0.8]],
                               rtol=1e-6)
    assert ml("Normalizer", np.zeros((0, 3), F32)).shape == (0, 3)
    no("MAX, L1 or L2", "Normalizer", table(), norm="L3")
    no("1 or 2", "Normalizer", table(shape=(1, 1, 1)))


@NUMBERS
def test_scaler(dtype):
    x = table(dtype)
    for offset, scale in (([0.5, -1.5], [2.0, 0.25]), ([1.0], [3.0])):
        y = ml("Scaler", x, offset=offset, scale=scale)
        assert y.dtype == F32
        np.testing.assert_allclose(y, [[(v - offset[j % len(offset)]) * scale[j % len(scale)]
                                        for j, v in enumerate(row)] for row in x.tolist()], rtol=1e-6)
        theirs, = onnxruntime_answers("Scaler", x, opset=1, domain=ML, offset=offset, scale=scale)
        np.testing.assert_allclose(y, theirs, rtol=1e-5)
    np.testing.assert_array_equal(ml("Scaler", x), x)
    no("3 numbers in scale", "Scaler", x, scale=[1.0] * 3)


# OneHotEncoder

@NUMBERS
def test_one_hot(dtype):
    x = table(dtype, (2, 3))
    y = ml("OneHotEncoder", x, cats_int64s=[1, -2, 3])
    assert y.dtype == F32 and y.shape == (2, 3, 3)
    assert y.tolist() == [[[float(v == c) for c in (1, -2, 3)] for v in row] for row in x.tolist()]
    if np.dtype(dtype).kind == "f":
        y = ml("OneHotEncoder", np.array([1.9, -2.9, np.nan, np.inf], dtype), cats_int64s=[1, -2])
        assert y.tolist() == [[1, 0], [0, 1], [0, 0], [0, 0]]


def test_one_hot_of_strings():
    x = np.array([["a", "c"]], object)
    y = ml("OneHotEncoder", x, cats_strings=["c", "b"])
    assert y.tolist() == [[[0, 0], [1, 0]]]
    theirs, = onnxruntime_answers("OneHotEncoder", x, opset=1, domain=ML, cats_strings=["c", "b"])
    np.testing.assert_array_equal(y, theirs)
    with pytest.raises(ValueError, match="'a' is no category"):
        ml("OneHotEncoder", x, cats_strings=["c", "b"], zeros=0)
    assert ml("OneHotEncoder", x, cats_strings=["c", "a"], zeros=0).sum() == 2
    no("there has to be cats_strings", "OneHotEncoder", x, cats_int64s=[1])
    no("there has to be cats_int64s", "OneHotEncoder", table())


def test_sizes_are_foreseen():
    x = spec(4, 3)
    assert infer("OneHotEncoder", x, opset=1, domain=ML, cats_int64s=[1, 2])[0].shape == (4, 3, 2)
    assert infer("FeatureVectorizer", x, x, opset=1, domain=ML)[0].shape == (4, 6)
    assert infer("LabelEncoder", x, opset=2, domain=ML, keys_floats=[1.0],
                 values_strings=["a"])[0].dtype == object

"""Linear models and support vector machines, against sums over features, vectors and pairs of classes."""
from itertools import combinations
from math import exp, tanh

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from one_node import infer, refuses, run, spec
from other_opinions import ML, onnxruntime_answers, reference_answers
from scores_oracle import transformed

TRANSFORMS = st.sampled_from(("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"))
SEEDS = st.integers(0, 10**6)
CLASSIFIED = (np.int64, np.float32)
DTYPES = st.sampled_from((np.float32, np.float64, np.int64, np.int32))


def ml(op_type, *inputs, **attributes):
    return run(op_type, *inputs, opset=1, domain=ML, **attributes)


def table(seed, dtype, most=4):
    rng = np.random.default_rng(seed)
    shape = rng.integers(0, 4), rng.integers(1, most)
    return (rng.standard_normal(shape) * (3 if np.dtype(dtype).kind == "i" else 1)).astype(dtype), rng


def some(rng, *shape) -> list[float]:
    """Numbers that float32 holds."""
    return rng.standard_normal(shape).astype(np.float32).astype(float).reshape(-1).tolist()


def naive_linear(x, coefficients, intercepts, targets):
    w = np.reshape(coefficients, (targets, x.shape[1]))
    return np.array([[sum(float(v) * c for v, c in zip(row, each)) + b for each, b in zip(w, intercepts)]
                     for row in x]).reshape(len(x), targets)


@settings(max_examples=60, deadline=None)
@given(SEEDS, DTYPES, st.integers(1, 3), TRANSFORMS, st.booleans())
def test_any_linear_regressor(seed, dtype, targets, post_transform, shifted):
    x, rng = table(seed, dtype)
    w, b = some(rng, targets, x.shape[1]), some(rng, targets)
    y = ml("LinearRegressor", x, coefficients=w, targets=targets, post_transform=post_transform,
           **({"intercepts": b} if shifted else {}))
    expected = naive_linear(x, w, b if shifted else [0.0] * targets, targets)
    np.testing.assert_allclose(y, transformed(expected, post_transform), rtol=1e-4, atol=1e-5)


@settings(max_examples=60, deadline=None)
@given(SEEDS, DTYPES, st.integers(1, 4), TRANSFORMS, st.booleans())
def test_any_linear_classifier(seed, dtype, targets, post_transform, named):
    x, rng = table(seed, dtype)
    labels = (list("abcd") if named else [4, -1, 7, 2])[:max(targets, 2)]
    w, b = some(rng, targets, x.shape[1]), some(rng, targets)
    y, z = ml("LinearClassifier", x, coefficients=w, intercepts=b, post_transform=post_transform, n_outputs=2,
              **{"classlabels_strings" if named else "classlabels_ints": labels})
    scores = naive_linear(x, w, b, targets)
    scores = np.concatenate((-scores, scores), 1) if targets == 1 else scores
    assert y.tolist() == [labels[i] for i in scores.argmax(1)]
    np.testing.assert_allclose(z, transformed(scores, post_transform), rtol=1e-4, atol=1e-5)
    if targets > 1 and len(x) and np.dtype(dtype).kind == "f" and not named:
        theirs = onnxruntime_answers("LinearClassifier", x, opset=1, domain=ML, types=CLASSIFIED,
                                     coefficients=w, intercepts=b, post_transform=post_transform,
                                     classlabels_ints=labels)
        np.testing.assert_array_equal(y, theirs[0])
        np.testing.assert_allclose(z, theirs[1], rtol=1e-3, atol=1e-4)


def test_two_classes_and_one_row_of_coefficients():
    """Both agree on labels; on scores the reference, and onnxruntime where the transform is LOGISTIC."""
    x = np.array([[1, 2], [-3, 1]], np.float32)
    more = dict(coefficients=[0.25, 0.5], intercepts=[0.125], classlabels_ints=[5, 7])
    for post_transform in ("NONE", "LOGISTIC", "SOFTMAX"):
        y, z = ml("LinearClassifier", x, n_outputs=2, post_transform=post_transform, **more)
        keywords = dict(opset=1, domain=ML, types=CLASSIFIED, post_transform=post_transform, **more)
        theirs = onnxruntime_answers("LinearClassifier", x, **keywords)
        reference = reference_answers("LinearClassifier", x, **keywords)
        assert y.tolist() == theirs[0].tolist() == reference[0].tolist() == [7, 5]
        np.testing.assert_allclose(z, reference[1], rtol=1e-5)
        if post_transform == "LOGISTIC":
            np.testing.assert_allclose(z, theirs[1], rtol=1e-5)
    y, z = ml("LinearClassifier", x, n_outputs=2, coefficients=[0.25, 0.5])
    assert y.tolist() == [1, 0] and z.tolist() == [[1.25], [-0.25]]


def test_linear_refuses():
    x = np.zeros((2, 3), np.float32)
    both = dict(opset=1, domain=ML)
    refuses("4 coefficients", "LinearRegressor", x, coefficients=[1.0] * 4, **both)
    refuses("2 intercepts", "LinearRegressor", x, coefficients=[1.0] * 3, intercepts=[0.0] * 2, **both)
    refuses("2 at least", "LinearClassifier", x, coefficients=[1.0] * 3, classlabels_ints=[1], **both)
    refuses("no labels", "LinearClassifier", x, coefficients=[1.0] * 6, **both)
    refuses("there has to be one of them", "LinearClassifier", x, coefficients=[1.0] * 6,
            classlabels_ints=[1, 2],
            classlabels_strings=["a", "b"], **both)
    refuses("has to be number", "LinearRegressor", np.zeros((1, 1), object), coefficients=[1.0], **both)
    assert [f.shape for f in infer("LinearClassifier", spec(4, 3), coefficients=[1.0] * 6,
                                   classlabels_ints=[1, 2],
                                   n_outputs=2, **both)] == [(4,), (4, 2)]


def naive_kernel(a, b, kind, params):
    gamma, coef0, degree = params
    dot = sum(float(p) * float(q) for p, q in zip(a, b))
    if kind == "RBF":
        return exp(-gamma * sum((float(p) - float(q))**2 for p, q in zip(a, b)))
    return {"LINEAR": dot, "POLY": (gamma * dot + coef0)**degree, "SIGMOID": tanh(gamma * dot + coef0)}[kind]


KERNELS = st.sampled_from(("LINEAR", "POLY", "RBF", "SIGMOID"))
PARAMS = [0.5, 0.25, 2.0]


@settings(max_examples=60, deadline=None)
@given(SEEDS, DTYPES, KERNELS, st.integers(0, 4), st.booleans(), TRANSFORMS)
def test_any_svm_regressor(seed, dtype, kind, count, one_class, post_transform):
    x, rng = table(seed, dtype)
    w, rho, vectors = some(rng, count or x.shape[1]), some(rng, 1), some(rng, count, x.shape[1])
    kind, post_transform = kind if count else "LINEAR", "NONE" if one_class else post_transform
    more = dict(coefficients=w, rho=rho, kernel_type=kind, kernel_params=PARAMS, n_supports=count,
                support_vectors=vectors, one_class=int(one_class), post_transform=post_transform)
    y = ml("SVMRegressor", x, **more)
    sums = [sum(c * naive_kernel(row, v, kind, PARAMS) for c, v in zip(w, np.reshape(vectors, (count, -1))))
            if count
            else sum(c * float(v) for c, v in zip(w, row)) for row in x]
    expected = np.array(sums).reshape(len(x), 1) + rho[0]
    expected = np.where(expected > 0, 1, -1) if one_class else transformed(expected, post_transform)
    np.testing.assert_allclose(y, expected, rtol=1e-3, atol=1e-4)
    if len(x) and count and dtype is np.float32 and post_transform == "NONE":
        theirs, = onnxruntime_answers("SVMRegressor", x, opset=1, domain=ML, **more)
        np.testing.assert_allclose(y, theirs, rtol=1e-3, atol=1e-4)


@settings(max_examples=80, deadline=None)
@given(SEEDS, st.sampled_from((np.float32, np.float64)), KERNELS,
       st.lists(st.integers(0, 3), min_size=2, max_size=4),
       st.booleans(), st.sampled_from(("NONE", "LOGISTIC", "SOFTMAX")))
def test_any_svm_classifier(seed, dtype, kind, per_class, probable, post_transform):
    x, rng = table(seed, dtype)
    per_class[-1] += 1
    classes, count = len(per_class), sum(per_class)
    pairs = list(combinations(range(classes), 2))
    vectors, w, rho = some(rng, count, x.shape[1]), some(rng, classes - 1, count), some(rng, len(pairs))
    more = dict(classlabels_ints=[3, 9, 1, 5][:classes], coefficients=w, kernel_type=kind,
                kernel_params=PARAMS,
                rho=rho, support_vectors=vectors, vectors_per_class=per_class, post_transform=post_transform)
    if probable:
        more |= dict(prob_a=[-abs(a) for a in some(rng, len(pairs))], prob_b=some(rng, len(pairs)))
    y, z = ml("SVMClassifier", x, n_outputs=2, **more)
    owner = [c for c, number in enumerate(per_class) for _ in range(number)]
    table_of, scores, labels = np.reshape(w, (classes - 1, count)), [], []
    for row in x:
        kernels = [naive_kernel(row, v, kind, PARAMS) for v in np.reshape(vectors, (count, -1))]
        votes, found = [0] * classes, []
        for (i, j), shift in zip(pairs, rho):
            s = shift + sum(table_of[j - 1 if c == i else i][at] * kernels[at]
                            for at, c in enumerate(owner) if c in (i, j))
            found.append(s)
            votes[i if s > 0 else j] += 1
        scores.append(found)
        labels.append(more["classlabels_ints"][votes.index(max(votes))])
    assert y.tolist() == labels
    scores = np.array(scores).reshape(len(x), len(pairs))
    if probable:
        assert z.shape == (len(x), classes)
        if post_transform == "NONE":
            np.testing.assert_allclose(z.sum(1), 1, rtol=1e-5)
        if classes == 2:                        # one pair: the probability itself
            p = 1 / (1 + np.exp(scores * more["prob_a"] + more["prob_b"]))
            np.testing.assert_allclose(z, transformed(np.concatenate((p, 1 - p), 1), post_transform),
                                       atol=5e-3)
    else:
        scores = np.concatenate((-scores, scores), 1) if classes == 2 else scores
        np.testing.assert_allclose(z, transformed(scores, post_transform), rtol=1e-3, atol=1e-4)
    if len(x) and (classes > 2 or probable or post_transform != "SOFTMAX"):
        theirs = onnxruntime_answers("SVMClassifier", x, opset=1, domain=ML, types=CLASSIFIED, **more)
        np.testing.assert_array_equal(y, theirs[0])
        np.testing.assert_allclose(z, theirs[1], rtol=1e-3, atol=1e-4)


def test_coupled_probabilities_are_those_of_the_pairs():
    """Where all pairs agree, r[i][j] = p_i / (p_i + p_j), they are exact."""
    from cinfer.ops.svm import coupled
    p = np.array([0.5, 0.3, 0.2])
    r = p[:, None] / (p[:, None] + p)
    np.fill_diagonal(r, 0)
    np.testing.assert_allclose(coupled(r[None])[0], p, atol=5e-3)


def test_svm_without_vectors():
    x = np.array([[1, 2], [-1, 0]], np.float32)
    y, z = ml("SVMClassifier", x, n_outputs=2, classlabels_strings=["a", "b"],
              coefficients=[1.0, 0.0, 0.0, 1.0], rho=[0.5])
    assert y.tolist() == ["b", "b"] and z.tolist() == [[1.5, 2.5], [-0.5, 0.5]]


def test_svm_refuses():
    x, both = np.zeros((2, 3), np.float32), dict(opset=1, domain=ML)
    good = dict(classlabels_ints=[1, 2], coefficients=[1.0, 1.0], rho=[0.0], support_vectors=[0.0] * 6,
                vectors_per_class=[1, 1], kernel_params=PARAMS)
    assert ml("SVMClassifier", x, **good).tolist() == [2, 2]
    for message, change in (("3 coefficients", dict(coefficients=[1.0] * 3)), ("no rho", dict(rho=[])),
                            ("5 numbers in support_vectors", dict(support_vectors=[0.0] * 5)),
                            ("vectors_per_class [2]", dict(vectors_per_class=[2])),
                            ("1 prob_a and 0 prob_b", dict(prob_a=[1.0])),
                            ("kernel_type 'X'", dict(kernel_type="X")),
                            ("there have to be 3", dict(kernel_params=[1.0])),
                            ("2 at least", dict(classlabels_ints=[1]))):
        refuses(message, "SVMClassifier", x, **{**good, **change}, **both)
    refuses("it has to be NONE", "SVMRegressor", x, coefficients=[1.0] * 3, rho=[0.0], one_class=1,
            post_transform="LOGISTIC", **both)
    refuses("2 coefficients", "SVMRegressor", x, coefficients=[1.0] * 2, rho=[0.0], **both)

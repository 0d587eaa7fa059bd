"""Ensembles of trees, against one row walking down one tree after another."""
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from one_node import infer, refuses, run, spec
from other_opinions import ML, onnxruntime_answers, reference_answers
from scores_oracle import transformed

import backend_cases

COMPARE = {"BRANCH_LEQ": lambda a, b: a <= b, "BRANCH_LT": lambda a, b: a < b,
           "BRANCH_GTE": lambda a, b: a >= b, "BRANCH_GT": lambda a, b: a > b,
           "BRANCH_EQ": lambda a, b: a == b, "BRANCH_NEQ": lambda a, b: a != b,
           "BRANCH_MEMBER": lambda a, b: a in b}
TRANSFORMS = ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT")


@pytest.mark.parametrize("case", backend_cases.of("TreeEnsemble", domain=ML))
def test_backend_case(case):
    backend_cases.check(case)


# A tree: a list of votes [(target, weight)], or (mode, feature, value, missing, yes, no)

def naive_votes(tree, row):
    while isinstance(tree, tuple):
        mode, feature, value, missing, yes, no = tree
        x = float(row[feature])
        tree = yes if (missing if x != x else COMPARE[mode](x, value)) else no
    return tree


def naive_sums(trees, x, count, aggregate):
    y = np.zeros((len(x), count))
    for i, row in enumerate(x):
        given = [[] for _ in range(count)]
        for tree in trees:
            for target, weight in naive_votes(tree, row):
                given[target].append(weight)
        for target, weights in enumerate(given):
            if weights:
                y[i, target] = {"SUM": sum, "AVERAGE": sum, "MIN": min, "MAX": max}[aggregate](weights)
    return y / len(trees) if aggregate == "AVERAGE" else y


WEIGHTS = st.integers(-8, 8).map(lambda k: k / 8)


def trees(count: int, features: int, modes=tuple(COMPARE)[:6], weights=WEIGHTS, most: int = 3, targets=None):
    votes = st.lists(st.tuples(st.integers(0, count - 1), weights), min_size=1, max_size=most)
    if targets is not None:
        votes = st.tuples(*(weights.map(lambda w, t=t: (t, w)) for t in targets)).map(list)

    def decision(inner):
        return st.sampled_from(modes).flatmap(lambda mode: st.tuples(
            st.just(mode), st.integers(0, features - 1),
            st.frozensets(st.integers(-2, 2), min_size=1, max_size=3) if mode == "BRANCH_MEMBER"
            else st.integers(-2, 2), st.booleans(), inner, inner))
    return st.lists(st.recursive(votes, decision, max_leaves=6), min_size=1, max_size=4)


def tables(features: int, nan: bool = True):
    value = st.sampled_from([-3, -2, -1, 0, 1, 2, 3] + [np.nan] * nan)
    return st.lists(st.lists(value, min_size=features, max_size=features), min_size=0, max_size=5).map(
        lambda rows: np.array(rows, np.float32).reshape(len(rows), features))


def old_attributes(forest, kind: str, first: int = 10) -> dict:
    """As the operators before TreeEnsemble have them, nodes numbered from `first` on."""
    nodes, votes = [], []
    for number, tree in enumerate(forest):
        waiting, ids = [tree], first
        at = first
        while waiting:
            node = waiting.pop(0)
            if isinstance(node, tuple):
                mode, feature, value, missing, yes, no = node
                nodes.append((number, at, feature, mode, float(value), ids + 1, ids + 2, int(missing)))
                waiting += [yes, no]
                ids += 2
            else:
                nodes.append((number, at, 0, "LEAF", 0.0, 0, 0, 0))
                votes += [(number, at, target, weight) for target, weight in node]
            at += 1
    names = ("treeids", "nodeids", "featureids", "modes", "values", "truenodeids", "falsenodeids",
             "missing_value_tracks_true")
    found = {f"nodes_{name}": list(column) for name, column in zip(names, zip(*nodes))}
    return found | {f"{kind}_{name}": list(column) for name, column in
                    zip(("treeids", "nodeids", "ids", "weights"), zip(*votes) if votes else [[]] * 4)}


def new_attributes(forest, dtype) -> dict:
    nodes, leaves, roots, members = [], [], [], []

    def child(tree):
        if not isinstance(tree, tuple):
            leaves.append(tree[0])
            return len(leaves) - 1, 1
        number = len(nodes)
        nodes.append(None)
        mode, feature, value, missing, yes, no = tree
        nodes[number] = (tuple(COMPARE).index(mode), feature, 0.0 if mode == "BRANCH_MEMBER"
                         else float(value),
                         int(missing), *child(yes), *child(no), value)
        return number, 0
    for tree in forest:
        roots.append(len(nodes))
        if isinstance(tree, tuple):
            child(tree)
        else:
            nodes.append((0, 0, 0.0, 0, *child(tree) * 2, 0))
    for mode, *_, value in nodes:
        members += [*map(float, value), np.nan] if mode == 6 else []
    names = ("nodes_modes", "nodes_featureids", "nodes_splits", "nodes_missing_value_tracks_true",
             "nodes_truenodeids", "nodes_trueleafs", "nodes_falsenodeids", "nodes_falseleafs")
    found = {name: list(column) for name, column in zip(names, zip(*nodes))} | dict(
        tree_roots=roots, leaf_targetids=[target for target, _ in leaves],
        leaf_weights=np.array([weight for _, weight in leaves], dtype))
    found["nodes_modes"] = np.array(found["nodes_modes"], np.uint8)
    found["nodes_splits"] = np.array(found["nodes_splits"], dtype)
    return found | ({"membership_values": np.array(members, dtype)} if members else {})


AGGREGATES = ("AVERAGE", "SUM", "MIN", "MAX")


@settings(max_examples=80, deadline=None)
@given(trees(3, 2), tables(2), st.sampled_from(AGGREGATES), st.sampled_from(TRANSFORMS), st.booleans(),
       st.booleans(),
       st.sampled_from((np.float32, np.float64, np.int32, np.int64)))
def test_any_regressor(forest, x, aggregate, post_transform, based, tensors, dtype):
    x = np.nan_to_num(x, nan=5).astype(dtype) if np.dtype(dtype).kind == "i" else x.astype(dtype)
    attributes = old_attributes(forest, "target")
    expected = naive_sums(forest, x, 3, aggregate)
    if based:
        attributes["base_values"] = [0.25, -0.5, 1.0]
        expected += [0.25, -0.5, 1.0]
    if tensors:
        for name in ("nodes_values", "target_weights", "base_values")[:2 + based]:
            attributes[f"{name}_as_tensor"] = np.array(attributes.pop(name))
    y = run("TreeEnsembleRegressor", x, opset=3, domain=ML, n_targets=3, aggregate_function=aggregate,
            post_transform=post_transform, **attributes)
    np.testing.assert_allclose(y, transformed(expected, post_transform), rtol=1e-5, atol=1e-6)


@settings(max_examples=80, deadline=None)
@given(trees(3, 2), tables(2), st.sampled_from(TRANSFORMS), st.booleans(), st.booleans(), st.integers(2, 3))
def test_any_classifier(forest, x, post_transform, based, named, least):
    count = 3 if any(t == 2 for tree in forest for t, _ in leaves_of(tree)) else least
    voted = {t for tree in forest for t, _ in leaves_of(tree)}
    sums = naive_sums(forest, x, count, "SUM")
    attributes = old_attributes(forest, "class")
    labels = ["a", "b", "c"][:count] if named else [7, -1, 3][:count]
    if count == 2 and len(voted) == 1:
        score = sums[:, min(voted)] + (0.25 if based else 0)
        attributes |= {"base_values": [0.25]} if based else {}
        signed = post_transform in ("LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO") or any(
            w < 0 for tree in forest for _, w in leaves_of(tree))
        best = (score > (0 if signed else 0.5)).astype(int)
        sums = np.stack((0 * score if voted == {1} else -score if signed else 1 - score, score), 1)
    else:
        attributes |= {"base_values": [0.25, -0.5, 1.0][:count]} if based else {}
        sums = sums + [0.25, -0.5, 1.0][:count] if based else sums
        best = sums.argmax(1)
    y, z = run("TreeEnsembleClassifier", x, opset=3, domain=ML, n_outputs=2, post_transform=post_transform,
               **{"classlabels_strings" if named else "classlabels_int64s": labels}, **attributes)
    assert y.tolist() == [labels[i] for i in best]
    np.testing.assert_allclose(z, transformed(sums, post_transform), rtol=1e-5, atol=1e-6)


def leaves_of(tree):
    if not isinstance(tree, tuple):
        return tree
    return [*leaves_of(tree[4]), *leaves_of(tree[5])]


@settings(max_examples=80, deadline=None)
@given(trees(3, 2, tuple(COMPARE), most=1), tables(2), st.integers(0, 3), st.integers(0, 4),
       st.sampled_from((np.float16, np.float32, np.float64)))
def test_any_ensemble(forest, x, aggregate, post_transform, dtype):
    x = x.astype(dtype)
    y = run("TreeEnsemble", x, opset=5, domain=ML, n_targets=3, aggregate_function=aggregate,
            post_transform=post_transform, **new_attributes(forest, dtype))
    expected = transformed(naive_sums(forest, x, 3, AGGREGATES[aggregate]), TRANSFORMS[post_transform])
    tolerance = 2e-3 if dtype is np.float16 else 1e-5
    np.testing.assert_allclose(y.astype(np.float64), expected, rtol=tolerance, atol=tolerance)


@settings(max_examples=40, deadline=None)
@given(st.booleans().flatmap(lambda nan: st.tuples(trees(2, 2, tuple(COMPARE)[:5 + (not nan)],
                                                         targets=(0, 1)),
                                                   tables(2, nan).filter(len))),
       st.sampled_from(AGGREGATES), st.sampled_from(("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO")))
def test_onnxruntime_agrees(case, aggregate, post_transform):
    """Not where a NaN meets BRANCH_NEQ, which is true of it there, and each target has votes: it forgets the
    base value of one that has none. In its TreeEnsemble 1 is LOGISTIC, 2 SOFTMAX."""
    forest, x = case
    more = dict(n_targets=2, aggregate_function=aggregate, post_transform=post_transform,
                base_values=[0.5, -0.25],
                **old_attributes(forest, "target", 0))
    theirs, = onnxruntime_answers("TreeEnsembleRegressor", x, opset=3, domain=ML, **more)
    y = run("TreeEnsembleRegressor", x, opset=3, domain=ML, **more)
    np.testing.assert_allclose(y, theirs, rtol=1e-4, atol=1e-5)
    one_vote = [first_votes(tree) for tree in forest]
    number = AGGREGATES.index(aggregate)
    more = dict(n_targets=2, aggregate_function=number, **new_attributes(one_vote, np.float32))
    theirs, = onnxruntime_answers("TreeEnsemble", x, opset=5, domain=ML, **more)
    np.testing.assert_allclose(run("TreeEnsemble", x, opset=5, domain=ML, **more), theirs, rtol=1e-4,
                               atol=1e-5)


def first_votes(tree):
    return (*tree[:4], first_votes(tree[4]), first_votes(tree[5])) if isinstance(tree, tuple) else tree[:1]


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(((0,), (1,), (0, 1, 2))).flatmap(lambda ids: st.tuples(
    trees(3, 2, tuple(COMPARE)[:5], targets=ids), st.just(ids))), tables(2).filter(len),
    st.sampled_from(("NONE", "LOGISTIC", "SOFTMAX")))
def test_onnxruntime_classifies_alike(case, x, post_transform):
    """Of two classes with votes for one, where it takes 0.5 for the border of all votes that are positive,
    also of a LOGISTIC, and forgets SOFTMAX."""
    forest, ids = case
    weights = [w for tree in forest for _, w in leaves_of(tree)]
    if len(ids) == 1 and (post_transform == "SOFTMAX" or post_transform == "LOGISTIC" and min(weights) >= 0):
        return
    more = dict(post_transform=post_transform, classlabels_int64s=[5, 3, 8][:3 if len(ids) == 3 else 2],
                **old_attributes(forest, "class", 0))
    theirs = onnxruntime_answers("TreeEnsembleClassifier", x, opset=3, domain=ML,
                                 types=(np.int64, np.float32), **more)
    y, z = run("TreeEnsembleClassifier", x, opset=3, domain=ML, n_outputs=2, **more)
    np.testing.assert_array_equal(y, theirs[0])
    np.testing.assert_allclose(z, theirs[1], rtol=1e-4, atol=1e-5)


def test_reference_agrees_on_two_classes():
    forest = [("BRANCH_LEQ", 0, 0, False, [(0, 0.25), (1, 0.75)], [(0, 0.5), (1, 0.125)])]
    x = np.array([[-1], [1]], np.float32)
    more = dict(classlabels_int64s=[10, 20], **old_attributes(forest, "class"))
    theirs = reference_answers("TreeEnsembleClassifier", x, opset=3, domain=ML, types=(np.int64, np.float32),
                               **more)
    y, z = run("TreeEnsembleClassifier", x, opset=3, domain=ML, n_outputs=2, **more)
    assert y.tolist() == theirs[0].tolist() == [20, 10]
    np.testing.assert_allclose(z, theirs[1])


def test_many_rows_in_pieces(monkeypatch):
    rng = np.random.default_rng(0)
    forest = [("BRANCH_LT", 0, 0, True, [(0, 1.0), (0, 2.0)],
               ("BRANCH_GT", 1, 1, False, [(1, 3.0)], [(0, 4.0)]))] * 3
    x = rng.integers(-2, 3, (100, 2)).astype(np.float32)
    monkeypatch.setattr("cinfer.ops.forest.AT_ONCE", 50)
    y = run("TreeEnsembleRegressor", x, opset=1, domain=ML, n_targets=2, **old_attributes(forest, "target"))
    np.testing.assert_array_equal(y, naive_sums(forest, x, 2, "SUM"))


def test_two_decisions_may_lead_to_one_node():
    """As LightGBM's categories are written: a chain of BRANCH_EQ."""
    x = np.array([[1], [2], [3]], np.float32)
    y = run("TreeEnsembleRegressor", x, opset=3, domain=ML, n_targets=1, nodes_treeids=[0] * 4,
            nodes_nodeids=[0, 1, 2, 3], nodes_featureids=[0] * 4,
            nodes_modes=["BRANCH_EQ", "BRANCH_EQ", "LEAF", "LEAF"], nodes_values=[1.0, 2.0, 0.0, 0.0],
            nodes_truenodeids=[2, 2, 0, 0], nodes_falsenodeids=[1, 3, 0, 0], target_treeids=[0, 0],
            target_nodeids=[2, 3], target_ids=[0, 0], target_weights=[1.0, 5.0])
    assert y.tolist() == [[1], [1], [5]]


GOOD = old_attributes([("BRANCH_LEQ", 1, 0, False, [(0, 1.0)], [(0, 2.0)])], "target") | {"n_targets": 1}


@pytest.mark.parametrize("message, change", (
    ("leads back to itself", dict(nodes_truenodeids=[10, 0, 0])),
    ("no node 99", dict(nodes_falsenodeids=[99, 0, 0])),
    ("the same number", dict(nodes_nodeids=[10, 10, 12])),
    ("allowed is 0 to 0", dict(target_ids=[0, 1])),
    ("x has 2 features", dict(nodes_featureids=[2, 0, 0])),
    ("features count from 0", dict(nodes_featureids=[-1, 0, 0])),
    ("unknown are ['BRANCH_MEMBER']", dict(nodes_modes=["BRANCH_MEMBER", "LEAF", "LEAF"])),
    ("nodes_values for 3 entries", dict(nodes_values=[0.0])),
    ("target_weights for 2 entries", dict(target_weights=[0.0])),
    ("a tree that has no nodes", dict(target_treeids=[0, 4])),
    ("an ensemble without trees", {name: [] for name in GOOD if isinstance(GOOD[name], list)}),
    ("only one of them", dict(nodes_values_as_tensor=np.zeros(3)))))
def test_wrong_trees(message, change):
    x = np.zeros((1, 2), np.float32)
    assert run("TreeEnsembleRegressor", x, opset=3, domain=ML, **GOOD).tolist() == [[1]]
    with pytest.raises(ValueError) as caught:
        run("TreeEnsembleRegressor", x, opset=3, domain=ML, **{**GOOD, **change})
    assert message in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("message, change", (
    ("leads back to itself", dict(nodes_trueleafs=[0])), ("a leaf of 2", dict(nodes_falsenodeids=[2])),
    ("a leaf of 2", dict(nodes_falsenodeids=[-1])), ("tree_roots 1 to 1", dict(tree_roots=[1])),
    ("1 sets for 0 nodes", dict(membership_values=np.zeros(1, np.float32))),
    ("0 sets for 1 nodes", dict(nodes_modes=np.array([6], np.uint8))),
    ("nodes_modes 7 to 7", dict(nodes_modes=np.array([7], np.uint8)))))
def test_wrong_ensembles(message, change):
    good = new_attributes([("BRANCH_LEQ", 0, 0, False, [(0, 1.0)], [(0, 2.0)])],
                          np.float32) | {"n_targets": 1}
    x = np.zeros((1, 1), np.float32)
    assert run("TreeEnsemble", x, opset=5, domain=ML, **good).tolist() == [[1]]
    with pytest.raises(ValueError) as caught:
        run("TreeEnsemble", x, opset=5, domain=ML, **{**good, **change})
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_refuses():
    x = np.zeros((1, 2), np.float32)
    refuses("n_targets None", "TreeEnsembleRegressor", x, opset=3, domain=ML)
    refuses("SOFTMAX_ZERO, PROBIT", "TreeEnsembleRegressor", x, opset=3, domain=ML, **GOOD,
            post_transform="EXP")
    refuses("AVERAGE, SUM, MIN, MAX", "TreeEnsembleRegressor", x, opset=3, domain=ML, **GOOD,
            aggregate_function="MEAN")
    refuses("2 base_values", "TreeEnsembleRegressor", x, opset=3, domain=ML, **GOOD, base_values=[0.0, 0.0])
    refuses("there have to be 2 at least", "TreeEnsembleClassifier", x, opset=3, domain=ML,
            classlabels_int64s=[1])
    refuses("there have to be ints or strings", "TreeEnsembleClassifier", x, opset=3, domain=ML)
    fact, = infer("TreeEnsembleRegressor", spec(4, 2), opset=3, domain=ML, **GOOD)
    assert fact.shape == (4, 1)

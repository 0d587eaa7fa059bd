"""Ensembles of decision trees: TreeEnsemble, TreeEnsembleRegressor, TreeEnsembleClassifier (forest.py).

https://onnx.ai/onnx/operators/onnx_aionnxml_TreeEnsemble.html, onnx_aionnxml_TreeEnsembleClassifier.html,
onnx_aionnxml_TreeEnsembleRegressor.html
"""
from __future__ import annotations

import numpy as np

from .classical import ML
from .facts import Fact
from .forest import AGGREGATES, array_for, new_forest, old_forest, votes
from .limits import check_size
from .numeric import F32, spec_of
from .registry import op
from .scores import TRANSFORMS, check_rows, check_transform, label_type, labels_of, rows_of, transformed


def check_targets(n_targets) -> int:
    if n_targets is None or n_targets < 1:
        raise ValueError(f"n_targets {n_targets}; it has to be at least 1")
    return n_targets


@op("TreeEnsembleRegressor", domain=ML, types=(F32,), rank=lambda *_, **__: 2)
class TreeEnsembleRegressor:
    """float32 (rows, targets): the votes of the leaves together, plus base_values, transformed. A target
    without votes has 0 of them."""
    def infer(x, *, n_targets=None, aggregate_function="SUM", post_transform="NONE", base_values=None,
              base_values_as_tensor=None, **nodes):
        check_transform(post_transform)
        if aggregate_function not in AGGREGATES:
            raise ValueError(f"aggregate_function {aggregate_function!r}; it has to be "
                             f"{', '.join(AGGREGATES)}")
        count = check_targets(n_targets)
        base = array_for("base_values", base_values, base_values_as_tensor)
        if base is not None and len(base) not in (0, count):
            raise ValueError(f"{len(base)} base_values for {count} targets")
        return Fact(F32, check_size((check_rows(x)[0], count), 8))

    def evaluate(x, *, aggregate_function="SUM", base_values: list[float] = None, base_values_as_tensor=None,
                 n_targets: int = None, nodes_falsenodeids: list[int] = None,
                 nodes_featureids: list[int] = None, nodes_hitrates: list[float] = None,
                 nodes_hitrates_as_tensor=None, nodes_missing_value_tracks_true: list[int] = None,
                 nodes_modes: list[str] = None, nodes_nodeids: list[int] = None,
                 nodes_treeids: list[int] = None, nodes_truenodeids: list[int] = None,
                 nodes_values: list[float] = None, nodes_values_as_tensor=None, post_transform="NONE",
                 target_ids: list[int] = None, target_nodeids: list[int] = None,
                 target_treeids: list[int] = None, target_weights: list[float] = None,
                 target_weights_as_tensor=None):
        TreeEnsembleRegressor.infer(spec_of(x), n_targets=n_targets, aggregate_function=aggregate_function,
                                    post_transform=post_transform, base_values=base_values,
                                    base_values_as_tensor=base_values_as_tensor)
        trees = old_forest("target", n_targets, (target_treeids, target_nodeids, target_ids), target_weights,
                           target_weights_as_tensor, nodes_falsenodeids=nodes_falsenodeids,
                           nodes_featureids=nodes_featureids,
                           nodes_missing_value_tracks_true=nodes_missing_value_tracks_true,
                           nodes_modes=nodes_modes, nodes_nodeids=nodes_nodeids, nodes_treeids=nodes_treeids,
                           nodes_truenodeids=nodes_truenodeids, nodes_values=nodes_values,
                           nodes_values_as_tensor=nodes_values_as_tensor)
        y = votes(trees, rows_of(x), n_targets, aggregate_function)
        base = array_for("base_values", base_values, base_values_as_tensor)
        return transformed(y if base is None or not len(base) else y + base, post_transform).astype(F32)


@op("TreeEnsembleClassifier", domain=ML, rank=lambda *_, n_outputs=1, **__: 1 if n_outputs == 1 else None,
    types=lambda x, *, classlabels_int64s=None, classlabels_strings=None, **_: (
        label_type(classlabels_int64s, classlabels_strings), F32))
class TreeEnsembleClassifier:
    """The label of the class with the largest sum of votes (the first of equals), and the sums, plus
    base_values, transformed.

    Where there are two labels and all votes are for one class, their sum s is what speaks for the second
    class, and 1 - s for the first, or -s where votes are negative too or the transform makes probabilities of
    scores. These are the scores if the votes name the first class; if they name the second, its score is s,
    the other 0.
    """
    def infer(x, *, classlabels_int64s=None, classlabels_strings=None, post_transform="NONE", n_outputs=1,
              **_):
        check_transform(post_transform)
        labels = labels_of(classlabels_int64s, classlabels_strings)
        if len(labels) < 2:
            raise ValueError(f"{len(labels)} labels; there have to be 2 at least")
        rows = check_rows(x)[0]
        return Fact(labels.dtype, (rows,)), Fact(F32, check_size((rows, len(labels)), 8))

    def evaluate(x, *, base_values: list[float] = None, base_values_as_tensor=None,
                 class_ids: list[int] = None, class_nodeids: list[int] = None,
                 class_treeids: list[int] = None, class_weights: list[float] = None,
                 class_weights_as_tensor=None,
                 classlabels_int64s: list[int] = None, classlabels_strings: list[str] = None,
                 nodes_falsenodeids: list[int] = None, nodes_featureids: list[int] = None,
                 nodes_hitrates: list[float] = None, nodes_hitrates_as_tensor=None,
                 nodes_missing_value_tracks_true: list[int] = None, nodes_modes: list[str] = None,
                 nodes_nodeids: list[int] = None, nodes_treeids: list[int] = None,
                 nodes_truenodeids: list[int] = None, nodes_values: list[float] = None,
                 nodes_values_as_tensor=None, post_transform="NONE", n_outputs=1):
        TreeEnsembleClassifier.infer(spec_of(x), classlabels_int64s=classlabels_int64s,
                                     classlabels_strings=classlabels_strings, post_transform=post_transform)
        labels = labels_of(classlabels_int64s, classlabels_strings)
        trees = old_forest("class", len(labels), (class_treeids, class_nodeids, class_ids), class_weights,
                           class_weights_as_tensor, nodes_falsenodeids=nodes_falsenodeids,
                           nodes_featureids=nodes_featureids,
                           nodes_missing_value_tracks_true=nodes_missing_value_tracks_true,
                           nodes_modes=nodes_modes, nodes_nodeids=nodes_nodeids, nodes_treeids=nodes_treeids,
                           nodes_truenodeids=nodes_truenodeids, nodes_values=nodes_values,
                           nodes_values_as_tensor=nodes_values_as_tensor)
        sums = votes(trees, rows_of(x), len(labels), "SUM")
        base = array_for("base_values", base_values, base_values_as_tensor)
        base = np.zeros(0) if base is None else base
        alone = len(labels) == 2 and len(np.unique(trees.targets)) == 1
        if len(base) not in (0, 1 if alone else len(labels)):
            voted = "one class" if alone else f"{len(labels)} classes"
            raise ValueError(f"{len(base)} base_values where votes are for {voted}; there has to be one for "
                             "each, or none")
        if not alone:
            sums = sums + base if len(base) else sums
            return labels[sums.astype(F32).argmax(1)], transformed(sums, post_transform).astype(F32)
        s = sums[:, trees.targets[:1]] + base.sum()
        signed = trees.weights.min() < 0 or post_transform in ("LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO")
        both = np.concatenate((-s if signed else 1 - s, s), 1)
        shown = np.concatenate((0 * s, s), 1) if trees.targets[0] else both
        return labels[both.astype(F32).argmax(1)], transformed(shown, post_transform).astype(F32)


@op("TreeEnsemble", domain=ML, since=5, rank=lambda *_, **__: 2)
class TreeEnsemble:
    """(rows, targets): the votes of the leaves together, transformed. A target without votes has 0."""
    def infer(x, *, n_targets=None, aggregate_function=1, post_transform=0, **_):
        if x.dtype.name not in ("float16", "float32", "float64"):
            raise ValueError(f"x is {x.dtype}; it has to be float16, float32 or float64")
        if aggregate_function not in range(len(AGGREGATES)) or post_transform not in range(len(TRANSFORMS)):
            raise ValueError(f"aggregate_function {aggregate_function}, post_transform {post_transform}; "
                             f"they have to be 0 to {len(AGGREGATES) - 1} and 0 to {len(TRANSFORMS) - 1}")
        return x.like(check_size((check_rows(x)[0], check_targets(n_targets)), 8))

    def evaluate(x, *, leaf_targetids: list[int], leaf_weights, nodes_falseleafs: list[int],
                 nodes_falsenodeids: list[int], nodes_featureids: list[int], nodes_modes, nodes_splits,
                 nodes_trueleafs: list[int], nodes_truenodeids: list[int], tree_roots: list[int],
                 aggregate_function=1, membership_values=None, n_targets: int = None, nodes_hitrates=None,
                 nodes_missing_value_tracks_true: list[int] = None, post_transform=0):
        TreeEnsemble.infer(spec_of(x), n_targets=n_targets, aggregate_function=aggregate_function,
                           post_transform=post_transform)
        trees = new_forest(n_targets, leaf_targetids, leaf_weights, nodes_falseleafs, nodes_falsenodeids,
                           nodes_featureids, nodes_missing_value_tracks_true, nodes_modes, nodes_splits,
                           nodes_trueleafs, nodes_truenodeids, tree_roots, membership_values)
        y = votes(trees, rows_of(x), n_targets, AGGREGATES[aggregate_function])
        return transformed(y, TRANSFORMS[post_transform]).astype(x.dtype)

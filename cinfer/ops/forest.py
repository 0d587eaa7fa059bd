"""Decision trees: their nodes as arrays, and all rows of a table walking down all trees at once."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .numeric import F32

MODES = {"BRANCH_LEQ": np.less_equal, "BRANCH_LT": np.less, "BRANCH_GTE": np.greater_equal,
         "BRANCH_GT": np.greater, "BRANCH_EQ": np.equal, "BRANCH_NEQ": np.not_equal}
NAMES = (*MODES, "BRANCH_MEMBER")               # in the order of TreeEnsemble's numbers
LEAF = -1
NUMBERS = {**{name: number for number, name in enumerate(MODES)}, "LEAF": LEAF}
AGGREGATES = ("AVERAGE", "SUM", "MIN", "MAX")
AT_ONCE = 1 << 20                               # leaves that are looked at at a time


@dataclass(frozen=True, slots=True)
class Forest:
    """Nodes and leaves of all trees, one entry each; what stands at a leaf counts only for leaves.

    mode : index in NAMES, or LEAF; value : float32 or float64; yes, no : the node where a decision leads to
    missing : does a NaN lead to `yes`; roots : a node for each tree
    targets, weights : votes, ordered by leaf; starts : of a node's votes, one more than there are nodes
    members : node -> the numbers of which one has to be there, of BRANCH_MEMBER
    """
    mode: np.ndarray
    feature: np.ndarray
    value: np.ndarray
    yes: np.ndarray
    no: np.ndarray
    missing: np.ndarray
    roots: np.ndarray
    targets: np.ndarray
    weights: np.ndarray
    starts: np.ndarray
    members: dict[int, np.ndarray]


def forest(mode, feature, value, yes, no, missing, roots, leaf, targets, weights, count: int,
           members=None) -> Forest:
    """A Forest, where all of it fits together. leaf : the node each vote belongs to; count : of targets"""
    if targets.size and not 0 <= targets.min() <= targets.max() < count:
        raise ValueError(f"votes for targets {targets.min()} to {targets.max()}; allowed is 0 to {count - 1}")
    if not len(roots):
        raise ValueError("an ensemble without trees")
    inner = np.flatnonzero(mode != LEAF)
    if inner.size and feature[inner].min() < 0:
        raise ValueError(f"feature {feature[inner].min()} of a node; features count from 0")
    check_no_cycle(inner, yes, no, len(mode))
    order = leaf.argsort(kind="stable")
    starts = leaf[order].searchsorted(np.arange(len(mode) + 1))
    return Forest(mode, feature, value, yes, no, missing, roots, targets[order], weights[order], starts,
                  members or {})


def check_no_cycle(inner: np.ndarray, yes: np.ndarray, no: np.ndarray, count: int) -> None:
    """ValueError where a decision leads back to itself. That two lead to one node is allowed."""
    above = np.bincount(np.concatenate((yes[inner], no[inner])), minlength=count)
    is_inner = np.zeros(count, bool)
    is_inner[inner] = True
    ready, seen = np.flatnonzero(above == 0), 0
    while ready.size:
        seen += ready.size
        some = ready[is_inner[ready]]
        below_them = np.concatenate((yes[some], no[some]))
        np.subtract.at(above, below_them, 1)
        ready = np.unique(below_them)
        ready = ready[above[ready] == 0]
    if seen < count:
        raise ValueError("a decision of a tree leads back to itself")


def leaves_of(trees: Forest, x: np.ndarray) -> np.ndarray:
    """(rows, trees): the node in which each row of x ends."""
    count = len(trees.roots)
    at = np.tile(trees.roots, len(x))
    waiting = np.flatnonzero(trees.mode[at] != LEAF)
    while waiting.size:
        node = at[waiting]
        value = x[waiting // count, trees.feature[node]]
        at[waiting] = np.where(decisions(trees, node, value), trees.yes[node], trees.no[node])
        waiting = waiting[trees.mode[at[waiting]] != LEAF]
    return at.reshape(len(x), count)


def decisions(trees: Forest, node: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Whether each decides yes. A NaN goes as the node says, also where the comparison is true of it."""
    mode, result = trees.mode[node], np.zeros(len(node), bool)
    for number in np.unique(mode):
        some = mode == number
        if NAMES[number] in MODES:
            result[some] = MODES[NAMES[number]](value[some], trees.value[node[some]])
            continue
        for each in np.unique(node[some]):
            result[node == each] = np.isin(value[node == each], trees.members[int(each)])
    return np.where(np.isnan(value), trees.missing[node], result)


def votes(trees: Forest, x: np.ndarray, count: int, aggregate: str) -> np.ndarray:
    """(rows, targets), float64: all votes of the leaves together; 0 where there are none."""
    out = np.zeros((len(x), count))
    if x.shape[1] <= trees.feature[trees.mode != LEAF].max(initial=-1):
        raise ValueError(f"x has {x.shape[1]} features, a node looks at feature "
                         f"{trees.feature[trees.mode != LEAF].max()}")
    lengths = np.diff(trees.starts)
    at_once = max(1, AT_ONCE // (len(trees.roots) * max(lengths.max(initial=1), 1)))
    for start in range(0, len(x), at_once):
        leaves = leaves_of(trees, x[start:start + at_once])
        rows = np.repeat(np.arange(len(leaves)), leaves.shape[1])
        leaves = leaves.reshape(-1)
        number = lengths[leaves]
        ends = number.cumsum()
        vote = np.arange(ends[-1]) + np.repeat(trees.starts[leaves] - ends + number, number)
        place = np.repeat(rows, number) * count + trees.targets[vote]
        part = out[start:start + at_once].reshape(-1)
        if aggregate in ("SUM", "AVERAGE"):
            part += np.bincount(place, trees.weights[vote], minlength=part.size)
            continue
        function, worst = (np.minimum, np.inf) if aggregate == "MIN" else (np.maximum, -np.inf)
        best = np.full(part.size, worst)
        function.at(best, place, trees.weights[vote])
        part += np.where(np.bincount(place, minlength=part.size) > 0, best, 0)
    return out / len(trees.roots) if aggregate == "AVERAGE" else out


def array_for(what: str, values, tensor, length: int | None = None) -> np.ndarray | None:
    """A list of floats, or the tensor that may stand for it: float32, or float64."""
    if values is not None and tensor is not None:
        raise ValueError(f"{what} and {what}_as_tensor; only one of them may be there")
    if tensor is not None:
        if tensor.dtype.kind != "f":
            raise ValueError(f"{what}_as_tensor is {tensor.dtype}; it has to be floats")
        found = tensor.reshape(-1)
    else:
        found = None if values is None else np.array(values, F32)
    if length is not None and (0 if found is None else len(found)) != length:
        raise ValueError(f"{0 if found is None else len(found)} {what} for {length} entries")
    return found


def numbers_for(what: str, values, length: int | None = None) -> np.ndarray:
    found = np.array(values if values is not None else (), np.int64).reshape(-1)
    if length is not None and len(found) != length:
        raise ValueError(f"{len(found)} {what} for {length} entries")
    return found


def old_forest(kind: str, count: int, votes_of: tuple, weights, weights_tensor, *, nodes_falsenodeids=None,
               nodes_featureids=None, nodes_hitrates=None, nodes_hitrates_as_tensor=None,
               nodes_missing_value_tracks_true=None, nodes_modes=None, nodes_nodeids=None, nodes_treeids=None,
               nodes_truenodeids=None, nodes_values=None, nodes_values_as_tensor=None) -> Forest:
    """Of the operators before TreeEnsemble, whose nodes and leaves stand in one list, by numbers of trees
    and, within them, of nodes. The first node of a tree in the list is its root.

    kind : how votes are called; votes_of : (numbers of trees, of nodes, of targets) of votes
    """
    tree = numbers_for("nodes_treeids", nodes_treeids)
    length = len(tree)
    number = numbers_for("nodes_nodeids", nodes_nodeids, length)
    modes = nodes_modes if nodes_modes is not None else ()
    unknown = set(modes) - {*MODES, "LEAF"}
    if unknown or len(modes) != length:
        raise ValueError(f"{len(modes)} nodes_modes for {length} nodes, unknown are {sorted(unknown)[:3]}; "
                         f"allowed are {', '.join(MODES)}, LEAF")
    mode = np.array([*map(NUMBERS.get, modes)], np.int64)
    missing = nodes_missing_value_tracks_true
    missing = numbers_for("nodes_missing_value_tracks_true", missing, length) if missing else np.zeros(length)
    trees, first, tree = np.unique(tree, return_index=True, return_inverse=True)
    lookup = Places(tree, number)
    inner = mode != LEAF
    yes, no = (np.where(inner, lookup.find(tree, numbers_for(name, ids, length), inner), 0) for name, ids in (
        ("nodes_truenodeids", nodes_truenodeids), ("nodes_falsenodeids", nodes_falsenodeids)))
    targets = numbers_for(f"{kind}_ids", votes_of[2])
    of_tree, of_node = (numbers_for(f"{kind}_{what}", ids, len(targets))
                        for what, ids in (("treeids", votes_of[0]), ("nodeids", votes_of[1])))
    place = trees.searchsorted(of_tree).clip(0, max(len(trees) - 1, 0))
    if len(of_tree) and (not len(trees) or (trees[place] != of_tree).any()):
        raise ValueError(f"{kind}_treeids name a tree that has no nodes")
    leaf = lookup.find(place, of_node, np.ones(len(of_node), bool))
    values = array_for("nodes_values", nodes_values, nodes_values_as_tensor, length)
    weights = array_for(f"{kind}_weights", weights, weights_tensor, len(targets))
    return forest(mode, numbers_for("nodes_featureids", nodes_featureids, length),
                  np.zeros(0) if values is None else values, yes, no, missing != 0, first, leaf, targets,
                  np.zeros(0) if weights is None else weights, count)


class Places:
    """Where in the list the nodes stand, by tree and number."""

    def __init__(self, tree: np.ndarray, number: np.ndarray):
        self.numbers, number = np.unique(number, return_inverse=True)
        keys = tree * len(self.numbers) + number
        self.order = keys.argsort(kind="stable")
        self.keys = keys[self.order]
        if (np.diff(self.keys) == 0).any():
            raise ValueError("two nodes of a tree have the same number")

    def find(self, tree: np.ndarray, number: np.ndarray, asked: np.ndarray) -> np.ndarray:
        """ValueError where one that is asked for is not there."""
        if not len(self.keys):
            return np.zeros(len(tree), np.int64)
        place = self.numbers.searchsorted(number).clip(0, len(self.numbers) - 1)
        keys = tree * len(self.numbers) + place
        at = self.keys.searchsorted(keys).clip(0, len(self.keys) - 1)
        wrong = asked & ((self.numbers[place] != number) | (self.keys[at] != keys))
        if wrong.any():
            raise ValueError(f"no node {number[wrong.argmax()]} in the tree that names it")
        return self.order[at]


def new_forest(count: int, leaf_targetids, leaf_weights, nodes_falseleafs, nodes_falsenodeids,
               nodes_featureids, nodes_missing_value_tracks_true, nodes_modes, nodes_splits, nodes_trueleafs,
               nodes_truenodeids, tree_roots, membership_values) -> Forest:
    """Of TreeEnsemble, whose nodes and leaves are two lists: here the leaves follow the nodes."""
    modes = nodes_modes.reshape(-1).astype(np.int64)
    length, leaves = len(modes), len(leaf_targetids)
    if length and not 0 <= modes.min() <= modes.max() < len(NAMES):
        raise ValueError(f"nodes_modes {modes.min()} to {modes.max()}; allowed is 0 to {len(NAMES) - 1}")
    feature = numbers_for("nodes_featureids", nodes_featureids, length)
    children = []
    for name, ids, are_leaves in (("true", nodes_truenodeids, nodes_trueleafs),
                                  ("false", nodes_falsenodeids, nodes_falseleafs)):
        ids = numbers_for(f"nodes_{name}nodeids", ids, length)
        are_leaves = numbers_for(f"nodes_{name}leafs", are_leaves, length) != 0
        if ((ids < 0) | (ids >= np.where(are_leaves, leaves, length))).any():
            raise ValueError(f"nodes_{name}nodeids name a node of {length}, or a leaf of {leaves}, that is "
                             "not there")
        children.append(np.where(are_leaves, ids + length, ids))
    feature = np.where(children[0] == children[1], 0, feature)          # a tree of one leaf asks nothing
    roots = numbers_for("tree_roots", tree_roots)
    if roots.size and not 0 <= roots.min() <= roots.max() < length:
        raise ValueError(f"tree_roots {roots.min()} to {roots.max()}; allowed is 0 to {length - 1}")
    missing = numbers_for("nodes_missing_value_tracks_true", nodes_missing_value_tracks_true,
                          length if nodes_missing_value_tracks_true else None)
    rest = np.zeros(leaves, np.int64)
    return forest(np.append(modes, rest + LEAF), np.append(feature, rest),
                  np.append(array_for("nodes_splits", None, nodes_splits, length), rest.astype(np.float16)),
                  np.append(children[0], rest), np.append(children[1], rest),
                  np.append(missing if missing.size else np.zeros(length), rest) != 0, roots,
                  np.arange(length, length + leaves), numbers_for("leaf_targetids", leaf_targetids),
                  array_for("leaf_weights", None, leaf_weights, leaves).astype(np.float64), count,
                  members_of(modes, membership_values))


def members_of(modes: np.ndarray, values: np.ndarray | None) -> dict[int, np.ndarray]:
    """Node -> its set: they stand in the order of the nodes that have one, NaN behind each."""
    nodes = np.flatnonzero(modes == NAMES.index("BRANCH_MEMBER"))
    values = np.zeros(0) if values is None else values.reshape(-1)
    sets = np.split(values, np.flatnonzero(np.isnan(values)) + 1)
    sets = [each[~np.isnan(each)] for each in (sets if len(sets[-1]) else sets[:-1])]
    if len(sets) != len(nodes):
        raise ValueError(f"membership_values has {len(sets)} sets for {len(nodes)} nodes of BRANCH_MEMBER")
    return dict(zip(nodes.tolist(), sets))

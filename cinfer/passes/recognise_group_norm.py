"""Group normalization that exporters spell out."""
from __future__ import annotations

import numpy as np

from ..model.graph import Graph, Node
from ..ops.facts import Unranked
from ..ops.symbols import same
from .pattern import Rewriter, rewrite


@rewrite
def recognise_group_norm(graph: Graph, at: Rewriter) -> bool:
    """x -> Reshape to (batch, groups, ...) -> InstanceNormalization of scales 1, biases 0 -> Reshape to the
    shape of x [-> Mul by a constant for each channel [-> Add one]]
    becomes   GroupNormalization(x, scale, bias)

    Guards: the shapes are proved, x has 1 to 3 spatial axes, the channels are a number that the groups divide;
    nobody else sees the values between.
    """
    changed = False
    for node in at.of("InstanceNormalization"):
        changed |= _group_norm(node, at)
    return changed


def _group_norm(node: Node, at: Rewriter) -> bool:
    ones, zeros = map(at.array, node.inputs[1:3])
    before, back = at.maker(node.inputs[0], "Reshape"), at.only_reader(node.outputs[0])
    if ones is None or zeros is None or (ones != 1).any() or zeros.any() or before is None or back is None \
            or back.op_type != "Reshape" or back.domain or back.inputs[0] != node.outputs[0]:
        return False
    x, groups = before.inputs[0], ones.size
    facts = [at.fact(name) for name in (x, node.inputs[0], back.outputs[0])]
    if any(fact is None or type(fact) is Unranked for fact in facts) or not 3 <= facts[0].ndim <= 5:
        return False
    (batch, c, *_), grouped, whole = (fact.shape for fact in facts)
    if type(c) is not int or c % groups or not same(grouped[:2], (batch, groups)) \
            or not same(whole, facts[0].shape):
        return False
    scale, bias, root = np.ones(c, ones.dtype), np.zeros(c, ones.dtype), back
    found = _of_channels(at, root, "Mul", c, len(whole))
    if found is not None:
        root, scale = found
        found = _of_channels(at, root, "Add", c, len(whole))
        if found is not None:
            root, bias = found
    vectors = [at.constant(vector, f"{x}_{what}") for vector, what in ((scale, "scale"), (bias, "bias"))]
    at.change(root, "GroupNormalization", [x, *vectors], 21, num_groups=groups,
              epsilon=node.attributes.get("epsilon", 1e-5))
    return True


def _of_channels(at: Rewriter, node: Node, op_type: str, c: int, rank: int) -> tuple[Node, np.ndarray] | None:
    """The Mul or Add of a constant for each of c channels behind a node: it, the constant."""
    reader = at.only_reader(node.outputs[0])
    if reader is None or reader.op_type != op_type or reader.domain or reader.attributes:
        return None
    array = at.array(next((name for name in reader.inputs if name != node.outputs[0]), ""))
    if array is None or array.shape != (1,) * (array.ndim - rank + 1) + (c,) + (1,) * (rank - 2):
        return None
    return reader, array.reshape(-1)

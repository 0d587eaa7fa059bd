"""The ranks of values, as far as they can be proved while the sizes are unknown."""
from __future__ import annotations

import numpy as np

from ..model.graph import Node

Ranks = dict[str, int]
Constants = dict[str, np.ndarray]

# One input, one output of its shape.
ELEMENTWISE = frozenset("""
    Abs Acos Acosh Asin Asinh Atan Atanh BitwiseNot Cast Ceil Celu Clip Cos Cosh Dropout Elu Erf Exp Floor
    Gelu HardSigmoid HardSwish Identity IsInf IsNaN LeakyRelu Log Mish Neg Not Reciprocal Relu Round Selu
    Shrink Sigmoid Sign Sin Sinh Softplus Softsign Sqrt Swish Tan Tanh ThresholdedRelu
""".split())
# The first output has the rank of the first input, whatever the attributes say.
KEEP = ELEMENTWISE | frozenset("""
    AveragePool BatchNormalization CastLike CumSum DepthToSpace DequantizeLinear GlobalAveragePool
    GlobalLpPool GlobalMaxPool GroupNormalization Hardmax InstanceNormalization LayerNormalization LogSoftmax
    LpNormalization LpPool LRN MaxPool MeanVarianceNormalization Pad PRelu QuantizeLinear Resize
    ReverseSequence RMSNormalization Slice Softmax SpaceToDepth Split Tile TopK Trilu Upsample
""".split())
BROADCAST = frozenset("""
    Add And BitShift BitwiseAnd BitwiseOr BitwiseXor Div Equal Greater GreaterOrEqual Less LessOrEqual Max
    Mean Min Mod Mul Or Pow Sub Sum Where Xor
""".split())
_SAME_AS_ANY = frozenset(("Concat", "Conv", "ConvTranspose"))
_FIXED = {"Gemm": 2, "Flatten": 2, "Shape": 1, "Size": 0, "NonZero": 2, "Range": 1, "NonMaxSuppression": 2}


def rank_of_outputs(node: Node, ranks: Ranks, constants: Constants) -> None:
    """Enter the ranks of a node's outputs; what cannot be proved stays out."""
    op_type = node.op_type
    if node.domain:
        return
    if op_type in KEEP:
        rank = _rank(node.inputs[0], ranks, constants)
    elif op_type in BROADCAST:
        rank = 0
        for name in node.inputs:
            one = _rank(name, ranks, constants)
            if one is None:
                return
            rank = max(rank, one)
    elif op_type in _SAME_AS_ANY:
        rank = next((r for r in (_rank(n, ranks, constants) for n in node.inputs[:2]) if r is not None), None)
    elif op_type in _FIXED:
        rank = _FIXED[op_type]
    elif op_type == "Transpose" and "perm" in node.attributes:
        rank = len(node.attributes["perm"])
    elif op_type.startswith("Reduce") or op_type in ("ArgMax", "ArgMin"):
        rank = _reduced(node, ranks, constants)
    else:
        rule = _RULES.get(op_type)
        rank = rule(node, ranks, constants) if rule else None
    if rank is not None:
        for name in node.outputs[:1] if op_type == "BatchNormalization" else node.outputs:
            if name:
                ranks[name] = rank


def _rank(name: str, ranks: Ranks, constants: Constants) -> int | None:
    known = ranks.get(name)
    if known is None and name in constants:
        return constants[name].ndim
    return known


def _reduced(node, ranks, constants):
    rank = _rank(node.inputs[0], ranks, constants)
    if rank is None or node.attributes.get("keepdims", 1):
        return rank
    if node.op_type.startswith("Arg"):
        return rank - 1
    count = _count(node, 1, "axes", constants)
    if count is None:               # no axes at all: over everything, or over nothing, or not constant
        absent = len(node.inputs) < 2 or not node.inputs[1]
        return 0 if absent and not node.attributes.get("noop_with_empty_axes") else None
    return rank - count if count else None


def _count(node, position, attribute, constants):
    """How many integers a list has that is an input or, in older opsets, an attribute."""
    if attribute in node.attributes:
        return len(node.attributes[attribute])
    array = constants.get(node.inputs[position]) if position < len(node.inputs) else None
    return None if array is None else array.size


def _reshape(node, ranks, constants):
    return _count(node, 1, "shape", constants)


def _unsqueeze(node, ranks, constants):
    rank, count = _rank(node.inputs[0], ranks, constants), _count(node, 1, "axes", constants)
    return None if rank is None or count is None else rank + count


def _squeeze(node, ranks, constants):
    rank, count = _rank(node.inputs[0], ranks, constants), _count(node, 1, "axes", constants)
    return None if rank is None or count is None else rank - count


def _gather(node, ranks, constants):
    data, indices = (_rank(name, ranks, constants) for name in node.inputs[:2])
    return None if data is None or indices is None else data + indices - 1


def _matmul(node, ranks, constants):
    a, b = (_rank(name, ranks, constants) for name in node.inputs[:2])
    return None if a is None or b is None or min(a, b) < 2 else max(a, b)


def _expand(node, ranks, constants):
    rank, count = _rank(node.inputs[0], ranks, constants), _count(node, 1, "shape", constants)
    return None if rank is None or count is None else max(rank, count)


def _constant_of_shape(node, ranks, constants):
    return _count(node, 0, "shape", constants)


def _transpose(node, ranks, constants):
    return _rank(node.inputs[0], ranks, constants)


_RULES = {"Reshape": _reshape, "Unsqueeze": _unsqueeze, "Squeeze": _squeeze, "Gather": _gather,
          "MatMul": _matmul, "Expand": _expand, "ConstantOfShape": _constant_of_shape,
          "Transpose": _transpose}

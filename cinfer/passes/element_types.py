"""Which values are float16, bfloat16 or float32, as far as operators, constants and inputs prove it."""
from __future__ import annotations

import numpy as np

from ..model.graph import Graph, Node
from .pattern import has
from .ranks import BROADCAST, KEEP

FLOAT, FLOAT16, BFLOAT16 = 1, 10, 16        # of TensorProto.DataType
OTHER = 0                                   # known to be none of them
_CODES = {"float32": FLOAT, "float16": FLOAT16, "bfloat16": BFLOAT16}

# Operators whose outputs are of the type of one input: the first, if _WHICH does not say another
_LIKE_INPUT = KEEP | BROADCAST | frozenset("""
    AffineGrid Bernoulli CenterCropPad Col2Im Compress Concat Conv ConvTranspose CumProd DFT Einsum Expand
    EyeLike Flatten GRU Gather GatherElements GatherND Gemm GridSample LSTM MatMul MaxRoiPool OneHot RNN
    RandomNormalLike RandomUniformLike Range ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax
    ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Reshape RoiAlign STFT Scatter ScatterElements
    ScatterND Squeeze TensorScatter Transpose Unique Unsqueeze
    com.microsoft.DequantizeLinear com.microsoft.DynamicQuantizeMatMul com.microsoft.FusedConv
    com.microsoft.FusedMatMul com.microsoft.MatMulIntegerToFloat
""".split())
_WHICH = {"CastLike": 1, "DequantizeLinear": 1, "OneHot": 2, "RMSNormalization": 1, "Where": 1,
          "com.microsoft.DequantizeLinear": 1, "com.microsoft.MatMulIntegerToFloat": 2}
# An attribute that names the type of the output, where it is there and not 0
_NAMED = {"BitCast": "to", "Cast": "to", "DequantizeLinear": "output_dtype",
          "com.microsoft.DequantizeLinear": "output_dtype",
          **dict.fromkeys(("Bernoulli", "EyeLike", "RandomNormal", "RandomNormalLike", "RandomUniform",
                           "RandomUniformLike"), "dtype"),
          **dict.fromkeys(("BlackmanWindow", "HammingWindow", "HannWindow", "MelWeightMatrix"),
                          "output_datatype")}
_FLOAT = frozenset(("BlackmanWindow", "ConstantOfShape", "HammingWindow", "HannWindow", "MelWeightMatrix",
                    "RandomNormal", "RandomUniform"))
_OTHER = frozenset("""
    ArgMax ArgMin Constant ConvInteger DynamicQuantizeLinear Equal Greater GreaterOrEqual IsInf IsNaN Less
    LessOrEqual MatMulInteger Multinomial NonMaxSuppression NonZero QLinearConv QLinearMatMul QuantizeLinear
    Shape Size com.microsoft.QGemm com.microsoft.QLinearAdd com.microsoft.QLinearAveragePool
    com.microsoft.QLinearConcat com.microsoft.QLinearGlobalAveragePool com.microsoft.QLinearLeakyRelu
    com.microsoft.QLinearMul com.microsoft.QLinearSigmoid com.microsoft.QLinearSoftmax
    com.microsoft.QuantizeLinear
""".split())
# Outputs behind the first that are integers or bool
_INDICES_BEHIND = frozenset(("Dropout", "MaxPool", "TopK", "Unique"))


def code_of(dtype: np.dtype) -> int:
    return _CODES.get(dtype.name, OTHER)


def element_types(graph: Graph) -> dict[str, int] | None:
    """Value name -> FLOAT, FLOAT16, BFLOAT16 or OTHER; None unless the types of all values are proved."""
    types = {"": OTHER}
    types.update((name, code_of(array.dtype)) for name, array in graph.constants.items())
    for name, declared in graph.inputs.items():
        if declared.dtype is None:
            return None
        types[name] = code_of(declared.dtype)
    for node in graph.nodes:
        found = types_of_outputs(node, types) if types.keys() >= set(node.inputs) else None
        if found is None:
            return None
        types.update((name, code) for name, code in zip(node.outputs, found) if name)
    return types


def types_of_outputs(node: Node, types: dict[str, int]) -> list[int] | None:
    """The types of a node's outputs from those of its inputs; None where no rule knows them."""
    op_type = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
    first = _first(node, op_type, types)
    if first is None:
        return None
    behind = first
    if op_type in _INDICES_BEHIND and (op_type != "Dropout" or node.opset >= 10):
        behind = OTHER
    elif op_type == "LayerNormalization":
        behind = _named(node.attributes.get("stash_type", FLOAT))
    elif op_type == "BatchNormalization":
        behind = types[node.inputs[3]]
    elif op_type == "DynamicQuantizeLinear":
        return [OTHER, FLOAT, OTHER][:len(node.outputs)]
    return [first, *[behind] * (len(node.outputs) - 1)]


def _first(node: Node, op_type: str, types: dict[str, int]) -> int | None:
    named = node.attributes.get(_NAMED.get(op_type))
    if named:
        return _named(named) if isinstance(named, int) else None        # Cast had words before opset 6
    if isinstance(value := node.attributes.get("value"), np.ndarray):
        return code_of(value.dtype)
    if op_type == "Constant" and not node.attributes.keys().isdisjoint(("value_float", "value_floats")):
        return FLOAT
    if op_type == "com.microsoft.QGemm" and not has(node, 7):           # without y_scale
        return FLOAT
    if op_type in _OTHER:
        return OTHER
    if op_type in _FLOAT:
        return FLOAT
    return types[node.inputs[_WHICH.get(op_type, 0)]] if op_type in _LIKE_INPUT else None


def _named(code: int) -> int:
    return code if code in _CODES.values() else OTHER

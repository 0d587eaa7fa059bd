"""Kernels by family, the files named as in ops/. They enter themselves into candidate.KERNELS when they are imported,
which is when a node asks (`enter`), for each takes half a millisecond of every start."""
from ...imports import imported

FAMILIES = frozenset("activations attention cast conv conv_transpose conv_transpose_u8 conv_u8 detection elementwise "
                     "gridsample indexing integer_products matmul matmul_narrow movement normalization pad pooling "
                     "pooling_u8 quantize quantized recurrent reduce resize scan shape".split())
# an operator, or a file of ops/ -> the file of its kernels, where that has another name
ELSEWHERE = {"ConvTranspose": "conv_transpose", "CumProd": "scan", "CumSum": "scan", "Dropout": "shape",
             "DynamicStateLSTM": "recurrent", "FusedAttention": "attention", "GridConv": "conv",
             "GridConvTranspose": "conv_transpose", "GridGemm": "matmul", "GridMatMul": "matmul", "LookUp": "quantized",
             "MatMulInteger": "integer_products", "Pad": "pad", "QGemm": "integer_products", "QLinearAdd": "quantized",
             "QLinearAveragePool": "pooling_u8", "QLinearConv": "conv_u8", "QLinearConvTranspose": "conv_transpose_u8",
             "QLinearGlobalAveragePool": "pooling_u8",
             "QLinearMatMul": "integer_products", "QLinearMul": "quantized", "QLinearResize": "resize",
             "QuantizeDequantize": "activations", "ScaledConvInteger": "conv_u8",
             "ScaledMatMulInteger": "integer_products",
             "elementwise": "activations"}      # which imports elementwise


def enter(operator) -> None:
    """Import the family of an operator, if it has one."""
    if operator is not None:
        file = operator.evaluate.__module__.rpartition(".")[2]
        file = ELSEWHERE.get(operator.name) or ELSEWHERE.get(file, file)
        if file in FAMILIES:
            imported(f"{__name__}.{file}")


def enter_all() -> None:
    for file in FAMILIES:
        imported(f"{__name__}.{file}")

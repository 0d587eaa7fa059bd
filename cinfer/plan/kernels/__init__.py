"""Kernels by family, the files named as in ops/. They enter themselves into candidate.KERNELS when they are imported,
which is when a node asks (`enter`), for each takes half a millisecond of every start."""
from ...imports import imported

FAMILIES = frozenset("activations attention cast conv conv_transpose detection elementwise gridsample indexing matmul "
                     "movement normalization pad pooling quantize recurrent reduce resize scan shape".split())
# an operator, or a file of ops/ -> the file of its kernels, where that has another name
ELSEWHERE = {"ConvTranspose": "conv_transpose", "CumProd": "scan", "CumSum": "scan", "Dropout": "shape",
             "DynamicStateLSTM": "recurrent", "FusedAttention": "attention", "Pad": "pad",
             "QuantizeDequantize": "activations", "elementwise": "activations"}     # which imports elementwise


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

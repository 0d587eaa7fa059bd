import backend_cases
import pytest
from cinfer.ops import quantize  # noqa: F401  (registers the operators)

CASES = backend_cases.of(*"""
    QuantizeLinear DequantizeLinear DynamicQuantizeLinear QLinearConv QLinearMatMul ConvInteger MatMulInteger
    """.split())


@pytest.mark.parametrize("case", CASES)
def test_backend_case(case):
    backend_cases.check(case)

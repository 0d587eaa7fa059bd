import backend_cases
import pytest
from cinfer.ops import reduce  # noqa: F401  (registers the operators)

CASES = backend_cases.of(*"""
    ReduceMean ReduceSum ReduceMax ReduceMin ReduceProd ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceSumSquare ArgMax ArgMin""".split())


@pytest.mark.parametrize("case", CASES)
def test_backend_case(case):
    backend_cases.check(case)

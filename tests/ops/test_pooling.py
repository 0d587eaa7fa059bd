import backend_cases
import pytest
from cinfer.ops import pooling  # noqa: F401  (registers the operators)


@pytest.mark.parametrize("case", backend_cases.of(*"""
    MaxPool AveragePool LpPool GlobalAveragePool GlobalMaxPool GlobalLpPool LRN""".split()))
def test_backend_case(case):
    backend_cases.check(case)

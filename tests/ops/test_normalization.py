import backend_cases
import pytest
from cinfer.ops import normalization  # noqa: F401  (registers the operators)

CASES = backend_cases.of(*"""
    BatchNormalization InstanceNormalization LayerNormalization GroupNormalization RMSNormalization MeanVarianceNormalization LpNormalization Dropout""".split())


@pytest.mark.parametrize("case", CASES)
def test_backend_case(case):
    backend_cases.check(case)

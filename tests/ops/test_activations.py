import backend_cases
import pytest
from cinfer.ops import activations  # noqa: F401  (registers the operators)

CASES = backend_cases.of(*"""
    Relu LeakyRelu PRelu Elu Selu Celu Sigmoid HardSigmoid HardSwish Swish Mish Tanh Softplus Softsign
    ThresholdedRelu Gelu Softmax LogSoftmax Hardmax Shrink""".split())


@pytest.mark.parametrize("case", CASES)
def test_backend_case(case):
    backend_cases.check(case)

import backend_cases
import pytest
from cinfer.ops import matmul  # noqa: F401  (registers the operators)


@pytest.mark.parametrize("case", backend_cases.of("MatMul", "Gemm", "Einsum"))
def test_backend_case(case):
    backend_cases.check(case)

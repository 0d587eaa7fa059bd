import backend_cases
import pytest
from cinfer.ops import conv  # noqa: F401  (registers the operators)


@pytest.mark.parametrize("case", backend_cases.of("Conv", "ConvTranspose"))
def test_backend_case(case):
    backend_cases.check(case)

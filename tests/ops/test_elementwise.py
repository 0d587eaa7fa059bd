import backend_cases
import pytest
from cinfer.ops import elementwise  # noqa: F401  (registers the operators)

CASES = backend_cases.of(*"""
    Add Sub Mul Div Mod Pow Min Max Sum Mean And Or Xor Not BitShift BitwiseAnd BitwiseOr BitwiseXor BitwiseNot
    Equal Greater Less GreaterOrEqual LessOrEqual Abs Neg Sign Ceil Floor Round Sqrt Exp Log Reciprocal Erf
    Sin Cos Tan Asin Acos Atan Sinh Cosh Asinh Acosh Atanh IsNaN IsInf Where Clip CumSum CumProd""".split())


@pytest.mark.parametrize("case", CASES)
def test_backend_case(case):
    backend_cases.check(case)

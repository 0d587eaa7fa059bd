"""Where, comparisons and logic."""
import numpy as np
import pytest

from cinfer import _ops

from onnx_models import by_numpy, expected
from plan_cases import Cases

CASES = Cases()
case = CASES.add


@case()
def where(m):
    x = m.input("x", 2, 18, 4, 5)
    y, mask = m.conv(x, 18, 18), m.Greater(m.input("z", 4, 5), np.float32(0))
    return (m.Where(mask, y, x), m.Where(mask, x, np.float32(-9)),
            m.Where(m.Less(x, y), m.Transpose(m.input("t", 5, 4)), x),
            m.conv(m.Where(m.Not(mask), np.float32(0), y), 18, 4, 3))


for kind in (np.int64, np.int32, np.uint8, np.bool_, np.float64, np.float16):
    @case(f"where {np.dtype(kind)}", dtype=kind, kind=kind, oracle=by_numpy if kind is np.bool_ else expected)
    def where_of_type(m, kind):
        c, a = m.input("c", 3, 1, 5, dtype=np.bool_), m.input("a", 7, 5, dtype=kind)
        turned = m.Transpose(m.input("t", 5, 3, dtype=kind))
        return m.Where(c, a, m.input("b", 3, 7, 1, dtype=kind)), m.Where(c, turned, np.zeros((3, 3, 1), kind))


for kind in (np.float32, np.int32, np.int64):
    @case(f"comparisons of {np.dtype(kind)}", dtype=np.bool_, kind=kind)
    def comparisons(m, kind):
        a, b = m.input("a", 3, 7, 5, dtype=kind), m.input("b", 7, 1, dtype=kind)
        if kind is np.float32:
            a, b = m.Round(a), m.Round(b)                   # so that some are equal
        return [m.node(op, *pair) for op in ("Equal", "Greater", "Less", "GreaterOrEqual", "LessOrEqual")
                for pair in ((a, b), (b, a))]


@case(dtype=np.bool_)
def logic(m):
    a, b = m.input("a", 3, 1, 5, dtype=np.bool_), m.input("b", 7, 1, dtype=np.bool_)
    return m.And(a, b), m.Or(b, a), m.Xor(a, b), m.Not(m.Transpose(b)), m.Equal(a, b)


@case(dtype=np.bool_)
def truth_values(m):
    a, b = m.input("a", 3, 5, dtype=np.bool_), m.input("b", 5, dtype=np.bool_)
    return m.And(a, b), m.Transpose(m.Not(a)), m.Concat(a, m.Or(a, b), axis=1)


@pytest.mark.parametrize("isa", _ops.usable_levels())
@pytest.mark.parametrize("name", CASES)
def test_answers_are_onnxruntimes(name, isa):
    CASES.check(name, isa)

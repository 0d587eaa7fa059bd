"""GroupNormalization, RMSNormalization and what onnxruntime writes of them: one kernel, no NumPy."""
import pytest

from cinfer import _ops

from onnx_models import by_numpy
from plan_cases import Cases

CASES = Cases()
case = CASES.add
MICROSOFT = "com.microsoft"


for c, groups, opset in [(24, 4, 21), (32, 2, 21), (40, 40, 21), (36, 1, 21), (36, 3, 18), (48, 6, 18)]:
    @case(f"group_norm {c} in {groups} opset {opset}", c=c, groups=groups, opset=opset)
    def group_norm(m, c, groups):
        x = m.conv(m.input("x", 2, 3, 6, 5), 3, c)
        count = c if m.opset >= 21 else groups
        y = m.GroupNormalization(x, m.vector(count), m.vector(count), num_groups=groups, epsilon=1e-3)
        return m.conv(m.Mul(y, m.Sigmoid(y)), c, 8), m.Relu(y)


for shape in [(2, 12, 7), (3, 6, 2, 4, 3), (1, 20, 3, 3, 5), (2, 48, 3, 2, 2)]:
    @case(f"norms of {shape}", shape=shape, opset=21)
    def norms_of_lines_and_volumes(m, shape):
        x, c = m.input("x", *shape), shape[1]
        return (m.GroupNormalization(x, m.vector(c), m.vector(c), num_groups=2),
                m.Relu(m.InstanceNormalization(x, m.vector(c), m.vector(c))))


for axis, shape in [(-1, (2, 5, 33)), (1, (2, 5, 33)), (0, (3, 4, 17))]:
    @case(f"rms_norm axis={axis} {shape}", axis=axis, shape=shape, opset=23)
    def rms_norm(m, axis, shape):
        return m.RMSNormalization(m.input("x", *shape), m.vector(*shape[axis:]), axis=axis, epsilon=1e-3)


@case(opset=21, oracle=by_numpy)
def as_onnxruntime_writes_them(m):
    x, s = m.input("x", 2, 3, 5, 24), m.input("s", 2, 5, 24)
    y = m.node("GroupNorm", x, m.vector(24), m.vector(24), groups=3, activation=1, domain=MICROSOFT)
    z = m.node("SkipSimplifiedLayerNormalization", s, m.Sin(s), m.vector(24), domain=MICROSOFT)
    return y, m.node("SimplifiedLayerNormalization", z, m.vector(24))


@pytest.mark.parametrize("isa", _ops.usable_levels())
@pytest.mark.parametrize("name", CASES)
def test_answers_are_numpys(name, isa):
    CASES.check(name, isa)

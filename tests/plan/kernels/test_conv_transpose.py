"""ConvTranspose, by kernels."""
import pytest

from cinfer import _ops

from plan_cases import Cases

CASES = Cases()
case = CASES.add


for k, s, p, extra, c in [(2, 2, 0, 0, 24), (4, 2, 1, 0, 16), (3, 2, 1, 1, 17), (3, 1, 1, 0, 16),
                          (3, 3, 0, 0, 8), (5, 2, 2, 1, 33)]:
    @case(f"transposed k={k} s={s} p={p} output_padding={extra}", k=k, s=s, p=p, extra=extra, c=c)
    def transposed(m, k, s, p, extra, c):
        x = m.Relu(m.conv(m.input("x", 2, 3, 5, 6), 3, c))
        y = m.ConvTranspose(x, m.weights(c, 20, k, k), m.vector(20), kernel_shape=[k, k], strides=[s, s],
                            pads=[p] * 4, output_padding=[extra, extra])
        return m.conv(m.Relu(y), 20, 5, 3)


for name, attributes in [("group=4", dict(group=4, kernel_shape=[3, 3])),
                         ("depthwise", dict(group=16, kernel_shape=[4, 4], strides=[2, 2], pads=[1] * 4)),
                         ("groups of few", dict(group=8, kernel_shape=[3, 2], strides=[2, 1], dilations=[1, 2])),
                         ("dilated", dict(dilations=[2, 2], kernel_shape=[3, 3])),
                         ("dilated by more than a stride", dict(dilations=[3, 4], strides=[2, 2], kernel_shape=[3, 4])),
                         ("stride_above_kernel", dict(strides=[3, 2], kernel_shape=[2, 1]))]:
    @case(f"transposed_{name}", attributes=attributes)
    def transposed_in_groups_and_with_holes(m, attributes):
        x = m.Relu(m.conv(m.input("x", 1, 3, 5, 6), 3, 16))
        y = m.ConvTranspose(x, m.weights(16, 32 // attributes.get("group", 1), *attributes["kernel_shape"]),
                            m.vector(32), **attributes)
        return m.conv(m.Relu(y), 32, 5, 3)


for name, attributes in [("dilated", dict(dilations=[2, 3])), ("apart", dict(strides=[4, 3])),
                         ("both", dict(dilations=[2, 1], strides=[4, 3], pads=[1, 0, 2, 1]))]:
    @case(f"transposed_to_few_{name}", attributes=attributes)
    def transposed_to_few(m, attributes):
        return m.ConvTranspose(m.Relu(m.conv(m.input("x", 1, 3, 5, 6), 3, 16)), m.weights(16, 2, 3, 2), m.vector(2),
                               kernel_shape=[3, 2], **attributes)


@case()
def transposed_to_an_output_shape(m):
    return m.ConvTranspose(m.input("x", 1, 16, 5, 6), m.weights(16, 8, 3, 3), strides=[2, 2],
                           output_shape=[10, 12], kernel_shape=[3, 3], auto_pad="SAME_UPPER")


@case()
def transposed_1d(m):
    return m.ConvTranspose(m.input("x", 2, 18, 9), m.weights(18, 20, 4), m.vector(20), strides=[2],
                           pads=[1, 1])


@pytest.mark.parametrize("isa", _ops.usable_levels())
@pytest.mark.parametrize("name", CASES)
def test_answers_are_onnxruntimes(name, isa):
    CASES.check(name, isa)

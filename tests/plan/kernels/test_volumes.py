"""Volumes: convolutions, pools and what lies between them, all in blocks."""
import numpy as np
import pytest
from hypothesis import assume, given, settings, strategies as st

import cinfer
from cinfer import _ops

from onnx_models import Model, assert_close, by_numpy, expected
from plan_cases import TOLERANCE, Cases, steps

CASES = Cases()
case = CASES.add


def conv(m, x, ic, oc, kernel=(1, 1, 1), **attributes):
    """A Conv of random weights, padded to the same size unless the attributes say otherwise."""
    if "auto_pad" not in attributes:
        attributes.setdefault("pads", [k // 2 for k in kernel] * 2)
    w = m.weights(oc, ic // attributes.get("group", 1), *kernel)
    return m.Conv(x, w, m.vector(oc), kernel_shape=list(kernel), **attributes)


@case()
def residual_blocks(m):
    """As in the residual networks for video."""
    x = m.Relu(conv(m, m.input("x", 2, 3, 5, 20, 18), 3, 40, (3, 7, 7), strides=[1, 2, 2]))
    y = conv(m, m.Relu(conv(m, x, 40, 40, (3, 3, 3))), 40, 40, (3, 3, 3))
    x = m.Relu(m.Add(y, x))
    y = conv(m, m.Relu(conv(m, x, 40, 64, (3, 3, 3), strides=[2, 2, 2])), 64, 64, (3, 3, 3))
    x = m.Relu(m.Add(y, conv(m, x, 40, 64, strides=[2, 2, 2])))
    mean = m.Flatten(m.GlobalAveragePool(x))
    return m.Gemm(mean, m.weights(10, 64), m.vector(10), transB=1), m.GlobalMaxPool(x)


for name, kernel, attributes in [
        ("planes_then_depth", (1, 3, 3), {}), ("depth", (3, 1, 1), {}),
        ("dilated", (3, 3, 3), dict(dilations=[2, 1, 2], pads=[2, 1, 0, 1, 1, 3])),
        ("dilated_depth", (3, 3, 3), dict(dilations=[2, 1, 1])),
        ("strided_depth", (3, 3, 3), dict(strides=[2, 1, 1])), ("groups", (3, 3, 3), dict(group=4)),
        ("depthwise", (3, 3, 3), dict(group=32)),
        ("same", (2, 4, 3), dict(auto_pad="SAME_UPPER", strides=[2, 1, 2])),
        ("same_lower", (4, 3, 3), dict(auto_pad="SAME_LOWER")), ("valid", (2, 3, 3), dict(auto_pad="VALID"))]:
    for n, c in ((1, 32), (2, 32)):
        @case(f"conv_{name}_{n}", kernel=kernel, attributes=attributes, n=n, c=c)
        def convolution(m, kernel, attributes, n, c):
            x = m.Relu(conv(m, m.input("x", n, 3, 6, 9, 10), 3, c))
            return conv(m, m.Relu(conv(m, x, c, 32, kernel, **attributes)), 32, 5)


@case()
def windows_in_the_padding_alone(m):
    return (conv(m, conv(m, m.input("x", 1, 2, 2, 3, 3), 2, 17), 17, 16, (2, 3, 3), pads=[3, 1, 1, 5, 1, 1]),
            conv(m, "x", 2, 16, (2, 3, 3), pads=[3, 1, 1, 5, 1, 1]))


@case()
def one_voxel(m):
    x = conv(m, m.GlobalAveragePool(conv(m, m.input("x", 2, 3, 2, 3, 3), 3, 24)), 24, 40)
    return m.Sigmoid(conv(m, x, 40, 17, (3, 3, 3)))


for op, attributes in [("MaxPool", {}), ("AveragePool", {}), ("AveragePool", dict(count_include_pad=1))]:
    for i, where in enumerate([
            dict(kernel_shape=[2, 2, 2], strides=[2, 2, 2]), dict(kernel_shape=[1, 3, 3], strides=[1, 2, 2],
                                                                  pads=[0, 1, 1, 0, 1, 1]),
            dict(kernel_shape=[3, 3, 3], strides=[2, 2, 1], pads=[1, 1, 1, 1, 1, 1], ceil_mode=1),
            dict(kernel_shape=[3, 2, 3], auto_pad="SAME_UPPER", strides=[2, 1, 2]),
            dict(kernel_shape=[3, 2, 1], dilations=[2, 1, 1]), dict(kernel_shape=[5, 8, 7])]):
        @case(f"{op}_{attributes}_{i}", opset=22, op=op, attributes=attributes | where)
        def pool(m, op, attributes):
            x = conv(m, m.input("x", 2, 3, 5, 8, 7), 3, 18)
            return m.node(op, x, **attributes), conv(m, m.node(op, x, **attributes), 18, 8)


for k, s, p, extra in [((2, 2, 2), (2, 2, 2), [0] * 6, None), ((3, 4, 3), (2, 2, 1), [1] * 6, [1, 0, 0]),
                       ((4, 1, 2), (3, 1, 2), [0, 0, 0, 2, 0, 1], None),
                       ((3, 3, 3), (1, 1, 1), [2, 0, 1, 0, 2, 1], None)]:
    for n in (1, 2):
        @case(f"transposed_{k}_{s}_{n}", k=k, s=s, p=p, extra=extra, n=n)
        def transposed(m, k, s, p, extra, n):
            more = dict(output_padding=extra) if extra else {}
            x = m.Relu(conv(m, m.input("x", n, 3, 3, 4, 5), 3, 17))
            y = m.ConvTranspose(x, m.weights(17, 20, *k), m.vector(20), kernel_shape=list(k), strides=list(s),
                                pads=p, **more)
            return conv(m, m.Relu(y), 20, 5)


for groups, oc in (3, 12), (6, 12), (24, 24):
    @case(f"transposed_groups_{groups}", groups=groups, oc=oc)
    def transposed_groups(m, groups, oc):
        x = m.Relu(conv(m, m.input("x", 2, 3, 3, 4, 5), 3, 24))
        y = m.ConvTranspose(x, m.weights(24, oc // groups, 3, 2, 4), m.vector(oc), strides=[2, 3, 1], group=groups,
                            dilations=[1, 1, 2], pads=[1, 0, 2, 0, 1, 1], kernel_shape=[3, 2, 4])
        return conv(m, m.Relu(y), oc, 5)


@case()
def everything_between(m):
    """Operands that are broadcast along any axes, slopes, moves of channels, padding."""
    x = conv(m, m.input("x", 2, 3, 4, 5, 6), 3, 32)
    for shape in ((1, 32, 1, 1, 1), (2, 1, 4, 1, 6), (1, 32, 4, 1, 1), (2, 32, 1, 5, 6), (1, 1, 4, 5, 1),
                  (32, 1, 1, 1), (6,)):
        x = m.Add(x, m.Mul(x, m.vector(*shape)))
    x = m.Mul(x, m.Sigmoid(conv(m, m.GlobalAveragePool(x), 32, 32)))
    x = m.PRelu(x, m.vector(32, 1, 1, 1))
    x = m.BatchNormalization(x, *(np.abs(m.vector(32)) + 1 for _ in range(4)))
    a, b = m.Split(x, np.array([16, 16]), axis=1, n=2)
    y = m.Concat(b, conv(m, a, 16, 17, (3, 3, 3)), a, axis=1)
    y = m.Slice(y, np.array([3]), np.array([36]), np.array([1]))
    y = m.Pad(y, np.array([0, 0, 1, 0, 2, 0, 3, 2, 1, 0]))
    z = m.Pad(y, np.array([0, 0, 1, 1, 1, 0, 0, 1, 1, 1]), mode="edge")
    return conv(m, y, 36, 8), m.Transpose(z, perm=[0, 2, 3, 4, 1]), m.ReduceMean(y, axes=[2, 3, 4]), m.Relu(y)


@case()
def an_input_that_is_turned(m):
    x = m.Transpose(m.input("x", 2, 4, 7, 6, 3), perm=[0, 4, 1, 2, 3])
    return conv(m, x, 3, 16, (3, 3, 3)), conv(m, m.Relu(x), 3, 16, (3, 1, 1), strides=[1, 2, 2])


@pytest.mark.parametrize("isa", _ops.usable_levels())
@pytest.mark.parametrize("name", CASES)
def test_answers_are_onnxruntimes(name, isa):
    CASES.check(name, isa)


def test_nothing_is_rearranged_between_convolutions():
    def build(m, x):
        x = m.Relu(conv(m, x, 3, 32, (3, 3, 3)))
        y = m.MaxPool(m.Relu(conv(m, x, 32, 32, (3, 3, 3))), kernel_shape=[3, 3, 3], pads=[1] * 6)
        return m.GlobalAveragePool(m.Relu(m.Add(conv(m, y, 32, 32, (3, 3, 3)), x)))
    found = steps(build, 1, 3, 4, 12, 12)
    assert found[1:] == ["conv_stem", "winograd", "pool", "winograd", "global_pool", "from_blocked"]


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_one_session_serves_volumes_of_any_sizes(data):
    """Free sizes: plans made for other sizes are taken where they hold."""
    draw, sizes = data.draw, st.integers(1, 5)
    k, s, d, p = (draw(st.tuples(*[st.integers(least, most)] * 3))
                  for least, most in ((1, 3), (1, 2), (1, 2), (0, 2)))
    ic, oc, op = draw(st.sampled_from((1, 3, 16, 17))), draw(st.sampled_from((2, 16, 33))), draw(
        st.sampled_from(("Conv", "ConvTranspose", "MaxPool", "AveragePool")))
    level = draw(st.sampled_from(_ops.usable_levels()))
    if op == "AveragePool" or op == "MaxPool":
        assume(all(2 * b <= a for a, b in zip(k, p)))       # onnxruntime asks for it
    where = dict(kernel_shape=list(k), strides=list(s), dilations=list(d), pads=[*p, *p])
    m = Model(19)
    x = m.Relu(m.input("x", 1, ic, 1, 1, 1, declared=("n", ic, "d", "h", "w")))
    if op in ("MaxPool", "AveragePool"):
        y = m.node(op, conv(m, x, ic, oc), **where)
    else:
        shape = (oc, ic, *k) if op == "Conv" else (ic, oc, *k)
        y = m.Relu(m.node(op, x, m.weights(*shape), m.vector(oc), **where))
    model = m.outputs(y, m.Relu(m.Neg(y))).bytes()
    session = cinfer.load(model, threads=1, isa=level)
    shapes = st.tuples(st.integers(1, 2), sizes, sizes, sizes)
    for n, *spatial in draw(st.lists(shapes, min_size=1, max_size=4)):
        reach = [(a - 1) * b + 1 for a, b in zip(k, d)]
        fits = ([size + 2 * pad >= r for size, pad, r in zip(spatial, p, reach)] if op != "ConvTranspose"
                else [(size - 1) * step + r > 2 * pad for size, step, pad, r in zip(spatial, s, p, reach)])
        if all(fits):
            feeds = m.feeds(x=(n, ic, *spatial))
            want = (expected if op == "Conv" else by_numpy)(model, feeds)
            for got, wanted in zip(session.run(None, feeds), want):
                odd = ~np.isfinite(wanted)                  # a window of padding alone has no largest element
                np.testing.assert_array_equal(got[odd], wanted[odd])
                got[odd] = wanted[odd] = 0
                assert_close(got, wanted, f"{op} {where} {n} {spatial} {level}", TOLERANCE)

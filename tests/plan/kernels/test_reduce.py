"""Softmax, LayerNormalization and reductions."""
import numpy as np
import pytest

import cinfer
from cinfer import _ops
from cinfer.plan.emit import Emitter

from onnx_models import Model, by_numpy
from plan_cases import Cases

CASES = Cases()
case = CASES.add


for axis, shape in [(-1, (2, 5, 33)), (1, (2, 5, 33)), (2, (3, 4, 17))]:
    @case(f"layer_norm axis={axis} {shape}", axis=axis, shape=shape)
    def layer_norm(m, axis, shape):
        x = m.input("x", *shape)
        return m.LayerNormalization(x, m.vector(*shape[axis:]), m.vector(*shape[axis:]), axis=axis,
                                    epsilon=1e-4)


for opset, shape, axis in [(13, (2, 3, 5), -1), (13, (2, 3, 5), 0), (13, (2, 17, 4, 5), 1), (13, (3, 100), 1),
                           (11, (2, 3, 5), 1), (11, (4, 6), 0)]:
    @case(f"softmax opset={opset} {shape} axis={axis}", opset=opset, shape=shape, axis=axis)
    def softmax(m, shape, axis):
        x = m.input("x", *shape)
        return m.Softmax(x, axis=axis), m.LogSoftmax(m.Mul(x, np.float32(30)), axis=axis)


@case()
def softmax_of_blocked_channels(m):
    x = m.conv(m.input("x", 2, 3, 4, 5), 3, 19)
    return m.Softmax(x, axis=1), m.Softmax(m.Transpose(x, perm=[0, 2, 3, 1]), axis=-1)


@case()
def softmax_of_one_picture(m):
    return m.Softmax(m.input("x", 1, 5, 90, 110), axis=1), m.LogSoftmax(m.input("z", 7, 5000), axis=0)


for op in ("ReduceMean", "ReduceMax", "ReduceMin"):
    for axes, keep in [([2, 3], 1), ([2, 3], 0), ([1], 1), ([0, 2], 0), ([-1], 1), (None, 0),
                       ([0, 1, 2, 3], 1)]:
        @case(f"{op} axes={axes} keepdims={keep}", op=op, axes=axes, keep=keep)
        def reduce(m, op, axes, keep):
            x = m.input("x", 2, 18, 5, 6)
            more = {} if axes is None else {"axes": axes}
            return m.node(op, x, keepdims=keep, **more), m.node(op, m.conv(x, 18, 20), keepdims=keep, **more)


for op in ("ReduceProd", "ReduceSumSquare", "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp"):
    @case(f"{op} of float32", op=op)
    def reduce_more(m, op):
        x = m.Abs(m.input("x", 2, 18, 5, 6))
        return (m.node(op, m.Transpose(x, perm=[3, 1, 0, 2]), axes=[1, 3], keepdims=0), m.node(op, x, axes=[-1]),
                m.node(op, m.conv(x, 18, 20) if op != "ReduceLogSum" else x, axes=[2, 3]))


@case()
def reduce_sum(m):
    x = m.input("x", 2, 18, 5, 6)
    return (m.ReduceSum(x, np.array([1]), keepdims=0),
            m.ReduceSum(m.Transpose(x, perm=[3, 1, 0, 2]), np.array([0, -1])), m.ReduceSum(x))


@case(numpy=1)
def reduce_in_numpy(m):
    return m.Relu(m.ReduceL2(m.input("x", 2, 18, 5, 6), axes=[1]))


@pytest.mark.parametrize("isa", _ops.usable_levels())
@pytest.mark.parametrize("name", CASES)
def test_answers_are_onnxruntimes(name, isa):
    CASES.check(name, isa)


OF_INTS = ["ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceSumSquare"]


@pytest.mark.parametrize("isa", _ops.usable_levels())
@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "int32", "int64", "float64", "bool"])
def test_other_types_mean_what_numpy_says(isa, dtype, monkeypatch):
    kind = np.dtype(dtype).kind
    names = ["ReduceMax", "ReduceMin"] if kind == "b" else OF_INTS + ["ReduceL2", "ReduceLogSum"] * (kind == "f")
    rng, m = np.random.default_rng(1), Model(20)
    x = m.input("x", 5, 70, 3, 4, dtype=dtype)
    turned = m.Transpose(x, perm=[2, 0, 3, 1])
    ys = [m.node(op, a, np.array(axes, np.int64), keepdims=keep) for op in names
          for a, axes, keep in [(x, [-1], 0), (turned, [1, -1], 1), (x, [0], 0), (x, [0, 1, 2, 3], 1),
                                (turned, [3], 0)]]
    data = m.outputs(*ys, dtype=dtype).bytes()
    values = rng.normal(size=(5, 70, 3, 4)) if kind == "f" else rng.integers(-2**62, 2**62, (5, 70, 3, 4))
    feeds = {"x": np.abs(values) if kind == "f" else (values > 0) if kind == "b" else values.astype(dtype)}
    for threads in (1, 2):
        monkeypatch.setattr("cinfer.plan.plan.FEW_FLOPS", -1)
        session = cinfer.load(data, threads=threads, isa=isa)
        assert not [step for step in session._plan_for(None).steps if step.label == "numpy"]
        for got, want in zip(session.run(None, feeds), by_numpy(data, feeds), strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-12 if kind == "f" else 0)


@pytest.mark.parametrize("op, dtype", [("ReduceSum", np.uint64), ("ReduceL2", np.int32),
                                       ("ReduceLogSumExp", np.float64)])
def test_numpy_does_what_kernels_do_not(op, dtype):
    m = Model(18)
    data = m.outputs(m.node(op, m.input("x", 2, 3, dtype=dtype), keepdims=0), dtype=dtype).bytes()
    feeds = {"x": np.arange(6).reshape(2, 3).astype(dtype)}
    assert [step.label for step in cinfer.load(data)._plan_for(None).steps] == ["numpy"]
    np.testing.assert_array_equal(cinfer.load(data).run(None, feeds)[0], by_numpy(data, feeds)[0])


def test_softmax_of_one_picture_is_shared(monkeypatch):
    m, found = Model(), []
    data = m.outputs(m.Softmax(m.input("x", 1, 21, 100, 100), axis=1)).bytes()
    monkeypatch.setattr(Emitter, "step", lambda self, kernel, tiles, *_, **__: found.append(tiles))
    for threads in (1, 2):
        cinfer.load(data, threads=threads)._plan_for(None)
    alone, shared = found
    assert alone == 1 and shared > 2

"""Softmax, LayerNormalization and reductions."""
import numpy as np
import pytest

import cinfer
from cinfer import _ops
from cinfer.plan.emit import Emitter

from onnx_models import Model
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


for op in ("ReduceProd", "ReduceSumSquare", "ReduceL1", "ReduceL2", "ReduceLogSum"):
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


def test_softmax_of_one_picture_is_shared(monkeypatch):
    m, found = Model(), []
    data = m.outputs(m.Softmax(m.input("x", 1, 21, 100, 100), axis=1)).bytes()
    monkeypatch.setattr(Emitter, "step", lambda self, kernel, tiles, *_, **__: found.append(tiles))
    for threads in (1, 2):
        cinfer.load(data, threads=threads)._plan_for(None)
    alone, shared = found
    assert alone == 1 and shared > 2

"""One session: free sizes, inner values, outputs that belong to the caller."""
import numpy as np
import pytest

import cinfer
from cinfer import _ops

from onnx_models import Model, assert_close, expected
from plan_cases import TOLERANCE


@pytest.fixture(autouse=True)
def threads_for_any_work(monkeypatch):
    """Small plans keep to one thread; here they use what they are given."""
    monkeypatch.setattr("cinfer.plan.plan.FEW_FLOPS", -1, raising=False)


@pytest.fixture(scope="module")
def free():
    """A picture network of free batch, height and width."""
    m = Model(seed=5)
    x = m.input("x", 1, 3, 16, 16, declared=("n", 3, "h", "w"))
    a = m.Relu(m.conv(x, 3, 16, 3, strides=[2, 2]))
    b = m.MaxPool(m.conv(a, 16, 24, 3), kernel_shape=[2, 2], strides=[2, 2])
    size = m.Slice(m.Shape(a), np.array([2]), np.array([4]))
    up = m.Resize(b, None, None, m.Concat(m.Slice(m.Shape(b), np.array([0]), np.array([2])), size, axis=0),
                  mode="nearest")
    joined = m.conv(m.Concat(a, up, axis=1), 40, 8, 3)
    n = m.Gather(m.Shape(x), np.array([0]), axis=0)
    flat = m.Reshape(m.Transpose(joined, perm=[0, 2, 3, 1]), m.Concat(n, np.array([-1, 8]), axis=0))
    return m.outputs(joined, m.Softmax(flat, axis=-1)), joined


@pytest.mark.parametrize("isa", [isa for isa in _ops.usable_levels() if isa != "baseline"])
@pytest.mark.parametrize("threads", [1, 2])
def test_one_session_takes_many_shapes(free, isa, threads):
    m, _ = free
    session = cinfer.load(m.bytes(), threads=threads, isa=isa)
    for shape in [(1, 3, 16, 16), (2, 3, 18, 23), (1, 3, 4, 4), (5, 3, 33, 8), (1, 3, 64, 48),
                  (1, 3, 16, 16)]:
        feeds = m.feeds(x=shape)
        for got, want in zip(session.run(None, feeds), expected(m.bytes(), feeds)):
            assert_close(got, want, f"{shape} {isa} threads={threads}", TOLERANCE)


def test_too_small_a_picture_is_one_clear_line(free):
    m, _ = free
    session = cinfer.load(m.bytes(), threads=1)
    with pytest.raises(cinfer.Error) as caught:
        session.run(None, m.feeds(x=(1, 3, 1, 1)))
    assert "MaxPool" in str(caught.value) and "\n" not in str(caught.value)
    feeds = m.feeds()
    assert_close(session.run(None, feeds)[0], expected(m.bytes(), feeds)[0], "after the refused run",
                 TOLERANCE)


def test_weights_are_packed_once_for_all_shapes(free):
    m, _ = free
    session = cinfer.load(m.bytes(), threads=1)
    session.run(None, m.feeds(x=(1, 3, 32, 32)))
    packed = len(session._packed)
    for size in (34, 36, 38):
        session.run(None, m.feeds(x=(1, 3, size, 32)))
    assert len(session._packed) == packed


@pytest.fixture(scope="module")
def inner():
    """A model whose values the passes and the plan fuse away."""
    m = Model(seed=6)
    x = m.input("x", 2, 3, 6, 7)
    y = m.BatchNormalization(m.conv(x, 3, 20, 3), m.vector(20), m.vector(20), m.vector(20),
                             np.abs(m.vector(20)) + 0.5)
    z = m.Relu(y)
    s = m.Mul(z, m.Sigmoid(z))
    t = m.Transpose(m.Identity(m.conv(s, 20, 8)), perm=[0, 2, 3, 1])
    names = [f"v{i}" for i in range(len(m._nodes))]
    return m.outputs(t).bytes(), m.outputs(*names[:-1]).bytes(), m.feeds(), names


def test_every_inner_value_can_be_asked_for(inner):
    data, all_outputs, feeds, names = inner
    want = dict(zip(names, expected(all_outputs, feeds, names)))
    session = cinfer.load(data, threads=1)
    for name in names:
        got, = session.run([name], feeds)
        assert_close(got, want[name], name, TOLERANCE)
    for got, name in zip(session.run(names[::-1], feeds), names[::-1]):
        assert_close(got, want[name], f"all, {name}", TOLERANCE)
    got, again = session.run(["x", names[-1]], feeds)
    assert np.array_equal(got, feeds["x"]) and not np.shares_memory(got, feeds["x"])
    assert_close(again, want[names[-1]], "beside the input", TOLERANCE)


def test_outputs_belong_to_the_caller(inner):
    data, _, feeds, _ = inner
    session = cinfer.load(data, threads=1)
    first, = session.run(None, feeds)
    kept = first.copy()
    first[...] = 0
    second, = session.run(None, feeds)
    assert np.array_equal(second, kept) and not np.shares_memory(first, second) and second.flags.owndata

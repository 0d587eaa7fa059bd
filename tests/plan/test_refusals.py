"""What a plan or a run refuses: in one line that names the node, by no other exception than cinfer's own."""
import numpy as np
import pytest

import cinfer

from onnx_models import Model


def refused(error, build, *, feeds=None, **options) -> str:
    """The message with which load or run refuses a model."""
    m = Model(**options)
    data = m.outputs(*build(m)).bytes()
    with pytest.raises(error) as caught:
        cinfer.load(data).run(None, m.feeds() if feeds is None else feeds)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def gather_elements(m):
    return [m.GatherElements(m.input("x", 3), m.input("i", 1, dtype=np.int64))]


def test_values_that_an_operator_refuses_during_the_run():
    """The index 9 comes with the feed, so the plan cannot know it."""
    feeds = {"x": np.zeros(3, np.float32), "i": np.int64([9])}
    message = refused(cinfer.InputError, gather_elements, feeds=feeds)
    assert message == "model: GatherElements 'v0': index 9 into axis 0 of size 3; allowed is -3 to 2"


def test_sizes_beyond_the_machine():
    """Of an input, and of what a node would make."""
    message = refused(cinfer.LimitError, lambda m: [m.Relu(m.input("x", 1 << 40, 1 << 40))], feeds={})
    assert message.startswith("model: input 'x': a tensor of shape")
    message = refused(cinfer.LimitError, lambda m: [m.Expand(m.input("x", 1), np.int64([1 << 40, 1 << 20]))])
    assert message.startswith("model: Expand 'v0': a tensor of shape")


@pytest.mark.parametrize("where", ["cinfer.plan.plan.bind", "cinfer.run.routine.run_host"])
def test_want_of_memory_is_an_error_of_cinfer(monkeypatch, where):
    def full(*_, **__):
        raise MemoryError("Unable to allocate 9 GiB")
    monkeypatch.setattr(where, full)
    message = refused(cinfer.LimitError, gather_elements)
    assert "not enough memory" in message and message.endswith(": Unable to allocate 9 GiB")


def test_more_outputs_than_the_operator_makes():
    def build(m):
        return m.node("MaxPool", m.input("x", 1, 1, 4, 4), n=3, kernel_shape=[2, 2])
    assert refused(cinfer.ModelError, build) == "model: MaxPool 'v0_0': 3 outputs; MaxPool makes 2 here"


def test_storage_types_are_not_computed_with():
    """float8 and int4 are moved and cast; before they become floats, nothing computes with them."""
    pytest.importorskip("ml_dtypes")

    def build(m):
        return [m.Cast(m.Relu(m.Transpose(m.Cast(m.input("x", 2, 3), to=kind))), to=1)]
    for kind in (17, 19, 22):
        assert refused(cinfer.ModelError, build, opset=21).startswith("model: Relu 'v2': x is ")
    m = Model(21)
    data = m.outputs(m.Cast(m.Transpose(m.Cast(m.input("x", 2, 3), to=17)), to=1)).bytes()
    x = np.float32([[1, 2, 4], [-1, 0, 8]])
    assert cinfer.load(data).run(None, {"x": x})[0].tolist() == x.T.tolist()

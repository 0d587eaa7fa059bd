"""Operators of one's own."""
import numpy as np
import pytest

import cinfer
from cinfer.ops import registry

helper = pytest.importorskip("onnx").helper


@pytest.fixture(autouse=True)
def table(monkeypatch):
    registry.load_all()
    monkeypatch.setattr(registry, "_table", {key: list(found) for key, found in registry._table.items()})


def model(*nodes, domain="my.domain"):
    graph = helper.make_graph(list(nodes), "g", [helper.make_tensor_value_info("x", 1, ["n", 4])],
                              [helper.make_tensor_value_info("y", 1, None)])
    return helper.make_model(graph, ir_version=9, opset_imports=[
        helper.make_opsetid("", 18), helper.make_opsetid(domain, 1)]).SerializeToString()


def scaled(**attributes):
    return model(helper.make_node("Relu", ["x"], ["a"]),
                 helper.make_node("Scale", ["a"], ["b"], domain="my.domain", name="mine", **attributes),
                 helper.make_node("Neg", ["b"], ["y"]))


X = np.random.default_rng(0).standard_normal((3, 4)).astype(np.float32)


@pytest.mark.parametrize("infer", [None, lambda x, offset=None, *, factor=1.0: x.like()])
def test_one_decorated_function(infer):
    @cinfer.register_op("my.domain", "Scale", infer=infer)
    def scale(x, offset=None, *, factor=1.0):
        return x * np.float32(factor)
    session = cinfer.load(scaled(factor=2.0), threads=1)
    for n in (1, 3, 0, 3):
        np.testing.assert_array_equal(session(X[:n]), -2 * np.maximum(X[:n], 0))
    assert scale(X)[0, 0] == X[0, 0]                # the function stays what it was


def test_what_nobody_knows_is_named_all_at_once():
    with pytest.raises(cinfer.UnsupportedError) as caught:
        cinfer.load(scaled())
    assert "cannot run 1 of 3 nodes: my.domain.Scale 'mine'" in str(caught.value)
    assert "register_op" in str(caught.value)


def test_its_errors():
    @cinfer.register_op("my.domain", "Scale")
    def scale(x, *, factor=1.0):
        if factor > 5:
            raise KeyError("mine")
        raise ValueError("no such factor")
    with pytest.raises(cinfer.InputError, match="Scale 'mine': no such factor"):
        cinfer.load(scaled())(X)
    with pytest.raises(KeyError, match="mine"):
        cinfer.load(scaled(factor=6.0))(X)
    with pytest.raises(cinfer.UnsupportedError, match="unknown attribute 'other'; Scale of opset 1 has factor"):
        cinfer.load(scaled(other=1.0))(X)


@pytest.mark.parametrize("call, words", [
    (lambda: cinfer.register_op(5, "Scale"), "domain=5: the domain of an operator is a str"),
    (lambda: cinfer.register_op("my.domain", ""), "name='': the name of an operator is a str"),
    (lambda: cinfer.register_op("my.domain", "Scale", since=0), "since=0: an opset is an int of at least 1"),
    (lambda: cinfer.register_op("my.domain", "Scale")(np.sin), "is no Python function; decorate one")])
def test_wrong_arguments(call, words):
    with pytest.raises(cinfer.InputError, match=words):
        call()

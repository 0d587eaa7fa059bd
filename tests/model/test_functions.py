import numpy as np
import pytest
from onnx import AttributeProto, numpy_helper

from cinfer.errors import Error, LimitError, ModelError
from cinfer.model import read
from cinfer.model.graph import subgraphs

from build import function, graph_of, model_of, node
from interpreter import evaluate

X = np.array([[-2, -1, 0], [0.5, 1, 3]], np.float32)


def call(function_name, inputs=("x",), outputs=("y",), **attributes):
    return node(function_name, list(inputs), list(outputs), domain="f", **attributes)


def reference(target: str, name: str, kind: int) -> AttributeProto:
    return AttributeProto(name=target, type=kind, ref_attr_name=name)


def with_attribute(made, attribute):
    made.attribute.append(attribute)
    return made


def expanded(functions, nodes, want, **graph):
    """The graph read from a model, after its answer to X was compared with `want`."""
    got = read(model_of(graph_of(nodes, **graph), functions=functions, domains=["f"])).graph
    assert all(each.domain == "" for each in got.nodes)
    answer, = evaluate(got, {"x": X})
    np.testing.assert_allclose(answer, want, rtol=1e-6)     # exp: units in the last place
    return got


def test_call_becomes_the_function_s_nodes():
    inner = function("A", [node("Abs", ["a"], ["t"]), node("Neg", ["t"], ["b"])])
    graph = expanded([inner], [call("A")], -abs(X))
    assert [each.op_type for each in graph.nodes] == ["Abs", "Neg"]
    assert list(graph.outputs) == ["y"]


def test_nodes_are_of_the_opset_that_the_function_imports():
    inner = function("A", [node("Softmax", ["a"], ["b"], axis=1)], imports=(("", 11),))
    graph = read(model_of(graph_of([call("A"), node("Relu", ["x"], ["z"])]), functions=[inner],
                          domains=["f"])).graph
    assert [each.opset for each in graph.nodes] == [11, 17]


def test_functions_call_functions():
    expanded([function("B", [node("Add", ["a", "a"], ["b"])]),
              function("A", [call("B", ["a"], ["t"]), call("B", ["t"], ["u"]), node("Neg", ["u"], ["b"])])],
             [call("A", ["x"], ["h"]), call("A", ["h"], ["y"])], 16 * X)


def test_names_inside_do_not_meet_those_outside():
    inner = function("A", [node("Abs", ["a"], ["x"]), node("Exp", ["x"], ["h"]), node("Neg", ["h"], ["b"])])
    clash = ("A/x", "A/h", "A/x.2")
    expanded([inner], [call("A", ["x"], ["h"]), *(node("Relu", ["h"], [name]) for name in clash),
                       call("A", ["h"], ["g"]), node("Sum", ["g", *clash], ["y"])],
             -np.exp(np.exp(abs(X))))


def test_calls_of_one_name_do_not_meet():
    inner = function("A", [node("Abs", ["a"], ["t"]), node("Exp", ["t"], ["b"])])
    graph = expanded([inner], [call("A", ["x"], ["h"], name="n"), call("A", ["h"], ["y"], name="n")],
                     np.exp(np.exp(abs(X))))
    assert len({name for each in graph.nodes for name in each.outputs}) == 4


def test_constants_of_functions():
    inner = function("A", [node("Constant", [], ["k"], value_floats=[1.0, 2.0, 3.0]),
                           node("Mul", ["a", "k"], ["b"]), node("Constant", [], ["c"], value_float=4.0)],
                     outputs=("b", "c"))
    nodes = [call("A", outputs=("h", "c")), node("Add", ["h", "c"], ["g"]), call("A", ["g"], ["y"])]
    graph = expanded([inner], nodes, (X * [1, 2, 3] + 4) * [1, 2, 3])
    assert graph.constants["c"] == 4


@pytest.mark.parametrize("given, defaults",
                         [({"p": 0.25}, ()), ({"p": 0.25}, (("p", 0.5),)), ({}, (("p", 0.5),))], ids=str)
def test_attributes_of_the_call_are_passed_on(given, defaults):
    inner = with_attribute(node("LeakyRelu", ["a"], ["b"]), reference("alpha", "p", AttributeProto.FLOAT))
    outer = with_attribute(call("B", ["a"], ["b"]), reference("p", "p", AttributeProto.FLOAT))
    names = () if defaults else ("p",)
    graph = expanded([function("B", [inner], attributes=("p",)),
                      function("A", [outer], attributes=names, defaults=defaults)], [call("A", **given)],
                     np.where(X > 0, X, X * given.get("p", 0.5)))
    assert graph.nodes[0].attributes == {"alpha": given.get("p", 0.5)}


def test_attribute_that_nobody_gives_is_the_operator_s_default():
    inner = with_attribute(node("LeakyRelu", ["a"], ["b"]), reference("alpha", "p", AttributeProto.FLOAT))
    data = model_of(graph_of([call("A")]), functions=[function("A", [inner], attributes=("p",))],
                    domains=["f"])
    assert read(data).graph.nodes[0].attributes == {}


def test_constant_may_be_an_attribute_of_the_call():
    constant = with_attribute(node("Constant", [], ["k"]), reference("value", "p", AttributeProto.TENSOR))
    inner = function("A", [constant, node("Add", ["a", "k"], ["b"])], attributes=("p",))
    graph = expanded([inner], [call("A", p=numpy_helper.from_array(np.float32([1, 2, 3])))], X + [1, 2, 3])
    assert [each.op_type for each in graph.nodes] == ["Add"]


def test_inputs_and_outputs_left_out():
    inner = function("A", [node("Clip", ["a", "lo", "hi"], ["b"]), node("Neg", ["a"], ["c"])],
                     ("a", "lo", "hi"), ("c", "b"))
    nodes = [call("A", ["x", "", "m"], ["", "h"]), call("A", ["h"], ["n", "g"]),
             node("Add", ["n", "g"], ["y"])]
    graph = expanded([inner], nodes, 0 * X, constants=[("m", np.float32(1))])
    assert [each.inputs for each in graph.nodes if each.op_type == "Clip"] == [["x", "", "m"], ["h"]]


def test_input_handed_through():
    expanded([function("A", [node("Neg", ["a"], ["b"])], outputs=("a", "b"))],
             [call("A", outputs=("h", "g")), node("Sub", ["h", "g"], ["y"])], 2 * X)


def test_subgraphs_of_functions_see_the_function_s_values():
    then = graph_of([node("Add", ["t", "a"], ["r"])], [], ["r"])
    other = graph_of([node("Constant", [], ["t"], value_float=2.0), call("B", ["t"], ["r"])], [], ["r"])
    inner = function("A", [node("Abs", ["a"], ["t"]),
                           node("If", ["c"], ["b"], then_branch=then, else_branch=other)], ("a", "c"))
    for truth in (True, False):
        graph = expanded([function("B", [node("Neg", ["a"], ["b"])]), inner], [call("A", ["x", "k"])],
                         abs(X) + X if truth else np.float32(-2),
                         constants=[("k", np.array(truth))])
        branches = list(subgraphs(graph.nodes[1]))
        names = {name for branch in branches for each in branch.nodes for name in each.outputs}
        assert names.isdisjoint({"x", "y", "t", ""})


def test_calls_in_subgraphs():
    then, other = (graph_of([call("A", ["x"], ["t"])], [], ["t"]),
                   graph_of([node("Neg", ["x"], ["t"])], [], ["t"]))
    expanded([function("A", [node("Abs", ["a"], ["u"]), node("Exp", ["u"], ["b"])])],
             [node("If", ["k"], ["y"], then_branch=then, else_branch=other)], np.exp(abs(X)),
             constants=[("k", np.array(True))])


def test_overloads_are_told_apart():
    first, second = function("A", [node("Abs", ["a"], ["b"])]), function("A", [node("Neg", ["a"], ["b"])])
    second.overload = "two"
    one, two = call("A", ["x"], ["h"]), call("A", ["h"])
    two.overload = "two"
    graph = read(model_of(graph_of([one, two]), functions=[first, second], domains=["f"], ir=10)).graph
    assert [each.op_type for each in graph.nodes] == ["Abs", "Neg"]


@pytest.mark.parametrize("functions, nodes", [
    ([function("A", [call("A", ["a"], ["b"])])], [call("A")]),
    ([function("A", [call("B", ["a"], ["b"])]), function("B", [call("A", ["a"], ["b"])])], [call("A")]),
    ([function("A", [node("Relu", ["a"], ["b"])])] * 2, [call("A")]),
    ([function("A", [node("Add", ["a", "ghost"], ["b"])])], [call("A")]),
    ([function("A", [node("Add", ["a", "x"], ["b"])])], [call("A")]),
    ([function("A", [node("Relu", ["a"], ["q"])])], [call("A")]),
    ([function("A", [])], [call("A")]),
    ([function("A", [node("Add", ["a", "b"], ["t"]), node("Neg", ["t"], ["b"])])], [call("A")]),
    ([function("A", [node("Relu", ["a"], ["b"]), node("Neg", ["a"], ["b"])])], [call("A")]),
    ([function("A", [node("Relu", ["a"], ["a"])], outputs=("a",))], [call("A")]),
    ([function("A", [node("Relu", ["a"], ["b"])])], [call("A", ["x", "x"])]),
    ([function("A", [node("Relu", ["a"], ["b"])])], [call("A", ["x"], ["y", "z"])]),
    ([function("", [node("Relu", ["a"], ["b"])])], [node("Relu", ["x"], ["y"])]),
], ids=["calls itself", "ring", "twice", "undefined", "reads the caller's", "output missing", "empty",
        "cycle", "made twice", "makes its input", "inputs", "outputs", "no name"])
def test_functions_that_cannot_be_are_refused(functions, nodes):
    with pytest.raises(Error) as caught:
        read(model_of(graph_of(nodes), functions=functions, domains=["f"]))
    assert "\n" not in str(caught.value)


def test_attribute_of_another_type_is_refused():
    inner = with_attribute(node("LeakyRelu", ["a"], ["b"]), reference("alpha", "p", AttributeProto.FLOAT))
    with pytest.raises(ModelError, match="'p'.*FLOAT"):
        read(model_of(graph_of([call("A", p="text")]), functions=[function("A", [inner], attributes=("p",))],
                      domains=["f"]))


@pytest.mark.parametrize("base, depth", [(2, 40), (100, 5), (1, 1000)])
def test_expansion_is_bounded(base, depth, monkeypatch):
    monkeypatch.setattr("cinfer.model.functions.MOST_NODES", 10_000)
    outputs = ["b", *(f"t{k}" for k in range(1, base))]
    functions = [function(f"E{i}", [call(f"E{i + 1}", ["a"], [each], name="n" * 1000) for each in outputs])
                 for i in range(depth)]
    functions.append(function(f"E{depth}", [node("Neg", ["a"], ["b"])]))
    with pytest.raises(LimitError):
        read(model_of(graph_of([call("E0")]), functions=functions, domains=["f"]))


def test_very_many_nodes_are_refused_before_they_are_spelled_out(monkeypatch):
    from cinfer.model import functions
    monkeypatch.setattr(functions.Expansion, "put", None)
    twice = [function(f"F{i}", [call(f"F{i - 1}", ["a"], ["t"]), call(f"F{i - 1}", ["t"], ["b"])] if i else
                      [node("Relu", ["a"], ["b"])]) for i in range(40)]
    with pytest.raises(LimitError, match="more than 262144 nodes"):
        read(model_of(graph_of([call("F39")]), functions=twice, domains=["f"]))

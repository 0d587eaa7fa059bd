"""What takes the place of branches, and of operators on sequences and optionals."""
import numpy as np
import pytest

from cinfer.errors import LimitError, ModelError
from cinfer.model.graph import Graph, Node, TensorType
from cinfer.ops.facts import Elements, Fact, Maybe, UnknownValue
from cinfer.plan import walk
from cinfer.plan.bind import bind
from cinfer.plan.resolve import Made, resolve

F32, I64 = np.dtype(np.float32), np.dtype(np.int64)
FACTS = {"x": Fact(F32, (3, 4)), "n": Fact(I64, (2,)), "i": Fact(I64, ()), "s": Elements(("a", "b", "c")),
         "none": Elements(()), "some": Maybe("x"), "list": Maybe("s"), "nothing": Maybe(None),
         **{name: Fact(F32, (2, 4)) for name in "abc"}}


def at(value) -> Fact:
    return Fact.of(np.array(value))


def found(op_type: str, *inputs, **attributes):
    """inputs : names, or facts of known values"""
    facts, names = dict(FACTS), []
    for i, each in enumerate(inputs):
        names.append(each if isinstance(each, str) else f"known{i}")
        facts[names[-1]] = each if isinstance(each, Fact) else facts.get(each)
    return resolve(Node(op_type, names, ["y"], attributes, opset=18, name="it"), facts)


def spelt(resolved) -> list[tuple]:
    """Its nodes; the names of elements have a mark of no width."""
    assert all(type(node) is Made for node in resolved.nodes)
    return [(node.op_type, *(name.replace("\u2060", "") for name in (*node.inputs, *node.outputs)))
            for node in resolved.nodes]


def names(resolved) -> list[str]:
    return [name.replace("\u2060", "") for name in resolved.facts["y"].names]


@pytest.mark.parametrize("op_type, inputs, want", [
    ("SequenceConstruct", ("a", "x"), ["a", "x"]), ("SequenceConstruct", ("a", "a"), ["a", "a"]),
    ("SequenceEmpty", (), []), ("Identity", ("s",), ["a", "b", "c"]),
    ("SequenceInsert", ("s", "x"), ["a", "b", "c", "x"]), ("SequenceInsert", ("s", "x", at(0)), ["x", "a", "b", "c"]),
    ("SequenceInsert", ("s", "x", at([-1])), ["a", "b", "x", "c"]), ("SequenceInsert", ("none", "x"), ["x"]),
    ("SequenceErase", ("s",), ["a", "b"]), ("SequenceErase", ("s", at(-3)), ["b", "c"]),
    ("OptionalGetElement", ("list",), ["a", "b", "c"]), ("OptionalGetElement", ("s",), ["a", "b", "c"]),
])
def test_sequences_are_the_names_of_their_elements(op_type, inputs, want):
    resolved = found(op_type, *inputs)
    assert not resolved.nodes and names(resolved) == want


def test_elements_and_what_optionals_hold_are_other_values():
    assert spelt(found("SequenceAt", "s", at(-1))) == [("Identity", "c", "y")]
    assert spelt(found("OptionalGetElement", "some")) == [("Identity", "x", "y")]
    assert spelt(found("OptionalGetElement", "x")) == [("Identity", "x", "y")]
    assert found("Identity", "x") is None and found("Relu", "x") is None
    assert found("Optional", "x").facts["y"].name == "x" and found("Optional").facts["y"].name is None
    assert found("SequenceLength", "s").facts["y"].value == 3
    for name, held in (("x", True), ("some", True), ("list", True), ("none", True), ("nothing", False)):
        assert found("OptionalHasElement", name).facts["y"].value.item() is held


def test_splitting_and_joining_are_other_nodes():
    resolved = found("SplitToSequence", "x", at(2), axis=1)
    assert spelt(resolved) == [("Split", "x", "y[0]", "y[1]")] and names(resolved) == ["y[0]", "y[1]"]
    assert resolved.nodes[0].attributes == {"axis": 1, "split": [2, 2]}
    resolved = found("SplitToSequence", "x", at([1, 0, 2]))
    assert resolved.nodes[0].attributes == {"axis": 0, "split": [1, 0, 2]}
    resolved = found("SplitToSequence", "x", keepdims=0)
    assert [node[0] for node in spelt(resolved)] == ["Split"] + ["Squeeze"] * 3
    assert spelt(found("ConcatFromSequence", "s", axis=-1)) == [("Concat", "a", "b", "c", "y")]
    resolved = spelt(found("ConcatFromSequence", "s", axis=0, new_axis=1))
    assert [node[0] for node in resolved] == ["Unsqueeze"] * 3 + ["Concat"]


@pytest.mark.parametrize("op_type, inputs, asked", [
    ("SequenceAt", ("s", "i"), "i"), ("SequenceErase", ("s", "i"), "i"), ("SequenceInsert", ("s", "x", "i"), "i"),
    ("SplitToSequence", ("x", "n"), "n")])
def test_asks_for_values_that_a_run_has_to_tell(op_type, inputs, asked):
    with pytest.raises(UnknownValue) as caught:
        found(op_type, *inputs)
    assert caught.value.fact is FACTS[asked]


@pytest.mark.parametrize("op_type, inputs, message", [
    ("SequenceAt", ("x", at(0)), "its first input is no sequence"),
    ("SequenceAt", ("s", at(3)), "position 3 in a sequence of 3; it has to be -3 to 2"),
    ("SequenceAt", ("s", at(0.5)), "the position is float64; it has to be int64"),
    ("SequenceAt", ("s", "s"), "the position is no tensor"),
    ("SequenceInsert", ("s", "s"), "what is inserted is no tensor"),
    ("SequenceConstruct", ("x", "s"), "an element of a sequence is no tensor"),
    ("SequenceConstruct", ("x", "i"), "the tensors of a sequence have to be of one type"),
    ("SequenceLength", ("some",), "its first input is no sequence"),
    ("SequenceMap", ("x",), "its first input is no sequence"),
    ("ConcatFromSequence", ("none",), "a sequence of no tensors cannot be joined"),
    ("SplitToSequence", ("s",), "what is split is no tensor"),
    ("OptionalGetElement", ("nothing",), "the optional holds nothing"),
    ("Relu", ("s",), "Relu 'it': its input 0 is a sequence; Relu takes tensors"),
    ("Add", ("x", "some"), "Add 'it': its input 1 is an optional; Add takes tensors"),
    ("Loop", ("s", "x", "s"), "Loop 'it': its input 0 is a sequence; Loop takes tensors"),
    ("Scan", ("x", "nothing"), "Scan 'it': its input 1 is an optional; Scan takes tensors"),
    ("If", ("s",), "the condition is no tensor"),
    ("If", (at([True, False]),), "the condition has shape [2]; it has to be one element"),
    ("If", (at(1),), "the condition is int64; it has to be bool"),
])
def test_refuses(op_type, inputs, message):
    attributes = {"axis": 0} if op_type == "ConcatFromSequence" else {}
    with pytest.raises((ValueError, ModelError)) as caught:
        found(op_type, *inputs, **attributes)
    assert str(caught.value) == message


def test_loops_and_maps_take_sequences():
    assert found("Loop", "i", "i", "s", "nothing") is None and found("SequenceMap", "s", "x") is None


# ---- branches

def if_(condition, then: Graph, other: Graph, n: int = 1):
    node = Node("If", ["c"], ["y", "z"][:n], {"then_branch": then, "else_branch": other}, opset=18, name="it")
    return resolve(node, {**FACTS, "c": condition})


def test_a_branch_takes_the_place_of_its_if():
    one = Node("Relu", ["x"], ["t"], opset=18)
    then = Graph("then", [one], {}, {"t": TensorType()}, {"w": np.float32(1)})
    other = Graph("other", [], {}, {"x": TensorType(), "w": TensorType()})
    resolved = if_(at(True), then, other)
    assert resolved.nodes[0] is one and resolved.constants is then.constants
    node = resolved.nodes[1]
    assert (node.op_type, node.inputs, node.outputs) == ("Identity", ["t"], ["y"])
    assert [node.inputs for node in if_(at([False]), then, other, 2).nodes] == [["x"], ["w"]]
    with pytest.raises(UnknownValue) as caught:
        if_(Fact(np.dtype(bool), ()), then, other)
    assert caught.value.fact.dtype == bool
    for n, branch in ((2, then), (1, Graph("b", [], {"x": TensorType()}, {"x": TensorType()}))):
        with pytest.raises(ModelError, match=r"If 'it': its branch '.*' has . inputs and 1 outputs; it has to have"):
            if_(at(True), branch, other, n)


# ---- in a plan

def test_what_is_known_of_lists_leaves_tensors_alone():
    graph = Graph("g", [Node("SplitToSequence", ["x"], ["s"], {"axis": 1}, opset=18),
                        Node("SequenceLength", ["s"], ["n"], opset=18),
                        Node("SequenceInsert", ["s", "x"], ["t"], opset=18),
                        Node("ConcatFromSequence", ["t"], ["y"], {"axis": 1}, opset=18)],
                  {"x": TensorType(F32, (2, 3))}, {"y": TensorType(), "n": TensorType()})
    bound = bind(graph, {"x": Fact(F32, (2, 3))}, ("y", "n"))
    assert [node.op_type for node in bound.nodes] == ["Split", "Concat"] and bound.rest is None
    assert bound.facts["y"].shape == (2, 6) and bound.facts["n"].value == 3


def test_a_list_among_the_outputs_is_put_together_behind_the_part():
    graph = Graph("g", [Node("SplitToSequence", ["x"], ["s"], opset=18)], {"x": TensorType(F32, (2,))},
                  {"s": TensorType()})
    bound = bind(graph, {"x": Fact(F32, (2,))}, ("s",))
    assert bound.rest is not None and not bound.rest.graph.nodes and len(bound.outputs) == 2
    assert set(bound.rest.known["s"].names) == set(bound.outputs)


def test_branches_and_lists_cannot_become_any_number_of_nodes(monkeypatch):
    monkeypatch.setattr(walk, "MOST_RESOLVED", 50)
    graph = Graph("g", [Node("SplitToSequence", ["x"], ["s"], {"keepdims": 0}, opset=18)],
                  {"x": TensorType(F32, (100,))}, {"s": TensorType()})
    with pytest.raises(LimitError, match="SplitToSequence 's': its sequences and branches come to more than 50 nodes"):
        bind(graph, {"x": Fact(F32, (100,))}, ("s",))

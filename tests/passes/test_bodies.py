"""What is known of values that subgraphs take and give, against what runs make of them."""
import numpy as np
import pytest

from cinfer.model.graph import Graph, Node, TensorType, all_graphs
from cinfer.ops.facts import Fact, Unranked
from cinfer.passes.bodies import MOST_DEPTH, MOST_TURNS
from cinfer.passes.known import Known, shapes_of_outputs

F32, INT64, BOOL = np.dtype(np.float32), np.dtype(np.int64), np.dtype(bool)


def graph(name: str, nodes: list[Node], inputs=(), outputs=(), constants=None, **types) -> Graph:
    """types : declared ones, of outputs"""
    for node in nodes:
        node.opset = 17
    return Graph(name, nodes, dict.fromkeys(inputs, TensorType()),
                 {out: types.get(out, TensorType()) for out in outputs}, constants or {})


def model(*nodes: Node, outputs: str, constants=None, **shapes) -> Graph:
    """shapes : of inputs, float32"""
    made = graph("model", list(nodes), (), outputs.split(), constants)
    made.inputs = {name: TensorType(F32, shape) for name, shape in shapes.items()}
    made.inputs["go"] = TensorType(BOOL, ())
    return made


def loop(*nodes: Node, states: list[str], ends: list[str], inputs: list[str], outputs: list[str], turns="turns",
         constants=None, **types) -> Node:
    body = graph("body", [Node("Identity", ["going"], ["goes"]), *nodes], ["turn", "going", *states],
                 ["goes", *ends], constants, **types)
    return Node("Loop", [turns, "", *inputs], outputs, {"body": body})


def told(made: Graph, name: str):
    """(type, shape without those sizes that a run tells, None for no rank)"""
    fact = Known(made).fact(name, made.producers())
    if fact is None:
        return None
    if type(fact) is Unranked:
        return fact.dtype.name, None
    return fact.dtype.name, tuple(size if type(size) is int else "?" for size in fact.shape)


def either(then: list[Node], other: list[Node], outputs: list[str], constants=None) -> Node:
    return Node("If", ["go"], outputs, {"then_branch": graph("then", then, (), outputs, constants),
                                        "else_branch": graph("other", other, (), outputs, constants)})


@pytest.mark.parametrize("other, want", [
    (Node("Neg", ["x"], ["y"]), ("float32", (2, 3))),
    (Node("Transpose", ["x"], ["y"], {"perm": [1, 0]}), ("float32", ("?", "?"))),
    (Node("ReduceMax", ["x"], ["y"], {"axes": [0], "keepdims": 0}), ("float32", None)),
    (Node("Cast", ["x"], ["y"], {"to": 7}), None),
    (Node("Own", ["x"], ["y"], domain="own"), None),
])
def test_an_if_gives_what_both_branches_give(other, want):
    assert told(model(either([Node("Relu", ["x"], ["y"])], [other], ["y"]), outputs="y", x=(2, 3)), "y") == want


def test_free_sizes_that_both_branches_have_are_the_same():
    made = model(either([Node("Relu", ["x"], ["y"])], [Node("Neg", ["x"], ["y"])], ["y"]), outputs="y", x=("n", 3))
    known, makers = Known(made), made.producers()
    assert known.fact("y", makers).shape[0] is known.fact("x", makers).shape[0]


STATES = {
    "as it was": (Node("Neg", ["s"], ["e"]), ("float32", (2, 3))),
    "of another size": (Node("Concat", ["s", "s"], ["e"], {"axis": 1}), ("float32", (2, "?"))),
    "of another rank": (Node("Unsqueeze", ["s", "zero"], ["e"]), ("float32", None)),
    "of another type": (Node("Cast", ["s"], ["e"], {"to": 7}), None),
    "of which nothing is known": (Node("Own", ["s"], ["e"], domain="own"), None),
}


@pytest.mark.parametrize("name", STATES)
def test_what_a_loop_hands_on(name):
    node, want = STATES[name]
    made = model(loop(node, states=["s"], ends=["e"], inputs=["x"], outputs=["y"]), outputs="y", x=(2, 3),
                 constants={"turns": np.int64(3), "zero": np.int64([0])})
    assert told(made, "y") == want
    fact = Known(made).of_body(made.nodes[0], made.nodes[0].attributes["body"], made.producers())["s"]
    assert (fact and fact.dtype) == (want and np.dtype(want[0]))


def test_a_state_that_becomes_another_one_is_weakened_too():
    """s stays a matrix of floats for a turn, but t, which it becomes, is of integers later."""
    swap = loop(Node("Identity", ["t"], ["se"]), Node("Identity", ["u"], ["te"]),
                Node("Cast", ["u"], ["ue"], {"to": 7}), states=["s", "t", "u"], ends=["se", "te", "ue"],
                inputs=["x", "x", "x"], outputs=["y", "z", "w"])
    made = model(swap, outputs="y z w", x=(2, 3), constants={"turns": np.int64(3)})
    assert [told(made, name) for name in "yzw"] == [None, None, None]


@pytest.mark.parametrize("count, want", [(MOST_TURNS - 2, ("float32", ("?", 3))), (MOST_TURNS + 1, None)])
def test_a_chain_of_states_is_followed_so_far(count, want):
    """The first one grows, each other one becomes the one before."""
    states, ends = [f"s{i}" for i in range(count)], [f"e{i}" for i in range(count)]
    hand_on = [Node("Concat", ["s0", "s0"], ["e0"], {"axis": 0}),
               *[Node("Identity", [a], [b]) for a, b in zip(states, ends[1:])]]
    outputs = [f"y{i}" for i in range(count)]
    made = model(loop(*hand_on, states=states, ends=ends, inputs=["x"] * count, outputs=outputs),
                 outputs=" ".join(outputs), x=(2, 3), constants={"turns": np.int64(3)})
    assert [told(made, name) for name in outputs] == [want] * count


def test_sizes_behind_a_loop_are_not_those_of_a_turn():
    """Two values that grow: of one size in the loop at each turn, and behind it another than before the last."""
    grow = loop(Node("Concat", ["s", "s"], ["e"], {"axis": 1}), Node("Identity", ["s"], ["before"]), states=["s"],
                ends=["e", "before"], inputs=["x"], outputs=["y", "z"])
    made = model(grow, outputs="y z", x=(2, 3), constants={"turns": np.int64(1)})
    known, makers = Known(made), made.producers()
    y, z = known.fact("y", makers), known.fact("z", makers)
    assert z.ndim == 3 and y.ndim == 2 and y.shape[1] is not z.shape[2]


@pytest.mark.parametrize("turns, declared, want", [
    (np.int64(2), TensorType(), ("float32", ("?", 2, 3))),
    (np.int64(2), TensorType(INT64, (7,)), ("float32", ("?", 2, 3))),
    (None, TensorType(F32, (2, 3)), ("float32", ("?", 2, 3))),
    (None, TensorType(F32), ("float32", ("?", "?", "?"))),
    (None, TensorType(F32, (2, 4)), ("float32", ("?", 2, "?"))),
    (None, TensorType(F32, (2,)), ("float32", None)),
    (None, TensorType(INT64, (2, 3)), None),
    (None, TensorType(), None),
    (np.int64(0), TensorType(), None),
], ids=str)
def test_what_a_loop_stacks_is_as_declared_where_there_may_be_no_turn(turns, declared, want):
    made = model(loop(Node("Neg", ["x"], ["e"]), states=[], ends=["e"], inputs=[], outputs=["y"], e=declared),
                 outputs="y", x=(2, 3), constants={} if turns is None else {"turns": turns})
    if turns is None:
        made.inputs["turns"] = TensorType(INT64, ())
    assert told(made, "y") == want


def test_a_scan_takes_slices_and_stacks_them():
    body = graph("body", [Node("Add", ["s", "a"], ["e"]), Node("Relu", ["b"], ["c"])], ["s", "a", "b"], ["e", "c"])
    scan = Node("Scan", ["state", "p", "q"], ["y", "z"], {"body": body, "num_scan_inputs": 2,
                                                          "scan_input_axes": [-1, 0], "scan_output_axes": [1]})
    made = model(scan, outputs="y z", state=(2,), p=(2, 5), q=(5, 3, 4))
    assert told(made, "y") == ("float32", (2,)) and told(made, "z") == ("float32", (3, "?", 4))
    facts = Known(made).of_body(scan, body, made.producers())
    assert [facts[name].shape for name in "sab"] == [(2,), (2,), (3, 4)]


def test_graphs_within_graphs():
    """Far inside nothing is said, for each loop looks at those inside it several times."""
    inner = Node("Neg", ["x"], ["y0"])
    for depth in range(1, 3 * MOST_DEPTH):
        inner = loop(inner, states=[], ends=[f"y{depth - 1}"], inputs=[], outputs=[f"y{depth}"])
        inner.attributes["body"].outputs[f"y{depth - 1}"] = TensorType(F32, (None,) * (depth + 1))
        made = model(inner, outputs=f"y{depth}", x=(2, 3), constants={"turns": np.int64(2)})
        want = ("float32", ("?",) * depth + (2, 3)) if depth <= MOST_DEPTH else None
        assert told(made, f"y{depth}") == want


def test_branches_one_behind_another_are_no_calls_within_calls():
    nodes, last = [], "x"
    for i in range(3000):
        y = f"y{i}"
        nodes.append(Node("If", ["go"], [y], {
            name: graph(name, [Node("Relu", [last], [y])], (), [y]) for name in ("then_branch", "else_branch")}))
        last = y
    made = model(*nodes, outputs=last, x=(2, 3))
    known, makers = Known(made), made.producers()
    assert known.dtype(last, makers) == F32 and known.rank(last, makers) == 2
    made.inputs["x"] = TensorType(F32, ("n", 3))
    known = Known(made)
    known.sizes.free()
    assert known.rank(last, makers) == 2 and known.dtype(last, makers) == F32


def test_shapes_of_outputs_see_through_branches():
    made = model(either([Node("Relu", ["x"], ["y"])], [Node("Neg", ["x"], ["y"])], ["y"]), outputs="y", x=("n", 3))
    assert shapes_of_outputs(made, {"x": (4, 3), "go": ()}) == {"y": (4, 3)}


def check(fact: Fact | None, value, sizes: dict, where: str) -> int:
    """1 if anything is known of a value of a run. sizes : the numbers of free ones, which are entered"""
    if fact is None:
        return 0
    assert isinstance(value, np.ndarray) and fact.dtype == value.dtype, where
    if type(fact) is Unranked:
        return 1
    assert fact.ndim == value.ndim, where
    for size, number in zip(fact.shape, value.shape):
        assert number == (size if type(size) is int else sizes.setdefault(size, number)), f"{where}: {fact}"
    return 1


@pytest.mark.parametrize("block", range(4))
def test_facts_of_random_models(block, monkeypatch):
    """Of all values at all depths, each time they are made: types, ranks and sizes."""
    pytest.importorskip("onnx")
    from cinfer.model import read
    from dynamic_graphs import random_feeds, random_model
    import interpreter
    known: dict = {}
    seen = [0, 0]

    def values_of(graph, feeds, outer=None):
        values = made(graph, feeds, outer)
        if graph in known:
            one, makers = known[graph]
            sizes: dict = {}
            for name in (*graph.inputs, *makers):
                fact = one.fact(name, makers)
                seen[graph.name != "model"] += check(fact, values[name], sizes, f"seed {seed}: {name}")
        return values
    made = interpreter.values_of
    monkeypatch.setattr(interpreter, "values_of", values_of)
    for seed in range(25 * block, 25 * block + 25):
        whole = read(random_model(seed, 6 + seed % 9, False)).graph
        whole.name = "model"
        known.clear()
        enter(whole, Known(whole), known)
        assert len(known) == len(list(all_graphs(whole)))
        for number in range(3):
            interpreter.evaluate(whole, random_feeds(100 * seed + number, False))
    assert min(seen) > 50


def enter(graph: Graph, one: Known, known: dict) -> None:
    known[graph] = one, graph.producers()
    for node in graph.nodes:
        for inner in (each for each in node.attributes.values() if type(each) is Graph):
            enter(inner, one.within(inner, known[graph][1], one.of_body(node, inner, known[graph][1])), known)

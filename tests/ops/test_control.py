"""If, Loop, Scan and SequenceMap, each with a function in place of the graph that it runs."""
from contextlib import contextmanager

import numpy as np
import pytest

from cinfer.errors import LimitError, UnsupportedError
from cinfer.model.graph import Graph, TensorType
from cinfer.ops import control
from one_node import refuses, run

I64 = np.dtype(np.int64)


def body(inputs: int, *outputs: TensorType | None) -> Graph:
    """A graph of which only the number of inputs and the types of outputs count."""
    return Graph("body", inputs={f"in{i}": TensorType() for i in range(inputs)},
                 outputs={f"out{i}": kind or TensorType() for i, kind in enumerate(outputs)})


@contextmanager
def means(function):
    """What graphs do: function(graph, *inputs) -> their outputs."""
    before = control.bodies.set(lambda graph, inputs: [np.asarray(y) if isinstance(y, np.generic) else y
                                                       for y in function(graph, *inputs)])
    try:
        yield
    finally:
        control.bodies.reset(before)


def ints(*values):
    return np.array(values, np.int64)


def yes(value=True):
    return np.array(value)


def test_if_runs_one_of_its_graphs():
    graphs = {"then_branch": body(0, None), "else_branch": body(0, None)}
    with means(lambda graph: [ints(1) if graph is graphs["then_branch"] else ints(2)]):
        assert run("If", yes(), **graphs).tolist() == [1]
        assert run("If", np.array([[False]]), **graphs).tolist() == [2]
        refuses("the condition has shape [2]; it has to be one element", "If", np.array([True, False]), **graphs)
        refuses("the condition is int64; it has to be bool", "If", ints(1), **graphs)


def test_control_flow_outside_of_a_run():
    with pytest.raises(UnsupportedError):
        run("If", yes(), then_branch=body(0, None), else_branch=body(0, None))


# ---- Loop

def double(graph, turn, going, x):
    """Doubles x, stacks what it was; goes on below 8."""
    return yes(bool((x < 8).all())), 2 * x, x


@pytest.mark.parametrize("m, cond, turns", [
    (None, None, 4), (2, None, 2), (2, True, 2), (9, True, 4), (9, False, 0), (0, True, 0), (-3, None, 0),
    (None, False, 0), (None, True, 4), (1 << 62, None, 4)])
def test_loop_ends_by_its_count_or_its_condition(m, cond, turns):
    with means(double):
        x, stack = run("Loop", None if m is None else np.array(m), None if cond is None else yes(cond), ints(1),
                       body=body(3, None, None, TensorType(I64, (1,))), n_outputs=2)
    assert x.tolist() == [2 ** turns] and stack.shape == (turns, 1) and stack.dtype == np.int64
    assert stack.reshape(-1).tolist() == [2 ** i for i in range(turns)]


def test_loop_tells_its_graph_the_turn():
    seen = []

    def function(graph, turn, going):
        seen.append((turn.dtype, turn.shape, int(turn), going.dtype, going.shape, bool(going)))
        return [yes()]
    with means(function):
        control.Loop.evaluate(np.array([3]), body=body(2, None))
    assert seen == [(I64, (), i, np.dtype(bool), (), True) for i in range(3)]


@pytest.mark.parametrize("shape, stacked", [((2, 3), (0, 2, 3)), (("n", None, 4), (0, 0, 0, 4)), ((), (0,)),
                                            (None, (0,))])
def test_a_loop_without_turns_stacks_nothing_of_the_declared_type(shape, stacked):
    _, stack = control.Loop.evaluate(np.array(0), None, ints(1), body=body(3, None, None, TensorType(I64, shape)))
    assert stack.shape == stacked and stack.dtype == np.int64
    _, stack = control.Loop.evaluate(np.array(0), None, ints(1), body=body(3, None, None, None))
    assert stack.shape == (0,) and stack.dtype == np.float32


def test_loop_carries_lists_and_nothing():
    def function(graph, turn, going, values, maybe):
        return yes(), [*values, turn], None if maybe is not None else turn
    with means(function):
        values, maybe = control.Loop.evaluate(np.array(3), None, [], None, body=body(4, None, None, None))
    assert [v.item() for v in values] == [0, 1, 2] and maybe == 2


@pytest.mark.parametrize("message, given, graph, results", [
    ("M is float32; it has to be int64", (np.array(2, np.float32), None, ints(1)), body(3, None, None), None),
    ("M has shape [2]", (ints(1, 2), None, ints(1)), body(3, None, None), None),
    ("the condition is object; it has to be bool", (None, np.array("a", object), ints(1)), body(3, None, None), None),
    ("its graph 'body' takes 2 inputs, it is given 3", (None, None, ints(1)), body(2, None, None), None),
    ("its graph 'body' has 1 outputs; it has to have 2", (None, None, ints(1)), body(3, None), None),
    ("the condition has shape [2]", (None, None, ints(1)), body(3, None, None), [ints(1) > ints(0, 2), ints(1)]),
    ("the condition is no tensor", (None, None, ints(1)), body(3, None, None), [[yes()], ints(1)]),
    ("its turns give what is no tensor", (None, None, ints(1)), body(3, None, None, None), [yes(), ints(1), [yes()]]),
    ("its turns give what is no tensor", (None, None, ints(1)), body(3, None, None, None), [yes(), ints(1), None]),
])
def test_loop_refuses(message, given, graph, results):
    with means(lambda *_: results), pytest.raises(ValueError) as caught:
        control.Loop.evaluate(*given, body=graph)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_what_turns_give_has_one_shape_and_a_limit(monkeypatch):
    graph = body(2, None, None)
    grows = means(lambda graph, turn, going: [yes(), np.zeros(int(turn))])
    with grows, pytest.raises(ValueError, match="several shap"):
        control.Loop.evaluate(np.array(2), body=graph)
    monkeypatch.setattr(control, "MAX_BYTES", 1 << 10)
    with means(lambda graph, turn, going: [yes(), np.zeros(8)]), pytest.raises(LimitError, match="its turns give more"):
        control.Loop.evaluate(body=graph)


# ---- Scan

X = np.arange(24, dtype=np.float32).reshape(2, 3, 4)


def add_up(graph, total, x):
    return total + x.sum(dtype=np.float32), 10 * x


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
@pytest.mark.parametrize("back", [0, 1])
@pytest.mark.parametrize("out_axis", [0, 1, -1])
@pytest.mark.parametrize("out_back", [0, 1])
def test_scan_goes_along_an_axis(axis, back, out_axis, out_back):
    sizes = [2, 3, 4]
    del sizes[axis]
    with means(add_up):
        total, y = run("Scan", np.full(1, 5, np.float32), X, n_outputs=2, num_scan_inputs=1, scan_input_axes=[axis],
                       scan_input_directions=[back], scan_output_axes=[out_axis], scan_output_directions=[out_back],
                       body=body(2, None, TensorType(np.dtype(np.float32), tuple(sizes))))
    want = np.moveaxis(10 * X, axis, 0)
    np.testing.assert_array_equal(y, np.moveaxis(want[::-1] if back != out_back else want, 0, out_axis))
    assert total == 5 + X.sum()


def test_scan_of_two_states_and_two_inputs():
    def function(graph, a, b, x, y):
        return a + x, b * 2, x - y
    with means(function):
        a, b, out = control.Scan.evaluate(np.float32(0), np.float32(1), np.float32([1, 2, 3]), np.float32([3, 2, 1]),
                                          body=body(4, None, None, None), num_scan_inputs=2)
    assert (a, b, out.tolist()) == (6, 8, [-2, 0, 2])


def test_scan_of_no_slices():
    kind = TensorType(np.dtype(np.float32), (2, "n"))
    state, y = control.Scan.evaluate(ints(7), np.zeros((3, 0)), body=body(2, None, kind), num_scan_inputs=1,
                                     scan_input_axes=[1], scan_output_axes=[1])
    assert state.tolist() == [7] and y.shape == (2, 0, 0) and y.dtype == np.float32


@pytest.mark.parametrize("message, keywords", [
    ("num_scan_inputs is 0; it has to be 1 to 2", {"num_scan_inputs": 0}),
    ("num_scan_inputs is 3; it has to be 1 to 2", {"num_scan_inputs": 3}),
    ("there are 1 scanned inputs", {"scan_input_axes": [0, 0]}),
    ("there are 1 scanned inputs", {"scan_input_directions": [0, 0]}),
    ("there are 1 scanned outputs", {"scan_output_axes": [0, 0]}),
    ("there are 1 scanned outputs", {"scan_output_directions": [0, 0]}),
    ("axis 3 of a tensor of 3 axes", {"scan_input_axes": [3]}),
    ("axis 4 of a tensor of 3 axes", {"scan_output_axes": [4]}),
    ("its graph 'body' takes 1 inputs, it is given 2", {"body": body(1, None, None)}),
])
def test_scan_refuses(message, keywords):
    with means(add_up):
        refuses(message, "Scan", np.float32(0), X, **{"num_scan_inputs": 1, "body": body(2, None, None), **keywords})


def test_scan_refuses_inputs_of_several_lengths():
    with means(add_up):
        refuses("the scanned inputs have 2 and 3 slices", "Scan", X, X[0], num_scan_inputs=2, body=body(2, None))


def test_scan_of_opset_8_has_batches():
    """The first batch has two slices, the second all three; what is behind is zeros."""
    x = np.arange(12, dtype=np.float32).reshape(2, 3, 2)
    with means(add_up):
        total, y = run("Scan", ints(2, 3), np.zeros((2, 1), np.float32), x, opset=8, n_outputs=2, num_scan_inputs=1,
                       body=body(2, None, None))
        assert total.tolist() == [[x[0, :2].sum()], [x[1].sum()]]
        want = 10 * x
        want[0, 2] = 0
        np.testing.assert_array_equal(y, want)
        refuses("a sequence of 4 slices; there are 3", "Scan", ints(4, 3), np.zeros((2, 1), np.float32), x, opset=8,
                num_scan_inputs=1, body=body(2, None, None))


# ---- SequenceMap

def test_sequence_map_runs_its_graph_for_each_tensor():
    graph = body(3, None, None)
    with means(lambda graph, x, y, z: [x + y, x * z]):
        sums, products = control.SequenceMap.evaluate([ints(1), ints(2, 3)], [ints(10), ints(20)], ints(2), body=graph)
        assert [s.tolist() for s in sums] == [[11], [22, 23]] and [p.tolist() for p in products] == [[2], [4, 6]]
        assert control.SequenceMap.evaluate([], [], ints(2), body=graph) == ([], [])
        with pytest.raises(ValueError, match="sequences of 1 and 2 tensors; they have to be of as many"):
            control.SequenceMap.evaluate([ints(1)], [ints(1), ints(2)], ints(2), body=graph)
        with pytest.raises(ValueError, match="its graph 'body' takes 3 inputs, it is given 2"):
            control.SequenceMap.evaluate([ints(1)], ints(2), body=graph)

"""A recorded emission gives, for other sizes, the plan that is made anew for them, to the last parameter."""
import numpy as np
import pytest
from onnx import TensorProto

import cinfer
from cinfer import _ops
from cinfer.errors import Error
from cinfer.plan.bind import Prepared
from cinfer.plan.choices import fitting
from cinfer.plan.choices import place as place_values
from cinfer.plan.emit import Emitter, packed
from cinfer.plan.memory import place
from cinfer.plan.recording import replay
from cinfer.plan.store import Store
from cinfer.plan.tiles import Tiles
from cinfer.plan.views import ABSOLUTE

from conftest import SHARED
from onnx_models import Model
from test_choices import GRAPHS, MODELS, compare_model, drawn


def described(table, emitter):
    """All that a plan tells kernels and NumPy to do, but for the addresses of constants."""
    told = [emitter.lay_out(place)]
    for step in emitter.steps:
        told.append((step.label, step.flops))
        for operator, node, inputs, outputs in filter(None, (step.host, step.instead)):
            told.append((operator, node, [
                v and (v.buffer.base, v.offset + (v.buffer.offset if v.buffer.base != ABSOLUTE else 0), v.shape,
                       v.strides, v.dtype) for v in inputs + outputs]))
        for kernel, data, tiles in packed(table, step):
            numbers, at, fields = np.frombuffer(data, np.int64), 0, {}
            for kind, field in table.fields(kernel):
                size = 2 if kind == "B" else int(kind[1:] or 1)
                found = numbers[at:at + size].tolist()
                is_constant = kind == "B" and found[0] == ABSOLUTE
                fields[field] = (ABSOLUTE, found[1] != 0) if is_constant else found
                at += size
            told.append((kernel, tiles, fields))
    return told


def compare(graph, sizes, threads: int) -> int:
    """How many plans came from a recording."""
    table = _ops.table(_ops.usable_levels()[-1])
    prepared, outputs, hits = Prepared(graph), tuple(graph.outputs), 0
    store = Store(table, threads)
    for inputs in sizes:
        try:
            bound = prepared.by_formulas(inputs, outputs) or prepared.by_nodes(inputs, outputs)
        except Error:
            continue
        choices = fitting(bound, table, Tiles(threads), store)
        found = None if choices is None else replay(choices, bound, table, threads, store)
        if found is None:
            continue
        hits += 1
        emitter = Emitter(place_values(bound, table, Tiles(threads), store))
        emitter.run()
        assert described(table, found) == described(table, emitter), f"{inputs}"
    return hits


# channels gathered from a place that is computed from sizes
ONCE_WRONG = {"random": (20325, 21309)}


@pytest.mark.parametrize("kind", GRAPHS)
def test_random_graphs(kind):
    assert sum(drawn(kind, seed, compare, 16) for seed in (*range(100, 150), *ONCE_WRONG.get(kind, ()))) > 30


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.name)
def test_models_with_free_sizes(path):
    compare_model(path, compare, 14)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.skipif(not MODELS, reason="reference data models is not beside this checkout")
def test_answers_for_other_sizes(threads):
    """Tables that are made for each plan, too."""
    path = SHARED / "models/ppocr_v4_det.onnx"
    session, rng = cinfer.load(path, threads=threads), np.random.default_rng(0)
    for size in (64, 96, 640, 672, 704, 736, 768, 32):
        x = {session.inputs[0].name: rng.random((1, 3, size, 64), np.float32)}
        want = cinfer.load(path, threads=threads).run(None, x)[0]
        assert session.run(None, x)[0].tobytes() == want.tobytes()
    assert len([r for ways in session._packed.recordings.values() for way in ways.values() for r in way.found]) == 1


def test_constants_that_are_others_for_other_sizes():
    m = Model(seed=1)
    x = m.input("x", 1, 3, 5, declared=("b", "c", "n"))
    size = m.Gather(m.Shape(x), np.int64(2), axis=0)
    places = m.Cast(m.Range(np.int64(0), size, np.int64(1)), to=1)
    session = cinfer.load(m.outputs(m.Add(m.Relu(x), m.Sin(places))).bytes(), threads=1)
    for n in range(5, 15):
        x = np.random.default_rng(n).standard_normal((1, 3, n)).astype(np.float32)
        np.testing.assert_allclose(session(x), np.maximum(x, 0) + np.sin(np.arange(n)), atol=1e-5)


@pytest.mark.parametrize("op_type, more, dtype", [
    ("Identity", (), np.int64), ("Size", (), np.int64), ("Cast", (), np.int32), ("Slice", ([1], [3]), np.int64),
    ("Gather", ([2, 0],), np.int64), ("Concat", ([7],), np.int64), ("Expand", ([2, 4],), np.int64)])
def test_outputs_that_are_computed_from_sizes(op_type, more, dtype):
    m = Model()
    x = m.input("x", 1, 4, 5, 5, declared=("n", 4, "h", "w"))
    attributes = {"to": TensorProto.INT32} if op_type == "Cast" else {"axis": 0} if op_type == "Concat" else {}
    sizes = x if op_type == "Size" else m.Shape(x)
    y = m.node(op_type, sizes, *map(np.array, more), **attributes)
    model = m.outputs(m.Relu(x)).outputs(y, dtype=dtype).bytes()
    session = cinfer.load(model)
    for h in range(1, 9):
        feeds = {"x": np.full((h % 3 + 1, 4, h, 5), -1, np.float32)}
        found, expected = (each.run(None, feeds) for each in (session, cinfer.load(model)))
        for a, b in zip(found, expected):
            assert a.dtype == b.dtype and np.array_equal(a, b)
    assert session._packed.recordings

"""What is chosen once for many sizes makes the plans that a choice for each of them would make, to the last
parameter."""
from random import Random

import numpy as np
import pytest

from cinfer import _ops, passes
from cinfer.errors import Error
from cinfer.model import read
from cinfer.model.graph import TensorType
from cinfer.ops.facts import Fact
from cinfer.plan import kernels  # noqa: F401  (enters the kernels)
from cinfer.plan.bind import Prepared
from cinfer.plan.choices import place as place_values
from cinfer.plan.emit import Emitter, address
from cinfer.plan.memory import place
from cinfer.plan.store import Fixed, Store
from cinfer.plan.tiles import Tiles
from cinfer.plan.views import ABSOLUTE, Ref

from conftest import SHARED
from free_graphs import F32, free_graph, sized_graph
from random_graphs import concatenated_graph, quantized_graph, random_graph


def where(ref: Ref):
    """Where a pointer points; into a constant, how far."""
    base, offset = address(ref.buffer)
    return ("constant", ref.buffer.bytes, ref.offset) if base == ABSOLUTE else (base, offset + ref.offset)


def described(bound, store: Store, threads: int):
    """All that a plan tells kernels and NumPy to do."""
    emitter = Emitter(place_values(bound, store.table, Tiles(threads), store))
    emitter.run()
    steps = [emitter.lay_out(place), emitter.scratch_bytes]
    for step in emitter.steps:
        if step.host is not None:
            operator, node, inputs, outputs = step.host
            steps.append((operator, node, [v and (where(v.ref()), v.shape, v.strides, v.dtype)
                                           for v in inputs + outputs]))
        for kernel, params, tiles in step.jobs:
            steps.append((kernel.kernel if type(kernel) is Fixed else kernel, tiles, {
                name: where(value) if type(value) is Ref else value.tolist() if isinstance(value, np.ndarray) else value
                for name, value in params.items()}))
    return steps, [array.tolist() for array, _ in emitter.address_tables]


def compare(graph, sizes, threads: int) -> int:
    """How often a choice of before was taken."""
    table = _ops.table(_ops.usable_levels()[-1])
    prepared, outputs, hits = Prepared(graph), tuple(graph.outputs), 0
    shared = Store(table, threads)
    for inputs in sizes:
        try:
            bound = prepared.by_formulas(inputs, outputs) or prepared.by_nodes(inputs, outputs)
        except Error:
            continue
        before = sum(map(len, shared.choices.values()))
        found = described(bound, shared, threads)
        hits += before > 0 and bound.formulas is not None and before == sum(map(len, shared.choices.values()))
        bound.formulas = None
        assert found == described(bound, Store(table, threads), threads), f"{inputs}"
    return hits


def freed(graph, axes=(0, 2, 3)):
    """The graph with these axes of its inputs free."""
    for name, kind in graph.inputs.items():
        graph.inputs[name] = TensorType(kind.dtype, tuple(
            None if axis in axes else d for axis, d in enumerate(kind.shape)))
    return graph


def sizes_like(graph, arrays: dict, rng: Random, count: int):
    """Facts of the inputs: sizes that a graph was made for, and others on its free axes."""
    for i in range(count):
        n, small = rng.choice((1, 1, 2)), rng.random() < 0.3
        yield {name: Fact(a.dtype, tuple(
            d if declared is not None and not isinstance(declared, str) or i % 3 == 0 else
            n if axis == 0 else rng.randint(1, 4) if small else rng.choice((d, 2 * d, d + 1, rng.randint(5, 40)))
            for axis, (d, declared) in enumerate(zip(a.shape, graph.inputs[name].shape))))
            for name, a in arrays.items()}


GRAPHS = {"free": free_graph, "random": random_graph, "concatenated": concatenated_graph,
          "quantized": quantized_graph}


def drawn(kind: str, seed: int) -> int:
    rng = Random(seed)
    g = GRAPHS[kind](rng)
    if not g.outputs:
        return 0
    graph = read(g.bytes()).graph
    if rng.random() < 0.7:
        passes.run(graph)
    axes = range(8) if rng.random() < 0.3 else (0, 2, 3)
    freed(graph, axes)
    arrays = {name: g.values[name] for name in graph.inputs}
    try:
        return compare(graph, sizes_like(graph, arrays, rng, 9), rng.choice((1, 2, 3)))
    except AssertionError as error:
        raise AssertionError(f"{kind}, seed {seed}: {error}\n{g}") from error


@pytest.mark.parametrize("kind", GRAPHS)
def test_random_graphs(kind):
    assert sum(drawn(kind, seed) for seed in range(60)) > 30


def test_graphs_that_compute_with_sizes():
    hits = 0
    for seed in range(60):
        draw = Random(seed)

        def inputs():
            h = draw.choice((1, 2, 3, 4, 8, 9, 16, 0))
            return {"x": Fact(F32, (draw.choice((1, 1, 2)), 4, h, draw.choice((1, 4, 5, 16)))),
                    "z": Fact(F32, (draw.choice((1, 2)), 4, draw.choice((h, h, 1)), 1))}
        try:
            hits += compare(sized_graph(seed), (inputs() for _ in range(16)), 1 + seed % 2)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error
    assert hits > 100


MODELS = sorted((SHARED / "models").glob("*.onnx"))


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.name)
def test_models_with_free_sizes(path):
    graph = read(path).graph
    arrays = {name: np.empty([d if isinstance(d, int) and d > 0 else {0: 1, 2: 48}.get(axis, 64)
                              for axis, d in enumerate(kind.shape)], kind.dtype)
              for name, kind in graph.inputs.items()}
    passes.run(graph)
    freed(graph)
    rng = Random(0)

    def sizes():
        for i in range(8):
            yield {name: Fact(a.dtype, (rng.choice((1, 1, 1, 2)), *a.shape[1:2], *(
                d if i % 2 else d + 8 * rng.randrange(12) for d in a.shape[2:]))) for name, a in arrays.items()}
    compare(graph, sizes(), 2)

"""Sessions of free sizes: what a session was fed before, and what else reads a weight, changes no answer; the
weights are kept once."""
from __future__ import annotations

import sys
from itertools import combinations_with_replacement
from pathlib import Path
from random import Random

import numpy as np
import pytest

import cinfer
from cinfer import _ops
from cinfer.model import read

from interpreter import evaluate
from evaluated_graph import REFUSALS, Graph
from free_graphs import free_graph
from watched import NAN, bits, hold, watching

SEEDS = 25


@pytest.mark.parametrize("isa", _ops.usable_levels())
@pytest.mark.parametrize("block", range(3))
def test_answers_do_not_depend_on_the_shapes_before(block, isa):
    for seed in range(block * SEEDS, (block + 1) * SEEDS):
        rng = Random(seed)
        g = free_graph(rng)
        data, (name,) = g.bytes(), g.inputs
        graph, c = read(data).graph, g.values[name].shape[1]
        known = {}
        for _ in range(rng.randint(2, 5)):
            x = g.array((rng.choice((1, 1, 2)), c, rng.randint(1, 10), rng.randint(1, 10)))
            try:
                known[x.shape] = x, evaluate(graph, {name: x})
            except REFUSALS:             # windows that do not fit into so small a picture
                continue
        order = [*known, *rng.choices([*known], k=3)] if known else []
        with watching(NAN, spaced=False):
            session = cinfer.load(data, threads=1 + seed % 2, isa=isa)
            for i, shape in enumerate(order):
                x, want = known[shape]
                where = f"seed {seed} {isa} shapes {order[:i + 1]}"
                got = session.run(None, {name: x})
                fresh = cinfer.load(data, threads=1 + seed % 2, isa=isa).run(None, {name: x})
                assert bits(got) == bits(fresh), f"{where}: other bits than in a session of its own\n{g}"
                for y, w in zip(got, want, strict=True):
                    scale = max(float(np.abs(w).max()), 0.01)
                    right = y.shape == w.shape and np.abs(y - w).max() <= 2e-4 * scale
                    assert right, f"{where}: not what NumPy says\n{g}"


# ---- one weight, several readers

def readers(w: str, c: int, k: int):
    """Ways to read weights [c][c][k][k], or [c][1][k][k] where these are names of such."""
    def conv(**attributes):
        return lambda g, x: g.add("Conv", x, w, **attributes)

    def up(**attributes):
        return lambda g, x: g.add("ConvTranspose", x, w, **attributes)

    def matrix(transposed):
        def add(g, x):
            v = g.add("Reshape", w, np.array([c, -1]), keeps=True)
            v = g.add("Transpose", v, perm=[1, 0], keeps=True) if transposed else v
            rows = g.add("Reshape", x, np.array([-1, g.values[v].shape[0]]), keeps=True)
            return rows and g.add("MatMul", rows, v)
        return add

    def gemm(**attributes):
        def add(g, x):
            v = g.add("Reshape", w, np.array([c, -1]), keeps=True)
            k = g.values[v].shape[attributes.get("transB", 0)]
            rows = g.add("Reshape", x, np.array([-1, k]), keeps=True)
            return rows and g.add("Gemm", rows, v, **attributes)
        return add
    return {"conv": conv(), "conv padded": conv(pads=[k // 2] * 4),
            "conv strided": conv(strides=[2, 2], pads=[1, 0, 0, 1]),
            "conv dilated": conv(dilations=[2, 1], pads=[2] * 4), "up": up(),
            "up strided": up(strides=[2, 2]),
            "up cropped": up(strides=[2, 2], pads=[1, 0, 0, 1]),
            "up by thrice": up(strides=[3, 3], pads=[1] * 4),
            "up to a size": up(strides=[2, 2], output_shape=[9, 11]), "up side by side": up(strides=[k, k]),
            "up in groups": up(group=c), "matrix": matrix(False), "matrix turned": matrix(True),
            "gemm": gemm(),
            "gemm turned": gemm(transB=1), "gemm scaled": gemm(alpha=0.5),
            "conv in groups": conv(group=c, pads=[k // 2] * 4)}


@pytest.mark.parametrize("c, k", [(1, 2), (1, 4), (4, 3), (16, 1), (16, 3), (17, 2), (32, 3)])
def test_each_of_two_nodes_that_share_a_weight_means_what_it_means_alone(c, k):
    known, failures = sorted(readers("", c, k)), []
    for i, pair in enumerate(combinations_with_replacement(known, 2)):
        if i % 3 != (c + k) % 3:                    # a third of the pairs is enough for each weight
            continue
        for depthwise in (False, True) if c > 1 else (False,):
            g = Graph(Random(f"{pair}"), 17)
            g.tame = False
            w = g.constant(g.weights(c, 1 if depthwise else c, k, k))
            x, made = g.input(2, c, 6, 5), []
            for name in pair:
                made.append(readers(w, c, k)[name](g, x))
            outputs = list(dict.fromkeys(y for y in made if y))
            if len(outputs) == 2:
                where = f"{pair} c={c} k={k} depthwise={depthwise}"
                try:
                    hold(g.reduced(outputs), where, _ops.usable_levels()[-1])
                except AssertionError as error:
                    failures.append(str(error))
    assert not failures, "\n\n".join(failures)


def test_one_vector_is_bias_scale_and_operand():
    g = Graph(Random(0), 17)
    x, v = g.input(2, 17, 4, 5), g.constant(np.abs(g.array((17,))) + np.float32(0.5))
    y = g.add("Conv", x, g.weights(17, 17, 3, 3), v, pads=[1] * 4)
    y = g.add("BatchNormalization", y, v, v, v, v)
    column = g.add("Reshape", v, np.array([17, 1, 1]))
    y = g.add("Mul", y, column)
    g.add("PRelu", y, column)
    z = g.add("Flatten", g.add("GlobalMaxPool", y))
    g.add("Add", z, v)
    g.add("MatMul", z, g.add("Reshape", v, np.array([17, 1])))
    hold(g.finish(1), "one vector", _ops.usable_levels()[-1])


# ---- memory

def resident() -> int:
    """Bytes of this process in memory."""
    if not Path("/proc/self/statm").exists():
        pytest.skip(f"{sys.platform} does not say how much memory a process has")
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


C = 256
HEAVY = {
    "conv": lambda g, x: g.add("Conv", x, g.weights(C, C, 3, 3), pads=[1] * 4),
    "conv of two": lambda g, x: g.add("Conv", x, g.weights(C, C, 2, 2)),
    "conv in groups of whole blocks": lambda g, x: g.add("Conv", x, g.weights(C, 16, 3, 3), group=C // 16),
    "conv in groups of less": lambda g,
    x: g.add("Conv", g.add("Pad", x, np.array([0, 0, 0, 0, 0, 248, 0, 0])),
                                                 g.weights(504, 8, 3, 3), group=63),
    "transposed": lambda g, x: g.add("ConvTranspose", x, g.weights(C, C, 3, 3), strides=[2, 2]),
    "transposed in groups": lambda g,
    x: g.add("ConvTranspose", x, g.weights(C, 64, 3, 3), strides=[2, 2], group=4),
    "to a size": lambda g,
    x: g.add("ConvTranspose", x, g.weights(C, 64, 3, 3), strides=[2, 2], output_shape=[9, 9]),
    "matmul": lambda g, x: g.add("MatMul", g.add("Transpose", x, perm=[0, 2, 3, 1]),
                                 g.weights(1024, C).T.copy()),
    "matmul of few rows": lambda g,
    x: g.add("Gemm", g.add("Flatten", g.add("GlobalMaxPool", x)), g.weights(2048, C), transB=1),
    "batch norm": lambda g, x: g.add("BatchNormalization", x, *[np.full(C, 1, np.float32)] * 4),
}


@pytest.mark.parametrize("name", HEAVY)
def test_a_new_shape_takes_no_memory_for_the_weights(name):
    g = Graph(Random(0), 17)
    x = g.input(1, C, 4, 4)
    g.declared[x] = (1, C, "h", "w")
    g.tame = False
    HEAVY[name](g, x)
    data = g.finish(0).bytes()
    session = cinfer.load(data, threads=1)
    weights = sum(g.values[c].nbytes for c in g.constants)
    before = None
    for i in range(34):
        session(np.zeros((1, C, 4 + i % 7, 4 + i // 7), np.float32))
        if i == 17:                                 # as many plans as a session keeps
            before = resident()
    grown = resident() - before
    allowed = max(weights, 4 << 20) + (8 << 20)
    assert grown < allowed, f"16 more shapes took {grown >> 20} MB; the weights are {weights >> 20}"
    packed = len(getattr(session, "_packed", ()))
    # once for each algorithm; for each way in which strides and what is cut off meet
    assert packed <= 20 * len(g.constants), f"weights are packed {packed} times"

"""Random quantised graphs: every layer gives what onnxruntime, not optimised, makes of the integers that the layer was
given, but for one unit of rounding; exactly where no rounding is open: movement, maxima, whole sums, and all layers
whose scales are powers of two.

`CINFER_QUANTIZED=0:5000 pytest tests/plan/test_quantized_graphs.py` runs as many seeds as asked for; with
`CINFER_QUANTIZED_KEEP=folder` each graph that failed is written there, SEED.onnx with all that was judged as outputs,
and SEED.txt.
"""
from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("ml_dtypes")

import cinfer
from cinfer import _ops

from quantized_exact import exact
from quantized_graph import Graph
from quantized_oracle import SPELLED, Declined, Oracle, differences, evaluate, spelled
from quantized_patterns import quantized_graph
from watched import LARGE, NAN, bits, run_watched

FIRST, LAST = map(int, os.environ.get("CINFER_QUANTIZED", "0:50").split(":"))
KEEP = os.environ.get("CINFER_QUANTIZED_KEEP")
BLOCK = 10
WINOGRAD = True                         # 3x3 convolutions may run in floats, by transforms that round
BEST = _ops.usable_levels()[-1]


@cache
def made(seed: int) -> tuple[Graph, Oracle, dict] | None:
    """The graph of a seed, and its values; None where onnxruntime has no answer."""
    try:
        graph = quantized_graph(seed)
        oracle = Oracle(graph)
        return graph, oracle, oracle.whole(graph.feeds())
    except Declined:
        return None


def failed(graph: Graph, oracle: Oracle, seed: int, what: str) -> None:
    if KEEP:
        Path(KEEP).mkdir(parents=True, exist_ok=True)
        Path(KEEP, f"{seed}.onnx").write_bytes(graph.bytes(oracle.taps))
        Path(KEEP, f"{seed}.txt").write_text(f"{what}\n{graph}\n")
    raise AssertionError(f"seed {seed} {what}\n{graph}")


def allowed(oracle: Oracle, layers: dict) -> dict[str, float]:
    """By how much a value may be off: not at all where no rounding is open."""
    return {**oracle.slack(layers), **dict.fromkeys(exact(oracle, layers, WINOGRAD), 0.0)}


def layers_off(oracle: Oracle, feeds: dict, given: dict) -> list[str]:
    """What layers make of the integers that they were given, where it is wrong."""
    expected = oracle.layers(feeds, given)
    return differences(given, expected, allowed(oracle, expected))


def hold(seed: int, isa: str) -> None:
    """Its layers by one thread and by two, of the same bits; and the graph as a whole, nothing else asked for."""
    found = made(seed)
    if found is None:
        return
    graph, oracle, want = found
    feeds, taps = graph.feeds(), graph.bytes(oracle.taps)

    def fail(what: str) -> None:
        failed(graph, oracle, seed, f"{isa}: {what}")
    try:
        first = run_watched(taps, feeds, threads=1, isa=isa, fill=NAN, spaced=True)
        second = run_watched(taps, feeds, threads=2, isa=isa, fill=LARGE, spaced=False)
        whole = run_watched(graph.bytes(), feeds, threads=1, isa=isa, fill=NAN, spaced=False)
    except Exception as error:
        fail(f"{type(error).__name__}: {error}")
    if bits(first) != bits(second):
        fail("other bits, by threads or unwritten memory")
    off = layers_off(oracle, feeds, dict(zip(oracle.taps, first)))
    if off:
        fail("layer by layer: " + "; ".join(off))
    off = differences(dict(zip(graph.outputs, whole)), want, oracle.bounds(feeds, want, seed))
    if off:
        fail("as a whole: " + "; ".join(off))


@pytest.mark.parametrize("first", range(FIRST, LAST, BLOCK))
def test_each_layer_is_off_by_one_unit_at_most(first, monkeypatch):
    monkeypatch.setenv("CINFER_CHECK", "1")
    for seed in range(first, min(first + BLOCK, LAST)):
        hold(seed, BEST)
        if seed % 4 == 0 and len(_ops.usable_levels()) > 1:
            hold(seed, _ops.usable_levels()[0])
        if seed % 4 == 1:
            inner_values(seed)
    made.cache_clear()


def inner_values(seed: int) -> None:
    """Integers that a pass has rewritten away can be asked for, each alone and with the outputs."""
    found = made(seed)
    if found is None:
        return
    graph, oracle, want = found
    feeds = graph.feeds()
    bounds = oracle.bounds(feeds, want, seed)
    session = cinfer.load(graph.bytes(), threads=1)
    for names in ([oracle.cuts[0]], [oracle.cuts[-1]], [*graph.outputs, *oracle.cuts[::3]]):
        names = list(dict.fromkeys(names))
        off = differences(dict(zip(names, session.run(names, feeds))), want, bounds)
        if off:
            failed(graph, oracle, seed, f"inner values {names}: {'; '.join(off)}")


@pytest.mark.parametrize("first", range(FIRST, FIRST + (LAST - FIRST) // 2, 15))
def test_a_session_of_free_sizes_takes_them_in_turn(first):
    """What a session was fed before changes no bit, and each size is right."""
    held = 0
    for seed in range(first, first + 15):
        try:
            graph = quantized_graph(1_000_000 + seed, most=5, free=True)
            oracle = Oracle(graph)
        except Declined:
            continue
        session = cinfer.load(graph.bytes(oracle.taps), threads=1)
        for turn, feeds in enumerate([graph.feeds(), *map(graph.other_feeds, range(3)), graph.feeds()]):
            try:
                want = oracle.whole(feeds)
            except Declined:                            # too small for a window
                continue
            if any(not a.size for a in want.values()):
                continue
            try:
                got = session.run(None, feeds)
            except cinfer.Error as error:
                if "does not fit" in str(error):        # onnxruntime rounds a negative count of windows up to 1
                    continue
                failed(graph, oracle, seed, f"turn {turn}: {error}")
            fresh = cinfer.load(graph.bytes(oracle.taps), threads=1).run(None, feeds)
            if bits(got) != bits(fresh):
                failed(graph, oracle, seed, f"turn {turn}: other bits than in a session of its own")
            off = layers_off(oracle, feeds, dict(zip(oracle.taps, got)))
            if off:
                shapes = {n: a.shape for n, a in feeds.items()}
                failed(graph, oracle, seed, f"turn {turn} {shapes}: {'; '.join(off)}")
            held += 1
    assert held >= 30


def test_what_is_off_is_found():
    """The oracle itself: what it says is right, and one number that is off by more than is allowed is found."""
    found = strict = 0
    for seed in range(FIRST, min(LAST, FIRST + 12)):
        if made(seed) is None:
            continue
        graph, oracle, want = made(seed)
        given = {n: want[n] for n in oracle.taps}
        assert not layers_off(oracle, graph.feeds(), given)
        slack = allowed(oracle, want)
        strict += sum(not slack[n] for n in oracle.cuts)
        for name in oracle.cuts:
            right, step = want[name], int(slack[name]) + 1
            if step > 2:
                continue
            wrong = right.copy()
            at = wrong.size // 2
            wrong.flat[at] = int(right.flat[at]) + (step if right.flat[at] < 100 else -step)
            assert any(f.startswith(f"{name} off") for f in layers_off(oracle, graph.feeds(), {**given, name: wrong}))
            found += 1
    assert found > 30 and strict > 10


PRODUCTS = ("QLinearConv", "QLinearMatMul", "QGemm", "ConvInteger", "MatMulInteger", "MatMulIntegerToFloat",
            "DynamicQuantizeMatMul")


def test_the_spelling_is_what_onnxruntimes_own_kernels_compute():
    """Of weights so small that its sums of pairs of products do not saturate at 16 bits, on CPUs without VNNI."""
    held = set()
    for seed in range(50, 110):
        if len(held) >= 8:
            return
        found = made(seed)
        for node in found[0].nodes if found else ():
            if node.op_type in SPELLED and agrees(found[0], node, f"seed {seed}"):
                held.add(node.op_type)
    raise AssertionError(f"only {held}")


def agrees(graph: Graph, node, where: str) -> bool:
    """Whether onnxruntime has a kernel for it; AssertionError where that says something else."""
    read = [n for n in node.input if n]
    constants = {n: graph.constants[n] for n in read if n in graph.constants}
    if node.op_type in PRODUCTS:
        constants = {n: a // 4 if a.ndim > 1 and a.dtype.kind in "iu" else a for n, a in constants.items()}
    steps, more = spelled([node], graph)
    asked = {n: graph.values[n] for n in read if n not in constants}, [node.output[0]], graph.opset
    try:
        theirs, = evaluate([node], constants, *asked).values()
    except Declined:
        return False
    ours, = evaluate(steps, {**constants, **more}, *asked).values()
    most = 1 if ours.dtype.kind in "iu" else 1e-5 * np.abs(ours).max()
    off = np.abs(ours.astype(np.float64) - theirs).max()
    assert off <= most, f"{where} {node.op_type} {node.output[0]}: off by {off}\n{graph}"
    return True

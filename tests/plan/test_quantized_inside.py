"""Random quantised graphs of which a part stands inside an If, a Loop or a Scan: the bytes are those of the same nodes
in one graph, and so are the operators that compute them."""
from __future__ import annotations

from random import Random

import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("ml_dtypes")

import onnxruntime

import cinfer
from cinfer import _ops

from quantized_graph import U8, Graph
from quantized_inside import WAYS, Inside, parts
from quantized_oracle import SPELLED, Declined, Oracle, differences
from quantized_patterns import quantized_graph

BLOCK = 20
PRODUCTS = ("QLinear", "QGemm", "Scaled")


def drawn(first: int):
    """(seed, graph, its parts)"""
    for seed in range(first, first + BLOCK):
        try:
            g = quantized_graph(seed)
        except Declined:
            continue
        found = parts(g)
        if found:
            yield seed, g, found


def models(seed: int, g: Graph, found: list):
    """(where, a model of which a part stands inside)"""
    rng = Random(seed)
    i, j = rng.choice(found)
    for way in WAYS:
        if way != "Scan" or Inside(g, i, j, "If", rng).integers():
            yield f"seed {seed}, nodes {i} to {j} in {way}", Inside(g, i, j, way, rng)


def products(session, feeds: dict) -> int:
    """How many operators compute with integers, but for functions of one byte, which may be one or two."""
    found = session.integers({name: array.shape for name, array in feeds.items()})["on_bytes"]
    return sum(count for name, count in found.items() if name.startswith(PRODUCTS))


@pytest.mark.parametrize("first", range(0, 120, BLOCK))
def test_bytes_and_operators_are_those_of_one_graph(first, monkeypatch):
    monkeypatch.setenv("CINFER_CHECK", "1")
    for seed, g, found in drawn(first):
        if g.types != (U8,):                    # int8 is uint8 inside an island alone, and 16 bits are float32
            continue
        feeds = g.feeds()
        whole = cinfer.load(g.bytes(), threads=1)
        want = whole.run(None, feeds)
        for where, model in models(seed, g, found):
            session = cinfer.load(model.bytes(), threads=2)
            got = session.run(None, {**feeds, **model.feeds})
            assert [y.tobytes() for y in got] == [w.tobytes() for w in want], where
            assert products(session, {**feeds, **model.feeds}) >= products(whole, feeds), where


@pytest.mark.parametrize("first", range(500, 560, BLOCK))
def test_bytes_are_those_of_onnxruntime(first):
    """Of any type, at the least and the best level; but for units by which each layer may be off."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads, options.log_severity_level = 1, 4
    compared = 0
    for seed, g, found in drawn(first):
        if not SPELLED.keys().isdisjoint(node.op_type for node in g.nodes):     # its own kernels of bytes saturate
            continue
        oracle = Oracle(g)
        bounds = oracle.bounds(g.feeds(), oracle.whole(g.feeds()), seed)
        for where, model in models(seed, g, found):
            data, feeds = model.bytes(), {**g.feeds(), **model.feeds}
            reference = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
            want = dict(zip(g.outputs, reference.run(None, feeds)))
            for isa in dict.fromkeys((_ops.usable_levels()[0], _ops.usable_levels()[-1])):
                got = cinfer.load(data, threads=1, isa=isa).run(None, feeds)
                assert not differences(dict(zip(g.outputs, got)), want, bounds), f"{where}, {isa}"
                compared += 1
    assert compared

"""Each operator of the standard, drawn at random, against onnxruntime and the standard's reference evaluator.

Where both answer alike, or onnxruntime alone answers, cinfer answers so too: its NumPy meaning, and a model of
the node, loaded. Where they answer differently, DISPUTED says who is right.

CINFER_EXAMPLES=1000 draws that many nodes of each operator, and others each time.
"""
from __future__ import annotations

import os
import warnings
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

import cinfer
from cinfer.model.graph import Node
from cinfer.ops import registry

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")
pytest.importorskip("ml_dtypes")
from onnx.reference import ReferenceEvaluator                           # noqa: E402

from drawn_disputed import DISPUTED, ELSEWHERE, ORT, REFERENCE, UNDRAWN  # noqa: E402
from drawn_nodes import draw, versions                                  # noqa: E402

registry.load_all()
OPERATORS = sorted({o.name for o in registry.operators()
                    if not o.domain and not o.traits.own} - ELSEWHERE.keys())
NEWEST = 26                         # opset that onnxruntime knows
EXAMPLES = int(os.environ.get("CINFER_EXAMPLES", 10))
OPTIONS = runtime.SessionOptions()
runtime.set_default_logger_severity(4)
OPTIONS.intra_op_num_threads, OPTIONS.log_severity_level = 1, 4
# relative to the largest number of an answer
CLOSE = {"float16": 4e-3, "bfloat16": 3e-2, "float32": 2e-5, "float64": 1e-6, "complex64": 2e-5,
         "complex128": 1e-6}


def by_onnxruntime(drawn):
    data = drawn.model().SerializeToString()
    session = runtime.InferenceSession(data, OPTIONS, providers=["CPUExecutionProvider"])
    return session.run(None, drawn.feeds())


def by_reference(drawn):
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ReferenceEvaluator(drawn.model()).run(None, drawn.feeds())


def by_numpy(drawn):
    node = Node(drawn.op_type, ["" if x is None else f"in{i}" for i, x in enumerate(drawn.inputs)],
                [f"out{i}" for i in range(drawn.n_outputs)], drawn.attributes, "", drawn.opset, "it")
    return registry.evaluate(registry.lookup(node), node, list(drawn.inputs))[:drawn.n_outputs]


def by_kernels(drawn):
    return cinfer.load(drawn.model().SerializeToString(), threads=1).run(None, drawn.feeds())


def is_random(drawn) -> bool:
    return registry.traits(Node(drawn.op_type, [], [], {}, "", drawn.opset)).random


def attempt(function, drawn):
    """An answer, or what was said instead; of random numbers only what they are."""
    try:
        found = function(drawn)
        return [np.zeros_like(y) for y in found] if is_random(drawn) else found
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def difference(found, expected, exact: bool = False) -> str | None:
    """What is different between two answers."""
    if isinstance(found, str):
        return found
    if len(found) != len(expected):
        return f"{len(found)} outputs"
    for i, (y, want) in enumerate(zip(found, expected)):
        y, want = (np.asarray(v) for v in (y, want))
        y, want = (v.astype(object) if v.dtype.kind in "UST" else v for v in (y, want))
        if (y.dtype, y.shape) != (want.dtype, want.shape):
            return f"output {i}: {y.dtype} {y.shape} instead of {want.dtype} {want.shape}"
        if (tolerance := CLOSE.get(y.dtype.name)) is None:
            if not np.array_equal(y, want):
                return f"output {i}: {y.tolist()} instead of {want.tolist()}"
            continue
        y, want = (v.astype(np.complex128 if y.dtype.kind == "c" else np.float64) for v in (y, want))
        largest = max(1, np.abs(want[np.isfinite(want)]).max(initial=0))
        if not np.allclose(y, want, tolerance, tolerance * largest, equal_nan=True):
            return f"output {i}: {y.tolist()} instead of {want.tolist()}"


def expected(drawn) -> list:
    """The answers of which cinfer's has to be one; none where nobody knows."""
    theirs, reference = attempt(by_onnxruntime, drawn), attempt(by_reference, drawn)
    who, _ = DISPUTED.get(drawn.op_type, (None, ""))
    if isinstance(theirs, str):         # the reference alone has many faults, in what it takes and what it says
        return []
    if isinstance(reference, str):
        return [] if who is REFERENCE else [theirs]
    if difference(reference, theirs) is None:
        return [theirs]
    assert who, (f"{drawn}: who is right? Say it in DISPUTED\n"
                 f"onnxruntime: {theirs}\nreference: {reference}")
    return [theirs] if who is ORT else [reference] if who is REFERENCE else [theirs, reference]


def check(drawn) -> None:
    answers = expected(drawn)
    for name, function in (("NumPy", by_numpy), ("loaded", by_kernels)):
        found = attempt(function, drawn)
        wrong = [difference(found, answer) for answer in answers]
        assert not wrong or None in wrong, f"{name}: {drawn}: {wrong[0]}"


def test_every_operator_with_all_its_attributes_is_drawn_or_tested_elsewhere():
    folder = Path(__file__).parent
    for name, file in ELSEWHERE.items():
        assert name in (folder / file).read_text(), f"{file} has no {name}"
    assert DISPUTED.keys() <= set(OPERATORS)
    for op_type in OPERATORS:
        for version in versions(op_type):
            missing = {a for a in version[0].attributes if a not in UNDRAWN and (op_type, a) not in UNDRAWN}
            for seed in range(100):                     # KeyError: see what it says
                missing -= draw(op_type, version, Random(seed)).attributes.keys()
                if not missing and seed > 5:
                    break
            assert not missing, f"{op_type}-{version[1]}: no values are drawn for {missing}"


@pytest.mark.parametrize("op_type", OPERATORS)
def test_an_operator_means_what_others_say(op_type):
    @settings(max_examples=EXAMPLES, deadline=None, derandomize=EXAMPLES < 100, database=None,
              suppress_health_check=list(HealthCheck))
    @given(st.randoms(use_true_random=False))
    def each(rng):
        check(draw(op_type, rng.choice(versions(op_type)), rng, NEWEST))
    each()

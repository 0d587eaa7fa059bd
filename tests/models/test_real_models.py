"""Trained networks: the answers that onnxruntime gave, not optimised, and those a person would give."""
import json
import sys
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

import cinfer
from cinfer import _ops
from cinfer.vision import Reader

from conftest import SHARED, shared

DATA = Path(__file__).resolve().parents[1] / "data"
DEMO = DATA / "efficientnet_lite0_w8.onnx"


# ---- the model that comes with the project

@pytest.fixture(scope="module")
def dog():
    """The demo model's own input for dog.jpg, by its own recipe."""
    session = cinfer.load(DEMO, threads=1)
    return Reader(session).prepare(str(DATA / "dog.jpg")).feeds["input"]


@pytest.mark.parametrize("isa", _ops.usable_levels())
def test_the_demo_model_sees_the_dog(dog, isa):
    answers = [cinfer.load(DEMO, threads=threads, isa=isa)(dog) for threads in (1, 2)]
    assert answers[0].tobytes() == answers[1].tobytes()
    best = int(answers[0].argmax())
    assert best == 235 and cinfer.load(DEMO, threads=1).labels[best] == "German shepherd"
    assert answers[0][0, best] == pytest.approx(0.9686, abs=1e-4)


def test_the_demo_model_agrees_with_onnxruntime(dog):
    onnxruntime = pytest.importorskip("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    plain = onnxruntime.InferenceSession(str(DEMO), options, providers=["CPUExecutionProvider"])
    want, = plain.run(None, {plain.get_inputs()[0].name: dog})
    got = cinfer.load(DEMO, threads=1)(dog)
    # 50 layers of float32 sums in other orders: 1e-6 seen, 20x head room.
    assert got.shape == want.shape and np.abs(got - want).max() <= 2e-5


# ---- the models beside the checkout

def cases() -> list:
    """(model, case) of all float models, the first two pictures of each."""
    index = SHARED / "models" / "index.json"
    if not index.exists():
        return [pytest.param(None, None, id="models are not beside this checkout")]
    return [pytest.param(model, case, id=f"{model['file']} {case['name']}")
            for model in json.loads(index.read_text())["models"] for case in model["cases"][:2]]


@lru_cache(maxsize=None)
def checking():
    """The reference data's own making of feeds and comparing of outputs, as a module."""
    folder = str(shared("models"))
    sys.path.insert(0, folder)
    try:
        import check_models
    finally:
        sys.path.remove(folder)
    return check_models


@lru_cache(maxsize=2)
def loaded(path: Path):
    return cinfer.load(path, threads=2)


@pytest.mark.parametrize("model, case", cases())
def test_a_trained_model_gives_what_is_expected(model, case):
    folder, images = shared("models"), shared("images")
    pytest.importorskip("PIL")
    check = checking()
    declared = {port["name"]: port["dtype"] for port in model["inputs"]}
    feeds = {name: check.feed(spec, declared[name], images)[0] for name, spec in case["feeds"].items()}
    session = loaded(folder / model["file"])
    outputs = dict(zip([port.name for port in session.outputs], session.run(None, feeds)))
    expected = np.load(folder / "expected" / (Path(model["file"]).stem + ".npz"))
    status, error, remark = check.compare(model, case, outputs, expected)
    assert status == "ok", f"{model['file']} {case['name']}: {error:.2g} {remark}"

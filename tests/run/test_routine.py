"""Routines: what earlier runs of other plans left in a workspace never shows; mistakes of ours stay
visible."""
import numpy as np
import pytest

import cinfer
from cinfer.ops import registry
from cinfer.run.routine import Host, Kernels

from models import free_sizes
from onnx_models import Model


@pytest.fixture(autouse=True)
def threads_for_any_work(monkeypatch):
    monkeypatch.setattr("cinfer.plan.plan.FEW_FLOPS", -1, raising=False)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("garbage", [0x00, 0xFF, 0x7F])          # zeros, NaN, large numbers
def test_what_a_workspace_holds_before_a_run_does_not_matter(threads, garbage):
    session = cinfer.load(free_sizes(), threads=threads)
    rng = np.random.default_rng(0)
    sizes = [(1, 3, 40, 36), (1, 3, 7, 9), (2, 3, 21, 20)]
    want = {}
    for shape in sizes:
        x = rng.standard_normal(shape, np.float32)
        fresh = cinfer.load(free_sizes(), threads=threads)
        want[shape] = x, [y.tobytes() for y in fresh.run(None, {"x": x})]
    session.run(None, {"x": want[sizes[0]][0]})
    for shape in sizes + sizes[::-1]:
        workspace, = session._pool.free
        np.frombuffer(workspace.memory, np.uint8)[:] = garbage
        x, outputs = want[shape]
        assert [y.tobytes() for y in session.run(None, {"x": x})] == outputs, (shape, threads)


def around_numpy(m):
    x = m.Relu(m.conv(m.input("x", 1, 3, 8, 8), 3, 16, 3))
    return m.outputs(m.conv(m.Trilu(x), 16, 16, 3)).bytes()


def test_stages_follow_each_other():
    session = cinfer.load(around_numpy(Model()), threads=1)
    routine, = session._plans.routines.values()
    kinds = [type(stage) for stage in routine.stages]
    assert kinds.count(Host) >= 1 and kinds[0] is kinds[-1] is Kernels
    steps = []
    for stage in routine.stages:
        steps += [stage.step] if isinstance(stage, Host) else range(stage.first, stage.last)
    assert steps == list(range(len(routine.steps)))


@pytest.mark.parametrize("raised, seen", [
    (ValueError, cinfer.InputError), (IndexError, cinfer.InputError), (ZeroDivisionError, cinfer.InputError),
    (TypeError, TypeError), (AttributeError, AttributeError), (KeyError, KeyError)])
def test_mistakes_of_our_own_are_not_blamed_on_the_input(monkeypatch, raised, seen):
    session = cinfer.load(around_numpy(Model()), threads=1)
    evaluate = registry.outputs_of

    def fails(operator, node, arrays, keywords):
        if node.op_type == "Trilu":
            raise raised("what it says")
        return evaluate(operator, node, arrays, keywords)
    monkeypatch.setattr(registry, "outputs_of", fails)
    with pytest.raises(seen) as caught:
        session.run(None, {"x": np.ones((1, 3, 8, 8), np.float32)})
    assert type(caught.value) is seen and "what it says" in str(caught.value)
    if seen is cinfer.InputError:
        assert str(caught.value).startswith("model: Trilu")
    monkeypatch.undo()
    session.run(None, {"x": np.ones((1, 3, 8, 8), np.float32)})
    assert len(session._pool.free) == 1


@pytest.mark.parametrize("shape, brief", [((1,), True), ((0, 3), True), ((100, 100), False), ((1 << 20,), False)])
def test_only_short_runs_keep_the_gil(shape, brief, monkeypatch):
    """Many of them in a row, as of a loop's body, would else let no other thread of Python have it."""
    monkeypatch.undo()
    m = Model(seed=0)
    session = cinfer.load(m.outputs(m.Relu(m.input("x", *shape))).bytes())
    assert [routine.program.brief for routine in session._plans.routines.values()] == [brief]
    m = Model(seed=0)
    m.outputs(m.conv(m.input("x", 1, 32, 8, 8), 32, 32, 3))         # few bytes, and some time
    assert [routine.program.brief for routine in cinfer.load(m.bytes())._plans.routines.values()] == [False]

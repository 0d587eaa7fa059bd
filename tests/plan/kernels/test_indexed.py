"""Gather, Scatter and their kin by indices that the run computes: what the operators mean in NumPy, and their words
for an index beyond its axis."""
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import cinfer
from cinfer import _ops

from onnx_models import Model, by_numpy

LEVELS = _ops.usable_levels()
TYPES = ["bool", "int8", "float16", "int32", "float32", "float64", "int64"]
OPERATORS = ["Gather", "GatherElements", "GatherND", "ScatterElements", "ScatterND"]


def content(rng, dtype, shape):
    return np.asarray(rng.integers(0, 2 if dtype == "bool" else 100, shape)).astype(dtype)


@st.composite
def nodes(draw):
    """(operator, attributes, feeds, the axis of x for each number of an index)"""
    op = draw(st.sampled_from(OPERATORS))
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    size = st.integers(1, draw(st.sampled_from([3, 7, 40])))
    shape = tuple(draw(st.lists(size, min_size=1, max_size=4)))
    dtype, kind = draw(st.sampled_from(TYPES)), draw(st.sampled_from([np.int64, np.int32]))
    axis, attributes, updates = draw(st.integers(-len(shape), len(shape) - 1)), {}, None
    if op.endswith("ND"):
        kind = np.int64
        batch = draw(st.integers(0, len(shape) - 1)) if op == "GatherND" else 0
        count = draw(st.integers(1, len(shape) - batch))
        lead = tuple(draw(st.lists(size, min_size=0 if batch == 0 else 1, max_size=2)))
        lead = shape[:batch] + (lead if batch == 0 else lead[:1])
        attributes = {"batch_dims": batch} if op == "GatherND" else {}
        index = np.stack([rng.integers(-d, d, lead) for d in shape[batch:batch + count]], -1)
        updates = lead + shape[count:]
    elif op == "Gather":
        index = rng.integers(-shape[axis], shape[axis], draw(st.lists(size, max_size=2)))
        attributes = {"axis": axis}
    else:
        lead = tuple(draw(size) if a == axis % len(shape) else draw(st.integers(1, d)) for a, d in enumerate(shape))
        index, updates = rng.integers(-shape[axis], shape[axis], lead), lead
        attributes = {"axis": axis}
    feeds = {"x": content(rng, dtype, shape), "i": np.asarray(index).astype(kind)}
    if op.startswith("Scatter"):
        how = draw(st.sampled_from(["none", "add", "mul", "max", "min"]))
        if how != "none":
            feeds["x"] = feeds["x"].astype(draw(st.sampled_from(["float32", "float64", "int32", "int64"])))
            attributes["reduction"] = how
        feeds["u"] = content(rng, feeds["x"].dtype.name, updates)
    return op, attributes, feeds


def model(op, attributes, feeds):
    m = Model(18)
    names = [m.input(name, *v.shape, dtype=v.dtype) for name, v in feeds.items()]
    return m.outputs(m.node(op, *names, **attributes), dtype=feeds["x"].dtype).bytes()


@settings(max_examples=100, deadline=None)
@given(case=nodes())
@pytest.mark.parametrize("isa", LEVELS)
def test_means_the_same(isa, case):
    op, attributes, feeds = case
    data = model(*case)
    want, = by_numpy(data, feeds)
    for threads in (1, 2):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("cinfer.plan.plan.FEW_FLOPS", -1)
            patch.setattr("cinfer.plan.tiles.SMALL", 8)
            patch.setattr("cinfer.plan.tiles.SMALL_SUMS", 8)
            session = cinfer.load(data, threads=threads, isa=isa)
            assert not [step for step in session._plan_for(None).steps if step.label == "numpy"]
            got, = session.run(None, feeds)
        np.testing.assert_array_equal(got, want, err_msg=f"{case} {threads}")


@settings(max_examples=40, deadline=None)
@given(case=nodes(), wrong=st.sampled_from(["above", "below", "least", "most"]), where=st.integers(0, 10**6))
@pytest.mark.parametrize("isa", LEVELS)
def test_says_which_index_is_beyond(isa, case, wrong, where):
    op, attributes, feeds = case
    i, shape = feeds["i"], feeds["x"].shape
    if not i.size:
        return
    limits, at = np.iinfo(i.dtype), where % i.size
    axis = attributes.get("axis", attributes.get("batch_dims", 0))
    size = shape[axis + at % i.shape[-1]] if op.endswith("ND") else shape[axis]
    i.reshape(-1)[at] = {"above": size, "below": -size - 1, "least": limits.min, "most": limits.max}[wrong]
    data = model(*case)
    with pytest.raises(ValueError) as said:
        by_numpy(data, feeds)
    session = cinfer.load(data, threads=2, isa=isa)
    with pytest.raises(cinfer.Error, match="index") as error:
        session.run(None, feeds)
    assert str(said.value) in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("isa", LEVELS)
def test_sliced_turned_and_broadcast(isa):
    """Views of any strides, and a step behind one that refuses none."""
    m = Model(18)
    x, i = m.input("x", 6, 9, 8), m.input("i", 4, 1, 8, dtype=np.int64)
    turned = m.Transpose(m.Slice(x, np.array([8]), np.array([-100]), np.array([1]), np.array([-1])), perm=[2, 1, 0])
    wide = m.Expand(m.Mod(i, np.array(6)), np.array([4, 5, 8]))
    y = m.ScatterElements(x, wide, m.Slice(m.Abs(x), np.array([1, 2]), np.array([5, 7]), np.array([0, 1])), axis=0)
    data = m.outputs(m.Gather(turned, m.Mod(i, np.array(6)), axis=2), m.Relu(m.GatherElements(x, wide, axis=0)),
                     m.Neg(y)).bytes()
    feeds = m.feeds()
    session = cinfer.load(data, threads=1, isa=isa)
    for got, want in zip(session.run(None, feeds), by_numpy(data, feeds), strict=True):
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("isa", LEVELS)
@pytest.mark.parametrize("threads", [1, 2])
def test_a_run_goes_on_behind_a_step_that_numpy_did_instead(isa, threads, monkeypatch):
    """A kernel may refuse what NumPy takes: then the answer is NumPy's, whatever is before and behind."""
    m = Model(18)
    x, i = m.input("x", 30, 40), m.input("i", 7, dtype=np.int64)
    y = m.Relu(m.Gather(m.Exp(x), i, axis=0))
    data = m.outputs(y, m.Sigmoid(m.Gather(y, np.array([0]), axis=0))).bytes()
    from cinfer.ops import registry
    from cinfer.model.graph import Node
    operator = registry.lookup(Node("Gather", ["x", "i"], ["y"], opset=18))
    monkeypatch.setattr("cinfer.plan.plan.FEW_FLOPS", -1)
    session = cinfer.load(data, threads=threads, isa=isa)
    routine = session._plan_for(None)
    step = next(step for step in routine.steps if step.instead is not None)
    assert step.instead[0].name == operator.name
    feeds = {"x": np.linspace(-1, 1, 1200, dtype=np.float32).reshape(30, 40), "i": np.arange(7) + 25}

    def rows_that_are_there(x, i, *, axis=0):
        return np.take(x, np.minimum(i, len(x) - 1), axis)
    lenient = type(operator)(*(rows_that_are_there if name == "evaluate" else getattr(operator, name)
                               for name in operator.__slots__))
    step.instead = lenient, *step.instead[1:]
    ended = np.zeros(len(routine.steps), np.int64)
    got = routine.run([feeds["x"], feeds["i"]], session._pool, ended)
    want = np.exp(feeds["x"][np.minimum(feeds["i"], 29)])
    np.testing.assert_allclose(got[0], want, rtol=1e-6)
    np.testing.assert_allclose(got[1], 1 / (1 + np.exp(-want[:1])), rtol=1e-6)
    assert (np.diff(ended) >= 0).all() and ended[0] > 0

"""CumSum and CumProd: bit by bit what the operators mean in NumPy."""
from itertools import product

import numpy as np
import pytest

import cinfer
from cinfer import _ops

from onnx_models import Model, by_numpy

LEVELS = _ops.usable_levels()


@pytest.mark.parametrize("isa", LEVELS)
@pytest.mark.parametrize("op", ["CumSum", "CumProd"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64"])
def test_means_the_same(isa, op, dtype, monkeypatch):
    m = Model(26)
    x = m.input("x", 3, 40, 5, 7, dtype=dtype)
    turned = m.Transpose(x, perm=[2, 0, 3, 1])
    ways = product((x, turned), (-1, 0, 1, 2), (0, 1), (0, 1))
    data = m.outputs(*(m.node(op, a, np.array(axis), exclusive=exclusive, reverse=reverse)
                       for a, axis, exclusive, reverse in ways), dtype=dtype).bytes()
    rng = np.random.default_rng(1)
    feeds = {"x": (rng.choice([-1, 1], m.shapes["x"]) * (1 + .1 * rng.random(m.shapes["x"]))).astype(dtype)}
    monkeypatch.setattr("cinfer.plan.plan.FEW_FLOPS", -1)
    monkeypatch.setattr("cinfer.plan.tiles.SMALL_SUMS", 64)
    for threads in (1, 2):
        session = cinfer.load(data, threads=threads, isa=isa)
        assert {step.label for step in session._plan_for(None).steps} == {"scan"}
        for got, want in zip(session.run(None, feeds), by_numpy(data, feeds), strict=True):
            np.testing.assert_array_equal(got, want)


def test_an_axis_of_the_run_is_numpys():
    m = Model(14)
    data = m.outputs(m.CumSum(m.input("x", 3, 4), m.input("axis", dtype=np.int64))).bytes()
    session, x = cinfer.load(data), np.arange(12, dtype=np.float32).reshape(3, 4)
    for axis in (0, -1):
        np.testing.assert_array_equal(session.run(None, {"x": x, "axis": np.array(axis)})[0], x.cumsum(axis))
    with pytest.raises(cinfer.Error, match="axis"):
        session.run(None, {"x": x, "axis": np.array(2)})


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (1, 1), (1,)], ids=str)
def test_few_elements(shape):
    m = Model(14)
    data = m.outputs(m.CumSum(m.input("x", *shape), np.array(0), exclusive=1)).bytes()
    y, = cinfer.load(data).run(None, {"x": np.ones(shape, np.float32)})
    np.testing.assert_array_equal(y, np.zeros(shape))          # there is at most one along the axis

"""Attention as exporters write it, and as operators of its own: one kernel, no scores in memory."""
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import cinfer
from cinfer import _ops

from onnx_models import Model, by_numpy, expected
from plan_cases import Cases, hold

CASES = Cases()
case = CASES.add


def heads(m, name, *shape, turned=False):
    """A value of shape (batch, positions, heads, size), heads first; or of keys, transposed."""
    return m.Transpose(m.input(name, *shape), perm=[0, 2, 3, 1] if turned else [0, 2, 1, 3])


def attention(m, n=2, h=3, rows=10, columns=17, d=8, dv=12, mask=None, back=True):
    q, k = heads(m, "q", n, rows, h, d), heads(m, "k", n, columns, h, d, turned=True)
    scores = m.MatMul(m.Mul(q, np.float32(d**-.5)), k)
    if mask is not None:
        scores = m.Add(scores, mask if isinstance(mask, str) else m.input("mask", *mask))
    y = m.MatMul(m.Softmax(scores, axis=-1), heads(m, "v", n, columns, h, dv))
    return m.Reshape(m.Transpose(y, perm=[0, 2, 1, 3]), np.array([0, 0, -1])) if back else y


for mask in (None, (2, 3, 10, 17), (1, 3, 10, 17), (2, 1, 1, 17), (10, 17), (17,), (2, 1, 10, 1), ()):
    for rows, columns in ((10, 17), (70, 300)):
        @case(f"heads {rows}x{columns} mask {mask}", mask=mask, rows=rows, columns=columns)
        def as_exporters_write_it(m, mask, rows, columns):
            if mask:
                mask = tuple({10: rows, 17: columns}.get(size, size) for size in mask)
            return attention(m, mask=mask, rows=rows, columns=columns, back=columns == 17)


@case()
def mask_seen_turned(m):
    return attention(m, mask=m.Transpose(m.input("mask", 17, 2, 10, 1), perm=[1, 3, 2, 0]))


@case()
def one_matrix(m):
    q, k, v = m.input("q", 40, 16), m.input("k", 50, 16), m.input("v", 50, 20)
    return m.MatMul(m.Softmax(m.MatMul(q, m.Transpose(k, perm=[1, 0])), axis=-1), v)


@case()
def keys_of_one_head_for_all(m):
    q, k, v = m.input("q", 2, 3, 30, 16), m.input("k", 2, 1, 16, 300), m.input("v", 300, 20)
    return m.MatMul(m.Softmax(m.MatMul(q, k), axis=-1), v)


@case(opset=24, oracle=by_numpy)
def the_standards_operator(m):
    q, k = m.input("q", 2, 3, 5, 8), m.input("k", 2, 3, 7, 8)
    return m.Attention(q, k, m.input("v", 2, 3, 7, 10), is_causal=1)


@pytest.mark.parametrize("isa", _ops.usable_levels())
@pytest.mark.parametrize("name", CASES)
def test_answers_are_onnxruntimes(name, isa):
    CASES.check(name, isa)


def labels(build, **how):
    m = Model(**how)
    session = cinfer.load(m.outputs(build(m)).bytes(), threads=1)
    return [step.label for step in session._plan_for(None).steps], session


def test_memory_does_not_grow_with_the_scores():
    found, session = labels(lambda m: attention(m, n=1, rows=1000, columns=1000, back=False))
    assert found == ["pack_gemm", "attention"] and session.memory() < 1 << 20


def test_without_the_pass_the_chain_gives_the_same(monkeypatch):
    """Rows that are all -inf, or have a NaN or inf, too."""
    m = Model()
    data, feeds = m.outputs(attention(m, mask=(2, 3, 10, 17))).bytes(), m.feeds()
    mask = feeds["mask"]
    mask[0, 0, 0], mask[0, 0, 1, 3], mask[0, 1, 2, 4], mask[1, 2, 5, :16] = -np.inf, np.nan, np.inf, -np.inf
    mask[1, 1] = -3e38
    feeds["v"][1, 3, 2, 4] = np.inf
    fused = cinfer.load(data).run(None, feeds)[0]
    monkeypatch.setenv("CINFER_PASSES", "-fuse_attention")
    np.testing.assert_allclose(fused, cinfer.load(data).run(None, feeds)[0], rtol=1e-5, atol=1e-6)


sizes = st.integers(1, 40)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_any_sizes(data):
    n, h, rows, columns, d, dv = (data.draw(s) for s in (st.integers(1, 2), st.integers(1, 3), *[sizes] * 4))
    lead = [data.draw(st.sampled_from((1, size))) for size in (n, h, rows, columns)]
    mask = data.draw(st.sampled_from((None, *(tuple(lead[i:]) for i in range(5)))))
    m = Model()
    m.outputs(attention(m, n, h, rows, columns, d, dv, mask))
    bytes_, feeds = m.bytes(), m.feeds()
    hold(bytes_, feeds, expected(bytes_, feeds), f"{n, h, rows, columns, d, dv, mask}",
         data.draw(st.sampled_from(_ops.usable_levels())))


def test_free_sizes():
    m = Model()
    q, k, v = (m.input(name, *shape, declared=free) for name, shape, free in (
        ("q", (2, 3, 5, 8), ("n", 3, "l", 8)), ("k", (2, 3, 8, 9), ("n", 3, 8, "s")),
        ("v", (2, 3, 9, 4), ("n", 3, "s", 4))))
    data = m.outputs(m.MatMul(m.Softmax(m.MatMul(q, k), axis=-1), v)).bytes()
    session = cinfer.load(data, threads=1)
    for n, rows, columns in [(2, 5, 9), (1, 20, 30), (2, 300, 290), (1, 1, 400), (3, 21, 31), (2, 280, 333),
                             (1, 7, 0), (2, 0, 5)]:
        feeds = m.feeds(q=(n, 3, rows, 8), k=(n, 3, 8, columns), v=(n, 3, columns, 4))
        want = by_numpy(data, feeds)[0]
        got = session.run(None, feeds)[0]
        assert got.shape == want.shape
        np.testing.assert_allclose(got, want, atol=3e-6)

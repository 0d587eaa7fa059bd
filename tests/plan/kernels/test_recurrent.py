"""RNN, GRU, LSTM against their equations in float64, one sample after the other."""
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import cinfer
from cinfer import _ops
from cinfer.plan.kernels import recurrent

from onnx_models import Model, assert_close
from plan_cases import hold

GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
FUNCTIONS = {
    "Sigmoid": lambda x, a, b: 1 / (1 + np.exp(-x)), "Tanh": lambda x, a, b: np.tanh(x),
    "Relu": lambda x, a, b: x.clip(0), "Softsign": lambda x, a, b: x / (1 + abs(x)),
    "Softplus": lambda x, a, b: np.log1p(np.exp(x)), "LeakyRelu": lambda x, a, b: np.where(x < 0, a * x, x),
    "ThresholdedRelu": lambda x, a, b: np.where(x > a, x, 0),
    "Elu": lambda x, a, b: np.where(x < 0, a * np.expm1(x), x),
    "HardSigmoid": lambda x, a, b: (a * x + b).clip(0, 1), "Affine": lambda x, a, b: a * x + b}
DEFAULTS = {"RNN": ["Tanh"], "GRU": ["Sigmoid", "Tanh"], "LSTM": ["Sigmoid", "Tanh", "Tanh"]}
WITH_ALPHA, WITH_BETA = ("LeakyRelu", "ThresholdedRelu", "Elu", "HardSigmoid", "Affine"), ("HardSigmoid", "Affine")


def direction_of(kind, x, w, r, b, lens, h, c, p, functions, back, clip, how):
    """y, h, c of one direction; x (batch, steps, input), states (batch, hidden)"""
    batch, steps, _ = x.shape
    n = r.shape[1]
    wb, rb = b.reshape(2, -1, n)
    f, *more = [lambda v, g=g: g(v.clip(-clip, clip)) for g in functions]
    y, h, c = np.zeros((batch, steps, n)), h.copy(), c.copy()
    for s in range(batch):
        order = range(lens[s])
        for t in reversed(order) if back else order:
            xs, hs = (w @ x[s, t]).reshape(-1, n) + wb, (r @ h[s]).reshape(-1, n) + rb
            if kind == "RNN":
                h[s] = f(xs[0] + hs[0])
            elif kind == "GRU":
                z, reset = f(xs[0] + hs[0]), f(xs[1] + hs[1])
                held = reset * hs[2] if how.get("linear_before_reset") else r[2 * n:] @ (reset * h[s]) + rb[2]
                h[s] = (1 - z) * more[0](xs[2] + held) + z * h[s]
            else:
                i = f(xs[0] + hs[0] + p[0] * c[s])
                forget = 1 - i if how.get("input_forget") else f(xs[2] + hs[2] + p[2] * c[s])
                c[s] = forget * c[s] + i * more[0](xs[3] + hs[3])
                h[s] = f(xs[1] + hs[1] + p[1] * c[s]) * more[1](c[s])
            y[s, t] = h[s]
    return y, h, c


def expected(kind, x, w, r, b, lens, h, c, p, functions, backwards, clip, how):
    """y, last h, last c as the operator gives them with layout 1"""
    count, k = len(backwards), len(DEFAULTS[kind])
    each = [direction_of(kind, x, w[d], r[d], b[d], lens, h[:, d], c[:, d], p[d].reshape(3, -1),
                         functions[k * d:k * d + k], backwards[d], clip, how) for d in range(count)]
    y, h, c = zip(*each)
    return np.stack(y, 2), np.stack(h, 1), np.stack(c, 1)


@st.composite
def cases(draw):
    kind = draw(st.sampled_from(sorted(GATES)))
    flag = st.sampled_from([0, 1])
    case = dict(
        kind=kind, steps=draw(st.integers(1, 5)), batch=draw(st.sampled_from([1, 1, 2, 3, 7])),
        size=draw(st.sampled_from([1, 3, 16, 20])), hidden=draw(st.sampled_from([1, 3, 8, 15, 16, 17, 33, 50])),
        direction=draw(st.sampled_from(["forward", "reverse", "bidirectional"])),
        activations=draw(st.none() | st.lists(st.sampled_from(sorted(FUNCTIONS.keys() - {"Affine"})), min_size=6,
                                              max_size=6)),
        given=[name for name in ("b", "lens", "h", "c", "p") if draw(st.booleans())],
        absent=draw(st.sampled_from([(), (), (0,), (1,), (0, 1)])), how=dict(layout=draw(flag)))
    if draw(st.booleans()):
        case["how"]["clip"] = 0.7
    if kind == "GRU":
        case["how"]["linear_before_reset"] = draw(flag)
    if kind == "LSTM":
        case["how"]["input_forget"] = draw(flag)
    return case


def prepared(kind, steps, batch, size, hidden, direction="forward", activations=None, given=(), absent=(), how=None):
    """(model, feeds, expected outputs)"""
    m, how = Model(opset=14, seed=steps + hidden), dict(how or {})
    count, g = 1 + (direction == "bidirectional"), GATES[kind] * hidden
    x = m.input("x", steps, batch, size) if not how.get("layout") else m.input("x", batch, steps, size)
    w, r, b = m.weights(count, g, size), m.weights(count, g, hidden), m.vector(count, 2 * g)
    p = m.vector(count, 3 * hidden)
    lens = m.rng.integers(0, steps + 1, batch).astype(np.int32)
    states = [("h", "first_h"), ("c", "first_c")][:1 + (kind == "LSTM")]
    shape = (batch, count, hidden) if how.get("layout") else (count, batch, hidden)
    inputs = [x, w, r, b if "b" in given else None, lens if "lens" in given else None,
              *(m.input(name, *shape) if what in given else None for what, name in states)]
    if kind == "LSTM" and "p" in given:
        inputs.append(p)
    names, numbers = DEFAULTS[kind] * count, {}
    if activations is not None:
        names = activations[:len(DEFAULTS[kind]) * count]
        alphas, betas = [[v for name in names if name in those] for those, v in
                         ((WITH_ALPHA, 0.3), (WITH_BETA, 0.6))]
        numbers = {k: v for k, v in dict(activations=names, activation_alpha=alphas, activation_beta=betas).items()
                   if v}
    outputs = [f"y{i}" for i in range(len(states) + 1)]
    node = m._helper.make_node(
        kind, [i if isinstance(i, str) else "" if i is None else m.constant(i) for i in inputs],
        ["" if i in absent else name for i, name in enumerate(outputs)], direction=direction, hidden_size=hidden,
        **numbers, **how)
    m._nodes.append(node)
    kept = [name for i, name in enumerate(outputs) if i not in absent]
    if not kept:
        kept = outputs[:1]
        node.output[0] = kept[0]
    data, feeds = m.outputs(*kept).bytes(), m.feeds()

    def by_batch(value):
        return np.asarray(value, float) if how.get("layout") else np.swapaxes(value, 0, 1).astype(float)
    zero = np.zeros((batch, count, hidden))
    functions = [lambda v, f=FUNCTIONS[name]: f(v, 0.3, 0.6) for name in names]
    want = expected(kind, by_batch(feeds["x"]), *(v.astype(float) for v in (w, r)),
                    b.astype(float) if "b" in given else np.zeros_like(b, float),
                    lens if "lens" in given else [steps] * batch,
                    *(by_batch(feeds[name]) if name in feeds else zero for name in ("first_h", "first_c")),
                    p.astype(float) if "p" in given else np.zeros_like(p, float), functions,
                    {"forward": [False], "reverse": [True], "bidirectional": [False, True]}[direction],
                    how.get("clip", np.inf), how)
    if not how.get("layout"):
        want = want[0].transpose(1, 2, 0, 3), *(v.swapaxes(0, 1) for v in want[1:])
    return data, feeds, [want[outputs.index(name)].astype(np.float32) for name in kept]


def labels(data, feeds=None, **keywords) -> list[str]:
    session = cinfer.load(data, threads=1, **keywords)
    return [step.label for step in session._plan_for(feeds and {k: v.shape for k, v in feeds.items()}).steps]


# Of an output: states that functions without bounds make grow lose digits, then all; and so do numbers that are all
# near 0, as differences of numbers near 1
LEAST, MOST = 1e-2, 1e3


@pytest.mark.parametrize("isa", _ops.usable_levels())
@settings(max_examples=30, deadline=None)
@given(cases())
def test_follows_the_equations(isa, case):
    data, feeds, want = prepared(**case)
    assert "numpy" not in labels(data, isa=isa), case
    assume(all(LEAST < np.abs(w).max() < MOST for w in want if w.any()))
    hold(data, feeds, want, str(case), isa)


@pytest.mark.parametrize("isa", _ops.usable_levels())
@pytest.mark.parametrize("kind", GATES)
def test_many_samples(kind, isa):
    """More than a tile takes, also in each half of two threads."""
    data, feeds, want = prepared(kind, 3, recurrent.MOST_ROWS * 2 + 3, 5, 20, given=("b", "h", "c", "lens"))
    hold(data, feeds, want, kind, isa)


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("hidden", [2048, 2100])
def test_long_sums_of_one_sign(hidden, batch):
    """Up to PRODUCT_WHOLE terms at once, and more (_ops/sums.h)."""
    m = Model(opset=14)
    y = m.RNN(m.input("x", 1, batch, 1), np.zeros((1, hidden, 1), np.float32),
              np.full((1, hidden, hidden), 0.1, np.float32), None, None,
              np.full((1, batch, hidden), 0.1, np.float32), hidden_size=hidden, activations=["Relu"])
    got, = cinfer.load(m.outputs(y).bytes(), threads=1).run(None, m.feeds())
    assert np.abs(got / (hidden * 0.01) - 1).max() <= 2e-5


@pytest.mark.parametrize("kind", GATES)
def test_steps_in_pieces_are_the_same(kind, monkeypatch):
    data, feeds, _ = prepared(kind, 7, 3, 5, 19, "bidirectional", given=("b", "h", "c", "lens"))
    whole = cinfer.load(data, threads=1).run(None, feeds)
    monkeypatch.setattr(recurrent, "MOST_PRODUCTS", 2 * 3 * GATES[kind] * 19 * 19)
    assert labels(data).count("recurrent") == 4
    for a, b in zip(whole, cinfer.load(data, threads=2).run(None, feeds)):
        assert a.tobytes() == b.tobytes()


@pytest.mark.parametrize("kind", GATES)
def test_free_sizes(kind):
    m, g = Model(opset=14), GATES[kind] * 20
    x = m.input("x", 4, 2, 12, declared=["t", "n", 12])
    y, h = m.node(kind, x, m.weights(2, g, 12), m.weights(2, g, 20), m.vector(2, 2 * g), n=2, hidden_size=20,
                  direction="bidirectional")
    data = m.outputs(m.Relu(m.Transpose(y, perm=[0, 2, 1, 3])), h).bytes()
    session = cinfer.load(data, threads=2)
    for shape in [(4, 2, 12), (5, 2, 12), (1, 1, 12), (6, 3, 12), (7, 3, 12), (8, 70, 12), (9, 3, 12), (2, 1, 12)]:
        feeds = m.feeds(x=shape)
        for a, b in zip(session.run(None, feeds), cinfer.load(data, threads=1).run(None, feeds)):
            assert a.tobytes() == b.tobytes(), shape


@pytest.mark.parametrize("kind", GATES)
def test_the_rest_is_numpys(kind):
    g = GATES[kind] * 6

    def planned(dtype=np.float32, lens=None, r=None, **attributes):
        m = Model(opset=14)
        operands = [v.astype(dtype) for v in (m.weights(1, g, 4), m.weights(1, g, 6), m.vector(1, 2 * g))]
        if r:
            operands[1] = m.input("r", 1, g, 6)
        if isinstance(lens, str):
            lens = m.input("lens", 3, dtype=np.int32)
        y = m.node(kind, m.input("x", 5, 3, 4, dtype=dtype), *operands, lens, hidden_size=6, **attributes)
        return labels(m.outputs(y, dtype=dtype).bytes())
    assert "numpy" not in planned() and "numpy" not in planned(lens=np.array([5, 0, 3], np.int32))
    assert "numpy" in planned(np.float64)
    assert "numpy" in planned(lens="fed")
    assert "numpy" in planned(lens=np.array([5, 0, 6], np.int32))
    assert "numpy" in planned(r=True)
    assert "numpy" in planned(activations=["Affine", "Tanh", "Tanh"][:len(DEFAULTS[kind])],
                              activation_alpha=[0.5], activation_beta=[0.1])

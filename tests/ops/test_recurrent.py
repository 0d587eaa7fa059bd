"""RNN, GRU, LSTM: single steps written out from the equations, symmetries, and onnxruntime."""
import numpy as np
import pytest
from one_node import agrees_with_onnxruntime, refuses, run


rng = np.random.default_rng(8)
STEPS, BATCH, INPUT, HIDDEN = 5, 3, 4, 6
GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
OUTPUTS = {"RNN": 2, "GRU": 2, "LSTM": 3}


def operands(kind, directions, dtype=np.float32):
    """x, w, r, b, sequence_lens, initial_h (, initial_c, p)"""
    g = GATES[kind] * HIDDEN
    draw = lambda *shape: rng.uniform(-0.8, 0.8, shape).astype(dtype)
    x, w, r = draw(STEPS, BATCH, INPUT), draw(directions, g, INPUT), draw(directions, g, HIDDEN)
    b = draw(directions, 2 * g)
    states = [draw(directions, BATCH, HIDDEN) for _ in range(OUTPUTS[kind] - 1)]
    peephole = [draw(directions, 3 * HIDDEN)] if kind == "LSTM" else []
    return [x, w, r, b, np.array([5, 2, 4], np.int32), *states, *peephole]


# onnxruntime does not clip what goes into the LSTM's last activation, the standard says "the input of
# activations"
CASES = [(kind, {}) for kind in GATES] + [("RNN", {"clip": 0.5}), ("GRU", {"clip": 0.5}),
                                          ("GRU", {"linear_before_reset": 1}), ("LSTM", {"input_forget": 1})]


@pytest.mark.parametrize("lens", [False, True])
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize("kind, options", CASES)
def test_as_onnxruntime(kind, options, direction, lens):
    inputs = operands(kind, 2 if direction == "bidirectional" else 1)
    if not lens:
        inputs[4] = None
    # five steps of float32 sums; its sigmoid and tanh are approximations
    agrees_with_onnxruntime(kind, *inputs, opset=14, n_outputs=OUTPUTS[kind], direction=direction,
                            hidden_size=HIDDEN, atol=3e-6, **options)


def test_clip_bounds_the_input_of_every_activation():
    x, w, r, b, _, h, c, _ = operands("LSTM", 1, np.float64)
    gates = np.clip(x[0] @ w[0].T + h[0] @ r[0].T + b[0, :4 * HIDDEN] + b[0, 4 * HIDDEN:], -0.3, 0.3)
    i, o, f, g = (gates[:, k * HIDDEN:(k + 1) * HIDDEN] for k in range(4))
    cell = sigmoid(f) * c[0] + sigmoid(i) * np.tanh(g)
    _, last_h, last_c = run("LSTM", x[:1], w, r, b, None, h, c, n_outputs=3, clip=0.3)
    np.testing.assert_allclose(last_c[0], cell)
    np.testing.assert_allclose(last_h[0], sigmoid(o) * np.tanh(cell.clip(-0.3, 0.3)))


@pytest.mark.parametrize("kind", GATES)
def test_layout_1_has_the_batch_first(kind):
    inputs = operands(kind, 2)
    swapped = [v.swapaxes(0, 1) if i in (0, 5) or (i == 6 and kind == "LSTM") else v for i,
               v in enumerate(inputs)]
    keywords = dict(opset=14, n_outputs=OUTPUTS[kind], direction="bidirectional")
    y, *states = run(kind, *inputs, **keywords)
    y1, *states1 = run(kind, *swapped, layout=1, **keywords)
    np.testing.assert_array_equal(y1, y.transpose(2, 0, 1, 3))
    for a, b in zip(states1, states):
        np.testing.assert_array_equal(a, b.swapaxes(0, 1))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_one_step_of_lstm_is_the_equations():
    x, w, r, b, _, h, c, p = operands("LSTM", 1, np.float64)
    gates = x[0] @ w[0].T + h[0] @ r[0].T + b[0, :4 * HIDDEN] + b[0, 4 * HIDDEN:]
    i, o, f, g = (gates[:, k * HIDDEN:(k + 1) * HIDDEN] for k in range(4))
    pi, po, pf = p[0].reshape(3, HIDDEN)
    cell = sigmoid(f + pf * c[0]) * c[0] + sigmoid(i + pi * c[0]) * np.tanh(g)
    y, last_h, last_c = run("LSTM", x[:1], w, r, b, None, h, c, p, n_outputs=3)
    np.testing.assert_allclose(last_c[0], cell)
    np.testing.assert_allclose(last_h[0], sigmoid(o + po * cell) * np.tanh(cell))
    np.testing.assert_array_equal(y[0], last_h)


@pytest.mark.parametrize("name, alphas, betas, function", [
    ("Relu", [], [], lambda x: np.maximum(x, 0)),
    ("Affine", [2.0], [0.5], lambda x: 2 * x + 0.5),
    ("LeakyRelu", [], [], lambda x: np.where(x < 0, 0.01 * x, x)),
    ("ScaledTanh", [1.5], [0.3], lambda x: 1.5 * np.tanh(0.3 * x)),
    ("HardSigmoid", [], [], lambda x: np.clip(0.2 * x + 0.5, 0, 1)),
    ("Elu", [0.7], [], lambda x: np.where(x < 0, 0.7 * (np.exp(x) - 1), x)),
    ("ThresholdedRelu", [0.1], [], lambda x: np.where(x > 0.1, x, 0)),
    ("Softsign", [], [], lambda x: x / (1 + abs(x))),
    ("Softplus", [], [], lambda x: np.log1p(np.exp(x))),
    ("sigmoid", [], [], sigmoid)])
def test_activations(name, alphas, betas, function):
    x, w, r, *_ = operands("RNN", 1, np.float64)
    y = run("RNN", x[:1], w, r, activations=[name], activation_alpha=alphas, activation_beta=betas)
    np.testing.assert_allclose(y[0, 0], function(x[0] @ w[0].T))


def test_float16_is_computed_in_float32():
    inputs = operands("GRU", 1)
    exact = run("GRU", *inputs)
    y = run("GRU", *(v.astype(np.float16) if v.dtype == np.float32 else v for v in inputs))
    assert y.dtype == np.float16
    np.testing.assert_allclose(y, exact, atol=6e-3)           # inputs of 11 bits


@pytest.mark.parametrize("kind", GATES)
def test_refuses(kind):
    x, w, r, b, lens, h, *_ = operands(kind, 1)
    for name, bad in (("w", [x, w[..., :-1], r]), ("r", [x, w, np.concatenate((r, r), 1)]),
                      ("b", [x, w, r, b[:, :-1]]), ("sequence_lens", [x, w, r, b, lens[:2]]),
                      ("the initial state", [x, w, r, b, lens, h[..., 1:]])):
        refuses(f"{name} has shape", kind, *bad)
    refuses("axes", kind, x[0], w, r)
    refuses("direction 'FORWARD'", kind, x, w, r, direction="FORWARD")
    refuses("layout 2", kind, x, w, r, layout=2)
    refuses("hidden_size 7", kind, x, w, r, hidden_size=7)
    refuses("'Banana'", kind, x, w, r, activations=["Banana"] * {"RNN": 1, "GRU": 2, "LSTM": 3}[kind])
    refuses("has shape", kind, x, w, r, direction="bidirectional")
    with pytest.raises(ValueError, match="allowed is 0 to 5"):
        run(kind, x, w, r, b, np.array([1, 6, 0], np.int32))
    if kind != "RNN":
        refuses("1 activations", kind, x, w, r, activations=["Tanh"])

"""RNN, GRU and LSTM: all directions, layouts and activations.

Weights are stacked by gate: w (directions, gates * hidden, input), r (directions, gates * hidden, hidden),
b (directions, 2 * gates * hidden), the gates in the order i o f c (LSTM), z r h (GRU).
https://onnx.ai/onnx/operators/onnx__LSTM.html
"""
from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .limits import check_size
from .numeric import matmul
from .registry import op


def sigmoid(x):
    return 0.5 * np.tanh(0.5 * x) + 0.5


# name -> (function, default alpha, default beta); None: it takes none
ACTIVATIONS: dict[str, tuple[Callable, float | None, float | None]] = {
    "relu": (lambda x, a, b: np.maximum(x, 0), None, None),
    "tanh": (lambda x, a, b: np.tanh(x), None, None),
    "sigmoid": (lambda x, a, b: sigmoid(x), None, None),
    "softsign": (lambda x, a, b: x / (1 + abs(x)), None, None),
    "softplus": (lambda x, a, b: np.logaddexp(x, 0), None, None),
    "leakyrelu": (lambda x, a, b: np.where(x < 0, a * x, x), 0.01, None),
    "thresholdedrelu": (lambda x, a, b: np.where(x > a, x, 0), 1.0, None),
    "elu": (lambda x, a, b: np.where(x < 0, a * np.expm1(np.minimum(x, 0)), x), 1.0, None),
    "affine": (lambda x, a, b: a * x + b, 1.0, 0.0),
    "scaledtanh": (lambda x, a, b: a * np.tanh(b * x), 1.0, 1.0),
    "hardsigmoid": (lambda x, a, b: (a * x + b).clip(0, 1), 0.2, 0.5),
}


def activation_functions(names, alphas, betas, clip: float | None) -> list[Callable]:
    """The functions by name; those that take an alpha or beta use the next one given."""
    alphas, betas = iter(alphas or ()), iter(betas or ())
    functions = []
    for name in names:
        if name.lower() not in ACTIVATIONS:
            raise ValueError(f"activation {name!r}; it has to be {', '.join(ACTIVATIONS)}")
        function, alpha, beta = ACTIVATIONS[name.lower()]
        alpha = alpha if alpha is None else next(alphas, alpha)
        beta = beta if beta is None else next(betas, beta)
        functions.append(bind(function, alpha, beta, clip))
    return functions


def bind(function: Callable, alpha, beta, clip: float | None) -> Callable:
    if clip is None:
        return lambda x: function(x, alpha, beta)
    return lambda x: function(x.clip(-clip, clip), alpha, beta)


def rnn_step(x, state, r, rb, act, options):
    return (act[0](x + rb + matmul(state[0], r.T)),)


def gru_step(x, state, r, rb, act, options):
    h, = state
    n = h.shape[1]
    zr = act[0](x[:, :2 * n] + rb[:2 * n] + matmul(h, r[:2 * n].T))
    z, reset = zr[:, :n], zr[:, n:]
    if options["linear_before_reset"]:
        candidate = act[1](x[:, 2 * n:] + reset * (matmul(h, r[2 * n:].T) + rb[2 * n:]))
    else:
        candidate = act[1](x[:, 2 * n:] + matmul(reset * h, r[2 * n:].T) + rb[2 * n:])
    return ((1 - z) * candidate + z * h,)


def lstm_step(x, state, r, rb, act, options):
    h, c = state
    return lstm_cell(x + rb + matmul(h, r.T), c, act, options)


def lstm_cell(gates, c, act, options):
    """(the new h, the new c) by what comes in at the gates and the old c."""
    i, o, f, g = np.split(gates, 4, axis=1)
    pi, po, pf = options["peephole"]
    i = act[0](i + pi * c)
    f = 1 - i if options["input_forget"] else act[0](f + pf * c)
    c = f * c + i * act[1](g)
    return act[0](o + po * c) * act[2](c), c


DIRECTIONS = {"forward": (False,), "reverse": (True,), "bidirectional": (False, True)}
KINDS = {"RNN": (rnn_step, 1, ("Tanh",)), "GRU": (gru_step, 3, ("Sigmoid", "Tanh")),
         "LSTM": (lstm_step, 4, ("Sigmoid", "Tanh", "Tanh"))}


def check_shapes(kind: str, x, w, r, b, sequence_lens, states, p, direction: str, hidden_size, layout: int,
                 activations):
    """(steps, batch, hidden size, directions), if all shapes fit each other."""
    gates, functions = KINDS[kind][1], len(KINDS[kind][2])
    if direction not in DIRECTIONS or layout not in (0, 1):
        raise ValueError(f"direction {direction!r}, layout {layout}; they have to be of "
                         f"{', '.join(DIRECTIONS)} and of 0, 1")
    if x.ndim != 3 or w.ndim != 3 or r.ndim != 3:
        raise ValueError(f"x, w, r of {x.ndim}, {w.ndim}, {r.ndim} axes; they have 3")
    count, hidden = len(DIRECTIONS[direction]), r.shape[2]
    steps, batch = x.shape[:2] if layout == 0 else x.shape[1::-1]
    if hidden < 1 or hidden_size not in (None, hidden):
        raise ValueError(f"hidden_size {hidden_size}; r says {hidden}")
    state = (count, batch, hidden) if layout == 0 else (batch, count, hidden)
    for what, value, shape in (("w", w, (count, gates * hidden, x.shape[2])),
                               ("r", r, (count, gates * hidden, hidden)),
                               ("b", b, (count, 2 * gates * hidden)),
                               ("sequence_lens", sequence_lens, (batch,)),
                               ("p", p, (count, 3 * hidden)),
                               *(("the initial state", s, state) for s in states)):
        if value is not None and tuple(value.shape) != shape:
            raise ValueError(f"{what} has shape {list(value.shape)}; it has to be {list(shape)}")
    if activations is not None and len(activations) != functions * count:
        raise ValueError(f"{len(activations)} activations; {kind} {direction} takes {functions * count}")
    activation_functions(activations or (), None, None, None)
    return steps, batch, hidden, count


def infer_recurrent(kind: str, x, w, r, b, sequence_lens, states, p=None, *, direction, hidden_size, layout,
                    activations, **rest):
    steps, batch, hidden, count = check_shapes(kind, x, w, r, b, sequence_lens, states, p, direction,
                                               hidden_size, layout, activations)
    y = x.like(check_size((steps, count, batch, hidden) if layout == 0 else (batch, steps, count, hidden),
                          x.dtype.itemsize))
    last = x.like((count, batch, hidden) if layout == 0 else (batch, count, hidden))
    return (y,) + (last,) * len(states)


def evaluate_recurrent(kind: str, x, w, r, b, sequence_lens, states, p=None, *, activation_alpha,
                       activation_beta, activations, clip, direction, hidden_size, layout, **options):
    """(y, the last state ...): the outputs of the operator."""
    steps, batch, hidden, count = check_shapes(kind, x, w, r, b, sequence_lens, states, p, direction,
                                               hidden_size, layout, activations)
    if sequence_lens is not None and ((sequence_lens < 0) | (sequence_lens > steps)).any():
        raise ValueError(f"sequence_lens {sequence_lens.tolist()}; allowed is 0 to {steps}")
    step, gates, names = KINDS[kind]
    functions = activation_functions(activations or names * count, activation_alpha, activation_beta, clip)
    work = np.result_type(x.dtype, np.float32)
    x_steps = (x if layout == 0 else x.transpose(1, 0, 2)).astype(work, copy=False)
    ys, lasts = [], []
    for d, backwards in enumerate(DIRECTIONS[direction]):
        wb, rb = np.zeros((2, gates * hidden), work) if b is None else b[d].astype(work).reshape(2, -1)
        options["peephole"] = np.zeros(3, work) if p is None else p[d].astype(work).reshape(3, hidden)
        start = [np.zeros((batch, hidden), work) if s is None
                 else (s[d] if layout == 0 else s[:, d]).astype(work) for s in states]
        inputs = matmul(x_steps, w[d].astype(work, copy=False).T) + wb
        recurrence = r[d].astype(work, copy=False)
        act = functions[d * len(names):(d + 1) * len(names)]
        y, last = run_steps(lambda xt, s: step(xt, s, recurrence, rb, act, options), inputs,
                            tuple(start), sequence_lens, backwards)
        ys.append(y)
        lasts.append(last)
    y = np.stack(ys, 1) if layout == 0 else np.stack(ys, 2).transpose(1, 0, 2, 3)
    finals = [np.stack(s, 0 if layout == 0 else 1) for s in zip(*lasts)]
    return tuple(v.astype(x.dtype, copy=False) for v in (y, *finals))


def run_steps(step: Callable, inputs: np.ndarray, state: tuple, sequence_lens, backwards: bool):
    """(outputs (steps, batch, hidden), last state). Beyond a sample's length its state stays and its output
    is 0."""
    steps, batch = inputs.shape[:2]
    lens = np.full(batch, steps) if sequence_lens is None else sequence_lens
    t, sample = np.arange(steps)[:, None], np.arange(batch)
    order = np.where(t < lens, lens - 1 - t, t)           # each sample backwards within its length
    if backwards:
        inputs = inputs[order, sample]
    y = np.zeros((steps, batch, state[0].shape[1]), inputs.dtype)
    for i in range(steps):
        new = step(inputs[i], state)
        if sequence_lens is not None:
            alive = (i < lens)[:, None]
            new = tuple(np.where(alive, a, b) for a, b in zip(new, state))
            y[i] = np.where(alive, new[0], 0)
        else:
            y[i] = new[0]
        state = new
    return (y[order, sample] if backwards else y), state


@op("RNN", since=1)
class RNN:
    """https://onnx.ai/onnx/operators/onnx__RNN.html"""
    def infer(x, w, r, b=None, sequence_lens=None, initial_h=None, *, activation_alpha=None,
              activation_beta=None, activations=None, clip=None, direction="forward", hidden_size=None,
              layout=0, output_sequence=0):
        return infer_recurrent("RNN", x, w, r, b, sequence_lens, (initial_h,), direction=direction,
                               hidden_size=hidden_size, layout=layout,
                               activations=rnn_activations(activations, direction))

    def evaluate(x, w, r, b=None, sequence_lens=None, initial_h=None, *, activation_alpha: list[float] = None,
                 activation_beta: list[float] = None, activations: list[str] = None, clip: float = None,
                 direction="forward", hidden_size: int = None, layout=0, output_sequence=0):
        return evaluate_recurrent("RNN", x, w, r, b, sequence_lens, (initial_h,),
                                  activation_alpha=activation_alpha, activation_beta=activation_beta,
                                  activations=rnn_activations(activations, direction), clip=clip,
                                  direction=direction, hidden_size=hidden_size, layout=layout)


def rnn_activations(activations, direction: str):
    """Files carry the default written out, Tanh and Tanh, also for one direction."""
    return activations[:1] if activations and direction != "bidirectional" else activations


@op("GRU", since=1)
class GRU:
    """https://onnx.ai/onnx/operators/onnx__GRU.html"""
    def infer(x, w, r, b=None, sequence_lens=None, initial_h=None, *, activation_alpha=None,
              activation_beta=None, activations=None, clip=None, direction="forward", hidden_size=None,
              layout=0, linear_before_reset=0, output_sequence=0):
        return infer_recurrent("GRU", x, w, r, b, sequence_lens, (initial_h,), direction=direction,
                               hidden_size=hidden_size, layout=layout, activations=activations)

    def evaluate(x, w, r, b=None, sequence_lens=None, initial_h=None, *, activation_alpha: list[float] = None,
                 activation_beta: list[float] = None, activations: list[str] = None, clip: float = None,
                 direction="forward", hidden_size: int = None, layout=0, linear_before_reset=0,
                 output_sequence=0):
        return evaluate_recurrent("GRU", x, w, r, b, sequence_lens, (initial_h,),
                                  activation_alpha=activation_alpha, activation_beta=activation_beta,
                                  activations=activations, clip=clip, direction=direction,
                                  hidden_size=hidden_size, layout=layout,
                                  linear_before_reset=linear_before_reset)


@op("LSTM", since=1)
class LSTM:
    """https://onnx.ai/onnx/operators/onnx__LSTM.html"""
    def infer(x, w, r, b=None, sequence_lens=None, initial_h=None, initial_c=None, p=None, *,
              activation_alpha=None, activation_beta=None, activations=None, clip=None, direction="forward",
              hidden_size=None, input_forget=0, layout=0, output_sequence=0):
        return infer_recurrent("LSTM", x, w, r, b, sequence_lens, (initial_h, initial_c), p,
                               direction=direction, hidden_size=hidden_size, layout=layout,
                               activations=activations)

    def evaluate(x, w, r, b=None, sequence_lens=None, initial_h=None, initial_c=None, p=None, *,
                 activation_alpha: list[float] = None, activation_beta: list[float] = None,
                 activations: list[str] = None, clip: float = None, direction="forward",
                 hidden_size: int = None, input_forget=0, layout=0, output_sequence=0):
        return evaluate_recurrent("LSTM", x, w, r, b, sequence_lens, (initial_h, initial_c), p,
                                  activation_alpha=activation_alpha, activation_beta=activation_beta,
                                  activations=activations, clip=clip, direction=direction,
                                  hidden_size=hidden_size, layout=layout, input_forget=input_forget)

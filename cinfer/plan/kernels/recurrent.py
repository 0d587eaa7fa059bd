"""RNN, GRU, LSTM -> the products of all inputs at once, then `recurrent`, a job for each direction."""
from __future__ import annotations

from math import inf, prod

import numpy as np

from ...ops.families import OWN_DOMAIN
from ...ops.recurrent import ACTIVATIONS, DIRECTIONS, KINDS, rnn_activations
from ..candidate import CONTIGUOUS, Candidate, kernel
from ..store import channel_vector
from ..tiles import MOST_PRODUCTS
from ..views import F32, Ref
from .matmul import FEW_ROWS, packed_product, rows_layout, rows_of, transposed_order, vector_product

RNN, GRU, GRU_BEFORE, LSTM = range(4)           # as in recurrent.h
MOST_ROWS = 64                                  # samples of a tile: what it keeps beside them stays in L2
# an activation of the standard -> the kernels' function, and its two numbers by alpha and beta
FUNCTIONS = {"relu": ("clip", lambda a, b: (0.0, inf)), "leakyrelu": ("leaky_relu", lambda a, b: (a, 0.0)),
             "thresholdedrelu": ("thresholded_relu", lambda a, b: (a, 0.0)), "elu": ("elu", lambda a, b: (a, 0.0)),
             "hardsigmoid": ("hard_sigmoid", lambda a, b: (a, b)),
             **{name: (name, lambda a, b: (0.0, 0.0)) for name in ("tanh", "sigmoid", "softsign", "softplus")}}


class Recurrent:
    """What a node says, beside sizes. functions : (name, alpha, beta) of all activations, direction by direction"""
    __slots__ = ("node", "kind", "gates", "hidden", "functions", "names")

    def __init__(self, node, kind: int, gates: int, hidden: int, functions: list):
        self.node, self.kind, self.gates, self.hidden, self.functions = node, kind, gates, hidden, functions
        self.names = dict(zip(("x", "w", "r", "b", "lens", "h0", "c0", "p"), [*node.inputs, *8 * [""]]))

    @property
    def directions(self):
        return DIRECTIONS[self.node.attributes.get("direction", "forward")]

    @property
    def by_batch(self) -> bool:
        """Are samples the outermost axis, before steps?"""
        return self.node.attributes.get("layout", 0) == 1

    @property
    def together(self) -> int:
        """Gates whose R is multiplied at once; GRU's candidate waits for the others."""
        return 2 if self.kind == GRU else self.gates

    def sizes(self, values) -> tuple:
        """(steps, batch). values : Values or Emitter"""
        shape = values.shape(self.names["x"])
        return shape[1::-1] if self.by_batch else shape[:2]


def functions_of(node) -> list | None:
    """The activations with their numbers; None where kernels do not have one of them."""
    get, (_, _, defaults) = node.attributes.get, KINDS[kind_of(node)]
    direction = get("direction", "forward")
    names = get("activations")
    if node.op_type == "RNN":
        names = rnn_activations(names, direction)
    alphas, betas = iter(get("activation_alpha") or ()), iter(get("activation_beta") or ())
    found = []
    for name in names or defaults * len(DIRECTIONS[direction]):
        _, alpha, beta = ACTIVATIONS[name.lower()]
        alpha = alpha if alpha is None else next(alphas, alpha)
        beta = beta if beta is None else next(betas, beta)
        if name.lower() not in FUNCTIONS:
            return None
        op, numbers = FUNCTIONS[name.lower()]
        found.append((op, *map(float, numbers(alpha, beta))))
    return found


def kind_of(node) -> str:
    return node.op_type.removeprefix("DynamicState")


@kernel("DynamicStateLSTM", domain=OWN_DOMAIN, attributes="activation_alpha activation_beta activations clip direction "
        "hidden_size input_forget")
@kernel("RNN", "GRU", "LSTM", attributes="activation_alpha activation_beta activations clip direction hidden_size "
        "input_forget layout linear_before_reset output_sequence")
def recurrent(group, values):
    node = group.node
    functions, r = functions_of(node), values.constant(node.inputs[2])
    if functions is None or r is None:
        return ()
    kind = {"RNN": RNN, "GRU": GRU_BEFORE if node.attributes.get("linear_before_reset", 0) else GRU,
            "LSTM": LSTM}[kind_of(node)]
    a = Recurrent(node, kind, KINDS[kind_of(node)][1], r.shape[2], functions)
    names, (steps, batch) = a.names, a.sizes(values)
    x, lens = values.fact(names["x"]), values.constant(names["lens"])
    if prod(x.shape) == 0 or names["lens"] and not (
            lens is not None and lens.dtype == np.int32 and lens.min() >= 0 and lens.max() <= steps):
        return ()
    if any(values.fact(name).dtype != F32 for what, name in names.items() if name and what != "lens") \
            or any(values.constant(names[what]) is None for what in "wbp" if names[what]):
        return ()
    layout = rows_layout(values, names["x"], steps * batch, x.shape[2])
    reads = [(names["x"], layout), *((names[what], CONTIGUOUS) for what in ("lens", "h0", "c0") if names[what])]
    order = transposed_order(values, node.outputs[0]) if node.outputs[0] else None
    return (Candidate(lambda out: emit(out, a), tuple(reads), order=order),)


def input_products(out, a: Recurrent, m: int, n: int):
    """W x with all biases that are added before anything else, for all steps, samples, directions: [m][n]"""
    names, k = a.names, out.shape(a.names["x"])[2]
    w, y = out.constant(names["w"]), out.scratch((m, n))
    rows = rows_of(out, names["x"], m, k)
    bias = None
    if names["b"]:
        b = out.constant(names["b"])
        bias = out.store.once(("recurrent bias", names["b"], a.kind), b, lambda: channel_vector(joined(b, a)))
    if m <= FEW_ROWS:
        vector_product(out, w, names["w"], (k, 1), exact=True, x=rows.ref(), ldx=rows.strides[0], y=y.ref(), ldy=n,
                       m=m, n=n, k=k, scale=1.0, bias=bias)
    else:
        packed_product(out, w, names["w"], (k, 1), rows, y.ref(), n, scale=1.0, bias=bias)
    return y


def joined(b: np.ndarray, a: Recurrent) -> np.ndarray:
    """Of both biases of each gate the sum; but not of a candidate that is reset first."""
    wb, rb = np.split(b.astype(np.float32), 2, axis=1)
    if a.kind == GRU_BEFORE:
        rb = rb.copy()
        rb[:, 2 * a.hidden:] = 0
    return wb + rb


def packed_state(out, a: Recurrent, first: int, gates: int) -> tuple[Ref, int]:
    """(R of some of the gates as times_packed reads it, bytes of a direction)"""
    r, h, count = out.constant(a.names["r"]), a.hidden, len(a.directions)
    packed = out.store.packed("pack_gemm", a.names["r"], r, first * h * h, batch0=count, batch1=1, k=h, n=gates * h,
                              sk=1, sn=h, w0=a.gates * h * h)
    return packed, packed.buffer.bytes // count


def at(ref: Ref | None, count: int) -> Ref | None:
    return ref and Ref(ref.buffer, ref.offset + count)


def operands(out, a: Recurrent) -> list[dict]:
    """What the job of each direction reads and writes, beside x: R, P, the states and the outputs."""
    names, h, count = a.names, a.hidden, len(a.directions)
    _, batch = a.sizes(out)
    r, r_bytes = packed_state(out, a, 0, a.together)
    r2, r2_bytes = packed_state(out, a, 2, 1) if a.kind == GRU else (None, 0)
    p = out.store.array(names["p"], out.constant(names["p"])).ref() if names["p"] else None
    rb = None
    if a.kind == GRU_BEFORE and names["b"]:
        rb = out.store.array(names["b"], out.constant(names["b"])).ref(5 * h)
    lens, h0, c0 = (out.contiguous(names[what]).ref() if names[what] else None for what in ("lens", "h0", "c0"))
    y, yh, yc = (out.plain(name) if name else None for name in [*a.node.outputs, "", ""][:3])
    sb, sd = (count * h, h) if a.by_batch else (h, batch * h)
    yt, yd, yb, _ = (0, 0, 0, 0) if y is None else y.strides
    if a.by_batch:
        yt, yd, yb = yd, yb, yt
    return [dict(r=at(r, d * r_bytes), r2=at(r2, d * r2_bytes), rb=at(rb, 24 * h * d), p=at(p, 12 * h * d), lens=lens,
                 h0=at(h0, 4 * sd * d), c0=at(c0, 4 * sd * d), state=out.scratch((2, batch, h)).ref(),
                 y=y and y.ref(yd * d), yh=yh and yh.ref(sd * d), yc=yc and yc.ref(sd * d), sb=sb, yt=yt, yb=yb)
            for d in range(count)]


def activations_of(out, a: Recurrent, d: int) -> dict:
    """f, g, h of a direction, as parameters."""
    found = {}
    for letter, (op, alpha, beta) in zip("fgh", a.functions[d * len(a.functions) // len(a.directions):]):
        found.update({letter: out.table.unary[op], letter + "_alpha": alpha, letter + "_beta": beta})
    return found


def pieces_of(steps: int, work: int) -> list[tuple[int, int]]:
    """The steps of each job, begin and end: a job may be cancelled before the next. work : products of a step"""
    each = max(1, MOST_PRODUCTS // max(1, work))
    return [(i, min(steps, i + each)) for i in range(0, steps, each)]


def emit(out, a: Recurrent) -> None:
    h, get, count, (steps, batch) = a.hidden, a.node.attributes.get, len(a.directions), a.sizes(out)
    n = count * a.gates * h
    x = input_products(out, a, steps * batch, n)
    given = [operands_of | activations_of(out, a, d) for d, operands_of in enumerate(operands(out, a))]
    rounds = a.node.op_type == "DynamicStateLSTM"         # the state, by the range of all samples
    rows, tiles = (batch, 1) if rounds else out.tiles.ask(rows_of_tile, 2, batch, count)
    xt, xb = (n, steps * n) if a.by_batch else (batch * n, n)
    for begin, end in pieces_of(steps, rows * a.gates * h * h):
        for d, backwards in enumerate(a.directions):
            out.step("recurrent", tiles, dict(
                x=x.ref(d * a.gates * h), kind=a.kind, input_forget=get("input_forget", 0), backwards=backwards,
                steps=steps, begin=begin, end=end, batch=batch, hidden=h, rows=rows, xt=xt, xb=xb, round=rounds,
                clip=get("clip", inf), c_clip=inf if rounds else get("clip", inf), **given[d]),
                beside=d + 1 < count, flops=2 * count * (end - begin) * batch * a.gates * h * h)


def rows_of_tile(tiles, batch: int, count: int) -> tuple[int, int]:
    """(samples of a tile, tiles of a direction)"""
    rows = min(MOST_ROWS, -(-batch // -(-tiles.threads // count)))
    return rows, -(-batch // rows)

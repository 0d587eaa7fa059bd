"""Random graphs of the operators of vision models, valid by construction, and what they mean in NumPy.

A `Graph` evaluates each node as it is added, so that a node which the operator refuses never gets in; the
expected outputs are there when the graph is. All choices come from a `random.Random`, which may be
hypothesis's own.
"""
from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from random import Random

import numpy as np

from cinfer.errors import Error
from cinfer.model.graph import Node
from cinfer.ops import registry
from cinfer.ops.registry import TensorSpec

F32 = np.dtype(np.float32)
MOST_ELEMENTS = 12_000
LARGEST = 100.0                     # of floats: larger ones make what follows ill-conditioned
CHANNELS = (1, 2, 3, 4, 8, 15, 16, 17, 24, 32, 33)
# ten nodes, each a few ulps in another order of sums, Winograd's transforms, variances of at least 0.05
TOLERANCE = {"float32": 2e-4, "float64": 2e-4, "float16": 1e-2}
REFUSALS = (Error, ValueError, TypeError, LookupError, ArithmeticError, AttributeError)


@dataclass
class Graph:
    """values : every value by name, evaluated; exact : those whose floats are few-digit binary fractions,
    so that what follows may compare or round them"""
    rng: Random
    opset: int = 17
    values: dict[str, np.ndarray] = field(default_factory=dict)
    exact: set[str] = field(default_factory=set)
    nodes: list[Node] = field(default_factory=list)
    inputs: list[str] = field(default_factory=list)
    constants: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    declared: dict[str, tuple] = field(default_factory=dict)
    tame: bool = True                   # no values that are large, many, or no numbers

    # ---- values

    def array(self, shape, dtype=F32) -> np.ndarray:
        """Random numbers; floats are multiples of 1/4 between -3 and 3."""
        dtype, rng = np.dtype(dtype), np.random.default_rng(self.rng.randrange(1 << 30))
        if dtype.kind == "f":
            return (np.clip(np.round(rng.normal(size=shape) * 4) / 4, -3, 3) + 0.0).astype(dtype)      # no -0.0
        if dtype.kind == "b":
            return rng.random(shape) < 0.5
        return rng.integers(-5 if dtype.kind == "i" else 0, 9, shape).astype(dtype)

    def input(self, *shape, dtype=F32, array=None) -> str:
        name = f"x{len(self.inputs)}"
        self.inputs.append(name)
        return self._enter(name, self.array(shape, dtype) if array is None else array, True)

    def constant(self, array) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(name)
        return self._enter(name, np.array(array, order="C"), True)

    def _enter(self, name, array, exact) -> str:
        self.values[name] = array
        if exact and is_exact(array):
            self.exact.add(name)
        return name

    def weights(self, *shape) -> np.ndarray:
        """Numbers that keep the size of values: a sum runs over all axes but the first."""
        return (self.array(shape) / max(1, prod(shape[1:])) ** 0.5).astype(F32)

    # ---- nodes

    def add(self, op_type: str, *inputs, n: int = 1, domain: str = "", keeps: bool = False, least=1, **attributes):
        """The output's name (a tuple for n > 1); None where the operator refuses, or makes too much of it.

        inputs : names, arrays that become constants, or None
        keeps : exact inputs make exact outputs
        """
        known = len(self.constants)
        names = [i if isinstance(i, str) else "" if i is None else self.constant(i) for i in inputs]
        outputs = [f"v{len(self.nodes)}" + (f"_{k}" if n > 1 else "") for k in range(n)]
        node = Node(op_type, names, outputs, attributes, domain, 1 if domain else self.opset, outputs[0])
        given = [self.values[i] if i else None for i in names]
        try:
            operator = registry.lookup(node)
            if operator.infer is not None:
                registry.infer(operator, node, [None if a is None else TensorSpec.of(a) for a in given])
            results = registry.evaluate(operator, node, given)
            results = [np.asarray(r) for r in results][:n]
            fine = len(results) == n and all(self._fits(r) for r in results)
        except REFUSALS:
            fine = False
        if not fine:
            for name in self.constants[known:]:
                del self.values[name]
            del self.constants[known:]
            return None
        self.nodes.append(node)
        keeps = keeps and all(i in self.exact for i in names if i)
        for name, result in zip(outputs, results):
            self._enter(name, result, keeps or result.dtype.kind != "f")
        return outputs[0] if n == 1 else tuple(outputs)

    def _fits(self, array) -> bool:
        if not self.tame:
            return True
        finite = array.dtype.kind != "f" or (np.isfinite(array).all() and np.abs(array).max(initial=0) <= LARGEST)
        return array.size <= MOST_ELEMENTS and array.ndim <= 8 and bool(finite)

    def pick(self, fits=lambda a: True, exact: bool = False) -> str | None:
        """A value that no constant is, later ones rather than early ones; None where there is none."""
        names = [n for n, a in self.values.items() if n[0] != "c" and fits(a) and (not exact or n in self.exact)]
        if not names:
            return None
        return names[-1 - min(int(self.rng.expovariate(0.5)), len(names) - 1)]

    # ---- what comes of it

    def used(self) -> set[str]:
        return {name for node in self.nodes for name in node.inputs}

    def finish(self, some: float = 0.1) -> Graph:
        """Outputs: all that nobody reads, and `some` of the rest."""
        used = self.used()
        self.outputs = [n for node in self.nodes for n in node.outputs if n not in used or self.rng.random() < some]
        return self

    def expected(self) -> list[np.ndarray]:
        return [self.values[name] for name in self.outputs]

    def feeds(self) -> dict[str, np.ndarray]:
        return {name: self.values[name] for name in self.inputs}

    def bytes(self) -> bytes:
        from onnx import AttributeProto, helper, numpy_helper

        def info(name, shape):
            kind = helper.np_dtype_to_tensor_dtype(self.values[name].dtype)
            return helper.make_tensor_value_info(name, kind, shape)
        nodes = []
        for n in self.nodes:
            nodes.append(helper.make_node(n.op_type, n.inputs, n.outputs, domain=n.domain))
            nodes[-1].attribute.extend(helper.make_attribute(k, v, attr_type=AttributeProto.INTS if v == [] else None)
                                       for k, v in n.attributes.items())
        graph = helper.make_graph(nodes, "g", [info(n, self.declared.get(n, self.values[n].shape)) for n in self.inputs],
                                  [info(n, None) for n in self.outputs],
                                  [numpy_helper.from_array(self.values[n], n) for n in self.constants])
        opsets = [helper.make_opsetid("", self.opset)]
        opsets += [helper.make_opsetid(d, 1) for d in {n.domain for n in self.nodes} - {""}]
        return helper.make_model(graph, ir_version=8, opset_imports=opsets).SerializeToString()

    def assert_expected(self, got: list[np.ndarray], where: str) -> None:
        """These outputs are those expected: floats within TOLERANCE of the largest, all else exactly."""
        for name, y in zip(self.outputs, got, strict=True):
            want = self.values[name]
            kinds = (y.dtype, y.shape), (want.dtype, want.shape)
            assert kinds[0] == kinds[1], f"{where}: {name} is {kinds[0]}, not {kinds[1]}\n{self}"
            if want.dtype.kind != "f":
                assert np.array_equal(y, want), f"{where}: {name} differs\n{self}"
            elif want.size:
                with np.errstate(all="ignore"):
                    off = np.abs(y.astype(np.float64) - want)
                off = np.where((y == want) | np.isnan(y) & np.isnan(want), 0, np.where(np.isnan(off), np.inf, off))
                scale = max(float(np.abs(want[np.isfinite(want)]).max(initial=0)), 0.5)
                most = TOLERANCE[want.dtype.name] * scale
                assert off.max() <= most, (f"{where}: {name} off by {off.max():.2g} of {scale:.2g} in "
                                           f"{(off > most).sum()} of {off.size}\n{self}")

    def __str__(self) -> str:
        """The graph as text, for messages."""
        lines = [f"opset {self.opset}"]
        lines += [f"{n}: {self.values[n].dtype}{list(self.declared.get(n, self.values[n].shape))}" for n in self.inputs]
        for node in self.nodes:
            inputs = [f"{i}={np.asarray(self.values[i]).tolist()}" if i in self.constants and self.values[i].size <= 8
                      else f"{i}{list(self.values[i].shape)}" if i in self.constants else i for i in node.inputs]
            attributes = "".join(f", {k}={v!r}" for k, v in node.attributes.items())
            made = ", ".join(f"{n}{list(self.values[n].shape)}" for n in node.outputs)
            lines.append(f"{made} = {node.op_type}({', '.join(inputs)}{attributes})")
        return "\n".join([*lines, f"-> {', '.join(self.outputs)}"])

    def reduced(self, outputs: list[str]) -> Graph:
        """What these outputs need, and nothing else."""
        wanted, kept = set(outputs), []
        for node in reversed(self.nodes):
            if not wanted.isdisjoint(node.outputs):
                kept.append(node)
                wanted.update(node.inputs)
        return Graph(self.rng, self.opset, self.values, self.exact, kept[::-1],
                     [n for n in self.inputs if n in wanted], [n for n in self.constants if n in wanted],
                     outputs, self.declared, self.tame)


def is_exact(array: np.ndarray) -> bool:
    return array.dtype.kind != "f" or bool((array * 64 == np.round(array * 64)).all()
                                           and np.abs(array).max(initial=0) <= 512)


# ---- one node at a time: each takes the graph and may add nothing

ADDERS: list = []


def adder(weight: float = 1):
    def register(function):
        ADDERS.append((function, weight))
        return function
    return register


def floats(array) -> bool:
    return array.dtype == F32


def picture(array) -> bool:
    return array.dtype == F32 and array.ndim in (3, 4) and array.size > 0


def pictures(array) -> bool:
    return array.dtype == F32 and array.ndim in (3, 4, 5) and array.size > 0


def window(rng: Random, rank: int, most: int = 4, *, pool=False) -> dict:
    """kernel_shape, strides, dilations and pads or auto_pad, some of them left out; a pool's pads are smaller
    than its window."""
    def numbers(least, most):
        return [rng.randint(least, most) for _ in range(rank)]
    kernel = numbers(1, most) if rng.random() < 0.6 else [rng.choice((1, 2, 3, 3, 5))] * rank
    found = dict(kernel_shape=kernel)
    how = rng.random()
    if how < 0.2:                                   # windows side by side
        found["strides"] = list(kernel)
    elif how < 0.7:
        found["strides"] = numbers(1, 3) if rng.random() < 0.5 else [rng.choice((1, 2, 2, 3))] * rank
    if rng.random() < 0.25:
        found["dilations"] = numbers(1, 3)
    how = rng.random()
    if how < 0.25:
        found["auto_pad"] = rng.choice(("SAME_UPPER", "SAME_LOWER", "VALID"))
    elif how < 0.9:
        beyond = rng.choice((0, 0, 0, 1, 4, 9)) if not pool else 0
        limits = [k - 1 + beyond for k in kernel] * 2
        found["pads"] = [rng.randint(0, limit) for limit in limits] if rng.random() < 0.7 else \
            [k // 2 for k in kernel] * 2
    return found


def crop(rng: Random, sizes, attributes: dict) -> None:
    """Pads that leave few elements of a ConvTranspose."""
    rank = len(sizes)
    of = [attributes.get(k, [1] * rank) for k in ("kernel_shape", "strides", "dilations")]
    full = [(n - 1) * s + (k - 1) * d + 1 for n, k, s, d in zip(sizes, *of)]
    cut = [max(0, n - rng.choice((1, 1, 2, 3, n))) for n in full]
    begins = [rng.randint(0, n) for n in cut]
    attributes["pads"] = [*begins, *(n - b for n, b in zip(cut, begins))]
    for name in ("auto_pad", "output_shape"):
        attributes.pop(name, None)


@adder(5)
def conv(g: Graph):
    x = g.pick(pictures)
    if x is None:
        return
    shape = g.values[x].shape
    ic, rank = shape[1], len(shape) - 2
    how = g.rng.random()
    if how < 0.2:
        group, oc = ic, ic * g.rng.choice((1, 1, 1, 2))
    elif how < 0.45:
        group = g.rng.choice([d for d in range(1, ic + 1) if ic % d == 0])
        oc = group * g.rng.choice((1, 2, 3, 8, 16))
    else:
        group, oc = 1, g.rng.choice(CHANNELS)
    attributes = window(g.rng, rank)
    if g.rng.random() < 0.35:                       # 3x3 and 1x1 in whole blocks: the fast paths
        k = g.rng.choice((1, 3))
        attributes = dict(kernel_shape=[k] * rank, pads=[k // 2] * 2 * rank)
    b = [g.array((oc,))] if g.rng.random() < 0.6 else []
    if group > 1:
        attributes["group"] = group
    y = g.add("Conv", x, g.weights(oc, ic // group, *attributes["kernel_shape"]), *b, **attributes)
    if y and g.rng.random() < 0.5:
        activation(g, y)


@adder(2)
def conv_transpose(g: Graph):
    x = g.pick(pictures)
    if x is None:
        return
    shape, rng = g.values[x].shape, g.rng
    ic, rank = shape[1], len(shape) - 2
    group = 1 if rng.random() < 0.7 else rng.choice([d for d in range(1, ic + 1) if ic % d == 0])
    oc = group * rng.choice((1, 2, 3, 8, 16, 17)) if group > 1 else rng.choice(CHANNELS)
    attributes = window(rng, rank)
    strides = attributes.get("strides", [1] * rank)
    if rng.random() < 0.3:
        attributes["output_padding"] = [rng.randint(0, max(0, s - 1)) for s in strides]
    if rng.random() < 0.2:
        attributes["output_shape"] = [max(1, d * s + rng.randint(-2, 2)) for d, s in zip(shape[2:], strides)]
    if group > 1:
        attributes["group"] = group
    if rng.random() < 0.3:
        crop(rng, shape[2:], attributes)
    w = (g.array((ic, oc // group, *attributes["kernel_shape"])) / max(1, ic // group) ** 0.5).astype(F32)
    y = g.add("ConvTranspose", x, w, *([g.array((oc,))] if rng.random() < 0.5 else []), **attributes)
    if y and rng.random() < 0.5:
        activation(g, y)


@adder(3)
def pool(g: Graph):
    x = g.pick(pictures)
    if x is None:
        return
    rng, rank = g.rng, g.values[x].ndim - 2
    op = rng.choice(("MaxPool", "MaxPool", "AveragePool", "AveragePool", "LpPool", "GlobalAveragePool",
                     "GlobalMaxPool", "GlobalLpPool"))
    if op.startswith("Global"):
        return g.add(op, x, keeps=op == "GlobalMaxPool")
    attributes = window(rng, rank, pool=True)
    if op == "LpPool":
        attributes.pop("dilations", None)
        attributes["p"] = rng.choice((1, 2, 3))
    if op == "AveragePool":
        attributes["count_include_pad"] = rng.randint(0, 1)
        if g.opset < 19:
            attributes.pop("dilations", None)
    if rng.random() < 0.4:
        attributes["ceil_mode"] = 1
    if op == "MaxPool" and x in g.exact and rng.random() < 0.15:
        return g.add(op, x, n=2, keeps=True, storage_order=rng.randint(0, 1), **attributes)
    g.add(op, x, keeps=op == "MaxPool", **attributes)


@adder(1)
def resize(g: Graph):
    x = g.pick(picture)
    if x is None:
        return
    rng, a = g.rng, g.values[x]
    mode = rng.choice(("nearest", "linear", "linear", "cubic"))
    # sums of scales and of halves must not land on borders by chance of rounding
    scales = [1, 1] + [rng.choice((1, 2, 2, 3, 0.5, 1.5, 4)) for _ in a.shape[2:]]
    g.add("Resize", x, None, np.array(scales, F32), mode=mode, keeps=False,
          coordinate_transformation_mode=rng.choice(("half_pixel", "asymmetric", "align_corners",
                                                     "pytorch_half_pixel")),
          **(dict(nearest_mode=rng.choice(("floor", "ceil", "round_prefer_floor", "round_prefer_ceil")))
             if mode == "nearest" else {}))


@adder(1)
def depth_space(g: Graph):
    r = g.rng.choice((2, 2, 3))
    if g.rng.random() < 0.5:
        x = g.pick(lambda a: picture(a) and a.ndim == 4 and a.shape[1] % r ** 2 == 0)
        if x:
            g.add("DepthToSpace", x, blocksize=r, mode=g.rng.choice(("DCR", "CRD")), keeps=True)
    else:
        x = g.pick(lambda a: picture(a) and a.ndim == 4 and a.shape[2] % r == a.shape[3] % r == 0)
        if x:
            g.add("SpaceToDepth", x, blocksize=r, keeps=True)


@adder(2)
def pad(g: Graph):
    x = g.pick(lambda a: a.size > 0 and a.ndim > 0 and a.dtype.kind in "fiu")
    if x is None:
        return
    a, rng = g.values[x], g.rng
    mode = rng.choice(("constant", "constant", "reflect", "edge"))
    spatial_only = rng.random() < 0.7 and a.ndim > 2
    least = -1 if rng.random() < 0.15 else 0
    pads = [0 if spatial_only and i % a.ndim < 2 or rng.random() < 0.4 else rng.randint(least, 3)
            for i in range(2 * a.ndim)]
    value = [np.array(rng.choice((0, 0, 1)), a.dtype)] if mode == "constant" and rng.random() < 0.6 else []
    y = g.add("Pad", x, np.array(pads, np.int64), *value, mode=mode, keeps=True)
    if y and picture(g.values[y]) and rng.random() < 0.5:
        oc = rng.choice(CHANNELS)
        rank, ic = a.ndim - 2, g.values[y].shape[1]
        k = [rng.randint(1, 3) for _ in range(rank)]
        op = rng.choice(("Conv", "MaxPool", "AveragePool"))
        if op == "Conv":
            g.add("Conv", y, g.weights(oc, ic, *k), kernel_shape=k, pads=[rng.randint(0, 1) for _ in k * 2])
        else:
            g.add(op, y, kernel_shape=k, pads=[rng.randint(0, n - 1) for n in k * 2])


SMOOTH = ("Sigmoid", "Tanh", "Softplus", "Softsign", "Erf", "Sin", "Cos", "HardSwish", "Exp", "LeakyRelu", "Elu",
          "Celu", "Selu", "HardSigmoid", "Mish", "Gelu", "Swish")
KEEP = ("Relu", "Relu", "Relu", "Abs", "Neg", "Identity")
STEPS = ("Floor", "Ceil", "Round", "Sign", "ThresholdedRelu")
POSITIVE = ("Sqrt", "Log", "Reciprocal")


def activation(g: Graph, x: str):
    rng = g.rng
    how = rng.random()
    if how < 0.5:
        return g.add("Relu", x, keeps=True)
    if how < 0.6:
        return g.add("Clip", x, np.float32(rng.choice((-1, 0))), np.float32(rng.choice((1, 6))), keeps=True)
    if how < 0.7:
        shape = g.values[x].shape
        slope = rng.choice(((1,), (shape[1],) + (1,) * (len(shape) - 2) if len(shape) > 1 else (1,), shape))
        return g.add("PRelu", x, g.array(slope) / 4)
    if how < 0.8:
        s = g.add("Sigmoid", x)
        return s and g.add("Mul", *((x, s) if rng.random() < 0.5 else (s, x)))
    unary(g, x)


@adder(3)
def unary(g: Graph, x: str | None = None):
    rng = g.rng
    how = rng.random()
    if how < 0.2 and (y := x if x in g.exact else g.pick(floats, exact=True)):
        op = rng.choice(STEPS)
        return g.add(op, y, keeps=True, **({"alpha": 0.5} if op == "ThresholdedRelu" else {}))
    if how < 0.3 and (y := g.pick(lambda a: floats(a) and a.min(initial=1) >= 0.2)):
        return g.add(rng.choice(POSITIVE), y)
    x = x or g.pick(floats)
    if x is None:
        return
    if how < 0.6:
        return g.add(rng.choice(KEEP), x, keeps=True)
    op = rng.choice(SMOOTH)
    if op in ("Mish",) and g.opset < 18 or op == "Gelu" and g.opset < 20 or op == "Swish" and g.opset < 24:
        op = "Tanh"
    attributes = {}
    if op in ("LeakyRelu", "Elu", "Celu") and rng.random() < 0.5:
        attributes["alpha"] = rng.choice((0.25, 1.5))
    if op == "HardSigmoid" and rng.random() < 0.5:
        attributes = dict(alpha=0.125, beta=0.75)
    g.add(op, x, **attributes)


def other_shape(rng: Random, shape) -> list[int]:
    """A shape that broadcasts to `shape`."""
    kept = [1 if rng.random() < 0.35 else d for d in shape]
    if rng.random() < 0.4:
        kept = kept[rng.randint(0, len(kept)):]
    return kept


@adder(5)
def binary(g: Graph):
    rng = g.rng
    x = g.pick(floats)
    if x is None:
        return
    a = g.values[x]
    how = rng.random()
    if how < 0.3:
        b = g.array(other_shape(rng, a.shape))
    elif how < 0.4:
        b = g.input(*other_shape(rng, a.shape))
    elif how < 0.5:
        b = g.input(*([rng.randint(1, 3) for _ in range(rng.randint(0, 2))] + list(other_shape(rng, a.shape))))
    elif how < 0.8:
        b = g.pick(lambda v: floats(v) and v.shape == a.shape)
    else:
        def broadcasts(v):
            try:
                np.broadcast_shapes(v.shape, a.shape)
            except ValueError:
                return False
            return floats(v)
        b = g.pick(broadcasts)
    op = rng.choice(("Add", "Add", "Add", "Sub", "Mul", "Mul", "Div", "Max", "Min", "PRelu", "Sum"))
    divisor = g.values[b] if isinstance(b, str) else b
    if op == "Div" and (np.abs(divisor) < 0.2).any():
        op = "Add"
    pair = (x, b) if rng.random() < 0.6 or op in ("Div", "PRelu") else (b, x)
    y = g.add(op, *pair, keeps=op != "Div")
    if y and rng.random() < 0.3:
        activation(g, y)


@adder(1)
def several(g: Graph):
    x = g.pick(floats)
    if x is None:
        return
    more = [g.pick(lambda v: floats(v) and v.shape == g.values[x].shape) for _ in range(g.rng.randint(0, 3))]
    g.add(g.rng.choice(("Sum", "Max", "Min", "Mean")), x, *more)


@adder(1)
def choose(g: Graph):
    rng = g.rng
    x = g.pick(lambda a: a.dtype.kind in "fi" and a.ndim < 7, exact=True)
    if x is None:
        return
    a = g.values[x]
    b = g.array(other_shape(rng, a.shape), a.dtype) if rng.random() < 0.7 else \
        g.pick(lambda v: v.dtype == a.dtype and v.shape == a.shape, exact=True)
    mask = g.add(rng.choice(("Greater", "Less", "Equal", "GreaterOrEqual", "LessOrEqual")), x, b)
    if mask is None:
        return
    if rng.random() < 0.3:
        mask = g.add("Not", mask)
    if rng.random() < 0.3:
        mask = g.add(rng.choice(("And", "Or", "Xor")), mask, g.array(other_shape(rng, a.shape), bool)) or mask
    other = g.pick(lambda v: v.dtype == a.dtype and v.shape == a.shape)
    g.add("Where", mask, x, other if rng.random() < 0.6 else g.array(other_shape(rng, a.shape), a.dtype),
          keeps=True)


@adder(1)
def cast(g: Graph):
    from onnx import helper
    kind = np.dtype(g.rng.choice(("float32", "float32", "float64", "float16", "int64", "int32", "int8", "uint8", "bool")))
    x = g.pick(lambda a: (a >= 0).all() if kind.kind == "u" and a.dtype.kind in "fi" else True, exact=True)
    if x:
        g.add("Cast", x, to=int(helper.np_dtype_to_tensor_dtype(kind)), keeps=True)


@adder(3)
def transpose(g: Graph):
    x = g.pick(lambda a: a.ndim > 1)
    if x is None:
        return
    rank = g.values[x].ndim
    if rank == 4 and g.rng.random() < 0.4:
        perm = g.rng.choice(([0, 2, 3, 1], [0, 3, 1, 2]))
    else:
        perm = g.rng.sample(range(rank), rank)
    g.add("Transpose", x, perm=list(perm), keeps=True)


@adder(1)
def turned(g: Graph):
    """A Transpose of many axes, an operator, and what it may take in."""
    x = g.pick(lambda a: a.ndim > 3)
    if x is None:
        return
    rank = g.values[x].ndim
    perm = list(range(rank))[::-1] if g.rng.random() < 0.5 else g.rng.sample(range(rank), rank)
    y = g.add("Transpose", x, perm=perm, keeps=True)
    if y is None or not floats(g.values[y]):
        return
    g.rng.choice((unary, binary, normalize, reduce, matrix, choose, cast, pad))(g)
    z = list(g.values)[-1]
    if floats(g.values[z]) and g.values[z].ndim > 1 and z[0] == "v":
        activation(g, z)


@adder(3)
def reshape(g: Graph):
    rng = g.rng
    x = g.pick(lambda a: a.size > 0)
    if x is None:
        return
    shape = g.values[x].shape
    how = rng.random()
    if how < 0.2:
        return g.add("Flatten", x, axis=rng.randint(0, len(shape)), keeps=True)
    if how < 0.35:
        axes = sorted(rng.sample(range(len(shape) + 1), 1))
        return g.add("Unsqueeze", x, np.array(axes), keeps=True)
    if how < 0.45:
        ones = [i for i, d in enumerate(shape) if d == 1]
        if ones:
            return g.add("Squeeze", x, np.array(rng.sample(ones, rng.randint(1, len(ones)))), keeps=True)
    if how < 0.7 and len(shape) > 1:                # two neighbours become one
        i = rng.randrange(len(shape) - 1)
        new = [*shape[:i], shape[i] * shape[i + 1], *shape[i + 2:]]
    else:                                           # one becomes two
        if not shape:
            return
        i = rng.randrange(len(shape))
        d = rng.choice([d for d in range(1, shape[i] + 1) if shape[i] % d == 0])
        new = [*shape[:i], d, shape[i] // d, *shape[i + 1:]]
    if new and rng.random() < 0.3:
        new[rng.randrange(len(new))] = -1
    g.add("Reshape", x, np.array(new, np.int64), keeps=True)


@adder(2)
def cut(g: Graph):
    rng = g.rng
    x = g.pick(lambda a: a.ndim > 0 and a.size > 0)
    if x is None:
        return
    shape = g.values[x].shape
    axes = rng.sample(range(len(shape)), rng.randint(1, min(2, len(shape))))
    if len(shape) > 1 and rng.random() < 0.5:
        axes = [1]
    starts, ends, steps = [], [], []
    for axis in axes:
        step = rng.choice((1, 1, 1, 2, 3, -1, -2))
        start, end = rng.randint(-shape[axis], shape[axis]), rng.randint(-shape[axis] - 1, shape[axis] + 1)
        if rng.random() < 0.5:
            start, end = (0, shape[axis] - rng.randint(0, 1)) if step > 0 else (-1, -(1 << 40))
        if shape[axis] > 16 and rng.random() < 0.5:
            start, end, step = 16, shape[axis], 1
        starts.append(start), ends.append(end), steps.append(step)
    axes = [a - len(shape) if rng.random() < 0.3 else a for a in axes]
    y = g.add("Slice", x, *(np.array(v, np.int64) for v in (starts, ends, axes, steps)), keeps=True)
    if y and g.values[y].size == 0 and rng.random() < 0.9:      # few empty values
        g.nodes.pop()
        del g.values[y]
        g.exact.discard(y)


@adder(2)
def split(g: Graph):
    rng = g.rng
    x = g.pick(lambda a: a.ndim > 0 and a.size > 0 and max(a.shape) > 1)
    if x is None:
        return
    shape = g.values[x].shape
    axis = rng.choice([i for i, d in enumerate(shape) if d > 1])
    if len(shape) > 1 and shape[1] > 1 and rng.random() < 0.6:
        axis = 1
    d = shape[axis]
    first = rng.choice([c for c in (1, 2, 16, d // 2, d - 1) if 0 < c < d])
    parts = [first, d - first]
    if rng.random() < 0.3 and d - first > 1:
        parts = [first, 1, d - first - 1]
    g.add("Split", x, np.array(parts), n=len(parts), axis=rng.choice((axis, axis - len(shape))), keeps=True)


@adder(3)
def concat(g: Graph):
    rng = g.rng
    x = g.pick(lambda a: a.ndim > 0)
    if x is None:
        return
    a = g.values[x]
    axis = 1 if a.ndim > 1 and rng.random() < 0.7 else rng.randrange(a.ndim)

    def fits(v):
        return v.dtype == a.dtype and v.ndim == a.ndim and all(i == axis or p == q for i, (p, q) in enumerate(zip(v.shape, a.shape)))
    parts = [x]
    for _ in range(rng.randint(1, 3)):
        how = rng.random()
        if how < 0.15:
            shape = list(a.shape)
            shape[axis] = rng.choice((1, 3, 16))
            parts.append(g.array(shape, a.dtype))
        else:
            parts.append(g.pick(fits))
    rng.shuffle(parts)
    g.add("Concat", *parts, axis=rng.choice((axis, axis - a.ndim)), keeps=True)


@adder(1)
def gather(g: Graph):
    rng = g.rng
    x = g.pick(lambda a: a.ndim > 0 and a.size > 0)
    if x is None:
        return
    shape = g.values[x].shape
    axis = 1 if len(shape) > 1 and rng.random() < 0.5 else rng.randrange(len(shape))
    d = shape[axis]
    if rng.random() < 0.3:
        indices = np.array(rng.randint(-d, d - 1))
    elif rng.random() < 0.3:
        indices = np.array([[rng.randint(-d, d - 1) for _ in range(2)] for _ in range(2)])
    else:
        indices = np.array([rng.randint(-d, d - 1) for _ in range(rng.randint(1, 5))])
    g.add("Gather", x, indices, axis=rng.choice((axis, axis - len(shape))), keeps=True)


@adder(1)
def expand(g: Graph):
    x = g.pick(lambda a: a.ndim < 7)
    if x is None:
        return
    shape = [g.rng.randint(1, 3) if d == 1 else g.rng.choice((1, d)) for d in g.values[x].shape]
    lead = [g.rng.randint(1, 2) for _ in range(g.rng.randint(0, 1))]
    if g.rng.random() < 0.6:
        g.add("Expand", x, np.array(lead + shape, np.int64), keeps=True)
    else:
        g.add("Tile", x, np.array([g.rng.choice((1, 1, 2)) for _ in shape], np.int64), keeps=True)


@adder(2)
def reduce(g: Graph):
    rng = g.rng
    x = g.pick(lambda a: floats(a) and a.ndim > 0 and a.size > 0)
    if x is None:
        return
    rank = g.values[x].ndim
    axes = rng.sample(range(rank), rng.randint(1, rank))
    if rank == 4 and rng.random() < 0.4:
        axes = [2, 3]
    axes = [a - rank if rng.random() < 0.3 else a for a in axes]
    op = rng.choice(("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceL2", "ReduceProd"))
    keepdims = rng.randint(0, 1)
    if op == "ReduceSum" or g.opset >= 18:
        if rng.random() < 0.1:
            return g.add(op, x, keepdims=keepdims, keeps=op in ("ReduceSum", "ReduceMax", "ReduceMin"))
        return g.add(op, x, np.array(axes), keepdims=keepdims, keeps=op in ("ReduceSum", "ReduceMax", "ReduceMin"))
    g.add(op, x, axes=axes, keepdims=keepdims, keeps=op in ("ReduceMax", "ReduceMin"))


@adder(1)
def extreme(g: Graph):
    rng = g.rng
    x = g.pick(lambda a: a.dtype.kind in "fi" and a.ndim > 0 and a.size > 0, exact=True)
    if x is None:
        return
    axis = rng.randrange(-g.values[x].ndim, g.values[x].ndim)
    if rng.random() < 0.5:
        g.add(rng.choice(("ArgMax", "ArgMin")), x, axis=axis, keepdims=rng.randint(0, 1), select_last_index=rng.randint(0, 1))
    else:
        d = g.values[x].shape[axis]
        g.add("TopK", x, np.array([rng.randint(1, d)]), n=2, axis=axis, largest=rng.randint(0, 1), keeps=True)


def spread_rows(a, axes) -> bool:
    """Whether a normalisation over these axes is well-conditioned."""
    return bool(a.size) and a.var(axes).min(initial=1) > 0.05


@adder(2)
def normalize(g: Graph):
    rng = g.rng
    op = rng.choice(("Softmax", "Softmax", "LogSoftmax", "BatchNormalization", "BatchNormalization",
                     "InstanceNormalization", "LayerNormalization", "LRN", "LpNormalization", "GroupNormalization"))
    if op in ("Softmax", "LogSoftmax"):
        x = g.pick(lambda a: floats(a) and a.ndim > 0 and a.size > 0)
        return x and g.add(op, x, axis=rng.randrange(-g.values[x].ndim, g.values[x].ndim))
    if op == "BatchNormalization":
        x = g.pick(lambda a: floats(a) and a.ndim > 1 and a.size > 0)
        if x:
            c = g.values[x].shape[1]
            g.add(op, x, g.array((c,)), g.array((c,)), g.array((c,)), np.abs(g.array((c,))) + 0.5, epsilon=1e-3)
        return
    if op == "LRN":
        x = g.pick(pictures)
        return x and g.add(op, x, size=rng.choice((1, 3, 5)), alpha=0.5, beta=0.75, bias=1.0)
    if op == "LpNormalization":
        x = g.pick(lambda a: floats(a) and a.ndim > 0 and a.size > 0)
        return x and g.add(op, x, axis=-1, p=2) if x and np.abs(g.values[x]).sum(-1).min() > 0.2 else None
    if op == "InstanceNormalization":
        x = g.pick(lambda a: pictures(a) and spread_rows(a, tuple(range(2, a.ndim))))
        if x:
            c = g.values[x].shape[1]
            g.add(op, x, g.array((c,)), g.array((c,)), epsilon=1e-2)
        return
    if op == "GroupNormalization" and g.opset >= 21:
        x = g.pick(pictures)
        if x:
            c = g.values[x].shape[1]
            g.add(op, x, g.array((c,)), g.array((c,)), num_groups=rng.choice([d for d in range(1, c + 1) if c % d == 0]), epsilon=0.5)
        return
    x = g.pick(lambda a: floats(a) and a.ndim > 1 and spread_rows(a, -1))
    if x and g.opset >= 17:
        d = g.values[x].shape[-1]
        g.add("LayerNormalization", x, g.array((d,)), *([g.array((d,))] if rng.random() < 0.5 else []), axis=-1, epsilon=1e-2)


@adder(2)
def matrix(g: Graph):
    rng = g.rng
    x = g.pick(lambda a: floats(a) and a.ndim > 0 and a.size > 0)
    if x is None:
        return
    a = g.values[x]
    k, n = a.shape[-1], rng.choice((1, 2, 5, 16, 17, 33))
    how = rng.random()
    if how < 0.35:
        y = g.add("MatMul", x, g.weights(n, k).T)
    elif how < 0.5:
        lead = other_shape(rng, a.shape[:-2])
        y = g.add("MatMul", x, g.input(*lead, k, n) if rng.random() < 0.5 else g.array((*lead, k, n)) / max(1, k) ** 0.5)
    elif how < 0.6 and a.ndim > 1:
        y = g.add("MatMul", g.array((n, a.shape[-2])) / max(1, a.shape[-2]) ** 0.5, x)
    elif how < 0.75 and a.ndim > 1:
        turned = g.add("Transpose", x, perm=[*range(a.ndim - 2), a.ndim - 1, a.ndim - 2], keeps=True)
        y = turned and g.add("MatMul", *((x, turned) if rng.random() < 0.5 else (turned, x)))
    elif a.ndim == 2:
        ta, tb = rng.randint(0, 1), rng.randint(0, 1)
        m, k = a.shape[::-1] if ta else a.shape
        w = g.weights(n, k) if tb else g.weights(n, k).T
        c = [] if rng.random() < 0.3 else [g.array(rng.choice(((n,), (1, n), (m, n), (m, 1), (), (1,))))]
        y = g.add("Gemm", x, w, *c, transA=ta, transB=tb, alpha=rng.choice((1.0, 0.5)), beta=rng.choice((1.0, 0.25)))
    else:
        y = g.add("MatMul", x, g.weights(n, k).T.copy())
    if y and rng.random() < 0.4:
        y = g.add("Add", y, g.array((g.values[y].shape[-1:]))) or y if g.values[y].ndim else y
    if y and rng.random() < 0.4:
        activation(g, y)


@adder(1)
def quantize(g: Graph):
    rng = g.rng
    x = g.pick(lambda a: floats(a) and a.ndim > 0 and a.size > 0, exact=True)
    if x is None:
        return
    kind = rng.choice((np.uint8, np.int8))
    axis = rng.randrange(g.values[x].ndim)
    shape = () if rng.random() < 0.5 else (g.values[x].shape[axis],)
    scale = np.full(shape, 0.25, F32) * 2.0 ** np.random.default_rng(rng.randrange(99)).integers(-1, 2, shape)
    zero = np.asarray(g.array(shape, kind))
    more = {} if not shape else dict(axis=axis)
    q = g.add("QuantizeLinear", x, scale.astype(F32), zero, **more)
    if q:
        g.add("DequantizeLinear", q, scale.astype(F32), zero, keeps=True, **more)


# ---- patterns that planners know

@adder(1.5)
def residual(g: Graph):
    x = g.pick(lambda a: picture(a) and a.ndim == 4)
    if x is None:
        return
    c = g.values[x].shape[1]
    k = g.rng.choice((1, 3))
    y = g.add("Conv", x, g.weights(c, c, k, k), g.array((c,)), pads=[k // 2] * 4)
    if y and g.rng.random() < 0.4:
        y = activation(g, y) or y
    if y:
        y = g.add("Add", *g.rng.sample((x, y), 2))
    if y and g.rng.random() < 0.6:
        activation(g, y)


@adder(1)
def squeeze_excite(g: Graph):
    x = g.pick(lambda a: picture(a) and a.ndim == 4)
    if x is None:
        return
    c, m = g.values[x].shape[1], g.rng.choice((1, 4, 16))
    y = g.add("GlobalAveragePool", x) if g.rng.random() < 0.6 else g.add("ReduceMean", x, axes=[2, 3], keepdims=1) \
        if g.opset < 18 else g.add("ReduceMean", x, np.array([2, 3]), keepdims=1)
    y = y and g.add("Conv", y, g.weights(m, c, 1, 1), g.array((m,)))
    y = y and g.add("Relu", y)
    y = y and g.add("Conv", y, g.weights(c, m, 1, 1), g.array((c,)))
    y = y and g.add(g.rng.choice(("Sigmoid", "HardSigmoid")), y)
    y = y and g.add("Mul", *g.rng.sample((x, y), 2))


@adder(1)
def shuffle(g: Graph):
    x = g.pick(lambda a: picture(a) and a.ndim == 4 and a.shape[1] > 3)
    if x is None:
        return
    n, c, h, w = g.values[x].shape
    k = g.rng.choice([d for d in range(1, c + 1) if c % d == 0])
    y = g.add("Reshape", x, np.array([n, k, c // k, h, w]), keeps=True)
    y = y and g.add("Transpose", y, perm=[0, 2, 1, 3, 4], keeps=True)
    y and g.add("Reshape", y, np.array([n, c, h, w]), keeps=True)


@adder(1)
def channels_last(g: Graph):
    """Transpose -> Conv -> Transpose back, as converters from other frameworks write."""
    x = g.pick(lambda a: picture(a) and a.ndim == 4)
    if x is None:
        return
    y = g.add("Transpose", x, perm=[0, 3, 1, 2], keeps=True)
    if y and g.values[y].size:
        c = g.values[y].shape[1]
        y = g.add("Conv", y, g.weights(g.rng.choice(CHANNELS), c, 3, 3), pads=[1] * 4)
        y = y and g.add("Relu", y)
        y and g.add("Transpose", y, perm=[0, 2, 3, 1])


def random_graph(rng: Random, opset: int = 17, adders=None, least: int = 2, most: int = 10, shape=None) -> Graph:
    """A graph of some nodes on one picture, or on a tensor of any rank."""
    g = Graph(rng, opset)
    functions, weights = zip(*(adders or ADDERS))
    if shape is None:
        how = rng.random()
        if how < 0.75:
            rank = rng.choice((1, 2, 2, 2, 2, 3))
            shape = (rng.choice((1, 1, 2)), rng.choice(CHANNELS), *(rng.randint(1, 9) for _ in range(rank)))
        elif how < 0.9:
            shape = tuple(rng.randint(1, 4) for _ in range(rng.randint(1, 8)))
        else:                           # more axes than kernels walk, none of which merge once turned
            shape = tuple(rng.choice((2, 2, 3)) for _ in range(rng.randint(5, 8)))
    g.input(*shape)
    wanted = rng.randint(least, most)
    for _ in range(4 * wanted):
        if len(g.nodes) >= wanted:
            break
        rng.choices(functions, weights)[0](g)
    return g.finish()


# ---- many pictures of one size, in whole blocks of channels and not: what lives in whose memory

def same_picture(g: Graph, channels: int | None = None) -> str | None:
    size = g.values[g.inputs[0]].shape
    return g.pick(lambda a: picture(a) and a.shape[:1] == size[:1] and a.shape[2:] == size[2:]
                  and channels in (None, a.shape[1]))


def same_conv(g: Graph):
    x = same_picture(g)
    c, rank = g.values[x].shape[1], g.values[x].ndim - 2
    k, oc = g.rng.choice((1, 3)), g.rng.choice((16, 16, 32, 48, 8, 3))
    group = g.rng.choice((1, 1, 1, c))
    oc = c if group == c else oc
    y = g.add("Conv", x, g.weights(oc, c // group, *[k] * rank), g.array((oc,)), pads=[k // 2] * 2 * rank, group=group)
    if y and g.rng.random() < 0.3 and (z := same_picture(g, oc)):
        y = g.add("Add", *g.rng.sample((y, z), 2)) or y
    if y and g.rng.random() < 0.4:
        g.add(g.rng.choice(("Relu", "Tanh")), y)


def same_concat(g: Graph):
    parts = [same_picture(g) for _ in range(g.rng.randint(2, 4))]
    g.add("Concat", *parts, axis=g.rng.choice((1, 1, 1, 1 - g.values[parts[0]].ndim)), keeps=True)


def same_split(g: Graph):
    x = same_picture(g)
    c = g.values[x].shape[1]
    cuts = sorted(g.rng.sample([n for n in range(1, c) if n % 16 == 0 or g.rng.random() < 0.05],
                               k=min(g.rng.randint(1, 2), (c - 1) // 16)))
    sizes = [b - a for a, b in zip([0, *cuts], [*cuts, c])]
    if len(sizes) > 1:
        g.add("Split", x, np.array(sizes), n=len(sizes), axis=1, keeps=True)


def same_slice(g: Graph):
    x = same_picture(g)
    c = g.values[x].shape[1]
    first = g.rng.choice((0, 16, 32, 1))
    last = g.rng.choice((c, c, c - 1, first + 16))
    if first < min(last, c):
        g.add("Slice", x, np.array([first]), np.array([last]), np.array([1]), keeps=True)


def same_view(g: Graph):
    x = same_picture(g)
    op = g.rng.choice(("Identity", "Dropout", "Cast", "Transpose", "Gather", "Reshape"))
    shape = g.values[x].shape
    if op == "Transpose":
        y = g.add(op, x, perm=[0, *range(2, len(shape)), 1], keeps=True)
        y and g.add(op, y, perm=[0, len(shape) - 1, *range(1, len(shape) - 1)], keeps=True)
    elif op == "Gather":
        c = shape[1]
        g.add(op, x, np.array(g.rng.choice((range(c), range(c)[::-1], range(0, c, 2), [c - 1, 0]))), axis=1, keeps=True)
    elif op == "Reshape":
        y = g.add(op, x, np.array([shape[0], shape[1], -1]), keeps=True)
        y and g.add(op, y, np.array(shape), keeps=True)
    else:
        g.add(op, x, keeps=True, **(dict(to=1) if op == "Cast" else {}))


def same_pointwise(g: Graph):
    x = same_picture(g)
    c = g.values[x].shape[1]
    how = g.rng.random()
    if how < 0.3:
        g.add(g.rng.choice(("Relu", "Sigmoid", "Neg")), x, keeps=False)
    elif how < 0.6 and (z := same_picture(g, c)):
        g.add(g.rng.choice(("Add", "Mul", "Max", "Sum")), x, z)
    elif how < 0.8:
        gate = g.add("Sigmoid", g.add("GlobalAveragePool", x))
        g.add("Mul", x, gate)
    else:
        rank = g.values[x].ndim - 2
        g.add(g.rng.choice(("MaxPool", "AveragePool")), x, kernel_shape=[3] * rank, pads=[1] * 2 * rank)


SAME = [(same_conv, 4.0), (same_concat, 3.0), (same_split, 2.0), (same_slice, 1.0), (same_view, 1.5), (same_pointwise, 2.0)]


def concatenated_graph(rng: Random, least: int = 5, most: int = 25) -> Graph:
    """Convolutions, Concats, Splits and what lies between them, as DenseNet, C2f and ELAN have."""
    shape = (rng.choice((1, 1, 2)), rng.choice((3, 16, 32, 33)), *rng.choice(((4, 5), (1, 1), (3, 3), (7,), (2, 6))))
    return random_graph(rng, 17, SAME, least, most, shape)


# ---- float16 and quantised models, as exporters write them

def quantized_graph(rng: Random) -> Graph:
    """QuantizeLinear and DequantizeLinear around Convs, MatMuls, pools and Adds. The scales are powers of two and
    all values few-digit fractions, so that nothing lies between two integers by a rounding error."""
    g = Graph(rng, rng.choice((13, 19, 21)))
    kind = rng.choice((np.uint8, np.int8))
    c = rng.choice((1, 3, 16, 17, 32))
    x = g.input(rng.choice((1, 2)), c, rng.randint(1, 6), rng.randint(1, 6))

    def both(x, scale):
        zero = np.array(rng.choice((0, 3)) if rng.random() < 0.8 else 128 if kind is np.uint8 else -5, kind)
        q = g.add("QuantizeLinear", x, F32.type(scale), zero)
        found = q and g.add("DequantizeLinear", q, F32.type(scale), zero, keeps=True)
        if found and rng.random() < 0.2:
            g.add("DequantizeLinear", q, F32.type(scale), zero, keeps=True)
        return found
    for _ in range(rng.randint(1, 5)):
        x = both(x, rng.choice((0.25, 0.5))) or x
        c, how = g.values[x].shape[1], rng.random()
        if how < 0.4:
            oc, k = rng.choice((1, 16, 17)), rng.choice((1, 2))
            w = np.sign(g.array((oc, c, k, k))).astype(np.int8)
            w[rng.randrange(oc):, c // 2:] = 0
            scale = np.full((oc,), 0.25, F32)
            w = g.add("DequantizeLinear", w, scale, np.zeros(oc, np.int8), axis=0, keeps=True)
            y = g.add("Conv", x, w, g.array((oc,)), keeps=True)
        elif how < 0.55:
            y = g.add("MaxPool", x, kernel_shape=[2, 2], pads=[0, 1, 1, 0], keeps=True)
        elif how < 0.7:
            y = g.add("Add", x, g.array((c, 1, 1)), keeps=True)
        elif how < 0.85:
            y = g.add("Concat", x, g.pick(lambda a: floats(a) and a.shape == g.values[x].shape, exact=True), axis=1, keeps=True)
        else:
            y = g.add("MatMul", x, np.sign(g.array((g.values[x].shape[-1], 3))), keeps=True)
        x = y if y and y in g.exact else x
        if rng.random() < 0.4:
            x = g.add(*((("Relu", x)) if rng.random() < 0.5 else ("Clip", x, F32.type(0), F32.type(6))), keeps=True) or x
    both(x, 0.25)
    return g.finish()


def halved(graph: Graph) -> Graph:
    """The same in float16, evaluated again; nodes that refuse it are left out."""
    g = Graph(graph.rng, graph.opset)
    to = {}
    for name in graph.inputs + graph.constants:
        a = graph.values[name]
        a = a.astype(np.float16) if a.dtype == F32 else a
        to[name] = g.input(*a.shape, array=a) if name in graph.inputs else g.constant(a)
    for node in graph.nodes:
        if all(i in to or not i for i in node.inputs):
            if node.op_type == "Cast" and node.attributes["to"] == 1:
                node.attributes["to"] = 10
            inputs = [to[i] if i else None for i in node.inputs]
            made = g.add(node.op_type, *inputs, n=len(node.outputs), domain=node.domain, **node.attributes)
            if made:
                to.update(zip(node.outputs, [made] if isinstance(made, str) else made))
    return g.finish(0)

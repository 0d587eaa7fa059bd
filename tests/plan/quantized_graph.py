"""Quantised graphs that are valid by construction, with the values that onnxruntime gives them.

A `Graph` is built by functions that add nodes (`quantized_nodes.py`, `quantized_patterns.py`); each is a
transaction: where onnxruntime refuses a node, or values become no numbers, all that the function added is taken back.
Values are known while the graph grows, so that scales fit them, or miss them on purpose. They come from the
spelling in the standard's QuantizeLinear, DequantizeLinear and operators on floats (`quantized_oracle.spelled`).

In an *exact* graph all scales are powers of two and so are the factors of what functions choose: sums, products and
maxima of stored numbers are exact in float32, numbers halfway between two steps abound, and every one of them has to
be rounded to even.
"""
from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from random import Random

import ml_dtypes
import numpy as np
from onnx import NodeProto, helper, numpy_helper, printer

from quantized_oracle import Declined, evaluate, spelled

F32, U8, S8, U16, S16, I32 = map(np.dtype, (np.float32, np.uint8, np.int8, np.uint16, np.int16, np.int32))
U4, S4 = np.dtype(ml_dtypes.uint4), np.dtype(ml_dtypes.int4)
MICROSOFT = "com.microsoft"
CHANNELS = (1, 2, 3, 4, 5, 7, 8, 12, 15, 16, 17, 20, 24, 31, 32, 33, 40)
FREE = ("n", "h", "w")


def limits(dtype: np.dtype) -> tuple[int, int]:
    info = (ml_dtypes if dtype in (U4, S4) else np).iinfo(dtype)
    return int(info.min), int(info.max)


def unit(v: np.ndarray) -> float:
    """The power of two of which all numbers are multiples."""
    fractions, exponents = np.frexp(np.abs(v[v != 0].astype(np.float64)))
    whole = (fractions * 2.0 ** 53).astype(np.int64)
    return float(np.ldexp((whole & -whole).astype(np.float64), exponents - 53).min())


@dataclass
class Graph:
    """inputs : name -> sizes, of which those of a free graph are names; fixed : inputs that are always fed the same;
    stored : quantised value -> the names of its scale and zero point; types : of stored values this graph may have;
    free : batch, height and width are free; most : elements of a value; size : of the numbers that come in"""
    rng: Random
    opset: int = 17
    exact: bool = False
    free: bool = False
    types: tuple = (U8,)
    most: int = 6_000
    size: float = 1.0
    values: dict[str, np.ndarray] = field(default_factory=dict)
    nodes: list[NodeProto] = field(default_factory=list)
    pending: list[NodeProto] = field(default_factory=list)
    inputs: dict[str, tuple] = field(default_factory=dict)
    fixed: dict[str, np.ndarray] = field(default_factory=dict)
    constants: dict[str, np.ndarray] = field(default_factory=dict)
    stored: dict[str, tuple[str, str]] = field(default_factory=dict)
    outputs: list[str] = field(default_factory=list)
    declined: list[str] = field(default_factory=list)
    count: int = 0

    # ---- values

    def numbers(self, seed: int | None = None) -> np.random.Generator:
        return np.random.default_rng(self.rng.randrange(1 << 30) if seed is None else seed)

    def fresh(self, letter: str) -> str:
        self.count += 1
        return f"{letter}{self.count}"

    def constant(self, array, letter: str = "c") -> str:
        name = self.fresh(letter)
        self.constants[name] = self.values[name] = np.array(array, order="C")
        return name

    def input(self, *shape, dtype=F32) -> str:
        """shape : with "n", "h", "w" for what is free in a free graph"""
        name = self.fresh("x")
        dtype = np.dtype(dtype)
        self.inputs[name] = shape, dtype
        self.values[name] = self.fed(name, dict(n=1, h=self.rng.randint(3, 9), w=self.rng.randint(3, 9)),
                                     self.rng.randrange(1 << 30))
        return name

    def known_later(self, array: np.ndarray) -> str:
        """An input that is fed what others have as a constant."""
        name = self.fresh("x")
        self.inputs[name] = array.shape, array.dtype
        self.fixed[name] = self.values[name] = array
        return name

    def fed(self, name: str, sizes: dict[str, int], seed: int) -> np.ndarray:
        """What an input is fed, of these sizes."""
        if name in self.fixed:
            return self.fixed[name]
        shape, dtype = self.inputs[name]
        shape, rng = [sizes.get(d, d) for d in shape], np.random.default_rng(seed)
        if dtype == bool:
            return rng.random(shape) < 0.5
        if dtype != F32:
            low, high = limits(dtype)
            return rng.choice([low, high], shape).astype(dtype) if seed % 7 == 0 else \
                rng.integers(low, high + 1, shape).astype(dtype)
        return np.asarray(np.clip(np.round(rng.normal(size=shape) * 32), -96, 96) / 32 * self.size, F32)

    def floats(self, *shape) -> np.ndarray:
        """Constants of few digits, of the size of what comes in."""
        return (np.clip(np.round(self.numbers().normal(size=shape) * 32), -96, 96) / 32 * self.size).astype(F32)

    def value(self, name: str) -> np.ndarray:
        if name not in self.values:
            self.flush()
        return self.values[name]

    def flush(self) -> None:
        """Evaluate what has been added since; Declined where onnxruntime does not."""
        nodes, self.pending = self.pending, []
        if not nodes:
            return
        made = [name for node in nodes for name in node.output if name]
        needed = {name for node in nodes for name in node.input if name} - {*made}
        steps, more = spelled(nodes, self)
        constants = {n: self.constants[n] for n in needed if n in self.constants}
        fed = {n: self.values[n] for n in needed if n not in constants}
        found = evaluate(steps, {**constants, **more}, fed, made, self.opset)
        for name, array in found.items():
            fine = array.dtype.kind != "f" or np.isfinite(array).all() and np.abs(array).max(initial=0) < 1e30
            if not 0 < array.size <= self.most or not fine:
                raise Declined(f"{name}: {list(array.shape)}, or no finite numbers")
        self.values.update(found)

    def pick(self, fits=lambda a: True) -> str:
        """A quantised value, later ones rather than early ones; Declined where none fits."""
        names = [n for n in self.stored if fits(self.value(n))]
        if not names:
            raise Declined("no such value")
        return names[-1 - min(int(self.rng.expovariate(0.7)), len(names) - 1)]

    def picture(self, ranks=(3, 4, 5)) -> str:
        return self.pick(lambda a: a.ndim in ranks and prod(a.shape) > 0)

    def scale(self, name: str) -> np.ndarray:
        return self.values[self.stored[name][0]]

    def zero(self, name: str) -> np.ndarray:
        return self.values[self.stored[name][1]]

    # ---- nodes

    def add(self, op_type: str, *inputs, n: int = 1, domain: str = "", **attributes):
        """The name of the output, or of n > 1 of them. inputs : names, arrays that become constants, or None"""
        names = [i if isinstance(i, str) else "" if i is None else self.constant(i) for i in inputs]
        outputs = [self.fresh("v") for _ in range(n)]
        node = helper.make_node(op_type, names, outputs, domain=domain)
        for key, value in attributes.items():           # one by one: `domain` and `opset` may be attributes too
            node.attribute.append(helper.make_attribute(key, value))
        self.nodes.append(node)
        self.pending.append(node)
        return outputs[0] if n == 1 else tuple(outputs)

    def own(self, op_type: str, *inputs, **keywords):
        return self.add(op_type, *inputs, domain=MICROSOFT, **keywords)

    def attempt(self, function) -> bool:
        """Let a function add nodes; all or nothing."""
        before = [dict(d) for d in (self.values, self.inputs, self.constants, self.stored)], len(self.nodes)
        try:
            function(self)
            self.flush()
        except Declined as reason:
            self.declined.append(f"{function.__name__}: {reason}")
            (self.values, self.inputs, self.constants, self.stored), known = before
            del self.nodes[known:]
            self.pending.clear()
            return False
        return True

    # ---- rounding

    def fitted(self, low: float, high: float, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
        """A scale and a zero point for numbers of this range: fitting, or too small, too large, one-sided."""
        rng, (least, most) = self.rng, limits(dtype)
        low, high = min(low, 0.0), max(high, 0.0)
        symmetric = dtype.kind == "i" and rng.random() < 0.6 or rng.random() < 0.1
        if symmetric:
            high = max(-low, high)
            low = -high
        scale = (high - low) / (most - least) or 2.0 ** -7
        scale *= rng.choice((1, 1, 1, 1, 1, 1, 0.5, 0.1, 3, 40))
        if rng.random() < 0.02:
            scale *= 10.0 ** rng.choice((-4, 4))
        if self.exact:
            scale = 2.0 ** round(np.log2(scale))
        zero = round(least - low / scale) if not symmetric or dtype.kind == "u" else 0
        if symmetric and dtype.kind == "u":
            zero = (least + most + 1) // 2
        if rng.random() < 0.12:
            zero = rng.choice((least, most, least + 1, most - 1))
        return np.array(max(scale, 1e-30), F32), np.array(np.clip(zero, least, most), dtype)

    def halving(self, v: np.ndarray, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray] | None:
        """A scale by which many numbers lie halfway between two steps, and not most of them beyond the ends."""
        least, most = limits(dtype)
        for power in (1, 2, 3, 4):
            scale = unit(v) * 2.0 ** power
            if np.median(np.abs(v)) < 0.4 * (most - least) * scale:
                return np.array(scale, F32), np.array(least if v.min() >= 0 else (least + most + 1) // 2, dtype)
        return None

    def enter(self, name: str, scale, zero) -> str:
        """Say that a value is stored by this scale and zero point, names or arrays."""
        self.stored[name] = tuple(v if isinstance(v, str) else self.constant(v) for v in (scale, zero))
        return name

    def domain(self, *types) -> str:
        """Where QuantizeLinear and DequantizeLinear of these types are, for this opset."""
        standard = self.opset >= 21 or {U8, S8}.issuperset(types)
        return "" if standard and self.rng.random() < 0.9 else MICROSOFT

    def quantize(self, name: str, dtype=None, like: str | None = None) -> str:
        """QuantizeLinear of floats, by scale and zero point of its own or of another stored value."""
        if like is None:
            dtype = dtype or self.rng.choice(self.types)
            v = self.value(name)
            halves = self.halving(v, dtype) if self.exact and v.any() and self.rng.random() < 0.5 else None
            scale, zero = halves or self.fitted(float(v.min(initial=0)), float(v.max(initial=0)), dtype)
            if self.rng.random() < 0.1:
                scale, zero = scale.reshape(1), zero.reshape(1)
            scale = self.known_later(scale) if self.rng.random() < 0.02 else self.constant(scale, "s")
            zero = self.constant(zero, "z")
        else:
            scale, zero = self.stored[like]
            if self.rng.random() < 0.3:                 # the same numbers by other names
                scale, zero = (v if v in self.inputs else self.constant(self.values[v], v[0]) for v in (scale, zero))
        dtype = self.values[zero].dtype
        if self.values[zero].any() or self.rng.random() < 0.6 or dtype != U8 and self.opset < 21:
            y = self.add("QuantizeLinear", name, scale, zero, domain=self.domain(dtype))
        elif dtype == U8:
            y = self.add("QuantizeLinear", name, scale)
        else:
            y = self.add("QuantizeLinear", name, scale, output_dtype=helper.np_dtype_to_tensor_dtype(dtype))
        return self.enter(y, scale, zero)

    def real(self, name: str) -> str:
        """DequantizeLinear of a stored value: one that is there, or one more."""
        if self.rng.random() < 0.5:
            for node in self.nodes:
                if node.op_type == "DequantizeLinear" and node.input[0] == name:
                    return node.output[0]
        scale, zero = self.stored[name]
        zeros = [zero] if self.values[zero].any() or self.rng.random() < 0.7 else []
        return self.add("DequantizeLinear", name, scale, *zeros, domain=self.domain(self.values[zero].dtype))

    # ---- what comes of it

    def finish(self) -> Graph:
        """Outputs: all that nobody reads, stored or as floats, and some of what is between."""
        used = {name for node in self.nodes for name in node.input}
        for name in [n for n in self.stored if n not in used and n not in self.constants]:
            if self.rng.random() < 0.6:
                self.attempt(lambda g, name=name: g.real(name))
        used = {name for node in self.nodes for name in node.input}
        makes = [name for node in self.nodes for name in node.output]
        self.outputs = [n for n in makes if n not in used or self.rng.random() < (0.1 if n in self.stored else 0.02)]
        return self

    def feeds(self) -> dict[str, np.ndarray]:
        return {name: self.values[name] for name in self.inputs}

    def other_feeds(self, seed: int) -> dict[str, np.ndarray]:
        """Other numbers; of a free graph also of other sizes."""
        rng = Random(seed)
        sizes = dict(n=rng.choice((1, 1, 2, 3)), h=rng.randint(3, 12), w=rng.randint(3, 12))
        return {name: self.fed(name, sizes, rng.randrange(1 << 30)) for name in self.inputs}

    def bytes(self, outputs: list[str] | None = None) -> bytes:
        def info(name, shape):
            return helper.make_tensor_value_info(
                name, helper.np_dtype_to_tensor_dtype(self.values[name].dtype), shape)
        inputs = [info(n, shape if self.free else self.values[n].shape) for n, (shape, _) in self.inputs.items()]
        read = {name for node in self.nodes for name in node.input}
        graph = helper.make_graph(self.nodes, "g", inputs,
                                  [info(n, None) for n in (self.outputs if outputs is None else outputs)],
                                  [numpy_helper.from_array(v, n) for n, v in self.constants.items() if n in read])
        opsets = [helper.make_opsetid("", self.opset), helper.make_opsetid(MICROSOFT, 1)]
        return helper.make_model(graph, ir_version=10, opset_imports=opsets).SerializeToString()

    def __str__(self) -> str:
        """The graph as text, for messages."""
        lines = [f"opset {self.opset}{' exact' * self.exact}"]
        lines += [f"{n}: {self.values[n].dtype}{list(shape if self.free else self.values[n].shape)}"
                  for n, (shape, _) in self.inputs.items()]
        for node in self.nodes:
            known = {n: self.constants[n] for n in node.input if n in self.constants}
            said = ", ".join(f"{n}={v.tolist()}" if v.size < 3 else f"{n}:{v.dtype}{list(v.shape)}"
                             for n, v in known.items())
            made = ", ".join(str(list(self.values[n].shape)) for n in node.output if n in self.values)
            lines.append(f"{printer.to_text(node)}   # {made}{'; ' * bool(said)}{said}")
        return "\n".join([*lines, f"-> {', '.join(self.outputs)}"])

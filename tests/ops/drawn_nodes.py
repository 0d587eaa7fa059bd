"""Nodes drawn at random: any operator of the standard in any of its versions, with inputs that it takes.

Inputs, types and attributes come from the schemas of onnx. What those do not say, which shapes fit together
and which values may be, is in the tables INPUTS (operator -> a function that gives the inputs, None for what
is left out), ATTRIBUTES, RANGES and LIMITS. An operator without an entry is drawn by its schema alone, where
that is enough.
"""
from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from math import prod
from random import Random

import numpy as np
import onnx
from onnx import helper, numpy_helper

from cinfer.model.graph import Node
from cinfer.ops import registry

from drawn_inputs import ATTRIBUTES, INPUTS, LIMITS, RANGES

NEWEST = onnx.defs.onnx_opset_version()
TYPES = {f"tensor({helper.tensor_dtype_to_string(code).removeprefix('TensorProto.').lower()})": dtype
         for code in helper.get_all_tensor_dtypes()
         if code not in (0, 8) and (dtype := helper.tensor_dtype_to_np_dtype(code)).itemsize}
TYPES["tensor(string)"] = np.dtype(object)
# of these a version of an operator is drawn more often, of those of less than a byte or of eight bits never
COMMON = ("tensor(float)", "tensor(float)", "tensor(double)", "tensor(float16)", "tensor(int64)", "tensor(int32)",
          "tensor(uint8)", "tensor(bool)")
PLAIN = 2 * COMMON + ("tensor(int8)", "tensor(int16)", "tensor(uint16)", "tensor(uint32)", "tensor(uint64)",
                  "tensor(bfloat16)", "tensor(string)", "tensor(complex64)", "tensor(complex128)")
WORDS = ["", "a", "b", "Straße", "a b", "ab ", "aab"]


@dataclass
class Drawn:
    """A node and what it is fed. kept : positions of inputs that are constants of the file"""
    op_type: str
    opset: int
    inputs: list
    attributes: dict
    n_outputs: int
    kept: list[int] = field(default_factory=list)
    free: bool = False

    def model(self) -> onnx.ModelProto:
        names = ["" if x is None else f"in{i}" for i, x in enumerate(self.inputs)]
        infos = [helper.make_tensor_value_info(f"in{i}", code_of(x.dtype), [
            f"in{i}.{axis}" if self.free else d for axis, d in enumerate(x.shape)])
            for i, x in enumerate(self.inputs) if x is not None and i not in self.kept]
        outputs = [f"out{i}" for i in range(self.n_outputs)]
        stored = [numpy_helper.from_array(self.inputs[i], names[i]) for i in self.kept]
        attributes = {k: numpy_helper.from_array(v) if isinstance(v, np.ndarray) else v
                      for k, v in self.attributes.items()}
        node = helper.make_node(self.op_type, names, outputs, "it")
        schema = onnx.defs.get_schema(self.op_type, self.opset)
        node.attribute.extend(helper.make_attribute(k, v, attr_type=schema.attributes[k].type.value)
                              for k, v in attributes.items())
        results = [onnx.ValueInfoProto(name=name) for name in outputs]
        return helper.make_model(helper.make_graph([node], "g", infos, results, stored), ir_version=10,
                                 opset_imports=[helper.make_opsetid("", self.opset)])

    def feeds(self) -> dict:
        return {f"in{i}": x for i, x in enumerate(self.inputs) if x is not None and i not in self.kept}

    def __repr__(self):
        inputs = ", ".join("None" if x is None else f"{x.dtype}{list(x.shape)}" + (
            f"={x.tolist()}" if x.size <= 8 else "") for x in self.inputs)
        attributes = "".join(f", {k}={v!r}" for k, v in self.attributes.items())
        return (f"{self.op_type}-{self.opset}({inputs}{attributes}) -> {self.n_outputs}"
                f"{' free' * self.free}{f' constants {self.kept}' if self.kept else ''}")


def code_of(dtype) -> int:
    return 8 if dtype == object else helper.np_dtype_to_tensor_dtype(dtype)


@cache
def versions(op_type: str) -> list:
    """[(schema, first opset, last opset)] of the versions of an operator that cinfer knows."""
    schemas = sorted((s for s in history() if s.name == op_type), key=lambda s: s.since_version)
    ends = [s.since_version - 1 for s in schemas[1:]] + [NEWEST]
    first = min(o.since for o in registry._versions("", op_type))
    return [(s, s.since_version, end) for s, end in zip(schemas, ends)
            if not s.deprecated and s.since_version >= first]


@cache
def history() -> list:
    return [s for s in onnx.defs.get_all_schemas_with_history() if s.domain == ""]


def draw(op_type: str, version, rng: Random, newest: int = NEWEST) -> Drawn:
    """newest : opset that others know; a version that ends behind it is drawn in it"""
    schema, first, last = version
    opset = rng.choice((first, max(first, min(last, newest))))
    c = Case(op_type, schema, opset, rng)
    inputs = list(INPUTS.get(op_type, by_schema)(c))
    while inputs and inputs[-1] is None:
        inputs.pop()
    for name in schema.attributes:
        if name not in c.attributes and name not in c.decided:
            c.attribute_by_schema(name)
    if c.n_outputs is None:
        most = len(schema.outputs) if schema.outputs[-1].option.name != "Variadic" else 1
        c.n_outputs = rng.randint(schema.min_output, max(most, schema.min_output))
    kept = [i for i, x in enumerate(inputs) if i and x is not None and (i in c.kept or rng.random() < .4)]
    return Drawn(op_type, opset, inputs, c.attributes, c.n_outputs, kept, rng.random() < .3)


class Case:
    """What has been decided of a node. n_outputs : None where the schema alone says it"""

    def __init__(self, op_type: str, schema, opset: int, rng: Random):
        self.op_type, self.schema, self.opset, self.rng = op_type, schema, opset, rng
        self.since, self.attributes, self.n_outputs = schema.since_version, {}, None
        self.types, self.decided, self.kept = {}, set(), set()
        self.numbers = np.random.default_rng(rng.randrange(1 << 30))
        self.names = [i.name for i in schema.inputs]
        self.rank = 2

    def chance(self, p: float = .5) -> bool:
        return self.rng.random() < p

    def whole(self, least: int, most: int) -> int:
        return self.rng.randint(least, most)

    def pick(self, *values):
        return self.rng.choice(values)

    # ---- types and arrays

    def type_of(self, i) -> np.dtype:
        """The element type of a formal input, by position or name; one for all inputs of a type variable."""
        formal = self.schema.inputs[i if isinstance(i, int) else self.names.index(i)]
        return self.bound(formal.type_str)

    def bound(self, variable: str) -> np.dtype:
        if variable in TYPES:
            return TYPES[variable]
        if variable not in self.types:
            allowed, = (t.allowed_type_strs for t in self.schema.type_constraints
                        if t.type_param_str == variable)
            limits = LIMITS.get((self.op_type, variable), TYPES.values())
            allowed = [t for t in PLAIN if t in allowed and TYPES[t] in limits]
            self.types[variable] = TYPES[self.rng.choice(allowed)]
        return self.types[variable]

    def shape(self, least: int = 0, most: int = 4, empty: bool = True) -> tuple[int, ...]:
        return tuple(0 if empty and self.chance(.02) else self.whole(1, 4)
                     for _ in range(self.whole(least, most)))

    def array(self, dtype, shape, low: float = -3, high: float = 3) -> np.ndarray:
        """Eighths, whole numbers, words; many are equal."""
        dtype, shape = np.dtype(dtype), tuple(shape)
        if dtype == object:
            return np.array([self.rng.choice(WORDS) for _ in range(prod(shape))], object).reshape(shape)
        if dtype == bool:
            return np.asarray(self.numbers.random(shape) < .5)
        if dtype.kind in "iu":
            low = max(low, 0) if dtype.kind == "u" else low
            return self.numbers.integers(low, high + 1, shape).astype(dtype)
        found = self.numbers.integers(low * 8, high * 8 + 1, shape) / 8
        if dtype.kind == "c":
            found = found + 1j * self.numbers.integers(-9, 9, shape) / 8
        return np.asarray(found).astype(dtype)

    def make(self, i, shape, low: float = -3, high: float = 3) -> np.ndarray:
        low, high = RANGES.get((self.op_type, i), (low, high))
        return self.array(self.type_of(i), shape, low, high)

    def x(self, least: int = 0, most: int = 4, empty: bool = True, shape=None, **limits) -> np.ndarray:
        """The first input; `axis` and `axes` are of its rank."""
        found = self.make(0, self.shape(least, most, empty) if shape is None else shape, **limits)
        self.rank = found.ndim
        return found

    def has(self, name: str) -> bool:
        return name in self.names

    def optional(self, name: str, shape, p: float = .5, **limits):
        """An input that may be left out or that this version does not have."""
        return self.make(name, shape, **limits) if self.has(name) and self.chance(p) else None

    # ---- attributes

    def set(self, **attributes) -> None:
        """Those that this version has."""
        self.decided |= attributes.keys()
        self.attributes.update((k, v) for k, v in attributes.items()
                               if k in self.schema.attributes and v is not None)

    def maybe(self, name: str, default, *values):
        """One of these values, or the default, which may be said or not."""
        self.decided.add(name)
        known = self.schema.attributes.get(name)
        if known is None:
            return default
        kind = {"INT": int, "FLOAT": float}.get(known.type.name, lambda value: value)
        value = self.rng.choice((default, *values))
        value = None if value is None else kind(value)
        if value is not None and (value != default or known.required or self.chance()):
            self.attributes[name] = value
        return value

    def axis(self, rank: int | None = None, default: int | None = None, name: str = "axis") -> int:
        """An axis, not negative; the attribute may be."""
        rank = self.rank if rank is None else rank
        default = self.default(name) if default is None else default
        values = list(range(-rank if self.signed() else 0, rank)) or [0]
        fits = default is not None and -max(1, rank) <= default < max(1, rank)
        value = self.maybe(name, default if fits else self.rng.choice(values), *values)
        if not fits:
            self.set(**{name: value})
        return value % max(1, rank)

    def signed(self) -> bool:
        """Whether negative axes are in this version: since opset 11 they are in all that have axes."""
        return self.since >= 11

    def default(self, name: str):
        if name not in self.schema.attributes:
            return None
        proto = self.schema.attributes[name].default_value
        value = helper.get_attribute_value(proto) if proto.name else None
        return value.decode() if isinstance(value, bytes) else value

    def axes(self) -> list[int]:
        """Different axes, in any order."""
        some = self.rng.sample(range(self.rank), self.whole(min(1, self.rank), self.rank))
        return [a - self.rank if self.signed() and self.chance(.3) else a for a in some]

    def attribute_by_schema(self, name: str) -> None:
        how, schema = ATTRIBUTES.get((self.op_type, name), ATTRIBUTES.get(name)), self.schema.attributes[name]
        if how is None and schema.type.name == "INT" and self.default(name) in (0, 1):
            how = (0, 1)
        if how is None and schema.type.name == "FLOAT" and self.default(name) is not None:
            how = (.25, .5, 1., 1.5)
        if how is None:
            raise KeyError(f"{self.op_type}-{self.since}: no values of the attribute {name!r}; see ATTRIBUTES")
        if callable(how):
            how(self)
            self.decided.add(name)
        else:
            self.maybe(name, self.default(name) if self.default(name) is not None or not schema.required
                       else how[0], *how)


def by_schema(c: Case):
    """Shapes that NumPy broadcasts, or the same for all where the operator does not; `axes` and `axis` by name."""
    formals = c.schema.inputs
    if not formals:
        return
    if formals[0].option.name == "Variadic":
        shapes = broadcasting(c, c.whole(1, 3)) if c.since >= 8 else [c.shape()] * c.whole(1, 3)
        yield from (infinite(c, c.array(c.type_of(0), shape)) for shape in shapes)
        return
    traits = registry.traits(Node(c.op_type, [], [], {}, "", c.opset))
    broadcast = traits.broadcast
    if broadcast and "axis" in c.schema.attributes:                  # before opset 7
        x = c.x()
        axis, span = 0, 0
        if c.maybe("broadcast", 0, 1) and x.ndim:
            axis = c.whole(0, x.ndim - 1)
            span = c.whole(1, x.ndim - axis)
            c.set(axis=axis if axis + span < x.ndim or c.chance() else None)
        c.decided.add("axis")
        yield from (x, c.make(1, x.shape[axis:axis + span] if span else x.shape))
        return
    least = int("axis" in c.schema.attributes or "axis" in c.names)
    shapes = broadcasting(c, len(formals)) if broadcast else [c.shape(least)] * len(formals)
    c.rank = len(shapes[0])
    for i, (formal, shape) in enumerate(zip(formals, shapes)):
        if formal.option.name == "Optional" and c.chance(.4):
            yield None
        elif formal.name == "axes":
            yield np.array(c.axes(), np.int64)
        elif formal.name == "axis":
            yield np.array(c.whole(-c.rank, c.rank - 1) if c.rank else 0, c.type_of(i))
        elif i and not broadcast and formals[i].type_str != formals[0].type_str:
            raise KeyError(f"{c.op_type}-{c.since}: the schema does not say input {formal.name!r}; see INPUTS")
        else:
            yield infinite(c, c.make(i, shape)) if traits.elementwise or traits.broadcast else c.make(i, shape)


def infinite(c: Case, x: np.ndarray) -> np.ndarray:
    """Now and then with an infinity, but for Clip, whose limits before opset 11 kernels take for none."""
    if x.dtype.kind == "f" and x.size and c.chance(.2) and c.op_type != "Clip":
        x = x.copy()
        x.flat[c.whole(0, x.size - 1)] = c.pick(np.inf, -np.inf)
    return x


def broadcasting(c: Case, count: int) -> list[tuple[int, ...]]:
    whole = c.shape()
    found = []
    for _ in range(count):
        kept = [1 if c.chance(.3) else d for d in whole]
        found.append(tuple(kept[c.whole(0, len(kept)) if c.chance(.3) else 0:]))
    return found

"""Random small float networks of the operators that quantize knows, and of some that it does not, with the values that
onnxruntime gives them; the tests here import it."""
from __future__ import annotations

from math import prod
from random import Random

import numpy as np
import onnx
import onnxruntime
from networks import node
from onnx import helper, numpy_helper

F = np.float32
LEVELS = onnxruntime.GraphOptimizationLevel
MOST = 20_000                           # elements of a value
SPELLED = {                             # of a value, as exporters write them
    "HardSwish by Div": lambda n, x: n.Div(n.Mul(x, n.Clip(n.Add(x, F(3)), F(0), F(6))), F(6)),
    "HardSwish by Mul": lambda n, x: n.Mul(n.Mul(n.Clip(n.Add(x, F(3)), F(0), F(6)), F(1 / 6)), x),
    "SiLU": lambda n, x: n.Mul(x, n.Sigmoid(x)),
    "SiLU by Exp": lambda n, x: n.Div(x, n.Add(n.Exp(n.Neg(x)), F(1))),
    "Gelu": lambda n, x: n.Mul(n.Mul(x, n.Add(n.Erf(n.Div(x, F(2 ** .5))), F(1))), F(.5)),
    "Gelu by Tanh": lambda n, x: n.Mul(n.Mul(x, F(.5)), n.Add(n.Tanh(n.Mul(n.Add(x, n.Mul(
        n.Pow(x, F(3)), F(.044715))), F((2 / np.pi) ** .5))), F(1))),
    "Mish": lambda n, x: n.Mul(x, n.Tanh(n.Softplus(x))),
    "two Relus": lambda n, x: n.Sub(n.Relu(x), n.Mul(n.Relu(n.Neg(x)), n.per_channel(x, -.2, .5))),
    "Where": lambda n, x: n.Where(n.Greater(x, F(0)), x, n.Mul(x, F(.1))),
    "PRelu": lambda n, x: n.PRelu(x, n.per_channel(x, -.2, .5)),
    "Clip": lambda n, x: n.Clip(x, F(n.rng.choice((0, -1))), F(n.rng.choice((1, 6)))),
    "Exp": lambda n, x: n.Exp(n.Clip(x, F(-5), F(2))),
    "Sqrt": lambda n, x: n.Sqrt(n.Abs(x)), "Reciprocal": lambda n, x: n.Reciprocal(n.Add(n.Abs(x), F(1))),
    "Pow": lambda n, x: n.Pow(x, F(2)), "Max": lambda n, x: n.Max(x, F(.1)), "Min": lambda n, x: n.Min(F(.5), x),
    "Sub": lambda n, x: n.Sub(F(1), x), "Div": lambda n, x: n.Div(x, F(1.7)), "Mul": lambda n, x: n.Mul(x, F(-.7)),
    "LeakyRelu": lambda n, x: n.LeakyRelu(x, alpha=n.rng.choice((.1, .3, 1.5))),
    **{name: lambda n, x, name=name: n.node(name, x) for name in (
        "Relu", "Relu", "Sigmoid", "Tanh", "HardSigmoid", "Elu", "Selu", "Celu", "Softsign", "ThresholdedRelu", "Neg")},
}


class Declined(Exception):
    """onnxruntime refuses it, or it makes numbers that are none."""


def session(content: bytes, level=LEVELS.ORT_DISABLE_ALL) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads, options.graph_optimization_level = 4, 1, level
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def severed(file: onnx.ModelProto, outputs: list[str], stored: dict[str, np.ndarray]) -> bytes:
    """The file, in which all that read bytes read an input instead. stored : bytes that it makes"""
    copy = onnx.ModelProto()
    copy.CopyFrom(file)
    for each in copy.graph.node:
        each.input[:] = [f"{name}__cut" if name in stored else name for name in each.input]
    for name, array in stored.items():
        copy.graph.input.append(helper.make_tensor_value_info(
            f"{name}__cut", helper.np_dtype_to_tensor_dtype(array.dtype), array.shape))
    del copy.graph.output[:], copy.graph.value_info[:]
    copy.graph.output.extend(map(helper.make_empty_tensor_value_info, [*outputs, *stored]))
    return copy.SerializeToString()


class RandomNetwork:
    """values : name -> what onnxruntime makes of the first feeds; `n.Relu(x)` adds a node, arrays become constants"""

    def __init__(self, seed: int):
        self.rng, self.numbers = Random(seed), np.random.default_rng(seed)
        self.opset = self.rng.choice((13, 15, 17, 18, 20, 21))
        sizes = self.rng.choice(((24,), (5, 6, 5), *3 * ((self.rng.randint(6, 14), self.rng.randint(6, 14)),)))
        self.shape = self.rng.choice((1, 1, 1, 2)), self.rng.choice((1, 3, 4, 8)), *sizes
        self.nodes, self.constants, self.names = [], {}, 0
        self.values = {"x": self.feeds(0)["x"]}
        for _ in range(self.rng.randint(3, 12)):
            self.attempt(self.rng.choices(*zip(*ADDERS))[0])
        read = {name for each in self.nodes for name in each.input}
        self.outputs = [name for name in self.values if name not in read]
        if self.rng.random() < .15 and len(self.values) > 1:                        # one within
            self.outputs.append(self.rng.choice([name for name in self.values if name != "x"]))
        self.outputs = list(dict.fromkeys(self.outputs))

    def feeds(self, number: int) -> dict[str, np.ndarray]:
        return {"x": np.random.default_rng(1000 + number).normal(.2, 1, self.shape).astype(F)}

    def bytes(self, outputs: list[str] | None = None) -> bytes:
        graph = helper.make_graph(
            self.nodes, "g", [helper.make_tensor_value_info("x", 1, self.shape)],
            [helper.make_tensor_value_info(name, 1, None) for name in outputs or self.outputs],
            [numpy_helper.from_array(array, name) for name, array in self.constants.items()])
        opsets = [helper.make_opsetid("", self.opset)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString()

    def attempt(self, adder) -> None:
        """All or nothing."""
        known, names = len(self.nodes), [*self.values]
        x = names[-1] if self.rng.random() < .8 else self.rng.choice(names)
        try:
            made = adder(self, x)
            for name in made if isinstance(made, list) else [made]:
                self.value(name)
        except Declined:
            del self.nodes[known:]
            self.values = {name: self.values[name] for name in names}

    def value(self, name: str) -> np.ndarray:
        if name not in self.values:
            try:
                found, = session(self.bytes([name])).run(None, self.feeds(0))
            except Exception as error:                  # its exceptions have no base of their own
                raise Declined(str(error)) from None
            if not np.isfinite(found).all() or not 0 < found.size <= MOST or np.abs(found).max() > 1e6:
                raise Declined(name)
            self.values[name] = found
        return self.values[name]

    def node(self, op_type: str, *inputs, n: int = 1, **attributes):
        for i, each in enumerate(inputs := list(inputs)):
            if not isinstance(each, str):
                inputs[i] = f"c{len(self.constants)}"
                self.constants[inputs[i]] = np.asarray(each)
        outputs = [f"v{self.names + i + 1}" for i in range(n)]
        self.names += n
        self.nodes.append(node(op_type, inputs, outputs, f"{op_type}_{outputs[0]}", **attributes))
        return outputs[0] if n == 1 else outputs

    def __getattr__(self, op_type: str):
        if not op_type[0].isupper():
            raise AttributeError(op_type)
        return lambda *inputs, **attributes: self.node(op_type, *inputs, **attributes)

    def weights(self, *shape, fan_in: int) -> np.ndarray:
        w = self.numbers.standard_normal(shape) * (2 / fan_in) ** .5
        if self.rng.random() < .3:
            w *= self.numbers.uniform(.05, 3, (shape[0], *(1,) * (len(shape) - 1)))
        if self.rng.random() < .1:
            w[0] = 0
        return w.astype(F)

    def bias(self, count: int) -> list[np.ndarray]:
        return [self.numbers.normal(0, .3, count).astype(F)] if self.rng.random() < .7 else []

    def per_channel(self, x: str, low: float, high: float) -> np.ndarray:
        _, c, *sizes = self.picture(x)
        return self.numbers.uniform(low, high, (c, *(1,) * len(sizes))).astype(F)

    def picture(self, x: str) -> tuple[int, ...]:
        if self.value(x).ndim < 3:
            raise Declined("no picture")
        return self.value(x).shape


def conv(n: RandomNetwork, x: str) -> str:
    _, c, *sizes = n.picture(x)
    how, rng = n.rng.random(), n.rng
    group = 1 if how < .55 else c if how < .85 else rng.choice([d for d in range(1, c + 1) if c % d == 0])
    oc = rng.choice((1, 3, 4, 8, 16, 17, 20)) if group == 1 else group * rng.choice((1, 1, 2))
    k = [min(rng.choice((1, 1, 2, 3, 3, 5)), size) for size in sizes]
    d = 2 if rng.random() < .15 else 1
    pads = [d * (each // 2) for each in k] * 2 if d > 1 or rng.random() < .8 else [0] * 2 * len(k)
    return n.Conv(x, n.weights(oc, c // group, *k, fan_in=c // group * prod(k)), *n.bias(oc), group=group, pads=pads,
                  strides=[rng.choice((1, 1, 2))] * len(k), dilations=[d] * len(k))


def conv_transpose(n: RandomNetwork, x: str) -> str:
    _, c, *sizes = n.picture(x)
    group, oc, k = n.rng.choice((1, 1, c)), n.rng.choice((1, 2, 4, 8)), [n.rng.choice((2, 3, 4))] * len(sizes)
    return n.ConvTranspose(x, n.weights(c, oc, *k, fan_in=c // group * 3), *n.bias(oc * group), group=group,
                           strides=[n.rng.choice((1, 2))] * len(k), pads=[n.rng.choice((0, 1))] * 2 * len(k))


def dense(n: RandomNetwork, x: str) -> str:
    if n.value(x).ndim > 2 and n.rng.random() < .6:
        x = n.Flatten(x)
    k, out, turned = n.value(x).shape[-1], n.rng.choice((1, 5, 8, 16)), n.rng.randint(0, 1)
    if k > 2000:
        raise Declined("too many")
    if n.value(x).ndim == 2 and n.rng.random() < .6:
        return n.Gemm(x, n.weights(*((out, k) if turned else (k, out)), fan_in=k), *n.bias(out), transB=turned)
    y = n.MatMul(x, n.weights(k, out, fan_in=k))
    return n.Add(y, *b) if (b := n.bias(out)) else y


def activation(n: RandomNetwork, x: str) -> str:
    return n.rng.choice(list(SPELLED.values()))(n, x)


def pool(n: RandomNetwork, x: str) -> str:
    sizes = n.picture(x)[2:]
    kind = n.rng.choice(("MaxPool", "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "ReduceMean"))
    if kind == "ReduceMean":
        axes = [*range(2, 2 + len(sizes))]
        return n.ReduceMean(x, np.array(axes)) if n.opset >= 18 else n.ReduceMean(x, axes=axes)
    if kind.startswith("Global"):
        return n.node(kind, x)
    k = [min(n.rng.choice((2, 3)), size) for size in sizes]
    return n.node(kind, x, kernel_shape=k, strides=[n.rng.choice((1, 2))] * len(k),
                  pads=[int(each > 2) for each in k] * 2 if n.rng.random() < .4 else [0] * 2 * len(k))


def join(n: RandomNetwork, x: str) -> str:
    shape, rng = n.value(x).shape, n.rng
    kind = rng.choice(("Add", "Add", "Mul", "Sub", "Concat", "of a constant", "gate"))
    if kind == "of a constant":
        return n.node(rng.choice(("Add", "Mul")), x, n.per_channel(x, -1, 2))
    if kind == "gate":
        c = n.picture(x)[1]
        y = n.Conv(n.GlobalAveragePool(x), n.weights(c, c, *(1,) * (len(shape) - 2), fan_in=c))
        return n.Mul(x, n.node(rng.choice(("Sigmoid", "HardSigmoid")), y))
    if kind == "Concat":
        fits = [name for name, v in n.values.items() if v.ndim == len(shape) > 1
                and v.shape[:1] + v.shape[2:] == shape[:1] + shape[2:]]
        return n.Concat(*rng.choices(fits, k=2), x, axis=1)
    return n.node(kind, x, rng.choice([name for name, v in n.values.items() if v.shape == shape]))


def move(n: RandomNetwork, x: str) -> str | list[str]:
    batch, c, *sizes = n.picture(x)
    rank, rng = len(sizes), n.rng
    kind = rng.choice(("Resize", "Resize", "Pad", "Slice", "Split", "Transpose", "Flatten", "Reshape", "Identity",
                       "DepthToSpace", "shuffle", "Gather", "Tile"))
    if kind == "Resize":
        mode = rng.choice(("nearest", "linear"))
        return n.Resize(x, np.array([], F), np.array([1, 1, *[rng.choice((2, 1.5))] * rank], F), mode=mode,
                        coordinate_transformation_mode=rng.choice(("asymmetric", "half_pixel")))
    if kind == "Pad":
        return n.Pad(x, np.array([0, 0, *[1] * rank] * 2), mode=rng.choice(("constant", "reflect", "edge")))
    if kind == "Slice":
        return n.Slice(x, np.array([0]), np.array([max(1, c // 2)]), np.array([1]))
    if kind == "Split" and c % 2 == 0:
        return n.Split(x, np.array([c // 2] * 2), axis=1, n=2)
    if kind == "shuffle" and c % 2 == 0:
        y = n.Transpose(n.Reshape(x, np.array([batch, 2, c // 2, *sizes])), perm=[0, 2, 1, *range(3, rank + 3)])
        return n.Reshape(y, np.array([batch, c, *sizes]))
    if kind == "Gather":
        return n.Gather(x, np.array([0, c - 1, 0]), axis=1)
    if kind == "Tile":
        return n.Tile(x, np.array([1, 2, *[1] * rank]))
    if kind == "Reshape":
        return n.Reshape(x, np.array([batch, c, prod(sizes), *[1] * (rank - 1)]))
    if kind == "Transpose":
        return n.Transpose(x, perm=[0, 1, *reversed(range(2, rank + 2))])
    if kind == "DepthToSpace":
        return n.DepthToSpace(x, blocksize=2)           # where it fits
    return n.node(kind if kind == "Flatten" else "Identity", x)


def in_floats(n: RandomNetwork, x: str) -> str:
    kind, size = n.rng.choice(("Softmax", "LayerNormalization", "mean")), n.value(x).shape[-1]
    if kind == "Softmax":
        return n.Softmax(x, axis=-1)
    if kind == "LayerNormalization" and n.opset >= 17:
        return n.LayerNormalization(x, np.ones(size, F), np.zeros(size, F), epsilon=.01)
    return n.Sub(x, n.ReduceMean(x))


ADDERS = ((conv, 8), (conv_transpose, 1), (activation, 6), (pool, 1.5), (join, 3), (move, 2), (dense, 1),
          (in_floats, .4))

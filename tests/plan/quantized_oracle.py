"""What quantised graphs mean: onnxruntime, not optimised, over a spelling in floats, layer by layer.

`spelled` writes QLinearConv, MatMulInteger and their kin as DequantizeLinear, operators on floats and QuantizeLinear:
by the standard's definitions, and because onnxruntime's own integer kernels saturate sums of pairs of products on CPUs
without VNNI, and round some averages otherwise. A graph is *severed* by making an input of every integer that a node
reads and another made: then one run tells what each layer makes of the numbers it was given, whoever computed them,
and an error of one unit in one layer does not blur the next.
"""
from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import onnxruntime
from onnx import NodeProto, TensorProto, helper, numpy_helper

MICROSOFT = "com.microsoft"
# float32 sums in another order, Winograd's transforms, exp: relative to the largest number on the way
ROUNDING = 1e-5
INTEGERS = ("uint8", "int8", "uint16", "int16", "int32")


class Declined(Exception):
    """onnxruntime refuses it, or it makes numbers that are none."""


def session_of(nodes: Iterable[NodeProto], constants: dict, fed: dict, wanted: list[str], opset: int):
    def info(name, array):
        return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), [None] * array.ndim)
    graph = helper.make_graph(list(nodes), "g", [info(n, a) for n, a in fed.items()],
                              [helper.make_empty_tensor_value_info(n) for n in wanted],
                              [numpy_helper.from_array(a, n) for n, a in constants.items()])
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid(MICROSOFT, 1)]
    model = helper.make_model(graph, ir_version=10, opset_imports=opsets)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads, options.log_severity_level = 1, 4
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def evaluate(nodes, constants: dict, fed: dict, wanted: list[str], opset: int) -> dict[str, np.ndarray]:
    """onnxruntime's answers; Declined where it refuses."""
    try:
        return dict(zip(wanted, session_of(nodes, constants, fed, wanted, opset).run(wanted, fed)))
    except Exception as error:                          # its exceptions have no base of their own
        raise Declined(str(error).strip().splitlines()[0]) from None


# ---- the spelling

def spelled(nodes: Iterable[NodeProto], graph) -> tuple[list[NodeProto], dict[str, np.ndarray]]:
    """The nodes in the standard's operators on floats, and the constants that this takes."""
    speller = _Speller(graph)
    for node in nodes:
        write = SPELLED.get(node.op_type)
        if write is None:
            speller.nodes.append(node)
        else:
            speller.out, speller.count = node.output[0], 0
            given = [name or None for name in node.input]
            write(speller, *given, **{a.name: helper.get_attribute_value(a) for a in node.attribute})
    return speller.nodes, speller.constants


class _Speller:
    def __init__(self, graph):
        self.graph, self.nodes, self.constants = graph, [], {}
        self.out, self.count = "", 0

    def add(self, op_type: str, *inputs, into: str | None = None, **attributes) -> str:
        names = [i if isinstance(i, str) else "" if i is None else self.constant(i) for i in inputs]
        self.count += 1
        out = into or f"{self.out}__{self.count}"
        self.nodes.append(helper.make_node(op_type, names, [out], **attributes))
        return out

    def constant(self, array) -> str:
        name = f"{self.out}__c{len(self.constants)}"
        self.constants[name] = np.asarray(array)
        return name

    def real(self, x, scale, zero=None, axis: int | None = None) -> str:
        inputs = [x, scale] if zero is None else [x, scale, zero]
        return self.add("DequantizeLinear", *inputs, **({} if axis is None else {"axis": axis}))

    def quantized(self, y, scale, zero) -> None:
        self.add("QuantizeLinear", y, scale, *(() if zero is None else (zero,)), into=self.out)

    def known(self, name: str) -> np.ndarray:
        return self.graph.values[name]

    def of_axis(self, scale: str, axis: int) -> int | None:
        """The axis of a scale, if it has one."""
        return axis if self.known(scale).size > 1 else None

    def bias(self, name, *scales, factor: float = 1.0):
        if name is None:
            return ()
        real = self.known(name) * factor
        for scale in scales:
            real = real * self.known(scale).astype(np.float64)
        return (real.astype(np.float32),)

    def shifted(self, x, zero, wide: int, channels: int = 0) -> str:
        """x - zero, as floats. channels : the rank of x, where there is a zero for each index of its first axis"""
        x = self.add("Cast", x, to=wide)
        if zero is None:
            return x
        zero = self.add("Cast", zero, to=wide)
        if channels:
            zero = self.add("Reshape", zero, np.array([-1, *(1,) * (channels - 1)], np.int64))
        return self.add("Sub", x, zero)


def _conv(s, x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero, b=None, *, channels_last=0, **attributes):
    real = s.real(x, x_scale, x_zero)
    rank = s.known(w).ndim
    if channels_last:
        real = s.add("Transpose", real, perm=[0, rank - 1, *range(1, rank - 1)])
    y = s.add("Conv", real, s.real(w, w_scale, w_zero, s.of_axis(w_scale, 0)), *s.bias(b, x_scale, w_scale),
              **attributes)
    if channels_last:
        y = s.add("Transpose", y, perm=[0, *range(2, rank), 1])
    s.quantized(y, y_scale, y_zero)


def _matmul(s, a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero):
    columns = s.of_axis(b_scale, s.known(b).ndim - 1)
    s.quantized(s.add("MatMul", s.real(a, a_scale, a_zero), s.real(b, b_scale, b_zero, columns)), y_scale, y_zero)


def _gemm(s, a, a_scale, a_zero, b, b_scale, b_zero, c=None, y_scale=None, y_zero=None, *, alpha=1.0, **attributes):
    columns = s.of_axis(b_scale, 1 - attributes.get("transB", 0))
    inputs = s.real(a, a_scale, a_zero), s.real(b, b_scale, b_zero, columns)
    y = s.add("Gemm", *inputs, *s.bias(c, a_scale, b_scale, factor=alpha), alpha=alpha, **attributes,
              into=None if y_scale else s.out)
    if y_scale:
        s.quantized(y, y_scale, y_zero)


def _integer_product(s, a, b, a_zero, b_zero, into=None) -> str:
    product = s.add("MatMul", s.shifted(a, a_zero, TensorProto.DOUBLE), s.shifted(b, b_zero, TensorProto.DOUBLE))
    return s.add("Cast", product, to=TensorProto.INT32, into=into)


def _conv_integer(s, x, w, x_zero=None, w_zero=None, **attributes):
    """Of pictures; exact up to 257 products."""
    y = s.add("Conv", s.shifted(x, x_zero, TensorProto.FLOAT),
              s.shifted(w, w_zero, TensorProto.FLOAT, s.known(w).ndim if w_zero and s.known(w_zero).size > 1 else 0),
              **attributes)
    s.add("Cast", y, to=TensorProto.INT32, into=s.out)


def _product_in_floats(s, a, b, a_scale, b_scale, a_zero, b_zero, bias) -> None:
    y = s.add("Cast", _integer_product(s, a, b, a_zero, b_zero), to=TensorProto.FLOAT)
    y = s.add("Mul", y, s.add("Mul", a_scale, b_scale), into=None if bias else s.out)
    if bias:
        s.add("Add", y, bias, into=s.out)


def _dynamic_matmul(s, a, b, b_scale, b_zero=None, bias=None):
    made = [f"{s.out}__{part}" for part in ("stored", "scale", "zero")]
    s.nodes.append(helper.make_node("DynamicQuantizeLinear", [a], made))
    _product_in_floats(s, made[0], b, made[1], b_scale, made[2], b_zero, bias)


def _unary(op_type: str):
    def write(s, x, x_scale, x_zero, y_scale, y_zero, **attributes):
        attributes.pop("opset", None)
        s.quantized(s.add(op_type, s.real(x, x_scale, x_zero), **attributes), y_scale, y_zero)
    return write


def _pool(op_type: str):
    def write(s, x, x_scale, x_zero, y_scale, y_zero, *, channels_last=0, **attributes):
        y, rank = s.real(x, x_scale, x_zero), s.graph.value(x).ndim
        if channels_last:
            y = s.add("Transpose", y, perm=[0, rank - 1, *range(1, rank - 1)])
        y = s.add(op_type, y, **attributes)
        if channels_last:
            y = s.add("Transpose", y, perm=[0, *range(2, rank), 1])
        s.quantized(y, y_scale, y_zero)
    return write


def _binary(op_type: str):
    def write(s, a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero):
        s.quantized(s.add(op_type, s.real(a, a_scale, a_zero), s.real(b, b_scale, b_zero)), y_scale, y_zero)
    return write


def _concat(s, y_scale, y_zero, *more, axis):
    parts = [s.real(*more[i:i + 3]) for i in range(0, len(more), 3)]
    s.quantized(s.add("Concat", *parts, axis=axis), y_scale, y_zero)


def _where(s, condition, x, x_scale, x_zero, y, y_scale, y_zero, z_scale, z_zero):
    s.quantized(s.add("Where", condition, s.real(x, x_scale, x_zero), s.real(y, y_scale, y_zero)), z_scale, z_zero)


SPELLED = {
    "QLinearConv": _conv, "QLinearMatMul": _matmul, "QGemm": _gemm, "ConvInteger": _conv_integer,
    "MatMulInteger": lambda s, a, b, a_zero=None, b_zero=None: _integer_product(s, a, b, a_zero, b_zero, s.out),
    "MatMulIntegerToFloat": lambda s, a, b, a_scale, b_scale, a_zero=None, b_zero=None, bias=None:
        _product_in_floats(s, a, b, a_scale, b_scale, a_zero, b_zero, bias),
    "DynamicQuantizeMatMul": _dynamic_matmul,
    "QLinearAdd": _binary("Add"), "QLinearMul": _binary("Mul"), "QLinearConcat": _concat, "QLinearWhere": _where,
    "QLinearSigmoid": _unary("Sigmoid"), "QLinearLeakyRelu": _unary("LeakyRelu"), "QLinearSoftmax": _unary("Softmax"),
    "QLinearAveragePool": _pool("AveragePool"), "QLinearGlobalAveragePool": _pool("GlobalAveragePool"),
}


# ---- layer by layer

class Oracle:
    """cuts : the integers that nodes make, in their order; taps : what a run should give to be judged"""

    def __init__(self, graph):
        self.graph = graph
        sums = () if len(graph.nodes) % 4 == 0 else ("ConvInteger",)        # which are computed otherwise where
        self.cuts = [n for node in graph.nodes if node.op_type not in sums for n in node.output     # they are wanted
                     if graph.values[n].dtype.name in INTEGERS and graph.values[n].dtype != bool]
        self.taps = list(dict.fromkeys([*self.cuts, *graph.outputs, *self._dynamic_scales()]))
        read = {name for node in graph.nodes for name in node.input}
        self.read = [n for n in self.cuts if n in read] + [n for n in self._dynamic_scales() if n in read]
        steps, more = spelled(graph.nodes, graph)
        self.constants = {**graph.constants, **more}
        self.steps = steps
        self.makers = {name: node for node in steps for name in node.output}
        self.severed = [self._sever(node) for node in steps]
        self._fed: dict[str, np.ndarray] = {}
        self._sessions: dict[bool, onnxruntime.InferenceSession] = {}

    def _dynamic_scales(self) -> list[str]:
        return [node.output[1] for node in self.graph.nodes if node.op_type == "DynamicQuantizeLinear"]

    def _sever(self, node: NodeProto) -> NodeProto:
        copy, read = NodeProto(), {*self.read}
        copy.CopyFrom(node)
        copy.input[:] = [f"{name}__cut" if name in read else name for name in node.input]
        return copy

    def _run(self, severed: bool, fed: dict) -> dict[str, np.ndarray]:
        if severed not in self._sessions:
            made = [n for node in self.steps for n in node.output if n]
            try:
                self._sessions[severed] = session_of(self.severed if severed else self.steps, self.constants, fed,
                                                     made, self.graph.opset)
            except Exception as error:
                raise Declined(str(error).strip().splitlines()[0]) from None
        session = self._sessions[severed]
        wanted = [o.name for o in session.get_outputs()]
        try:
            return dict(zip(wanted, session.run(wanted, fed)))
        except Exception as error:
            raise Declined(str(error).strip().splitlines()[0]) from None

    def given(self, names: list[str]) -> dict[str, np.ndarray]:
        """Of these inputs of severed nodes, those that are fed."""
        return {n: self._fed[n] for n in names if n in self._fed}

    def whole(self, feeds: dict) -> dict[str, np.ndarray]:
        """Every value of the graph."""
        return self._run(False, feeds)

    def layers(self, feeds: dict, given: dict) -> dict[str, np.ndarray]:
        """Every value, each layer reading the integers of `given`."""
        self._fed = {**feeds, **{f"{n}__cut": given[n] for n in self.read}}
        return self._run(True, self._fed)

    def slack(self, values: dict[str, np.ndarray]) -> dict[str, float]:
        """By how much each value may differ where it is computed in floats of another order, in its own units: an
        integer by 1, which is its rounding, and by what ROUNDING of its floats comes to."""
        reach, found = {}, {}
        for node in self.severed:
            largest = max((reach.get(n, 0.0) for n in node.input), default=0.0)
            if node.op_type == "Elu":                   # exp(x) - 1: onnxruntime's is off by 1e-7, however small x is
                largest = max(largest, 0.05)
            for name in node.output:
                array = values[name]
                if array.dtype.kind == "f":
                    reach[name] = max(largest, float(np.abs(array).max(initial=0)))
                    found[name] = ROUNDING * reach[name]
                elif node.op_type == "QuantizeLinear":
                    scale = np.abs(self.graph.values[node.input[1]]).min()
                    found[name] = 1.0 + np.floor(ROUNDING * largest / scale)
                else:
                    found[name] = 1.0 if node.op_type == "DynamicQuantizeLinear" else 0.0
        return found

    def bounds(self, feeds: dict, nominal: dict, seed: int) -> dict[str, float]:
        """How far a value may be from the nominal one if every integer before it may be off by one unit: tried, not
        proven, with all of them off at once, and again behind each layer."""
        rng, given = np.random.default_rng(seed), {n: nominal[n] for n in self.read}
        slack = self.slack(nominal)
        found = dict(slack)
        for _ in range(min(len(self.cuts), 10) + 1):
            noisy = {n: _noisy(a, max(slack[n], 1.0), rng) for n, a in given.items()}
            made = self.layers(feeds, noisy)
            for name in self.taps:
                off = np.abs(made[name].astype(np.float64) - nominal[name]).max(initial=0)
                found[name] = max(found[name], 2 * off + slack[name])
            given = {n: made[n] for n in self.read}
        return found


def _noisy(a: np.ndarray, most: float, rng) -> np.ndarray:
    """Integers each off by up to `most`; floats by their rounding."""
    if a.dtype.kind == "f":
        return np.asarray(a * (1 + ROUNDING * rng.uniform(-1, 1, a.shape)), a.dtype)
    info, most = np.iinfo(a.dtype), int(min(most, 1 << 32))
    return np.asarray((a.astype(np.int64) + rng.integers(-most, most + 1, a.shape)).clip(info.min, info.max), a.dtype)


def differences(got: dict, want: dict, allowed: dict) -> list[str]:
    """What of `got` is not what is wanted, in words."""
    found = []
    for name, y in got.items():
        expected = want[name]
        if (y.dtype, y.shape) != (expected.dtype, expected.shape):
            found.append(f"{name} is {y.dtype}{list(y.shape)}, not {expected.dtype}{list(expected.shape)}")
            continue
        with np.errstate(all="ignore"):
            off = np.abs(y.astype(np.float64) - expected.astype(np.float64))
        wrong = ~(off <= allowed[name])
        if wrong.any():
            at = tuple(int(i) for i in np.argwhere(wrong)[0])
            found.append(f"{name} off by {off.max():.3g} (allowed {allowed[name]:.3g}) in {np.count_nonzero(wrong)} of "
                         f"{wrong.size}, at {at}: {y[at]} for {expected[at]}")
    return found

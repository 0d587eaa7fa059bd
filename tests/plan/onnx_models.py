"""Small models written with the onnx package, and what onnxruntime, or NumPy, makes of them."""
from __future__ import annotations

import numpy as np
import pytest

from cinfer.model import read

from interpreter import evaluate


class Model:
    """A model that grows node by node: `y = m.Conv(x, weights, pads=[1] * 4)`; arrays become constants."""

    def __init__(self, opset: int = 17, seed: int = 0):
        onnx = pytest.importorskip("onnx")
        self._helper, self._numpy = onnx.helper, onnx.numpy_helper
        self.rng = np.random.default_rng(seed)
        self.opset = opset
        self.shapes, self._types = {}, {}
        self._nodes, self._inputs, self._constants, self._outputs = [], [], [], []

    def input(self, name: str, *shape, dtype=np.float32, declared=None) -> str:
        """An input that is fed with this shape. declared : the shape the model states, of sizes and names"""
        self.shapes[name], self._types[name] = shape, np.dtype(dtype)
        self._inputs.append(self._info(name, dtype, shape if declared is None else declared))
        return name

    def _info(self, name, dtype, shape):
        kind = self._helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        return self._helper.make_tensor_value_info(name, kind, shape)

    def constant(self, array) -> str:
        name = f"c{len(self._constants)}"
        self._constants.append(self._numpy.from_array(np.asarray(array, order="C"), name))
        return name

    def weights(self, *shape) -> np.ndarray:
        """Random weights that keep the size of values: a sum runs over all axes but the first."""
        return (self.rng.normal(size=shape) / max(1, np.prod(shape[1:])) ** 0.5).astype(np.float32)

    def vector(self, *shape) -> np.ndarray:
        return self.rng.normal(size=shape).astype(np.float32)

    def node(self, op_type: str, *inputs, n: int = 1, **attributes):
        names = [i if isinstance(i, str) else "" if i is None else self.constant(i) for i in inputs]
        outputs = [f"v{len(self._nodes)}" + (f"_{k}" if n > 1 else "") for k in range(n)]
        self._nodes.append(self._helper.make_node(op_type, names, outputs, **attributes))
        return outputs[0] if n == 1 else outputs

    def __getattr__(self, op_type: str):
        if not op_type[0].isupper():
            raise AttributeError(op_type)
        return lambda *inputs, **attributes: self.node(op_type, *inputs, **attributes)

    def conv(self, x: str, ic: int, oc: int, k: int = 1, **attributes) -> str:
        """A Conv with bias of random weights, padded to the same size."""
        attributes.setdefault("pads", [k // 2] * 4)
        group = attributes.get("group", 1)
        return self.node("Conv", x, self.weights(oc, ic // group, k, k), self.vector(oc), kernel_shape=[k, k],
                         **attributes)

    def outputs(self, *names: str, dtype=np.float32) -> Model:
        self._outputs += [self._info(name, dtype, None) for name in names]
        return self

    def bytes(self) -> bytes:
        graph = self._helper.make_graph(self._nodes, "g", self._inputs, self._outputs, self._constants)
        opsets = [self._helper.make_opsetid("", self.opset)]
        return self._helper.make_model(graph, ir_version=8, opset_imports=opsets).SerializeToString()

    def feeds(self, seed: int = 1, **shapes) -> dict[str, np.ndarray]:
        """Random feeds. shapes : other sizes than the first ones, for models of free sizes"""
        rng = np.random.default_rng(seed)
        found = {}
        for name, shape in {**self.shapes, **shapes}.items():
            kind = self._types[name]
            end = 2 if kind.kind == "b" else 9
            values = rng.normal(size=shape) if kind.kind == "f" else rng.integers(0, end, shape)
            found[name] = np.asarray(values).astype(kind)
        return found


def expected(data: bytes, feeds: dict, names=None) -> list[np.ndarray]:
    """The outputs by onnxruntime, not optimised; by the operators in NumPy where it is not installed."""
    try:
        import onnxruntime
    except ImportError:
        if names is not None:
            pytest.skip("only onnxruntime gives inner values")
        return evaluate(read(data).graph, feeds)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"]).run(names, feeds)


def by_numpy(data: bytes, feeds: dict, names=None) -> list[np.ndarray]:
    """The outputs by the operators in NumPy, for what onnxruntime has no kernel for."""
    return evaluate(read(data).graph, feeds)


def unaligned(array: np.ndarray) -> np.ndarray:
    """A C-contiguous copy that begins one element beyond a 64-byte border."""
    room = np.empty(array.size + 64 // array.itemsize + 1, array.dtype)
    first = (-room.ctypes.data % 64) // array.itemsize + 1
    view = room[first:first + array.size].reshape(array.shape)
    view[...] = array
    return view


def assert_close(got: np.ndarray, want: np.ndarray, where: str, tolerance: float) -> None:
    """tolerance : of the largest value expected; integers and truth values are compared exactly"""
    kinds = (got.dtype, got.shape), (want.dtype, want.shape)
    assert kinds[0] == kinds[1], f"{where}: {kinds[0]}, not {kinds[1]}"
    if want.dtype.kind != "f":
        assert np.array_equal(got, want), f"{where}: differs"
    elif want.size:
        off = np.abs(got.astype(np.float64) - want)
        at = np.unravel_index(int(np.argmax(np.where(np.isnan(off), np.inf, off))), off.shape)
        scale = max(float(np.abs(want).max()), 1e-30)
        place = tuple(map(int, at))
        assert off[at] <= tolerance * scale, f"{where}: off by {off[at]:.2g} of {scale:.2g} at {place}"

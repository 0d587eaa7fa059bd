"""Small networks with weights of a fixed seed, and what is fed to them; the tests here import it."""
from __future__ import annotations

import numpy as np
import onnx.shape_inference
from onnx import TensorProto, helper, numpy_helper

node = helper.make_node


def network(nodes, outputs=("y",), shape=(1, 3, 16, 16), opset=17, metadata=None, **constants) -> bytes:
    """The file of a model whose input is x; constants : name -> array"""
    graph = helper.make_graph(
        nodes, "net", [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    helper.set_model_props(model, metadata or {})
    return onnx.shape_inference.infer_shapes(model).SerializeToString()


def weights(*shape, seed=1, spread=1.0) -> np.ndarray:
    """Of variance 2 / inputs, by output channels that differ by a factor of up to `spread`."""
    rng = np.random.default_rng(seed)
    w = rng.standard_normal(shape).astype(np.float32) * (2 / np.prod(shape[1:])) ** .5
    return (w * rng.uniform(1, spread, (shape[0], *(1,) * (len(shape) - 1)))).astype(np.float32)


def biases(count, seed=2) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, .2, count).astype(np.float32)


def pictures(count=8, shape=(1, 3, 16, 16)) -> list[dict]:
    return [{"x": np.random.default_rng(100 + i).normal(.3, 1, shape).astype(np.float32)} for i in range(count)]


def residual(**more) -> bytes:
    """Stem, SiLU, a residual block with a depthwise layer and squeeze-excite, Concat, MaxPool, classifier."""
    nodes = [
        node("Conv", ["x", "w0", "b0"], ["c0"], "stem", pads=[1] * 4),
        node("Sigmoid", ["c0"], ["s0"], "stem/Sigmoid"), node("Mul", ["c0", "s0"], ["a0"], "stem/Mul"),
        node("Conv", ["a0", "w1", "b1"], ["c1"], "depthwise", pads=[1] * 4, group=16),
        node("Clip", ["c1", "zero", "six"], ["a1"], "depthwise/Clip"),
        node("GlobalAveragePool", ["a1"], ["m"], "squeeze"), node("Conv", ["m", "w2", "b2"], ["e"], "excite"),
        node("HardSigmoid", ["e"], ["h"], "gate"), node("Mul", ["a1", "h"], ["g"], "gated"),
        node("Conv", ["g", "w3", "b3"], ["c3"], "project"), node("Add", ["c3", "a0"], ["r"], "residual"),
        node("Relu", ["r"], ["a3"], "residual/Relu"), node("MaxPool", ["a3"], ["p"], "pool", kernel_shape=[2, 2],
                                                           strides=[2, 2]),
        node("Concat", ["p", "p"], ["k"], "both", axis=1), node("Conv", ["k", "w4", "b4"], ["c4"], "head"),
        node("Relu", ["c4"], ["a4"], "head/Relu"), node("GlobalAveragePool", ["a4"], ["v"], "mean"),
        node("Flatten", ["v"], ["f"], "flat"), node("Gemm", ["f", "w5", "b5"], ["y"], "classifier", transB=1)]
    return network(nodes, w0=weights(16, 3, 3, 3), b0=biases(16), w1=weights(16, 1, 3, 3, seed=3), b1=biases(16),
                   w2=weights(16, 16, 1, 1, seed=4), b2=biases(16), w3=weights(16, 16, 1, 1, seed=5), b3=biases(16),
                   w4=weights(24, 32, 1, 1, seed=6), b4=biases(24), w5=weights(10, 24, seed=7), b5=biases(10),
                   zero=np.float32(0), six=np.float32(6), **more)


def sloped(shape=(1, 3, 16, 16), seed=0) -> bytes:
    """Blocks as of faces' landmarks: depthwise, pointwise, a sum with a PRelu by channels, and a pool with channels of
    zeros beside it; one PRelu behind a pool, a LeakyRelu behind a difference."""
    nodes = [node("Conv", ["x", "w0", "b0"], ["c0"], "stem", pads=[1] * 4), node("PRelu", ["c0", "s16"], ["a0"], "s0")]
    arrays = dict(w0=weights(16, 3, 3, 3, seed=seed), b0=biases(16))
    for i in range(1, 4):
        arrays |= {f"w{i}": weights(16, 16, 1, 1, seed=seed + i), f"b{i}": biases(16, seed + i),
                   f"d{i}": weights(16, 1, 3, 3, seed=seed + 9 + i)}
        slopes = node("PRelu", [f"e{i}", "s16"], [f"a{i}"], f"s{i}") if i < 3 else \
            node("LeakyRelu", [f"e{i}"], [f"a{i}"], f"s{i}", alpha=.2)
        nodes += [node("Conv", [f"a{i - 1}", f"d{i}"], [f"q{i}"], f"depthwise{i}", group=16, pads=[1] * 4),
                  node("Conv", [f"q{i}", f"w{i}", f"b{i}"], [f"c{i}"], f"point{i}"),
                  node("Sub" if i == 3 else "Add", [f"c{i}", f"a{i - 1}"], [f"e{i}"], f"sum{i}"), slopes]
    nodes += [node("Conv", ["a3", "d4"], ["q4"], "depthwise4", group=16, pads=[1] * 4, strides=[2, 2]),
              node("Conv", ["q4", "w4"], ["c4"], "wider"),
              node("MaxPool", ["a3"], ["m"], "pool", kernel_shape=[2, 2], strides=[2, 2]),
              node("Pad", ["m", "pads"], ["n"], "more"), node("Add", ["c4", "n"], ["e4"], "sum4"),
              node("PRelu", ["e4", "s32"], ["a4"], "s4"),
              node("MaxPool", ["a4"], ["m2"], "pool2", kernel_shape=[2, 2]), node("PRelu", ["m2", "s32"], ["a5"], "s5"),
              node("Conv", ["a5", "w5"], ["c5"], "narrower"), node("Conv", ["c5", "w6"], ["y"], "last")]
    slopes = np.random.default_rng(seed).uniform(-.2, .5, 32).astype(np.float32)
    return network(nodes, shape=shape, **arrays, d4=weights(16, 1, 3, 3, seed=seed + 20), w5=weights(8, 32, 1, 1),
                   w6=weights(4, 8, 1, 1), w4=weights(32, 16, 1, 1, seed=seed + 30),
                   pads=np.array([0, 0, 0, 0, 0, 16, 0, 0]),
                   s16=slopes[:16].reshape(16, 1, 1), s32=slopes.reshape(1, 32, 1, 1))


def small() -> bytes:
    """Two convolutions and a classifier."""
    nodes = [node("Conv", ["x", "w0", "b0"], ["c0"], "first", pads=[1] * 4), node("Relu", ["c0"], ["a0"], "relu"),
             node("Conv", ["a0", "w1", "b1"], ["c1"], "second"), node("GlobalAveragePool", ["c1"], ["m"], "mean"),
             node("Flatten", ["m"], ["f"], "flat"), node("Gemm", ["f", "w2", "b2"], ["y"], "classifier", transB=1)]
    return network(nodes, w0=weights(6, 3, 3, 3), b0=biases(6), w1=weights(8, 6, 1, 1), b1=biases(8),
                   w2=weights(5, 8), b2=biases(5))


def detector() -> bytes:
    """Two heads behind a common body, joined as YOLO joins boxes and scores."""
    nodes = [
        node("Conv", ["x", "w0", "b0"], ["c0"], "stem", pads=[1] * 4), node("Relu", ["c0"], ["a0"], "stem/Relu"),
        node("Conv", ["a0", "w1", "b1"], ["c1"], "body", pads=[1] * 4), node("Relu", ["c1"], ["a1"], "body/Relu"),
        node("Conv", ["a1", "w2", "b2"], ["boxes"], "box"), node("Conv", ["a1", "w3", "b3"], ["logits"], "class"),
        node("Sigmoid", ["logits"], ["scores"], "scores"), node("Concat", ["boxes", "scores"], ["y"], "join", axis=1)]
    return network(nodes, w0=weights(8, 3, 3, 3), b0=biases(8), w1=weights(16, 8, 3, 3), b1=biases(16),
                   w2=weights(4, 16, 1, 1) * 50, b2=biases(4), w3=weights(5, 16, 1, 1), b3=biases(5))


def classifier(folder, **more):
    """A file of a classifier of 16x16 pixels that says so. more : what else it says, by the keys' last words"""
    keys = {"recipe": "1", "task": "classification", "input.size": "16x16", "input.std": "64"} | more
    path = folder / "model.onnx"
    path.write_bytes(residual(metadata={f"cinfer.{key}": value for key, value in keys.items()}))
    return path

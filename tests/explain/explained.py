"""Small networks whose answers can be computed by hand; the tests here import it."""
from __future__ import annotations

import numpy as np
from onnx import TensorProto, helper, numpy_helper

import cinfer

N, FLOAT = helper.make_node, TensorProto.FLOAT
SIDE, CHANNELS, CLASSES = 8, 5, 3
LABELS = "red\ngreen\nblue"
# pixels as they are, 0 to 1
KEYS = {"cinfer.recipe": "1", "cinfer.task": "classification", "cinfer.labels": LABELS, "cinfer.input.size": "8x8",
        "cinfer.input.mean": "0", "cinfer.input.std": "255", "cinfer.input.resize": "stretch",
        "cinfer.input.filter": "nearest"}
rng = np.random.default_rng(3)
STEM = rng.normal(size=(CHANNELS, 3, 1, 1)).astype(np.float32)
WEIGHTS = rng.normal(size=(CLASSES, CHANNELS)).astype(np.float32)
BIAS = rng.normal(size=CLASSES).astype(np.float32)
X = rng.random((1, 3, SIDE, SIDE), np.float32)


def model(nodes, constants, output="y", shape=(1, 3, SIDE, SIDE), out=(1, CLASSES), keys=None, opset=17, kind=FLOAT,
          more=()):
    """A model's bytes. more : ports of other outputs"""
    ports = [helper.make_tensor_value_info("x", kind, shape)], [helper.make_tensor_value_info(output, kind, out), *more]
    graph = helper.make_graph(nodes, "g", *ports, [numpy_helper.from_array(np.asarray(a), n)
                                                   for n, a in constants.items()])
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
    made = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    helper.set_model_props(made, KEYS if keys is None else keys)
    return made.SerializeToString()


def colours(score="Softmax", **more):
    """The number of a class is the mean of its colour, times 20."""
    nodes = [N("GlobalAveragePool", ["x"], ["m"]), N("Flatten", ["m"], ["f"]), N("Mul", ["f", "twenty"], ["n"]),
             N(score, ["n"], ["y"])]
    return model(nodes, {"twenty": np.float32(20)}, **more)


def session(content):
    return cinfer.load(content, threads=1)


def picture(width, height, box, colour, ground=(40, 40, 40)):
    """uint8 (height, width, 3) with a box x1, y1, x2, y2 of a colour."""
    pixels = np.full((height, width, 3), ground, np.uint8)
    pixels[box[1]:box[3], box[0]:box[2]] = colour
    return pixels


def softmax(numbers):
    powers = np.exp(np.asarray(numbers, np.float64) - np.max(numbers))
    return powers / powers.sum()

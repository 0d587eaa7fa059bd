"""Files of detectors whose outputs are given: the graph hands them out, whatever the picture."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from cinfer.vision.prepare.geometry import Geometry
from cinfer.vision.prepare.recipe import recipe_for

import cinfer
from cinfer.vision.families import family
from cinfer.vision.families.view import Options, View
from cinfer.vision.recognise import recognise
from cinfer.vision.recognise.model import Model


def write(path, outputs, shape=(1, 3, 64, 64), name="images", beside=(), metadata=None, symbolic=False, scaled=()):
    """A model file. outputs : name -> array; beside : (name, elem_type, shape) of more inputs; symbolic : the outputs'
    sizes are names, as exporters leave them; scaled : outputs to multiply by w, h, w, h of the input orig_target_sizes
    """
    nodes, constants, ports = [], [], []
    nodes.append(helper.make_node("ReduceMin", [name], ["least"], keepdims=0))
    constants.append(numpy_helper.from_array(np.float32(0), "zero"))
    nodes.append(helper.make_node("Mul", ["least", "zero"], ["nothing"]))
    for key, array in outputs.items():
        array = np.asarray(array)
        kind = helper.np_dtype_to_tensor_dtype(array.dtype)
        constants.append(numpy_helper.from_array(array, f"{key}_"))
        nodes.append(helper.make_node("Cast", ["nothing"], [f"{key}_0"], to=kind))
        nodes.append(helper.make_node("Add", [f"{key}_", f"{key}_0"], [f"{key}_1" if key in scaled else key]))
        sizes = [f"{key}_dim_{i}" for i in range(array.ndim)] if symbolic else array.shape
        ports.append(helper.make_tensor_value_info(key, kind, sizes))
    for key in scaled:
        nodes.append(helper.make_node("Cast", ["orig_target_sizes"], ["sizes"], to=TensorProto.FLOAT))
        nodes.append(helper.make_node("Concat", ["sizes", "sizes"], ["four"], axis=1))
        nodes.append(helper.make_node("Mul", [f"{key}_1", "four"], [key]))
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)]
    inputs += [helper.make_tensor_value_info(*each) for each in beside]
    model = helper.make_model(helper.make_graph(nodes, "given", inputs, ports, constants), ir_version=9,
                              opset_imports=[helper.make_opsetid("", 17)])
    helper.set_model_props(model, metadata or {})
    onnx.save(model, path)
    return path


class Case:
    """What cinfer.vision says of outputs without running them.

    size : (width, height) of the picture; fed : of the input; flags : words; the geometry is a stretch unless given"""

    def __init__(self, path, flags=None, labels=None):
        self.session = cinfer.load(path)
        self.model = Model(self.session)
        self.words = recognise(self.model, {key: (text, key) for key, text in (flags or {}).items()}, labels)
        self.recipe = recipe_for(self.words, self.session.inputs)
        self.family = self.words.text("family") or "raw"

    def text(self, *keys):
        return tuple(self.words.text(key) for key in keys)

    def decode(self, outputs, size, fed, where=None, **options):
        where = where or Geometry(*size, *fed, fed[0] / size[0], fed[1] / size[1])
        with np.errstate(all="ignore"):
            return family(self.family).decode(View(outputs, self.words, self.recipe, where, Options(**options)))


def said(answer):
    """[(class, score, box)], rounded"""
    return [(each.index, round(each.score, 4), tuple(round(v, 2) for v in each.box)) for each in answer.found]


def iou(a, b):
    """Of two boxes, by definition."""
    wide, high = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    both = max(wide, 0) * max(high, 0)
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)

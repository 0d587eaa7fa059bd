"""Models whose outputs are given arrays, whatever picture comes: for tests of what is made of outputs."""

import numpy as np
from onnx import helper, numpy_helper

import cinfer
from cinfer.vision.reader import Reader

TYPES = {np.dtype(t): helper.np_dtype_to_tensor_dtype(np.dtype(t)) for t in ("f4", "f2", "u1", "i4", "i8")}


def model(outputs, metadata=None, shape=(1, 3, 640, 640), declared=None, name="images", dtype=np.float32):
    """A session. outputs : name -> array; declared : name -> shape as the file says it, by default the array's"""
    nodes, constants, ports = [], [], []
    for output, array in outputs.items():
        array = np.asarray(array)
        constants.append(numpy_helper.from_array(array, f"{output}_values"))
        nodes.append(helper.make_node("Identity", [f"{output}_values"], [output]))
        said = (declared or {}).get(output, array.shape)
        ports.append(helper.make_tensor_value_info(output, TYPES[array.dtype], said))
    picture = helper.make_tensor_value_info(name, TYPES[np.dtype(dtype)], shape)
    graph = helper.make_graph(nodes, "g", [picture], ports, constants)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    helper.set_model_props(made, metadata or {})
    return cinfer.load(made.SerializeToString(), threads=1)


def reading(session, width, height, **flags):
    """What is read of a grey picture of this size. flags : word with _ for . -> text"""
    said = {key.replace("_", "."): (text, f"--{key}") for key, text in flags.items()}
    return Reader(session, said).read(np.full((height, width, 3), 90, np.uint8))


def letterbox(width, height, wide=640, high=640):
    """(x scale, y scale, left, top) by Ultralytics' rounding."""
    ratio = min(wide / width, high / height)
    w, h = round(width * ratio), round(height * ratio)
    return w / width, h / height, round((wide - w) / 2 - 0.1), round((high - h) / 2 - 0.1)


def fed(boxes, placed):
    """Corners (n, 4) in the picture -> in the input."""
    sx, sy, left, top = placed
    return np.asarray(boxes, float) * [sx, sy, sx, sy] + [left, top, left, top]


def centred(boxes):
    return np.concatenate([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]], 1)


def overlap(a, b):
    """Intersection over union of two boxes, by the definition."""
    w, h = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    both = max(w, 0) * max(h, 0)
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


def kept(boxes, scores, classes, iou):
    """Non-maximum suppression within classes, by the definition: indices, the likeliest first."""
    stay = []
    for i in sorted(range(len(scores)), key=lambda i: -scores[i]):
        if all(classes[i] != classes[j] or overlap(boxes[i], boxes[j]) <= iou for j in stay):
            stay.append(i)
    return stay

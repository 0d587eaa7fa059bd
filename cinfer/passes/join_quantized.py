"""Operators between DequantizeLinear and QuantizeLinear become operators on the bytes."""
from __future__ import annotations

from math import prod

import numpy as np

from ..model.graph import Graph, Node
from ..ops.families import MICROSOFT, OWN_DOMAIN
from ..ops.numeric import F32
from ..ops.quantize import dequantize, quantize
from ..ops.symbols import same
from .pattern import Rewriter, has, rewrite
from .quantized import U8, Stored, read, same_scale, stored
from .spelling import Spelling

WIDER = {name: np.dtype(name.replace("4", "8")) for name in ("int8", "uint8", "int4", "uint4")}
NOT_BYTES = "an input is not of 8 bits by one constant scale"
NOT_PICTURES = "bytes are computed in pictures of one or two axes; or its ranks are not known"
MOST_PRODUCT = 1 << 31              # of a sum in int32
RESIZES = ("axes", "coordinate_transformation_mode", "keep_aspect_ratio_policy", "mode")    # that change pictures
BIAS_ERROR = 1 / 64                 # of a bias that is no whole number of products, in units of the output


@rewrite
def join_quantized(graph: Graph, at: Rewriter) -> bool:
    """x8 -> DequantizeLinear -> Conv -> QuantizeLinear -> y8   becomes   x8 -> QLinearConv -> y8

    In the same way Add and Mul (QLinearAdd, QLinearMul), GlobalAveragePool and means over all pixels
    (QLinearGlobalAveragePool), AveragePool (QLinearAveragePool), linear Resize (QLinearResize), MaxPool and Concat on
    the bytes themselves, with a LookUp where scales differ. Relu and Clip before the QuantizeLinear become limits of
    the bytes: a LookUp behind, if these do not saturate anyway.

    Guards: uint8, one constant scale and zero point for each activation; constant weights of 8 bits, by one scale or
    one for each output channel; nobody else sees the number in between; sums that int32 holds; what has kernels for
    bytes: pictures of one or two axes.
    """
    join = _Join(at)
    changed = False
    for node in at.of("QuantizeLinear"):
        changed |= join.join(node)
    graph.in_float.update(join.refused)
    return changed


class _Join:
    """refused : name of a node -> why it stays in floats, in words a person can act on"""

    def __init__(self, at: Rewriter):
        self.at = at
        self.refused: dict[str, str] = {}

    def join(self, node: Node) -> bool:
        at, name = self.at, node.inputs[0]
        y = stored(at, node)
        if y is None or at.only_reader(name) is not node:
            return False
        clamp = Spelling(at).clamp(name)
        if clamp is not None:
            name = clamp[0]
            if at.only_reader(name) is None:
                return False
        operator = at.maker(name, *WAYS)
        if operator is None:
            return False
        found = WAYS[operator.op_type](self, operator, y)
        if type(found) is str:
            self.refused[operator.name or operator.outputs[0]] = found
            return False
        node.name = operator.name or operator.outputs[0]
        op_type, inputs, opset, domain, attributes = found
        table = None if clamp is None else self.limits(y, *clamp[1:])
        if table is not None:
            inner = Node(op_type, inputs, [at.fresh(y.name)], attributes, domain=domain, opset=opset, name=node.name)
            at.insert(inner, after=operator)
            op_type, inputs, opset, domain, attributes = "LookUp", [inner.outputs[0], table], 1, OWN_DOMAIN, {}
        at.change(node, op_type, inputs, opset, domain, **attributes)
        return True

    def limits(self, y: Stored, low: float, high: float) -> str | None:
        """The table that limits bytes; None where they cannot be outside."""
        ends = self.quantized(np.array([low, high], F32), y)
        if ends.tolist() == [0, 255]:
            return None
        return self.at.constant(np.arange(256).clip(*ends.tolist()).astype(U8), "table")

    def quantized(self, x: np.ndarray, y: Stored) -> np.ndarray:
        scale, zero = (self.at.array(name).reshape(()) for name in (y.scale, y.zero))
        return quantize(x, scale, zero, U8)

    def requantized(self, x: Stored, y: Stored, beside: Node) -> str:
        """The bytes of x by the scale of y."""
        at = self.at
        if same_scale(at, x, y):
            return x.name
        real = dequantize(np.arange(256, dtype=U8), *(at.array(name).reshape(()) for name in (x.scale, x.zero)))
        table = at.constant(self.quantized(real, y), "table")
        return at.insert(Node("LookUp", [x.name, table], [at.fresh(x.name)], {}, domain=OWN_DOMAIN, opset=1,
                              name=beside.name or beside.outputs[0]), after=beside)

    # ---- operators: (its type, inputs, opset, domain, attributes), or why it stays as it is

    def conv(self, node: Node, y: Stored):
        at = self.at
        x, weights = read(at, node.inputs[0]), self.weights(node.inputs[1])
        if x is None:
            return NOT_BYTES
        if type(weights) is str:
            return weights
        w, *parameters = weights
        shape = at.array(w).shape
        if len(shape) not in (3, 4) or 0 in shape:
            return "convolutions of bytes have one or two spatial axes"
        if prod(shape[1:]) * 255 * 255 >= MOST_PRODUCT:
            return "int32 does not hold sums of so many products"
        inputs = [*x, w, *parameters, y.scale, y.zero]
        if has(node, 2):
            unit = at.array(x.scale).item() * at.array(parameters[0]).astype(np.float64).reshape(-1)
            bias = self.bias(node.inputs[2], unit, at.array(y.scale).item(), shape[0])
            if bias is None:
                return "its bias is no constant, or too coarse in units of input scale * weight scale; store it as " \
                       "int32 by that scale"
            inputs.append(bias)
        return "QLinearConv", inputs, 10, "", node.attributes

    def weights(self, name: str):
        """Names of the bytes, scale and zero point of constant weights, or why they are none. Those of 4 bits become
        bytes."""
        at = self.at
        node = at.maker(name, "DequantizeLinear")
        if node is None or at.dtype(name) != F32:
            return "its weights are not quantised"
        w, scale = map(at.array, node.inputs[:2])
        zero = at.array(node.inputs[2]) if has(node, 2) else None
        if w is None or scale is None or has(node, 2) and zero is None:
            return "its weights are no constants"
        wide = WIDER.get(w.dtype.name)
        if wide is None or scale.dtype != F32 or not w.ndim or not (np.isfinite(scale).all() and scale.min() > 0):
            return f"its weights are {w.dtype}, scales {scale.dtype}; 8 or 4 bits by positive float32 scales are right"
        if node.attributes.get("block_size") or scale.size != 1 and (
                node.attributes.get("axis", 1) % w.ndim != 0 or scale.shape != w.shape[:1]):
            return "its weights have scales along another axis than the output channels"
        names = [node.inputs[0], node.inputs[1], node.inputs[2] if zero is not None else ""]
        if zero is None:
            names[2] = at.constant(np.zeros(scale.shape, wide), "zero")
        if w.dtype != wide:
            for i, array in ((0, w), (2, zero)):
                if array is not None:
                    names[i] = at.constant(array.astype(wide), names[i])
        return names

    def bias(self, name: str, unit: np.ndarray, y_scale: float, channels: int) -> str | None:
        """A bias in units of the products, as int32. unit : what one of them is worth, for each channel"""
        at, node = self.at, self.at.maker(name, "DequantizeLinear")
        if node is not None:
            whole, scale = map(at.array, node.inputs[:2])
            zero = at.array(node.inputs[2]) if has(node, 2) else np.zeros(1, np.int32)
            if whole is None or scale is None or zero is None or whole.dtype != np.int32 or zero.any():
                return None
            if scale.size in (1, unit.size) and np.allclose(scale.reshape(-1), unit, 1e-5, 0) \
                    and whole.shape == (channels,):
                return node.inputs[0]
            if scale.size not in (1, channels):
                return None
            real = whole.astype(np.float64) * scale
        else:
            real = at.array(name)
        if real is None or real.shape != (channels,):
            return None
        exact = real.astype(np.float64) / unit
        near = np.rint(exact)
        if not (np.isfinite(near).all() and np.abs(near).max(initial=0) < MOST_PRODUCT
                and (np.abs(exact - near) * unit).max(initial=0) <= BIAS_ERROR * y_scale):
            return None
        return at.constant(near.astype(np.int32), name)

    def binary(self, node: Node, y: Stored):
        at = self.at
        if node.attributes or len(node.inputs) != 2:
            return "it broadcasts as opsets before 7 do"
        a, b = (read(at, name) for name in node.inputs)
        if a is None or b is None:
            return NOT_BYTES
        if at.rank(a.name) not in (3, 4) or at.rank(a.name) != at.rank(b.name):
            return NOT_PICTURES
        return f"QLinear{node.op_type}", [*a, *b, y.scale, y.zero], 1, MICROSOFT, {}

    def max_pool(self, node: Node, y: Stored):
        x = read(self.at, node.inputs[0])
        if x is None:
            return NOT_BYTES
        if any(node.outputs[1:]) or self.at.rank(x.name) not in (3, 4):
            return NOT_PICTURES
        if same_scale(self.at, x, y):
            return "MaxPool", [x.name], max(node.opset, 12), "", node.attributes
        inner = Node("MaxPool", [x.name], [self.at.fresh(y.name)], node.attributes, opset=max(node.opset, 12),
                     name=node.name or node.outputs[0])
        self.at.insert(inner, after=node)
        moved = self.requantized(Stored(inner.outputs[0], x.scale, x.zero), y, inner)
        return "Identity", [moved], 13, "", {}

    def concat(self, node: Node, y: Stored):
        found = [read(self.at, name) for name in node.inputs]
        if None in found:
            return NOT_BYTES
        if self.at.rank(found[0].name) not in (3, 4):
            return NOT_PICTURES
        return "Concat", [self.requantized(x, y, node) for x in found], max(node.opset, 13), "", node.attributes

    def mean(self, node: Node, y: Stored):
        at, x = self.at, read(self.at, node.inputs[0])
        if x is None:
            return NOT_BYTES
        if at.rank(x.name) != 4:
            return NOT_PICTURES
        if node.op_type == "ReduceMean":
            axes = at.ints(node, "axes", 1, 18)
            if axes is None or sorted(a % 4 for a in axes) != [2, 3] or not node.attributes.get("keepdims", 1):
                return "means of bytes are over all pixels, whose axes stay"
        return "QLinearGlobalAveragePool", [*x, y.scale, y.zero], 1, MICROSOFT, {"channels_last": 0}

    def average_pool(self, node: Node, y: Stored):
        x = read(self.at, node.inputs[0])
        if x is None:
            return NOT_BYTES
        if self.at.rank(x.name) not in (3, 4) or "dilations" in node.attributes:
            return NOT_PICTURES
        return "QLinearAveragePool", [*x, y.scale, y.zero], 1, MICROSOFT, node.attributes

    def resize(self, node: Node, y: Stored):
        at, get = self.at, node.attributes.get
        x = read(at, node.inputs[0])
        if x is None:
            return NOT_BYTES
        if at.rank(x.name) != 4 or node.opset < 11 or get("mode") != "linear" or get("antialias", 0) \
                or get("exclude_outside", 0) or get("coordinate_transformation_mode") == "tf_crop_and_resize":
            return "of bytes only linear and nearest Resize of pictures is computed"
        before, after = at.fact(x.name), at.fact(node.outputs[0])
        if before is None or after is None or not same(before.shape[:2], after.shape[:2]):
            return "of bytes only linear and nearest Resize of pictures is computed"
        kept = {name: value for name, value in node.attributes.items() if name in RESIZES}
        inputs = [x.name, *node.inputs[1:], "", "", ""][:4]
        return "QLinearResize", [*inputs, *x[1:], y.scale, y.zero], 1, OWN_DOMAIN, kept


WAYS = {"Conv": _Join.conv, "Add": _Join.binary, "Mul": _Join.binary, "MaxPool": _Join.max_pool,
        "Concat": _Join.concat, "GlobalAveragePool": _Join.mean, "ReduceMean": _Join.mean,
        "AveragePool": _Join.average_pool, "Resize": _Join.resize}

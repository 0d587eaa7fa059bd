"""Operators on quantised numbers, spelled with DequantizeLinear and QuantizeLinear."""
from __future__ import annotations

import numpy as np

from ..model.graph import Graph, Node
from ..ops.families import OWN_DOMAIN
from .join_products import is_byte, takes_qlinear
from .pattern import Rewriter, has, rewrite
from .widen_halves import FLOAT

# What computes it in floats; its opset (None: an attribute says it); where (tensor, scale, zero point) of the
# inputs begin; where scale and zero point of the output are
_FLOATS = {
    "QLinearConv": ("Conv", 11, (0, 3), 6), "QLinearMatMul": ("MatMul", 13, (0, 3), 6),
    "com.microsoft.QGemm": ("Gemm", 13, (0, 3), 7),
    "com.microsoft.QLinearAdd": ("Add", 14, (0, 3), 6), "com.microsoft.QLinearMul": ("Mul", 14, (0, 3), 6),
    "com.microsoft.QLinearAveragePool": ("AveragePool", 19, (0,), 3),
    "com.microsoft.QLinearConcat": ("Concat", 13, None, 0),
    "com.microsoft.QLinearGlobalAveragePool": ("GlobalAveragePool", 1, (0,), 3),
    "com.microsoft.QLinearLeakyRelu": ("LeakyRelu", 16, (0,), 3),
    "com.microsoft.QLinearSigmoid": ("Sigmoid", 13, (0,), 3),
    "com.microsoft.QLinearSoftmax": ("Softmax", None, (0,), 3),
}
_WEIGHTS = ("QLinearConv", "QLinearMatMul", "com.microsoft.QGemm")      # the second input may be per channel
_BIAS = {"QLinearConv": 8, "com.microsoft.QGemm": 6}                    # int32, by the product of the scales
_PRODUCTS = ("QLinearMatMul", "com.microsoft.QGemm")
OPSET = 13
LEAST, MOST = 2.0 ** -100, 2.0 ** 100       # of scales, and of products of two: sums are normal, finite floats then


@rewrite
def expand_quantized(graph: Graph, at: Rewriter) -> bool:
    """x8 -> QLinearConv -> y8   becomes   x8 -> DequantizeLinear -> Conv -> QuantizeLinear -> y8

    In the same way QLinearMatMul, and onnxruntime's QGemm, QLinearAdd, QLinearMul, QLinearConcat, pools and
    activations; Transposes stand around pools whose channels lie last. So the network is one of floats, which
    QuantizeLinear and DequantizeLinear round between the operators: spelled like those of all other exporters, whose
    integers `join_quantized` finds.

    QLinearMatMul and QGemm that kernels take as they are stay; so do those of float8.

    x8 -> ConvInteger -> Cast   becomes   x8 -> DequantizeLinear -> Conv, by a scale of 1, where `join_sums` has left
    it. An Add of whole numbers before the Cast becomes one of floats.

    DynamicQuantizeLSTM becomes DynamicQuantizeLinear -> DequantizeLinear -> DynamicStateLSTM, where its weights are
    constant and it has no lengths.

    Sums are rounded as float32, not exact: y8 may be the neighbour where a number lies on the border. Products by
    scales so large or small that sums would be infinite, or count as 0, stay: these are summed as integers.

    Only with constant scales and zero points of 8 bits: one for a whole tensor, or one for each output
    channel of constant weights. Of ConvInteger, only with constant weights, one zero point of x8 if any,
    and when all that read its integers, or their sums with others, are Casts to float32.
    """
    expansion = _Expansion(at)
    for node in graph.nodes:
        expansion.expand(node)
    return bool(expansion.made)


class _Expansion:
    """made : (name of a tensor, bytes of scale and zero point) -> its DequantizeLinear"""

    def __init__(self, at: Rewriter):
        self.at = at
        self.made: dict[tuple[str, bytes, bytes], Node] = {}

    def expand(self, node: Node) -> None:
        kind = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
        if kind in _PRODUCTS and (takes_qlinear(self.at, node) or not is_byte(self.at, node.inputs[0])):
            return
        if kind == "ConvInteger":
            return self.expand_sum(node)
        if kind == "com.microsoft.DynamicQuantizeLSTM":
            return self.expand_lstm(node)
        if kind not in _FLOATS or len(node.outputs) != 1 \
                or node.attributes.get("channels_last") and not self.is_picture(node):
            return
        op_type, opset, places, end = _FLOATS[kind]
        inputs = node.inputs + [""] * (end + 2 - len(node.inputs))
        scale, zero = inputs[end:end + 2]
        if not (kind == "com.microsoft.QGemm" and not scale or zero and self.is_single(scale, zero)):
            return
        triples = [inputs[i:i + 3] for i in places or range(2, len(inputs), 3)]
        if not all(triple[0] and self.agrees(triple[0], triple[2]) for triple in triples):
            return                                              # whoever plans says what is wrong
        axes = [self.axis(kind, node, *triple) if i == 1 and kind in _WEIGHTS else None
                for i, triple in enumerate(triples)]
        bias = self.bias(kind, node, triples) if kind in _BIAS else []
        if bias is None or not all(self.is_single(*triple[1:]) or axis is not None
                                   for triple, axis in zip(triples, axes)):
            return
        if kind in _WEIGHTS and not self.has_usual_sums(*triples):
            return
        reals = [self.real(node, *triple, axis) for triple, axis in zip(triples, axes)]
        self.rewrite(node, op_type, opset or node.attributes["opset"], reals + bias, scale, zero)

    def rewrite(self, node: Node, op_type: str, opset: int, inputs: list[str], scale: str, zero: str) -> None:
        at = self.at
        node.name = node.name or node.outputs[0]
        attributes = {k: v for k, v in node.attributes.items() if k not in ("channels_last", "opset")}
        behind = []
        if node.attributes.get("channels_last"):
            last = at.rank(node.inputs[0]) - 1
            first = Node("Transpose", inputs, [at.fresh(inputs[0])], {"perm": [0, last, *range(1, last)]})
            inputs = [self.put(first, node, at.makers[inputs[0]])]
            behind.append(("Transpose", [], {"perm": [0, *range(2, last + 1), 1]}))
        if scale:
            behind.append(("QuantizeLinear", [scale, zero], {}))
        maker, out = node, node.outputs[0]
        for step, more, how in behind:
            at.set_outputs(maker, [at.fresh(out)])
            after = Node(step, [maker.outputs[0], *more], [out], how)
            self.put(after, node, maker)
            maker = after
        at.change(node, op_type, inputs, opset, **attributes)

    def put(self, node: Node, beside: Node, after: Node) -> str:
        """Insert a node that works for another one; the name of what it makes."""
        node.opset, node.name = OPSET, beside.name
        return self.at.insert(node, after=after)

    def is_picture(self, node: Node) -> bool:
        """Is the first input known to have batch, spatial axes and channels?"""
        return (self.at.rank(node.inputs[0]) or 0) >= 3

    def expand_sum(self, node: Node) -> None:
        """ConvInteger: sums of products less zero points, in int32."""
        at, out = self.at, node.outputs[0]
        x, weights, zero, shift = node.inputs + [""] * (4 - len(node.inputs))
        w = at.array(weights)
        sums = dict.fromkeys(r for r in at.readers.get(out, ()) if r.op_type == "Add" and not r.domain)
        if not self.is_stored(x, zero) or w is None or not self.becomes_real(out, sums) \
                or not all(self.becomes_real(add.outputs[0]) for add in sums):
            return
        if w.dtype.name not in ("uint8", "int8") or w.ndim < 2:
            return
        wide = w.astype(np.float32)
        if shift:
            shifts = at.array(shift)
            if shifts is None or shifts.dtype != w.dtype or shifts.size != 1 and shifts.shape != w.shape[:1]:
                return
            wide -= shifts.reshape(-1, *(1,) * (w.ndim - 1))
        one = at.constant(np.array(1, np.float32), "one")
        y = at.fresh(out)
        node.name = node.name or out
        at.set_outputs(node, [y])
        for add in sums:
            terms = [y if name == out else self.cast(name, add) for name in add.inputs]
            total, real = add.outputs[0], at.fresh(add.outputs[0])
            at.set_outputs(add, [real])
            at.change(add, "Add", terms, add.opset)
            self.drop_casts(total, real)
        self.drop_casts(out, y)
        at.change(node, "Conv", [self.real(node, x, one, zero, None), at.constant(wide, weights)], 11,
                  **node.attributes)

    def expand_lstm(self, node: Node) -> None:
        """DynamicQuantizeLSTM of constant weights: in floats, but for what is rounded during the run."""
        at, inputs = self.at, node.inputs + [""] * (12 - len(node.inputs))
        w, r, *parameters = map(at.array, (*inputs[1:3], *inputs[8:12]))
        if inputs[4] or w is None or r is None or w.ndim != 3 or r.ndim != 3 or any(
                p is None or p.shape not in (r.shape[:1], r.shape[::2]) for p in parameters):
            return
        real = []
        for name, v, scale, zero in ((inputs[1], w, *parameters[:2]), (inputs[2], r, *parameters[2:])):
            scale, zero = (p.astype(np.float32).reshape(len(r), 1, -1) for p in (scale, zero))
            real.append(at.constant(np.ascontiguousarray(((v - zero) * scale).transpose(0, 2, 1)), name))
        name, x = node.name or node.outputs[0], inputs[0]
        parts, rounded = [at.fresh(x) for _ in range(3)], at.fresh(x)
        stored = Node("DynamicQuantizeLinear", [x], parts, opset=OPSET, name=name)
        at.insert(stored, after=at.makers.get(x))
        at.insert(Node("DequantizeLinear", parts, [rounded], opset=OPSET, name=name), after=stored)
        at.change(node, "DynamicStateLSTM", [rounded, *real, *inputs[3:8]], 1, OWN_DOMAIN, **node.attributes)

    def becomes_real(self, name: str, others=()) -> bool:
        """Is every reader a Cast to float32, or one of the others?"""
        return name not in self.at.pinned and all(
            reader.op_type == "Cast" and reader.attributes.get("to") == FLOAT or reader in others
            for reader in self.at.readers.get(name, ()))

    def cast(self, name: str, node: Node) -> str:
        """The whole numbers that a node reads as float32."""
        array = self.at.array(name)
        if array is not None:
            return self.at.constant(array.astype(np.float32), name)
        cast = Node("Cast", [name], [self.at.fresh(name)], {"to": FLOAT}, opset=OPSET,
                    name=node.name or node.outputs[0])
        self.at.insert(cast, after=self.at.makers.get(name))
        return cast.outputs[0]

    def drop_casts(self, whole: str, real: str) -> None:
        for cast in tuple(self.at.readers.get(whole, ())):
            self.at.change(cast, "Identity", [real], OPSET)

    def is_stored(self, x: str, zero: str) -> bool:
        """Are these numbers of 8 bits and, if any, the zero point of the whole tensor?"""
        maker = self.at.maker(x, "DynamicQuantizeLinear")
        if maker is not None and maker.outputs[2:] == [zero]:
            return True
        dtype = self.at.dtype(x)
        return dtype is not None and dtype.name in ("uint8", "int8") and (
            not zero or self.at.dtype(zero) == dtype and (self.at.rank(zero) == 0 or self.is_one(zero)))

    def is_one(self, name: str) -> bool:
        array = self.at.array(name)
        return array is not None and array.shape == (1,)

    def is_single(self, scale: str, zero: str) -> bool:
        """Are these the constants of a whole tensor? A zero point may be left out."""
        scales, zeros = self.at.array(scale), self.at.array(zero)
        return (scales is not None and scales.size == 1 and scales.ndim < 2 and scales.dtype == np.float32
                and (not zero or zeros is not None and zeros.size == 1 and zeros.ndim < 2
                     and zeros.dtype.name in ("uint8", "int8")))

    def agrees(self, name: str, zero: str) -> bool:
        """Is a zero point, if it is said, of the type of its tensor, or is one of them not known?"""
        zeros, dtype = self.at.array(zero) if zero else None, self.at.dtype(name)
        return zeros is None or dtype is None or zeros.dtype == dtype

    def axis(self, kind: str, node: Node, weights: str, scale: str, zero: str) -> int | None:
        """The axis of constant weights along which scales and zero points lie; None where they do not."""
        w, scales, zeros = map(self.at.array, (weights, scale, zero))
        if w is None or scales is None or scales.ndim != 1 or scales.dtype != np.float32 \
                or zero and (zeros is None or zeros.shape != scales.shape or zeros.dtype != w.dtype):
            return None
        if kind == "QLinearConv":
            return 0
        return None if w.ndim != 2 else 0 if node.attributes.get("transB") else 1

    def has_usual_sums(self, *triples) -> bool:
        """Are products, and what is multiplied, neither infinite nor so small that kernels take them for 0?"""
        x, w = (float(np.abs(self.at.array(scale)).max(initial=0)) for _, scale, _ in triples)
        return LEAST <= x <= MOST and (LEAST <= x * w <= MOST or w == 0)

    def bias(self, kind: str, node: Node, triples: list[list[str]]) -> list[str] | None:
        """The bias in floats, where there is one; None where it, or the weights, are not constant."""
        at, place = self.at, _BIAS[kind]
        x_scale, w_scale = (at.array(triple[1]) for triple in triples)
        if x_scale is None or w_scale is None or at.array(triples[1][0]) is None:
            return None
        if not has(node, place):
            return []
        stored = at.array(node.inputs[place])
        if stored is None or stored.dtype != np.int32 or x_scale.size != 1:
            return None
        scale = x_scale.reshape(()).astype(np.float64) * w_scale * node.attributes.get("alpha", 1.0)
        return [at.constant((stored * scale).astype(np.float32), node.inputs[place])]

    def real(self, node: Node, name: str, scale: str, zero: str, axis: int | None) -> str:
        """The tensor in floats."""
        at = self.at
        zeros = at.array(zero) if zero else None
        key = name, at.array(scale).tobytes(), zero.encode() if zeros is None else zeros.tobytes()
        if key not in self.made:
            self.made[key] = Node("DequantizeLinear", [name, scale, zero] if zero else [name, scale],
                                  [at.fresh(name)], {} if axis is None else {"axis": axis}, opset=OPSET,
                                  name=node.name or node.outputs[0])
            at.insert(self.made[key], after=at.makers.get(name))
        return self.made[key].outputs[0]

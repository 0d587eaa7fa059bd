"""Functions of one number -> `map`, or the epilogue of the step before; Softmax -> `softmax`."""
from __future__ import annotations

import re
from math import isfinite, prod

import numpy as np

from ...ops import registry
from ...ops.families import OWN_DOMAIN
from ..candidate import BLOCKED, CONTIGUOUS, FOLLOWS, KERNELS, PLAIN, Candidate, kernel
from ..epilogue import NONE, Unary
from ..views import BLOCK, F32, F64, collapse
from . import elementwise

INF = float("inf")


def candidates(group, values) -> tuple[Candidate, ...]:
    """The function in one pass over memory, in whichever layout its input is."""
    node = group.node
    function = values.unary_of(node, values.kernel_of(node))
    x, y = values.fact(node.inputs[0]), values.fact(node.outputs[0])
    if node.op_type == "Clip" and (function is None or x.dtype != F32):
        return elementwise.clipped(group, values)
    if x.dtype != F32 and node.op_type in elementwise.OF_ONE:
        return elementwise.of_one(group, values)
    if function is None or function.slope and not elementwise.follows(node, values):
        return elementwise.binary(group, values) if node.op_type in elementwise.BINARY else ()
    if x.dtype != F32 or y.dtype != F32 or prod(x.shape) == 0:
        return ()
    if elementwise.follows(node, values):
        return (Candidate(lambda out: emit_blocked(out, group, function),
                          ((node.inputs[0], BLOCKED),), BLOCKED),)
    if x.ndim > 6 and collapse(
            y.shape, values.plain(node.inputs[0]).strides, values.plain(node.outputs[0]).strides) is None:
        return ()

    def emit(out):
        source, target = out.plain(node.inputs[0]), out.plain(node.outputs[0])
        out.map(target.shape, source.ref(), source.strides, target.ref(), target.strides, op=function.op,
                alpha=function.alpha, beta=function.beta, name=group.output if target.contiguous else "")
    return (Candidate(emit, ((node.inputs[0], PLAIN),)),)


def emit_blocked(out, group, function: Unary) -> None:
    source, target = out.blocked(group.node.inputs[0]), out.output(group.output)
    (dims, xs), (_, ys) = (elementwise.blocked_axes(view, target.shape) for view in (source, target))
    whole = group.output if target.shape[1] % BLOCK == 0 else ""
    if function.slope:
        dims, xs, ss, ys = elementwise.by_rows(out, dims, xs, [0, 0, BLOCK, 0, 0, 1], ys)
        slope = out.vector(function.slope), ss
        return elementwise.emit_zip(out, dims, (source.ref(), xs), slope, (target.ref(), ys), "prelu", name=whole)
    dims, xs, ys = elementwise.by_rows(out, dims, xs, ys)
    return out.map(dims, source.ref(), xs, target.ref(), ys, op=function.op, alpha=function.alpha,
                   beta=function.beta, name=whole)


def unary(*operators, attributes="", domain="", **kwargs):
    """Decorator of a function (node, values) -> Unary or None: the operators are functions of one number."""
    def enter(rule):
        kernel(*operators, attributes=attributes, reading=FOLLOWS, unary=rule, domain=domain, **kwargs)(
            candidates)
        return rule
    return enter


def as_named(node, values) -> Unary | None:
    """Of an elementwise operator of one input that the kernels have under its own name; alpha and beta are
    its float attributes."""
    op = named(node.op_type)
    if op not in values.table.unary:
        return None
    get, defaults = node.attributes.get, registry.find(node).attributes
    numbers = [float(get(name, default)) for name, default in defaults.items() if type(default) is float]
    return Unary(op, *numbers) if all(map(isfinite, numbers)) else None         # 0 * inf, of what is not asked for


def named(operator: str) -> str:
    """An operator's name as kernels have it: hard_sigmoid for HardSigmoid."""
    return CAPITAL.sub(r"_\1", operator).lower()


def activation_of(node) -> Unary:
    """What a node of our own does before it rounds, as kernels name it; NONE for slopes."""
    get = node.attributes.get
    name = get("activation", "")
    if not name:
        return NONE
    return Unary("hard_swish", 1 / 6, .5) if name == "HardSwish" else Unary(named(name), get("alpha"), get("beta"))


CAPITAL = re.compile("(?<!^)([A-Z])")
for _operator in registry.operators():
    if (_operator.traits.elementwise and _operator.max_inputs == 1 and ("", _operator.name) not in KERNELS
            and _operator.evaluate.__module__.endswith((".activations", ".elementwise"))):
        unary(_operator.name, attributes=" ".join(
            name for name, default in _operator.attributes.items() if type(default) is float))(as_named)


@unary("Relu")
def relu(node, values):
    return Unary("clip", 0.0, INF)


@unary("HardSwish")
def hard_swish(node, values):
    return Unary("hard_swish", 1 / 6, 0.5)


@unary("Clip", attributes="min max")
def clip(node, values):
    limits = [node.attributes.get("min", -INF), node.attributes.get("max", INF)]
    for i, name in enumerate(node.inputs[1:3]):
        if name:
            if (value := values.constant(name)) is None or value.size != 1:
                return None
            limits[i] = float(value.reshape(-1)[0])
    return Unary("clip", *limits)


@unary("Gelu", attributes="approximate")
def gelu(node, values):
    return Unary("gelu_tanh" if node.attributes.get("approximate", "none") == "tanh" else "gelu")


@unary("QuantizeDequantize", attributes="scale zero_point dtype", domain=OWN_DOMAIN)
def quantize_dequantize(node, values):
    get = node.attributes.get
    return Unary("quant_" + get("dtype").replace("uint", "u").replace("int", "s"), get("scale"), get("zero_point"))


@unary("PRelu")
def prelu(node, values):
    """Of constant slope: one number, or one per channel (axis 1)."""
    slope, shape = values.constant(node.inputs[1]), values.shape(node.inputs[0])
    if slope is None or not np.isfinite(slope).all():       # else 0 * inf, for what is above 0
        return None
    if slope.size == 1:
        return Unary("leaky_relu", float(slope.reshape(-1)[0]))
    # the slope's axes are aligned with the last ones of x; before opset 7 it was one per channel
    axis = 1 - (len(shape) - slope.ndim) if node.opset >= 7 else 0
    if len(shape) >= 2 and axis >= 0 and slope.size == shape[1] == slope.shape[axis]:
        return Unary("prelu", slope=node.inputs[1])
    return None


@kernel("Softmax", "LogSoftmax", attributes="axis")
def softmax(group, values):
    node = group.node
    x = values.fact(node.inputs[0])
    if x.dtype not in (F32, F64) or prod(x.shape) == 0 or x.ndim == 0:
        return ()

    def emit(out):
        source, y = out.contiguous(node.inputs[0]), out.plain(node.outputs[0])
        shape = source.shape
        axis = node.attributes.get("axis", -1 if node.opset >= 13 else 1)
        axis += len(shape) * (axis < 0)
        outer, n, inner = prod(shape[:axis]), prod(shape[axis:axis + 1]), prod(shape[axis + 1:])
        if node.opset < 13:                     # over all axes from there on; there may be none
            n, inner = n * inner, 1
        rows, columns, tiles = out.tiles.plane(outer, inner, n)
        out.step("softmax" if x.dtype == F32 else "softmax64", tiles, dict(
            x=source.ref(), y=y.ref(), outer=outer, n=n, inner=inner, xo=n * inner, xs=inner, yo=n * inner,
            ys=inner, log=node.op_type == "LogSoftmax", scale=1.0, rows=rows, columns=columns))
    return (Candidate(emit, ((node.inputs[0], CONTIGUOUS),)),)

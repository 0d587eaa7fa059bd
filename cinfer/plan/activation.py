"""Which nodes are unary functions that a kernel can apply in its epilogue or in one pass over memory."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..model.graph import Node
from ..ops.quantize import OWN_DOMAIN

INF = float("inf")


@dataclass(frozen=True, slots=True)
class Unary:
    """op : of UNARY_OPS in api.h, with its two numbers; slope : per channel (axis 1), for prelu."""
    op: str
    alpha: float = 0.0
    beta: float = 0.0
    slope: np.ndarray | None = None


NONE = Unary("none")


def _attributes(op, alpha=None, beta=None):
    """Rule for an operator whose numbers are the attributes alpha and beta; None: it has no such number."""
    def rule(node, p):
        get = node.attributes.get
        given = (0.0 if default is None else float(get(name, default))
                 for name, default in (("alpha", alpha), ("beta", beta)))
        return Unary(op, *given)
    return rule


def _clip(node, p):
    lo, hi = node.attributes.get("min", -INF), node.attributes.get("max", INF)
    for i, name in enumerate(node.inputs[1:3]):
        if name:
            if (value := p.constant(name)) is None or value.size != 1:
                return None
            lo, hi = (float(value.reshape(-1)[0]), hi) if i == 0 else (lo, float(value.reshape(-1)[0]))
    return Unary("clip", lo, hi)


def _prelu(node, p):
    """Of constant slope: one number, or one per channel (axis 1)."""
    slope, shape = p.constant(node.inputs[1]), p.spec(node.inputs[0]).shape
    if slope is None:
        return None
    if slope.size == 1:
        return Unary("leaky_relu", float(slope.reshape(-1)[0]))
    axis = 1 - (len(shape) - slope.ndim)                # the slope's axes are aligned with the last ones of x
    if len(shape) >= 2 and axis >= 0 and slope.size == shape[1] == slope.shape[axis]:
        return Unary("prelu", slope=slope.reshape(-1))
    return None


def _gelu(node, p):
    return Unary("gelu_tanh" if node.attributes.get("approximate", "none") == "tanh" else "gelu")


def _selu(node, p):
    get, rough = node.attributes.get, node.opset < 6
    return Unary("selu", float(get("alpha", 1.6732 if rough else 1.67326319217681884765625)),
                 float(get("gamma", 1.0507 if rough else 1.05070102214813232421875)))


def _quantize_dequantize(node, p):
    get = node.attributes.get
    return Unary("quant_u8" if get("dtype") == "uint8" else "quant_s8", get("scale"), get("zero_point"))


RULES = {
    "Relu": lambda node, p: Unary("clip", 0.0, INF),
    "Clip": _clip,
    "PRelu": _prelu,
    "Gelu": _gelu,
    "LeakyRelu": _attributes("leaky_relu", 0.01),
    "HardSigmoid": _attributes("hard_sigmoid", 0.2, 0.5),
    "HardSwish": lambda node, p: Unary("hard_swish", 1 / 6, 0.5),
    "Swish": _attributes("swish", 1.0),
    "Elu": _attributes("elu", 1.0),
    "Celu": _attributes("celu", 1.0),
    "Selu": _selu,
    "ThresholdedRelu": _attributes("thresholded_relu", 1.0),
    "QuantizeDequantize": _quantize_dequantize,
    "Identity": _attributes("none"),
    **{name: _attributes(name.lower()) for name in (
        "Sigmoid", "Tanh", "Softplus", "Softsign", "Mish", "Exp", "Log", "Sqrt", "Abs", "Neg", "Reciprocal",
        "Erf", "Floor", "Ceil", "Round", "Sign", "Sin", "Cos")},
}


def as_unary(node: Node, p) -> Unary | None:
    """The unary function a node is, or None. p : the planner, for constants and shapes."""
    rule = RULES.get(node.op_type) if node.domain in ("", OWN_DOMAIN) else None
    return rule(node, p) if rule else None

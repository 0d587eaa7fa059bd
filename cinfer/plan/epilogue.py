"""What a step does to its value before storing it: additions and the activation that follow are taken in."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .activation import NONE, Unary, as_unary


@dataclass(slots=True)
class Epilogue:
    """name = unary(value + bias + residual). bias : a number per channel; residual : a name or ""."""
    name: str
    bias: np.ndarray | None = None
    unary: Unary = NONE
    residual: str = ""


def epilogue(p, name: str, bias: np.ndarray | None = None, *, columns: int = 0, residual: bool = False,
             slope: bool = True) -> Epilogue:
    """Take the additions and the activation that follow a value into its step; their nodes are done with it.

    bias : what the node itself adds
    columns : so many numbers along the last axis may become the bias, where there is none
    residual : a value of the same shape may be added
    slope : the activation may have a slope per channel
    """
    e = Epilogue(name, bias)
    while e.unary is NONE and (user := p.sole_consumer(e.name)) is not None:
        unary = as_unary(user, p)
        if unary is not None and user.inputs[0] == e.name and (slope or unary.slope is None):
            e.unary = unary
        elif not take_addition(p, e, user, columns, residual):
            break
        p.done.add(id(user))
        e.name = user.outputs[0]
    return e


def take_addition(p, e: Epilogue, user, columns: int, residual: bool) -> bool:
    """Whether `user` adds what can become the bias or the residual, which then is noted in `e`."""
    if user.op_type != "Add" or user.domain or user.inputs[0] == user.inputs[1]:
        return False
    other = user.inputs[user.inputs[0] == e.name]
    shape, value = p.spec(e.name).shape, p.constant(other)
    if e.residual or p.spec(user.outputs[0]).shape != shape:
        return False
    is_row = value is not None and value.size == columns and value.shape[-1:] == (columns,)
    if is_row and e.bias is None:
        e.bias = value.reshape(-1)
    elif residual and p.spec(other).shape == shape and p.available(other):
        e.residual = other
    else:
        return False
    return True


def activation_params(p, e: Epilogue) -> dict:
    """The parameters of a kernel that knows activations."""
    return dict(act=p.table.unary[e.unary.op], alpha=e.unary.alpha, beta=e.unary.beta)


def epilogue_params(p, e: Epilogue) -> dict:
    """The parameters of a kernel that knows a bias, activations and slopes per channel."""
    bias, slope = (None if v is None else p.channel_vector(v) for v in (e.bias, e.unary.slope))
    return dict(bias=bias, slope=slope, **activation_params(p, e))

"""Steps in NumPy, between those of the kernels."""
from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from ..errors import Error, InputError
from ..model.graph import Node
from ..ops import registry
from ..plan.bind import located
from ..plan.views import Plain
from .products import RECURRENT, weights

# What operators raise on purpose (ValueError), and NumPy for values that it cannot take. Sizes and kinds of
# all arguments were checked when the plan was made: a TypeError, an AttributeError or a KeyError of a run is a
# mistake of ours, and stays what it is.
REFUSALS = (ValueError, IndexError, ArithmeticError)


@dataclass(frozen=True, slots=True)
class Host:
    """A step in NumPy. operator : None for a copy; inputs, outputs : views, or None"""
    step: int
    operator: object
    node: Node | None
    inputs: list
    outputs: list
    table: object                       # of kernels


def run_host(stage: Host, bases) -> None:
    """One node in NumPy; its outputs are copied to where the plan wants them."""
    arrays = [None if view is None else array_at(view, bases) for view in stage.inputs]
    if stage.operator is not None and stage.node.op_type in RECURRENT:
        arrays = [weights(array, stage.table) if view is not None and view.buffer.base == 0 else array
                  for view, array in zip(stage.inputs, arrays)]
    try:
        results = arrays if stage.operator is None else registry.evaluate(stage.operator, stage.node, arrays)
        for view, result in zip(stage.outputs, results):
            if view is not None:
                array_at(view, bases)[...] = result
    except Error as error:
        raise located(stage.node, type(error), error) from None
    except REFUSALS as error:
        raise located(stage.node, InputError, error) from None


def array_at(view: Plain, bases) -> np.ndarray:
    """The array a plain view means during a run."""
    buffer = view.buffer
    strides = [s * view.dtype.itemsize for s in view.strides]
    if prod(view.shape) == 0:
        return np.empty(view.shape, view.dtype)
    if buffer.base == 0:
        return constant_at(view, strides)
    base = bases[buffer.base]
    offset = buffer.offset + view.offset
    if buffer.base > 1:
        base = base.reshape(-1).view(np.uint8)
    first = base[offset:].view(np.uint8)[:view.dtype.itemsize].view(view.dtype)
    return np.lib.stride_tricks.as_strided(first, view.shape, strides)


def constant_at(view: Plain, strides) -> np.ndarray:
    source = view.buffer.keep
    flat = source.reshape(-1)[view.offset // view.dtype.itemsize:]
    return np.lib.stride_tricks.as_strided(flat, view.shape, strides)

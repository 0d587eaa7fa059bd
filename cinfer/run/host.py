"""Steps in NumPy, between those of the kernels."""
from __future__ import annotations

from math import prod

import numpy as np

from ..errors import Cancelled, Error, InputError
from ..model.graph import Node
from ..ops import registry
from ..plan.bind import located
from ..plan.views import ABSOLUTE, ARENA, Plain

# What operators raise on purpose (ValueError), and NumPy for values that it cannot take. Sizes and kinds of
# all arguments were checked when the plan was made: a TypeError, an AttributeError or a KeyError of a run is
# a mistake of ours, and stays what it is.
REFUSALS = (ValueError, IndexError, ArithmeticError)


class Host:
    """A step in NumPy. operator : None for a copy; inputs, outputs : views, or None"""
    __slots__ = ("step", "operator", "node", "inputs", "outputs")

    def __init__(self, step: int, operator, node: Node | None, inputs: list, outputs: list):
        self.step, self.operator, self.node, self.inputs, self.outputs = step, operator, node, inputs, outputs


def run_host(stage: Host, bases, objects: dict) -> None:
    """One node in NumPy, with `Direct.at_work`; its outputs are copied to where the plan wants them."""
    arrays = [None if view is None else array_at(view, bases, objects) for view in stage.inputs]
    results = arrays if stage.operator is None else evaluated(stage.operator, stage.node, arrays)
    try:
        for view, result in zip(stage.outputs, results):
            if view is not None:
                array_at(view, bases, objects)[...] = result
    except REFUSALS as error:
        raise located(stage.node, InputError, error) from None


def evaluated(operator, node: Node, inputs: list, keywords: dict | None = None) -> tuple:
    """A node's outputs by what its operator means; InputError, or what it raises, where it refuses its inputs."""
    try:
        return registry.outputs_of(operator, node, inputs, keywords)
    except Cancelled:
        raise
    except Error as error:
        raise located(node, type(error), error) from None
    except REFUSALS as error:
        raise located(node, InputError, error) from None


def array_at(view: Plain, bases, objects: dict) -> np.ndarray:
    """The array a plain view means during a run. objects : what of strings lies between steps, by buffer;
    they are references, which Python counts, so no arena can hold them"""
    buffer, size = view.buffer, view.dtype.itemsize
    strides = [s * size for s in view.strides]
    if prod(view.shape) == 0:
        return np.empty(view.shape, view.dtype)
    base, offset = (buffer.keep, 0) if buffer.base == ABSOLUTE else (bases[buffer.base], buffer.offset)
    if view.dtype.hasobject:
        if buffer.base == ARENA:
            if id(buffer) not in objects:
                objects[id(buffer)] = np.empty(buffer.bytes // size, object)
            base = objects[id(buffer)]
        return np.lib.stride_tricks.as_strided(base.reshape(-1)[view.offset // size:], view.shape, strides)
    # not as_strided: it spells the type as text, from which float8_e5m2 of ml_dtypes cannot be made
    return np.ndarray(view.shape, view.dtype, base.reshape(-1).view(np.uint8), offset + view.offset, strides)

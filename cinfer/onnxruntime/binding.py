"""IOBinding: inputs and outputs that are named once, for many runs."""
from __future__ import annotations

import ctypes
from math import prod

import numpy as np

from ..model.tensors import dtype_of
from .described import element
from .devices import check_cpu, device_type as number_of
from .errors import RuntimeError, ValueError
from .values import OrtValue, OrtValueVector


class IOBinding:
    """What a session runs from and to: arrays, OrtValues, addresses in memory."""

    def __init__(self, session):
        self._session = session._sess
        self._inputs: dict[str, OrtValue] = {}
        self._outputs: dict[str, OrtValue | None] = {}          # None: a fresh array each run
        self._results: list[OrtValue] = []

    def bind_cpu_input(self, name: str, arr_on_cpu: np.ndarray) -> None:
        self._check(name)
        if not isinstance(arr_on_cpu, np.ndarray):
            raise RuntimeError("Unable to create OrtValue from the given python object; bind a numpy array")
        self._inputs[name] = OrtValue._of(arr_on_cpu)

    bind_numpy_input = bind_cpu_input

    def bind_input(self, name: str, device_type: str, device_id: int, element_type, shape,
                   buffer_ptr: int) -> None:
        """buffer_ptr : address of so many elements, which is read in each run"""
        check_cpu(device_type)
        self._check(name)
        self._inputs[name] = OrtValue._of(array_at(buffer_ptr, shape, element_type))

    def bind_ortvalue_input(self, name: str, ortvalue: OrtValue) -> None:
        self._check(name)
        self._inputs[name] = ortvalue

    def bind_output(self, name: str, device_type: str = "cpu", device_id: int = 0, element_type=None,
                    shape=None, buffer_ptr: int | None = None) -> None:
        """buffer_ptr : address to which each run writes; None: each run makes an array"""
        if buffer_ptr is None:
            number_of(device_type)
            self._bind_output(name, None)
        elif element_type is None or shape is None:
            raise ValueError("`element_type` and `shape` are to be provided if pre-allocated memory is "
                             "provided")
        else:
            check_cpu(device_type)
            self._bind_output(name, OrtValue._of(array_at(buffer_ptr, shape, element_type)))

    def bind_ortvalue_output(self, name: str, ortvalue: OrtValue) -> None:
        """Each run writes into this OrtValue's memory."""
        self._bind_output(name, ortvalue)

    def _bind_output(self, name: str, value: OrtValue | None) -> None:
        self._outputs[name] = value
        self._results = [OrtValue._of(None) if v is None else v for v in self._outputs.values()]

    def _check(self, name: str) -> None:
        if name not in self._session._input_types and name not in self._session.model.defaults:
            raise RuntimeError(f"Failed to find NodeArg with name: {name} in the def list")

    def synchronize_inputs(self) -> None:
        pass

    def synchronize_outputs(self) -> None:
        pass

    def get_outputs(self) -> list[OrtValue]:
        """Of the last run, in the order in which they were bound."""
        return list(self._results)

    def get_outputs_as_ortvaluevector(self) -> OrtValueVector:
        return OrtValueVector(self._results)

    def copy_outputs_to_cpu(self) -> list:
        return [value._value.copy() if isinstance(value._value, np.ndarray) else value._value
                for value in self._results]

    def clear_binding_inputs(self) -> None:
        self._inputs.clear()

    def clear_binding_outputs(self) -> None:
        self._outputs.clear()
        self._results = []

    def _run(self, session, run_options) -> None:
        if not self._outputs:
            raise RuntimeError("Error in execution: At least one output should be requested.")
        missing = [name for name in self._session._input_types if name not in self._inputs]
        if missing:
            raise RuntimeError(f"Error in execution: Missing Input: {', '.join(missing)}")
        found = session._run(list(self._outputs), self._inputs, run_options)
        results = []
        for (name, bound), value in zip(self._outputs.items(), found):
            if bound is not None:
                write(name, value, bound)
            results.append(OrtValue._of(value) if bound is None else bound)
        self._results = results


def write(name: str, value, bound: OrtValue) -> None:
    """An output into the memory that is bound to it."""
    if not isinstance(value, np.ndarray):
        bound._value = value
        return
    if bound._value is None:
        bound._value = value
        return
    target = bound._typed()
    if target.dtype != value.dtype:
        raise RuntimeError("Error in execution: Unexpected output data type. Actual: "
                           f"({bound.data_type()}) , expected: (tensor({element(value.dtype)}))")
    if target.shape != value.shape:
        wrong = "\n".join(f" index: {axis} Got: {have} Expected: {want}"
                          for axis, (have, want) in enumerate(zip(target.shape, value.shape)) if have != want)
        raise RuntimeError(f"Error in execution: Got invalid dimensions for output: {name} for the following "
                           f"indices\n{wrong}\n Please fix either the inputs/outputs or the model.")
    target[...] = value


def array_at(address: int, shape, element_type) -> np.ndarray:
    """The elements at an address, not copied."""
    dtype = dtype_of(element_type) if isinstance(element_type, int) else np.dtype(element_type)
    shape = tuple(int(d) for d in shape)
    memory = (ctypes.c_ubyte * (prod(shape) * dtype.itemsize)).from_address(int(address))
    return np.frombuffer(memory, dtype).reshape(shape)

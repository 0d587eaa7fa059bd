"""The two that are compared: a network runs, a file of arrays has the values of an earlier run. Which of their inputs
and outputs belong together."""
from __future__ import annotations

import os
import re
from collections.abc import Mapping

import numpy as np

from ..errors import Cancelled, Error, InputError, LimitError, an
from ..graphs.scopes import separate
from ..model import read
from ..model.graph import Graph
from ..model.source import Source
from ..ops.numeric import is_float
from ..session import Port, Session
from ..stored import Stored
from ..table import dims
from .difference import dtype_name, kind_of
from .inner import values_of

OF_ONE = re.compile(r"out(\d{1,6}):(.+)|(\d{1,6})/(.+)", re.DOTALL)      # a value of one of several inputs
FED = re.compile(r"in\d{1,6}:.*", re.DOTALL)                             # an input (vision/inputs.py)


class Network:
    """A model that runs. name : for messages; outputs : Ports"""

    def __init__(self, model, name: str, threads: int | None, precision: str = "fp32"):
        source = model if isinstance(model, Source) else Source(model)
        self.name = source.path or name
        self.session = Session(source, threads=threads, precision=precision)
        self.outputs = self.session.outputs
        self._as_run = self.session.model.graph.values()
        self._source = source

    def exact(self) -> Network:
        """The same model in fp32."""
        same = Network(self._source, self.name, self.session.threads)
        same.name = f"{self.name} in fp32"
        return same

    def file_graph(self) -> Graph:
        """As the file spells it."""
        graph = read(self._source).graph
        separate(graph)
        return graph

    def values(self) -> dict[str, str]:
        """As of `values_of`."""
        return values_of(self.file_graph())

    def close(self) -> None:
        self.session.close()

    def is_as_run(self, name: str) -> bool:
        """Is a value there when the network runs? Others are computed by the file's own graph, without any passes."""
        return name in self._as_run

    def run(self, names: list[str], feeds: dict, number: int, like: list | None = None) -> list:
        """Values by names. number : of the input; like : values of the other one"""
        try:
            return self.session.run(names, feeds)
        except Cancelled:
            raise
        except Error as error:
            where, text = os.path.basename(self.name), str(error)
            raise error if text.startswith(where) else type(error)(f"{self.name}: {text}") from None
        except MemoryError:
            raise LimitError(f"{self.name}: there is not enough memory for this run") from None


class Arrays:
    """Values that were saved: by their names; for several inputs as `cinfer run --save` calls them, 0/NAME, 1/NAME, or
    out0:NAME, out1:NAME."""

    def __init__(self, values, ports: list[Port]):
        """values : path of a .npz or .npy file, or name -> array; ports : outputs of the model to compare with"""
        self._held = dict(values) if isinstance(values, Mapping) else None
        for name, value in (self._held or {}).items():
            if not isinstance(name, str) or not isinstance(value, (np.ndarray, np.generic, list)):
                raise InputError(f"the reference has {an(type(value))} by {name!r}; right are names and arrays")
        self._stored = None if self._held is not None else Stored(values)
        self.path = None if self._stored is None else self._stored.path
        self.name, self.outputs = self.path or "the reference", []
        self.keys = list(self._held) if self._stored is None else self._stored.names
        self._dtypes = {port.name: port.dtype for port in ports}
        found = [OF_ONE.fullmatch(key) for key in self.keys]
        self._numbered = {(int(m[1] or m[3]), m[2] or m[4]): key for m, key in zip(found, self.keys) if m}
        self._plain = {key: key for m, key in zip(found, self.keys) if m is None and not FED.fullmatch(key)}
        self.names = [*dict.fromkeys([*(name for _, name in self._numbered), *self._plain])]

    def are_called(self, names: list[str]) -> bool:
        """Take the arrays for these, in their order, if they are as many and have no numbers."""
        if self._numbered or len(self._plain) != len(names):
            return False
        self._plain, self.names = dict(zip(names, self._plain.values())), names
        return True

    def run(self, names: list[str], feeds: dict, number: int, like: list | None = None) -> list:
        """As of Network; an array of another shape than what it is like is refused before it is read."""
        return [self._value(name, number, None if like is None else like[i]) for i, name in enumerate(names)]

    def _value(self, name: str, number: int, like):
        key = self._numbered.get((number, name), self._plain.get(name) if number == 0 else None)
        if key is None:
            raise InputError(f"{self.name} has no array {number}/{name}, {name!r} of the input with this number; right "
                             "is what cinfer run --save writes for several pictures")
        if self._stored is None:
            value = self._held[key]
            return np.asarray(value) if isinstance(value, np.generic) else value
        dtype, shape = self._stored.facts(key)
        if isinstance(like, np.ndarray) and like.shape != shape:
            raise InputError(f"value {name!r} is {dtype_name(like.dtype)} {dims(like.shape)}, in {self.name} it is "
                             f"{dtype} {dims(shape)}")
        array, own = self._stored.read(key), self._dtypes.get(name) or getattr(like, "dtype", None)
        are_bits = own is not None and dtype.kind == "V" and own.itemsize == dtype.itemsize   # NumPy knows no bfloat16
        return array.view(own) if are_bits else array

    def values(self) -> dict[str, str]:
        return {name: name for name in self.names}

    def is_as_run(self, name: str) -> bool:
        return True

    def close(self) -> None:
        if self._stored is not None:
            self._stored.close()


def matched_inputs(ours: Network, theirs: Network) -> dict[str, str]:
    """Name of an input of theirs -> of ours: by name, or by position. InputError where they do not fit."""
    mine, others = ours.session.inputs, theirs.session.inputs
    known = {port.name: port for port in mine}
    if all(port.name in known for port in others):
        found = {port.name: port.name for port in others}
    elif len(mine) == len(others) and all(map(fits, mine, others)):
        found = {b.name: a.name for a, b in zip(mine, others)}
    else:
        raise InputError(f"{theirs.name} takes {listed(others)}, {ours.name} {listed(mine)}; right are inputs of the "
                         "same names, or as many that fit one another in their order")
    for port in others:
        a, b = known[found[port.name]].dtype, port.dtype
        if a != b and not (a is not None and b is not None and is_float(a) and is_float(b)):
            raise InputError(f"input {port.name!r} of {theirs.name} is {b or 'no tensor'}, that of {ours.name} "
                             f"{a or 'no tensor'}; right are inputs of one type")
    return found


def matched_outputs(ours: Network, theirs: Network | Arrays) -> list[tuple[str, str]]:
    """(output of ours, of theirs): by name, what is left by position where their numbers agree and they fit."""
    mine = {port.name: port for port in ours.outputs}
    if isinstance(theirs, Arrays):
        if not any(name in mine for name in theirs.names):
            theirs.are_called([*mine])
        return [(name, name) for name in mine if name in theirs.names]
    others = {port.name: port for port in theirs.outputs}
    pairs = {name: name for name in mine if name in others}
    left, theirs_left = [n for n in mine if n not in pairs], [n for n in others if n not in pairs]
    if len(left) == len(theirs_left) and all(fits(mine[a], others[b]) for a, b in zip(left, theirs_left)):
        pairs |= zip(left, theirs_left)
    if not pairs:
        raise InputError(f"{ours.name} gives {listed(ours.outputs)}, {theirs.name} {listed(theirs.outputs)}; right are "
                         "outputs of the same names, or as many that fit one another in their order")
    return [(name, pairs[name]) for name in mine if name in pairs]


def fits(a: Port, b: Port) -> bool:
    """May two ports of other names be the same one?"""
    if a.dtype is None or b.dtype is None or kind_of(a.dtype) != kind_of(b.dtype):
        return False
    if a.shape is None or b.shape is None:
        return True
    return len(a.shape) == len(b.shape) and all(
        x == y or not isinstance(x, int) or not isinstance(y, int) for x, y in zip(a.shape, b.shape))


def listed(ports: list[Port], most: int = 5) -> str:
    """'x' float32 1x3x8x8, ..."""
    texts = [f"{port.name!r} {port.dtype or 'no tensor'} {dims(port.shape)}" for port in ports[:most]]
    return ", ".join(texts + ["..."] * (len(ports) > most)) or "none"


def fed_both(feeds: dict, ours: Network, theirs: Network | Arrays, names: dict[str, str]) -> tuple[dict, dict]:
    """The feeds of both. Of floats of two widths both get the numbers that the narrower one has."""
    if isinstance(theirs, Arrays):
        return feeds, {}
    mine, others = dict(feeds), {}
    for port in theirs.session.inputs:
        name, value = names[port.name], feeds.get(names[port.name])
        if name not in feeds:
            continue                                    # optional
        if isinstance(value, np.ndarray) and port.dtype is not None and value.dtype != port.dtype:
            if is_float(value.dtype) and value.dtype.itemsize > port.dtype.itemsize:
                with np.errstate(over="ignore"):
                    mine[name] = value.astype(port.dtype).astype(value.dtype)
            value = mine[name].astype(port.dtype)
        others[port.name] = value
    return mine, others

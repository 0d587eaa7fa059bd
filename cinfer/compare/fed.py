"""What both sides are fed with: what is named, what the reference was made with, or random numbers."""
from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from ..errors import InputError
from ..stored import Stored
from ..table import dims
from ..vision.inputs import array_feeds, input_shapes, inputs_in, is_arrays, made_up
from .sides import Network


@dataclass(slots=True)
class Fed:
    """An input. name : for people; feeds : makes the arrays"""
    name: str
    feeds: Callable[[], dict]
    is_random: bool = False
    is_picture: bool = False


def fed(ours: Network, theirs, inputs: list | None, reader, shapes: dict, spelt) -> list[Fed]:
    """At least one."""
    ports = ours.session.inputs
    if inputs is not None:
        return [each for name in inputs for each in fed_by(name, ours, reader)]
    if not ports:
        return [Fed("none", dict)]
    if isinstance(theirs, Network):
        sizes = input_shapes(ours.session, shapes, spelt or in_a_dict)
        texts = [f"{port.name} {dims(sizes[port.name])} {port.dtype}" for port in ports]
        return [Fed(", ".join(texts), lambda: {port.name: made_up(port, sizes[port.name]) for port in ports},
                    is_random=True)]
    if theirs.path is not None and (numbers := inputs_in(theirs.keys, ports)):
        return stored(theirs.path, numbers, ports)
    raise InputError(f"{theirs.name} has values, but no inputs; name those that it was made with, pictures or arrays")


def fed_by(name, ours: Network, reader) -> list[Fed]:
    ports = ours.session.inputs
    if isinstance(name, dict):
        return [Fed("arrays", lambda: name)]
    if not is_arrays(name):
        return [Fed(os.fspath(name), lambda: reader.prepare(reader.opened(name)).feeds, is_picture=True)]
    with Stored(name) as content:
        numbers = inputs_in(content.names, ports)
    return stored(name, numbers, ports) if len(numbers) > 1 else [
        Fed(os.fspath(name), partial(array_feeds, name, ports))]


def stored(path, numbers: list[int], ports) -> list[Fed]:
    """Several inputs in one file."""
    return [Fed(f"input {number} of {os.path.basename(path)}", partial(array_feeds, path, ports, number))
            for number in numbers]


def in_a_dict(name: str, sizes: tuple[int, ...]) -> str:
    return f"shapes={{{name!r}: {sizes}}}"

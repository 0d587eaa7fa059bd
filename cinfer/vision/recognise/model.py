"""What recognition may look at: the ports and metadata of a model, and the files beside it."""
from __future__ import annotations

import os
from collections.abc import Iterator
from copy import copy
from typing import NamedTuple

MOST_BYTES = 8 << 20                # of a file beside a model


class Found(NamedTuple):
    """What somebody recognises. words : as in docs/metadata.md without "cinfer."; because : what it was told by, for
    people; labels : class names; note : what people should know though nothing follows from it"""
    words: dict[str, str]
    because: str
    labels: list[str] | None = None
    note: str = ""


class Model:
    """inputs, declared : ports of the session: name, dtype, shape (None: any rank; an int, a name or None a size)
    metadata : key -> text; path : of the file, None without one; constants : arrays of the graph"""

    def __init__(self, session):
        self.inputs, self.declared, self.metadata = session.inputs, session.outputs, session.metadata
        graph = session.model.graph
        self.constants = graph.constants
        self.path = session.model.path
        self._session = session
        self._sample: tuple[int, int] | None = None
        self._is_sampled = False
        self._sizes = None
        self._outputs = None
        self._files: dict[str, object] = {}

    @property
    def outputs(self):
        """Ports, of shapes as `shape_of` knows them: families need not care how a file says them."""
        if self._outputs is None:
            self._outputs = [port if is_counted(port.shape) else type(port)(
                name=port.name, dtype=port.dtype, shape=self.shape_of(port)) for port in self.declared]
        return self._outputs

    @property
    def operators(self) -> set[str]:
        """The types of the graph's nodes."""
        return {node.op_type for node in getattr(self._session.model.graph, "nodes", ())}

    def outputs_named(self, *names: str) -> bool:
        """Are there outputs of these names?"""
        return set(names) <= {port.name for port in self.declared}

    def output(self, name: str):
        return next((port for port in self.outputs if port.name == name), None)

    def shape_of(self, port):
        """The shape of an output; where the file names its sizes instead of counting them, as one picture of the size
        `sample` gives it. What only a run tells stays as the file has it."""
        if is_counted(port.shape) or self.sample is None:
            return port.shape
        return self._open().shape_of(port, self.sample)

    # ---- sizes that the file leaves open

    @property
    def sample(self) -> tuple[int, int] | None:
        """The input's (height, width) for which `outputs` are told: its own, where it has one; else the first of those
        in sizes.py that the network takes; None: there is none, or no picture's input."""
        if not self._is_sampled:
            port = self.picture_input()
            if port is not None and port.shape is not None:
                self._sample = self.size(port) or self._open().first()
            self._is_sampled = True
        return self._sample

    @property
    def only(self) -> tuple[int, int] | None:
        """(height, width) that the network takes and no others, as where its file leaves open what it does not; None:
        it takes many, or it is not known."""
        port = self.picture_input()
        if self.sample is None or self.size(port):
            return self.sample
        return None if self._open().is_general(self.sample) else self.sample

    def alike(self) -> Iterator[tuple[Model, ...]]:
        """This model for sizes of its input: what it is holds for all of a tuple.

        Where the size is fixed that is one. Where it is free, two tell how the outputs' sizes follow from it; outputs
        that do not follow at all may have been made for any of the usual sizes, so these come next, one after the
        other."""
        if self.sample is None or self.only:
            yield (self,)
            return
        sizes = self._open().sizes
        pair = [self.of(size) for size in sizes[:2]]
        yield tuple(pair)
        if [port.shape for port in pair[0].outputs] == [port.shape for port in pair[1].outputs]:
            for size in sizes[2:]:
                other = self.of(size)
                other._outputs = pair[0].outputs
                yield (other,)

    def of(self, size: tuple[int, int]) -> Model:
        """This model as its outputs are for this size of the input."""
        other = copy(self)
        other._sample, other._is_sampled, other._outputs = size, True, None
        return other

    @property
    def is_taken(self) -> bool:
        """Does the network take the size of `sample`, as far as one can tell?"""
        return self.sample is not None and self._open().takes(self.sample)

    def _open(self):
        if self._sizes is None:
            from .sizes import Sizes                    # not needed where the file says all
            port = self.picture_input()
            self._sizes = Sizes(self._session, port, self.axes(port))
        return self._sizes

    def json(self, name: str) -> dict | None:
        """The JSON object in a file beside the model; None: there is none."""
        text = self.text(name)
        import json
        try:
            value = json.loads(text) if text else None
        except (ValueError, RecursionError):
            return None
        return value if isinstance(value, dict) else None

    def text(self, name: str) -> str | None:
        """A text file beside the model, or in the folder around one that is called onnx, as on the Hugging Face hub."""
        if name not in self._files:
            self._files[name] = self._read(name)
        return self._files[name]

    def _read(self, name: str) -> str | None:
        if self.path is None:
            return None
        folder = os.path.dirname(os.path.abspath(self.path))
        folders = [folder, os.path.dirname(folder)] if os.path.basename(folder) == "onnx" else [folder]
        for each in folders:
            path = os.path.join(each, name)
            try:
                if os.path.isfile(path) and os.path.getsize(path) <= MOST_BYTES:
                    with open(path, encoding="utf-8") as file:
                        return file.read()
            except (OSError, ValueError):
                pass
        return None

    # ---- the picture's input

    def picture_input(self):
        """The input that takes the picture: the first of rank 4 or 5 (or of unknown rank), else of rank 3 with 3
        channels, as torchvision's detectors have it; None without one."""
        for port in self.inputs:
            if port.shape is None or len(port.shape) in (4, 5) and may_be_picture(port.shape):
                return port
        return next((port for port in self.inputs if len(port.shape) == 3 and 3 in (port.shape[0], port.shape[2])),
                    None)

    def layout(self, port) -> str:
        """NCHW, NHWC, NCTHW, NTCHW or NTHWC: told by where 3 channels stand, or 1."""
        shape = with_batch(port.shape)
        if shape and len(shape) == 5:
            return next((name for name in ("NCTHW", "NTCHW", "NTHWC") if shape[name.index("C")] == 3), "NCTHW")
        for channels in (3, 1):
            if shape and channels in (shape[1], shape[3]):
                return "NCHW" if shape[1] == channels else "NHWC"
        return "NCHW"

    def axes(self, port) -> str:
        """The layout, without N where the input has no axis for it."""
        layout = self.layout(port)
        return layout[1:] if len(port.shape) == 3 else layout

    def size(self, port, layout: str | None = None) -> tuple[int, int] | None:
        """(height, width) of an input where both are fixed."""
        shape = with_batch(port.shape)
        if not shape:
            return None
        height, width = shape[-3:-1] if (layout or self.layout(port)).endswith("C") else shape[-2:]
        return (height, width) if isinstance(height, int) and isinstance(width, int) else None

    def side(self, port) -> int | None:
        """The height or width of an input, whichever is fixed."""
        axes = self.axes(port)
        return next((size for axis in "HW" if isinstance(size := port.shape[axes.index(axis)], int)), None)


def is_counted(shape) -> bool:
    """Are all sizes of a shape numbers?"""
    return shape is not None and all(isinstance(size, int) for size in shape)


def may_be_picture(shape) -> bool:
    """Is an axis where channels stand free, or as long as a picture's? Not of 1x100x1x1, the noise that generators
    take."""
    def fits(channels) -> bool:
        return not isinstance(channels, int) or channels in (1, 3, 4)
    return fits(shape[1]) or fits(shape[-1]) and shape[2] != 1 or len(shape) == 5 and shape[2] == 3


def with_batch(shape):
    """A picture's shape with an axis of batch in front."""
    return (1, *shape) if shape and len(shape) == 3 else shape

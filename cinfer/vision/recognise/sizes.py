"""The shapes of outputs, where the file leaves sizes open.

How an output's sizes follow from the input's (as large, a quarter of it, one for each cell of grids, always the same)
is seen by asking what they would be for two sizes: milliseconds, without a plan.
"""
from __future__ import annotations

from ...errors import Error
from ...passes.known import shapes_of_outputs
from .model import is_counted

FRAMES = 16                         # of a clip of free length
# Of the first two the sides are apart, so that an output's sides tell which they follow; all are multiples of what
# networks ask for: 64, and the 14 of some transformers.
GENERAL = (448, 896), (896, 448)
# Of networks that take one size alone, or only squares.
SQUARES = 224, 640, 112, 320, 416, 512, 384, 256, 192, 128, 300, 518, 1024, 1280, 48, 24, 28, 32
USUAL = *((side, side) for side in SQUARES), (256, 192), (384, 288)


class Sizes:
    """What a session's outputs are for sizes of its picture's input.

    port : that input; axes : what its axes are, as NCHW; sizes : (height, width) to ask for, with the side that is
    fixed
    """

    def __init__(self, session, port, axes: str):
        self.session, self.port, self.axes = session, port, axes
        fixed = [size if isinstance(size, int) else None for size in (self._of("H"), self._of("W"))]
        general, usual = ([tuple([known or side for known, side in zip(fixed, size)]) for size in sizes]
                          for sizes in (GENERAL, USUAL))
        self.general = [] if None not in fixed else list(dict.fromkeys(general))
        self.sizes = list(dict.fromkeys(self.general + usual))
        self._told: dict[tuple[int, int], dict] = {}

    def _of(self, axis: str):
        return self.port.shape[self.axes.index(axis)]

    def is_general(self, size: tuple[int, int]) -> bool:
        """Is a network that takes it one of many sizes?"""
        return size in self.general

    def first(self) -> tuple[int, int] | None:
        """The first of `sizes` that the network takes; where the file says all of the outputs, it is not asked."""
        if all(is_counted(port.shape) for port in self.session.outputs):
            return self.sizes[0]
        return next(filter(self.takes, self.sizes), None)

    def takes(self, size: tuple[int, int]) -> bool:
        """Can the network take this size, as far as one can tell?"""
        return self._shapes(size) is not None

    def shape_of(self, port, size: tuple[int, int]):
        """The shape of an output for one picture of this size; as the file has it where only a run tells."""
        told = (self._shapes(size) or {}).get(port.name)
        if told is None:
            return port.shape
        said = port.shape if port.shape is not None and len(port.shape) == len(told) else told
        return tuple([other if known is None else known for known, other in zip(told, said)])

    def _shapes(self, size: tuple[int, int]) -> dict | None:
        """Output -> shape, with None for what a run tells; None: the network cannot take this size."""
        if size not in self._told:
            self._told[size] = self._foreseen(size) if hasattr(self.session, "_plan_for") else None
        return self._told[size]

    def _foreseen(self, size: tuple[int, int]) -> dict | None:
        free = {"N": 1, "C": 3, "T": FRAMES, "H": size[0], "W": size[1]}
        fed = tuple([each if isinstance(each, int) else free[axis] for each, axis in zip(self.port.shape, self.axes)])
        named = {axis: number for axis, number in zip(self.port.shape, fed) if isinstance(axis, str)}
        if not self.general:            # the plan that the first picture needs
            try:                        # other inputs' free sizes count as 1
                planned = {name: shape for name, shape, _ in self.session._plan_for({self.port.name: fed}).outputs}
            except Error:
                return None
            if all(port.name in planned for port in self.session.outputs):
                return planned
        shapes = {port.name: tuple([axis if isinstance(axis, int) else named.get(axis, 1) for axis in port.shape])
                  for port in self.session.inputs if port.shape is not None}
        return shapes_of_outputs(self.session.model.graph, {**shapes, self.port.name: fed})

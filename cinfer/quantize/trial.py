"""A session of a network that is tried: it is neither written nor read for that."""
from __future__ import annotations

from dataclasses import replace

from ..model.graph import Model
from ..session import Session


class Trial(Session):
    """Of a valid model at hand, which stays as it is; its constants are shared."""

    def __init__(self, model: Model, threads: int | None = None):
        self._given = model
        super().__init__(b"", threads=threads)

    def _read(self) -> Model:
        return replace(self._given, graph=self._given.graph.copied(), source=None)

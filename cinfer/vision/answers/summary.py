"""What can be said of any output."""
from __future__ import annotations

from dataclasses import dataclass

from ..recognise.words import RAW
from .answer import Answer, finite

MOST_VALUES = 16                # of an output that is shown whole


@dataclass(slots=True)
class Summary(Answer):
    """What can be said of any output: one Row each."""
    in_full = True
    rows: list[Row]
    task: str = ""

    def what(self) -> str:
        """Of what is asked for as another task, that it is none."""
        return f"raw outputs{f', for nothing reads them as {self.task}' * (self.task not in ('', RAW))}"

    def lines(self) -> list[str]:
        width = max((len(row.name) for row in self.rows), default=0)
        return [f"{row.name:{width}}  {row}" for row in self.rows]

    def data(self) -> dict:
        return {"outputs": [row.data() for row in self.rows]}


@dataclass(frozen=True, slots=True)
class Row:
    """least, mean, most : None where an output has no numbers; values : all of them where they are few"""
    name: str
    shape: tuple[int, ...]
    dtype: str
    least: float | None = None
    mean: float | None = None
    most: float | None = None
    values: list[float] | None = None

    def __str__(self):
        text = f"{self.dtype} {'x'.join(map(str, self.shape)) or 'scalar'}"
        if self.least is not None:
            text += f"  min {self.least:.6g}  mean {self.mean:.6g}  max {self.most:.6g}"
        if self.values is not None:
            text += f"  [{' '.join(f'{v:.6g}' for v in self.values)}]"
        return text

    def data(self) -> dict:
        return {"name": self.name, "shape": list(self.shape), "dtype": self.dtype,
                "min": finite(self.least), "mean": finite(self.mean), "max": finite(self.most)} | (
                    {} if self.values is None else {"values": [finite(v) for v in self.values]})

"""What is told of a comparison: a line a value, which one is the first to differ, whether the outputs agree."""
from __future__ import annotations

import math
import os
from dataclasses import asdict, dataclass

from ..table import dims, table

MOST_REASONS = 10                   # for which values were not compared are told to people


@dataclass(frozen=True, slots=True)
class Row:
    """A value of both.

    name, node : of the value; the node that makes it, "" of an output
    dtype, reference_dtype, shape : of the first input; None for sizes that differ from one input to the next
    largest : |difference|; None: there is no number
    scale : the largest |number| of the reference; of_scale, rms : largest and root mean square, over the scale
    where, of_input : the index of the largest difference, or of the first NaN or infinity that the other has not, and
        the number of the input
    count, differing, odd : values; those that differ by more than the tolerance, or in being NaN or infinite; these
        alone
    as_run : the value is one that is there when the model runs; else it is computed as the file spells it
    """
    name: str
    node: str
    dtype: str
    reference_dtype: str
    shape: tuple[int | None, ...] | None
    largest: float | int | None
    scale: float | int
    of_scale: float | None
    rms: float | None
    where: tuple[int, ...] | None
    of_input: int
    count: int
    differing: int
    odd: int
    as_run: bool

    @property
    def agrees(self) -> bool:
        return not self.differing

    def how(self) -> str:
        """In what or by how much it differs."""
        if self.odd:
            return f"in {self.odd} of its {self.count} values, which are NaN or infinite in one of both alone"
        if self.largest is None:
            return f"in {self.differing} of its {self.count} texts"
        return f"by {number(self.of_scale)} of its scale, at {place(self.where)}"


@dataclass(slots=True)
class Comparison:
    """model, reference : names of both
    precision : what is to be said of that of the model; None where fp32 was asked for
    inputs : their names; is_random : numbers were made up; recipe : how pictures were prepared
    outputs : a Row each; values : of inner values that both have by one name, in the order of the file
    skipped : value -> why it could not be compared
    alone, reference_alone : outputs that only one has; order : inner values, in the order of the file
    same_class : (rows with the same likeliest class, rows), of a classifier; a row that has NaN has none
    classes : (its, the reference's), where there is one row; None: it has NaN
    """
    model: str
    precision: str | None
    reference: str
    inputs: list[str]
    is_random: bool
    recipe: str | None
    tolerance: float
    outputs: list[Row]
    values: list[Row]
    skipped: dict[str, str]
    alone: list[str]
    reference_alone: list[str]
    order: list[str]
    same_class: tuple[int, int] | None
    classes: tuple[int | None, int | None] | None

    @property
    def agrees(self) -> bool:
        """Are all outputs within the tolerance? Where only inner values are compared, all of these."""
        return all(row.agrees for row in self.outputs or self.values)

    @property
    def first(self) -> Row | None:
        """The first value that differs, as the file has them in its order."""
        places = {name: i for i, name in enumerate(self.order)}
        differing = [row for row in (*self.values, *self.outputs) if not row.agrees]
        return min(differing, key=lambda row: places.get(row.name, len(places)), default=None)

    def data(self) -> dict:
        """As JSON has it: what is no number is None."""
        kept = asdict(self)
        del kept["order"]
        for rows in (kept["outputs"], kept["values"]):
            for row in rows:
                row.update({key: value for key, value in row.items() if not isinstance(value, float)},
                           **{key: value if math.isfinite(value) else None for key, value in row.items()
                              if isinstance(value, float)})
        first = self.first
        return kept | {"first": None if first is None else first.name, "agrees": self.agrees}

    def summary(self) -> str:
        """In a line."""
        rows, what = (self.outputs, "output") if self.outputs else (self.values, "value")
        within = f"the tolerance is {self.tolerance:g}"
        worst = max((row for row in rows if not row.agrees), default=None,
                    key=lambda row: (row.odd > 0, math.inf if row.of_scale is None else row.of_scale))
        if worst is None:
            return f"{len(rows)} {what}{'s agree' if len(rows) != 1 else ' agrees'}; {within}"
        return f"{what} {worst.name!r} differs {worst.how()}; {within}"

    def lines(self) -> list[str]:
        lines = [*self.table_of_both(), "", *self.table_of("output", self.outputs)]
        if self.order:
            lines += ["", *self.table_of("inner value", self.values)] if self.values else []
            lines += ["", *self.notes_of_values()]
        notes = self.notes()
        return lines + ([""] + notes if notes else [])

    def table_of_both(self) -> list[str]:
        rows = [["model", self.model], ["reference", self.reference]]
        if self.precision is not None:
            rows.insert(1, ["precision", self.precision])
        if self.is_random:
            rows.append(["input", f"{self.inputs[0]}: random numbers, for none is named"])
        elif len(self.inputs) == 1:
            rows.append(["input", self.inputs[0]])
        else:
            rows.append(["inputs", f"{len(self.inputs)}, from {self.inputs[0]} to {self.inputs[-1]}"])
        if self.recipe is not None:
            rows.append(["fed", self.recipe])
        return table(rows)

    def table_of(self, what: str, compared: list[Row]) -> list[str]:
        head = [what, "dtype", "shape", "largest error", "of scale", "rms of scale", "differ", "where"]
        rows = []
        for row in compared:
            dtype = row.dtype if row.dtype == row.reference_dtype else f"{row.dtype}, {row.reference_dtype}"
            where = place(row.where)
            if where and len(self.inputs) > 1:
                where += f" of {os.path.basename(self.inputs[row.of_input])}"
            rows.append([row.name + "*" * (not row.as_run), dtype, dims(row.shape), number(row.largest, 6),
                         number(row.of_scale), number(row.rms), f"{row.differing} of {row.count}", where])
        if any(row.node for row in compared):
            head.insert(1, "made by")
            for cells, row in zip(rows, compared):
                cells.insert(1, row.node.partition(" ")[0])
        count = len(head)
        return table([head, *rows], right=tuple(range(count - 5, count - 1)))

    def notes_of_values(self) -> list[str]:
        found = []
        told = {row.name for row in (*self.values, *self.outputs)} | self.skipped.keys()
        others = sum(name not in told for name in self.order)
        first = self.first
        if first is None:
            found.append(f"no value differs; {len(self.values)} inner values were compared")
        else:
            what = f"output {first.name!r}" if first in self.outputs else f"{first.name!r}, made by {first.node},"
            found.append(f"the first to differ: {what} {first.how()}; {len(self.values)} inner values were compared")
        if any(not row.as_run for row in self.values):
            found.append("* is not there when the model runs; it was computed as the file spells it")
        if others:
            found.append(f"{others} more values have none of their name in {self.reference}")
        reasons: dict[str, list[str]] = {}
        for name, why in self.skipped.items():
            reasons.setdefault(why, []).append(name)
        found += [f"not compared: {', '.join(names[:5])}{', ...' * (len(names) > 5)}"
                  f"{f' ({len(names)})' * (len(names) > 5)}: {why}" for why, names in [*reasons.items()][:MOST_REASONS]]
        if len(reasons) > MOST_REASONS:
            more = sum(len(names) for names in [*reasons.values()][MOST_REASONS:])
            found.append(f"{more} more were not compared, for others of such reasons; --json has all")
        return found

    def notes(self) -> list[str]:
        found = []
        if self.same_class is not None:
            same, rows = self.same_class
            if self.classes is not None:
                ours, theirs = ("none, for it has NaN" if each is None else each for each in self.classes)
                found.append(f"same class: yes, {ours}" if same else f"same class: no, {ours}; the reference {theirs}")
            else:
                found.append(f"same class: {same} of {rows}")
        for names, name in ((self.alone, self.model), (self.reference_alone, self.reference)):
            if names:
                found.append(f"only {name} has {', '.join(map(repr, names))}")
        return found


def number(value, digits: int = 3) -> str:
    return "" if value is None else str(value) if isinstance(value, int) else f"{value:.{digits}g}"


def place(where: tuple[int, ...] | None) -> str:
    return "" if where is None else f"({', '.join(map(str, where))})"


def row_of(pair, node: str, as_run: bool) -> Row:
    """pair : of comparer.py"""
    off = pair.difference
    dtypes = off.dtypes or ("empty", "empty")
    return Row(pair.name, node, *dtypes, off.shape, off.largest, off.scale, off.of_scale, off.rms, off.where,
               off.of_input, off.count, off.differing, off.odd, as_run)

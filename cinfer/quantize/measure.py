"""How far the answers of a quantised network are from those of its floats."""
from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from ..errors import InputError
from ..model.graph import Graph, Model
from ..vision.inputs import likeliest


@dataclass(slots=True)
class Error:
    """Of one output, over several pictures.

    largest : of |difference| over the scale, the largest |number| that the float network gives to any calibration
        picture
    typical : the same of a picture, on average
    relative : root of the sum of squared differences over that of squares
    """
    largest: float
    typical: float
    relative: float


@dataclass(frozen=True, slots=True)
class Difference:
    """Of one output to one picture.

    largest : of |difference| over the scale; lost, squares : the sum of squared differences, and of what the float
        network gives; same : whether the likeliest class is, of each row; None: no classifier
    """
    largest: float
    lost: float
    squares: float
    same: np.ndarray | None = None


@dataclass(slots=True)
class Outcome:
    """errors : output -> Error; agreement : the share of pictures with the same likeliest class; None: no classifier"""
    errors: dict[str, Error] = field(default_factory=dict)
    agreement: float | None = None

    @property
    def largest(self) -> float:
        return max((each.largest for each in self.errors.values()), default=0.0)

    @property
    def typical(self) -> float:
        return max((each.typical for each in self.errors.values()), default=0.0)

    @property
    def balanced(self) -> float:
        """Between the two: ways that are as good on most pictures differ on the worst."""
        return (self.typical * self.largest) ** .5

    @property
    def relative(self) -> float:
        return max((each.relative for each in self.errors.values()), default=0.0)


class Judge:
    """The float network's answers to some feeds, with which others are compared.

    classes : the output that has a classifier's numbers; scales : of each output
    """

    def __init__(self, model: Model, feeds: list[dict], load, classes: str | None = None,
                 scales: list[float] | None = None):
        """load : makes a session of a Model; scales : by default of these feeds"""
        self.model, self.feeds, self.load, self.classes = model, feeds, load, classes
        session = load(model)
        self.outputs = [port.name for port in session.outputs]
        self.wanted = [session.run(None, each) for each in feeds]
        self._refuse_no_numbers()
        self.scales = scales or [scale_of(answers) for answers in zip(*self.wanted)]

    def _refuse_no_numbers(self) -> None:
        for answers in self.wanted:
            for name, answer in zip(self.outputs, answers):
                if is_real(answer) and not np.isfinite(answer).all():
                    raise InputError(f"output {name!r} of the model in floats has NaN or infinite numbers; errors are "
                                     "measured by finite ones")

    def outcome(self, graph: Graph, count: int | None = None, limit: float | None = None,
                most: float = np.inf) -> Outcome:
        """Of a graph with the same inputs and outputs. count : of so many feeds, from the first to the last
        limit, most : no further feeds are tried when the typical error, or the largest, is sure to be above it"""
        session = self.session(graph)
        places, found, total = spread_out(len(self.feeds), count), [], 0.0
        for place in places:
            found.append(self.compared(session, place))
            if limit is not None:
                error = max((each.largest for each in found[-1].values()), default=0.0)
                total += error
                if total > limit * len(places) or error > most:
                    break
        return outcome_of(found)

    def crossed(self, parts: list[tuple[Graph, list[int]]]) -> Outcome:
        """Of graphs, each judged by the feeds at its own places."""
        found = []
        for graph, places in parts:
            session = self.session(graph)
            found += [self.compared(session, place) for place in places]
        return outcome_of(found)

    def session(self, graph: Graph):
        return self.load(replace(self.model, graph=graph))

    def compared(self, session, place: int) -> dict[str, Difference]:
        """What a session gives to the feed at a place, by output."""
        answers, found = session.run(None, self.feeds[place]), {}
        for name, scale, got, wanted in zip(self.outputs, self.scales, answers, self.wanted[place]):
            if is_real(got) and is_real(wanted) and got.shape == wanted.shape:
                found[name] = difference(got, wanted, scale, name == self.classes)
        return found


def spread_out(length: int, count: int | None) -> list[int]:
    """So many places of a list of this length."""
    count = length if count is None else min(count, length)
    return [(2 * i + 1) * length // (2 * count) for i in range(count)]


def is_real(x) -> bool:
    return isinstance(x, np.ndarray) and x.dtype.kind == "f" and bool(x.size)


def scale_of(answers) -> float:
    """The largest number that an output has."""
    return max((float(np.abs(each).max()) for each in answers if is_real(each)), default=0.0) or 1.0


def difference(got: np.ndarray, wanted: np.ndarray, scale: float, are_classes: bool) -> Difference:
    lost = np.subtract(got, wanted, dtype=np.float64)
    return Difference(float(max(lost.max(), -lost.min())) / scale, square_sum(lost), square_sum(wanted),
                      likeliest(got) == likeliest(wanted) if are_classes else None)


def square_sum(x: np.ndarray) -> float:
    return float(np.square(x, dtype=np.float64).sum())


def outcome_of(found: list[dict[str, Difference]]) -> Outcome:
    """Of several pictures."""
    outcome = Outcome()
    for name in dict.fromkeys(name for each in found for name in each):
        of_output = [each[name] for each in found if name in each]
        largest = [each.largest for each in of_output]
        squares = sum(each.squares for each in of_output) or 1.0
        outcome.errors[name] = Error(max(largest), float(np.mean(largest)),
                                     (sum(each.lost for each in of_output) / squares) ** .5)
        same = [each.same for each in of_output if each.same is not None]
        if same:
            outcome.agreement = float(np.concatenate(same).mean())
    return outcome

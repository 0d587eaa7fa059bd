"""How far the answers of a quantised network are from those of its floats."""
from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from ..errors import InputError
from ..model.graph import Graph, Model
from ..model.writer import encoded
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
        """load : makes a session of bytes; scales : by default of these feeds"""
        self.model, self.feeds, self.load, self.classes = model, feeds, load, classes
        session = load(encoded(model))
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
        places, answers, total = spread_out(len(self.feeds), count), [], 0.0
        for place in places:
            answers.append(session.run(None, self.feeds[place]))
            if limit is not None:
                error = self.compared(answers[-1:], [place]).largest
                total += error
                if total > limit * len(places) or error > most:
                    break
        return self.compared(answers, places[:len(answers)])

    def crossed(self, parts: list[tuple[Graph, list[int]]]) -> Outcome:
        """Of graphs, each judged by the feeds at its own places."""
        answers, all_places = [], []
        for graph, places in parts:
            session = self.session(graph)
            answers += [session.run(None, self.feeds[place]) for place in places]
            all_places += places
        return self.compared(answers, all_places)

    def session(self, graph: Graph):
        return self.load(encoded(replace(self.model, graph=graph)))

    def compared(self, answers: list[list], places: list[int]) -> Outcome:
        """places : of the feeds that these answers are to"""
        outcome = Outcome()
        for i, (name, scale) in enumerate(zip(self.outputs, self.scales)):
            pairs = [(got[i], self.wanted[place][i]) for got, place in zip(answers, places)]
            pairs = [pair for pair in pairs if all(map(is_real, pair)) and pair[0].shape == pair[1].shape]
            if pairs:
                outcome.errors[name] = error_of(pairs, scale)
                if name == self.classes:
                    same = [likeliest(got) == likeliest(wanted) for got, wanted in pairs]
                    outcome.agreement = float(np.concatenate(same).mean())
        return outcome


def spread_out(length: int, count: int | None) -> list[int]:
    """So many places of a list of this length."""
    count = length if count is None else min(count, length)
    return [(2 * i + 1) * length // (2 * count) for i in range(count)]


def is_real(x) -> bool:
    return isinstance(x, np.ndarray) and x.dtype.kind == "f" and bool(x.size)


def scale_of(answers) -> float:
    """The largest number that an output has."""
    return max((float(np.abs(each).max()) for each in answers if is_real(each)), default=0.0) or 1.0


def error_of(pairs: list[tuple[np.ndarray, np.ndarray]], scale: float) -> Error:
    differences = [got.astype(np.float64) - wanted for got, wanted in pairs]
    largest = [float(np.abs(each).max()) / scale for each in differences]
    squares = sum(float(np.square(wanted, dtype=np.float64).sum()) for _, wanted in pairs) or 1.0
    return Error(max(largest), float(np.mean(largest)),
                 float(np.sqrt(sum(float(np.square(each).sum()) for each in differences) / squares)))

"""What is explained: the score of a class, or of one object on the picture, as the model's family decodes it."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from ..vision.answers.answer import called
from ..vision.answers.classes import Classes
from ..vision.answers.objects import Object, Objects
from ..vision.answers.summary import Summary
from ..vision.families.view import Options, numbers_of, viewed
from ..vision.inputs import classes_of
from ..vision.reader import Reader
from ..vision.recognise.words import RAW

LEAST = .05                         # the score of an object that counts as found
LEAST_OVERLAP = .5                  # of two boxes of one object, their intersection over their union
ALL = 1 << 30                       # classes


@dataclass(frozen=True, slots=True)
class Target:
    """What is explained. score : as the model gives it; box : of an object, x1, y1, x2, y2 in pixels of the picture"""
    index: int
    label: str | None
    score: float
    box: tuple[float, float, float, float] | None = None

    def __str__(self):
        return called(self.index, self.label)


class Scores:
    """How much of a target is in the outputs for a picture."""

    def __init__(self, reader: Reader):
        self.reader = reader
        self.output = classes_of(reader.session, reader)        # a classifier's numbers
        self._options = Options(conf=LEAST if self.output is None else 0.0, top=ALL)

    def answer(self, outputs: dict, where) -> Classes | Objects:
        """InputError for an answer that has no scores of classes or objects."""
        reader = self.reader
        with np.errstate(all="ignore"):
            answer = reader.family.decode(viewed(outputs, reader.words, reader.recipe, where, self._options))
        if isinstance(answer, (Classes, Objects)):
            return answer
        task = reader.words.task if reader.words.task != RAW else ""
        what = f"this model's task is {task}" if not isinstance(answer, Summary) else \
            f"nothing reads this model's outputs{f' as {task}' * bool(task)}: --task says what they are (docs/tasks.md)"
        raise InputError(f"what is explained is the score of a class or of an object; {what}")

    def target(self, outputs: dict, where, label, name: str) -> Target:
        """The likeliest class or object, or that of a label.

        label : None, a class's name or its number; name : of the picture, for messages
        Raises InputError where there is no such."""
        answer = self.answer(outputs, where)
        index = None if label is None else numbers_of((str(label),), self.reader.words.labels)[0]
        if isinstance(answer, Classes):
            return self._class(answer, numbers_in(outputs, self.output), index, label, name)
        of_class = [each for each in answer.found if index in (None, each.index)]
        found = [each for each in of_class if each.score is not None and outline(each) is not None]
        if of_class and not found:
            without = "score" if of_class[0].score is None else "box"
            raise InputError(f"{name}: the model gives {of_class[0]} no {without}; there is nothing to explain")
        if not found:
            what = "object" if index is None else called(index, self.reader.words.label(index))
            odd = next((f"; output {key!r} has NaN" for key, value in outputs.items() if has_nan(value)), "")
            raise InputError(f"{name}: there is no {what} with a score of at least {LEAST} to explain{odd}")
        best = max(found, key=lambda each: each.score)
        return Target(best.index, best.label, best.score, outline(best))

    def _class(self, answer: Classes, numbers: np.ndarray, index: int | None, label, name: str) -> Target:
        """numbers : those of all classes; the rest as of `target`"""
        if index is not None and index >= numbers.size:
            raise InputError(f"the model has no class {label!r}; right is a number from 0 to {numbers.size - 1}")
        best = next((each for each in answer.best if index in (None, each.index)), None)
        if best is not None and np.isfinite(best.score):
            return Target(best.index, best.label, best.score)
        if has_nan(numbers if index is None else numbers[index]):
            raise InputError(f"{name}: output {self.output!r} has NaN for this picture; there is nothing to explain")
        if best is not None:
            raise InputError(f"{name}: the score of {best} is infinite; there is nothing to explain")
        if index is None:
            raise InputError(f"{name}: the model gives no class a score above 0; there is nothing to explain")
        return Target(index, self.reader.words.label(index), 0.0)

    def of(self, target: Target, outputs: dict, where) -> float:
        """The score of a target; 0 where it is not found any more. Of several objects that lie where it lay, and are of
        its class, the likeliest counts."""
        answer = self.answer(outputs, where)
        if isinstance(answer, Classes):
            return next((each.score for each in answer.best if each.index == target.index), 0.0)
        return max((each.score for each in answer.found
                    if each.index == target.index and each.score is not None and (box := outline(each)) is not None
                    and overlap(box, target.box) >= LEAST_OVERLAP), default=0.0)


def numbers_in(outputs: dict, name: str) -> np.ndarray:
    """Those of all classes, for one picture: float64 (classes,)."""
    numbers = np.asarray(outputs[name])
    return (numbers[0] if numbers.ndim > 1 else numbers).reshape(-1).astype(np.float64)


def has_nan(value) -> bool:
    array = np.asarray(value)
    return array.dtype.kind in "fV" and bool(np.isnan(array.astype(np.float64)).any())


def outline(found: Object) -> tuple[float, float, float, float] | None:
    """The box around an object; None: it has none that is finite."""
    if found.polygon is not None and len(found.polygon):
        corners = np.asarray(found.polygon, np.float64).reshape(-1, 2)
        box = (*corners.min(0).tolist(), *corners.max(0).tolist())
    else:
        box = found.box
    return box if box is not None and np.isfinite(box).all() else None


def overlap(a, b) -> float:
    """The intersection of two boxes over their union."""
    sides = [max(0.0, min(a[i + 2], b[i + 2]) - max(a[i], b[i])) for i in (0, 1)]
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b))
    both = sides[0] * sides[1]
    return both / (areas - both) if areas > both else 0.0

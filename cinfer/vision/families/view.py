"""What a family decodes: the outputs for one picture, what is known of the model, and what the user asks for."""
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...errors import InputError, nearest
from ...metadata import is_decimal
from ..prepare.geometry import Geometry
from ..prepare.recipe import Recipe
from ..recognise.words import RAW, LabelsError, Words, quoted

MOST_DIGITS = 9                     # of the number of a class
MOST_NAMED = 10                     # classes in a message


class Options(NamedTuple):
    """What a user may ask for; None: what the model's authors use.

    conf : the least score; iou : the overlap above which the lower score of two goes; max_det : objects at most
    classes : only these, by label or index; top : how many classes of a classifier
    """
    conf: float | None = None
    iou: float | None = None
    max_det: int | None = None
    classes: tuple[str, ...] | None = None
    top: int = 5


class View(NamedTuple):
    """outputs : name -> tensor of numbers, of one picture; where : from its pixels to those of the input
    whole : all of the outputs, if there are sequences or texts too"""
    outputs: dict[str, np.ndarray]
    words: Words
    recipe: Recipe
    where: Geometry
    options: Options
    whole: dict | None = None

    def name(self, key: str = "output.name", default: str | None = None) -> str:
        """The output that a word names, else the default, else the first."""
        name = self.words.text(key) or default or next(iter(self.outputs))
        if name not in self.outputs:
            of = "the model's outputs are" if self.whole is None else "its outputs of numbers are"
            raise InputError(f"{self.words.where(key)} is {name!r}; {of} {quoted(self.outputs)}")
        return name

    def output(self, key: str = "output.name", default: str | None = None) -> np.ndarray:
        return np.asarray(self.outputs[self.name(key, default)])

    def threshold(self, default: float) -> float:
        said = self.options.conf
        return self.words.number("output.threshold", default, -1e6, 1e6) if said is None else said

    def iou(self, default: float) -> float:
        return self.words.number("output.iou", default, 0, 1) if self.options.iou is None else self.options.iou

    def most(self, default: int = 300) -> int:
        return self.options.max_det or self.words.count("output.most", default, 100_000)

    def check_labels(self, count: int) -> None:
        """LabelsError where a user gives more or fewer labels than the model has classes."""
        labels = self.words.labels
        if self.words.labels_given and len(labels) != count:
            raise LabelsError(f"there are {len(labels)} labels for {count} classes; one for each is right")

    def wanted(self, indices: np.ndarray) -> np.ndarray:
        """bool: which of these classes the user asks for."""
        indices = np.asarray(indices)
        if self.options.classes is None:
            return np.ones(indices.shape, bool)
        return np.isin(indices, numbers_of(self.options.classes, self.words.labels))


def viewed(outputs: dict, words: Words, recipe: Recipe, where: Geometry, options: Options) -> View:
    """InputError where a task is asked for, and no output is a tensor of numbers."""
    tensors = {name: value for name, value in outputs.items()
               if isinstance(value, np.ndarray) and value.dtype.kind in "fiubV"}
    if not tensors and words.text("family", RAW) != RAW:
        kinds = ", ".join(f"{name!r} is {value.dtype if isinstance(value, np.ndarray) else 'a sequence'}"
                          for name, value in outputs.items())
        raise InputError(f"none of the outputs is a tensor of numbers, {kinds}; --task raw tells what is known of them")
    return View(tensors, words, recipe, where, options, None if len(tensors) == len(outputs) else outputs)


def numbers_of(classes, labels: list[str] | None) -> list[int]:
    """The numbers of classes that are asked for by label or number; InputError: the model has no such."""
    numbers = {str(label): i for i, label in enumerate(labels or ())}
    asked = []
    for word in classes:
        if word in numbers:
            asked.append(numbers[word])
        elif is_decimal(word, MOST_DIGITS) and not (labels and int(word) >= len(labels)):
            asked.append(int(word))
        else:
            right = "a label, or the number of a class"
            if labels:
                few = len(labels) <= MOST_NAMED
                right = ", ".join(labels) if few else f"a label, or a number from 0 to {len(labels) - 1}"
            raise InputError(f"the model has no class {word!r}{nearest(word, numbers) or f'; right is {right}'}")
    return asked

"""From a classifier and a folder of pictures by class to a classifier of these classes, and a report."""
from __future__ import annotations

import os
import time
from dataclasses import dataclass

import numpy as np

from ..errors import Error, InputError
from ..model import read
from ..model.source import Source
from ..model.writer import Written, encoded
from ..session import Session, load
from ..vision.arguments import flags_of
from ..vision.keys import LABELS, VERSION, keys_of_input, text_of_labels
from ..vision.reader import Reader
from .features import features_of
from .folds import Alike, alike, folds_of
from .folders import Sorted, by_class
from .head import head_of, trunk_of, with_head
from .learn import learn
from .page import page
from .report import Report, report_of

MOST_UNREADABLE = .25                   # of all pictures; more are no accident
KEPT = ("cinfer.license", "cinfer.source")      # of the network's own keys


@dataclass(slots=True)
class Adapted(Written):
    """model : what is written; report : docs/adapt.md says what is in it"""
    report: Report

    def page(self) -> str:
        """The report as a page of HTML, with small pictures in it."""
        return page(self.report)


def adapt(model, photos, *, threads: int | None = None, task: str | None = None, recipe: dict | None = None,
          show=None) -> Adapted:
    """A classifier whose features stay as they are, and whose last layer knows other classes.

    Parameters
    ----------
    model : path, bytes or binary file object of an ONNX model that ends in a Gemm, a MatMul or a 1x1 Conv; in floats or
        integers
    photos : a folder that has a folder for each class; its name is the label. Ten pictures a class or more are right
    threads : as of `load`
    task, recipe : as of `cinfer.vision.read`: how pictures are prepared
    show : called with (what, number, total) at each step

    Raises
    ------
    cinfer.Error : the model has no such head, there are no two classes of two pictures that can be read, more than a
        quarter of the pictures cannot, an argument is wrong
    """
    return adapt_by(model, photos, flags_of(task, recipe), threads=threads, show=show)


def adapt_by(model, photos, flags: dict[str, tuple[str, str]], *, threads=None, show=None) -> Adapted:
    """As `adapt`. flags : word -> (text, the flag as typed), as `recognise` takes them"""
    begin = time.perf_counter()
    show = show or (lambda what, number, total: None)
    found = by_class(photos)
    source = model if isinstance(model, Source) else Source(model)
    session = Session(source, threads=threads)
    where = os.path.basename(source.path or "") or "model"
    reader = Reader(session, flags)
    file = read(source)
    output = reader.words.text("output.name") or session.outputs[0].name
    if output not in file.graph.outputs:
        raise InputError(f"{where} has no output {output!r}")
    head = head_of(file.graph, output)
    trunk = trunk_of(file, head, *probed(session, reader, head.value, output))
    data = encoded(trunk)
    rows, places, errors = features_of(reader, load(data, threads=threads), found.paths, show)
    check_read(found, errors)
    kept = Kept(found, places, rows)
    kept.check(os.fspath(photos))
    folds, torn = folds_of(kept.alike.groups, kept.classes)
    learned = learn(kept.rows, kept.classes, len(found.classes), folds, show)
    shape = file.graph.outputs[output].shape
    made = with_head(trunk, learned.weights, learned.biases, shape[0] if shape else None,
                     keys(reader, found.classes, where, file.metadata))
    report = report_of(where, str(head.node), found, kept, errors, folds, torn, learned,
                       seconds=time.perf_counter() - begin)
    return Adapted(made, report)


def probed(session: Session, reader: Reader, value: str, output: str) -> tuple[np.dtype, tuple[int, ...]]:
    """(dtype, shape) of a value for one picture. InputError where the output is not a number for each class."""
    noise = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    wanted = [value, output]
    array, scores = session.run(wanted, reader.prepare(noise).feeds)
    if scores.ndim < 2 or scores[0].size != max(scores.shape[1:]):
        raise InputError(f"the output {output!r} is of shape {scores.shape}, which is no number for each class; a "
                         "classifier is right")
    return array.dtype, array.shape


def check_read(found: Sorted, errors: dict[int, Error]) -> None:
    if len(errors) > MOST_UNREADABLE * len(found.paths):
        first = next(iter(errors.values()))
        raise InputError(f"{len(errors)} of {len(found.paths)} pictures cannot be read, such as {first}")


@dataclass(slots=True)
class Kept:
    """The pictures that are learned from.

    places : in Sorted.paths; classes : (pictures,); rows : (pictures, features)
    alike : those that are nearly the same; disputed : places of the same picture in several classes, left out
    """
    places: list[int]
    classes: np.ndarray
    rows: np.ndarray
    alike: Alike
    disputed: list[list[int]]
    names: list[str]

    def __init__(self, found: Sorted, places: list[int], rows: np.ndarray):
        same: dict[bytes, list[int]] = {}
        for i, row in enumerate(rows):
            same.setdefault(row.tobytes(), []).append(i)
        in_two = [each for each in same.values() if len({found.numbers[places[i]] for i in each}) > 1]
        left = {i for each in in_two for i in each}
        stay = [i for i in range(len(places)) if i not in left]
        self.disputed = [[places[i] for i in each] for each in in_two]
        self.places = [places[i] for i in stay]
        self.classes = np.array([found.numbers[place] for place in self.places], np.int64)
        self.rows = rows[stay]
        self.names = found.classes
        if len(stay):
            self.alike = alike(self.rows, self.classes)

    def check(self, folder: str) -> None:
        """InputError unless each class has two pictures: to learn from, and to judge by."""
        counts = np.bincount(self.classes, minlength=len(self.names)).tolist()
        few = [name for name, count in zip(self.names, counts) if count < 2]
        if few:
            left = sum(map(len, self.disputed))
            why = f" ({left} that lie in several classes are left out)" if left else ""
            has = counts[self.names.index(few[0])]
            raise InputError(f"{folder}: the class {few[0]!r} has {has} of the two pictures that it needs at "
                             f"least{why}; ten or more are better")


def keys(reader: Reader, labels: list[str], where: str, metadata: dict[str, str]) -> dict[str, str]:
    """What the new file says of itself."""
    own = {key: metadata[key] for key in KEPT if key in metadata}
    return VERSION | {"cinfer.title": f"{len(labels)} classes, adapted from {where}", **own,
                      "cinfer.task": "classification", "cinfer.family": "classify",
                      "cinfer.output.kind": "probabilities"} | keys_of_input(reader) | {LABELS: text_of_labels(labels)}

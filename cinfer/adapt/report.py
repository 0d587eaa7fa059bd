"""What is told of an adapted classifier: how well it does on pictures it did not see, and what to look at."""
from __future__ import annotations

from dataclasses import asdict, dataclass, field
from math import ceil, floor

import numpy as np

from ..table import shortened, table
from .folds import ALIKE
from .learn import log_losses, wilson

THIN = 10                               # pictures of a class; with fewer a warning
DOUBTFUL = 12                           # pictures that are told
SHOWN_CLASSES = 12                      # of a confusion table for people; of more the worst pairs
SHOWN_PAIRS = 8


@dataclass(frozen=True, slots=True)
class Row:
    """A class: pictures that are learned from, and of how many the held-out answer is right."""
    label: str
    pictures: int
    right: int


@dataclass(frozen=True, slots=True)
class Fold:
    pictures: int
    accuracy: float
    penalty: float


@dataclass(frozen=True, slots=True)
class Doubt:
    """A picture, its class, what was said of it by a fit that had not seen it, and the probability of its own class."""
    path: str
    label: str
    said: str
    probability: float


@dataclass(frozen=True, slots=True)
class Twins:
    """Pictures that are nearly the same: paths and classes."""
    paths: tuple[str, str]
    labels: tuple[str, str]
    cosine: float


@dataclass(slots=True)
class Report:
    """pictures : that are learned from; distinct : groups of such that are not nearly the same
    accuracy : share of held-out pictures that are right; interval : that holds the true share with 95 %, by `distinct`
    spread : standard deviation of the folds' accuracies; chance : the share of the largest class
    confusion : [class][class that was said], held-out pictures
    confidence : mean probability of the answers; log_loss : of held-out pictures, mean
    twins : the most alike; twin_pairs : how many there are of one class and of two
    """
    model: str
    head: str
    features: int
    classes: list[Row]
    pictures: int
    distinct: int
    accuracy: float
    interval: tuple[float, float]
    spread: float
    chance: float
    folds: list[Fold]
    confusion: list[list[int]]
    penalty: float
    temperature: float
    confidence: float
    log_loss: float
    doubtful: list[Doubt]
    twins: list[Twins]
    twin_pairs: tuple[int, int]
    disputed: list[list[str]]
    unreadable: dict[str, str]
    seconds: float
    notes: list[str] = field(default_factory=list)

    def data(self) -> dict:
        """As JSON has it."""
        return asdict(self)

    def summary(self) -> str:
        """In a line."""
        return f"{len(self.classes)} classes, {self.claim()}"

    def claim(self) -> str:
        low, high = self.interval
        low, high = floor(low * 1000) / 10, ceil(high * 1000) / 10       # outwards: 99.96 % is no certainty
        return (f"{self.accuracy:.1%} of {self.pictures} held-out pictures right; of others like these {low:g}% to "
                f"{high:g}% (95 % sure)")

    def lines(self) -> list[str]:
        return [*self.table_of_all(), "", *self.table_of_classes(), "", *self.table_of_doubts(), *self.table_of_twins(),
                *self.notes]

    def table_of_all(self) -> list[str]:
        folds = ", ".join(f"{fold.accuracy:.1%} of {fold.pictures}" for fold in self.folds)
        return table([
            ["features", f"{self.features}, before {self.head} of {self.model}"],
            ["accuracy", self.claim()],
            ["folds", f"{folds}; spread {self.spread:.1%}; the largest class alone would be {self.chance:.1%}"],
            ["calibration", f"answers say {self.confidence:.1%} on average; log loss {self.log_loss:.3f}"],
            ["lambda", f"{self.penalty:.2g}, temperature {self.temperature:.2g}"]])

    def table_of_classes(self) -> list[str]:
        """Held-out pictures of each class, and what was said of them."""
        names = [row.label if len(row.label) <= 20 else f"{row.label[:17]}..." for row in self.classes]
        head = ["class", "pictures", "right"]
        if len(names) <= SHOWN_CLASSES:
            rows = [[*head, *(f"said {name}" for name in names)]]
            rows += [[name, str(row.pictures), f"{row.right / row.pictures:.0%}",
                      *(str(count) if count else "." for count in counts)]
                     for name, row, counts in zip(names, self.classes, self.confusion)]
            return table(rows, right=tuple(range(1, len(rows[0]))))
        worst = sorted(range(len(names)), key=lambda i: self.classes[i].right / self.classes[i].pictures)
        rows = [[*head, "most often taken for"]]
        for i in worst[:SHOWN_CLASSES]:
            row, counts = self.classes[i], [0 if j == i else count for j, count in enumerate(self.confusion[i])]
            other = int(np.argmax(counts))
            rows.append([names[i], str(row.pictures), f"{row.right / row.pictures:.0%}",
                         f"{names[other]} ({counts[other]})" if counts[other] else ""])
        return [f"the {SHOWN_CLASSES} of {len(names)} classes that are right the least", *table(rows, right=(1, 2))]

    def table_of_doubts(self) -> list[str]:
        rows = [["most doubtful", "is", "said", "probability of its class"]]
        rows += [[each.path, each.label, each.said, f"{each.probability:.3f}"] for each in self.doubtful[:SHOWN_PAIRS]]
        return [*table(rows, right=(3,)), ""]

    def table_of_twins(self) -> list[str]:
        if not self.twins:
            return []
        rows = [["nearly the same", "as", "classes", "cosine"]]
        rows += [[*each.paths, " / ".join(dict.fromkeys(each.labels)), f"{each.cosine:.4f}"]
                 for each in self.twins[:SHOWN_PAIRS]]
        return [*table(rows, right=(3,)), ""]


def report_of(model: str, head: str, found, kept, errors: dict, folds: np.ndarray, torn: list[int], learned, *,
              seconds: float) -> Report:
    """found, kept : of folders.py and adapter.py"""
    truth, held, count = kept.classes, learned.held, len(found.classes)
    said = held.argmax(1)
    confusion = np.zeros((count, count), int)
    np.add.at(confusion, (truth, said), 1)
    paths = [found.paths[place] for place in kept.places]
    own = held[np.arange(len(truth)), truth]
    accuracy, distinct = float((said == truth).mean()), len(np.unique(kept.alike.groups))
    each = [Fold(int(mine.sum()), float((said == truth)[mine].mean()), learned.penalties[fold])
            for fold in range(int(folds.max()) + 1) if (mine := folds == fold).any()]
    pairs = [*kept.alike.across, *kept.alike.within]
    report = Report(
        model, head, kept.rows.shape[1],
        [Row(name, int(confusion[i].sum()), int(confusion[i, i])) for i, name in enumerate(found.classes)],
        len(truth), distinct, accuracy, wilson(accuracy, distinct),
        float(np.std([fold.accuracy for fold in each], ddof=1)) if len(each) > 1 else 0.0,
        float(confusion.sum(1).max() / len(truth)), each, confusion.tolist(), learned.penalty, learned.temperature,
        float(held.max(1).mean()), float(log_losses(np.log(np.maximum(held, 1e-300)), truth).mean()),
        [Doubt(str(paths[i]), found.classes[truth[i]], found.classes[said[i]], float(own[i]))
         for i in np.argsort(own, kind="stable")[:DOUBTFUL]],
        [Twins((str(paths[p.one]), str(paths[p.other])), (found.classes[truth[p.one]], found.classes[truth[p.other]]),
               p.cosine) for p in pairs],
        kept.alike.counts, [[str(found.paths[place]) for place in group] for group in kept.disputed],
        {str(found.paths[place]): str(error) for place, error in errors.items()}, seconds)
    report.notes += notes(report, found, torn)
    return report


def notes(report: Report, found, torn: list[int]) -> list[str]:
    said, (within, across) = [], report.twin_pairs
    thin = [f"{row.label} ({row.pictures})" for row in report.classes if row.pictures < THIN]
    if thin:
        said.append(f"fewer than {THIN} pictures: {shortened(', '.join(thin), 200)}; what is said of such a class "
                    "rests on very little")
    if across:
        said.append(f"{counted(across, 'pair')} of nearly the same picture (cosine above {ALIKE}) in two classes: one "
                    "of the two may lie in the wrong folder")
    if within:
        said.append(f"{counted(within, 'pair')} of nearly the same picture within a class: they are kept in one fold, "
                    f"and {report.pictures} pictures count as {report.distinct}")
    if torn:
        names = ", ".join(repr(found.classes[number]) for number in torn)
        said.append(f"all pictures of {shortened(names, 200)} are nearly the same: nothing tells how it does on others "
                    "of the class")
    for group in report.disputed:
        said.append(f"left out, for the same picture lies in several classes: {', '.join(group)}")
    if report.unreadable:
        first = next(iter(report.unreadable.values()))
        said.append(f"left out, for it cannot be read: {counted(len(report.unreadable), 'picture')}, such as {first}")
    if found.empty:
        said.append(f"folders without a picture: {shortened(', '.join(found.empty), 200)}")
    if found.loose:
        said.append(f"{counted(found.loose, 'picture')} beside the folders of classes: left out")
    return said


def counted(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"

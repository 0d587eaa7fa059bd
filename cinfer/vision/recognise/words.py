"""What is known of a model, in the words of docs/metadata.md, whoever said it."""
from __future__ import annotations

from ...errors import InputError, nearest
from ...metadata import is_decimal

# All words of docs/metadata.md that a user may say instead of a model.
KNOWN = frozenset("""task family
    input.name input.layout input.channels input.size input.scale input.resize input.filter input.mean input.std
    input.frames
    output.name output.kind output.boxes output.scores output.labels output.masks output.activation output.background
    output.format output.units output.unit output.threshold output.iou output.most output.points output.names
    output.pooling output.layout output.channels output.mean output.std output.filter output.beta output.blur
    output.image_threshold output.pixel_threshold output.normalization_scale""".split())
RAW = "raw"                             # the task of whoever wants to see the outputs as they are


class LabelsError(InputError):
    """A user's labels are not those of the model: so it is with all pictures."""


class Words:
    """Key without "cinfer." -> text. What was said first stays: flags, then the model's keys, files beside it, names
    and shapes of its outputs, and habits.

    labels : class names, index = class; None without them; labels_given : by the user
    evidence : what said something, for people, in that order
    """

    def __init__(self):
        self._said: dict[str, tuple[str, str]] = {}         # key -> (text, where: a flag or key to name in errors)
        self.labels: list[str] | None = None
        self.labels_given = False
        self.evidence: list[str] = []

    def add(self, words: dict[str, str], evidence: str, where: str = "cinfer.",
            labels: list[str] | None = None) -> None:
        """Take what is said newly. where : what stands before a key in messages"""
        new = {key: (text, where + key) for key, text in words.items() if key not in self._said and text is not None}
        self._said.update(new)
        if self.labels is None and labels:
            self.labels = labels
            new = new or labels
        if new and evidence:
            self.evidence.append(evidence)

    def add_flags(self, flags: dict[str, tuple[str, str]]) -> None:
        """key -> (text, the flag as typed). InputError for a word that is none."""
        for key, (_, flag) in flags.items():
            if key == "labels":
                raise InputError(f"{flag}: labels are given by themselves, --labels FILE (in Python labels=[...])")
            if key not in KNOWN:
                raise InputError(f"{flag} is no word of docs/metadata.md{nearest(key, sorted(KNOWN))}")
        self._said.update(flags)
        if flags:
            self.evidence.append(f"as given: {', '.join(flag for _, flag in flags.values())}")

    def said(self) -> dict[str, str]:
        """All words, and their texts."""
        return {key: text for key, (text, _) in self._said.items()}

    def __contains__(self, key: str) -> bool:
        return key in self._said

    def origin(self) -> str:
        return "; ".join(self.evidence) or "nothing that the model says"

    def where(self, key: str) -> str:
        """What to call a word in a message."""
        return self._said[key][1] if key in self._said else f"cinfer.{key}"

    def text(self, key: str, default: str = "") -> str:
        return self._said[key][0] if key in self._said else default

    def one_of(self, key: str, choices: tuple[str, ...], default: str) -> str:
        return one_of(self.text(key, default), self.where(key), choices)

    def number(self, key: str, default: float, least: float = -1e9, most: float = 1e9) -> float:
        text = self.text(key)
        if not text:
            return default
        value = number(text)
        if value is None or not least <= value <= most:
            raise InputError(f"{self.where(key)} is {text!r}; right is a number from {least:g} to {most:g}")
        return value

    def count(self, key: str, default: int, most: int) -> int:
        text = self.text(key)
        if text and not (is_count(text) and int(text) <= most):
            raise InputError(f"{self.where(key)} is {text!r}; right is a whole number from 1 to {most}")
        return int(text) if text else default

    @property
    def task(self) -> str:
        """One of docs/metadata.md, or any other word: then the raw outputs are the answer."""
        return self.text("task")

    def label(self, index: int) -> str | None:
        if self.labels_given and index >= len(self.labels):
            raise LabelsError(f"there are {len(self.labels)} labels, but the model says class {index}; one for each of "
                              "its classes is right")
        return self.labels[index] if self.labels and 0 <= index < len(self.labels) else None


def number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if abs(value) <= 1e9 else None        # neither inf nor nan


def one_of(text: str, where: str, words: tuple[str, ...]) -> str:
    for word in words:
        if word.lower() == text.lower():
            return word
    raise InputError(f"{where} is {text!r}; right is {', '.join(words[:-1])} or {words[-1]}")


def is_count(text: str) -> bool:
    return text.isascii() and is_decimal(text, 6) and int(text) >= 1


def quoted(names) -> str:
    """'a', 'b'"""
    return ", ".join(map(repr, names))

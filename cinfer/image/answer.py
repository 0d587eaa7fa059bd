"""From arrays to an answer for people and programs. A task is one function in TASKS.

Every answer has lines() for people and data() for JSON.
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from .described import Described, quoted
from .recipe import CHANNELS, one_of, parse_numbers

MOST_VALUES = 16                # of an output that is shown whole


@dataclass(frozen=True, slots=True)
class Classes:
    """The likeliest classes, best first: (index, label or None, probability)."""
    best: list[tuple[int, str | None, float]]

    def lines(self) -> list[str]:
        return [f"{probability:8.4f}  {f'class {index}' if label is None else f'{label} ({index})'}"
                for index, label, probability in self.best]

    def data(self) -> dict:
        return {"classes": [{"index": index, "label": label, "probability": finite(probability)}
                            for index, label, probability in self.best]}


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture made by the network. pixels : uint8, (height, width) or (height, width, 3) RGB"""
    pixels: np.ndarray

    def lines(self) -> list[str]:
        return [f"a picture of {self.pixels.shape[1]}x{self.pixels.shape[0]} pixels"]

    def data(self) -> dict:
        return {"width": self.pixels.shape[1], "height": self.pixels.shape[0]}


@dataclass(frozen=True, slots=True)
class Summary:
    """What can be said of any output: one Row each."""
    rows: list[Row]

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


def answer(described: Described, outputs: dict[str, np.ndarray], *, labels: list[str] | None = None,
           top: int = 5) -> Classes | Picture | Summary:
    """What a model's outputs say.

    Parameters
    ----------
    described : what the model says of itself: the task and the `output.*` words
    outputs : output name -> array, of one picture
    labels : class names instead of the model's own; a model of no known task classifies then
    top : how many classes, best first

    Returns
    -------
    Classes, Picture or Summary

    Raises
    ------
    InputError : the labels are not as many as the classes; the metadata contradict the outputs
    """
    task = described.task or ("classification" if labels is not None else "")
    return TASKS.get(task, summarize)(described, outputs, labels=labels, top=top)


def classify(described: Described, outputs, *, labels, top):
    """The likeliest classes of the result (n, classes) or (n, classes, 1, 1)."""
    scores = result(described, outputs)
    scores = scores.reshape(-1).astype(np.float64)
    if not scores.size:
        return summarize(described, outputs)
    if labels is not None and len(labels) != scores.size:
        raise InputError(f"there are {len(labels)} labels for {scores.size} classes; one for each is right")
    names = described.labels if labels is None else labels
    kind = described.words.get("output.kind") or ("probabilities" if are_probabilities(scores) else "logits")
    probabilities = softmax(scores) if kind == "logits" else scores
    # ties go to the lower index, so that the order is the same everywhere
    order = np.argsort(-probabilities, kind="stable")[:top]
    return Classes([(i, names[i] if names and i < len(names) else None, float(probabilities[i]))
                    for i in order.tolist()])


def make_picture(described: Described, outputs, **_):
    """The picture that an image-to-image model made: pixel = output * std + mean, rounded, 0..255."""
    words = described.words
    planes = result(described, outputs)
    if planes.ndim != 4 or planes.shape[0] != 1:
        raise InputError(f"cinfer.task is image, but the output has shape {planes.shape}; "
                         "that of a picture is of rank 4 and batch 1")
    if one_of(words.get("output.layout", "NCHW"), "cinfer.output.layout", ("NCHW", "NHWC")) == "NCHW":
        planes = planes.transpose(0, 2, 3, 1)
    channels = one_of(words.get("output.channels", "RGB"), "cinfer.output.channels", ("RGB", "BGR", "GRAY"))
    if planes.shape[3] != CHANNELS[channels]:
        raise InputError(f"cinfer.output.channels is {channels}, the output has {planes.shape[3]} channels")
    mean = parse_numbers(words.get("output.mean", "0"), "cinfer.output.mean", CHANNELS[channels])
    std = parse_numbers(words.get("output.std", "1"), "cinfer.output.std", CHANNELS[channels])
    pixels = np.nan_to_num(planes[0] * np.array(std, np.float32) + np.array(mean, np.float32))
    pixels = np.rint(pixels.clip(0, 255)).astype(np.uint8)
    shown = {"RGB": pixels, "BGR": pixels[..., ::-1], "GRAY": pixels[..., 0]}[channels]
    return Picture(np.ascontiguousarray(shown))


def summarize(described: Described, outputs, **_):
    return Summary([summary_row(name, value) for name, value in outputs.items()])


TASKS = {"classification": classify, "image": make_picture}


def result(described: Described, outputs) -> np.ndarray:
    """The output that holds the result: `cinfer.output.name`, else the first."""
    name = described.words.get("output.name") or next(iter(outputs))
    if name not in outputs:
        raise InputError(f"cinfer.output.name is {name!r}; the model's outputs are {quoted(outputs)}")
    return np.asarray(outputs[name])


def summary_row(name: str, value) -> Row:
    if not isinstance(value, np.ndarray):
        return Row(name, (len(value),) if isinstance(value, list) else (), "sequence")
    if value.dtype.kind not in "fiubV" or not value.size:
        return Row(name, value.shape, str(value.dtype))
    wide = value if value.dtype.kind in "iu" else value.astype(np.float64)
    return Row(name, value.shape, str(value.dtype), float(wide.min()), float(wide.mean()), float(wide.max()),
               wide.reshape(-1).tolist() if wide.size <= MOST_VALUES else None)


def are_probabilities(scores: np.ndarray) -> bool:
    # float16 outputs of 1000 classes add up to 1 within 1e-3 at best
    return bool(scores.min() >= -1e-6 and scores.max() <= 1 + 1e-3 and abs(scores.sum() - 1) < 1e-2)


def softmax(scores: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        powers = np.exp(scores - scores.max())
        return powers / powers.sum()


def finite(value: float | None) -> float | None:
    """JSON has no nan and no infinity."""
    return value if value is not None and np.isfinite(value) else None

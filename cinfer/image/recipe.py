"""How a picture becomes the input of a network: the words `cinfer.input.*` of docs/metadata.md, parsed."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import InputError, LimitError
from .decode import MOST_PIXELS
from .described import Described, describe, quoted

FILTERS = ("nearest", "bilinear", "bicubic")
CHANNELS = {"RGB": 3, "BGR": 3, "GRAY": 1, "RGB+1": 3}       # pixels' channels; the plane of ones is none
MODES = "stretch, crop:F, letterbox:V, fit-left, height or none"


@dataclass(frozen=True, slots=True)
class Recipe:
    """input, dtype : the graph input that takes the picture
    has_batch : does the input have an axis of batch
    size : (height, width) | "any" | ("multiple", n) | (height, None): as wide as the picture's shape asks
    resize : mode and its number; mean, std : of values 0..255, one or one per channel; origin : for people
    """
    input: str
    dtype: np.dtype
    size: tuple | str
    layout: str
    channels: str
    resize: tuple[str, float]
    filter: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    origin: str = ""
    has_batch: bool = True

    def __str__(self):
        mode, value = self.resize
        resize = mode if value is None else f"{mode}:{value:g}"
        return (f"{size_text(self.size)} {self.channels} {self.layout}, {resize} {self.filter}, "
                f"mean {numbers_text(self.mean)}, std {numbers_text(self.std)}")


def recipe_for(session, described: Described | None = None, flags: dict[str, str] | None = None) -> Recipe:
    """The recipe of a session's model.

    Parameters
    ----------
    described : what the model says of itself (describe(session) by default)
    flags : what the user says instead; keys size, layout, channels, resize, filter, mean, std

    Raises
    ------
    InputError : a word is none of docs/metadata.md, or does not fit the model; flag or key are named
    """
    described = described or describe(session)
    flags = flags or {}
    origin = described.origin + (f"; as given: {', '.join(flags)}" if flags else "")

    def word(key, default):
        if key in flags:
            return flags[key], f"--{key}"
        return described.words.get(f"input.{key}", default), f"cinfer.input.{key}"

    inputs = [p.name for p in session.inputs]
    name = described.words.get("input.name") or next(iter(inputs), None)
    port = next((p for p in session.inputs if p.name == name), None)
    if port is None:
        raise InputError(f"cinfer.input.name is {name!r}; the model's inputs are {quoted(inputs)}")
    if len(inputs) > 1:
        raise InputError(f"the model also takes {quoted(n for n in inputs if n != name)}; "
                         "cinfer run feeds a picture only: use it from Python: cinfer.load")
    if port.dtype is None or port.dtype.kind not in "fiuV":
        raise InputError(f"input {name!r} takes {port.dtype or 'no tensor'}; a picture is float or integers")
    channels = one_of(*word("channels", "RGB"), tuple(CHANNELS))
    return Recipe(
        input=name,
        dtype=port.dtype,
        size=parse_size(*word("size", "any")),
        layout=one_of(*word("layout", "NCHW"), ("NCHW", "NHWC")),
        channels=channels,
        resize=parse_resize(*word("resize", "stretch")),
        filter=one_of(*word("filter", "bilinear"), FILTERS),
        mean=parse_numbers(*word("mean", "0"), CHANNELS[channels]),
        std=parse_numbers(*word("std", "1"), CHANNELS[channels], zero=False),
        origin=origin,
        has_batch=port.shape is None or len(port.shape) != 3)


def target_size(recipe: Recipe, width: int, height: int) -> tuple[int, int]:
    """(width, height) of the network input for a picture of this size."""
    size = recipe.size
    if size == "any":
        w, h = width, height
    elif size[0] == "multiple":
        w, h = (max(size[1], round(side / size[1]) * size[1]) for side in (width, height))
    else:
        h, w = size
        w = max(1, round(width * h / height)) if w is None else w
    if w * h > MOST_PIXELS:
        raise LimitError(f"the recipe makes {w}x{h} pixels; the limit is {MOST_PIXELS // 10**6} million")
    return w, h


def parse_size(text: str, where: str):
    if text == "any":
        return "any"
    kind, _, step = text.partition(":")
    if kind == "multiple" and is_count(step):
        return "multiple", int(step)
    height, x, width = text.partition("x")
    if is_count(height) and (not x or is_count(width) or width == "W"):
        return int(height), (int(height) if not x else None if width == "W" else int(width))
    raise InputError(f"{where} is {text!r}; right is HEIGHTxWIDTH (224x224), 48xW, multiple:32 or any")


def parse_resize(text: str, where: str) -> tuple[str, float | None]:
    mode, colon, value = text.partition(":")
    if not colon and mode in ("stretch", "fit-left", "height", "none"):
        return mode, None
    if mode == "crop" and colon and (number := parse_number(value)) is not None and 0.01 <= number <= 1:
        return mode, number
    if mode == "letterbox" and (not colon or value.isdecimal() and int(value) <= 255):
        return mode, int(value or 0)
    raise InputError(f"{where} is {text!r}; right is {MODES} (F: 0.01 to 1, V: 0 to 255)")


def parse_numbers(text: str, where: str, channels: int, *, zero: bool = True) -> tuple[float, ...]:
    values = tuple(parse_number(part) for part in text.split(","))
    if None in values or len(values) not in (1, channels) or not zero and 0 in values:
        wanted = "one number" if channels == 1 else f"one number or {channels} with commas"
        raise InputError(f"{where} is {text!r}; right is {wanted}{'' if zero else ', none of them 0'}")
    return values


def parse_number(text: str) -> float | None:
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
    return text.isascii() and text.isdecimal() and len(text) <= 6 and int(text) >= 1


def size_text(size) -> str:
    if isinstance(size, str):
        return size
    return f"multiple:{size[1]}" if size[0] == "multiple" else f"{size[0]}x{size[1] or 'W'}"


def numbers_text(values) -> str:
    return ",".join(f"{v:g}" for v in values)

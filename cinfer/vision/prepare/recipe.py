"""How a picture becomes the input of a network: the words `input.*` of docs/metadata.md, parsed."""
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...errors import InputError, LimitError
from ...metadata import is_decimal
from ..pictures.decode import MOST_PIXELS
from ..recognise.words import Words, is_count, number, quoted

FILTERS = ("nearest", "bilinear", "bicubic", "lanczos", "box", "hamming", "linear", "cubic", "corner", "floor")
CHANNELS = {"RGB": 3, "BGR": 3, "GRAY": 1, "RGB+1": 3}       # pixels' channels; the plane of ones is none
LAYOUTS = ("NCHW", "NHWC", "NCTHW", "NTCHW", "NTHWC")       # T: frames of a clip
# mode -> the number behind its colon: "" none; what it is, and whether it may be left out
MODES = {"stretch": "", "height": "", "none": "", "fit-left": "", "crop": "share", "centre": "share", "cut": "share",
         "squash": "share", "inside": "share", "border": "share", "middle": "", "letterbox": "grey",
         "window": "grey", "corner": "grey",
         "pad": "grey", "mirror": ""}
MODES_TEXT = ("stretch, crop:F, centre:F, cut:F, squash:F, inside:F, border:F, middle, letterbox:V, window:V, "
              "corner:V, pad:V, mirror, fit-left, height or none")
SIZES_TEXT = ("HEIGHTxWIDTH (224x224), 48xW, 48xW:320, multiple:32, up:32, next:8, down:32, short:800:1333, "
              "long:1024, inside:640:640, cover:235:303, least:736:32, within:640:32, fit:518:14 or any")
RULES = {"multiple": (1,), "up": (1,), "next": (1,), "down": (1,), "short": (1, 2), "long": (1,), "inside": (2,),
         "cover": (2,),
         "least": (2, 3), "within": (2, 3), "fit": (2, 3)}             # how many numbers each has


class Size(NamedTuple):
    """How large the input is. rule : "fixed" (height, width), "any", "wide" (height, least width), or one of
    `target_size`, with its numbers"""
    rule: str
    numbers: tuple[int, ...] = ()

    def __str__(self):
        if self.rule in ("fixed", "wide"):
            return f"{self.numbers[0]}x{self.numbers[1]}" if self.rule == "fixed" else ":".join(
                map(str, (f"{self.numbers[0]}xW", *self.numbers[1:])))
        return ":".join([self.rule, *map(str, self.numbers)])


class Recipe(NamedTuple):
    """input, dtype, rank : the graph input that takes the picture; rank None is not known
    resize : mode and its number; None stands for the grey that becomes 0
    mean, std : of values 0..255, one or one per channel, in the order fed
    largest : values are divided by the largest of the picture's, and multiplied by 255
    frames : of a clip
    scale : what the picture is scaled to before it is cut or padded to the size; None: the mode says it
    """
    input: str
    dtype: np.dtype
    rank: int | None
    size: Size
    layout: str
    channels: str
    resize: tuple[str, float | None]
    filter: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    largest: bool = False
    frames: int = 1
    scale: Size | None = None

    @property
    def beyond(self) -> int | None:
        """The grey beyond the picture; None: what becomes 0."""
        mode, value = self.resize
        return None if mode == "border" or value is None else int(value) if MODES[mode] == "grey" else 0

    def __str__(self):
        mode, value = self.resize
        resize = mode if not MODES[mode] else f"{mode}:{'mean' if value is None else f'{value:g}'}"
        scaled = f"scaled to {self.scale}, " if self.scale else ""
        return (f"{self.size} {self.channels} {self.layout}, {scaled}{resize} {self.filter}, "
                f"mean {numbers_text(self.mean)}, std {numbers_text(self.std)}{' of the largest' * self.largest}")


def recipe_for(words: Words, inputs) -> Recipe:
    """The recipe that the words tell.

    Parameters
    ----------
    inputs : the session's input ports

    Raises
    ------
    InputError : a word is none of docs/metadata.md, or does not fit the model; flag or key are named
    """
    names = [p.name for p in inputs]
    name = words.text("input.name") or next(iter(names), None)
    port = next((p for p in inputs if p.name == name), None)
    if port is None:
        raise InputError(f"{words.where('input.name')} is {name!r}; the model's inputs are {quoted(names)}")
    if port.dtype is None or port.dtype.kind not in "fiuV":
        raise InputError(f"input {name!r} takes {port.dtype or 'no tensor'}; a picture is float or integers")
    channels = words.one_of("input.channels", tuple(CHANNELS), "RGB")
    layout = words.one_of("input.layout", LAYOUTS, "NCHW")
    std = words.text("input.std", "1")
    of_largest = std.startswith("largest:")
    return Recipe(
        input=name,
        dtype=port.dtype,
        rank=None if port.shape is None else len(port.shape),
        size=parse_size(words.text("input.size", "any"), words.where("input.size")),
        layout=layout,
        channels=channels,
        resize=parse_resize(words.text("input.resize", "stretch"), words.where("input.resize")),
        filter=words.one_of("input.filter", FILTERS, "bilinear"),
        mean=parse_numbers(words.text("input.mean", "0"), words.where("input.mean"), CHANNELS[channels]),
        std=parse_numbers(std.removeprefix("largest:"), words.where("input.std"), CHANNELS[channels], zero=False),
        largest=of_largest,
        frames=words.count("input.frames", 1, 1000),
        scale=parse_size(words.text("input.scale"), words.where("input.scale")) if words.text("input.scale") else None)


def target_size(size: Size, width: int, height: int) -> tuple[int, int]:
    """(width, height) of what is fed for a picture of this size; LimitError beyond what any picture may be."""
    w, h = ruled_size(size, width, height)
    if w * h > MOST_PIXELS:
        raise LimitError(f"the recipe makes {w}x{h} pixels; the limit is {MOST_PIXELS // 10**6} million")
    return w, h


def ruled_size(size: Size, width: int, height: int) -> tuple[int, int]:
    """(width, height) that a rule makes of a picture's.

    multiple:N        each side rounded to a multiple of N
    short:S[:L]       the shorter side S, the longer one at most L; rounded down, as transformers and torchvision do
    long:L            the longer side L, the other one rounded down
    inside:H:W        as large as fits into H x W, rounded down (transformers' max_height, max_width)
    cover:H:W         as small as covers H x W, rounded to the nearest (timm)
    up:N, down:N      each side up, or down, to a multiple of N; next:N up to the next one, from a
                      multiple too (Swin2SR)
    least:S:N[:L]     the shorter side at least S, the longer one at most L, then each rounded to a multiple of N
                      (PP-OCR)
    within:S:N        as large as fits into S (within:H:W:N: into HxW), each side then up to a multiple of N
                      (Ultralytics' free sizes)
    fit:S:N           the side that has to change less becomes S, both are rounded to a multiple of N (Depth Anything);
                      fit:H:W:N with sides of their own
    """
    w, h, numbers = width, height, size.numbers
    short, long = min(width, height), max(width, height)
    match size.rule:
        case "fixed":
            h, w = numbers
        case "wide":
            h, w = numbers[0], max(1, *numbers[1:], round(width * numbers[0] / height))
        case "multiple":
            w, h = (max(numbers[0], round(side / numbers[0]) * numbers[0]) for side in (width, height))
        case "up":
            w, h = (-(-side // numbers[0]) * numbers[0] for side in (width, height))
        case "next":
            w, h = ((side // numbers[0] + 1) * numbers[0] for side in (width, height))
        case "short":
            wanted = exact = numbers[0]
            if len(numbers) > 1 and long / short * wanted > numbers[1]:
                exact = numbers[1] * short / long
                wanted = max(1, round(exact))
            if wanted != short:         # the longer side follows from what was not rounded
                other = max(1, int(exact * long / short))
                w, h = (wanted, other) if width <= height else (other, wanted)
        case "long":
            w, h = (max(1, int(numbers[0] * side / long)) for side in (width, height))
        case "inside":
            scale = min(numbers[0] / height, numbers[1] / width)
            w, h = max(1, int(width * scale)), max(1, int(height * scale))
        case "cover":
            scale = max(numbers[0] / height, numbers[1] / width)
            w, h = max(1, round(width * scale)), max(1, round(height * scale))
        case "down":
            w, h = (max(numbers[0], side // numbers[0] * numbers[0]) for side in (width, height))
        case "least":
            scale = min(max(1.0, numbers[0] / short), (numbers[2] if len(numbers) > 2 else MOST_PIXELS) / long)
            w, h = (max(numbers[1], round(side * scale / numbers[1]) * numbers[1]) for side in (width, height))
        case "within":
            scale = min(numbers[-2] / width, numbers[0] / height)
            w, h = (-(-max(1, round(side * scale)) // numbers[-1]) * numbers[-1] for side in (width, height))
        case "fit":
            x, y, step = numbers[-2] / width, numbers[0] / height, numbers[-1]
            scale = x if abs(1 - x) < abs(1 - y) else y
            w, h = (max(step, round(side * scale / step) * step) for side in (width, height))
    return w, h


def parse_size(text: str, where: str) -> Size:
    rule, *counts = text.split(":")
    if rule == "any" and not counts:
        return Size("any")
    if len(counts) in RULES.get(rule, ()) and all(map(is_count, counts)):
        return Size(rule, tuple(map(int, counts)))
    height, x, width = rule.partition("x")
    if is_count(height) and not counts and (not x or is_count(width)):
        return Size("fixed", (int(height), int(width if x else height)))
    if is_count(height) and width == "W" and (not counts or len(counts) == 1 and is_count(counts[0])):
        return Size("wide", (int(height), *map(int, counts)))
    raise InputError(f"{where} is {text!r}; right is {SIZES_TEXT}")


def parse_resize(text: str, where: str) -> tuple[str, float | None]:
    mode, colon, value = text.partition(":")
    kind = MODES.get(mode)
    if kind == "" and not colon:
        return mode, None
    if kind == "share" and (share := number(value)) is not None and 0.01 <= share <= 1:
        return mode, share
    if kind == "grey" and (not colon or value == "mean" or is_decimal(value, 3) and int(value) <= 255):
        return mode, None if value == "mean" else int(value or 0)
    raise InputError(f"{where} is {text!r}; right is {MODES_TEXT} (F: 0.01 to 1, V: 0 to 255, or mean)")


def parse_numbers(text: str, where: str, channels: int, *, zero: bool = True) -> tuple[float, ...]:
    values = tuple(number(part) for part in text.split(","))
    if None in values or len(values) not in (1, channels) or not zero and 0 in values:
        wanted = "one number" if channels == 1 else f"one number or {channels} with commas"
        raise InputError(f"{where} is {text!r}; right is {wanted}{'' if zero else ', none of them 0'}")
    return values


def numbers_text(values) -> str:
    return ",".join(f"{v:g}" for v in values)

"""Short texts on a picture: readable on any ground, inside the picture, not upon each other where there is room."""
from __future__ import annotations

import os
import unicodedata
from functools import lru_cache

from ...errors import InputError, wrong
from ...paths import check_regular
from ...table import printable

LEAST_FONT = 12
LEAST_INSIDE = 7                # of letters that replace those of the picture, or have to fit on a tiny one


def line_width(width: int, height: int) -> int:
    return max(round((width + height) / 2 * .003), 2)


def font_size(width: int, height: int) -> int:
    return max(round((width + height) / 2 * .035), LEAST_FONT)


@lru_cache(64)
def font_of(path: str | None, size: int):
    """A font of Pillow. path : of a file, or the name of one in the system's folders; None for Pillow's own, which has
    little more than English letters

    InputError : there is no such font"""
    from PIL import ImageFont
    if path is None:
        return ImageFont.load_default(size)
    name = f"the font {printable(path)}"
    if os.path.exists(path):
        check_regular(path, name, "a .ttf or .otf file")
    try:
        return ImageFont.truetype(path, size)
    except (OSError, ValueError) as error:
        raise InputError(f"{name} cannot be read: {error}; right is a .ttf or .otf file") from None


def path_of(font) -> str | None:
    """A font as users name it, for the functions here."""
    if not isinstance(font, (str, os.PathLike, type(None))):
        raise wrong("the font", font, "the path of a .ttf or .otf file")
    return font if font is None else os.fspath(font)


def lacks(path: str | None, text: str) -> bool:
    """Are there letters that a font draws as the box that stands for all it does not have?"""
    return any(not character.isascii() and not has(path, character) for character in set(text))


@lru_cache(10_000)
def has(path: str | None, character: str) -> bool:
    if unicodedata.category(character)[0] in "MCZ":         # what joins, controls or parts letters has no form
        return True
    font = font_of(path, 16)
    drawn, box = font.getmask(character), font.getmask("\uffff")       # U+FFFF is no character in any font
    return drawn.size != box.size or bytes(drawn) != bytes(box)


class Labels:
    """Texts for a picture of width x height, placed best first, drawn best last."""

    def __init__(self, width: int, height: int, path: str | None = None):
        self.width, self.height, self.path = width, height, path
        self.size = font_size(width, height)
        self._placed: list[tuple] = []              # (box, text, font, where the text begins, colour)

    def measured(self, text: str, size: int):
        """(font, left, top, width, height of its ground): letters with a margin"""
        font = font_of(self.path, size)
        ascent, descent = font.getmetrics() if hasattr(font, "getmetrics") else (size, size // 4)
        left, top = max(1, size // 8), size // 16
        return font, left, top, int(font.getlength(text)) + 1 + 2 * left, ascent + descent + 2 * top

    def fitted(self, text: str, wide: float, score: str = ""):
        """(text, measures) of a text that fits into the picture, smaller where what it belongs to is narrow; None:
        there is no room. score : what may be left out"""
        text = " ".join(text.split())[:80] or "?"
        least = max(LEAST_FONT, self.size // 2)
        for each in (f"{text} {score}", text) if score else (text,):
            measures = self.measured(each, self.size)
            if measures[3] > min(self.width, wide):
                size = int(self.size * min(self.width, wide) / measures[3])
                measures = self.measured(each, max(least, size - size % 2))
            if measures[3] <= self.width:
                return self._if_low(each, measures)
        while len(text) > 3:
            text = text[:-1]
            measures = self.measured(text.rstrip() + "…", LEAST_FONT)
            if measures[3] <= self.width:
                return self._if_low(text.rstrip() + "…", measures)
        return None

    def _if_low(self, text: str, measures):
        return (text, measures) if measures[4] <= self.height / 4 else None

    def add(self, text: str, score: str, box, colour) -> None:
        """A text for what is in a box x1, y1, x2, y2: above it, inside, or below, wherever is room."""
        x1, y1, x2, y2 = (int(round(v)) for v in box)
        found = self.fitted(text, x2 - x1, score)
        if found is None:
            return
        text, (font, left, top, w, h) = found
        ways = []
        for x, y in ((x1, y1 - h), (x1, y1), (x1, y2), (x1, y2 - h), (x2 - w, y1 - h), (x2 - w, y2)):
            x = max(0, min(self.width - w, x))
            if 0 <= y <= self.height - h:
                ways.append((x, y))
        ways = ways or [(max(0, min(self.width - w, x1)), max(0, min(self.height - h, y1)))]
        for x, y in ways:
            if not any(x < b[2] and b[0] < x + w and y < b[3] and b[1] < y + h for b, *_ in self._placed):
                break
        else:
            x, y = ways[0]
        self._placed.append(((x, y, x + w, y + h), text, font, (x + left, y + top), colour))

    def inside(self, text: str, box) -> tuple | None:
        """(font, where the text begins) of a text as large as a box takes it; None: it would be too small to read."""
        x1, y1, x2, y2 = box
        size = min(400, int((y2 - y1) * .8))
        if size < LEAST_INSIDE:
            return None
        wide = font_of(self.path, size).getlength(text)
        if wide > x2 - x1:
            size = int(size * (x2 - x1) / wide)
        if size < LEAST_INSIDE:
            return None
        font = font_of(self.path, size)
        ascent, descent = font.getmetrics()
        return font, (x1, y1 + (y2 - y1 - ascent - descent) / 2)

    def draw(self, pencil) -> None:
        from .colours import black_or_white
        for (x1, y1, x2, y2), text, font, at, colour in reversed(self._placed):
            pencil.rectangle((x1, y1, x2 - 1, y2 - 1), fill=colour)
            pencil.text(at, text, fill=black_or_white(colour), font=font)


def corner(picture, rows: list[tuple[str, tuple[int, int, int] | None]], path: str | None = None, bottom: bool = False):
    """Rows of text in the left corner of a picture (changed in place), on a dark ground that lets it through; a square
    of colour before each that has one. As many as fit; none where the picture is too small."""
    from PIL import Image, ImageDraw
    width, height = picture.size
    labels = Labels(width, height, path)
    size = max(LEAST_FONT, labels.size * 2 // 3)
    least = LEAST_FONT if min(width, height) >= 5 * LEAST_FONT else LEAST_INSIDE
    while size > least and labels.measured("X", size)[4] > height / 3:
        size -= 1
    square = size if any(colour for _, colour in rows) else 0
    measures = []
    for text, colour in rows:
        while len(text) > 3 and labels.measured(text, size)[3] + square > width:
            size = max(least, size - max(1, size // 8)) if size > least else size
            if size == least and labels.measured(text, size)[3] + square > width:
                text = text[:-2].rstrip("…") + "…"
        measures.append((text, colour))
    step = labels.measured("X", size)[4]
    most = min(len(measures), max(1, int(height * .8) // step)) if step <= height / 2 else 0
    measures = [each for each in measures[:most] if labels.measured(each[0], size)[3] + square <= width]
    if not measures:
        return
    wide = max(labels.measured(text, size)[3] for text, _ in measures) + (square + size // 4 if square else 0)
    x1, y1 = 0, height - step * len(measures) if bottom else 0
    area = (x1, y1, min(width, x1 + wide), y1 + step * len(measures))
    ground = picture.crop(area)
    picture.paste(Image.blend(ground, Image.new("RGB", ground.size), .65), area[:2])
    pencil = ImageDraw.Draw(picture)
    for k, (text, colour) in enumerate(measures):
        font, left, top, _, _ = labels.measured(text, size)
        y, x = y1 + k * step, x1 + left
        if square:
            if colour:
                middle, half = y + step // 2, size // 3
                pencil.rectangle((x, middle - half, x + 2 * half, middle + half), fill=colour)
            x += square
        pencil.text((x, y + top), text, fill=(255, 255, 255), font=font)

"""Pictures that explain: a map over the picture, or channels side by side, and below them what that says."""
from __future__ import annotations

import warnings

import numpy as np

from ..vision.answers.colours import inferno
from ..vision.answers.draw import LACKING
from ..vision.answers.labels import Labels, font_of, font_size, lacks, line_width, path_of

COVER = .6                          # how much of what one sees is the map
LEAST_SIDE = 400                    # pixels of the longer side: smaller pictures are enlarged by a whole number
LEAST_WIDTH = 320                   # of the words
GROUND, WORDS = (24, 24, 24), (255, 255, 255)
TILE, LARGEST_TILE = 96, 240        # pixels of the longer side of a channel, where there are many and few
ACROSS = 8                          # channels in a row
GAP = 2                             # pixels between them


def explained(explanation, picture, font: str | None = None):
    """A PIL.Image.Image. picture : upright, of the explanation's size"""
    from PIL import Image
    font = checked(font, explanation.title())
    canvas = over(picture.convert("RGB"), explanation.map, explanation.most)
    factor = max(1, LEAST_SIDE // max(canvas.size))
    canvas = canvas.resize((canvas.width * factor, canvas.height * factor), Image.Resampling.NEAREST)
    if explanation.box is not None:
        framed(canvas, [v * factor for v in explanation.box])
    below = [(explanation.title(), None), (explanation.meaning(), None),
             (explanation.scale(), explanation.most if explanation.most else None)]
    if np.isnan(explanation.map).any():
        below.append(("What is grey around it the network does not see.", None))
    return with_words(canvas, below, font)


def over(picture, values: np.ndarray, most: float):
    """A map over a picture in shades of grey: from 0, which is dark, to `most`, which is bright. What the network does
    not see, nan, stays as it is."""
    from PIL import Image
    seen = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        levels = np.clip(np.nan_to_num(values) / (most or 1), 0, 1)
    heat = Image.fromarray(np.rint(levels * 255).astype(np.uint8))
    heat.putpalette(inferno().tobytes())
    shades = picture.convert("L").convert("RGB")
    blended = Image.blend(shades, heat.convert("RGB"), COVER)
    return Image.composite(blended, shades, Image.fromarray(seen.astype(np.uint8) * 255))


def framed(canvas, box) -> None:
    from PIL import ImageDraw
    x1, y1, x2, y2 = (max(0, min(side - 1, round(v))) for v, side in zip(box, canvas.size * 2))
    ImageDraw.Draw(canvas).rectangle((x1, y1, x2, y2), outline=WORDS, width=line_width(*canvas.size))


def channels(features, font: str | None = None):
    """A PIL.Image.Image."""
    from PIL import Image, ImageDraw
    font = checked(font, features.line())
    rows, columns = features.maps.shape[1:]
    count = len(features.channels)
    across = min(ACROSS, count)
    longer = min(LARGEST_TILE, ACROSS * TILE // across)
    wide, high = (max(1, round(side * longer / max(rows, columns))) for side in (columns, rows))
    down = -(-count // across)
    canvas = Image.new("RGB", (across * (wide + GAP) - GAP, down * (high + GAP) - GAP), GROUND)
    pencil, letters = ImageDraw.Draw(canvas), font_of(font, longer // 8)
    for place, (channel, values) in enumerate(zip(features.channels, features.maps)):
        left, top = place % across * (wide + GAP), place // across * (high + GAP)
        tile = Image.fromarray(levels_of(values))
        tile = tile.resize((wide, high), Image.Resampling.BOX if rows > high else Image.Resampling.NEAREST)
        canvas.paste(tile, (left, top))
        if high >= 16:
            pencil.text((left + 2, top + 1), str(channel), fill=WORDS, font=letters, stroke_width=2,
                        stroke_fill=(0, 0, 0))
    return with_words(canvas, [(features.line(), None)], font)


def levels_of(values: np.ndarray) -> np.ndarray:
    """uint8: from the least finite number, 0, to the largest, 255."""
    finite = np.isfinite(values)
    if not finite.any():
        return np.zeros(values.shape, np.uint8)
    least, most = (float(f(values[finite])) for f in (np.min, np.max))
    with np.errstate(invalid="ignore", over="ignore"):
        found = (np.nan_to_num(values, nan=least, posinf=most, neginf=least).astype(np.float64) - least)
    return np.rint(found * (255 / (most - least) if most > least else 0)).clip(0, 255).astype(np.uint8)


# ---- words

def checked(font: str | None, text: str) -> str | None:
    """A font's path; a warning where it lacks letters of a text."""
    font = path_of(font)
    if lacks(font, text):
        warnings.warn(LACKING, stacklevel=4)
    return font


def with_words(canvas, rows: list[tuple[str, float | None]], font: str | None):
    """A picture with rows of text below it, as wide as it is or as words need; before one with a number is the bar of
    colours from 0 to it."""
    from PIL import Image, ImageDraw
    width = max(LEAST_WIDTH, canvas.width)
    size = min(font_size(*canvas.size), max(12, width // 24))
    labels, margin = Labels(width, canvas.height, font), size // 2
    letters, _, _, _, step = labels.measured("X", size)
    lines: list[tuple[str, int, float | None]] = []         # text, where it begins, what the bar before it says
    for text, most in rows:
        begin = margin
        if most is not None:
            begin += 6 * size + margin + int(letters.getlength(f"0 {number(most)}")) + margin
        wrapped = wrap(text, letters, width - margin - begin)
        lines += [(line, begin, most if place == 0 else None) for place, line in enumerate(wrapped)]
    whole = Image.new("RGB", (width, canvas.height + step * len(lines) + margin), GROUND)
    whole.paste(canvas, ((width - canvas.width) // 2, 0))
    pencil = ImageDraw.Draw(whole)
    for place, (text, begin, most) in enumerate(lines):
        top = canvas.height + margin // 2 + place * step
        if most is not None:
            bar(whole, pencil, margin, top, step, size, most, letters)
        pencil.text((begin, top), text, fill=WORDS, font=letters)
    return whole


def bar(whole, pencil, left: int, top: int, step: int, size: int, most: float, letters) -> None:
    """0, the colours, and the largest number; as wide as 6 letters' heights and the two."""
    from PIL import Image
    pencil.text((left, top), "0", fill=WORDS, font=letters)
    left += int(letters.getlength("0 "))
    table = np.broadcast_to(inferno()[np.linspace(0, 255, 6 * size).astype(int)], (max(1, step * 2 // 3), 6 * size, 3))
    whole.paste(Image.fromarray(np.ascontiguousarray(table)), (left, top + step // 8))
    pencil.text((left + 6 * size + size // 2, top), number(most), fill=WORDS, font=letters)


def number(value: float) -> str:
    return f"{value:.3g}"


def wrap(text: str, letters, width: int) -> list[str]:
    """Lines of words that are no wider, but for single words."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and letters.getlength(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines

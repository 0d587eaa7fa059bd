"""Small sets of pictures that tests draw; the tests here import it."""
from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

KINDS = "circle", "cross", "stripes", "triangle"


def shape(kind: str, seed: int, size: int = 64) -> Image.Image:
    """Of some colour on another, somewhere in the picture, with noise."""
    rng = np.random.default_rng(seed)
    back, front = rng.integers(0, 90, 3), rng.integers(150, 256, 3)
    picture = Image.new("RGB", (size, size), tuple(back.tolist()))
    draw, fill = ImageDraw.Draw(picture), tuple(front.tolist())
    r = int(rng.integers(size // 6, size // 3))
    x, y = (int(each) for each in rng.integers(r, size - r, 2))
    if kind == "circle":
        draw.ellipse((x - r, y - r, x + r, y + r), fill)
    elif kind == "cross":
        draw.rectangle((x - r, y - r // 4, x + r, y + r // 4), fill)
        draw.rectangle((x - r // 4, y - r, x + r // 4, y + r), fill)
    elif kind == "stripes":
        for at in range(-r, r, 6):
            draw.line((x - r, y + at, x + r, y + at), fill, 2)
    else:
        draw.polygon((x, y - r, x - r, y + r, x + r, y + r), fill)
    pixels = np.asarray(picture).astype(int) + rng.integers(-12, 13, (size, size, 3))
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def draw_set(folder: Path, count: int, kinds=KINDS[:3], first: int = 0) -> Path:
    """A folder of each kind with so many pictures."""
    for number, kind in enumerate(kinds):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        for i in range(first, first + count):
            shape(kind, 1000 * number + i).save(folder / kind / f"{i:02}.png")
    return folder

"""Where a picture goes in the input: the word `input.resize`, as sizes and corners."""
from __future__ import annotations

from typing import NamedTuple

from ...errors import InputError
from .geometry import Geometry
from .recipe import Recipe, ruled_size, target_size


class Fit(NamedTuple):
    """scaled : (width, height) of the whole picture, or of its `part`, scaled
    first, count : (x, y) and (width, height) of what is kept of that
    corner : where that goes in the input
    where : from pixels of the picture to those of the input; its input_width, input_height are the whole
    part : x1, y1, x2, y2 of the picture, which alone is scaled; None: all of it
    """
    scaled: tuple[int, int]
    first: tuple[int, int]
    count: tuple[int, int]
    corner: tuple[int, int]
    where: Geometry
    part: tuple[int, int, int, int] | None = None

    @property
    def covers(self) -> bool:
        """Is nothing left around the picture?"""
        return self.count == (self.where.input_width, self.where.input_height)


def fit(width: int, height: int, recipe: Recipe) -> Fit:
    """InputError where a picture of this size does not fit; LimitError for too large an input."""
    scaled = ruled_size(recipe.scale, width, height) if recipe.scale else (width, height)
    w, h = target_size(recipe.size, *scaled)
    mode, value = recipe.resize
    if mode == "none" and (width, height) != (w, h):
        raise InputError(f"the picture is {width}x{height}, the recipe takes {w}x{h} "
                         "only (resize none); --resize stretch fits any picture")
    if mode in ("stretch", "height", "none"):
        return _placed(width, height, w, h, (w, h), (0, 0))
    if mode == "middle":
        return _middle(width, height, w, h)
    if recipe.scale is None:
        scaled = _scaled(width, height, w, h, mode, value)
    if mode in ("pad", "mirror") and (scaled[0] > w or scaled[1] > h):
        raise InputError(f"the picture is {scaled[0]}x{scaled[1]}, the recipe takes up to {w}x{h} (resize {mode})")
    return _placed(width, height, w, h, scaled, _corner(mode, *scaled, w, h))


def _scaled(width: int, height: int, w: int, h: int, mode: str, value) -> tuple[int, int]:
    """The size to which a picture is scaled, for w x h.

    crop: both sides are rounded; centre, cut: the smaller one is rounded down, then the other one, as torchvision, timm
    and transformers do; squash: both are side / share, rounded down."""
    scale = min(w / width, h / height)
    match mode:
        case "letterbox" | "window":    # Ultralytics, and Model API
            return max(1, round(width * scale)), max(1, round(height * scale))
        case "corner":
            return max(1, int(width * scale)), max(1, int(height * scale))
        case "fit-left":
            return max(1, min(w, round(width * h / height))), h
        case "pad" | "mirror":          # at its own size; a larger one is shrunk, for it has to fit
            scale = min(1, scale)
            return max(1, int(width * scale)), max(1, int(height * scale))
        case "border":                  # timm's: the whole picture in size / share
            ratio = max(width / int(w / value), height / int(h / value))
            return max(1, round(width / ratio)), max(1, round(height / ratio))
    wide, high = int(w / value), int(h / value)
    if mode == "crop":
        scale = max(w / width, h / height) / value
        wide, high = round(width * scale), round(height * scale)
    elif mode != "squash":
        if width * high <= height * wide:
            high = int(wide * height / width)
        else:
            wide = int(high * width / height)
    return max(w, wide), max(h, high)


def _corner(mode: str, wide: int, high: int, w: int, h: int) -> tuple[int, int]:
    """Where the corner of a picture of wide x high lies in w x h; below 0: cut away.

    letterbox, and all where they are padded: rounded down (Ultralytics' round(gap / 2 - .1)); crop, centre, squash,
    border where they are cut: rounded to the nearest, ties to even (torchvision); cut: what is cut away is rounded down
    (transformers)."""
    if mode in ("pad", "mirror", "corner", "window", "fit-left"):
        return 0, 0
    if mode == "cut":
        return -((wide - w) // 2), -((high - h) // 2)
    x, y = ((to - of) // 2 if of <= to else -round((of - to) / 2) for of, to in ((wide, w), (high, h)))
    return x, y


def _placed(width: int, height: int, w: int, h: int, size: tuple[int, int], corner: tuple[int, int]) -> Fit:
    """What lies in w x h of a picture that is scaled to a size and put at a corner."""
    (left, top), (wide, high) = corner, size
    first, at = (max(0, -left), max(0, -top)), (max(0, left), max(0, top))
    count = min(w - at[0], wide - first[0]), min(h - at[1], high - first[1])
    return Fit(size, first, count, at, Geometry(width, height, w, h, wide / width, high / height, left, top))


def _middle(width: int, height: int, w: int, h: int) -> Fit:
    """The largest part of the shape of w x h, from the middle, in whole pixels, and scaled then (Model API's crop)."""
    wide, high = min(width, max(1, height * w // h)), min(height, max(1, width * h // w))
    left, top = (width - wide) // 2, (height - high) // 2
    where = Geometry(width, height, w, h, w / wide, h / high, -left * w / wide, -top * h / high)
    return Fit((w, h), (0, 0), (w, h), (0, 0), where, (left, top, left + wide, top + high))

"""Where a picture goes in the input: the word `input.resize`, as sizes and corners."""
from __future__ import annotations

from dataclasses import dataclass

from ...errors import InputError
from .geometry import Geometry
from .recipe import Recipe, target_size


@dataclass(frozen=True, slots=True)
class Fit:
    """scaled : (width, height) of the whole picture, scaled
    first, count : (x, y) and (width, height) of the part of it that is kept
    corner : where that goes in the input
    where : from pixels of the picture to those of the input; its input_width, input_height are the whole
    """
    scaled: tuple[int, int]
    first: tuple[int, int]
    count: tuple[int, int]
    corner: tuple[int, int]
    where: Geometry

    @property
    def covers(self) -> bool:
        """Is nothing left around the picture?"""
        return self.count == (self.where.input_width, self.where.input_height)


def fit(width: int, height: int, recipe: Recipe) -> Fit:
    """InputError where a picture of this size does not fit; LimitError for too large an input."""
    w, h = target_size(recipe.size, width, height)
    mode, value = recipe.resize
    if mode == "none" and (width, height) != (w, h):
        raise InputError(f"the picture is {width}x{height}, the recipe takes {w}x{h} "
                         "only (resize none); --resize stretch fits any picture")
    if mode in ("stretch", "height", "none"):
        return _placed(width, height, w, h, (w, h), (0, 0))
    scale = min(w / width, h / height)
    match mode:
        case "crop" | "centre" | "cut" | "squash":
            return _cropped(width, height, w, h, mode, value)
        case "letterbox":               # Ultralytics' rounding
            size = max(1, round(width * scale)), max(1, round(height * scale))
            corner = max(0, round((w - size[0]) / 2 - .1)), max(0, round((h - size[1]) / 2 - .1))
            return _placed(width, height, w, h, size, corner)
        case "corner":
            return _placed(width, height, w, h, (max(1, int(width * scale)), max(1, int(height * scale))), (0, 0))
        case "fit-left":
            return _placed(width, height, w, h, (max(1, min(w, round(width * h / height))), h), (0, 0))
        case "pad":                     # at its own size; a larger one is shrunk, for it has to fit
            scale = min(1, scale)
            return _placed(width, height, w, h, (max(1, int(width * scale)), max(1, int(height * scale))), (0, 0))
    raise AssertionError(mode)


def _placed(width: int, height: int, w: int, h: int, size: tuple[int, int], corner: tuple[int, int]) -> Fit:
    return Fit(size, (0, 0), size, corner,
               Geometry(width, height, w, h, size[0] / width, size[1] / height, *corner))


def _cropped(width: int, height: int, w: int, h: int, mode: str, share: float) -> Fit:
    """The w x h centre of the picture scaled so that its smaller side, relative to w x h, is it / share.

    crop: both sides are rounded; centre, cut: the smaller one is rounded down, then the other one, as torchvision, timm
    and transformers do; squash: both are it / share, rounded down. The corner is rounded, ties to even; cut: down."""
    wide, high = int(w / share), int(h / share)
    if mode == "crop":
        scale = max(w / width, h / height) / share
        wide, high = round(width * scale), round(height * scale)
    elif mode != "squash":
        if width * high <= height * wide:
            wide, high = wide, int(wide * height / width)
        else:
            wide, high = int(high * width / height), high
    wide, high = max(w, wide), max(h, high)
    if mode == "cut":
        left, top = (wide - w) // 2, (high - h) // 2
    else:
        left, top = round((wide - w) / 2), round((high - h) / 2)
    return Fit((wide, high), (left, top), (w, h), (0, 0),
               Geometry(width, height, w, h, wide / width, high / height, -left, -top))

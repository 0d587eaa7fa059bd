"""A picture is resized, cropped and padded to the size of an input: the words `input.resize` and `input.filter`.

Resizing is Pillow's own, to the bit, for accuracy depends on it: `resize` where the filter grows when a picture shrinks
(antialiasing), as torchvision, timm and transformers do; `transform` where it does not, as OpenCV's do: within one grey
level of these.
"""
from __future__ import annotations

from ...errors import InputError
from ..pictures.decode import MOST_PIXELS
from .geometry import Geometry
from .recipe import Recipe, target_size

SAMPLED = {"linear": "BILINEAR", "cubic": "BICUBIC", "corner": "BILINEAR"}      # without antialiasing


def fit(picture, recipe: Recipe, original: tuple[int, int] | None = None):
    """(the picture as fed, still 8-bit; where it lies there). What is beyond the picture is grey.

    picture : PIL.Image.Image; original : its (width, height), if it was decoded at a fraction of them
    """
    width, height = original or picture.size
    w, h = target_size(recipe.size, width, height)
    mode, value = recipe.resize
    if mode == "none":
        if (width, height) != (w, h):
            raise InputError(f"the picture is {width}x{height}, the recipe takes {w}x{h} "
                             "only (resize none); --resize stretch fits any picture")
        return picture, Geometry(width, height, w, h, w / width, h / height)
    if mode in ("stretch", "height"):
        return resized(picture, (w, h), recipe.filter), Geometry(width, height, w, h, w / width, h / height)
    if mode in ("crop", "centre", "cut", "squash"):
        return _cropped(picture, width, height, w, h, recipe)
    size, corner = _placed(mode, width, height, w, h)
    if max(size[0] + corner[0] - w, size[1] + corner[1] - h) > 0:
        raise InputError(f"the picture is {width}x{height}, the recipe takes up to {w}x{h} (resize {mode})")
    return _on_canvas(picture, size, corner, (w, h), value or 0, recipe.filter), Geometry(
        width, height, w, h, size[0] / width, size[1] / height, *corner)


def _placed(mode: str, width: int, height: int, w: int, h: int):
    """((width, height) of the scaled picture, its corner in w x h)"""
    scale = min(w / width, h / height)
    match mode:
        case "letterbox":               # Ultralytics' rounding
            size = max(1, round(width * scale)), max(1, round(height * scale))
            return size, (max(0, round((w - size[0]) / 2 - .1)), max(0, round((h - size[1]) / 2 - .1)))
        case "corner":
            return (max(1, int(width * scale)), max(1, int(height * scale))), (0, 0)
        case "fit-left":
            return (max(1, min(w, round(width * h / height))), h), (0, 0)
        case "pad":
            return (width, height), (0, 0)
    raise AssertionError(mode)


def _on_canvas(picture, size, corner, whole, grey: int, filter: str):
    from PIL import Image
    if size == whole:
        return resized(picture, size, filter)
    canvas = Image.new(picture.mode, whole, (grey,) * len(picture.getbands()))
    canvas.paste(resized(picture, size, filter), corner)
    return canvas


def _cropped(picture, width: int, height: int, w: int, h: int, recipe: Recipe):
    """The w x h centre of the picture scaled so that its smaller side, relative to w x h, is it / share.

    crop: both sides are rounded; centre, cut: the smaller one is rounded down, then the other one, as torchvision, timm
    and transformers do; squash: both are it / share, rounded down. The corner is rounded, ties to even; cut: down."""
    mode, share = recipe.resize
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
    where = Geometry(width, height, w, h, wide / width, high / height, -left, -top)
    if wide * high <= MOST_PIXELS:
        return resized(picture, (wide, high), recipe.filter).crop((left, top, left + w, top + h)), where
    # A thread-thin picture: scale only the part that is kept. Equal but for the last bits of the coordinates.
    fx, fy = picture.width / wide, picture.height / high
    return resized(picture, (w, h), recipe.filter, (left * fx, top * fy, (left + w) * fx, (top + h) * fy)), where


def resized(picture, size: tuple[int, int], filter: str, box: tuple[float, ...] | None = None):
    """The picture, or a box of it, scaled to (width, height)."""
    from PIL import Image
    if filter not in SAMPLED:
        return picture.resize(size, Image.Resampling[filter.upper()], box=box)
    x1, y1, x2, y2 = box or (0, 0, *picture.size)
    fx, fy = (x2 - x1) / size[0], (y2 - y1) / size[1]
    if (fx, fy, x1, y1) == (1, 1, 0, 0):
        return picture if picture.size == size else picture.crop((0, 0, *size))
    # `transform` asks at fx * (x + 1/2) + x1, and takes centres of pixels for halves; "corner" asks at fx * x
    shift = (.5 - fx / 2, .5 - fy / 2) if filter == "corner" else (0, 0)
    return picture.transform(size, Image.Transform.AFFINE, (fx, 0, x1 + shift[0], 0, fy, y1 + shift[1]),
                             resample=Image.Resampling[SAMPLED[filter]])

"""An answer on its picture, for people.

Lines, letters and colours as wide, large and strong as those of the field's tools: lines of .003 of the mean side, at
least 2 pixels; letters of .035, at least 12; masks half transparent; of what overlaps the likeliest is on top.
"""
from __future__ import annotations

import warnings

import numpy as np

from .answer import called
from .colours import colour, inferno
from .labels import Labels, corner, lacks, line_width, path_of
from .classes import Classes
from .map import Map
from .objects import Objects
from .picture import Picture
from .text import Text

# COCO's 17 points from 1: ankles, knees and hips; shoulders and arms; head
SKELETON = ((16, 14), (14, 12), (17, 15), (15, 13), (12, 13), (6, 12), (7, 13), (6, 7), (6, 8), (7, 9), (8, 10),
            (9, 11), (2, 3), (1, 2), (1, 3), (2, 4), (3, 5), (4, 6), (5, 7))
LEAST_POINT = .3                    # how sure a point must be to be drawn
MASK_ALPHA = .5
MOST_ROWS = 20                      # of a legend
BACKGROUND = ("background", "__background__", "_background_", "unlabeled")
LACKING = ("the font has not all letters of what is written on the picture; --font FILE (of draw: font=) names one "
           "that has")


def draw(answer, picture, font: str | None = None):
    """A new picture with the answer on it, of the same size, RGB; RGBA where the answer is what to cut out.

    Parameters
    ----------
    answer : any of this package; of one that is a picture itself it is that picture
    picture : PIL.Image.Image, stays as it is; of the size that the answer is about, for maps any
    font : a font file, for scripts that Pillow's own font does not know

    Raises InputError for a font that cannot be read.
    """
    from PIL import Image
    font = path_of(font)
    if isinstance(answer, Picture):
        return Image.fromarray(answer.pixels)
    is_replaced = isinstance(answer, Map) and not answer.of_classes and answer.task != "matting"
    canvas = picture.convert("RGB") if picture.mode != "RGB" else picture if is_replaced else picture.copy()
    if lacks(font, "".join(answer.labels or ()) if isinstance(answer, Map) else "".join(answer.lines())):
        warnings.warn(LACKING, stacklevel=3)
    for kind, way in ((Objects, _objects), (Map, _map), (Text, _text), (Classes, _classes)):
        if isinstance(answer, kind):
            return way(answer, canvas, font) or canvas
    return canvas


# ---- objects

def _objects(answer, canvas, font):
    from PIL import ImageDraw
    width, height = canvas.size
    found = list(reversed(answer.found))
    # of one class a colour each, where there are masks or points
    by_turns = len({each.index for each in found}) <= 1 and any(
        each.mask is not None or each.points is not None for each in found)
    colours = {id(each): colour(k if by_turns else each.index) for k, each in enumerate(answer.found)}
    if any(each.mask is not None for each in found):
        _masks([(each.mask, colours[id(each)]) for each in found if each.mask is not None], canvas)
    pencil, line = ImageDraw.Draw(canvas), line_width(width, height)
    for each in found:
        corners = _corners(each)
        if corners is not None:
            _outline(pencil, corners, colours[id(each)], line, canvas.size)
    for each in found:
        if each.points is not None:
            _points(pencil, np.asarray(each.points, np.float64), colours[id(each)], line, each.box, canvas.size)
    labels = Labels(width, height, font)
    for each in answer.found:
        corners = _corners(each)
        if corners is None and each.mask is not None:
            high, wide = each.mask.inside.shape
            corners = np.array([(each.mask.x, each.mask.y), (each.mask.x + wide, each.mask.y + high)])
        if corners is None:
            continue
        box = np.concatenate([corners.min(0), corners.max(0)]).clip(0, (width, height, width, height))
        labels.add(str(each), "" if each.score is None else f"{each.score:.2f}", box, colours[id(each)])
    labels.draw(pencil)


def _corners(each) -> np.ndarray | None:
    """(corners, 2) of an object's outline; None where it has none, or no finite one."""
    if each.polygon is not None:
        corners = np.asarray(each.polygon, np.float64).reshape(-1, 2)
    elif each.box is not None:
        x1, y1, x2, y2 = each.box
        corners = np.array([(x1, y1), (x2, y1), (x2, y2), (x1, y2)], np.float64)
    else:
        return None
    return corners if len(corners) and np.isfinite(corners).all() else None


def _outline(pencil, corners: np.ndarray, rgb, line: int, size) -> None:
    """A closed line through the corners. Upright boxes lie inside the picture, so that no side is cut off."""
    (x1, y1), (x2, y2) = corners.min(0), corners.max(0)
    if len(corners) == 4 and set(map(tuple, corners)) <= {(x1, y1), (x2, y1), (x1, y2), (x2, y2)}:
        x1, x2 = (int(max(0, min(size[0] - 1, round(v)))) for v in (x1, x2))
        y1, y2 = (int(max(0, min(size[1] - 1, round(v)))) for v in (y1, y2))
        pencil.rectangle((x1, y1, x2, y2), outline=rgb, width=line)
        return
    path = [tuple(p) for p in _bounded(corners, size).tolist()]
    pencil.line([*path, *path[:2]], fill=rgb, width=line, joint="curve")


def _bounded(points: np.ndarray, size) -> np.ndarray:
    """Far points nearer, for Pillow counts in small numbers."""
    return points.clip(-4 * max(size), 5 * max(size))


def _masks(masks, canvas) -> None:
    """Half transparent; changes the canvas in place."""
    from PIL import Image
    for mask, rgb in masks:
        if mask.inside.size and mask.inside.any():
            cover = Image.fromarray(mask.inside.astype(np.uint8) * round(255 * MASK_ALPHA))
            canvas.paste(rgb, (mask.x, mask.y), cover)


def _points(pencil, points: np.ndarray, rgb, line: int, box, size) -> None:
    """Points, those of a body joined."""
    if not len(points):
        return
    sure = np.isfinite(points).all(1) & (points[:, 2] >= LEAST_POINT if points.shape[1] > 2 else True)
    sure &= (points[:, :2] != 0).any(1)                     # (0, 0) is how many networks say that there is none
    places = _bounded(np.nan_to_num(points[:, :2]), size)
    joined = [[tuple(places[a - 1]), tuple(places[b - 1])] for a, b in SKELETON if sure[a - 1] and sure[b - 1]
              ] if len(points) == 17 else []
    for fill, width in (((0, 0, 0), line + 2), (rgb, line)):      # a dark edge, for grounds of the same colour
        for each in joined:
            pencil.line(each, fill=fill, width=width)
    many = len(points) > 40
    radius = 1 if many else line * 1.5
    if box is not None and np.isfinite(box).all():          # small faces: small points
        radius = min(radius, max(1, .03 * max(box[2] - box[0], box[3] - box[1])))
    for (x, y), is_sure in zip(places.tolist(), sure.tolist()):
        if is_sure:
            pencil.ellipse((x - radius, y - radius, x + radius, y + radius), fill=rgb,
                           outline=None if many or radius < 3 else (255, 255, 255))


# ---- maps

def _map(answer, canvas, font):
    if answer.of_classes:
        return _class_map(answer, canvas, font)
    if answer.task == "matting":
        return _cut_out(answer, canvas)
    from PIL import Image
    least, most, _ = answer.range()
    if answer.task == "anomaly":                            # from 0 to 1, but for networks that do not scale
        least, most = min(least, 0.), max(most, 1.)
    with np.errstate(invalid="ignore", over="ignore"):
        levels = np.subtract(answer.values, np.float32(least), dtype=np.float32)
        levels *= np.float32(255 / (most - least) if most > least else 0)
        np.fmin(np.fmax(levels, 0, out=levels), 255, out=levels)        # nan becomes 0
    heat = Image.fromarray(levels.astype(np.uint8))
    heat = heat if heat.size == canvas.size else heat.resize(canvas.size, Image.Resampling.BILINEAR)
    heat.putpalette(inferno().tobytes())
    heat = heat.convert("RGB")
    if answer.task == "anomaly":
        heat = Image.blend(canvas, heat, MASK_ALPHA)
        if answer.marked is not None:
            _edge(answer.marked, heat)
    corner(heat, [(line, None) for line in answer.lines()[:1]], font, bottom=True)
    return heat


def _class_map(answer, canvas, font):
    from PIL import Image
    classes = answer.values if answer.values.dtype == np.uint8 else (answer.values % 256).astype(np.uint8)
    shares = answer.shares()
    table = np.zeros((256, 3), np.uint8)
    alpha = [0] * 256
    rows = []
    for index, label, share in shares:
        rgb = colour(index)
        is_ground = (label or "").lower() in BACKGROUND
        if not is_ground:
            table[index % 256], alpha[index % 256] = rgb, round(255 * MASK_ALPHA)
            rows.append((f"{called(index, label)} {share:.0%}", rgb))
    painted = Image.fromarray(classes)
    painted = painted if painted.size == canvas.size else painted.resize(canvas.size, Image.Resampling.NEAREST)
    cover = painted.point(alpha)
    painted.putpalette(table.tobytes())
    canvas.paste(painted.convert("RGB"), (0, 0), cover)
    corner(canvas, rows[:MOST_ROWS], font)
    return canvas


def _cut_out(answer, canvas):
    from PIL import Image
    alpha = np.nan_to_num(answer.values, nan=0.)
    alpha = Image.fromarray(np.rint(alpha.clip(0, 1) * 255).astype(np.uint8))
    alpha = alpha if alpha.size == canvas.size else alpha.resize(canvas.size, Image.Resampling.BILINEAR)
    canvas.putalpha(alpha)
    return canvas


def _edge(marked: np.ndarray, canvas) -> None:
    """A line about the marked pixels; changes the canvas in place."""
    from PIL import Image, ImageFilter
    area = Image.fromarray(marked.astype(np.uint8) * 255)
    area = area if area.size == canvas.size else area.resize(canvas.size, Image.Resampling.NEAREST)
    size = min(9, line_width(*canvas.size) | 1)
    inner = area.filter(ImageFilter.MinFilter(max(3, size)))
    canvas.paste((255, 255, 255), (0, 0), Image.fromarray(np.asarray(area) - np.asarray(inner)))


# ---- text and classes

def _text(answer, canvas, font):
    """Lines of text in their places, over those of the picture, so that what was read can be compared; a line that the
    font cannot write is left as it is, within its frame."""
    from PIL import Image, ImageDraw
    width, height = canvas.size
    whole = (0, 0), (width, 0), (width, height), (0, height)
    found = [(k, "" if lacks(font, each.text) else each.text,
              np.asarray(whole if each.quad is None else each.quad, np.float64)) for k, each in enumerate(answer.found)]
    found = [each for each in found if np.isfinite(each[2]).all()]
    cover = Image.new("L", canvas.size)
    pencil = ImageDraw.Draw(cover)
    for _, text, quad in found:
        if text:
            pencil.polygon([tuple(p) for p in _bounded(quad, canvas.size).tolist()], fill=230)
    canvas.paste((255, 255, 255), (0, 0), cover)
    pencil, line = ImageDraw.Draw(canvas), line_width(*canvas.size)
    labels = Labels(*canvas.size, font)
    for k, text, quad in found:
        _outline(pencil, quad, colour(k), max(1, line // 2), canvas.size)
        if text:
            _write(text, quad, labels, canvas, pencil)


def _write(text: str, quad: np.ndarray, labels: Labels, canvas, pencil) -> None:
    """Black letters along the first side of a quad."""
    along, down = quad[1] - quad[0], quad[3] - quad[0]
    wide, high = np.hypot(*along), np.hypot(*down)
    found = labels.inside(" ".join(text.split()), (0., 0., float(min(wide, 1e5)), float(min(high, 1e4))))
    if found is None:
        return
    letters, (x, y) = found
    if abs(along[1]) < .02 * wide and along[0] > 0:
        pencil.text((quad[0][0] + x, quad[0][1] + y), text, fill=(0, 0, 0), font=letters)
        return
    from PIL import Image, ImageDraw
    layer = Image.new("L", (int(wide) + 1, int(high) + 1))
    ImageDraw.Draw(layer).text((x, y), text, fill=255, font=letters)
    layer = layer.rotate(-float(np.degrees(np.arctan2(along[1], along[0]))), Image.Resampling.BILINEAR, expand=True)
    centre = quad.mean(0)
    canvas.paste((0, 0, 0), (round(centre[0] - layer.width / 2), round(centre[1] - layer.height / 2)), layer)


def _classes(answer, canvas, font):
    corner(canvas, [(f"{each} {each.score:.2f}", None) for each in answer.best[:5]], font)

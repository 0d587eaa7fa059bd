"""The mode inside:F: the whole picture within a share of the input, its centre in the centre to the fraction of a
pixel, black around it; what OpenCV's warpAffine does for networks of one person."""
from __future__ import annotations

from .geometry import Geometry
from .recipe import Recipe, Size, target_size

# All without antialiasing; else BILINEAR
SAMPLED = {"nearest": "NEAREST", "floor": "NEAREST", "cubic": "BICUBIC", "bicubic": "BICUBIC"}


def warped(picture, recipe: Recipe, original: tuple[int, int] | None):
    """(a picture of the input's size, the recipe that feeds it as it is, where it lies).

    picture : PIL.Image.Image; original : its (width, height), if it was decoded at a fraction of them
    """
    from PIL import Image
    width, height = original or picture.size
    w, h = target_size(recipe.size, width, height)
    scale = recipe.resize[1] * min(w / width, h / height)
    where = Geometry(width, height, w, h, scale, scale, (w - width * scale) / 2, (h - height * scale) / 2)
    fx, fy = picture.width / (width * scale), picture.height / (height * scale)
    # `transform` asks at the middle of a pixel, and takes the middles of those asked for halves
    matrix = (fx, 0, .5 - fx / 2 - where.left * fx, 0, fy, .5 - fy / 2 - where.top * fy)
    resample = Image.Resampling[SAMPLED.get(recipe.filter, "BILINEAR")]
    made = picture.transform((w, h), Image.Transform.AFFINE, matrix, resample=resample)
    return made, recipe._replace(size=Size("fixed", (h, w)), resize=("stretch", None)), where

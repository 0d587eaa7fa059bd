"""A mask in pixels of the input becomes one in pixels of the picture."""
from __future__ import annotations

import numpy as np

from ..answers.objects import Mask
from ..prepare.geometry import Geometry
from . import maps


def paste(plane: np.ndarray, where: Geometry, least: float, box=None) -> Mask:
    """Where a plane is above `least` once it is as large as the picture: bilinear, without antialiasing.

    plane : (h, w) floats, over the whole input, of any size; box : x1 y1 x2 y2 in pixels of the picture: nothing beyond
    """
    plane = np.asarray(plane)
    x1, y1, x2, y2 = 0, 0, where.width, where.height
    if box is not None:
        x1, y1 = (max(0, int(np.floor(v))) for v in box[:2])
        x2, y2 = min(x2, int(np.ceil(box[2]))), min(y2, int(np.ceil(box[3])))
    if x2 <= x1 or y2 <= y1 or not plane.size:
        return Mask(np.zeros((0, 0), bool), 0, 0, where.width, where.height)
    return Mask(maps.above(plane, where, least, (x1, y1, x2, y2)), x1, y1, where.width, where.height)

"""A mask in pixels of the input becomes one in pixels of the picture."""
from __future__ import annotations

import numpy as np

from ..answers.objects import Mask
from ..prepare.geometry import Geometry


def paste(plane: np.ndarray, where: Geometry, least: float, box=None) -> Mask:
    """Where a plane is above `least` once it is as large as the picture: bilinear, without antialiasing.

    plane : (h, w) floats, over the whole input, of any size; box : x1 y1 x2 y2 in pixels of the picture: nothing beyond
    """
    from PIL import Image
    plane = np.nan_to_num(np.asarray(plane, np.float32), nan=0.0, posinf=1e6, neginf=-1e6)
    x1, y1, x2, y2 = 0, 0, where.width, where.height
    if box is not None:
        x1, y1 = (max(0, int(np.floor(v))) for v in box[:2])
        x2, y2 = min(x2, int(np.ceil(box[2]))), min(y2, int(np.ceil(box[3])))
    if x2 <= x1 or y2 <= y1 or not plane.size:
        return Mask(np.zeros((0, 0), bool), 0, 0, where.width, where.height)
    # `transform` asks at f * (pixel + 1/2) + corner, and takes centres of pixels for halves, as Geometry does
    fx, fy = plane.shape[1] / where.input_width, plane.shape[0] / where.input_height
    data = (where.scale_x * fx, 0, (where.left + x1 * where.scale_x) * fx,
            0, where.scale_y * fy, (where.top + y1 * where.scale_y) * fy)
    edged = np.pad(plane, 1, mode="edge")       # beyond the plane `transform` gives 0
    data = (*data[:2], data[2] + 1, *data[3:5], data[5] + 1)
    values = Image.fromarray(edged, "F").transform((x2 - x1, y2 - y1), Image.Transform.AFFINE, data,
                                                   resample=Image.Resampling.BILINEAR)
    return Mask(np.asarray(values) > least, x1, y1, where.width, where.height)

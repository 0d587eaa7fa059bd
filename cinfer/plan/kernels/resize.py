"""Resize and Upsample of pictures by one tap or two along each axis -> `resize`, blocked in and out."""
from __future__ import annotations

import numpy as np

from ...ops import resize as meaning
from ..candidate import BLOCKED, Candidate, kernel
from ..views import BLOCK, F32

MODES = {"linear": "linear", "bilinear": "linear", "nearest": "nearest"}


@kernel("Resize", "Upsample", reading=BLOCKED,
        attributes="antialias axes coordinate_transformation_mode cubic_coeff_a exclude_outside extrapolation_value "
                   "keep_aspect_ratio_policy mode nearest_mode scales height_scale width_scale")
def resize(group, values):
    node = group.node
    axes = tables(node, values)
    if axes is None or any(index.shape[1] > 2 for index, _ in axes):
        return ()

    def emit(out):
        x, y = out.blocked(node.inputs[0]), out.output(node.outputs[0])
        params, linear = {}, int(axes[0][0].shape[1] > 1)
        for axis, (index, weights) in zip("yx", axes):
            second = weights[:, -1] if linear else 0 * weights[:, 0]
            for name, numbers, dtype in (("i{}0", index[:, 0], np.int32), ("i{}1", index[:, -1], np.int32),
                                         ("w{}", second, np.float32)):
                params[name.format(axis)] = out.array(np.ascontiguousarray(numbers, dtype))
        rows, row_tiles = out.tiles.rows(y.h, y.w, y.n * y.blocks, BLOCK)
        out.step("resize", y.n * y.blocks * row_tiles, x=x.ref(), y=y.ref(), n=y.n, cb=y.blocks, oh=y.h, ow=y.w,
                 xn=x.ns, xb=x.bs, xr=x.rs, yn=y.ns, yb=y.bs, yr=y.rs, linear=linear, row_tiles=row_tiles,
                 rows=rows, **params)
    return (Candidate(emit, ((node.inputs[0], BLOCKED),), BLOCKED),)


def tables(node, values):
    """(index, weights) along y and x: which elements an output takes, and how much of each; else None."""
    get, x, y = node.attributes.get, values.fact(node.inputs[0]), values.fact(node.outputs[0])
    if x.ndim != 4 or x.dtype != F32 or 0 in x.shape or 0 in y.shape or x.shape[:2] != y.shape[:2]:
        return None
    mode = MODES.get(get("mode", "nearest"))
    coordinates = get("coordinate_transformation_mode", "half_pixel")
    if mode is None or get("antialias", 0) or coordinates == "tf_crop_and_resize" or get("exclude_outside", 0):
        return None
    nearest = get("nearest_mode", "round_prefer_floor")
    if node.op_type == "Upsample" or node.opset < 11:
        coordinates, nearest = "asymmetric", "floor"
        given = values.constant(node.inputs[1]) if len(node.inputs) > 1 else get("scales")
        if given is None:
            return None
        scales = [float(v) for v in given]
        if node.op_type == "Resize" and any(s < 1 for s in scales) and mode == "nearest":
            return None
    else:
        known = [values.constant(name) if name else None for name in (*node.inputs[2:], "", "")[:2]]
        scales, sizes = (None if v is None or not v.size else v.tolist() for v in known)
        _, scales = meaning.resize_sizes(x.shape, scales, sizes, get("axes"),
                                         get("keep_aspect_ratio_policy", "stretch"))
    how = dict(mode=mode, coordinate_transformation_mode=coordinates, nearest_mode=nearest)
    return [meaning.resize_axis(x.shape[a], y.shape[a], scales[a], **how) for a in (2, 3)]

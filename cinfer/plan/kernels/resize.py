"""Resize and Upsample of pictures by one tap or two along each axis -> `resize`, blocked in and out."""
from __future__ import annotations

import numpy as np

from ...ops import resize as meaning
from ..candidate import BLOCKED, Candidate, kernel
from ..views import BLOCK, F32, Ref

MODES = {"linear": "linear", "bilinear": "linear", "nearest": "nearest"}


@kernel("Resize", "Upsample", reading=BLOCKED,
        attributes="antialias axes coordinate_transformation_mode cubic_coeff_a exclude_outside "
                   "extrapolation_value keep_aspect_ratio_policy mode nearest_mode scales height_scale "
                   "width_scale")
def resize(group, values):
    node, get = group.node, group.node.attributes.get
    if not takes(node, values):
        return ()

    def tables(values, h, w, oh, ow) -> np.ndarray:
        """For each axis first taps, last taps, weights of the last."""
        how, found = settings(node, values), []
        for size, wanted, scale in ((h, oh, how.scales[2]), (w, ow, how.scales[3])):
            index, weights = meaning.resize_axis(size, wanted, scale, mode=how.mode, nearest_mode=how.nearest,
                                                 coordinate_transformation_mode=how.coordinates)
            table = np.zeros((3, wanted), np.int32)
            table[0], table[1] = index[:, 0], index[:, -1]
            if how.mode == "linear":
                table[2].view(np.float32)[...] = weights[:, -1]
            found.append(table.reshape(-1))
        return np.concatenate(found)

    def emit(out):
        x, y = out.blocked(node.inputs[0]), out.output(node.outputs[0])
        mode = MODES[get("mode", "nearest")]
        at, params = out.table_of(tables, x.h, x.w, y.h, y.w).buffer, {}
        for axis, wanted, first in (("y", y.h, 0), ("x", y.w, 12 * y.h)):
            params |= {f"i{axis}0": Ref(at, first), f"i{axis}1": Ref(at, first + 4 * wanted),
                       f"w{axis}": Ref(at, first + 8 * wanted)}
        rows, row_tiles = out.tiles.rows(y.h, y.w, y.n * y.blocks, BLOCK)
        out.step("resize", y.n * y.blocks * row_tiles, dict(
            x=x.ref(), y=y.ref(), n=y.n, cb=y.blocks, oh=y.h, ow=y.w, xn=x.ns, xb=x.bs, xr=x.rs, yn=y.ns,
            yb=y.bs, yr=y.rs, linear=int(mode == "linear"), row_tiles=row_tiles, rows=rows, **params))
    return (Candidate(emit, ((node.inputs[0], BLOCKED),), BLOCKED),)


class Settings:
    """What a Resize of one or two taps is told: scales by axis, the rest as in ops/resize.py."""
    __slots__ = ("mode", "coordinates", "nearest", "scales")

    def __init__(self, mode: str, coordinates: str, nearest: str, scales: list):
        self.mode, self.coordinates, self.nearest, self.scales = mode, coordinates, nearest, scales


def takes(node, values) -> bool:
    """Whether the kernel can run a Resize or Upsample."""
    get, x, y = node.attributes.get, values.fact(node.inputs[0]), values.fact(node.outputs[0])
    if x.ndim != 4 or x.dtype != F32 or 0 in x.shape or 0 in y.shape or x.shape[:2] != y.shape[:2]:
        return False
    mode = MODES.get(get("mode", "nearest"))
    if mode is None or get("antialias", 0) or get("exclude_outside", 0) \
            or get("coordinate_transformation_mode", "half_pixel") == "tf_crop_and_resize":
        return False
    if is_old(node):
        given = scales_of_old(node, values)
        if given is None or node.op_type == "Resize" and any(s < 1 for s in given) and mode == "nearest":
            return False
    return True


def is_old(node) -> bool:
    """Whether it has scales only, for each axis, and coordinates that need no saying."""
    return node.op_type == "Upsample" or node.opset < 11


def scales_of_old(node, values) -> list[float] | None:
    given = values.constant(node.inputs[1]) if len(node.inputs) > 1 else node.attributes.get("scales")
    return None if given is None else [float(v) for v in given]


def settings(node, values) -> Settings:
    """What the kernel needs to know of a Resize or Upsample that it takes."""
    get, x = node.attributes.get, values.fact(node.inputs[0])
    mode, nearest = MODES[get("mode", "nearest")], get("nearest_mode", "round_prefer_floor")
    coordinates = get("coordinate_transformation_mode", "half_pixel")
    if is_old(node):
        coordinates, nearest, scales = "asymmetric", "floor", scales_of_old(node, values)
    else:
        known = [values.constant(name) if name else None for name in (*node.inputs[2:], "", "")[:2]]
        scales, sizes = (None if v is None or not v.size else v.tolist() for v in known)
        _, scales = meaning.resize_sizes(x.shape, scales, sizes, get("axes"),
                                         get("keep_aspect_ratio_policy", "stretch"))
    return Settings(mode, coordinates, nearest, scales)

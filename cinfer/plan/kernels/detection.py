"""RoiAlign of the mean of samples -> `roi_align`, MaxRoiPool -> `max_roi_pool`; blocked in, plain out."""
from __future__ import annotations

from math import prod

from ..candidate import BLOCKED, PLAIN, Candidate, kernel
from ..views import BLOCK, F32

MOST_BINS = 1 << 16             # of a region, of which each thread keeps a block of channels


@kernel("RoiAlign", attributes="coordinate_transformation_mode mode output_height output_width sampling_ratio "
                               "spatial_scale")
def roi_align(group, values):
    node, get = group.node, group.node.attributes.get
    name, regions, batches = node.inputs
    x, rois, which = map(values.fact, node.inputs)
    if prod(rois.shape) == 0:
        return (Candidate(lambda out: None),)
    if get("mode", "avg") != "avg" or x.dtype != F32 or rois.dtype != F32 or prod(x.shape) == 0 \
            or which.dtype.name not in ("int64", "int32"):
        return ()
    oh, ow = get("output_height", 1), get("output_width", 1)
    half = node.opset >= 16 and get("coordinate_transformation_mode", "half_pixel") == "half_pixel"

    def emit(out):
        x, rois, which, y = out.blocked(name), out.plain(regions), out.plain(batches), out.plain(node.outputs[0])
        count = rois.shape[0]
        outer, tiles = out.tiles.sums(count * x.blocks, 4 * oh * ow * BLOCK)
        out.step("roi_align", tiles, {
            "x": x.ref(), "rois": rois.ref(), "batches": which.ref(), "y": y.ref(), "n": x.n, "c": x.c, "h": x.h,
            "w": x.w, "xn": x.ns, "xb": x.bs, "xr": x.rs, "count": count, "oh": oh, "ow": ow, "rs": rois.strides[0],
            "cs": rois.strides[1], "is_": which.strides[0], "wide": which.dtype.itemsize == 8,
            "ratio": get("sampling_ratio", 0), "scale": get("spatial_scale", 1.0), "offset": 0.5 * half,
            "outer": outer},
            refuses=True)
    return (Candidate(emit, ((name, BLOCKED), (name, PLAIN), (regions, PLAIN), (batches, PLAIN))),)


@kernel("MaxRoiPool", attributes="pooled_shape spatial_scale")
def max_roi_pool(group, values):
    node, get = group.node, group.node.attributes.get
    name, regions = node.inputs
    x, rois = map(values.fact, node.inputs)
    oh, ow = get("pooled_shape")
    if prod(rois.shape) == 0:
        return (Candidate(lambda out: None),)
    if x.dtype != F32 or prod(x.shape) == 0 or oh * ow > MOST_BINS:
        return ()

    def emit(out):
        x, rois, y = out.blocked(name), out.plain(regions), out.plain(node.outputs[0])
        count = rois.shape[0]
        outer, tiles = out.tiles.sums(count * x.blocks, x.h * x.w * BLOCK)
        out.step("max_roi_pool", tiles, {
            "x": x.ref(), "rois": rois.ref(), "y": y.ref(), "n": x.n, "c": x.c, "h": x.h, "w": x.w, "xn": x.ns,
            "xb": x.bs, "xr": x.rs, "count": count, "oh": oh, "ow": ow, "rs": rois.strides[0], "cs": rois.strides[1],
            "scale": get("spatial_scale", 1.0), "outer": outer},
            refuses=True)
    return (Candidate(emit, ((name, BLOCKED), (name, PLAIN), (regions, PLAIN))),)

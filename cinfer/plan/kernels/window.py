"""Where the windows of a Conv, ConvTranspose or pool lie: `ops/geometry.py` as the kernels take it."""
from __future__ import annotations

from ...ops.geometry import conv_geometry, transposed_geometry
from ..views import F32

GEOMETRY = "auto_pad dilations kernel_shape pads strides "          # attributes that `window` reads
TRANSPOSED = ("ConvTranspose", "GridConvTranspose", "QLinearConvTranspose")
OF_GEOMETRY = frozenset(f"ceil_mode output_padding output_shape {GEOMETRY}".split()) - {"kernel_shape"}


class Depth:
    """A window along the slices of a volume. front, back : padding; size, count : as picture and count"""
    __slots__ = ("kernel", "stride", "dilation", "front", "back", "size", "count")

    def __init__(self, kernel, stride, dilation, front, back, size, count):
        self.kernel, self.stride, self.dilation, self.front, self.back = kernel, stride, dilation, front, back
        self.size, self.count = size, count

    @property
    def is_flat(self) -> bool:
        """Whether each slice is a window: then slices are so many pictures."""
        return self.kernel == self.stride == 1 and not self.front and not self.back

    def params(self) -> dict:
        """As depth.h has them."""
        return dict(kd=self.kernel, sd=self.stride, dd=self.dilation, pf=self.front, id=self.size,
                    od=self.count)


class Window:
    """Sizes as (y, x), pads as (top, left, bottom, right); a 1-D picture has the height 1.

    depth : None, or the window along the third axis
    picture : what the windows lie on, the input (of a ConvTranspose the output)
    count : how many windows, the sizes of the output (of a ConvTranspose the input)
    """
    __slots__ = ("kernel", "strides", "dilations", "pads", "picture", "count", "depth")

    def __init__(self, kernel, strides, dilations, pads, picture, count, depth=None):
        self.kernel, self.strides, self.dilations, self.pads = kernel, strides, dilations, pads
        self.picture, self.count, self.depth = picture, count, depth

    def covers_all(self) -> bool:
        """Whether there is one window, which is the picture."""
        d = self.depth
        if d and (d.kernel != d.size or d.count != 1 or d.dilation != 1 or d.front or d.back):
            return False
        return self.kernel == self.picture and self.count == self.dilations == (1, 1) and not any(self.pads)

    def overhang(self) -> tuple[int, int, int, int]:
        """How far the windows reach beyond the picture (top, left, bottom, right)."""
        (kh, kw), (sh, sw), (dh, dw), (top, left, _, _) = self.kernel, self.strides, self.dilations, self.pads
        (h, w), (oh, ow) = self.picture, self.count
        bottom = (oh - 1) * sh + (kh - 1) * dh + 1 - top - h
        right = (ow - 1) * sw + (kw - 1) * dw + 1 - left - w
        return top, left, bottom if bottom > 0 else 0, right if right > 0 else 0


def window(node, values, kernel) -> Window:
    """The windows of a node on up to three spatial axes, auto_pad resolved. kernel : its sizes along them"""
    x, y = values.shape(node.inputs[0]), values.shape(node.outputs[0])
    if node.op_type in TRANSPOSED:
        x, y = y, x
    picture, count = (x[-2:], y[-2:]) if len(x) > 3 else ((1, x[2]), (1, y[2]))
    known, key = values.store.of_node, ("window", node, tuple(kernel))
    if key not in known:
        known[key] = fixed_window(node, values.shape(node.inputs[0]), kernel)
    if known[key] is not None:
        *fixed, depth = known[key]
        return Window(*fixed, picture, count, depth and Depth(*depth, x[2], y[2]))
    return windows_of(node, values.shape(node.inputs[0]), kernel)


def fixed_window(node, x_shape, kernel):
    """(kernel, strides, dilations, pads, those of the depth) where they do not depend on sizes, else None."""
    if node.attributes.get("auto_pad", "NOTSET") != "NOTSET" or node.attributes.get("output_shape"):
        return None
    win = windows_of(node, x_shape, kernel)
    d = win.depth
    depth = d and (d.kernel, d.stride, d.dilation, d.front, d.back)
    return win.kernel, win.strides, win.dilations, win.pads, depth


def windows_of(node, x_shape, kernel) -> Window:
    geometry = transposed_geometry if node.op_type in TRANSPOSED else conv_geometry
    g = geometry(x_shape[2:], kernel, **{k: v for k, v in node.attributes.items() if k in OF_GEOMETRY})

    def y_x(values, missing):
        return tuple(values[-2:]) if len(values) > 1 else (missing, *values)

    depth = Depth(g.kernel_shape[0], g.strides[0], g.dilations[0], g.begins[0], g.ends[0], g.in_sizes[0],
                  g.out_sizes[0]) if len(x_shape) == 5 else None
    return Window(y_x(g.kernel_shape, 1), y_x(g.strides, 1), y_x(g.dilations, 1),
                  (*y_x(g.begins, 0), *y_x(g.ends, 0)), y_x(g.in_sizes, 1), y_x(g.out_sizes, 1), depth)


def lie_apart(node, kernel) -> bool:
    """Whether the first window of a pool may begin behind the first element, by SAME. No kernel has that."""
    get, n = node.attributes.get, len(kernel)
    return get("auto_pad", "NOTSET").startswith("SAME") and any(
        (k - 1) * d + 1 < s - 1 for k, d, s in zip(kernel, get("dilations") or [1] * n, get("strides") or [1] * n))


def is_picture(node, values, axes: int = 2) -> bool:
    """Whether a node takes and makes float32 pictures of 1 to so many spatial axes, none of them empty."""
    x = values.fact(node.inputs[0])
    return (x.dtype == F32 and 3 <= x.ndim <= 2 + axes and 0 not in x.shape
            and 0 not in values.shape(node.outputs[0]))

"""Where the windows of a Conv, ConvTranspose or pool lie: `ops/geometry.py` as the kernels take it."""
from __future__ import annotations

from dataclasses import dataclass

from ...ops.geometry import conv_geometry, transposed_geometry
from ..views import F32

GEOMETRY = "auto_pad dilations kernel_shape pads strides "          # attributes that `window` reads
OF_GEOMETRY = frozenset(f"ceil_mode output_padding output_shape {GEOMETRY}".split()) - {"kernel_shape"}


@dataclass(slots=True)
class Window:
    """Sizes as (y, x), pads as (top, left, bottom, right); a 1-D picture has the height 1.

    picture : what the windows lie on, the input (of a ConvTranspose the output)
    count : how many windows, the sizes of the output (of a ConvTranspose the input)
    """
    kernel: tuple[int, int]
    strides: tuple[int, int]
    dilations: tuple[int, int]
    pads: tuple[int, int, int, int]
    picture: tuple[int, int]
    count: tuple[int, int]

    def overhang(self) -> tuple[int, int, int, int]:
        """How far the windows reach beyond the picture (top, left, bottom, right)."""
        before = self.pads[:2]
        after = (max(0, (n - 1) * s + (k - 1) * d + 1 - b - size) for n, s, k, d, b, size in zip(
            self.count, self.strides, self.kernel, self.dilations, before, self.picture))
        return *before, *after


def window(node, x_shape, kernel) -> Window:
    """The windows of a node on one or two spatial axes, auto_pad resolved. kernel : its sizes along them."""
    geometry = transposed_geometry if node.op_type == "ConvTranspose" else conv_geometry
    g = geometry(x_shape[2:], kernel, **{k: v for k, v in node.attributes.items() if k in OF_GEOMETRY})

    def y_x(values, missing):
        return tuple(values) if len(values) == 2 else (missing, *values)

    return Window(y_x(g.kernel_shape, 1), y_x(g.strides, 1), y_x(g.dilations, 1),
                  (*y_x(g.begins, 0), *y_x(g.ends, 0)), y_x(g.in_sizes, 1), y_x(g.out_sizes, 1))


def is_picture(node, values) -> bool:
    """Whether a node takes and makes float32 pictures, 1-D or 2-D, none of them empty."""
    x = values.fact(node.inputs[0])
    return x.dtype == F32 and x.ndim in (3, 4) and 0 not in x.shape and 0 not in values.shape(node.outputs[0])

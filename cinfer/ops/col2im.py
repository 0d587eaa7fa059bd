"""Col2Im: columns of patches summed back into a picture. https://onnx.ai/onnx/operators/onnx__Col2Im.html"""
from __future__ import annotations

from math import prod

import numpy as np

from .limits import check_ints, check_size
from .registry import op


def plan(x, image_shape, block_shape, dilations, pads, strides):
    """(shape of the answer, sizes with pads, blocks along each axis, block, dilations, pads, strides)"""
    image, block = check_ints(image_shape, "image_shape"), check_ints(block_shape, "block_shape")
    n = len(image)
    dilations, strides, pads = dilations or [1] * n, strides or [1] * n, pads or [0] * 2 * n
    if not len(block) == len(dilations) == len(strides) == len(pads) // 2 == n or n < 1 or len(pads) % 2:
        raise ValueError(f"image_shape {image}, block_shape {block}, dilations, strides and pads differ in "
                         "their number of axes")
    if min(*image, *block, *dilations, *strides) < 1 or min(pads) < 0:
        raise ValueError(f"image_shape {image}, block_shape {block}, dilations {dilations}, strides "
                         f"{strides} have to be positive, pads {pads} not negative")
    counts = [(i + pads[a] + pads[n + a] - (b - 1) * d - 1) // s + 1
              for a, (i, b, d, s) in enumerate(zip(image, block, dilations, strides))]
    if x.ndim != 3 or min(counts) < 1 or x.shape[1] % prod(block) or x.shape[2] != prod(counts):
        raise ValueError(f"input of shape {list(x.shape)}; image {image} of blocks {block} needs "
                         f"n, c * {prod(block)}, {prod(counts)}")
    padded = [i + pads[a] + pads[n + a] for a, i in enumerate(image)]
    check_size((x.shape[0], x.shape[1] // prod(block), *padded), x.dtype.itemsize)
    return (x.shape[0], x.shape[1] // prod(block), *image), padded, counts, block, dilations, pads, strides


@op("Col2Im", since=18)
class Col2Im:
    def infer(x, image_shape, block_shape, *, dilations=None, pads=None, strides=None):
        return x.like(plan(x, image_shape.known("the image shape of Col2Im"),
                           block_shape.known("the block shape of Col2Im"), dilations, pads, strides)[0])

    def evaluate(x, image_shape, block_shape, *, dilations: list[int] = None, pads: list[int] = None,
                 strides: list[int] = None):
        shape, padded, counts, block, dilations, pads, strides = plan(x, image_shape, block_shape,
                                                                      dilations, pads, strides)
        y = np.zeros(shape[:2] + tuple(padded), x.dtype)
        columns = x.reshape(*shape[:2], *block, *counts)
        # all blocks at once: the elements of one place in them never collide
        for place in np.ndindex(*block):
            where = tuple(slice(p * d, p * d + (c - 1) * s + 1, s)
                          for p, d, c, s in zip(place, dilations, counts, strides))
            y[(slice(None), slice(None)) + where] += columns[(slice(None), slice(None)) + place]
        return y[(slice(None), slice(None)) + tuple(slice(b, b + i) for b, i in zip(pads, shape[2:]))]

"""NCHW16c arrays for the tests of kernels: [n][c/16][h + halo][w + halo][16] float32."""
import numpy as np

CB = 16


def aligned(n, dtype=np.float32):
    """n zeros, 64-byte aligned."""
    size = n * np.dtype(dtype).itemsize
    raw = np.zeros(size + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start:start + size].view(dtype)


def to_blocked(x_nchw, halo=(0, 0, 0, 0), fill=0):
    """(array, address, strides) of pictures with a halo (top, left, bottom, right) of zeros.

    address : of pixel (0, 0) of the first picture; pixel (row, column) lies
        4 * (row * strides[2] + column * 16) further.
    strides : (picture, block, row) in floats, as the parameters xn, xb, xr of the kernels.
    fill : value of the lanes beyond the channels (NaN shows that they do not matter).
    """
    n, c, h, w = x_nchw.shape
    top, left, bottom, right = halo
    blocks, rows, columns = -(-c // CB), top + h + bottom, left + w + right
    a = aligned(n * blocks * rows * columns * CB).reshape(n, blocks, rows, columns, CB)
    lanes = np.full((n, blocks * CB, h, w), fill, np.float32)
    lanes[:, :c] = x_nchw
    a[:, :, top:top + h, left:left + w] = lanes.reshape(n, blocks, CB, h, w).transpose(0, 1, 3, 4, 2)
    strides = blocks * rows * columns * CB, rows * columns * CB, columns * CB
    return a, a.ctypes.data + 4 * (top * strides[2] + left * CB), strides


def from_blocked(a, c, halo=(0, 0, 0, 0)):
    """The c real channels of such an array as NCHW, without the halo."""
    n, blocks, rows, columns, _ = a.shape
    top, left, bottom, right = halo
    a = a[:, :, top:rows - bottom, left:columns - right].transpose(0, 1, 4, 2, 3)
    return a.reshape(n, blocks * CB, *a.shape[3:])[:, :c]

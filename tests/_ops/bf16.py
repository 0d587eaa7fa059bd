"""bfloat16 by its definition, for the tests of kernels whose products are of it."""
import numpy as np


def rounded(x):
    """float32 to the nearest bfloat16, ties to even, as float32; NaN stays NaN."""
    x = np.ascontiguousarray(x, np.float32)
    bits = x.view(np.uint32).astype(np.uint64)
    bits = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000
    return np.where(np.isnan(x), x, bits.astype(np.uint32).view(np.float32))

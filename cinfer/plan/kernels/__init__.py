"""Kernels by family, the files named as in ops/: importing this package enters them into
candidate.KERNELS."""
from . import (activations, cast, conv, conv_transpose, elementwise, indexing, matmul, movement,  # noqa: F401
               normalization, pad, pooling, quantize, reduce, resize, shape)

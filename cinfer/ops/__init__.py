"""What each operator means, a file per family; importing the package fills the table (registry.py), but for
families that are rare (families.py)."""
from . import (activations, cast, conv, elementwise, generate, indexing, matmul, movement,  # noqa: F401
               normalization, pooling, quantize, reduce, resize, shape)

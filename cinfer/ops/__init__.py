"""What each operator means, a file per family; importing the package fills the table (registry.py)."""
from . import (activations, cast, col2im, conv, detection, elementwise, generate, gridsample, indexing,
               # noqa: F401
               matmul, microsoft, movement, normalization, pooling, quantize, recurrent, reduce, resize,
               shape, signal)

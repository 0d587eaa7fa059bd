"""What each operator means, a file per family; importing the package fills the table (registry.py) with what
nearly every network has, nodes ask for the others (families.py)."""
from . import activations, conv, elementwise, matmul, movement, shape  # noqa: F401

"""Two networks, or a network and values of an earlier run, on the same inputs: `cinfer.compare(model, reference)`;
docs/compare.md.

    sides.py                    what is compared: networks that run, files of arrays; what belongs together
    fed.py                      what they are fed with
    difference.py               how far one value is from the other
    inner.py                    values inside the networks
    run.py                      both run on each input
    comparer.py, report.py      all of it, and what is told
"""
import sys

from ..imports import Called
from .comparer import compare
from .report import Comparison, Row

__all__ = ["Comparison", "Row", "compare"]

sys.modules[__name__].__class__ = Called

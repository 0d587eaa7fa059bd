"""Networks become integers: `cinfer.quantize(model, pictures)`, calibrated and judged by pictures; docs/quantize.md.

    standard.py, opsets.py      the float network to start from
    units.py                    what is quantised as one, and what is not
    observe.py                  what the network's values are like on the pictures
    ranges.py, weights.py       numbers in 8 bits
    exact.py                    which the order of sums does not change
    insert.py                   a network with some units in integers, as the standard writes it
    equalise.py, correct.py     weights that lose less
    measure.py, noise.py        how far the outputs are off, and by what
    answers.py                  and what a detector finds
    choose.py, search.py        what is worth its noise; the whole search
    trial.py, timing.py         a network as a session; whether it is faster
    quantizer.py, report.py     from a file to a file, and what is told of it
"""
import sys

from ..imports import Called
from .quantizer import Quantized, quantize

__all__ = ["Quantized", "quantize"]

sys.modules[__name__].__class__ = Called

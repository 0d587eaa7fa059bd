"""A classifier learns classes of one's own: `cinfer.adapt(model, "photos-by-class/")`; docs/adapt.md.

    folders.py                  pictures by class
    head.py                     where the network's features are; the network up to there, and with a new head
    features.py                 the features of pictures
    folds.py                    pictures that are nearly the same, and folds that keep these together
    logistic.py                 multinomial logistic regression
    learn.py                    lambda, temperature, and what held-out folds say of them
    adapter.py                  from a file and a folder to a file
    report.py, page.py          what is told of it, as text and as a page
"""
import sys

from ..imports import Called
from .adapter import Adapted, adapt

__all__ = ["Adapted", "adapt"]

sys.modules[__name__].__class__ = Called

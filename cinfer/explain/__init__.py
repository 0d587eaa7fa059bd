"""Why a network says what it says: `cinfer.explain(session, picture)`; docs/explain.md.

    head.py                     a mean over all places and a linear layer: the class activation map
    occlude.py                  parts of a picture are covered, one after the other
    scores.py                   what is explained: the score of a class, or of an object
    layers.py                   what there is to look at inside a network, and its channels
    explanation.py              what is told
    figure.py                   pictures with a map over them, and of channels, with words below
    explainer.py                all of it
"""
import sys

from ..imports import Called
from .explainer import explain, features, layers
from .explanation import Explanation
from .layers import Features, Layer

__all__ = ["Explanation", "Features", "Layer", "explain", "features", "layers"]

sys.modules[__name__].__class__ = Called

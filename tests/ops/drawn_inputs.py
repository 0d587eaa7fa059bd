"""What schemas do not say of an operator's inputs and attributes: data of drawn_nodes.py, the inputs by families.

`c` is the Case that is drawn: `c.x(...)` is the first input, `c.make(name, shape)` another one, both of the
types that the schema allows; `c.maybe(attribute, default, *others)` and `c.set` decide an attribute, the others
follow by schema.
"""
from __future__ import annotations

import numpy as np

import drawn_layers
import drawn_movement
import drawn_pictures
import drawn_values
import drawn_windows
from drawn_common import F16, F32, F64

# operator -> a function that gives the inputs, None for what is left out
INPUTS = {name: function for family in (drawn_layers, drawn_movement, drawn_pictures, drawn_values, drawn_windows)
          for name, function in family.INPUTS.items()}

# operator or (operator, attribute) -> values besides the default; or a function that decides
ATTRIBUTES = {
    "axis": lambda c: c.axis(), "axes": lambda c: c.maybe("axes", None, c.axes()), "p": (1, 2, 3),
    "consumed_inputs": ([0],), "approximate": ("none", "tanh"), "perm": lambda c: c.maybe(
        "perm", None, c.rng.sample(range(c.rank), c.rank)),
    ("BitShift", "direction"): ("LEFT", "RIGHT"), ("LpNormalization", "p"): (1, 2),
    ("MeanVarianceNormalization", "axes"): lambda c: c.maybe("axes", [0, 2, 3], [0, 1, 2, 3], [2, 3]),
    ("Shape", "start"): (0, 1, -1), ("Shape", "end"): (1, 2, -1), "max": (1.,), "min": (-1.,),
    ("Unique", "axis"): lambda c: c.maybe("axis", None, *range(c.rank)),
    ("RegexFullMatch", "pattern"): ("a.*", "[ab]+", ""), ("StringSplit", "delimiter"): (" ", "a"),
    ("StringSplit", "maxsplit"): (1, 2), ("Flatten", "axis"): lambda c: c.axis(c.rank + 1),
    "momentum": (.9, .5), "seed": (1.,), "low": (0., .1), "high": (1., 2.), "sample_size": (3,), "dtype": (1, 11),
    ("Multinomial", "dtype"): (6, 7), ("Bernoulli", "dtype"): (1, 9), "shape": ([2, 3],),
}

# (operator, input by position or name) -> least and largest value
RANGES = {("Div", 1): (1, 3), ("Mod", 1): (1, 3), ("Pow", 1): (0, 3), ("BitShift", 1): (0, 7),
          ("Bernoulli", 0): (0, 1), ("ReduceLogSum", 0): (1, 3)}

# (operator, type variable) -> types that are tried, where the schema allows more than anybody runs
LIMITS = {("Attention", "U"): (np.dtype(bool), F32, F16), **dict.fromkeys(
    # each rounds integers that it resizes in a way of its own
    (("Col2Im", "T"), ("Resize", "T1"), ("Resize", "T"), ("Upsample", "T")), (F32, F64, F16))}

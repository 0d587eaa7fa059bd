"""A model of no known family: what can be said of any output."""
from __future__ import annotations

import numpy as np

from ..answers.summary import MOST_VALUES, Row, Summary

TASKS = ()


def decode(view) -> Summary:
    outputs = view.outputs if view.whole is None else view.whole
    return Summary([row(name, value) for name, value in outputs.items()], view.words.task)


def row(name: str, value) -> Row:
    if not isinstance(value, np.ndarray):
        return Row(name, (len(value),) if isinstance(value, list) else (), "sequence")
    if value.dtype.kind not in "fiubV" or not value.size:
        return Row(name, value.shape, str(value.dtype))
    wide = value if value.dtype.kind in "iu" else value.astype(np.float64)
    with np.errstate(invalid="ignore"):                 # inf - inf
        mean = float(wide.mean())
    return Row(name, value.shape, str(value.dtype), float(wide.min()), mean, float(wide.max()),
               wide.reshape(-1).tolist() if wide.size <= MOST_VALUES else None)

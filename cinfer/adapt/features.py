"""The features of pictures: prepared as `cinfer run` does it, decoded beside the runs."""
from __future__ import annotations

import numpy as np

from ..errors import InputError
from ..vision.many import readings
from ..vision.reader import Prepared, Reader


class Featured:
    """Reads features, as a Reader reads answers.

    reader : prepares pictures; trunk : session of the network up to its features
    """

    def __init__(self, reader: Reader, trunk):
        self._reader, self._trunk = reader, trunk
        self.opened, self.prepare, self.threads = reader.opened, reader.prepare, trunk.threads

    def finish(self, ready: Prepared, stop=None) -> np.ndarray:
        """float32 (features,)"""
        fed = {port.name: ready.feeds[port.name] for port in self._trunk.inputs}
        rows, = self._trunk.run(None, fed) if stop is None else self._trunk._run_until(stop, None, fed)
        row = np.array(rows[0], np.float32)
        if not np.isfinite(row).all():
            raise InputError("the network gives NaN or infinite features")
        return row


def features_of(reader: Reader, trunk, paths: list[str], show):
    """(rows, float32 (pictures, features); their places in `paths`; those that could not be read: place -> error)

    show : called with (what, number, total)
    """
    reader.whole = False                                # large JPEGs at a fraction, as `cinfer run` does
    rows, places, errors = [], [], {}
    for place, (_, found) in enumerate(readings(Featured(reader, trunk), paths)):
        show("picture", place + 1, len(paths))
        if isinstance(found, Exception):
            errors[place] = found
        else:
            rows.append(found)
            places.append(place)
    return np.array(rows, np.float32), places, errors

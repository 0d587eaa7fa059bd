"""The kernel `covered` against its definition, box by box, at every ISA level."""
from math import inf, log, nan, sqrt

import numpy as np
import pytest

from cinfer import _ops

LEVELS = _ops.usable_levels()
GUARD = 77


def defined(rows, rank, radius, far):
    """Each operation rounded to float64 by itself."""
    gone = np.zeros(len(rows), np.uint8)
    for i, p in enumerate(rows.tolist()):
        for j, q in list(enumerate(rows.tolist()))[i + 1:]:
            dx, dy = p[1] - q[1], p[2] - q[2]
            if not (q[0] <= p[0] + radius and dx * dx + dy * dy <= p[7] + q[7]):
                continue
            a, b, c, ln = (p[k] + q[k] for k in range(3, 7))
            det = a * b - c * c
            if not det > 0:
                continue
            apart = (a * dy * dy + b * dx * dx - 2 * (c * dx * dy)) / (4 * det)
            distance = apart + .5 * (log(det / 4) - .5 * ln)
            if distance <= far:
                gone[max(rank[i], rank[j])] = 1
    return gone


def covered(level, rows, rank, radius, far):
    table, room = _ops.table(level), np.full(len(rows) + 32, GUARD, np.uint8)
    gone = room[16:-16]
    gone[:] = 0
    params = table.pack("covered", box=(0, rows.ctypes.data), rank=(0, rank.ctypes.data), gone=(0, gone.ctypes.data),
                        n=len(rows), radius=radius, far=far)
    _ops.executor().run_once(table, "covered", params, 1)
    assert (room[:16] == GUARD).all() and (room[-16:] == GUARD).all()
    return gone


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("n", [0, 1, 2, 3, 50, 120])
@pytest.mark.parametrize("far", [.05, .3, 2.0])
def test_covered(level, n, far):
    rng = np.random.default_rng(n)
    x, y, long, short, angle = (rng.uniform(a, b, n) for a, b in ((0, 80), (0, 80), (3, 40), (3, 40), (-4, 4)))
    along, across, cos, sin = long ** 2 / 12, short ** 2 / 12, np.cos(angle), np.sin(angle)
    a, b, c = along * cos ** 2 + across * sin ** 2, along * sin ** 2 + across * cos ** 2, (along - across) * cos * sin
    place = x + rng.integers(0, 2, n) * 1000                                    # two classes
    reach = np.maximum(long, short) ** 2 * far / 3
    rows = np.stack([place, x, y, a, b, c, np.log(along * across), reach], 1)[np.argsort(place)]
    rank = rng.permutation(n).astype(np.int32)
    radius = sqrt(2 * reach.max(initial=0))
    found = covered(level, rows, rank, radius, far)
    assert np.array_equal(found, defined(rows, rank, radius, far))
    assert n < 120 or far < .1 or 0 < found.sum() < n


@pytest.mark.parametrize("level", LEVELS)
def test_boxes_without_area_cover_nothing(level):
    rows = np.array([[0, 0, 0, 0, 0, 0, -inf, 9], [0, 0, 0, 0, 0, 0, -inf, 9], [0, 0, 0, nan, nan, nan, nan, nan]])
    assert not covered(level, rows, np.arange(3, dtype=np.int32), 9.0, 5.0).any()

"""Which boxes stay, against ops/detection.py, at every level."""
import numpy as np
import pytest

import cinfer._ops as ops
from cinfer.ops import detection
from cinfer.ops.detection import NonMaxSuppression
from cinfer.plan.views import BLOCK
from cinfer.run.direct import FEW_BOXES, Direct
from blocked import aligned

LEVELS = ops.usable_levels()
GUARD = 77


def suppress(*given) -> np.ndarray:
    with np.errstate(all="ignore"):
        return detection.suppress(*given)


def run(level, edges, starts, limit, overlap, threads=2):
    """The kernel alone, guards around what it writes."""
    t = ops.table(level)
    edges, starts = np.ascontiguousarray(edges, np.float32), np.ascontiguousarray(starts, np.int64)
    before, total = edges.copy(), edges.shape[1]
    kept = aligned(total + 128, np.uint8)
    kept[...] = GUARD
    target = kept[64:64 + total]
    longest = int(np.diff(starts).max(initial=0)) + BLOCK
    params = t.pack("suppress", x=(0, edges.ctypes.data), starts=(0, starts.ctypes.data),
                    kept=(0, target.ctypes.data), total=total, longest=longest, limit=limit, overlap=overlap)
    ops.executor().run_once(t, "suppress", params, len(starts) - 1, threads, 20 * (longest + BLOCK))
    assert (kept[:64] == GUARD).all() and (kept[64 + total:] == GUARD).all()
    assert edges.tobytes() == before.tobytes()
    assert np.isin(target, (0, 1)).all()
    return target.astype(bool)


def boxes(rng, count: int, spread: float = 10.0):
    """Rows x_min, y_min, x_max, y_max, of sizes that float32 has exactly; some without area, or turned round."""
    corner = rng.integers(0, int(4 * spread) + 1, (2, count)) / 4
    size = rng.integers(0, 17, (2, count)) / 4
    size[:, rng.random(count) < .1] *= -1
    return np.concatenate([corner, corner + size]).astype(np.float32)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("lengths", [[1], [0], [2, 0, 3], [7, 8, 9], [15, 16, 17], [33, 1], [0, 0, 64], [100, 250],
                                     [1] * 40], ids=str)
def test_keeps_what_numpy_keeps(level, lengths):
    rng = np.random.default_rng(sum(lengths))
    starts = np.cumsum([0, *lengths])
    for spread in (0, 2, 10, 100):
        edges = boxes(rng, starts[-1], spread)
        for overlap in (0.0, 0.1, 0.5, 0.75, 1.0):
            for limit in (1, 5, 16, 1000, 1 << 40):
                want = suppress(edges, starts, limit, np.float32(overlap))
                got = run(level, edges, starts, limit, overlap)
                where = f"spread {spread}, overlap {overlap}, limit {limit}"
                np.testing.assert_array_equal(got, want, err_msg=where)
                np.testing.assert_array_equal(run(level, edges, starts, limit, overlap, threads=1), got)
        assert not run(level, edges, starts, 0, 0.5).any()


@pytest.mark.parametrize("level", LEVELS)
def test_the_threshold_itself_is_no_overlap(level):
    """Two boxes that share a third of their joint area."""
    edges = np.float32([[0, 1], [0, 0], [2, 3], [1, 1]])
    third = float(np.float32(1) / np.float32(3))
    assert run(level, edges, [0, 2], 9, third).tolist() == [True, True]
    assert run(level, edges, [0, 2], 9, float(np.nextafter(np.float32(third), np.float32(0)))).tolist() == [True, False]


@pytest.mark.parametrize("level", LEVELS)
def test_boxes_that_only_touch_or_have_no_area_stay(level):
    edges = np.float32([[0, 1, 0, 0, 0], [0, 0, 1, 0, 0], [1, 2, 1, 0, 1], [1, 1, 2, 1, 0]])
    assert run(level, edges, [0, 5], 9, 0.0).all()
    same = np.repeat(edges[:, :1], 40, 1)
    assert run(level, same, [0, 40], 99, 0.9).sum() == 1 and run(level, same, [0, 40], 99, 1.0).all()


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38])
def test_numbers_that_are_none_end_nothing(level, value):
    rng = np.random.default_rng(5)
    for place in range(4):
        edges = boxes(rng, 30, 3)
        edges[place, 7] = value
        want = suppress(edges, np.array([0, 30]), 99, np.float32(0.4))
        np.testing.assert_array_equal(run(level, edges, [0, 30], 99, 0.4), want, err_msg=f"{value} in row {place}")


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.float64])
@pytest.mark.parametrize("count", [0, 1, 50, FEW_BOXES // 2])
def test_an_operator_at_work_gives_the_same(level, dtype, count):
    rng = np.random.default_rng(count)
    x = boxes(rng, 2 * count, 20).reshape(4, 2, count).transpose(1, 2, 0).astype(dtype)
    scores = rng.integers(0, 50, (2, 3, count)).astype(dtype)
    given = x, scores, np.array(40), np.array(0.5, np.float32), np.array(10, np.float32)
    with np.errstate(all="ignore"):
        want = NonMaxSuppression.evaluate(*given)
    for threads in (1, 2):
        with Direct(ops.table(level), threads).at_work(), np.errstate(all="ignore"):
            np.testing.assert_array_equal(NonMaxSuppression.evaluate(*given), want)


@pytest.mark.parametrize("seed", range(30))
def test_lists_divided_where_boxes_lie_apart_keep_the_same(seed, monkeypatch):
    monkeypatch.setattr(detection, "LONG", 1)
    rng = np.random.default_rng(seed)
    starts = np.cumsum([0, *rng.integers(0, 90, rng.integers(1, 4))])
    edges = boxes(rng, starts[-1], 3)
    edges[[0, 2]] += rng.integers(0, 4, starts[-1]) * rng.choice([0, 1, 8, 20])
    if seed % 7 == 6 and edges.size:
        edges[rng.integers(0, 4), rng.integers(0, starts[-1])] = np.nan
    for limit in (30, 60, 1 << 40):
        want = suppress(edges, starts, limit, np.float32(.3))
        got = detection.suppress_apart(suppress, edges, starts, limit, np.float32(.3))
        np.testing.assert_array_equal(got, want)

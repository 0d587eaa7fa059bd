"""Ranges and scales, against sums over the numbers themselves."""
import numpy as np
import pytest

from cinfer.quantize import ranges
from cinfer.quantize.ranges import METHODS, Spread, scale_of, through


def spread_of(*arrays) -> Spread:
    spread = Spread()
    for array in arrays:
        spread.add(np.asarray(array, np.float32))
    return spread


def error(x, low, high) -> float:
    """The mean square of what 8 bits lose, number by number."""
    scale = scale_of(low, high, np.dtype(np.uint8))
    stored = np.clip(np.rint(x / scale.step) + scale.zero, 0, 255)
    return float(np.mean(((stored - scale.zero) * scale.step - x) ** 2))


def test_a_spread_grows_with_what_comes():
    small, large = np.linspace(-.01, .01, 4001), np.linspace(-3, 100, 4001)
    one, other = spread_of(small, large), spread_of(large, small)
    assert (one.low, one.high) == (other.low, other.high) == (-3, 100)
    assert one.counts.sum() == other.counts.sum() == 8002 and one.limit == other.limit == 128
    # what is counted first may lie a bin beside where it would later
    assert np.abs(np.cumsum(one.counts) - np.cumsum(other.counts)).max() <= 4001 / 2


def test_zeros_and_what_is_not_finite():
    spread = spread_of(np.zeros(5), np.array([np.nan, np.inf, -np.inf]), np.zeros(0))
    assert (spread.low, spread.high) == (0, 0) and not spread.counts.any()
    for method in METHODS.values():
        assert method(spread) == (0, 0)
    assert scale_of(0, 0, np.dtype(np.uint8)).step > 0


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("x", [
    np.random.default_rng(1).normal(size=20000), np.maximum(np.random.default_rng(2).normal(size=20000), 0),
    np.random.default_rng(3).standard_t(2, 20000), np.minimum(np.random.default_rng(4).normal(size=20000), 0)],
    ids=["normal", "relu", "tails", "negative"])
def test_ranges_hold_zero_and_lie_within_what_was_seen(method, x):
    low, high = METHODS[method](spread_of(x))
    assert 1.000001 * x.min() <= low <= 0 <= high <= 1.000001 * x.max() and low < high


def test_mse_is_best_of_what_can_be_tried():
    """Heavy tails: cutting them is worth it; the square error is at most 3 % above the least of a fine search."""
    x = np.random.default_rng(5).standard_t(3, 30000).astype(np.float32)
    spread = spread_of(x)
    found = error(x, *ranges.mse(spread))
    least = min(error(x, spread.low * a, spread.high * b) for a in np.geomspace(.02, 1, 40)
                for b in np.geomspace(.02, 1, 40) if a >= .06 and b >= .06)
    assert found < error(x, *ranges.min_max(spread)) and found < 1.6 * least


def test_percentile_leaves_out_one_in_ten_thousand():
    x = np.random.default_rng(6).normal(size=16000).astype(np.float32)
    low, high = ranges.percentile(spread_of(x))
    assert ((x < low) | (x > high)).sum() <= 2
    assert ranges.percentile(spread_of(x, np.append(x, 100)))[1] < 10


def test_entropy_keeps_what_is_even_and_cuts_a_lonely_number():
    even = np.random.default_rng(7).uniform(0, 6, 16000)
    assert ranges.entropy(spread_of(even))[1] > 5.5
    lonely = np.append(np.random.default_rng(8).exponential(1, 16000), 100)
    assert ranges.entropy(spread_of(lonely))[1] < 60


def test_the_end_that_a_function_flattens_is_cut():
    def silu(x):
        return x / (1 + np.exp(-x))
    x = np.random.default_rng(9).normal(0, 4, 16000).astype(np.float32)
    spread = spread_of(x)
    low, high = through(spread, silu, spread.low, spread.high)
    assert high == spread.high and spread.low < low < -2
    assert through(spread, lambda x: x ** 3, spread.low, spread.high) == (spread.low, spread.high)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
@pytest.mark.parametrize("low, high, zero", [(0, 6, 0), (-6, 0, 255), (-1, 1, 127), (2, 3, 0), (-3, -2, 255)])
def test_scales_fill_the_type_and_keep_zero(low, high, zero, dtype):
    scale = scale_of(low, high, np.dtype(dtype))
    assert scale.zero - np.iinfo(dtype).min == zero and isinstance(scale.step, np.float32)
    assert scale.ends[0] == pytest.approx(min(low, 0), abs=.501 * float(scale.step))
    assert scale.ends[1] == pytest.approx(max(high, 0), abs=.501 * float(scale.step))


def test_spreads_of_parts_are_that_of_all():
    small, large = np.linspace(-.01, .01, 4001), np.linspace(-3, 100, 4001)
    both, parts = spread_of(small, large), spread_of(small).joined(spread_of(large))
    assert (both.low, both.high, both.limit) == (parts.low, parts.high, parts.limit)
    np.testing.assert_array_equal(both.counts, parts.counts)
    assert spread_of(small).joined(Spread()).counts.sum() == 4001


def test_middle_is_between():
    spread = spread_of(np.random.default_rng(3).normal(size=20000), [-50, 70])
    inner, between, outer = (METHODS[name](spread) for name in ("mse", "middle", "min-max"))
    assert outer[0] < between[0] < inner[0] < 0 < inner[1] < between[1] < outer[1]
    assert sum(between) == pytest.approx((sum(inner) + sum(outer)) / 2)

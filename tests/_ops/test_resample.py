"""The kernel that resamples along one axis, against sums in float64, at every level."""
import numpy as np
import pytest

from windows import LEVELS, RNG, aligned, assert_close, ref, run

GUARD = np.float32(-123.25)
# outer sizes, size, wanted, taps, inner
CASES = [((1, 1, 1), 1, 1, 1, 1), ((1, 2, 3), 5, 7, 2, 1), ((1, 1, 5), 7, 3, 4, 3), ((2, 1, 2), 4, 9, 2, 16),
         ((1, 3, 2), 6, 2, 3, 17), ((2, 3, 1), 9, 4, 4, 16), ((1, 2, 1), 3, 8, 1, 33),
         ((1, 1, 2), 9, 3, 5, 16), ((1, 1, 2), 200, 2, 65, 16), ((1, 1, 2), 200, 2, 130, 5),
         ((1, 1, 3), 12, 5, 4, 47)]


def table_of(size, wanted, taps):
    index = RNG.integers(0, size, (wanted, taps)).astype(np.int32)
    weights = RNG.standard_normal((wanted, taps)).astype(np.float32)
    if taps == 1:
        weights[...] = 1
    return index, weights, np.concatenate(([np.int32(taps)], index.ravel(), weights.view(np.int32).ravel()))


def strided(dims, count, inner, gap):
    """(memory full of guards, its view [*dims, count, inner]), rows `gap` floats apart."""
    step = inner + gap
    memory = aligned(int(np.prod(dims)) * count * step + 64)
    memory[...] = GUARD
    return memory, memory[32:-32].reshape(*dims, count, step)[..., :inner]


def steps(view):
    return [s // 4 for s in view.strides]


def check(level, case, gap, lanes, outer):
    dims, size, wanted, taps, inner = case
    index, weights, table = table_of(size, wanted, taps)
    # with lanes the axis lies side by side: it is the innermost of the memory
    forms = (size, wanted) if not lanes else (1, 1)
    depths = (inner, inner) if not lanes else (size, wanted)
    (_, x), (memory, y) = (strided(dims, count, n, gap) for count, n in zip(forms, depths))
    x[...] = RNG.standard_normal(x.shape)
    xs, ys = steps(x), steps(y)
    groups = -(-dims[2] // 16) if lanes else int(np.prod(dims)) * wanted
    run(level, "resample", -(-groups // outer), 2, x=(0, x.ctypes.data),
        y=(0, y.ctypes.data), table=ref(table), dims=dims, xs=xs[:3], ys=ys[:3], size=size, wanted=wanted,
        xa=1 if lanes else xs[3], ya=1 if lanes else ys[3], inner=inner, lanes=lanes, outer=outer)
    values = np.swapaxes(x, 3, 4) if lanes else x
    want = np.einsum("...itk,it->...ik", values[..., index, :].astype(float), weights.astype(float))
    assert_close(np.swapaxes(y, 3, 4) if lanes else y, want, 2e-6, f"{case} {level} gap {gap}")
    y[...] = GUARD
    assert (memory == GUARD).all(), f"{case} {level}: written outside"


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_vectors_along_what_is_inside(level, case):
    for gap, outer in ((0, 1), (3, 2), (16, 1000)):
        check(level, case, gap, 0, outer)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("rows", (1, 3, 15, 16, 17, 33))
@pytest.mark.parametrize("size, wanted, taps", [(1, 1, 1), (1, 5, 2), (7, 3, 4), (17, 33, 1), (20, 31, 2),
                                                (90, 2, 70), (16000, 500, 2)])
def test_rows_along_the_axis(level, rows, size, wanted, taps):
    for gap, outer in ((0, 1), (5, 2)):
        check(level, ((1, 1, rows), size, wanted, taps, 1), gap, 1, outer)


@pytest.mark.parametrize("level", LEVELS)
def test_one_tap_copies_every_bit(level):
    x = aligned(48).reshape(3, 16)
    x[...] = [[np.nan], [np.inf], [-0.0]]
    index, table = np.array([2, 0, 1, 2]), np.array([1, 2, 0, 1, 2, 0, 0, 0, 0], np.int32)
    y = aligned(64).reshape(4, 16)
    run(level, "resample", 1, x=ref(x), y=ref(y), table=ref(table), dims=(1, 1, 1), xs=(0, 0, 0),
        ys=(0, 0, 0), size=3, wanted=4, xa=16, ya=16, inner=16, outer=4)
    assert y.tobytes() == x[index].tobytes()

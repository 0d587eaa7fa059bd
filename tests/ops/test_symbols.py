"""Expressions of free sizes: against numbers, for random expressions and sizes."""
import operator
import random

import pytest

from cinfer.ops.symbols import Sizes, Symbol, Undecided, below, differ, divided, same, value_at


@pytest.mark.parametrize("seed", range(40))
def test_arithmetic_agrees_with_numbers(seed):
    """And what comparisons decide holds for all sizes tried."""
    draw = random.Random(seed)
    sizes = Sizes()
    free = [sizes.free(name) for name in "abc"]
    points = [{s: draw.choice((1, 2, 3, 5, 16, 31, 224)) for s in free} for _ in range(24)]
    made = [(s, [p[s] for p in points]) for s in free]
    for _ in range(40):
        (x, xs), (y, ys) = draw.choice(made), draw.choice(made + [(k, [k] * 24) for k in (1, 2, 3, 4, 32)])
        kind = draw.choice("+-*///%")
        if kind in "/%" and not (type(y) is int or all(ys) and y.least() and y.least() > 0):
            continue
        if isinstance(x, int):
            continue
        function = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.floordiv,
                    "%": operator.mod}[kind]
        z, zs = function(x, y), list(map(function, xs, ys))
        assert [value_at(z, p) for p in points] == zs, f"{x} {kind} {y} is {z}"
        if isinstance(z, Symbol):
            assert z.least() is None or z.least() <= min(zs)
            for other, others in made:
                for ask in ("__eq__", "__lt__", "__le__", "__gt__", "__ge__"):
                    try:
                        answer = getattr(z, ask)(other)
                    except Undecided:
                        continue
                    assert all(getattr(a, ask)(b) == answer for a, b in zip(zs, others)), (z, ask, other)
        if not isinstance(z, int) and len(z.terms) < 12:
            made.append((z, zs))


def test_normal_forms():
    sizes = Sizes()
    n, h, w = (sizes.free(name) for name in "nhw")
    assert n * h * w * 64 // (n * h * w) == 64 and h * w * 64 // (h * w) == 64
    assert (n * h * 4 + n * 8) // n is h * 4 + 8
    assert (h * h - 1) // (h + 1) is h - 1
    assert ((h + 1) // 2 + 1) // 2 is (h + 3) // 4 and (h - 1) // 2 + 1 is (h + 1) // 2
    assert (4 * h + 3) // 6 is (2 * h + 1) // 3
    assert h - h == 0 and type(h - h) is int and h * 0 == 0 and 2 * h % 2 == 0
    assert divided(0, h) == 0 and divided(12, 4) == 3
    assert h * 2.0 is 2 * h


def test_what_holds_for_all_sizes():
    sizes = Sizes()
    h, w, least0 = sizes.free("h"), sizes.free("w"), sizes.free("m", least=0)
    assert h >= 1 and h * w > 0 and h + 1 != 1 and not h == 0 and (h + 2 - 3) // 2 + 1 >= 1
    assert same((1, h), (1, h)) and not same(h, w) and not differ(h, w) and differ(h + 1, h)
    assert below(0, h) and not below(h, 5) and least0 >= 0 and h and 0 < h
    for undecided in (lambda: h == w, lambda: h > 1, lambda: bool(least0), lambda: int(h), lambda: [0][h],
                      lambda: h == 5, lambda: float(h), lambda: range(h), lambda: max(h, 2), lambda: h * 0.5):
        with pytest.raises(Undecided):
            undecided()
    assert {h, 1} - {1} == {h} and (h == "h") is False

"""Buffers in the arena: whatever lives at the same time lies apart."""
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cinfer.plan.memory import ALIGN, ENDLESS, give_back, place


def buffers(*lives):
    """One buffer for each (bytes, first, last)."""
    return [SimpleNamespace(bytes=size, first=first, last=last, offset=None) for size, first, last in lives]


sizes = st.one_of(st.sampled_from([0, 1, ALIGN - 1, ALIGN, ALIGN + 1, 2 * ALIGN]), st.integers(0, 100_000))
lives = st.tuples(sizes, st.integers(0, 30), st.integers(0, 10)).map(lambda t: (t[0], t[1], t[1] + t[2]))


def assert_apart(placed, arena):
    for i, a in enumerate(placed):
        assert a.offset >= 0 and a.offset % ALIGN == 0 and a.offset + a.bytes <= arena, (a, arena)
        for b in placed[:i]:
            if a.first <= b.last and b.first <= a.last:
                assert a.offset + a.bytes <= b.offset or b.offset + b.bytes <= a.offset, (a, b)


@settings(max_examples=300, deadline=None)
@given(st.lists(lives, max_size=40))
def test_buffers_alive_at_the_same_step_share_no_byte(given_lives):
    placed = buffers(*given_lives)
    assert_apart(placed, place(placed))


@settings(max_examples=100, deadline=None)
@given(st.lists(lives, min_size=1, max_size=40))
def test_arena_is_between_the_busiest_step_and_the_sum(given_lives):
    placed = buffers(*given_lives)
    arena = place(placed)
    busiest = max(sum(b.bytes for b in placed if b.first <= step <= b.last) for step in range(41))
    assert busiest <= arena <= sum(b.bytes + ALIGN for b in placed)


@settings(max_examples=100, deadline=None)
@given(st.lists(lives, min_size=1, max_size=20), st.randoms())
def test_order_of_the_list_decides_nothing_but_ties(given_lives, random):
    """The same buffers, shuffled, still lie apart: place sorts for itself."""
    random.shuffle(given_lives)
    placed = buffers(*given_lives)
    assert_apart(placed, place(placed))


def test_nothing_takes_nothing():
    assert place([]) == 0


def test_empty_buffers_of_one_step_get_their_own_places():
    placed = buffers((0, 0, 0), (0, 0, 0))
    assert place(placed) == 2 * ALIGN
    assert placed[0].offset != placed[1].offset


def test_memory_is_used_again_one_step_after_the_last_use():
    placed = buffers((1000, 0, 1), (1000, 1, 2), (1000, 2, 3))
    assert place(placed) == 2 * 1024
    assert placed[2].offset == placed[0].offset


def test_takes_the_smallest_hole_that_fits():
    # Two holes, of 640 and of 128 bytes, a wall (to step 9) before, between and behind them.
    placed = buffers((64, 0, 9), (640, 0, 0), (64, 0, 9), (128, 0, 0), (64, 0, 9), (128, 1, 1), (640, 1, 1))
    place(placed)
    assert placed[5].offset == placed[3].offset and placed[6].offset == placed[1].offset


def test_a_hole_is_left_behind_by_two_neighbours_together():
    placed = buffers((64, 0, 0), (64, 0, 0), (64, 0, 5), (128, 1, 1))
    assert place(placed) == 3 * 64
    assert placed[3].offset == placed[0].offset


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (0, 2, 1), (1, 0, 2)])
def test_holes_given_back_in_any_order_become_one(order):
    holes = [(192, ENDLESS - 192)]
    for i in order:
        give_back(holes, 64 * i, 64)
    assert holes == [(0, ENDLESS)]

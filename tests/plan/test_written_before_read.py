"""Every value that a step reads was written by a step before: what memory held makes no difference."""
from random import Random

import numpy as np
import pytest

import cinfer
from cinfer import _ops

from random_graphs import concatenated_graph, halved, quantized_graph, random_graph
from watched import LARGE, NAN, bits, hold, watching

OPSETS = (11, 13, 17, 18, 21, 24)
SEEDS = 25                          # graphs of a test


@pytest.mark.parametrize("isa", _ops.usable_levels())
@pytest.mark.parametrize("block", range(6))
def test_random_graphs_mean_what_numpy_says_in_memory_of_any_content(block, isa):
    for seed in range(block * SEEDS, (block + 1) * SEEDS):
        rng = Random(seed)
        hold(random_graph(rng, rng.choice(OPSETS)), f"seed {seed}", isa)


@pytest.mark.parametrize("isa", _ops.usable_levels())
@pytest.mark.parametrize("block", range(3))
def test_concats_and_splits_mean_what_numpy_says_in_memory_of_any_content(block, isa):
    for seed in range(block * SEEDS, (block + 1) * SEEDS):
        hold(concatenated_graph(Random(seed)), f"seed {seed}", isa)


@pytest.mark.parametrize("block", range(2))
def test_quantized_and_float16_graphs_mean_what_numpy_says_in_memory_of_any_content(block):
    isa = _ops.usable_levels()[-1 - block % len(_ops.usable_levels())]
    for seed in range(block * SEEDS, (block + 1) * SEEDS):
        hold(quantized_graph(Random(seed)), f"quantized seed {seed}", isa)
        hold(halved(random_graph(Random(seed), 17)), f"float16 seed {seed}", isa)


@pytest.mark.parametrize("block", range(2))
def test_a_run_leaves_nothing_that_the_next_one_sees(block):
    """The same session, other feeds between, its memory overwritten between: the same bits."""
    for seed in range(1000 + block * SEEDS, 1000 + (block + 1) * SEEDS):
        rng = Random(seed)
        graph = random_graph(rng, rng.choice(OPSETS))
        feeds = graph.feeds()
        with watching(NAN, spaced=False) as watch:
            session = cinfer.load(graph.bytes(), threads=1 + seed % 2)
            first = session.run(None, feeds)
            session.run(None, {k: np.zeros_like(v) for k, v in feeds.items()})
            again = session.run(None, feeds)
            watch.fill = LARGE
            other = session.run(None, feeds)
        assert bits(first) == bits(again) == bits(other), f"seed {seed}\n{graph}"


def test_watch_sees_what_is_written_into_a_gap():
    graph = concatenated_graph(Random(1))
    with watching(NAN) as watch:
        cinfer.load(graph.bytes(), threads=1).run(None, graph.feeds())
    (size, gaps), = watch.gaps.items()
    assert watch.runs == 1 and len(gaps) > 2 and min(end - begin for begin, end in gaps[:-1]) >= 1024
    arena = np.full(size, NAN, np.uint8)
    watch.check(arena)
    arena[gaps[1][0]] = 0
    with pytest.raises(AssertionError, match="beside a buffer"):
        watch.check(arena)

"""TfIdfVectorizer: how often each n-gram of a pool is found in lists of words or numbers.
https://onnx.ai/onnx/operators/onnx__TfIdfVectorizer.html"""
from __future__ import annotations

import numpy as np

from .facts import Fact
from .limits import check_size
from .numeric import F32, spec_of
from .registry import op
from .text import STRING, texts


def check_vectorizer(x, max_gram_length: int, max_skip_count: int, min_gram_length: int, mode: str,
                     ngram_counts, ngram_indexes, pool, weights) -> None:
    if x.ndim not in (1, 2):
        raise ValueError(f"x has {x.ndim} axes; it has to have 1 or 2")
    if mode not in ("TF", "IDF", "TFIDF"):
        raise ValueError(f"mode {mode!r}; it has to be TF, IDF or TFIDF")
    if not 1 <= min_gram_length <= max_gram_length <= len(ngram_counts) or max_skip_count < 0:
        raise ValueError(f"grams of {min_gram_length} to {max_gram_length} with {max_skip_count} skips and "
                         f"{len(ngram_counts)} ngram_counts")
    ends = [*ngram_counts[1:], len(pool)]
    count = 0
    for n, (start, end) in enumerate(zip(ngram_counts, ends), 1):
        if not 0 <= start <= end <= len(pool) or (end - start) % n:
            raise ValueError(f"the pool's {n}-grams are said to be elements {start} to {end} of {len(pool)}")
        count += (end - start) // n
    if len(ngram_indexes) != count or not count or min(ngram_indexes) < 0:
        raise ValueError(f"{len(ngram_indexes)} ngram_indexes for a pool of {count} n-grams; there has to be "
                         "one, not negative, for each")
    if weights is not None and mode != "TF":
        # by the standard's text they belong to n-grams, by its reference and the runtimes to columns
        if len(weights) != count or any(i >= count or weights[i] != weight
                                        for i, weight in zip(ngram_indexes, weights)):
            raise ValueError("weights are not the same for n-grams and for the columns that ngram_indexes "
                             "gives them; which of them they belong to is not settled")


def pool_of(x, pool_int64s, pool_strings):
    """The pool that belongs to the type of x."""
    if x.dtype.name not in ("int32", "int64", "object"):
        raise ValueError(f"x is {x.dtype}; it has to be int32, int64 or strings")
    pool, other = (pool_strings, pool_int64s) if x.dtype == STRING else (pool_int64s, pool_strings)
    if pool is None or other is not None:
        raise ValueError(f"x is {x.dtype}; there has to be pool_strings for strings, else pool_int64s, and "
                         "not the other")
    return pool


def grams_of(pool, ngram_counts, shortest: int, longest: int) -> list[tuple[int, tuple]]:
    """(number, n-gram) for those of the wanted lengths."""
    grams, number = [], 0
    for n, (start, end) in enumerate(zip(ngram_counts, [*ngram_counts[1:], len(pool)]), 1):
        for at in range(start, end, n):
            if shortest <= n <= longest:
                grams.append((number, tuple(pool[at:at + n])))
            number += 1
    return grams


class Trie:
    """n-grams by their first words: a state is what was read so far, and state 0 is nothing.

    keys : sorted, state * len(words) + number of the word; states : the one behind each key
    column : of the n-gram that ends in each state, -1 where none does
    """

    def __init__(self, grams: list[tuple[int, tuple]], columns):
        self.words: dict = {}
        steps: dict[tuple[int, int], int] = {}
        ends = [-1]
        for number, gram in grams:
            state = 0
            for word in gram:
                step = state, self.words.setdefault(word, len(self.words))
                if step not in steps:
                    steps[step] = len(ends)
                    ends.append(-1)
                state = steps[step]
            if ends[state] >= 0:
                raise ValueError(f"the pool has the n-gram {list(gram)[:8]} twice")
            ends[state] = columns[number]
        self.column = np.array(ends, np.int64)
        keys = np.array([state * len(self.words) + word for state, word in steps], np.int64)
        order = keys.argsort()
        self.keys, self.states = keys[order], np.array([*steps.values()], np.int64)[order]

    def numbers(self, x: np.ndarray) -> np.ndarray:
        """The number of each word, -1 for words of no n-gram."""
        elements = texts(x) if x.dtype == STRING else x.reshape(-1).tolist()
        return np.array([self.words.get(word, -1) for word in elements], np.int64).reshape(x.shape)

    def step(self, states: np.ndarray, words: np.ndarray) -> np.ndarray:
        """The states behind these words, -1 where no n-gram goes on so."""
        keys = states * len(self.words) + words
        at = self.keys.searchsorted(keys).clip(0, len(self.keys) - 1)
        return np.where((states >= 0) & (words >= 0) & (self.keys[at] == keys), self.states[at], -1)


@op("TfIdfVectorizer", since=9, types=(F32,), rank=0)
class TfIdfVectorizer:
    """float32 (rows, columns). The words of an n-gram stand next to each other, or one, or up to
    max_skip_count others lie between any two of them; one word alone counts once. IDF: 1 for what is found at
    all; IDF and TFIDF: times its weight."""
    def infer(x, *, max_gram_length, max_skip_count, min_gram_length, mode, ngram_counts, ngram_indexes,
              pool_int64s=None, pool_strings=None, weights=None):
        pool = pool_of(x, pool_int64s, pool_strings)
        check_vectorizer(x, max_gram_length, max_skip_count, min_gram_length, mode, ngram_counts,
                         ngram_indexes, pool, weights)
        return Fact(F32, check_size((*x.shape[:-1], max(ngram_indexes) + 1), 8))

    def evaluate(x, *, max_gram_length: int, max_skip_count: int, min_gram_length: int, mode: str,
                 ngram_counts: list[int], ngram_indexes: list[int], pool_int64s: list[int] = None,
                 pool_strings: list[str] = None, weights: list[float] = None):
        shape = TfIdfVectorizer.infer(
            spec_of(x), max_gram_length=max_gram_length, max_skip_count=max_skip_count,
            min_gram_length=min_gram_length, mode=mode, ngram_counts=ngram_counts,
            ngram_indexes=ngram_indexes, pool_int64s=pool_int64s, pool_strings=pool_strings,
            weights=weights).shape
        if not x.size:
            return np.zeros(shape, F32)
        pool = pool_of(x, pool_int64s, pool_strings)
        trie = Trie(grams_of(pool, ngram_counts, min_gram_length, max_gram_length), ngram_indexes)
        counts = counted(x.reshape(-1, x.shape[-1]), trie, shape[-1], max_gram_length, max_skip_count)
        y = counts if mode != "IDF" else np.minimum(counts, 1)
        if weights is not None and mode != "TF":
            by_column = np.zeros(shape[-1], F32)
            by_column[ngram_indexes] = weights
            y = y * by_column
        return y.reshape(shape).astype(F32)


def counted(x: np.ndarray, trie: Trie, columns: int, longest: int, skips: int) -> np.ndarray:
    """(rows, columns): how often each n-gram is found in each row."""
    counts = np.zeros(len(x) * columns, np.int64)
    if not len(trie.keys):
        return counts.reshape(len(x), columns)
    words = trie.numbers(x)
    first = trie.step(np.zeros_like(words), words)
    before = np.arange(len(x))[:, None] * columns
    for distance in range(1, min(skips + 1, max(x.shape[1] - 1, 1)) + 1):
        states = first
        for n in range(1, longest + 1):
            if n > 1:
                start = (n - 1) * distance
                if start >= x.shape[1]:
                    break
                states = trie.step(states[:, :x.shape[1] - start], words[:, start:])
            elif distance > 1:
                continue
            found = np.where(states >= 0, trie.column[states], -1)
            np.add.at(counts, (found + before)[found >= 0], 1)
    return counts.reshape(len(x), columns)

"""How work is divided into tiles: few enough to cost nothing, enough for all threads to have some.

All steps divide a picture alike, so that each thread stays in its own part of it. None of this changes a bit
of a result: each sum is formed inside one tile.
"""
from __future__ import annotations

from functools import partial
from math import prod

from ..ops.symbols import Symbol
from .views import collapse

TILES_PER_THREAD = 6
SMALL = 1 << 14                 # elements an elementwise tile should have at least
SMALL_SUMS = 1 << 12            # terms that a tile of sums along rows should have at least
LEAST_PART = 48                 # pixels of a picture that a thread should have for itself
LINE = 16                       # float32 in a cache line
# A run that is told to end does so after the tiles in hand: milliseconds of a slow core.
MOST_PRODUCTS = 1 << 26         # multiply-adds of a tile
MOST_MOVED = 1 << 22            # elements of a tile of what does little with each


class Tiles:
    """The division of work among `threads`. wanted : how many tiles a step should have, if that is little work

    notes : None, or who notes questions with sizes that are expressions (recording.py): function (function,
        numbers, count) -> `count` sizes
    """
    __slots__ = ("threads", "wanted", "notes", "_walks")

    def __init__(self, threads: int):
        self.threads = threads
        self.wanted = 1 if threads == 1 else threads * TILES_PER_THREAD
        self.notes = None
        self._walks: dict[tuple, tuple] = {}

    def ask(self, function, count: int, *numbers):
        """function(self, *numbers), `count` whole numbers that depend on nothing else. It may be asked later, when
        sizes that are expressions are known: then what it gives are expressions too."""
        if self.notes is not None and Symbol in map(type, numbers):
            return self.notes(partial(function, Tiles(self.threads)), numbers, count)
        return function(self, *numbers)

    def enough(self, work: int, most: int = MOST_PRODUCTS) -> int:
        """How many tiles a step of so much work should have."""
        return self.ask(Tiles._enough, 1, work, most)

    def _enough(self, work: int, most: int) -> int:
        return max(self.wanted, -(-work // most))

    def walk(self, dims: tuple, *strides: tuple) -> tuple:
        """(dims, strides of each operand, outer indices per tile, tiles) of an elementwise kernel over axes
        that collapse to those it walks. Networks repeat their layers: what was found is kept."""
        key = dims, *strides
        found = self._walks.get(key) if self.notes is None else None
        if found is None:
            dims, strides = collapse(dims, *strides)
            found = self.divided(dims, *strides)
            if self.notes is None:
                self._walks[key] = found
        return found

    def divided(self, dims, *strides) -> tuple:
        """As `walk`, of axes that are collapsed."""
        if self.notes is None:
            dims, strides = spread(dims, *strides)
            return dims, strides, *self.outer(dims)
        n = len(dims)
        found = self.ask(Tiles._flat, n * (1 + len(strides)) + 2, n, *dims, *(s for each in strides for s in each))
        dims, *strides = (list(found[i:i + n]) for i in range(0, len(found) - 2, n))
        return dims, strides, *found[-2:]

    def _flat(self, n: int, *numbers) -> list[int]:
        dims, strides, outer, tiles = Tiles.divided(
            Tiles(self.threads), *(list(numbers[i:i + n]) for i in range(0, len(numbers), n)))
        return [*dims, *(s for each in strides for s in each), outer, tiles]

    def outer(self, dims) -> tuple[int, int]:
        """(outer indices per tile, tiles) of an elementwise kernel."""
        return self.ask(Tiles._outer, 2, *dims)

    def _outer(self, *dims) -> tuple[int, int]:
        total = prod(dims[:-1])
        elements = total * dims[-1]
        tiles = max(1, min(total, self.enough(elements, MOST_MOVED), elements // SMALL))
        outer = -(-total // tiles) if total else 1
        return outer, max(1, -(-total // outer))

    def rows(self, h: int, w: int, others: int, pixel_work: int) -> tuple[int, int]:
        """(rows per tile, tiles along the rows) of a picture.

        others : tiles there are in other directions; pixel_work : what one of them does for a pixel, in
            elements
        """
        return self.ask(Tiles._rows, 2, h, w, others, pixel_work)

    def _rows(self, h: int, w: int, others: int, pixel_work: int) -> tuple[int, int]:
        work = h * w * pixel_work * others
        worth = work // SMALL + 1
        tiles = -(-self.enough(work, MOST_MOVED) // max(1, others))
        if self.share_rows(h, w):
            tiles = max(self.threads, tiles)
        return self.even_rows(h, min(tiles, worth))

    def share_rows(self, h: int, w: int) -> bool:
        """Whether threads divide the rows of a picture among themselves, else its channels: in all steps
        alike. Too few rows cannot be divided evenly."""
        return h >= self.threads and h * w >= LEAST_PART * self.threads

    def even_rows(self, h: int, tiles: int) -> tuple[int, int]:
        """(rows per tile, tiles) for about so many tiles. Where there are enough for all threads, the part of
        each ends where a tile ends, if that makes tiles at most twice as large or small."""
        tiles = max(1, min(h, tiles))
        rows = -(-h // tiles)
        if tiles >= self.threads > 1:
            part = -(-h // self.threads)
            whole = [k for k in range(-(-rows // 2), 2 * rows + 1) if part % k == 0]
            if whole:
                rows = min(whole, key=lambda k: max(k, rows) / min(k, rows))
        return rows, -(-h // rows)

    def sums(self, rows: int, terms: int) -> tuple[int, int]:
        """(rows per tile, tiles) of results that each take `terms` elements."""
        return self.ask(Tiles._sums, 2, rows, terms)

    def _sums(self, rows: int, terms: int) -> tuple[int, int]:
        tiles = max(1, min(rows, self.enough(rows * terms, MOST_MOVED), rows * terms // SMALL_SUMS))
        per = -(-rows // tiles)
        return per, -(-rows // per)

    def plane(self, rows: int, columns: int, terms: int) -> tuple[int, int, int]:
        """(rows per tile, columns per tile, tiles) of rows x columns results that each take `terms` elements:
        along the rows, and where these are few, along the columns too, in steps of whole cache lines."""
        return self.ask(Tiles._plane, 3, rows, columns, terms)

    def _plane(self, rows: int, columns: int, terms: int) -> tuple[int, int, int]:
        per, tiles = self.sums(rows, columns * terms)
        wanted = self.enough(rows * columns * terms, MOST_MOVED)
        more = max(1, min(-(-wanted // tiles), per * columns * terms // SMALL_SUMS))
        wide = columns if more == 1 else -(-columns // more // LINE) * LINE
        return per, wide, tiles * -(-columns // wide)


def spread(dims, *strides):
    """Give a long innermost axis whose outer axes are few a second axis, so that there are tiles."""
    n = dims[-1]
    if prod(dims[:-1]) >= 16 or n < 2 * SMALL or dims[0] != 1:
        return dims, strides
    inner = next((n // k for k in range(-(-n // SMALL), -(-8 * n // SMALL)) if n % k == 0), 0)
    if not inner:
        return dims, strides
    dims = [*dims[1:-1], n // inner, inner]
    return dims, [[*s[1:-1], s[-1] * inner, s[-1]] for s in strides]

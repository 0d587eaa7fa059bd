"""The routines that a session keeps: for the sizes that were met, and for the parts and bodies behind them."""
from __future__ import annotations

import threading
import weakref

from ..errors import Error
from .pool import Pool
from .routine import Routine

# What they take in all, weights and workspaces aside: about 30 of a network of 60 steps. The least recently used
# goes first; pinned ones stay, and what the run that asks has used for each graph of late.
KEPT_BYTES = 4 << 20


class Kept:
    """Key -> routine; each knows when it was `used` last, in uses of any. A key begins with the routine that its own
    one follows, if any.

    forget : method that is called when routines were forgotten by `trim` or `close`, to forget what is theirs
    """

    def __init__(self, pool: Pool, forget):
        self.routines: dict = {}
        self.pinned: set = set()
        self.uses = 0
        self._pool = pool
        self._forget = weakref.WeakMethod(forget)       # no ring: what is let go of is gone at once
        self.making = threading.RLock()         # again by the handler of a signal, in the same thread
        self._is_planning = self._is_trimmed = False    # while it is held; to trim behind the plan

    def __len__(self) -> int:
        return len(self.routines)

    def renew_lock(self) -> None:
        self.making = threading.RLock()
        self._is_planning = False

    def get(self, key) -> Routine | None:
        routine = self.routines.get(key)
        if routine is not None:
            routine.used = self.uses = self.uses + 1
        return routine

    def find(self, key, make, pin: bool = False, in_use=()) -> Routine:
        """The routine of a key. make : function that makes it, unless it is kept; in_use : keys of such as stay,
        as do those that they follow"""
        if not pin and (routine := self.get(key)) is not None:
            return routine
        with self.making:
            self._refuse_closed()
            routine = self.routines.get(key)
            if routine is None:
                if self._is_planning:
                    raise Error("the handler of a signal cannot have a plan made while one is being made")
                self._is_planning = True
                try:
                    routine = make()
                finally:
                    self._is_planning = False
                    self._settle()
                self._refuse_closed()
            if pin:
                self.pinned.add(key)
            routine.used = self.uses = self.uses + 1
            self.routines[key] = routine
            self._drop((key, *in_use))
        return routine

    def _refuse_closed(self) -> None:
        if self._pool.closed:
            self._pool.refuse_closed()

    def _drop(self, in_use) -> None:
        taken = sum(routine.kept_bytes for routine in list(self.routines.values()))
        if taken <= KEPT_BYTES:
            return
        stay = self.pinned.union(*map(self._line, in_use))
        for old, _ in sorted(list(self.routines.items()), key=lambda item: item[1].used):
            if taken <= KEPT_BYTES:
                break
            if old not in stay:
                taken -= self.drop(old)

    def _line(self, key) -> set:
        """The keys of a routine and of those that it follows."""
        found = {key}
        while isinstance(key[0], Routine):
            key = next((k for k, routine in list(self.routines.items()) if routine is key[0]), ("",))
            found.add(key)
        return found

    def drop(self, key) -> int:
        """Drop a routine and those behind it; how many bytes that were."""
        gone = self.routines.pop(key, None)
        if gone is None:
            return 0
        return gone.kept_bytes + sum(self.drop(k) for k in list(self.routines) if k[0] is gone)

    def trim(self) -> None:
        """Drop all that are not pinned."""
        with self.making:
            self._is_trimmed = True
            self._settle()

    def close(self) -> None:
        """Drop all; the pool is closed."""
        with self.making:
            self._settle()

    def _settle(self) -> None:
        """What `trim` and `close` drop, but not while a plan is being made: a handler of a signal may ask in the
        middle of that."""
        if self._is_planning:
            return
        if self._pool.closed:
            self.routines = {}
        elif self._is_trimmed:
            self.routines = {key: routine for key, routine in list(self.routines.items()) if key in self.pinned}
        else:
            return
        self._is_trimmed = False
        if (forget := self._forget()) is not None:
            forget()

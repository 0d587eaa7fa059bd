"""The memory of runs: one pool of workspaces for all plans of a session."""
from __future__ import annotations

import threading
import time

from .. import _ops
from ..errors import Error
from ..threads import MOST
from .control import CANCELLED, cancelled

LATELY_RUNS, LATELY_SECONDS = 8, 0.2
ROOM_TO_GROW = 8                # a part of what was asked for, where it was more than before


class Pool:
    """Workspaces that are taken for a run and given back.

    The last one given back is the next one taken, as its memory is in cache; where a plan needs a larger one
    it is freed, and one made in its place: so what is kept is as large as the largest plan needs, not the sum
    of all. A little larger, since sizes that grow will go on to, and fresh memory costs more than the room:
    its pages come from the system as they are touched, not before. There are as many as runs at once have
    used lately: one that the last LATELY_RUNS runs and LATELY_SECONDS did without is freed after the next
    run.

    No lock on the way of a run: `list.pop` and `append`, `set.add` and `discard` are atomic.
    """
    threads = MOST                              # of a run: as many as its plan has

    def __init__(self):
        self.free: list = []                    # last given back, last
        self.busy: set = set()
        self.runs = self.cancels = 0
        self.closing = self.closed = False      # no more runs; those under way are over too
        self._courses = 0                       # runs under way that may ask for more plans
        self._counting = threading.RLock()      # again by the handler of a signal, in the same thread
        self._shedding = threading.Lock()
        self._new = _ops.executor().Workspace

    def renew_lock(self) -> None:
        self._shedding = threading.Lock()
        self._counting = threading.RLock()

    def take(self, size: int, watched: bool, deadline_ns: int, cancels: int):
        """A workspace of at least so many bytes, ready for a run that began when `cancels` was this."""
        try:
            workspace = self.free.pop()
            if workspace.size < size:
                workspace = None                # freed first, so that there are never both
                workspace = self._new(size + size // ROOM_TO_GROW)
        except IndexError:
            workspace = self._new(size)
        workspace.begin(watched, deadline_ns)
        self.busy.add(workspace)
        if self.closed or self.cancels != cancels:      # looked at last: cancel() stops what is in `busy`
            self.give_back(workspace)
            if self.cancels == cancels:
                self.refuse_closed()
            raise cancelled(CANCELLED)
        return workspace

    def give_back(self, workspace) -> None:
        self.busy.discard(workspace)
        self.runs = workspace.used = self.runs + 1
        now = workspace.left = time.monotonic()
        self.free.append(workspace)
        if len(self.free) > 1 or self.closed:
            self._shed(now)

    def _shed(self, now: float) -> None:
        """Free what no run needed lately."""
        if self.closed:
            self.free.clear()
        if not self._shedding.acquire(blocking=False):
            return              # another thread is at it, or this one, below the handler of a signal
        try:
            while len(self.free) > 1:
                try:
                    oldest = self.free.pop(0)
                except IndexError:
                    return
                if self.runs - oldest.used < LATELY_RUNS or now - oldest.left < LATELY_SECONDS:
                    self.free.insert(0, oldest)
                    return
        finally:
            self._shedding.release()

    def cancel(self) -> None:
        """End all runs under way."""
        self.cancels += 1
        for workspace in list(self.busy):
            workspace.cancel()

    def trim(self) -> int:
        """Free what is not in use; how many bytes that were."""
        freed = 0
        while self.free:
            try:
                freed += self.free.pop().size
            except IndexError:
                break
        return freed

    def begin_course(self) -> None:
        """A run begins that asks for plans on its way; a session that is closed meanwhile waits for its end."""
        with self._counting:
            self.refuse_closed()
            self._courses += 1

    def end_course(self) -> bool:
        """Whether a session that is closed waited for this one alone."""
        with self._counting:
            self._courses -= 1
            return self.closing and not self._courses

    def begin_closing(self) -> bool:
        """No more runs. Whether none is under way that may ask for more plans."""
        with self._counting:
            self.closing = True
            return not self._courses

    def close(self) -> None:
        """No more plans; what of runs is under way comes to its end."""
        self.closed = self.closing = True
        self.trim()

    def refuse_closed(self) -> None:
        if self.closing:
            raise Error("this session is closed; load the model again")


class Stop:
    """Ends some runs of a session alone, from any thread. For them it stands before the session's pool.

    threads : that each of these runs has at most, whatever its plan was made for: several at once share the CPUs"""

    def __init__(self, threads: int = MOST):
        self.is_set, self.threads = False, threads
        self._pool: Pool | None = None
        self._busy: set = set()
        self._lock = threading.Lock()           # a workspace that is given back may be another run's at once

    def on(self, pool: Pool) -> Stop:
        """Itself, as what a run takes its workspace from and gives it back to. pool : always the same session's"""
        self._pool = pool
        return self

    @property
    def cancels(self) -> int:
        return self._pool.cancels

    def take(self, size: int, watched: bool, deadline_ns: int, cancels: int):
        workspace = self._pool.take(size, watched, deadline_ns, cancels)
        with self._lock:
            self._busy.add(workspace)
        if self.is_set:                         # looked at last: end() stops what is in `_busy`
            self.give_back(workspace)
            raise cancelled(CANCELLED)
        return workspace

    def give_back(self, workspace) -> None:
        with self._lock:
            self._busy.discard(workspace)
        self._pool.give_back(workspace)

    def end(self) -> None:
        """End the runs, which raise Cancelled, and so do later ones."""
        self.is_set = True
        with self._lock:
            for workspace in self._busy:
                workspace.cancel()

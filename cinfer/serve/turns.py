"""Requests take turns at the CPUs: as many at once as a run may have threads, and these share the threads."""
from __future__ import annotations

import threading
import time
from collections import deque
from contextlib import contextmanager

from ..run.pool import Stop
from .replies import Refused


class Turns:
    """threads : of all runs together. One request alone has all of them, two at once half of them each, and so on: runs
    of one thread never wait for each other, so that is what answers the most requests a second. What comes out is the
    same to the bit."""

    def __init__(self, threads: int):
        self.threads, self.busy = threads, 0
        self._queue: deque[threading.Event] = deque()   # first come, first served: with a semaphore some starve
        self._lock = threading.Lock()

    @property
    def waiting(self) -> int:
        return len(self._queue)

    @contextmanager
    def turn(self, deadline: float, gone=lambda: False):
        """A block of work; within it `share` gives what a run may have.

        deadline : time.monotonic() by which it has to begin; gone : function that says whether nobody seems to wait for
            it any more: then it is left out where it has waited, else who gives up and asks again keeps the others
            waiting
        Raises Refused (503) where it cannot begin.
        """
        left_of(deadline)
        with self._lock:
            mine = threading.Event() if self.busy >= self.threads else None
            if mine is None:
                self.busy += 1
            else:
                self._queue.append(mine)
        if mine is not None:
            mine.wait(max(0, deadline - time.monotonic()))
            with self._lock:
                if not mine.is_set():
                    self._queue.remove(mine)
                    raise too_late()
        try:
            if mine is not None and gone():
                raise Refused(503, "the client went away before its request's turn came", (("Retry-After", "1"),))
            yield
        finally:
            with self._lock:
                if self._queue:
                    self._queue.popleft().set()         # who ends hands the turn over
                else:
                    self.busy -= 1

    def share(self) -> Stop:
        return Stop(max(1, self.threads // max(1, self.busy)))


def left_of(deadline: float) -> float:
    """Seconds; Refused (503) where there are none."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise too_late()
    return left


def too_late() -> Refused:
    return Refused(503, "the server is busy: the request's time was over before its turn came; send it again later",
                   (("Retry-After", "1"),))

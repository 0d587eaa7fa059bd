"""The file of SessionOptions.enable_profiling: loading, and each run, for chrome://tracing."""
from __future__ import annotations

import json
import os
import threading
import time

MOST_EVENTS = 1_000_000


class Profile:
    """start_ns : on the clock of time.monotonic_ns"""

    def __init__(self, prefix: str):
        now = time.time()
        self.start_ns = time.monotonic_ns()
        stamp = time.strftime("%Y-%m-%d_%H-%M-%S", time.localtime(now))
        self.path = f"{prefix}_{stamp}_{int(now * 1000) % 1000:03}.json"
        self._events: list[dict] = []

    def add(self, name: str, began_ns: int, **args) -> None:
        """Something is over that began then."""
        if len(self._events) < MOST_EVENTS:
            self._events.append({"cat": "Session", "pid": os.getpid(), "tid": threading.get_native_id(),
                                 "dur": (time.monotonic_ns() - began_ns) // 1000,
                                 "ts": (began_ns - self.start_ns) // 1000, "ph": "X", "name": name,
                                 "args": args})

    def write(self) -> str:
        """The path of the file, which is written now."""
        with open(self.path, "w", encoding="utf-8") as file:
            json.dump(self._events, file)
        return self.path

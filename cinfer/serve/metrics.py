"""What Prometheus asks for, in its text format 0.0.4
(https://prometheus.io/docs/instrumenting/exposition_formats/)."""
from __future__ import annotations

import os
import threading
import time
from collections import Counter

KIND = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS = .005, .01, .025, .05, .1, .25, .5, 1.0, 2.5, 5.0, 10.0, 30.0       # seconds


class Metrics:
    """Counted by threads of requests. Routes are of a fixed list, so that no client makes this grow."""

    def __init__(self):
        self._lock = threading.Lock()
        self._requests: Counter = Counter()             # (route, status)
        self._within: dict[str, list[int]] = {}         # route -> how many took no longer than each bucket
        self._seconds: Counter = Counter()              # route
        self._started = time.time()

    def add(self, route: str, status: int, seconds: float) -> None:
        with self._lock:
            self._requests[route, status] += 1
            self._seconds[route] += seconds
            within = self._within.setdefault(route, [0] * (len(BUCKETS) + 1))
            within[next((i for i, bound in enumerate(BUCKETS) if seconds <= bound), len(BUCKETS))] += 1

    def text(self, models, turns) -> str:
        """models : their names; turns : Turns"""
        with self._lock:
            requests = sorted(self._requests.items())
            within = {route: list(counts) for route, counts in sorted(self._within.items())}
            seconds = dict(self._seconds)
        errors = Counter()
        for (route, status), count in requests:
            errors[route] += count if status >= 400 else 0
        lines = head("cinfer_requests_total", "counter", "Requests that were answered, by path and status.")
        lines += [f'cinfer_requests_total{{route="{route}",status="{status}"}} {count}'
                  for (route, status), count in requests]
        lines += head("cinfer_errors_total", "counter", "Those that were answered by an error, status 400 or more.")
        lines += [f'cinfer_errors_total{{route="{route}"}} {count}' for route, count in sorted(errors.items())]
        lines += head("cinfer_request_seconds", "histogram", "From the whole request to its answer, waiting included.")
        for route, counts in within.items():
            total = 0
            for bound, count in zip((*BUCKETS, "+Inf"), counts):
                total += count
                lines.append(f'cinfer_request_seconds_bucket{{route="{route}",le="{bound}"}} {total}')
            lines += [f'cinfer_request_seconds_sum{{route="{route}"}} {seconds[route]:.6f}',
                      f'cinfer_request_seconds_count{{route="{route}"}} {total}']
        for name, value, text in (
                ("cinfer_models", len(models), "Models that are served."),
                ("cinfer_threads", turns.threads, "Threads that all runs share."),
                ("cinfer_requests_running", turns.busy, "Requests at work."),
                ("cinfer_requests_waiting", turns.waiting, "Requests that wait for their turn."),
                ("process_resident_memory_bytes", resident(), "Resident memory size in bytes."),
                ("process_start_time_seconds", round(self._started, 3), "When the server started, seconds of 1970.")):
            lines += [*head(name, "gauge", text), f"{name} {value}"]
        return "\n".join(lines) + "\n"


def head(name: str, kind: str, text: str) -> list[str]:
    return [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]


def resident() -> int:
    """Bytes of this process in memory; 0 where the system does not say."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0

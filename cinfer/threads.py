"""How many threads this process may really use: by its CPUs and its container, or what the user says.

Counted when a model is loaded, in the thread that loads it. The threads of runs inherit the CPUs of the
thread that leads them, so its own affinity counts: a worker bound to one CPU gets one thread. Not so where
OpenMP binds threads (BINDING): there a thread is bound as one of a team, by whichever library has run first,
and all the CPUs of the process's threads together count.
"""
from __future__ import annotations

import os
from math import ceil

from .errors import InputError, shown, whole
from .metadata import is_decimal

MOST = 256
BINDING = "OMP_PROC_BIND", "OMP_PLACES", "GOMP_CPU_AFFINITY", "KMP_AFFINITY"


def default_threads() -> tuple[int, str]:
    """(threads, why). CINFER_THREADS, else OMP_NUM_THREADS, else affinity and cgroup quota."""
    for variable in ("CINFER_THREADS", "OMP_NUM_THREADS"):
        text = os.environ.get(variable, "").split(",")[0].strip()
        if text:
            if not is_decimal(text, 9) or not 1 <= int(text) <= MOST:
                raise InputError(f"{variable}={text}: the number of threads is 1 to {MOST}")
            return int(text), variable
    cpus = cpus_of_threads()
    quota = cgroup_cpus()
    if quota is not None and quota < cpus:
        return max(1, ceil(quota)), f"cgroup quota of {quota:g} CPUs"
    return min(cpus, MOST), f"{cpus} CPU{'s' * (cpus != 1)} this process may run on"


def cpus_of_threads() -> int:
    """CPUs on which the threads of a run would be."""
    if not hasattr(os, "sched_getaffinity"):
        return os.cpu_count() or 1
    if all(os.environ.get(name, "false").lower() == "false" for name in BINDING):
        return len(os.sched_getaffinity(0))
    together: set[int] = set()
    try:
        threads = os.listdir("/proc/self/task")
    except OSError:
        threads = ["0"]
    for thread in threads:
        try:
            together |= os.sched_getaffinity(int(thread))
        except OSError:                                 # it has ended meanwhile
            pass
    from . import _ops
    bound = _ops.executor().bound_cpus()                # libgomp may have been loaded by a bound thread
    return min(len(together), bound) if bound else len(together)


def checked(threads: int | None) -> int:
    """The number of threads to use; InputError for a bad one."""
    if threads is None:
        return default_threads()[0]
    number = whole(threads)
    if number is None or not 1 <= number <= MOST:
        raise InputError(f"threads={shown(threads)}: the number of threads is an int from 1 to {MOST}")
    return number


def cgroup_cpus(root: str = "/sys/fs/cgroup", own: str = "/proc/self/cgroup") -> float | None:
    """CPUs' worth of time that the control groups (v2, else v1) of this process allow; None: no limit."""
    try:
        with open(own) as f:
            groups = [line.rstrip("\n").split(":", 2) for line in f]
    except OSError:
        return None
    least = None
    for _, controllers, path in (g for g in groups if len(g) == 3):
        if controllers == "":
            tops, read = [root], _quota_v2
        elif "cpu" in controllers.split(","):
            tops, read = [f"{root}/cpu", f"{root}/{controllers}"], _quota_v1
        else:
            continue
        for top in tops:
            parts = [p for p in path.split("/") if p and p != ".."]
            for depth in range(len(parts), -1, -1):             # a parent's limit holds for its children
                quota = read("/".join([top, *parts[:depth]]))
                if quota is not None and (least is None or quota < least):
                    least = quota
    return least


def _quota_v2(folder: str) -> float | None:
    quota, _, period = _read(f"{folder}/cpu.max").partition(" ")
    return int(quota) / int(period) if quota.isdecimal() and period.isdecimal() and int(period) else None


def _quota_v1(folder: str) -> float | None:
    quota, period = _read(f"{folder}/cpu.cfs_quota_us"), _read(f"{folder}/cpu.cfs_period_us")
    return int(quota) / int(period) if quota.isdecimal() and period.isdecimal() and int(period) else None


def _read(path: str) -> str:
    try:
        with open(path) as f:
            return f.read().strip()
    except OSError:
        return ""

"""Compiled code: the kernels of each ISA level and the executor. The level is chosen when first asked for."""
from __future__ import annotations

import os
from importlib.util import find_spec, module_from_spec

from ..errors import Error, InputError
from ..imports import LOCK, imported

LEVELS = ("baseline", "sse41", "neon", "dotprod", "i8mm", "bf16", "avx2", "avxvnni", "avx512", "avx512vnni",
          "avx512bf16", "amx")                                              # weakest first
# Levels that have some kernels of their own, and all others of the level that they add to.
ADDS_TO = {"dotprod": "neon", "i8mm": "neon", "bf16": "i8mm", "sse41": "baseline", "avxvnni": "avx2",
           "avx512vnni": "avx512", "avx512bf16": "avx512vnni", "amx": "avx512vnni"}
_tables: dict = {}
_module = None


def executor():
    """The executor module.

    libgomp reads its settings once, when it is loaded: its idle threads would spin for milliseconds after
    every run, so the spin is cut short here, unless the user has asked for another or libgomp is there
    already. Where OMP_PROC_BIND or the like is set, it binds the thread that loads it: that is the host
    program's, and gets its CPUs back. Before a fork its threads are given back: a child that inherited them
    would wait for ever in its first run.
    """
    global _module
    if _module is None:
        with LOCK:
            if _module is None:
                _module = _load()
    return _module


def _load():
    short = "GOMP_SPINCOUNT" not in os.environ and "OMP_WAIT_POLICY" not in os.environ
    if short:
        os.environ["GOMP_SPINCOUNT"] = "2000"
    cpus = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    try:
        spec = find_spec("cinfer._ops.executor")
        if spec is None:
            raise Error(f"the compiled part of cinfer is not in {os.path.dirname(__file__)}; "
                        "'pip install -e .' builds it there, or work in another folder if it is installed")
        module = module_from_spec(spec)     # not imported: that would rebind the name of the function above
        spec.loader.exec_module(module)
    finally:
        if cpus is not None and os.sched_getaffinity(0) != cpus:
            os.sched_setaffinity(0, cpus)
        if short:
            del os.environ["GOMP_SPINCOUNT"]
    try:
        module.set_team(os.environ.get("CINFER_TEAM", ""))
    except ValueError as error:
        raise InputError(str(error)) from None
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=module.give_threads_back)
    return module


def built_levels() -> list[str]:
    """ISA levels whose kernels were built, weakest first."""
    return [n for n in LEVELS if all(find_spec(f"cinfer._ops._kernels_{each}") for each in added_up(n))]


def added_up(level: str) -> list[str]:
    """The levels whose kernels a level has, from the one that has all to the level itself."""
    found = [level]
    while found[0] in ADDS_TO:
        found.insert(0, ADDS_TO[found[0]])
    return found


def usable_levels() -> list[str]:
    """Built levels that this CPU and operating system can run, weakest first."""
    can_run = executor().can_run
    return [n for n in built_levels() if can_run(n)]


def table(level: str | None = None):
    """The kernels of a level; of the best usable one, or what CINFER_ISA says, when None.

    Raises InputError for a level that cannot be used here.
    """
    asked = level if level is not None else os.environ.get("CINFER_ISA") or None
    if asked in _tables:
        return _tables[asked]
    usable = usable_levels()
    if asked is not None and asked not in usable:
        raise InputError(f"ISA level {asked!r} cannot be used here; usable: {', '.join(usable)}")
    name = asked or usable[-1]
    kernels = [imported(f"cinfer._ops._kernels_{n}").table() for n in added_up(name)]
    _tables[asked] = _tables[name] = executor().Table(name, *kernels)
    return _tables[asked]

"""What ends a run before its end: a limit of time, `cancel()` of another thread, a signal such as Ctrl-C.

A run reads a stop word before each tile (_ops/control.h). One that may last, which is any but those of a
millisecond and those with a timeout, also looks at the clock between tiles, and every 5 ms lets the
interpreter run the handlers of signals; what these raise, run() raises. Between steps in NumPy the same is
looked at; one such step is never interrupted, except by what Python itself raises in it.
"""
from __future__ import annotations

import math
import time

from ..errors import Cancelled, InputError, LimitError, is_real, shown
from ..ops.facts import Fact

CANCELLED, TIMED_OUT, REFUSED = 1, 2, 4         # the words of _ops/control.h
MOST_SECONDS = 1e9


def deadline_ns(timeout) -> int:
    """The time on the clock of runs (CLOCK_MONOTONIC) that is so many seconds from now."""
    if not (is_real(timeout) and timeout > 0):
        raise InputError(f"timeout={shown(timeout)}: the time that a run may take is a number of seconds "
                         "above 0, or None for any time")
    return time.monotonic_ns() + int(float(min(timeout, MOST_SECONDS)) * 1e9)


def cancelled(why: int, timeout=None) -> Cancelled:
    """The error of a run that was ended early."""
    if why == TIMED_OUT:
        return Cancelled("timeout: the run took longer than it may" +
                         (f" ({timeout:g} s)" if timeout is not None else ""))
    return Cancelled("the run was cancelled")


def check_limit(plan, bytes_needed: int, most: int | None) -> None:
    """LimitError for a plan whose runs take more memory than they may; it names the largest values."""
    if most is None or bytes_needed <= most:
        return
    sizes = {name: math.prod(spec.shape) * spec.dtype.itemsize
             for name in {n for step in plan.steps if step.node is not None for n in step.node.outputs if n}
             if type(spec := plan.facts.get(name)) is Fact}
    largest = sorted(sizes, key=lambda n: (-sizes[n], n))[:3]
    shown = ", ".join(sized(n, plan.facts[n].shape, sizes[n]) for n in largest)
    raise LimitError(f"a run of these sizes needs {bytes_needed} bytes, max_memory is {most}; the largest "
                     f"values are {shown}")


def sized(name: str, shape, nbytes: int) -> str:
    """A value in a message about memory."""
    return f"{name!r} {'x'.join(map(str, shape)) or 'scalar'} ({nbytes} bytes)"

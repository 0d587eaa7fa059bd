"""cinfer bench MODEL: how fast a model loads and runs, and where the time goes."""
from __future__ import annotations

import math
import time

from ..errors import InputError, LimitError
from ..table import dims, in_units, table
from .parser import add_shape, add_threads, count, model_path, seconds, shapes_of
from .text import Progress, counted

WARM_UP_RUNS = 3
EPILOG = """Inputs are random numbers (zeros for integers wider than 8 bits). Times are of the whole call,
NumPy arrays in and out. The first runs are not counted.

  cinfer bench model.onnx
  cinfer bench model.onnx --threads 1 --profile
  cinfer bench model.onnx --shape 1x3x640x640"""


def declare(parser) -> None:
    parser.add_argument("model", metavar="MODEL", help="an ONNX file")
    add_shape(parser)
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--runs", type=count(1, 1_000_000), metavar="N", help="how many runs to measure")
    group.add_argument("--seconds", type=seconds, metavar="S",
                       help="how long to measure (default 2; at least 5 runs)")
    parser.add_argument("--profile", action="store_true", help="a table of the time of each step")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    add_threads(parser)


def run(arguments) -> int:
    path = model_path(arguments.model)

    from ..session import load         # before the clock starts: the model is measured, not the import
    start = time.perf_counter()
    session = load(path, threads=arguments.threads)
    load_ms = 1000 * (time.perf_counter() - start)
    shapes = input_shapes(session, shapes_of(arguments.shape, session))
    feeds = {port.name: made_up(port, shapes[port.name]) for port in session.inputs}
    start = time.perf_counter()
    session.run(None, feeds)
    first_ms = 1000 * (time.perf_counter() - start)
    times_ms = measure(session, feeds, arguments.runs, arguments.seconds or 2)
    profile = session.profile(feeds) if arguments.profile else None
    data = {
        "model": path, "isa": session.isa, "threads": session.threads,
        "shapes": {name: list(sizes) for name, sizes in shapes.items()}, "runs": len(times_ms),
        "min_ms": times_ms[0], "median_ms": percentile(times_ms, 50), "p99_ms": percentile(times_ms, 99),
        "load_ms": load_ms, "first_run_ms": first_ms,
        "planned_bytes": session.memory(shapes), "peak_bytes": peak_bytes(),
    }
    if arguments.json:
        import json
        print(json.dumps(data | ({"profile": profile_data(profile)} if profile else {}), indent=1))
    else:
        print("\n".join(lines(data) + (["", str(profile)] if profile else [])))
    return 0


def input_shapes(session, given: dict) -> dict[str, tuple[int, ...]]:
    """Sizes of each input: as given, else the model's; a free batch is 1, a free picture as its recipe."""
    shapes = {}
    for port in session.inputs:
        sizes = given.get(port.name) or port.shape
        if port.name not in given and sizes and not all(isinstance(d, int) for d in sizes):
            sizes = (sizes[0] if isinstance(sizes[0], int) else 1, *sizes[1:])
            sizes = of_recipe(session, port) or sizes
        if port.dtype is None or port.dtype.kind not in "fiub":
            raise InputError(f"input {port.name!r} takes {port.dtype or 'no tensor'}; "
                             "cinfer bench makes up numbers only")
        if sizes is None or not all(isinstance(d, int) for d in sizes):
            raise InputError(f"input {port.name!r} is {dims(port.shape)}: some sizes are free; "
                             f"say them with --shape {port.name}={likely(port.shape)}")
        shapes[port.name] = tuple(sizes)
    return shapes


def likely(shape) -> str:
    """Sizes that a network might take, for an example."""
    usual = (1, 3, 224, 224) if len(shape or ()) in (0, 4) else (1,) * len(shape)
    return "x".join(str(d if isinstance(d, int) else usual[axis]) for axis, d in enumerate(shape or usual))


def of_recipe(session, port) -> tuple[int, ...] | None:
    """The shape of a picture input by the model's recipe; None where that leaves the size to the picture."""
    from ..vision.reader import Reader
    try:
        recipe = Reader(session).recipe
    except InputError:
        return None
    if recipe.input != port.name or len(port.shape) != 4 or recipe.size.rule != "fixed":
        return None
    channels, sizes = {"GRAY": 1, "RGB+1": 4}.get(recipe.channels, 3), recipe.size.numbers
    return (1, channels, *sizes) if recipe.layout == "NCHW" else (1, *sizes, channels)


def made_up(port, sizes):
    """An input of random numbers. Wide integers may be indices, so they are zeros."""
    import numpy as np
    try:
        if port.dtype.kind == "f":
            return np.random.default_rng(0).standard_normal(sizes, np.float32).astype(port.dtype)
        if port.dtype.itemsize == 1 and port.dtype.kind in "iu":
            return np.random.default_rng(0).integers(0, 128, sizes, port.dtype)
        return np.zeros(sizes, port.dtype)
    except (MemoryError, ValueError):
        raise LimitError(f"--shape {port.name}={dims(sizes)}: that is more than the memory holds") from None


def measure(session, feeds, runs: int | None, limit_s: float) -> list[float]:
    """Sorted times of single runs in ms."""
    for _ in range(WARM_UP_RUNS if runs is None else 1):
        session.run(None, feeds)
    times_ms, end = [], time.perf_counter() + limit_s
    with Progress("run", runs) as progress:
        shown = 0.0
        while len(times_ms) < runs if runs else len(times_ms) < 5 or time.perf_counter() < end:
            start = time.perf_counter()
            session.run(None, feeds)
            now = time.perf_counter()
            times_ms.append(1000 * (now - start))
            if now - shown > 0.2:
                shown = now
                progress.show(len(times_ms))
    return sorted(times_ms)


def percentile(values: list[float], share: int) -> float:
    """The smallest value that so many per cent do not exceed (nearest rank). values : sorted"""
    return values[max(0, math.ceil(len(values) * share / 100) - 1)]


def peak_bytes() -> int:
    """The most memory this process has had so far (resident)."""
    import resource
    import sys
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def lines(data: dict) -> list[str]:
    feeds = ", ".join(f"{name} {dims(sizes)}" for name, sizes in data["shapes"].items())
    return table([
        ["model", f"{data['model']} ({feeds})"],
        ["runs on", f"{data['isa']}, {counted(data['threads'], 'thread')}"],
        ["latency", f"min {ms(data['min_ms'])}  median {ms(data['median_ms'])}  p99 {ms(data['p99_ms'])} ms "
                    f"({counted(data['runs'], 'run')})"],
        ["load", f"{ms(data['load_ms'])} ms, first run {ms(data['first_run_ms'])} ms"],
        ["memory", f"peak {in_units(data['peak_bytes'], 'B')} of the process, "
                   f"{in_units(data['planned_bytes'], 'B')} planned for a run"],
    ])


def ms(value: float) -> str:
    return f"{value:.3f}" if value < 10 else f"{value:.1f}"


def profile_data(profile) -> dict:
    names = ("operator", "node", "shape", "kernel", "ms", "gflops", "share_of_limit", "share")
    return {"steps": [{name: getattr(row, name) for name in names} for row in profile.rows],
            "other_ms": profile.other_ms, "total_ms": profile.total_ms}

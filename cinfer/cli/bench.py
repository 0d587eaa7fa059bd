"""cinfer bench MODEL: how fast a model loads and runs, and where the time goes."""
from __future__ import annotations

import math
import time

from ..table import dims, in_units, table
from .parser import add_precision, add_shape, add_threads, count, model_path, seconds, shape_flag, shapes_of
from .text import Progress, bf16_of, counted, say_precision

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
    add_precision(parser)


def run(arguments) -> int:
    path = model_path(arguments.model)

    from ..session import load         # before the clock starts: the model is measured, not the import
    from ..vision.inputs import input_shapes, made_up
    start = time.perf_counter()
    session = load(path, threads=arguments.threads, precision=arguments.precision)
    load_ms = 1000 * (time.perf_counter() - start)
    say_precision(session, arguments.precision)
    shapes = input_shapes(session, shapes_of(arguments.shape, session), shape_flag)
    feeds = {port.name: made_up(port, shapes[port.name]) for port in session.inputs}
    start = time.perf_counter()
    session.run(None, feeds)
    first_ms = 1000 * (time.perf_counter() - start)
    times_ms = measure(session, feeds, arguments.runs, arguments.seconds or 2)
    profile = session.profile(feeds) if arguments.profile else None
    data = {
        "model": path, "isa": session.isa, "precision": session.precision,
        "threads": session.threads,
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
        ["runs on", f"{data['isa']}{bf16_of(data)}, {counted(data['threads'], 'thread')}"],
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

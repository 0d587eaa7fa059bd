#!/usr/bin/env python3
"""Latency of cinfer beside onnxruntime, in turns within one process, one thread: best and median, ms.

    python tools/bench.py MODEL.onnx ... [--threads N] [--rounds N] [--rate N]

CPU time of the process for one thread, so that other work on the machine does not count; wall time for more.
With --rate, pictures come at so many a second, as from a camera: wall time, and the CPU time a picture costs,
idle threads included. Free sizes are 1 for the first axis and 224 for others. Needs onnxruntime.
"""
import argparse
import statistics
import sys
import time

import numpy as np
import onnxruntime

import cinfer
from cinfer.cli import complain
from cinfer.cli.parser import count

RUNS = 3                        # of an engine in a round


def engines(path, threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    ours = cinfer.load(path, threads=threads)
    try:
        theirs = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:                      # its exceptions have no base of their own
        raise cinfer.Error(f"{path}: onnxruntime: {error}") from None
    return ours, {"cinfer": ours.run, "onnxruntime": theirs.run}


def feeds_for(session, rng):
    shapes = {i.name: [d if isinstance(d, int) else 224 if axis else 1 for axis, d in enumerate(i.shape)]
              for i in session.inputs}
    return {i.name: rng.standard_normal(shapes[i.name]).astype(i.dtype) for i in session.inputs}


def settle():
    """Until idle threads of the engine before have stopped spinning."""
    for _ in range(100):
        before = time.process_time()
        time.sleep(0.02)
        if time.process_time() - before < 0.002:
            break


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", metavar="MODEL")
    parser.add_argument("--threads", type=count(1, 256), default=1)
    parser.add_argument("--rounds", type=count(1, 10**6), default=10)
    parser.add_argument("--rate", type=float, help="pictures a second; as fast as possible without")
    arguments = parser.parse_args()
    clock = time.process_time if arguments.threads == 1 and not arguments.rate else time.perf_counter
    cost = "  CPU ms a picture, cinfer and onnxruntime" if arguments.rate else ""
    print(f"{'model':28s} {'cinfer best/median':>20s} {'onnxruntime':>20s} {'ratio of best':>14s}{cost}")
    for path in arguments.models:
        session, runs = engines(path, arguments.threads)
        feeds = feeds_for(session, np.random.default_rng(0))
        seen, used = {name: [] for name in runs}, {name: [] for name in runs}
        for _ in range(arguments.rounds):
            for name, run in runs.items():
                if arguments.threads > 1:
                    settle()
                run(None, feeds)                # the caches are the other's
                before = time.process_time()
                for _ in range(RUNS):
                    if arguments.rate:
                        time.sleep(1 / arguments.rate)
                    start = clock()
                    run(None, feeds)
                    seen[name].append(1e3 * (clock() - start))
                used[name].append(1e3 * (time.process_time() - before) / RUNS)
        cells = [f"{min(t):.2f} / {statistics.median(t):.2f}" for t in seen.values()]
        ratio = min(seen["onnxruntime"]) / min(seen["cinfer"])
        cost = "".join(f"  {statistics.median(t):8.2f}" for t in used.values()) if arguments.rate else ""
        print(f"{path.rsplit('/', 1)[-1]:28s} {cells[0]:>20s} {cells[1]:>20s} {ratio:14.2f}{cost}",
              flush=True)


if __name__ == "__main__":
    try:
        main()
    except cinfer.Error as error:
        sys.exit(complain(error))

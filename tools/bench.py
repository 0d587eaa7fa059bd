#!/usr/bin/env python3
"""Latency of cinfer beside onnxruntime, in turns within one process, one thread: best and median, ms.

    python tools/bench.py MODEL.onnx ... [--threads N] [--rounds N]

CPU time of the process for one thread, so that other work on the machine does not count; wall time for more.
Free sizes are 1 for the first axis and 224 for others. Needs onnxruntime.
"""
import argparse
import statistics
import time

import numpy as np
import onnxruntime

import cinfer


def engines(path, threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    ours = cinfer.load(path, threads=threads)
    theirs = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return ours, {"cinfer": ours.run, "onnxruntime": theirs.run}


def feeds_for(session, rng):
    shapes = {i.name: [d if isinstance(d, int) else 224 if axis else 1 for axis, d in enumerate(i.shape)]
              for i in session.inputs}
    return {i.name: rng.standard_normal(shapes[i.name]).astype(i.dtype) for i in session.inputs}


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", metavar="MODEL")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=10)
    arguments = parser.parse_args()
    clock = time.process_time if arguments.threads == 1 else time.perf_counter
    print(f"{'model':28s} {'cinfer best/median':>20s} {'onnxruntime':>20s} {'ratio of best':>14s}")
    for path in arguments.models:
        session, runs = engines(path, arguments.threads)
        feeds = feeds_for(session, np.random.default_rng(0))
        seen = {name: [] for name in runs}
        for _ in range(arguments.rounds):
            for name, run in runs.items():
                run(None, feeds)                # the caches are the other's
                for _ in range(3):
                    start = clock()
                    run(None, feeds)
                    seen[name].append(1e3 * (clock() - start))
        cells = [f"{min(t):.2f} / {statistics.median(t):.2f}" for t in seen.values()]
        ratio = min(seen["onnxruntime"]) / min(seen["cinfer"])
        print(f"{path.rsplit('/', 1)[-1]:28s} {cells[0]:>20s} {cells[1]:>20s} {ratio:14.2f}")


if __name__ == "__main__":
    main()

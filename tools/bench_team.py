"""What each part of _ops/team.h brings: latency of a session on two or more threads with the part and
without.

  python tools/bench_team.py MODEL [--threads 2] [--seconds 2] [--rounds 5]

Three situations: alone, one run after the other; beside one busy process; at a camera's pace, a run every
33 ms. In each, all parts and all but one take turns, so that what else happens on the machine meets all of
them. Printed are the median over the rounds of a round's median and of its 90th percentile, in ms, and the
median ratio of a round without the part to the same round with all of them: above 1 the part pays.
"""
import argparse
import subprocess
import sys
import time

import numpy as np

import cinfer
from cinfer import _ops
from cinfer.cli import complain
from cinfer.cli.parser import count

VARIANTS = ["", "-crowd", "-spread", "-crowd,-spread"]
SETTLE = 0.3                            # seconds of each turn that do not count: runs learn


def latencies(session, feeds, seconds, gap):
    """Milliseconds of single runs."""
    found, begun = [], time.perf_counter()
    while (now := time.perf_counter()) < begun + SETTLE + seconds:
        session.run(None, feeds)
        took = time.perf_counter() - now
        if now > begun + SETTLE:
            found.append(1000 * took)
        if gap:
            time.sleep(max(0, gap - took))
    return found


def situation(name, session, feeds, arguments, gap=0.0):
    seen = {variant: [] for variant in VARIANTS}
    for number in range(arguments.rounds):
        for variant in VARIANTS[number % len(VARIANTS):] + VARIANTS[:number % len(VARIANTS)]:
            _ops.executor().set_team(variant)
            ms = latencies(session, feeds, arguments.seconds, gap)
            seen[variant].append((np.median(ms), np.percentile(ms, 90)))
    print(f"{name}:")
    for variant, rounds in seen.items():
        median, p90 = np.median(rounds, axis=0)
        ratio = np.median(np.array(rounds) / np.array(seen[""]), axis=0)
        print(f"  {variant or 'all parts':22} median {median:8.3f}  p90 {p90:8.3f}   "
              f"against all: {ratio[0]:5.2f} {ratio[1]:5.2f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--threads", type=count(1, 256), default=2)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--rounds", type=count(1, 10**6), default=5)
    arguments = parser.parse_args()
    session = cinfer.load(arguments.model, threads=arguments.threads)
    feeds = {p.name: np.ones([d if isinstance(d, int) else 1 for d in p.shape], p.dtype)
             for p in session.inputs}
    session.run(None, feeds)
    situation("alone", session, feeds, arguments)
    situation("at a camera's pace", session, feeds, arguments, gap=1 / 30)
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        situation("beside a busy process", session, feeds, arguments)
    finally:
        busy.kill()


if __name__ == "__main__":
    try:
        main()
    except cinfer.Error as error:
        sys.exit(complain(error))

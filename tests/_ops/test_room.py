"""Where no more threads can be made, a run has those that there are; the process is never ended."""
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import cinfer
from cinfer import _ops

# Users other than root are limited by RLIMIT_NPROC: in a process of its own, as nobody where we are root.
LIMITED = """
    import os, resource, sys, threading, time
    import numpy as np
    import cinfer
    from cinfer import _ops
    session = cinfer.load(sys.argv[1], threads=4)
    x = np.random.default_rng(0).standard_normal((1, 3, 96, 96), np.float32)
    alone = cinfer.load(sys.argv[1], threads=1)
    want = alone(x).tobytes()
    e = _ops.executor()

    def limit(n):
        resource.setrlimit(resource.RLIMIT_NPROC, (n, resource.getrlimit(resource.RLIMIT_NPROC)[1]))

    def run():
        assert session(x).tobytes() == want
        return len(os.listdir("/proc/self/task"))
    if os.getuid() == 0:
        os.setgid(65534); os.setuid(4_000_000 + os.getpid())    # a user without other processes
    e.give_threads_back()                       # those that have packed the weights
    limit(1)
    assert e.more_threads(3) == 0
    print(*[run() for _ in range(3)])
    limit(3)                                    # itself, one more, one to spare
    assert e.more_threads(3) == 2
    time.sleep(1.1)
    print(*[run() for _ in range(3)])
    limit(10)
    time.sleep(1.1)
    print(*[run() for _ in range(3)])
    limit(1)                                    # they are there already
    print(*[run() for _ in range(3)])
    # as before a fork
    e.give_threads_back()
    print(*[run() for _ in range(3)])
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="RLIMIT_NPROC counts threads on Linux")
def test_runs_on_the_threads_that_there_are(tmp_path):
    from onnx_models import Model
    m = Model(seed=1)
    path = tmp_path / "m.onnx"
    path.write_bytes(m.outputs(m.Relu(m.conv(m.input("x", 1, 3, 96, 96), 3, 32, 3))).bytes())
    tmp_path.chmod(0o755), path.chmod(0o644)
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(LIMITED), str(path)], text=True,
                          capture_output=True, timeout=60,
                          env={**os.environ, "OPENBLAS_NUM_THREADS": "1",
                               "PYTHONPATH": str(Path(cinfer.__file__).parents[1])})
    assert done.returncode == 0, done.stderr
    seen = [list(map(int, line.split())) for line in done.stdout.splitlines()]
    assert seen[0] == seen[4] == [1, 1, 1] and set(seen[1]) <= {1, 2}, seen
    assert all(1 <= n <= 4 for n in seen[2] + seen[3]), seen        # as many as other processes leave


def test_as_many_as_asked_for_where_nothing_limits_them():
    before = len(os.listdir("/proc/self/task")) if os.path.exists("/proc/self/task") else None
    for n in (1, 5, 20):
        assert _ops.executor().more_threads(n) == n
    if before is not None:
        assert len(os.listdir("/proc/self/task")) == before

"""Ctrl-C at the program: status 130, no traceback, in good time."""
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image

import cinfer

from models import heeding_ctrl_c, long_network, steps_in_numpy


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("program")
    (folder / "long.onnx").write_bytes(long_network())
    (folder / "numpy.onnx").write_bytes(steps_in_numpy(n=2000))
    Image.new("RGB", (20, 10), (255, 0, 0)).save(folder / "red.png")
    return folder


@contextmanager
def started(arguments: list, **options):
    """Python in a process of its own, which ends with the test."""
    with subprocess.Popen([sys.executable, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          preexec_fn=heeding_ctrl_c, **options) as p:
        try:
            yield p
        finally:
            p.kill()


@pytest.mark.skipif(not os.path.exists("/proc/self/maps"), reason="Linux")
@pytest.mark.parametrize("after", [0, 0.7])
@pytest.mark.parametrize("arguments", [("run", "long.onnx", "red.png"),
                                       ("run", "long.onnx", "red.png", "red.png"), ("bench", "long.onnx"),
                                       ("bench", "numpy.onnx", "--threads", "1")],
                         ids=" ".join)
def test_ctrl_c(files, arguments, after):
    environment = {**os.environ, "PYTHONPATH": str(Path(cinfer.__file__).parents[1])}
    with started(["-m", "cinfer", *arguments], cwd=files, env=environment) as p:
        while "_ops/executor" not in Path(f"/proc/{p.pid}/maps").read_text():     # a system at work starts slowly
            time.sleep(0.01)
        time.sleep(after)
        assert p.poll() is None
        p.send_signal(signal.SIGINT)
        began = time.monotonic()
        out, err = p.communicate(timeout=30)
        assert (p.returncode, out, err) == (130, "", "")
        assert time.monotonic() - began < 2


STUBBORN = """
import sys, time
from cinfer import __main__ as program, cli

class Freed:
    def __del__(self):
        print("freeing", flush=True)
        time.sleep(20)

def work(argv=None):
    freed = Freed()
    del freed
    time.sleep(20)

cli.main = work
sys.exit(program.main())
"""


@pytest.mark.skipif(os.name != "posix", reason="timers of signals")
def test_ctrl_c_that_python_drops_comes_again():
    environment = {**os.environ, "PYTHONPATH": str(Path(cinfer.__file__).parents[1])}
    with started(["-c", STUBBORN], env=environment) as p:
        assert p.stdout.readline() == "freeing\n"
        p.send_signal(signal.SIGINT)
        _, err = p.communicate(timeout=15)
    assert p.returncode == 130 and "KeyboardInterrupt" in err       # of the one that was dropped

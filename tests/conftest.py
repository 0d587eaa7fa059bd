"""Shared by the tests: where the reference data lies beside a checkout, if it does; what is drawn is drawn again."""
import importlib.util
import signal
import sys
from pathlib import Path
from zlib import crc32

import hypothesis
import numpy as np
import pytest

# tests/onnxruntime must not be taken for the package where that is not installed
if (found := importlib.util.find_spec("onnxruntime")) is None or found.origin is None:
    sys.modules["onnxruntime"] = None
# A shell starts what runs in its background (`nohup .ci/run &`) without Ctrl-C, which tests send to what they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
# What passed passes again; `pytest --hypothesis-profile=default` searches further each time.
hypothesis.settings.register_profile("same", derandomize=True, database=None, deadline=None)
hypothesis.settings.load_profile("same")
SHARED = Path(__file__).resolve().parents[2] / "shared"


def shared(name: str) -> Path:
    """The path of a file or folder of the reference data; skips the test where that data is not there."""
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"reference data {name} is not beside this checkout")
    return path


def pytest_runtest_setup(item):
    """A test draws the same numbers, whatever ran before it and whichever levels this machine has."""
    for module in {sys.modules.get("windows", item.module), item.module}:
        for rng in vars(module).values():
            if isinstance(rng, np.random.Generator):
                rng.bit_generator.state = type(rng.bit_generator)(crc32(item.nodeid.encode())).state

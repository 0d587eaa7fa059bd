"""Published programs that use onnxruntime, unchanged: the same answers. Each is installed into an environment
of its own, which takes minutes and a package registry: only `pytest -m programs` runs these."""
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import SHARED, shared

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = sorted(path.stem.removeprefix("program_") for path in (SHARED / "programs").glob("program_*.py"))


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("programs")


@pytest.mark.programs
@pytest.mark.timeout(0)
@pytest.mark.parametrize("name", SCRIPTS or ["none"])
def test_a_program_gives_the_same_answer(name, cache):
    """How fast it is, is said, but not held against it: a machine under test has other work."""
    check = shared("programs/check.py")
    done = subprocess.run([sys.executable, check, name, "--cinfer", ROOT, "--cache", cache],
                          capture_output=True, text=True)
    told = next((line for line in done.stdout.splitlines() if line.startswith(f"{name} ")),
                done.stdout + done.stderr)
    print(told)
    assert told.split(None, 1)[1].startswith("the same")

"""The program as a user types it, in this process or in one of its own; the tests here import it."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "data"


@pytest.fixture
def cinfer(capfd, monkeypatch):
    """cinfer("run", model, picture) -> status, out, err; in this process, because starting one takes long."""
    monkeypatch.setattr(
        sys, "stdout", os.fdopen(os.dup(1), "w")
    )  # as real as a user's: it can be a closed pipe
    monkeypatch.setattr(sys, "stderr", os.fdopen(os.dup(2), "w", buffering=1))

    def run(*arguments):
        from cinfer.cli import main

        status = main([str(a) for a in arguments])
        sys.stdout.flush()
        out, err = capfd.readouterr()
        return SimpleNamespace(
            status=status, out=out, err=err, lines=out.splitlines(), errors=err.splitlines()
        )

    return run


def start(*arguments, path=(), **options):
    """The program in a process of its own. path : folders where Python looks first"""
    looked = [*map(str, path), str(ROOT), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(looked)}
    command = [sys.executable, "-m", "cinfer", *map(str, arguments)]
    options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    return subprocess.Popen(command, env=environment, **options)


@pytest.fixture
def red(tmp_path):
    """A red picture of 6x4 pixels."""
    path = tmp_path / "red.png"
    Image.new("RGB", (6, 4), (255, 0, 0)).save(path)
    return path

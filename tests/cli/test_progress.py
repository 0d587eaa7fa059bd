"""The line that says how far the work is, where a person sees it."""

import io
import re

import pytest
from program import cinfer, red  # noqa: F401 (fixtures)
from small_models import classifier

from cinfer.cli import text


class Terminal(io.StringIO):
    def isatty(self):
        return True


def a_terminal(monkeypatch):
    """What is written on stderr, a terminal, when half a second passes between any two looks at the clock. Called in
    the test itself: pytest's own stderr comes between fixtures and tests."""
    made, clock = Terminal(), iter(range(10**6))
    monkeypatch.setattr("sys.stderr", made)
    monkeypatch.setattr(text.time, "monotonic", lambda: next(clock) / 2)
    return made


def said(terminal):
    return [line for line in re.split(r"\r|\x1b\[K", terminal.getvalue()) if line]


def test_nobody_counts_where_nobody_looks(monkeypatch):
    monkeypatch.setattr("sys.stderr", io.StringIO())
    with text.Progress("picture") as progress:
        progress.count(pytest.fail)
        progress.show(1)


def test_pictures_of_folders_are_counted(monkeypatch, tmp_path, red):
    from cinfer.cli import main
    terminal = a_terminal(monkeypatch)
    (tmp_path / "in" / "below").mkdir(parents=True)
    for name in ("in/a.png", "in/b.png", "in/below/c.png"):
        (tmp_path / name).write_bytes(red.read_bytes())
    model = classifier(tmp_path / "m.onnx")
    assert main(["run", model, str(tmp_path / "in"), "-r", str(red)]) == 0
    assert [line.split(",")[0] for line in said(terminal) if line.startswith("picture")] == [
        f"picture {n} of 4" for n in (1, 2, 3, 4)]

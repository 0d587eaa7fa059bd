"""The programs of docs/scale.md: a folder of pictures on two workers, of which one is killed in the middle."""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import cinfer

ROOT = Path(__file__).parents[1]
MODEL, PICTURES = "efficientnet_lite0_w8.onnx", ("dog.jpg", "horses.jpg", "coffee.jpg")
NAMED = re.compile(r"`(\w+\.py)`(?:(?!```).)*?```python\n(.*?)```", re.DOTALL)
KILLS = """
from pathlib import Path

whole = answer


def answer(name):
    if "7" in name and {once}:
        Path("killed").write_text(name)
        os.kill(os.getpid(), signal.SIGKILL)
    return whole(name)
"""


@pytest.fixture
def place(tmp_path):
    """A folder with the programs, a model, and pictures/, of which one is none."""
    for name, text in NAMED.findall((ROOT / "docs" / "scale.md").read_text()):
        (tmp_path / name).write_text(text)
    shutil.copy(ROOT / "tests" / "data" / MODEL, tmp_path)
    (tmp_path / "pictures").mkdir()
    for i in range(12):
        shutil.copy(ROOT / "tests" / "data" / PICTURES[i % 3], tmp_path / "pictures" / f"{i:02}.jpg")
    (tmp_path / "pictures" / "05.jpg").write_bytes(b"no picture")
    return tmp_path


def run(place, program: str, size: int = 2):
    """The program with tasks of so many pictures."""
    path = place / program
    path.write_text(path.read_text().replace("size=16", f"size={size}"))
    return subprocess.run([sys.executable, program, MODEL, "pictures", "2"], cwd=place, capture_output=True, text=True,
                          env=os.environ | {"PYTHONPATH": f"{place}{os.pathsep}{ROOT}"}, timeout=300)


def deadly(place, once: str) -> None:
    """A worker kills itself at picture 07. once : the condition under which it does"""
    text = (place / "job.py").read_text() + "\n\nimport os\nimport signal\n" + KILLS.format(once=once)
    (place / "job.py").write_text(text)


def assert_whole(done, place) -> None:
    """Each picture once, in order, each answered as it is in one process, but for the one that is none."""
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert [each["image"] for each in records] == [f"pictures/{i:02}.jpg" for i in range(12)], done.stderr
    session = cinfer.load(place / MODEL, threads=1)
    want = [cinfer.vision.read(session, ROOT / "tests" / "data" / name).record()["classes"] for name in PICTURES]
    for i, each in enumerate(records):
        assert each.get("classes") == (None if i == 5 else want[i % 3])
    assert "cannot" in records[5]["error"] or "no picture" in records[5]["error"]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no such signal here")
@pytest.mark.parametrize("killed", [False, True], ids=["nobody dies", "one is killed"])
def test_a_pool_of_processes_answers_all_in_order(killed, place):
    if killed:
        deadly(place, "not os.path.exists('killed')")
    done = run(place, "pool.py")
    assert done.returncode == 0, done.stderr
    assert_whole(done, place)
    assert (place / "killed").exists() is killed


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no such signal here")
def test_dask_replaces_a_worker_that_is_killed(place):
    pytest.importorskip("distributed")
    deadly(place, "not os.path.exists('killed')")
    done = run(place, "on_dask.py")
    assert done.returncode == 0, done.stderr
    assert_whole(done, place)
    assert (place / "killed").exists()


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no such signal here")
def test_a_picture_that_kills_every_worker_is_named(place):
    deadly(place, "True")
    done = run(place, "pool.py", size=1)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "3 times a worker died of one of ['pictures/07.jpg']"
    assert len(done.stdout.splitlines()) == 7

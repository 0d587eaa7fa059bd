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
NAMES = [f"{i:02}.jpg" for i in range(8)] + [f"{folder}/{name}.jpg" for folder in "ab" for name in ("00", "08")]
BROKEN = 5
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
    for i, name in enumerate(NAMES):
        (tmp_path / "pictures" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "tests" / "data" / PICTURES[i % 3], tmp_path / "pictures" / name)
    (tmp_path / "pictures" / NAMES[BROKEN]).write_bytes(b"no picture")
    return tmp_path


def run(place, program: str, size: int = 2):
    """The program with tasks of so many pictures."""
    path = place / program
    path.write_text(path.read_text().replace("size=16", f"size={size}"))
    return subprocess.run([sys.executable, program, MODEL, "pictures", "2", "answers.jsonl"], cwd=place,
                          capture_output=True, text=True, timeout=300,
                          env=os.environ | {"PYTHONPATH": f"{place}{os.pathsep}{ROOT}"})


def answered(place) -> list[dict]:
    return [json.loads(line) for line in (place / "answers.jsonl").read_text().splitlines()]


def deadly(place, once: str) -> None:
    """A worker kills itself at picture 07. once : the condition under which it does"""
    text = (place / "job.py").read_text() + "\n\nimport os\nimport signal\n" + KILLS.format(once=once)
    (place / "job.py").write_text(text)


def assert_whole(done, place) -> None:
    """Each picture once, in order, each answered as it is in one process, but for the one that is none. Two of one name
    in two folders are two."""
    assert done.returncode == 0, done.stderr
    records = answered(place)
    assert [each["image"] for each in records] == [str(place / "pictures" / name) for name in NAMES], done.stderr
    session = cinfer.load(place / MODEL, threads=1)
    want = [cinfer.vision.read(session, ROOT / "tests" / "data" / name).record()["classes"] for name in PICTURES]
    for i, each in enumerate(records):
        assert each.get("classes") == (None if i == BROKEN else want[i % 3])
    assert "is no picture" in records[BROKEN]["error"]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no such signal here")
@pytest.mark.parametrize("killed", [False, True], ids=["nobody dies", "one is killed"])
def test_a_pool_of_processes_answers_all_in_order(killed, place):
    if killed:
        deadly(place, "not os.path.exists('killed')")
    assert_whole(run(place, "pool.py"), place)
    assert (place / "killed").exists() is killed


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no such signal here")
def test_dask_replaces_a_worker_that_is_killed(place):
    pytest.importorskip("distributed")
    deadly(place, "not os.path.exists('killed')")
    assert_whole(run(place, "on_dask.py"), place)
    assert (place / "killed").exists()


@pytest.mark.ray
@pytest.mark.parametrize("killed", [False, True], ids=["nobody dies", "one is killed"])
def test_ray_does_what_a_killed_worker_had_again(killed, place):
    pytest.importorskip("ray")
    if killed:
        deadly(place, "not os.path.exists('killed')")
    assert_whole(run(place, "on_ray.py"), place)
    assert (place / "killed").exists() is killed


@pytest.mark.ray
def test_ray_names_the_task_that_kills_every_worker(place):
    pytest.importorskip("ray")
    deadly(place, "True")
    done = run(place, "on_ray.py")
    names = [str(place / "pictures" / name) for name in NAMES[6:8]]
    assert done.returncode == 1 and f"four workers died of one of {names}" in done.stderr
    assert [each["image"] for each in answered(place)] == [str(place / "pictures" / name) for name in NAMES[:6]]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no such signal here")
def test_a_picture_that_kills_every_worker_is_named(place):
    deadly(place, "True")
    done = run(place, "pool.py", size=1)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"3 times a worker died of one of ['{place}/pictures/07.jpg']"
    assert len(answered(place)) == 7


def test_after_a_stop_the_same_command_goes_on(place):
    """With what has no answer, where the last line is half a one; pictures that came meanwhile are answered, too."""
    whole = run(place, "pool.py")
    assert_whole(whole, place)
    lines = (place / "answers.jsonl").read_text().splitlines(keepends=True)
    (place / "answers.jsonl").write_text("".join(lines[:7]) + lines[7][:20])
    shutil.copy(place / "pictures" / "00.jpg", place / "pictures" / "001.jpg")
    assert run(place, "pool.py").returncode == 0
    names = [os.path.relpath(each["image"], place / "pictures") for each in answered(place)]
    assert names == [*NAMES[:7], "001.jpg", *NAMES[7:]]
    assert run(place, "pool.py").returncode == 0 and len(answered(place)) == 13


@pytest.mark.skipif(shutil.which("split") is None, reason="no split here")
def test_parts_are_done_once_by_a_shell_by_slurm_and_by_kubernetes(place):
    """A part whose file is there is left alone; what could not be read is in a row."""
    read = pytest.importorskip("pyarrow.parquet").read_table
    document = (ROOT / "docs" / "scale.md").read_text()
    cut, part, loop, slurm = re.findall(r"```sh\n(.*?)```", document, re.DOTALL)
    command, = re.findall(r"command: \[sh, -c, '(.*)'\]", document)
    (place / MODEL).rename(place / "model.onnx")
    (place / "part.sh").write_text(part)
    (place / "cinfer").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m cinfer "$@"\n')
    (place / "cinfer").chmod(0o755)

    def shell(text: str, **variables):
        found = {"PATH": f"{place}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
        return subprocess.run(["sh", "-c", text], cwd=place, env=os.environ | found | variables, capture_output=True,
                              text=True, timeout=300)
    assert shell(cut.replace("-l 10000", "-l 4")).returncode == 0
    assert sorted(each.name for each in (place / "parts").iterdir()) == ["0000.txt", "0001.txt", "0002.txt"]
    assert shell(slurm, SLURM_ARRAY_TASK_ID="0", SLURM_CPUS_PER_TASK="1").returncode == 0
    for status in (2, 0):                       # one picture is none; the second time the file is there
        assert shell(command, JOB_COMPLETION_INDEX="1").returncode == status
    before = {each.name: each.stat().st_mtime_ns for each in (place / "answers").iterdir()}
    assert sorted(before) == ["0000.parquet", "0001.parquet"]
    done = shell(loop)
    assert done.returncode == 0 and done.stderr.count("left out: already there") == 2
    rows = read(place / "answers").to_pylist()
    assert all((place / "answers" / name).stat().st_mtime_ns == time for name, time in before.items())
    assert list(dict.fromkeys(row["image"] for row in rows)) == [str(place / "pictures" / name) for name in NAMES]
    assert [row["image"] for row in rows if row["error"]] == [str(place / "pictures" / NAMES[BROKEN])]

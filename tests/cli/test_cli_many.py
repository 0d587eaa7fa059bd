"""cinfer run of many pictures: what is said on the way and at the end, where it goes on, where drawn pictures go."""

import io
import json
import os
import pty
import re
import signal
import subprocess
import sys

import numpy as np
import pytest
from detector_models import write as detector
from PIL import Image
from program import cinfer, start  # noqa: F401 (fixtures)
from small_models import enlarger, write
from onnx import TensorProto, helper

from cinfer.cli.text import Progress, duration


FOUND = {"boxes": np.float32([[1, 2, 30, 40]]), "labels": np.int64([3]), "scores": np.float32([0.9])}


def folder_of(path, count, size=(6, 4)):
    path.mkdir()
    for n in range(count):
        Image.new("RGB", size, (n % 256, 0, 0)).save(path / f"{n:04}.png")
    return path


def slow(path):
    """A network of some hundredths of a second."""
    nodes = [helper.make_node("GlobalAveragePool", ["x"], ["m"]), helper.make_node("Add", ["x", "m"], ["v0"])]
    nodes += [helper.make_node("Conv", [f"v{n}", "w"], [f"v{n + 1}"], pads=[1] * 4) for n in range(12)]
    nodes += [helper.make_node("GlobalAveragePool", ["v12"], ["g"]), helper.make_node("Flatten", ["g"], ["logits"])]
    weights = helper.make_tensor("w", TensorProto.FLOAT, [3, 3, 3, 3], [0.01] * 81)
    return write(path, nodes, {"x": (TensorProto.FLOAT, (1, 3, 320, 320))}, {"logits": (TensorProto.FLOAT, (1, 3))},
                 constants=[weights])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_says_how_many_and_how_to_go_on(tmp_path, number):
    model, folder = enlarger(tmp_path / "e.onnx"), folder_of(tmp_path / "in", 300, (160, 90))
    command = "run", model, folder, "-o", f"{tmp_path}/out/"
    process = start(*command, bufsize=0)
    for _ in range(5):
        process.stdout.readline()
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    lines = err.decode().splitlines()
    assert process.returncode == 128 + number and not list((tmp_path / "out").glob(".cinfer*"))
    said = re.match(r"cinfer: (\d+) pictures in [\d.]+ s, [\d.]+ a second; each: prepared in ", lines[-2])
    done, made = int(said[1]), sorted(p.name for p in (tmp_path / "out").iterdir())
    assert 4 <= done <= len(made) <= done + 1 < 300     # one may be there that is not counted yet
    assert lines[-1] == f"cinfer: interrupted after {folder}/{done - 1:04}.png; with --resume the same command goes on"
    process = start(*command, "--resume", "--json")
    process.stdout.readline()
    process.kill()
    process.communicate()
    before = {p.name for p in (tmp_path / "out").iterdir() if not p.name.startswith(".")}
    process = start(*command, "--resume", "--json")
    out, err = process.communicate(timeout=60)
    names = {os.path.basename(json.loads(line)["image"]) for line in out.splitlines()}
    assert process.returncode == 0 and names | before == {f"{n:04}.png" for n in range(300)} and not names & before
    assert f"cinfer: {len(before)} pictures left out: already there" in err.decode().splitlines()


ENDING = """
import os, signal, sys
import cinfer.__main__, cinfer.cli
number, real, left = int(sys.argv[1]), signal.setitimer, 2
def late(which, seconds):
    global left
    if not seconds and left:
        left -= 1
        signal.raise_signal(signal.SIGALRM)
    return real(which, seconds)
signal.setitimer = late
cinfer.cli.main = lambda: os.kill(os.getpid(), number)
status = cinfer.__main__.main()
assert real(signal.ITIMER_REAL, 0) == (0, 0) and left == 0
sys.exit(status)
"""


@pytest.mark.parametrize("number, status", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_that_comes_again_while_the_program_ends(number, status):
    """As on a machine so busy that the end takes longer than the second after which it is repeated."""
    process = subprocess.run([sys.executable, "-c", ENDING, str(int(number))], capture_output=True, text=True)
    assert (process.returncode, process.stderr) == (status, "")


def test_ctrl_c_without_a_folder_says_where(tmp_path):
    folder = folder_of(tmp_path / "in", 200)
    process = start("run", slow(tmp_path / "m.onnx"), folder, "--json", "--save", tmp_path / "all.npz", bufsize=0)
    said = [process.stdout.readline() for _ in range(3)]
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    said += out.splitlines()
    assert process.returncode == 130 and not (tmp_path / "all.npz").exists() and len(said) < 200
    found = re.fullmatch(rf"cinfer: interrupted after ({folder}/\d+.png); {tmp_path}/all.npz is not written",
                         err.decode().splitlines()[-1])
    assert found and found[1] in [json.loads(line)["image"] for line in said[-2:]]


def test_json_of_other_programs_is_whole_after_ctrl_c(tmp_path):
    detector(tmp_path / "d.onnx", FOUND)
    process = start("run", tmp_path / "d.onnx", folder_of(tmp_path / "in", 1500), "--format", "coco", bufsize=0)
    said = [process.stdout.readline() for _ in range(4)]
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    rows = json.loads(b"".join(said) + out)
    assert process.returncode == 130 and 4 <= len(rows) < 1500 and b"interrupted after" in err


def test_two_of_one_name_go_to_two_places_in_each_run(cinfer, tmp_path):
    (tmp_path / "a").mkdir(), (tmp_path / "b").mkdir()
    for name, colour in (("a/1.png", "red"), ("b/1.png", "blue"), ("b/1.gif", "lime"), ("b/1-2.png", "white")):
        Image.new("RGB", (6, 4), colour).save(tmp_path / name)
    command = "run", enlarger(tmp_path / "e.onnx"), tmp_path / "a", tmp_path / "b", "-o", f"{tmp_path}/out/"
    assert cinfer(*command).status == 0
    made = {p.name: Image.open(p).convert("RGB").getpixel((0, 0)) for p in (tmp_path / "out").iterdir()}
    assert made == {"1.png": (255, 0, 0), "1-2.png": (255, 255, 255), "1-3.png": (0, 255, 0), "1-4.png": (0, 0, 255)}
    for gone in made:
        (tmp_path / "out" / gone).unlink()
        done = cinfer(*command, "--resume")
        assert len(done.lines) == 1 and done.lines[0].endswith(f"/out/{gone}")
        assert Image.open(tmp_path / "out" / gone).convert("RGB").getpixel((0, 0)) == made[gone]


def test_resume_looks_for_what_is_written(cinfer, tmp_path):
    detector(tmp_path / "d.onnx", FOUND)
    folder = folder_of(tmp_path / "in", 3)
    command = "run", tmp_path / "d.onnx", folder, "-o", f"{tmp_path}/out/", "--format", "yolo"
    assert cinfer(*command).status == 0
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["0000.txt", "0001.txt", "0002.txt"]
    (tmp_path / "out" / "0001.txt").unlink()
    done = cinfer(*command, "--resume")
    assert "cinfer: 2 pictures left out: already there" in done.errors and "1 picture in " in done.err
    done = cinfer("run", tmp_path / "d.onnx", folder / "0000.png", "-o", tmp_path / "out.jpg", "--format", "yolo")
    assert done.status == 2 and "--format yolo writes a text for each picture; name a folder" in done.err


def test_resume_into_the_folder_that_is_read(cinfer, tmp_path):
    folder = folder_of(tmp_path / "in", 3)
    done = cinfer("run", enlarger(tmp_path / "e.onnx"), folder, "-o", f"{folder}/", "--resume")
    assert done.status == 2 and "that would overwrite what is read" in done.err and not done.out


def test_a_folder_without_pictures_among_others(cinfer, tmp_path):
    folders = [folder_of(tmp_path / name, count) for name, count in (("a", 3), ("b", 0), ("c", 2))]
    done = cinfer("run", enlarger(tmp_path / "e.onnx"), *folders, f"{tmp_path}/none*.mp4", "--json")
    assert done.status == 2 and [os.path.relpath(json.loads(line)["image"], tmp_path) for line in done.lines] == [
        "a/0000.png", "a/0001.png", "a/0002.png", "b", "c/0000.png", "c/0001.png", "none*.mp4"]
    assert f"cinfer: {folders[1]}: the folder holds no picture; -r looks below it too" in done.errors
    done = cinfer("run", tmp_path / "e.onnx", folders[1], folders[0])
    assert done.status == 2 and len(done.errors) == 1 and not done.out


def test_what_ends_the_work_is_said_with_where_it_ended(cinfer, tmp_path):
    folder = folder_of(tmp_path / "in", 5)
    (tmp_path / "out" / "0003.png").mkdir(parents=True)
    done = cinfer("run", enlarger(tmp_path / "e.onnx"), folder, "-o", f"{tmp_path}/out/")
    assert done.status == 2 and done.errors[-3].startswith("cinfer: 3 pictures in ") and done.errors[-2:] == [
        f"cinfer: ended after {folder}/0002.png; with --resume the same command goes on",
        f"cinfer: -o {tmp_path}/out/0003.png: that is a folder; name a file"]


def test_a_terminal_sees_how_far_it_is(tmp_path):
    folder = folder_of(tmp_path / "in", 360)     # seconds: what is left is told after one
    (folder / "0003.png").write_bytes(b"no picture")
    (folder / "0004.jpg").mkdir()
    (folder / "notes.txt").write_text("none")
    ours, theirs = pty.openpty()
    process = start("run", slow(tmp_path / "m.onnx"), folder, "--json", stderr=theirs, stdout=subprocess.DEVNULL)
    os.close(theirs)
    said = b""
    while data := read(ours):
        said += data
    os.close(ours)
    assert process.wait(20) == 2
    states = re.findall(r"picture (\d+) of 360, [\d.]+ a second, ([\d.]+ s|\d+:\d\d) left", said.decode())
    assert len(states) > 2 and states == sorted(states, key=lambda state: int(state[0]))
    lines = [line for line in re.sub(r"\r[^\r\n]*\x1b\[K", "", said.decode()).splitlines() if line]
    assert lines[-1] == f"cinfer: 1 picture could not be read: {folder}/0003.png" and len(lines) == 4
    assert re.match(r"cinfer: 359 pictures in [\d.:]+( s)?, [\d.]+ a second; each: prepared in ", lines[-2])


def test_states_of_the_work_are_not_written_faster_than_one_reads(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True
    screen, now = Terminal(), [50.0]
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    monkeypatch.setattr("cinfer.cli.text.time.monotonic", lambda: now[0])
    progress = Progress("picture", 1000)
    now[0] = 100.0                                      # a camera was connected
    for number in range(101, 301):                      # 100 were there, the others take 10 ms each
        progress.show(number, 100)
        progress.make_room()                            # nothing: standard output is elsewhere
        now[0] += 0.01
    states = screen.getvalue().split("\r")[1:]
    assert len(states) == 20 and states[0] == "picture 101 of 1000\x1b[K"
    assert states[-1] == "picture 291 of 1000, 100 a second, 7 s left\x1b[K"
    progress.clear()
    progress.clear()
    assert screen.getvalue().endswith(states[-1] + "\r\x1b[K")
    progress.show(302)
    assert screen.getvalue().count("picture") == 21    # at once, where nothing is shown


def read(number):
    try:
        return os.read(number, 65536)
    except OSError:                                     # the other end is closed
        return b""


@pytest.mark.parametrize("seconds, text", [
    (0, "0 s"), (0.004, "0.004 s"), (0.42, "0.42 s"), (1.74, "1.7 s"), (2, "2 s"), (59.4, "59 s"), (59.6, "1:00"),
    (185, "3:05"), (3723, "1:02:03")])  # fmt: skip
def test_durations(seconds, text):
    assert duration(seconds) == text

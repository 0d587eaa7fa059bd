"""cinfer run of videos, cameras and streams of pictures."""

import io
import json
import os
import pty
import signal
import time

import numpy as np
import pytest
from fake_ffmpeg import ffmpeg  # noqa: F401 (fixture)
from PIL import Image
from program import cinfer, red, start  # noqa: F401 (fixtures)
from small_models import classifier, enlarger

STRETCHED = {"cinfer.recipe": "1", "cinfer.task": "classification", "cinfer.labels": "red\ngreen\nblue",
             "cinfer.input.size": "8x8", "cinfer.input.std": "255", "cinfer.output.kind": "logits"}  # fmt: skip


@pytest.fixture
def model(tmp_path):
    return classifier(tmp_path / "m.onnx", STRETCHED)


@pytest.fixture
def camera(monkeypatch, tmp_path):
    """/dev/null for a camera, in processes of their own too."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\nclass Finder:\n    def find_spec(self, name, path, target=None):\n"
        "        if name == 'cinfer.cli.sources':\n            sys.meta_path.remove(self)\n"
        "            from cinfer.vision.pictures import video\n"
        "            video.check_camera = lambda place, name: None\n"
        "sys.meta_path.insert(0, Finder())\n")
    from cinfer.vision.pictures import video
    monkeypatch.setattr(video, "check_camera", lambda place, name: None)


def jpegs(*colours):
    parts = []
    for colour in colours:
        file = io.BytesIO()
        Image.new("RGB", (8, 6), colour).save(file, "JPEG", quality=95)
        parts.append(file.getvalue())
    return b"".join(parts)


def test_a_line_a_frame(cinfer, ffmpeg, tmp_path, model):
    clip = ffmpeg.video(tmp_path / "clip.mp4", frames=7, rate=10)
    done = cinfer("run", model, clip, "--every", "3", "--json")
    assert done.status == 0
    assert [(s["image"], s["width"], s["height"]) for s in map(json.loads, done.lines)] == [
        (f"{clip}#{n}", 8, 6) for n in (0, 3, 6)]
    assert done.errors[-1].startswith("cinfer: 3 pictures in ") and not ffmpeg.processes()
    done = cinfer("run", model, clip, "--top", "1")
    assert done.lines[0::2] == [f"{clip}#{n}" for n in range(7)]


def test_a_video_is_written_with_the_source_s_rate(cinfer, ffmpeg, tmp_path):
    clip = ffmpeg.video(tmp_path / "clip.mp4", frames=6, rate=10)
    done = cinfer("run", enlarger(tmp_path / "e.onnx"), clip, "-o", tmp_path / "out.mkv", "--every", "2")
    assert done.status == 0 and f"cinfer: {tmp_path}/out.mkv: 3 frames" in done.errors
    assert json.loads((tmp_path / "out.mkv").read_text()) == {
        "size": [16, 12], "rate": 5, "format": "matroska", "frames": [0, 2, 4]}
    assert not ffmpeg.processes() and not list(tmp_path.glob(".cinfer*"))


def test_frames_of_two_videos_of_one_name_do_not_replace_each_other(cinfer, ffmpeg, tmp_path):
    clips = [tmp_path / folder / "clip.mp4" for folder in "ab"]
    for clip in clips:
        clip.parent.mkdir()
        ffmpeg.video(clip, frames=2)
    done = cinfer("run", enlarger(tmp_path / "m.onnx"), *clips, "-o", tmp_path / "out")
    assert done.status == 0 and sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "clip-000000.jpg", "clip-000001.jpg", "clip-2-000000.jpg", "clip-2-000001.jpg"]


def test_frames_go_into_a_folder(cinfer, ffmpeg, tmp_path):
    clip = ffmpeg.video(tmp_path / "clip.mp4", frames=3)
    done = cinfer("run", enlarger(tmp_path / "e.onnx"), clip, "-o", f"{tmp_path}/out/")
    assert done.status == 0
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [f"clip-00000{n}.jpg" for n in range(3)]


def test_gif_needs_no_program_to_be_written(cinfer, ffmpeg, tmp_path):
    clip = ffmpeg.video(tmp_path / "clip.mp4", frames=3, rate=5)
    assert cinfer("run", enlarger(tmp_path / "e.onnx"), clip, "-o", tmp_path / "out.gif").status == 0
    with Image.open(tmp_path / "out.gif") as made:
        assert made.n_frames == 3 and made.size == (16, 12) and made.info["duration"] == 200


@pytest.mark.parametrize("arguments, words", [
    (["clip.mp4", "-o", "out.jpg"],
     "-o out.jpg: there are several pictures; name a folder (with a / at its end) or a video"),
    (["clip.mp4", "red.png", "-o", "out.mp4"], "-o out.mp4: there are several sources; name a folder"),
    (["red.png", "-o", "out.mp4"], "-o out.mp4: a video is made of a video, a camera or a stream"),
    (["red.png", "-o", "out.gif"], "no picture format"), (["clip.mp4", "-o", "clip.mp4"], "overwrite what is read"),
    (["clip.mp4", "-o", "none/out.mp4"], "there is no folder none"),
    (["clip.mp4", "-o", "out.mp4", "--format", "yolo"], "--format yolo writes a text for each picture; name a folder"),
    (["red.png", "--every", "2"], "--every is for videos, cameras and streams of pictures; there is none"),
    (["red.png", "--seconds", "2"], "--seconds is for videos"),
    (["clip.mp4", "--every", "0"], "no whole number from 1"),
    (["clip.mp4", "--show", "--json"], "--show and --json both write to standard output"),
    (["clip.mp4", "--show"], "--show draws in a terminal; standard output is none"),
    (["rtsp://host/1", "red.png"], "rtsp://host/1: a camera has no end; name it alone, or say with --seconds how long"),
    (["none.mp4"], "none.mp4: no such file; name a video"),
    (["camera:978"], "there is no camera /dev/video978")])  # fmt: skip
def test_what_cannot_be_is_one_line_before_the_work(cinfer, ffmpeg, tmp_path, red, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    ffmpeg.video("clip.mp4", frames=2)
    done = cinfer("run", classifier("m.onnx", STRETCHED), *arguments)
    assert done.status == 2 and words in done.err and len(done.errors) == 1 and not done.out
    assert not ffmpeg.calls()


def test_a_video_that_breaks_is_said_and_the_rest_goes_on(cinfer, ffmpeg, tmp_path, model, red):
    clip = ffmpeg.video(tmp_path / "clip.mp4", frames=2, complaint="[error] Disk on fire", status=1)
    done = cinfer("run", model, clip, red, "--json")
    assert done.status == 2
    said = [json.loads(line) for line in done.lines]
    assert [s["image"] for s in said] == [f"{clip}#0", f"{clip}#1", clip, str(red)] and "error" in said[2]
    assert f"cinfer: {clip}: after frame 1: Disk on fire" in done.errors
    ffmpeg.video(clip, complaint="[error] moov atom not found", status=1)
    done = cinfer("run", model, clip)
    assert (done.status, done.out) == (2, "")
    assert done.err == f"cinfer: {clip}: this is no video, or not a whole one (moov atom not found)\n"


def test_a_film_that_cannot_be_written_is_one_line_and_no_file(cinfer, ffmpeg, tmp_path):
    clip = ffmpeg.video(tmp_path / "clip.mp4", frames=20, size=[200, 200])
    ffmpeg.writes(complaint="[error] No space left on device", status=1, most=1)
    (tmp_path / "out.mp4").write_text("old")
    done = cinfer("run", enlarger(tmp_path / "e.onnx"), clip, "-o", tmp_path / "out.mp4")
    assert done.status == 2 and done.errors[-1] == f"cinfer: -o {tmp_path}/out.mp4: No space left on device"
    assert (tmp_path / "out.mp4").read_text() == "old" and not list(tmp_path.glob(".cinfer*"))
    assert not ffmpeg.processes()


def test_a_camera_with_seconds(cinfer, ffmpeg, camera, model):
    ffmpeg.live(frames=10_000, delay=0.02, rate=50)
    done = cinfer("run", model, "camera:0", "--seconds", "0.5", "--json")
    assert done.status == 0 and json.loads(done.lines[0])["image"] == "camera:0#0"
    assert done.errors[-1].split()[1].isdecimal() and not ffmpeg.processes()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_is_the_end_of_a_camera(ffmpeg, camera, tmp_path, number):
    ffmpeg.live(frames=10_000, delay=0.02, rate=50)
    out = tmp_path / "out.mp4"
    process = start("run", enlarger(tmp_path / "e.onnx"), "camera:0", "-o", out)
    for _ in range(3):
        assert process.stdout.readline().startswith(b"camera:0#")
    process.send_signal(number)
    rest, err = process.communicate(timeout=20)
    lines = err.decode().splitlines()
    assert process.returncode == 0 and lines[-1].startswith("cinfer: ") and " a second; each: prepared in " in lines[-1]
    made = json.loads(out.read_text())
    assert made["rate"] == 50 and len(made["frames"]) >= 3 and made["frames"] == sorted(made["frames"])
    assert not ffmpeg.processes() and not list(tmp_path.glob(".cinfer*"))


def test_ctrl_c_before_a_camera_shows_anything(ffmpeg, camera, tmp_path, model):
    ffmpeg.live(silent=60)
    process = start("run", model, "camera:0")
    while not ffmpeg.calls():
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=20) == (b"", b"") and process.returncode == 130 and not ffmpeg.processes()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_interrupts_a_file(ffmpeg, tmp_path, number):
    clip = ffmpeg.video(tmp_path / "clip.mp4", frames=10_000, delay=0.02)
    process = start("run", enlarger(tmp_path / "e.onnx"), clip, "-o", tmp_path / "out.mp4")
    for _ in range(2):                                  # the first one is counted
        process.stdout.readline()
    process.send_signal(number)
    lines = process.communicate(timeout=20)[1].decode().splitlines()
    assert lines[-1].startswith(f"cinfer: interrupted after {clip}#")
    assert lines[-1].endswith(f"; {tmp_path}/out.mp4 is not written") and " a second; each: " in lines[-2]
    assert process.returncode == 128 + number and not (tmp_path / "out.mp4").exists()
    assert not list(tmp_path.glob(".cinfer*")) and not ffmpeg.processes()


def test_a_reader_that_leaves_ends_all(ffmpeg, camera, tmp_path, model):
    ffmpeg.live(frames=10_000, delay=0.02)
    process = start("run", model, "camera:0")
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(20) == 141 and process.stderr.read().count(b"\n") == 1 and not ffmpeg.processes()
    process.stderr.close()


def test_pictures_one_after_another_through_standard_input(tmp_path, model):
    process = start("run", model, "-", "--json", stdin=-1)
    out, err = process.communicate(jpegs("red", "lime", "blue"), timeout=20)
    said = [json.loads(line) for line in out.splitlines()]
    assert process.returncode == 0
    assert [(s["image"], s["classes"][0]["label"]) for s in said] == [
        ("standard input#0", "red"), ("standard input#1", "green"), ("standard input#2", "blue")]
    process = start("run", model, "-", "--json", stdin=-1)
    out, err = process.communicate(jpegs("red"), timeout=20)
    assert json.loads(out)["image"] == "-" and len(err.splitlines()) == 1
    process = start("run", model, "-", stdin=-1)
    assert process.communicate(b"", timeout=20) == (
        b"", b"cinfer: standard input is no picture (PNG, JPEG, WebP, GIF, TIFF, ...)\n")


def test_a_pipe_that_stays_open_is_left_after_the_seconds(model):
    process = start("run", model, "-", "--json", "--seconds", "0.5", stdin=-1, bufsize=0)
    process.stdin.write(jpegs("red", "lime", "blue") + b"\xff\xd8\xff")
    begin = time.monotonic()
    assert process.wait(20) == 0 and time.monotonic() - begin < 10
    assert len(process.stdout.read().splitlines()) == 3
    for stream in (process.stdin, process.stdout, process.stderr):
        stream.close()


def test_show_draws_in_a_terminal(ffmpeg, tmp_path, model, monkeypatch):
    clip = ffmpeg.video(tmp_path / "clip.mp4", frames=2)
    ours, theirs = pty.openpty()
    monkeypatch.setenv("TERM", "xterm-256color")
    for key in ("TMUX", "STY", "KITTY_WINDOW_ID", "TERM_PROGRAM", "LC_TERMINAL"):
        monkeypatch.delenv(key, raising=False)
    process = start("run", model, clip, "--show", "--top", "1", stdout=theirs)
    assert process.wait(20) == 0
    os.close(theirs)
    said = b""
    try:
        while data := os.read(ours, 1 << 16):
            said += data
    except OSError:                                     # how a terminal ends
        pass
    os.close(ours)
    process.stderr.close()
    assert said.startswith(b"\x1b[2J\x1b[H") and said.count("▀".encode()) >= 2 and b"clip.mp4#1" in said


def test_large_jpegs_are_decoded_at_a_fraction_unless_exact(cinfer, tmp_path, model, monkeypatch):
    from cinfer.vision import reader
    seen, prepare = [], reader.prepare
    monkeypatch.setattr(reader, "prepare", lambda held, *rest: seen.append(held.size) or prepare(held, *rest))
    Image.fromarray(np.zeros((900, 1200, 3), np.uint8)).save(tmp_path / "large.jpg")
    said = json.loads(cinfer("run", model, tmp_path / "large.jpg", "--json").out)
    assert (said["width"], said["height"]) == (1200, 900)
    for flags in (["--exact"], ["-o", tmp_path / "out.png"], ["--save", tmp_path / "out.npz"]):
        cinfer("run", model, tmp_path / "large.jpg", *flags)
    assert seen == [(150, 113)] + [(1200, 900)] * 3
    with Image.open(tmp_path / "out.png") as drawn:
        assert drawn.size == (1200, 900)


def test_a_camera_that_ends_is_said(cinfer, ffmpeg, camera, model):
    ffmpeg.live(frames=5, delay=0.02)
    done = cinfer("run", model, "camera:0")
    assert done.status == 0 and "cinfer: camera:0: the camera has ended" in done.errors and not ffmpeg.processes()
    done = cinfer("run", model, "camera:0", "--seconds", "0.05")
    assert done.status == 0 and "has ended" not in done.err


def test_a_slow_stream_of_pictures_is_answered_at_once(model):
    process = start("run", model, "-", "--json", stdin=-1, bufsize=0)
    process.stdin.write(jpegs("red", "lime"))           # told from a single one by the next one's beginning
    assert json.loads(process.stdout.readline())["image"] == "standard input#0"
    assert json.loads(process.stdout.readline())["image"] == "standard input#1"
    process.stdin.write(jpegs("blue"))
    assert json.loads(process.stdout.readline())["classes"][0]["label"] == "blue"
    process.communicate(timeout=20)
    assert process.returncode == 0


def test_videos_in_folders_are_named_not_read(cinfer, ffmpeg, tmp_path, model, red):
    (tmp_path / "in" / "below").mkdir(parents=True)
    clips = [ffmpeg.video(tmp_path / "in" / name, frames=2) for name in ("a.mp4", "b.MOV", "below/c.mkv")]
    done = cinfer("run", model, tmp_path / "in")
    assert (done.status, done.out) == (2, "") and done.errors == [
        f"cinfer: {tmp_path}/in: the folder holds no picture, but 2 videos, such as {clips[0]}; name those that are to "
        "be read"]
    red.rename(tmp_path / "in" / "red.png")
    done = cinfer("run", model, tmp_path / "in", "-r", "--json")
    assert done.status == 0 and len(done.lines) == 1 and not ffmpeg.calls()
    assert done.errors[-1] == f"cinfer: 3 videos in folders left out: {', '.join(clips)}; a video that is named is read"
    done = cinfer("run", model, f"{tmp_path}/in/*.*", "--json")
    assert [json.loads(line)["image"][-7:] for line in done.lines] == [
        "a.mp4#0", "a.mp4#1", "b.MOV#0", "b.MOV#1", "red.png"]


def test_a_damaged_video_is_read_and_said(cinfer, ffmpeg, tmp_path, model):
    clip = ffmpeg.video(tmp_path / "clip.mp4", frames=3, complaint="[h264 @ 0x1] [error] concealing 7 errors")
    done = cinfer("run", model, clip, "--every", "2", "--json")
    assert done.status == 0 and len(done.lines) == 2
    assert f"cinfer: {clip}: the video is damaged: concealing 7 errors; frames up to 2 were read" in done.errors
    for said, words in (("[fatal] Stream map '' matches no streams.", "there are no pictures in it"),
                        ("[error] moov atom not found", "this is no video, or not a whole one (moov atom not found)")):
        ffmpeg.video(clip, complaint=said, status=1)
        assert cinfer("run", model, clip).err == f"cinfer: {clip}: {words}\n"
    ffmpeg.video(clip, frames=2, complaint="[error] Invalid data found when processing input", status=1)
    errors = cinfer("run", model, clip).errors
    assert f"cinfer: {clip}: after frame 1: Invalid data found when processing input" in errors

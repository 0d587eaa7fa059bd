"""Frames of videos and cameras: what programs give, in their order, and an end of it whatever happens."""

import gc
import struct
import threading
import time

import numpy as np
import pytest
from fake_ffmpeg import ffmpeg  # noqa: F401 (fixture)

from cinfer.errors import InputError, LimitError
from cinfer.vision.pictures import video
from cinfer.vision.pictures.frames import frame
from cinfer.vision.pictures.listed import is_live, is_video
from cinfer.vision.pictures.stream import Stream
from cinfer.vision.pictures.video import Beside, Video, rotated


@pytest.fixture(autouse=True)
def nothing_stays():
    """No thread outlives its video."""
    before = set(threading.enumerate())
    yield
    deadline = time.monotonic() + 5
    while set(threading.enumerate()) - before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert set(threading.enumerate()) <= before


def said_of(source, **options) -> str:
    """The one line of an InputError."""
    with pytest.raises(InputError) as caught, Video(source, **options) as frames:
        list(frames)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name, moving, live", [
    ("clip.mp4", True, False), ("a/CLIP.MOV", True, False), ("camera:0", True, True), ("/dev/video12", True, True),
    ("rtsp://host/1", True, True), ("RTSP://host/1", True, True), ("a.jpg", False, False), ("-", False, False),
    ("camera", False, False), ("camera:x", False, False), ("http://host/a.mjpg?", False, False),
    ("video0", False, False),
    ("a.gif", False, False), (b"clip.mp4", False, False)])  # fmt: skip
def test_names_of_what_moves(name, moving, live):
    assert (is_video(name), is_live(name)) == (moving, live)


def test_frames_of_ffmpeg(ffmpeg, tmp_path):
    clip = ffmpeg.video(tmp_path / "clip.mp4", frames=7, size=[5, 3], rate=29.97)
    with Video(clip) as frames:
        assert frames.rate is None and not frames.live
        found = list(frames)
        assert frames.rate == 29.97
    assert [f.name for f in found] == [f"{clip}#{n}" for n in range(7)]
    assert [f.number for f in found] == list(range(7))
    assert all(f.held.dtype == np.uint8 and (f.held == np.full((3, 5, 3), f.number)).all() for f in found)
    assert all((f.width, f.height, f.order) == (5, 3, "RGB") for f in found)
    (call,) = ffmpeg.calls()
    assert call[call.index("-i") - 2:call.index("-i") + 2] == ["-protocol_whitelist", "file", "-i", f"file:{clip}"]
    assert not {"-vf", "-t"} & set(call) and not ffmpeg.processes()


def test_every_and_seconds_are_ffmpeg_s_work(ffmpeg, tmp_path):
    clip = ffmpeg.video(tmp_path / "clip.mp4", frames=7)
    with Video(clip, every=3, seconds=1.5) as frames:
        assert [(f.number, int(f.held[0, 0, 0])) for f in frames] == [(0, 0), (3, 3), (6, 6)]
    (call,) = ffmpeg.calls()
    assert call[call.index("-t") + 1] == "1.5" and call.index("-t") < call.index("-i")
    assert call[call.index("-vf") + 1] == r"select=not(mod(n\,3))"


def test_a_ffmpeg_before_5_1(ffmpeg, tmp_path):
    clip = ffmpeg.video(tmp_path / "clip.mp4", frames=2, old=True)
    with Video(clip) as frames:
        assert len(list(frames)) == 2
    assert ["-vsync" in call for call in ffmpeg.calls()] == [False, True]


def test_what_ffmpeg_says_is_one_line(ffmpeg, tmp_path):
    clip = tmp_path / "clip.mp4"
    complaint = "[mov,mp4 @ 0x5] [error] moov atom not found\n[in#0 @ 0x6] [error] Error opening SOURCE"
    ffmpeg.video(clip, complaint=complaint, status=1)
    assert said_of(clip) == f"{clip}: this is no video, or not a whole one (moov atom not found)"
    ffmpeg.video(clip, complaint="[in#0 @ 0x6] [error] Error opening input file SOURCE.", status=1)
    assert said_of(clip) == f"{clip}: Error opening input file {clip}"
    ffmpeg.video(clip, status=3)
    assert said_of(clip) == f"{clip}: ffmpeg ended with status 3"
    ffmpeg.video(clip)
    assert said_of(clip) == f"{clip}: ffmpeg found no frame in it"
    ffmpeg.video(clip, frames=4, complaint="[error] Disk on fire", status=1)
    assert said_of(clip) == f"{clip}: after frame 3: Disk on fire"
    assert not ffmpeg.processes()


def test_a_frame_that_is_cut_off_is_none(ffmpeg, tmp_path):
    clip = ffmpeg.video(tmp_path / "clip.mp4", frames=3, cut=7)
    with Video(clip) as frames:
        assert len(list(frames)) == 2


def test_frames_beyond_all_measure(ffmpeg, tmp_path):
    clip = ffmpeg.video(tmp_path / "clip.mp4", frames=1, size=[20_000, 20_000], cut="all")
    with pytest.raises(LimitError, match="20000x20000 pixels; the limit is 100 million"), Video(clip) as frames:
        list(frames)


@pytest.mark.filterwarnings("ignore:.*the video is damaged. more")
def test_much_talk_on_stderr_holds_nothing_up(ffmpeg, tmp_path):
    clip = ffmpeg.video(tmp_path / "clip.mp4", frames=2, complaint="[error] more\n" * 30_000)
    with Video(clip) as frames:
        assert len(list(frames)) == 2


@pytest.mark.parametrize("taken", [0, 1])
def test_whoever_leaves_early_leaves_no_program(ffmpeg, tmp_path, taken):
    clip = ffmpeg.video(tmp_path / "clip.mp4", frames=10_000, size=[100, 100], silent=60)
    frames = Video(clip)
    each = iter(frames)
    for _ in range(taken):
        next(each)
    begin = time.monotonic()
    each.close()
    frames.close()
    assert time.monotonic() - begin < 3
    assert not (ffmpeg.calls() and ffmpeg.processes())


def test_forgotten_frames_end_the_program(ffmpeg, tmp_path):
    clip = ffmpeg.video(tmp_path / "clip.mp4", frames=10_000, size=[100, 100])
    each = iter(Video(clip))
    next(each)
    del each
    gc.collect()
    assert not ffmpeg.processes()


def test_an_error_within_the_loop_ends_the_program(ffmpeg, tmp_path):
    clip = ffmpeg.video(tmp_path / "clip.mp4", frames=10_000, size=[100, 100])
    with pytest.raises(KeyboardInterrupt), Video(clip) as frames:
        for _ in frames:
            raise KeyboardInterrupt
    assert not ffmpeg.processes()


@pytest.fixture
def camera(monkeypatch):
    monkeypatch.setattr(video, "check_camera", lambda place, name: None)


def test_of_a_camera_only_the_newest_frame_counts(ffmpeg, camera):
    ffmpeg.live(frames=60, at_once=50, delay=0.2, rate=30)
    with Video("camera:7") as frames:
        each = iter(frames)
        assert frames.live
        first = next(each)
        time.sleep(1)                                   # a slow network: fifty frames and some pass
        second = next(each)
        assert first.number < 50 <= second.number and second.held[0, 0, 0] == second.number
        assert frames.rate == 30
    (call,) = ffmpeg.calls()
    assert call[call.index("-i") - 2:call.index("-i") + 2] == ["-f", "v4l2", "-i", "/dev/video7"]
    assert not ffmpeg.processes()


def test_a_camera_ends_by_the_clock_and_when_it_is_stopped(ffmpeg, camera):
    ffmpeg.live(frames=10_000, delay=0.02)
    begin = time.monotonic()
    with Video("camera:0", every=2, seconds=0.5) as frames:
        numbers = [f.number for f in frames]
    assert 0.5 <= time.monotonic() - begin < 5 and 2 <= len(numbers) < 30 and all(n % 2 == 0 for n in numbers)
    with Video("camera:0") as frames:
        for count, _ in enumerate(frames):
            frames.stop()
        assert count == 0
    assert not ffmpeg.processes()


def test_a_camera_that_falls_silent(ffmpeg, camera, monkeypatch):
    monkeypatch.setattr(video, "PATIENCE", 0.3)
    ffmpeg.live(frames=2, silent=60)
    assert said_of("camera:0") == "camera:0: no frame has come for 0 seconds"
    assert not ffmpeg.processes()


@pytest.mark.parametrize("option, value, right", [
    ("every", 0, "a whole number from 1"), ("every", 1.5, "a whole number from 1"), ("every", True, "a whole number"),
    ("seconds", 0, "a number above 0, or None"), ("seconds", True, "a number"), ("seconds", "2", "a number"),
    ("seconds", float("nan"), "a number"), ("seconds", np.complex64(2), "a number")])
def test_options_that_are_none(option, value, right):
    assert said_of("clip.mp4", **{option: value}).startswith(f"{option} is {value!r}; right is {right}")


def test_a_camera_that_is_not_there(ffmpeg, monkeypatch):
    monkeypatch.setattr(video, "glob", lambda pattern: ["/dev/video0", "/dev/video2"])
    assert said_of("camera:978") == "camera:978: there is no camera /dev/video978; there are: /dev/video0, /dev/video2"


@pytest.mark.filterwarnings("ignore:.*the camera has ended")
def test_a_network_camera_s_password_is_not_said(ffmpeg):
    ffmpeg.live(frames=1, rate=15)
    address = "rtsp://me:secret@10.0.0.1:554/live?a=1"
    with Video(address) as frames:
        assert [f.name for f in frames] == ["rtsp://10.0.0.1:554/live?a=1#0"]
    (call,) = ffmpeg.calls()
    assert call[call.index("-rtsp_transport") + 1] == "tcp" and call[call.index("-i") + 1] == address
    ffmpeg.live(complaint="[error] Error opening input file SOURCE.", status=1)
    assert said_of(address) == "rtsp://10.0.0.1:554/live?a=1: Error opening input file rtsp://10.0.0.1:554/live?a=1"


def test_without_any_way_it_is_said_how_to_get_one(tmp_path, monkeypatch):
    monkeypatch.setattr(video, "which", lambda name: None)
    monkeypatch.setattr(video, "find_spec", lambda name: None)
    (tmp_path / "clip.mp4").write_bytes(b"")
    said = said_of(tmp_path / "clip.mp4")
    assert "apt install ffmpeg" in said and "pip install 'cinfer[video]'" in said
    assert said_of(tmp_path / "none.mp4") == f"{tmp_path}/none.mp4: no such file; name a video"
    (tmp_path / "d.mp4").mkdir()
    assert "is a folder" in said_of(tmp_path / "d.mp4")


def test_a_program_that_cannot_be_run(ffmpeg, tmp_path):
    clip = ffmpeg.video(tmp_path / "clip.mp4", frames=1)
    (ffmpeg.folder / "ffmpeg").write_bytes(b"\x7fELF nothing")
    assert said_of(clip).startswith(f"{clip}: the program ffmpeg cannot be run: ")


def test_beside_keeps_all_or_the_newest_and_never_more():
    made = []

    def numbers(count):
        for n in range(count):
            made.append(n)
            yield n
    all_of = Beside(numbers(100), newest=False)
    time.sleep(0.2)
    assert len(made) <= video.AHEAD + 1
    assert [all_of.take(1) for _ in range(100)] == list(range(100)) and all_of.take(1) is Beside.END
    newest = Beside(numbers(100), newest=True)
    time.sleep(0.2)
    assert newest.take(1) == 99 and newest.take(1) is Beside.END

    def failing():
        yield 1
        raise InputError("no more")
    broken = Beside(failing(), newest=False)
    assert broken.take(1) == 1
    with pytest.raises(InputError, match="no more"):
        broken.take(1)
    assert broken.take(1) is Beside.END


def test_pictures_through_a_pipe(tmp_path):
    import io

    from PIL import Image

    def jpeg(grey):
        file = io.BytesIO()
        Image.new("L", (8, 6), grey).save(file, "JPEG")
        return file.getvalue()
    damaged = jpeg(9)[:-30] + b"\xff\xd9"
    pipe = io.BytesIO(b"".join([jpeg(0), jpeg(50), b"\xff\xd8\xff\xd9", jpeg(100), jpeg(150)]))
    with pytest.warns(UserWarning, match="^standard input#2.*; left out$"), \
            Video("standard input", pictures=Stream(pipe)) as frames:
        found = [(f.name, f.held.getpixel((0, 0))) for f in frames]
    assert found == [("standard input#0", 0), ("standard input#1", 50), ("standard input#3", 100),
                     ("standard input#4", 150)]
    pipe = io.BytesIO(b"".join(map(jpeg, range(0, 200, 40))) + damaged)
    with Video("standard input", every=2, pictures=Stream(pipe), opened=frame) as frames:
        assert [f.number for f in frames] == [0, 2, 4]


def test_turns_are_counterclockwise():
    pixels = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    assert rotated(pixels, 0) is pixels and rotated(pixels, None) is pixels
    turned = rotated(pixels, -90)                       # clockwise: the lower left corner comes to the upper left
    assert np.array_equal(turned[0, 0], pixels[1, 0]) and np.array_equal(turned[0, 1], pixels[0, 0])
    assert np.array_equal(rotated(pixels, 180), pixels[::-1, ::-1]) and turned.flags.c_contiguous


@pytest.fixture
def pyav(monkeypatch):
    av = pytest.importorskip("av")
    monkeypatch.setattr(video, "which", lambda name: None)
    return av


def clip_of(av, path, count=12, rate=10, size=(64, 48)):
    """Frame n is grey, n * 20, its upper left quarter green."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=rate)
        (stream.width, stream.height), stream.pix_fmt, stream.bit_rate = size, "yuv420p", 4_000_000
        for n in range(count):
            pixels = np.full((size[1], size[0], 3), n * 20, np.uint8)
            pixels[:size[1] // 2, :size[0] // 2] = 0, 200, 0
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    return path


def test_frames_of_pyav(pyav, tmp_path):
    clip = clip_of(pyav, tmp_path / "clip.mp4")
    with Video(clip) as frames:
        found = list(frames)
        assert frames.rate == 10
    assert [f.number for f in found] == list(range(12)) and found[3].name == f"{clip}#3"
    for f in found:
        assert f.held.shape == (48, 64, 3) and f.held.flags.c_contiguous
        assert np.abs(f.held[40, 50].astype(int) - f.number * 20).max() <= 6        # it is compressed
        assert np.abs(f.held[8, 8].astype(int) - (0, 200, 0)).max() <= 10
    with Video(clip, every=5) as frames:
        assert [f.number for f in frames] == [0, 5, 10]
    with Video(clip, seconds=0.5) as frames:
        assert [f.number for f in frames] == [0, 1, 2, 3, 4]
    with Video(clip) as frames:
        next(iter(frames))


@pytest.mark.parametrize("degrees, shape, green", [
    (90, (64, 48), (8, 40)), (180, (48, 64), (40, 56)), (270, (64, 48), (56, 8))])
def test_a_phone_s_turned_video_is_upright(pyav, tmp_path, degrees, shape, green):
    clip = clip_of(pyav, tmp_path / "clip.mp4", 2)
    data = bytearray(clip.read_bytes())
    one = 1 << 16                                       # ISO 14496-12, 8.3.2: the matrix of tkhd; clockwise
    a, b = {90: (0, one), 180: (-one, 0), 270: (0, -one)}[degrees]
    at = data.index(b"tkhd") + 4 + 40
    data[at:at + 36] = struct.pack(">9i", a, b, 0, -b, a, 0, 0, 0, 1 << 30)
    clip.write_bytes(data)
    with Video(clip) as frames:
        first = next(iter(frames))
    assert first.held.shape[:2] == shape and (first.height, first.width) == shape
    y, x = green
    assert np.abs(first.held[y, x].astype(int) - (0, 200, 0)).max() <= 10
    assert np.abs(first.held[shape[0] - 1 - y, shape[1] - 1 - x].astype(int)).max() <= 10


def test_a_title_in_another_script(pyav, tmp_path):
    """Old files have titles in Latin-1, which PyAV takes for UTF-8."""
    clip = tmp_path / "clip.avi"
    with pyav.open(str(clip), "w") as container:
        container.metadata["title"] = "Zuege"
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.mux(stream.encode(pyav.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")))
        container.mux(stream.encode())
    data = clip.read_bytes()
    assert b"Zuege" in data
    clip.write_bytes(data.replace(b"Zuege", b"Z\xfcge "))
    with Video(clip) as frames:
        assert len(list(frames)) == 1


def test_what_pyav_says_is_one_line(pyav, tmp_path):
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(b"no video" * 50)
    assert said_of(clip) == f"{clip}: this is no video, or not a whole one (Invalid data found when processing input)"
    clip.write_bytes(b"")
    assert said_of(clip).startswith(f"{clip}: ")
    (tmp_path / "list.m3u8").write_text("#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n")
    (tmp_path / "list.m3u8").rename(clip)
    assert said_of(clip).startswith(f"{clip}: ")


def test_many_frames_are_read_with_a_session(ffmpeg, camera, tmp_path):
    from constant_model import model

    from cinfer.vision import read_many
    session = model({"y": np.zeros((1, 5), np.float32)}, {"task": "classify"}, (1, 3, 6, 8), name="x")
    clip = ffmpeg.video(tmp_path / "clip.mp4", frames=9)
    assert len(list(read_many(session, clip))) == 9
    with Video(clip, every=4) as frames:
        assert len(list(read_many(session, frames))) == 3
    ffmpeg.live(frames=1000, delay=0.02)
    with Video("camera:0", seconds=0.3) as frames:
        assert 1 <= len(list(read_many(session, frames))) < 100
    next(read_many(session, clip))
    assert not ffmpeg.processes()

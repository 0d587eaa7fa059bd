"""Videos that are written: what reads them again finds the frames, their size and their times."""

import json
import signal

import numpy as np
import pytest
from fake_ffmpeg import ffmpeg  # noqa: F401 (fixture)
from PIL import Image, ImageSequence

from cinfer.errors import InputError
from cinfer.vision.answers import film
from cinfer.vision.answers.encode import FILMS
from cinfer.vision.answers.film import FORMATS, GIF, Film, uninterrupted


def grey(value, size=(10, 7), mode="RGB"):
    return Image.new("RGB", size, (value,) * 3).convert(mode)


def written(path, pictures, rate=None, times=()):
    with open(path, "wb") as file, Film(file, str(path), rate) as made:
        for n, each in enumerate(pictures):
            made.write(each, times[n] if times else 1)
    return path


def test_endings():
    assert set(FILMS) == {*FORMATS, GIF}


@pytest.mark.parametrize("ending, format", [("mp4", "mp4"), ("mkv", "matroska"), ("webm", "webm")])
def test_ffmpeg_is_given_the_frames(ffmpeg, tmp_path, ending, format):
    path = written(tmp_path / f"out.{ending}", [grey(n, mode="L" if n == 3 else "RGB") for n in range(5)], 12.5,
                   (1, 1, 3, 1, 1))
    assert json.loads(path.read_text()) == {"size": [10, 7], "rate": 12.5, "format": format,
                                            "frames": [0, 1, 2, 2, 2, 3, 4]}
    (call,) = ffmpeg.calls()
    assert call[call.index("-vf") + 1] == "pad=10:8"    # an even number of lines
    assert call[call.index("-pix_fmt", call.index("-i")) + 1] == "yuv420p" and not ffmpeg.processes()


def test_frames_of_other_sizes_become_as_the_first(ffmpeg, tmp_path):
    path = written(tmp_path / "out.mp4", [grey(9), grey(8, (4, 4)), grey(7, (90, 90), "RGBA")])
    assert json.loads(path.read_text()) == {"size": [10, 7], "rate": 25, "format": "mp4", "frames": [9, 8, 7]}


def test_what_ffmpeg_says_is_one_line(ffmpeg, tmp_path):
    path = tmp_path / "out.mp4"
    ffmpeg.writes(complaint="[libx264 @ 0x1] [error] No space left on device", status=1)
    with pytest.raises(InputError, match=f"^{path}: No space left on device$"):
        written(path, [grey(1)])
    ffmpeg.writes(complaint="[error] No space left on device", status=1, most=1)        # in the middle
    with pytest.raises(InputError, match=f"^{path}: No space left on device$"):
        written(path, [grey(n % 256, (300, 300)) for n in range(200)])
    assert not ffmpeg.processes()


def test_an_error_within_the_block_ends_the_program(ffmpeg, tmp_path):
    with pytest.raises(KeyboardInterrupt), open(tmp_path / "out.mp4", "wb") as file, Film(file, "out.mp4", 25) as made:
        made.write(grey(1))
        raise KeyboardInterrupt
    assert not ffmpeg.processes()


def test_without_any_way_it_is_said_how_to_get_one(tmp_path, monkeypatch):
    monkeypatch.setattr(film, "which", lambda name: None)
    monkeypatch.setattr(film, "find_spec", lambda name: None)
    words = r"out.mp4: videos are written by .*apt install ffmpeg.*cinfer\[video\].*\.gif needs"
    with pytest.raises(InputError, match=words):
        written(tmp_path / "out.mp4", [grey(1)])
    written(tmp_path / "out.gif", [grey(1)])


@pytest.mark.parametrize("rate, times, lengths", [
    (10, (1, 1, 1), [100, 100, 100]), (30, (1,) * 6, [30, 40, 30, 30, 40, 30]),     # ends at 33, 67, 100 ms ...
    (10, (1, 3, 1), [100, 300, 100]), (100, (1,) * 6, [20, 20, 20])])  # fmt: skip
def test_gif(tmp_path, rate, times, lengths):
    pictures = [grey(40 * n, (33, 17)) for n in range(len(times))]
    for n, each in enumerate(pictures):
        each.putpixel((n, 3), (255, 0, 0))
    path = written(tmp_path / "out.gif", pictures, rate, times)
    with Image.open(path) as made:
        assert made.n_frames == len(lengths) and made.info["loop"] == 0
        found = [(each.info["duration"], np.asarray(each.convert("RGB"))) for each in ImageSequence.Iterator(made)]
    assert [length for length, _ in found] == lengths
    step = len(times) // len(lengths)
    for (_, pixels), picture in zip(found, pictures[::step]):
        assert np.array_equal(pixels, np.asarray(picture))


def test_gif_of_many_colours_and_sizes(tmp_path):
    rng = np.random.default_rng(0)
    smooth = Image.fromarray(rng.integers(0, 256, (6, 8, 3), np.uint8)).resize((80, 60), Image.Resampling.BICUBIC)
    path = written(tmp_path / "out.gif", [smooth, grey(3), grey(5, mode="RGBA")])
    with Image.open(path) as made:
        assert made.size == (80, 60) and made.n_frames == 3
        assert np.abs(np.asarray(made.convert("RGB"), np.int16) - np.asarray(smooth)).mean() < 9


@pytest.fixture
def pyav(monkeypatch):
    av = pytest.importorskip("av")
    monkeypatch.setattr(film, "which", lambda name: None)
    return av


@pytest.mark.parametrize("ending", ["mp4", "mkv", "webm"])
def test_pyav_writes_what_it_reads(pyav, tmp_path, ending):
    path = written(tmp_path / f"out.{ending}", [grey(30 * n, (65, 47)) for n in range(5)], 12.5, (1, 1, 3, 1, 1))
    with pyav.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.average_rate == 12.5
        found = [each.to_ndarray(format="rgb24") for each in container.decode(stream)]
    assert {each.shape for each in found} == {(48, 66, 3)}
    assert [round(float(each.mean()) / 30) for each in found] == [0, 1, 2, 2, 2, 3, 4]


def test_a_film_that_pyav_cannot_write_is_one_line(pyav, tmp_path):
    class Gone:
        name = str(tmp_path / "none" / "x.tmp")
    no_file = pytest.raises(InputError, match="^-o out.mp4: No such file or directory$")
    with no_file, Film(Gone, "-o out.mp4", 25) as made:
        made.write(grey(1))
    with pytest.raises(InputError, match="too many for a video"), Film(Gone, "-o out.mp4", 25) as made:
        made.write(grey(1, (20_000, 2)))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_waits_for_a_program_to_be_known(number):
    """Else its file would be written anew when it has been removed."""
    done, before = [], signal.signal(number, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt), uninterrupted():
            signal.raise_signal(number)
            done.append(1)
        assert done == [1] and signal.getsignal(number) is signal.default_int_handler
    finally:
        signal.signal(number, before)

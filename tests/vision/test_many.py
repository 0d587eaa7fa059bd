"""Many pictures with one session: their order, how many are in work and in memory, what ends early."""

import threading
import time
import weakref

import numpy as np
import pytest

import cinfer
from cinfer import vision
from cinfer.errors import InputError
from cinfer.vision import Video
from cinfer.vision.many import AHEAD, readings
from cinfer.vision.reader import Reader
from fake_ffmpeg import ffmpeg  # noqa: F401 (fixture)
from onnx_models import Model


def session_of(threads, turns=0):
    """The means of a picture's channels; turns : products of large matrices beside, some milliseconds each."""
    m = Model(seed=1)
    x = m.input("x", 1, 3, 8, 8)
    outputs = [m.GlobalAveragePool(x)]
    if turns:
        large = y = m.Add(m.constant(np.zeros((900, 900), np.float32)), m.ReduceMax(x, keepdims=0))
        for _ in range(turns):
            y = m.MatMul(y, large)
        outputs.append(m.ReduceMax(y, keepdims=0))
    return cinfer.load(m.outputs(*outputs).bytes(), threads=threads)


def pictures(count, begin=0):
    return [np.full((8, 8, 3), n % 200, np.uint8) for n in range(begin, begin + count)]


def read(session, sources, **how):
    """The mean of each picture, as values of 0..255; errors as they are."""
    reader = Reader(session)
    return [found if isinstance(found, Exception) else round(255 * next(iter(found.outputs.values())).mean())
            for _, found in readings(reader, sources, **how)]


def watched(session, monkeypatch):
    """A list of what runs of a session had: (how many were under way, how many threads it may have, what ended it)."""
    seen, under_way, lock = [], [], threading.Lock()
    run = session._run_until

    def watching(stop, *arguments):
        with lock:
            under_way.append(None)
            seen.append([len(under_way), session.threads if stop is None else stop.threads, None])
            mine = seen[-1]
        time.sleep(0.01)
        try:
            return run(stop, *arguments)
        except BaseException as error:
            mine[2] = type(error)
            raise
        finally:
            with lock:
                under_way.pop()
    monkeypatch.setattr(session, "_run_until", watching)
    return seen


@pytest.mark.parametrize("workers", [None, 0, 1, 2, 5])
@pytest.mark.parametrize("threads", [1, 2, 5])
def test_answers_come_in_order(threads, workers):
    slow = {3: 0.05, 4: 0.02, 11: 0.04}

    def opened(source):
        time.sleep(slow.get(int(source[0, 0, 0]), 0))
        return reader.opened(source)
    session = session_of(threads)
    reader = Reader(session)
    assert read(session, pictures(23), workers=workers, opened=opened) == list(range(23))
    assert read(session, [], workers=workers) == []


@pytest.mark.parametrize("threads, workers, at_once, each", [
    (1, None, 1, 1), (2, None, 2, 1), (4, None, 2, 2), (5, None, 2, 2), (4, 1, 1, 4), (4, 0, 1, 4), (3, 3, 2, 1)])
def test_two_at_once_share_the_threads_of_the_session(monkeypatch, threads, workers, at_once, each):
    session = session_of(threads)
    seen = watched(session, monkeypatch)
    assert read(session, pictures(12), workers=workers) == list(range(12))
    assert max(count for count, *_ in seen) == at_once and {most for _, most, _ in seen} == {each}


def test_what_cannot_be_read_stands_in_its_place(tmp_path):
    session, sources = session_of(2), [*pictures(3), str(tmp_path / "none.jpg"), b"no picture", *pictures(3, 3)]
    found = read(session, sources)
    assert [each for each in found if isinstance(each, int)] == list(range(6))
    assert [type(each) for each in found[3:5]] == [InputError] * 2 and "none.jpg: no such file" in str(found[3])
    assert [type(each).__name__ for each in vision.read_many(session, sources)] == \
        ["Summary"] * 3 + ["InputError"] * 2 + ["Summary"] * 3


@pytest.mark.parametrize("workers", [None, 0, 1])
def test_what_the_iterable_raises_comes_behind_the_answers(workers):
    def sources():
        yield from pictures(7)
        raise OSError("the net is gone")
    found = []
    with pytest.raises(OSError, match="the net is gone"):
        for _, each in readings(Reader(session_of(2)), sources(), workers):
            found.append(each)
    assert len(found) == 7 and not threads_left()


@pytest.mark.parametrize("threads", [1, 2])
def test_memory_holds_few_of_many_pictures(threads):
    gone, most, taken = [], 0, 0

    class Tracked(np.ndarray):                          # of which there are weak references
        pass

    def sources():
        nonlocal taken
        for n in range(3000):
            array = np.full((8, 8, 3), n % 200, np.uint8).view(Tracked)
            weakref.finalize(array, gone.append, None)
            taken += 1
            yield array
            del array
    for count, found in enumerate(vision.read_many(session_of(threads), sources()), 1):
        del found
        most = max(most, taken - len(gone))
        assert taken - count <= 2 + AHEAD
    assert count == 3000 and most <= 2 + AHEAD + 2


def threads_left():
    return [each for each in threading.enumerate() if each.name.startswith("cinfer-pictures")]


@pytest.mark.parametrize("threads", [1, 2])
def test_closing_early_ends_threads_and_runs(monkeypatch, threads):
    session = session_of(threads, turns=10)
    many = vision.read_many(session, pictures(1))
    next(many)
    seen = watched(session, monkeypatch)
    many = vision.read_many(session, [*pictures(1), *pictures(50)])
    next(many)
    while threads > 1 and len(seen) < 2:
        time.sleep(0.01)
    many.close()
    assert not threads_left() and not session._pool.busy
    if threads > 1:
        assert len(seen) <= 4 and seen[-1][2] is cinfer.Cancelled
    assert session_of(1).run(None, {"x": np.zeros((1, 3, 8, 8), np.float32)})


def test_forgetting_it_ends_threads():
    for _, found in zip(range(2), vision.read_many(session_of(2), pictures(50))):
        pass
    del found, _
    assert not threads_left()


def test_a_video_is_left_with_the_program_behind_it(ffmpeg, tmp_path):
    clip = ffmpeg.video(tmp_path / "clip.mp4", frames=10_000)
    many = vision.read_many(session_of(2), clip)
    next(many)
    many.close()
    assert not ffmpeg.processes() and not threads_left()
    with Video(clip, every=1000) as frames:
        assert len(list(vision.read_many(session_of(2), frames))) == 10
    ffmpeg.video(clip, frames=20, complaint="[error] Disk on fire", status=1)
    found = []
    with pytest.raises(InputError, match="after frame 19: Disk on fire"):
        for each in vision.read_many(session_of(2), clip):
            found.append(each)
    assert len(found) == 20


def test_two_threads_read_with_one_session():
    session, found = session_of(2), {}

    def go(begin):
        found[begin] = read(session, pictures(40, begin))
    both = [threading.Thread(target=go, args=(begin,)) for begin in (0, 100)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join(60)
    assert found == {begin: list(range(begin, begin + 40)) for begin in (0, 100)}


def test_names_of_folders_are_taken(tmp_path):
    from PIL import Image
    for n in range(3):
        Image.new("RGB", (8, 8), (n, n, n)).save(tmp_path / f"{n}.png")
    for name in (tmp_path, str(tmp_path), f"{tmp_path}/*.png"):
        assert len(list(vision.read_many(session_of(2), name))) == 3


@pytest.mark.parametrize("sources, how, words", [
    ([], {"workers": -1}, "workers is -1; right is a whole number"), ([], {"workers": "2"}, "workers is '2'"),
    ([], {"workers": 1.5}, "workers is 1.5"), (b"\xff\xd8", {}, "`read` takes one picture"),
    (pictures(1)[0], {}, "`read` takes one picture")])
def test_what_is_no_iterable_of_pictures(sources, how, words):
    with pytest.raises(InputError, match=words):
        list(vision.read_many(session_of(1), sources, **how))

"""Many pictures, answered in their order: they are decoded and prepared on other threads while the network runs, and
where a session has several threads, two are run at once, each by half of them. Two runs never wait for each other as
the threads of one do at the end of each step, nor for the decoding, which takes its share of the same CPUs."""
from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing

from ..errors import Error, InputError, LimitError
from .pictures.frames import Frame
from .reader import Reader, Reading, opener
from .recognise.words import LabelsError

AHEAD = 2                           # pictures that are ready while each worker has one in hand: bounds the memory
MOST_WORKERS = 8                    # if nobody says how many; two of them run the network at any time


def readings(reader: Reader, sources: Iterable, workers: int | None = None,
             opened=None) -> Iterator[tuple[object, Reading | Error]]:
    """(source, its Reading or why there is none) of each source, in their order.

    sources : whatever `opened`, the reader's where none is given, makes a Frame of; taken as they are needed
    workers : threads that decode and prepare; AHEAD pictures more than these are in memory. None: for the session's
        threads. 0: each picture is taken when the one before is answered, as live sources want it
    """
    opened = opened or opener(reader)
    stop = None

    def prepared(source):
        try:
            taken = source if isinstance(source, Frame) else opened(source)
        except (InputError, LimitError) as error:
            return error
        try:
            return reader.prepare(taken)
        except (InputError, LimitError) as error:
            return _named(error, taken)

    def finished(ready):
        if isinstance(ready, Error):
            return ready
        try:
            return reader.finish(ready) if stop is None else reader.finish(ready, stop)
        except LabelsError:
            raise
        except (InputError, LimitError) as error:
            return _named(error, ready.frame)

    if workers == 0:
        for source in sources:
            yield source, finished(prepared(source))
        return
    from concurrent.futures import ThreadPoolExecutor

    from ..run.pool import Stop
    threads = getattr(reader, "threads", 1)
    workers = workers or max(2, min(threads, MOST_WORKERS))
    at_once = min(2, threads, workers)
    turn = threading.Semaphore(at_once)

    def answered(source):
        ready = prepared(source)
        with turn:
            return finished(ready)

    work, after = prepared, finished
    if at_once > 1:
        stop, work, after = Stop(threads // at_once), answered, lambda found: found
    sources, waiting, ended = iter(sources), deque(), []        # ended: what the sources raised, or None at their end

    def take() -> None:
        while not ended and len(waiting) < workers + AHEAD:
            try:
                source = next(sources)
            except StopIteration:
                ended.append(None)
            except Exception as error:                  # later, behind the answers to those before
                ended.append(error)
            else:
                waiting.append((source, pool.submit(work, source)))

    with ThreadPoolExecutor(workers, "cinfer-pictures") as pool:
        try:
            take()
            while waiting:
                source, future = waiting.popleft()
                found = future.result()
                take()
                yield source, after(found)
            if ended[0] is not None:
                raise ended[0]
        finally:                                        # Ctrl-C, or nobody wants more
            for _, future in waiting:
                future.cancel()
            if stop is not None:
                stop.end()


def _named(error: Error, taken: Frame) -> Error:
    return type(error)(f"{taken.name}: {error}")


def read_many(session, sources: Iterable, *, workers: int | None = None, **options) -> Iterator:
    """What a model says of each picture, in their order.

    Parameters
    ----------
    session, options : as of `read`
    sources : an iterable of what `read` takes, or the name of a folder, a pattern or a list (pictures/listed.py), a
        video or a camera, or a Video (pictures/video.py); an answer's `image` says which one it is of
    workers : threads that decode and prepare pictures while the network runs; memory holds at most two pictures more.
        By default as many as the session's threads, two to eight. From two on, two pictures are run at once, each by
        half of the session's threads: more are answered a second, each takes longer. 0: each picture is taken when the
        one before is answered, as is done with cameras: for an iterable that waits for something, or fills one array
        again and again

    Yields
    ------
    an answer for each picture; an InputError or LimitError, not raised, for one that cannot be read. What the iterable
    itself raises comes after the answers to what it gave before

    Closing it early ends its threads, and the program or camera behind a video.

    Raises
    ------
    InputError : an argument is wrong, or the labels are not as many as the model has classes
    """
    from .arguments import check_workers, sources_of
    from .pictures.frames import check_order
    from .reader import reader
    order, workers = check_order(options.pop("order", "RGB")), check_workers(workers)
    return _answers(session, reader(session, **options), sources_of(sources), workers, order)


def _answers(session, reads: Reader, sources, workers: int | None, order: str) -> Iterator:
    """session : what `reads` reads with, and refers to weakly; held as long as answers come"""
    from .pictures.listed import is_video, pictures_of
    with ExitStack() as stack:
        if isinstance(sources, str):
            if is_video(sources):
                from .pictures.video import Video
                sources = stack.enter_context(Video(sources))
            else:
                sources = pictures_of([sources])
        live = getattr(sources, "live", False)
        found_of = readings(reads, sources, 0 if live else workers, lambda source: opener(reads)(source, order))
        for _, found in stack.enter_context(closing(found_of)):
            yield found.answer if isinstance(found, Reading) else found

"""Many pictures: they are decoded and prepared on other threads while the network runs, and answered in their order."""
from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice

from ..errors import Error, InputError, LimitError
from .pictures.frames import Frame
from .reader import Reader, Reading
from .recognise.words import LabelsError

AHEAD = 2                           # pictures a worker may be ahead: bounds the memory


def readings(reader: Reader, sources: Iterable, workers: int = 2,
             opened=None) -> Iterator[tuple[object, Reading | Error]]:
    """(source, its Reading or why there is none) of each source, in their order.

    sources : whatever `opened`, the reader's where none is given, makes a Frame of; taken as they are needed
    workers : threads that decode and prepare; at most AHEAD pictures each are in memory. 0: each picture is taken when
        the one before is answered, as live sources want it
    """
    opened = opened or reader.opened

    def prepared(source):
        try:
            taken = source if isinstance(source, Frame) else opened(source)
        except (InputError, LimitError) as error:
            return error
        try:
            return reader.prepare(taken)
        except (InputError, LimitError) as error:
            return _named(error, taken)

    def finished(source, ready):
        if isinstance(ready, Error):
            return source, ready
        try:
            return source, reader.finish(ready)
        except LabelsError:
            raise
        except (InputError, LimitError) as error:
            return source, _named(error, ready.frame)

    sources = iter(sources)
    if not workers:
        for source in sources:
            yield finished(source, prepared(source))
        return
    from concurrent.futures import ThreadPoolExecutor
    with ThreadPoolExecutor(workers, "cinfer-pictures") as pool:
        waiting = deque((source, pool.submit(prepared, source)) for source in islice(sources, workers * AHEAD))
        try:
            while waiting:
                source, future = waiting.popleft()
                ready = future.result()
                for following in islice(sources, 1):
                    waiting.append((following, pool.submit(prepared, following)))
                yield finished(source, ready)
        finally:
            for _, future in waiting:
                future.cancel()


def _named(error: Error, taken: Frame) -> Error:
    return type(error)(f"{taken.name}: {error}")


def read_many(session, sources: Iterable, *, workers: int = 2, **options) -> Iterator:
    """What a model says of each picture, in their order.

    Parameters
    ----------
    session, options : as of `read`
    sources : an iterable of what `read` takes, or the name of a folder, a pattern or a list (pictures/listed.py), a
        video or a camera, or a Video (pictures/video.py)
    workers : threads that decode and prepare pictures while the network runs; memory holds at most a few pictures for
        each

    Yields
    ------
    an answer for each picture; an InputError or LimitError, not raised, for one that cannot be read

    Raises
    ------
    InputError : an argument is wrong, or the labels are not as many as the model has classes
    """
    from .arguments import check_workers, sources_of
    from .pictures.frames import check_order
    from .pictures.listed import is_video, pictures_of
    from .reader import reader
    order = check_order(options.pop("order", "RGB"))
    reads = reader(session, **options)
    sources, workers = sources_of(sources), check_workers(workers)
    if isinstance(sources, str):
        if is_video(sources):
            from .pictures.video import Video
            sources = Video(sources)
        else:
            sources = pictures_of([sources])
    workers = 0 if getattr(sources, "live", False) else workers
    found = readings(reads, sources, workers, lambda source: reads.opened(source, order))
    return (each.answer if isinstance(each, Reading) else each for _, each in found)

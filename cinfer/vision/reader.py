"""A session and pictures -> answers: what all of cinfer.vision comes together in."""
from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import partial
from math import ceil
from weakref import WeakKeyDictionary, proxy

import numpy as np

from ..errors import InputError, LimitError
from .answers.answer import Answer
from .arguments import check_exact, check_names, check_options, check_session, flags_of, labels_of
from .families import DECODERS, family
from .families.view import Options, numbers_of, viewed
from .pictures.frames import Frame, frame
from .prepare.fit import fit
from .prepare.geometry import Geometry
from .prepare.prepare import prepare
from .prepare.recipe import recipe_for
from .recognise import recognise
from .recognise.model import Model
from .recognise.words import Words, quoted


@dataclass(slots=True, eq=False)
class Reading:
    """One picture's answer, and how it came about.

    answer : of answers/; where : from pixels of the picture to those of the input
    outputs : name -> array; seconds : of preparing, running and decoding
    """
    frame: Frame
    answer: Answer
    where: Geometry
    outputs: dict = field(repr=False)
    seconds: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def __post_init__(self):
        self.answer.image, self.answer.size = self.frame.name, (self.frame.width, self.frame.height)
        self.answer.ms = round(1e3 * sum(self.seconds), 2)

    def data(self) -> dict:
        """The JSON object of docs/json.md, but for the picture's name."""
        return {key: value for key, value in self.answer.record().items() if key != "image"}


@dataclass(slots=True, eq=False)
class Prepared:
    """A picture that is ready to be fed. seconds : that this took"""
    frame: Frame
    feeds: dict = field(repr=False)
    where: Geometry
    seconds: float


class Reader:
    """A session with all that is known of its model.

    words : Words, what is known and who says it; recipe : how pictures are prepared; family : the module that decodes
    whole : are JPEGs always decoded at their full size, as whoever draws on them or cuts parts out of them needs it?
        Else at a fraction where twice what is fed remains
    """
    whole = True

    def __init__(self, session, flags: dict[str, tuple[str, str]] | None = None, options: Options | None = None,
                 labels: list[str] | None = None):
        """flags : word -> (text, the flag as typed); labels : class names instead of the model's own

        Raises InputError where the model cannot be fed with a picture, or a word is wrong."""
        check_session(session)
        options, model = check_options(options or Options()), Model(session)
        self._begin(session, options, model, recognise(model, flags, labels))

    def _begin(self, session, options: Options, model: Model, words: Words) -> None:
        self.session, self.options, self.model, self.words = session, options, model, words
        if self.options.classes is not None and self.words.labels and self.words.task != "keypoints":   # of points
            numbers_of(self.options.classes, self.words.labels)         # wrong ones are refused before the work
        self.recipe = recipe_for(self.words, session.inputs)
        self.family = family(self.words.one_of("family", DECODERS, "raw"))
        self._batch = batch_of(self.model.inputs, self.recipe)
        self._others = [port for port in session.inputs if port.name != self.recipe.input]
        unknown = [port.name for port in self._others if port.name not in getattr(self.family, "BESIDE", ())]
        if unknown:
            raise InputError(f"the model also takes {quoted(unknown)}; "
                             "cinfer run feeds a picture only: use it from Python: cinfer.load")

    def __getstate__(self) -> tuple:
        """What is known of the model goes along: files beside it need not be where the copy is."""
        return self.session, self.options, self.words, self.whole

    def __setstate__(self, state: tuple) -> None:
        session, options, words, self.whole = state
        self._begin(session, options, Model(session), words)

    def opened(self, source, order: str = "RGB", name: str | None = None) -> Frame:
        """A Frame of whatever `frame` takes; any thread may do this."""
        return frame(source, order, name, None if self.whole else self.needed)

    def needed(self, width: int, height: int) -> tuple[int, int] | None:
        """The size to which a picture of width x height is scaled as a whole; None where its own pixels count: by
        `nearest` and `floor`, and by `corner`, whose places are not those of pixels' middles."""
        if self.recipe.filter in ("nearest", "floor", "corner"):
            return None
        try:
            way = fit(width, height, self.recipe)
        except (InputError, LimitError):                # who prepares it says so
            return None
        if way.part is None:
            return way.scaled
        x1, y1, x2, y2 = way.part
        return ceil(way.scaled[0] * width / (x2 - x1)), ceil(way.scaled[1] * height / (y2 - y1))

    def prepare(self, picture) -> Prepared:
        """Decode and prepare a picture; any thread may do this. picture : whatever `frame` takes"""
        taken = picture if isinstance(picture, Frame) else self.opened(picture)
        begin = time.perf_counter()
        x, where = prepare(taken.held, self.recipe, (taken.width, taken.height), taken.order)
        feeds = {self.recipe.input: x}
        if self._others:
            feeds |= self.family.feeds(self._others, where)
        if self._batch > 1:
            feeds = {name: np.repeat(value, self._batch, axis=0) for name, value in feeds.items()}
        return Prepared(taken, feeds, where, time.perf_counter() - begin)

    @property
    def threads(self) -> int:
        """Of a run. Several threads may `finish` at once, if they share them: by a Stop."""
        return self.session.threads

    def fed(self, x: np.ndarray) -> Prepared:
        """What another program has prepared: the input as the model takes it, of the whole picture."""
        height, width = x.shape[-3:-1] if self.recipe.layout.endswith("C") else x.shape[-2:]
        where = Geometry(width, height, width, height, 1.0, 1.0)
        feeds = {self.recipe.input: x}
        if self._others:
            feeds |= self.family.feeds(self._others, where)
        return Prepared(Frame(None, width, height, "the tensor"), feeds, where, 0.0)

    def finish(self, ready: Prepared, stop=None, timeout: float | None = None) -> Reading:
        """Run and decode. stop : Stop (run/pool.py), which ends the run, or leaves it fewer threads; timeout : as of
        Session.run"""
        begin = time.perf_counter()
        run = self.session.run if stop is None else partial(self.session._run_until, stop)
        try:
            arrays = run(None, ready.feeds) if timeout is None else run(None, ready.feeds, timeout=timeout)
        except InputError as error:
            raise self._hinted(error) from None
        done = time.perf_counter()
        if self._batch > 1:
            arrays = [one_of(value, port.shape, self._batch) for value, port in zip(arrays, self.session.outputs)]
        outputs = dict(zip([port.name for port in self.session.outputs], arrays))
        with np.errstate(all="ignore"):         # outputs may hold anything; families drop what is not finite
            answer = self.family.decode(viewed(outputs, self.words, self.recipe, ready.where, self.options))
        return Reading(ready.frame, answer, ready.where, outputs,
                       (ready.seconds, done - begin, time.perf_counter() - done))

    def read(self, picture) -> Reading:
        """picture : whatever `frame` takes"""
        return self.finish(self.prepare(picture))

    def _hinted(self, error: InputError) -> InputError:
        """A network that halves its pictures cannot take any size."""
        port = next(port for port in self.session.inputs if port.name == self.recipe.input)
        rule = self.recipe.size.rule
        is_asked = rule in ("any", "wide") or rule == "fixed" and not self.model.size(port)
        if is_asked and " cannot take " in str(error):
            return InputError(f"{error}; --size multiple:32 may help")
        return error


def batch_of(inputs, recipe) -> int:
    """How many pictures a network wants at once, whose file says so: the same one is fed so often."""
    port = next(port for port in inputs if port.name == recipe.input)
    batch = port.shape[0] if port.shape and len(port.shape) > 3 else 1
    return batch if isinstance(batch, int) else 1


def one_of(value, shape, batch: int, number: int = 0):
    """Of an output for a batch of pictures what is one's, the first one's by default. shape : as the file says it; a
    free number of rows is of all pictures"""
    return value[number:number + 1] if is_batched(value, shape, batch) else value


def is_batched(value, shape, batch: int) -> bool:
    """Has an output something for each picture of a batch? The rest as of `one_of`."""
    ranked = getattr(value, "ndim", 0)
    return (ranked > 2 or ranked > 1 and bool(shape) and shape[0] == batch) and len(value) == batch


# session -> options -> Reader, which refers to the session weakly: else neither would ever go
_readers: WeakKeyDictionary = WeakKeyDictionary()


def read(session, picture, **options) -> Answer:
    """What a model says of a picture.

    Parameters
    ----------
    session : cinfer.Session; or a list of them, one after the other as in `cinfer run det.onnx+rec.onnx`
    picture : a path, bytes, a binary file, a PIL.Image.Image, or an array (height, width, 3) or (height, width) of
        uint8, RGB, or with order="BGR" as OpenCV has it
    order : "RGB" or "BGR", of an array
    exact : True: large JPEGs are decoded whole, not at a fraction of their size
    labels : class names instead of the model's own
    task, recipe : what the model is, instead of what it says or seems to be; recipe: words of docs/metadata.md
        without "cinfer.", such as {"input.resize": "stretch"}
    conf, iou : the least score, and the overlap above which the lower score of two goes, instead of the authors'
    max_det, classes : how many objects at most; only these, a list of labels or numbers
    top : how many classes of a classifier, 5

    Returns
    -------
    Classes, Objects, Map, Text, Embedding, Picture or Summary (docs/python.md), places in pixels of the picture as a
    person sees it

    Raises
    ------
    InputError, LimitError : the picture cannot be read, or not be fed to this model
    """
    order = options.pop("order", "RGB")
    reads = reader(session, **options)
    return reads.read(opener(reads)(picture, order)).answer


def opener(reads):
    """What makes a Frame for a Reader, or for a chain: it takes whole pictures."""
    return getattr(reads, "opened", frame)


def reader(session, *, labels=None, task=None, recipe=None, exact=False, **options):
    """The Reader of a session, or the chain of several, for these options; kept as long as the first session lives."""
    sessions = tuple(session) if isinstance(session, (list, tuple)) and session else (session,)
    for each in sessions:
        check_session(each)
    check_names(options)
    flags, labels, exact = flags_of(task, recipe), labels_of(labels), check_exact(exact)
    asked = check_options(Options(**options))
    key = (tuple(sorted(flags.items())), asked, None if labels is None else tuple(labels), exact,
           tuple(map(id, sessions[1:])))                # the chain holds these, so no other will have their ids
    kept = _readers.setdefault(sessions[0], {})
    if key not in kept:
        from .chains import reader_of
        kept[key] = reader_of([proxy(sessions[0]), *sessions[1:]], flags, asked, labels)
        kept[key].whole = exact
    return kept[key]

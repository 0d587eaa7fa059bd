"""Reading a page: a detector of lines, a recogniser, and, if given, a classifier that says which lines are upside down.

Lines are cut out in perspective, turned, and recognised in batches of similar width, as PaddleOCR and RapidOCR do.
"""
from __future__ import annotations

import time

import numpy as np

from ..errors import InputError
from .answers.text import Line, Text
from .chains import Origins, Share
from .families import text, text_lines
from .families.view import Options, viewed
from .pictures.frames import Frame
from .prepare.prepare import prepare
from .prepare.recipe import Size
from .reader import Prepared, Reader, Reading

RIGHT = "a detector of text + a recogniser of text (+ a classifier of directions, 0 and 180 degrees)"
BATCH = 6                           # lines, PaddleOCR's: all are as wide as the widest, which the answer depends on
LEAST_RATIO, MOST_RATIO = 320 / 48, 3200 / 48       # width to height of what a recogniser is fed; longer is squeezed
UPSIDE_DOWN = .9                    # turned where the classifier is surer
TALL = 1.5                          # height to width from which on a line runs from top to bottom
LEAST_SCORE = .5                    # of a line's text


def chain(sessions, flags, options: Options | None, labels) -> TextChain | None:
    """None: one of them does not read text."""
    options = options or Options()
    roles: dict[str, Reader] = {}
    for session in sessions:
        given = flags if session is sessions[0] else None
        role, reader = _role(session, given, labels)
        if role is None or role in roles:
            return None
        roles[role] = reader
    if "recogniser" not in roles or "detector" not in roles:
        return None
    return TextChain(roles["detector"], roles["recogniser"], roles.get("direction"), options)


def _role(session, flags, labels) -> tuple[str | None, Reader | None]:
    """What a model does here. Its task is told by the shape of its output: nothing else that is read has such."""
    shapes = [port.shape for port in session.outputs]
    if len(shapes) != 1 or shapes[0] is None:
        return None, None
    shape = shapes[0]
    if len(shape) == 3:
        role, task, family = "recogniser", "text", "text"
    elif len(shape) == 4 and (shape[1] == 1 or not isinstance(shape[1], int)):
        role, task, family = "detector", "text-detection", "text"
    elif len(shape) == 2 and shape[1] == 2:
        role, task, family = "direction", "classification", "classify"
    else:
        return None, None
    labels = labels if role == "recogniser" else None
    reader = Reader(session, flags, Options(), labels)
    if reader.words.text("family") != family:           # among these it can be nothing else
        reader = Reader(session, {"task": (task, f"a {role} of this chain")} | (flags or {}), Options(), labels)
    return (role, reader) if reader.words.text("family") == family else (None, None)


class TextChain:
    """Reads as a Reader does; `words` and `recipe` are for people."""

    def __init__(self, detector: Reader, recogniser: Reader, direction: Reader | None, options: Options):
        self.detector, self.recogniser, self.direction, self.options = detector, recogniser, direction, options
        self.recipe = detector.recipe
        readers = {"lines": detector, "text": recogniser, "directions": direction}
        self.words = Origins({role: reader for role, reader in readers.items() if reader is not None})

    def prepare(self, picture) -> Prepared:
        """As of a Reader."""
        return self.detector.prepare(picture)

    def read(self, picture) -> Reading:
        """picture : whatever `frame` takes"""
        return self.finish(self.prepare(picture))

    def finish(self, ready: Prepared, stop=None, timeout: float | None = None) -> Reading:
        """Run all, line after line. The reading's outputs are the detector's. stop gives the threads of each run."""
        taken, timed = ready.frame, Timed([ready.seconds, 0., 0.], Share(stop, timeout))
        arrays = timed.run(self.detector.session, ready.feeds)
        outputs = dict(zip([port.name for port in self.detector.session.outputs], arrays))
        view = viewed(outputs, self.detector.words, self.detector.recipe, ready.where, Options())
        quads = timed(2, lambda: text.lines_of(view, text.likely_of(view))[0][:self.options.max_det])
        crops = timed(0, lambda: [cut(taken, quad) for quad in quads])
        quads = [np.roll(quad, -1, axis=0) if turned else quad for quad, (_, turned) in zip(quads, crops)]
        crops = [crop for crop, _ in crops]
        if self.direction is not None and crops:
            for i in np.flatnonzero(self._upside_down(crops, timed)).tolist():
                crops[i], quads[i] = _turned(crops[i], 180), np.roll(quads[i], -2, axis=0)
        said = self._recognised(crops, timed)
        gap = text_lines.line_gap(taken.width, taken.height)
        order = text_lines.order_along(np.array(quads).reshape(-1, 4, 2), gap)
        least = LEAST_SCORE if self.options.conf is None else self.options.conf
        found = [Line(*said[i], quads[i]) for i in order.tolist() if said[i][0] and said[i][1] >= least]
        return Reading(taken, Text(found), ready.where, outputs, tuple(timed.seconds))

    def _upside_down(self, crops: list, timed: Timed) -> np.ndarray:
        sure = np.zeros(len(crops))
        for some, output in _batches(self.direction, crops, range(len(crops)), self.direction.recipe, timed):
            if output.shape != (len(some), 2):
                raise InputError(f"the classifier of directions puts out {output.shape} for {len(some)} lines; right "
                                 "is 2 numbers each, for 0 and 180 degrees")
            sure[some] = output[:, 1]
        return sure > UPSIDE_DOWN

    def _recognised(self, crops: list, timed: Timed) -> list[tuple[str, float]]:
        """(text, score) of each."""
        ratios = np.array([crop.width / crop.height for crop in crops])
        order = np.argsort(ratios, kind="stable")
        said: list[tuple[str, float]] = [("", 0.)] * len(crops)
        for begin in range(0, len(crops), BATCH):
            some = order[begin:begin + BATCH].tolist()
            recipe = padded(self.recogniser.recipe, ratios[some].max())
            for part, output in _batches(self.recogniser, crops, some, recipe, timed):
                if output.ndim != 3 or len(output) != len(part):
                    raise InputError(f"the recogniser puts out {output.shape} for {len(part)} lines; right is "
                                     "lines x steps x classes")
                letters = text.characters(self.recogniser.words, output.shape[2])
                for i, each in zip(part, timed(2, lambda: text.read(output, letters))):
                    said[i] = each
        return said


class Timed:
    """seconds : of preparing, running and decoding; share : what runs have"""

    def __init__(self, seconds: list[float], share: Share):
        self.seconds, self._share = seconds, share

    def run(self, session, feeds: dict) -> list:
        return self(1, lambda: self._share.run(session, feeds))

    def __call__(self, stage: int, work):
        begin = time.perf_counter()
        value = work()
        self.seconds[stage] += time.perf_counter() - begin
        return value


def _batches(reader: Reader, crops: list, which, recipe, timed: Timed):
    """(indices, output) of the crops `which`, all at once, or one after the other where the model's batch is fixed."""
    port = next(port for port in reader.session.inputs if port.name == recipe.input)
    fixed = port.shape is not None and isinstance(port.shape[0], int)
    which = list(which)
    for begin in range(0, len(which), 1 if fixed else BATCH):
        some = which[begin:begin + (1 if fixed else BATCH)]
        x = timed(0, lambda: np.concatenate([prepare(crops[i], recipe)[0] for i in some]))
        yield some, np.asarray(timed.run(reader.session, {recipe.input: x})[0])


def padded(recipe, ratio: float):
    """The recipe for lines of up to this width to height, each at the left of an input of one width."""
    if recipe.size.rule != "wide":
        return recipe
    height = recipe.size.numbers[0]
    width = int(height * min(max(ratio, LEAST_RATIO), MOST_RATIO))
    return recipe._replace(size=Size("fixed", (height, width)), resize=("fit-left", None))


def cut(taken: Frame, quad: np.ndarray):
    """(a line's picture, whether it was turned from one that runs from top to bottom).

    quad : corners in pixels of the picture, from the upper left one on, clockwise
    As large as its longer sides; bicubic; what is beyond the picture's edge is as its last pixel."""
    from PIL import Image
    picture = taken.picture
    w = max(1, int(max(np.hypot(*(quad[1] - quad[0])), np.hypot(*(quad[2] - quad[3])))))
    h = max(1, int(max(np.hypot(*(quad[3] - quad[0])), np.hypot(*(quad[2] - quad[1])))))
    scale = picture.width / taken.width, picture.height / taken.height
    if scale == (1, 1) and np.array_equal(quad, quad[0] + np.array([(0, 0), (w, 0), (w, h), (0, h)])):
        crop = picture.crop((*map(int, quad[0]), *map(int, quad[2])))       # nothing to sample
    else:
        crop = picture.transform((w, h), Image.Transform.PERSPECTIVE, perspective(w, h, quad * scale).tolist(),
                                 resample=Image.Resampling.BICUBIC)
    return (_turned(crop, 90), True) if h / w >= TALL else (crop, False)


def perspective(w: float, h: float, quad: np.ndarray) -> np.ndarray:
    """a to h of the map x -> (a x + b y + c) / (g x + h y + 1), y -> (d x + e y + f) / (...) that takes the corners of
    w x h to those of a quad."""
    rows = []
    for (x, y), (u, v) in zip(((0, 0), (w, 0), (w, h), (0, h)), quad):
        rows += [(x, y, 1, 0, 0, 0, -u * x, -u * y), (0, 0, 0, x, y, 1, -v * x, -v * y)]
    try:
        return np.linalg.solve(np.array(rows, np.float64), quad.reshape(-1))
    except np.linalg.LinAlgError:                       # three corners on a line: the parallelogram of the first three
        (x, y), (u, v) = (quad[1] - quad[0]) / w, (quad[3] - quad[0]) / h
        return np.array([x, u, quad[0, 0], y, v, quad[0, 1], 0, 0])


def _turned(picture, degrees: int):
    """Against the clock."""
    from PIL import Image
    return picture.transpose(Image.Transpose[f"ROTATE_{degrees}"])

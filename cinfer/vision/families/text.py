"""Text: where its lines are, and what is written in the picture of one.

Two kinds of network, told apart by their outputs:
    (n, 1, height, width)   a detector: how likely each pixel is one of text -> quads (text_lines.py)
    (n, steps, classes)     a recogniser: CTC; class 0 is none, then the alphabet, the space last
Told by: the key `character`, the alphabet as PaddleOCR writes it, or an alphabet of as many lines as there are classes
but two (--labels or a file beside the model); detectors by the names of outputs that Paddle's converters give, or one
channel as large as an input of free size. PP-OCR's classifier of directions, 0 or 180 degrees, is one of classify.py's.
Source: PaddleOCR, RapidOCR (both Apache-2.0); Graves et al. 2006 for CTC.
"""
from __future__ import annotations

import numpy as np

from ...errors import InputError
from ...metadata import alphabet
from ..answers.objects import Object, Objects
from ..answers.text import Line, Text
from ..recognise.model import Found, Model
from . import text_lines
from .classify import softmax

TASKS = ("text", "text-detection")
FED = {"input.channels": "BGR", "input.mean": "127.5", "input.std": "127.5", "input.filter": "linear"}
OF_DETECTOR = {"task": "text-detection", "output.kind": "mask", "input.size": "least:736:32:2000",
               "input.resize": "stretch", **FED}
OF_RECOGNISER = {"task": "text", "output.kind": "ctc", "input.size": "48xW:320", "input.resize": "fit-left", **FED}
OF_DIRECTION = {"family": "classify", "task": "classification", "input.size": "48x192", "input.resize": "fit-left",
                "output.kind": "probabilities", **FED}
MOST = 1e4                          # what a map holds beyond it, or is not finite, counts as no text
DIRECTIONS = ["0 degrees", "180 degrees"]
ALPHABETS = ("dict.txt", "keys.txt", "ppocr_keys_v1.txt", "labels.txt")     # beside a recogniser


# ---- recognition

def by_names(model: Model, words) -> Found | None:
    """By the key `character`, and the names that paddle2onnx gives."""
    shape = _shape(model)
    if "character" in model.metadata and shape is not None and len(shape) == 3:
        lines = alphabet(model.metadata["character"])
        return Found(_sized(OF_RECOGNISER, model), "its alphabet, the key 'character'", lines)
    if shape is None or not _is_paddle(model):
        return None
    size = model.size(model.picture_input(), "NCHW")
    if len(shape) == 4 and (shape[1] == 1 or size is None and not isinstance(shape[1], int)):
        return Found(_sized(OF_DETECTOR, model), "the names of PP-OCR's detectors", ["text"])
    if len(shape) == 2 and shape[1] == 2 and size in (None, (48, 192)):
        return Found(_sized(OF_DIRECTION, model), "the names of PP-OCR's classifier of directions", DIRECTIONS)
    return None


def by_shapes(model: Model, words) -> Found | None:
    shape, port = _shape(model), model.picture_input()
    if shape is None or port is None:
        return None
    if len(shape) == 3 and isinstance(shape[2], int) and shape[2] > 2:
        if words.labels and len(words.labels) + 2 == shape[2]:
            return Found(_sized(OF_RECOGNISER, model), "the alphabet that is given")
        for name in ALPHABETS:
            lines = alphabet(model.text(name) or "")
            if len(lines) + 2 == shape[2]:
                return Found(_sized(OF_RECOGNISER, model), f"the alphabet in {name}", lines)
    if len(shape) == 3 and words.task == "text":
        return Found(_sized(OF_RECOGNISER, model), "its three axes")
    if len(shape) == 4 and words.task == "text-detection":
        return Found(_sized(OF_DETECTOR, model), "its four axes", ["text"])
    free = model.size(port) is None and port.shape is not None and port.shape[1] == 3
    if free and len(shape) == 4 and shape[1] == 1 and (
            shape[2:] == model.sample or not any(isinstance(side, int) for side in shape[2:])):
        return Found(_sized(OF_DETECTOR, model), "a guess by its output, one channel as large as the input", ["text"])
    return None


def _shape(model: Model):
    """Of the only output; None: there are more, or it may have any."""
    return model.outputs[0].shape if len(model.outputs) == 1 and model.outputs[0].dtype is not None \
        and model.outputs[0].dtype.kind == "f" else None


def _is_paddle(model: Model) -> bool:
    """One input x of three channels, and an output as paddle2onnx names it."""
    port, name = model.picture_input(), model.outputs[0].name
    if port is None or port.name != "x" or port.shape is None or len(port.shape) != 4 or port.shape[1] != 3:
        return False
    return ".tmp_" in name or name.startswith("fetch_name_")


def _sized(words: dict[str, str], model: Model) -> dict[str, str]:
    """The words for this model: a size that the graph fixes counts."""
    port = model.picture_input()
    words = {**words, "input.name": port.name, "input.layout": "NCHW"}
    size = model.size(port, "NCHW")
    if size is not None:
        words["input.size"] = f"{size[0]}x{size[1]}"
    elif words["output.kind"] == "ctc" and port.shape and len(port.shape) == 4 and isinstance(port.shape[2], int):
        height = port.shape[2]
        words["input.size"] = f"{height}xW:{round(height * 320 / 48)}"
    return words


# ---- decoding

def decode(view) -> Text | Objects:
    output = view.output()
    if output.dtype.kind == "f" and output.ndim == 4:
        return places(view, likely_of(view))
    if output.dtype.kind == "f" and output.ndim == 3 and 1 in output.shape[:2] and output.shape[2] > 1:
        steps = output[0] if output.shape[0] == 1 else output[:, 0]
        (text, score), = read(steps[None], characters(view.words, steps.shape[1]))
        return Text([Line(text, score)] if text and score >= view.threshold(0) else [])
    raise InputError(f"the output is {_shown(output)}; that of a detector of text is float 1x1xheightxwidth, that of a "
                     "recogniser 1xstepsxclasses; --task or --recipe family=... says what it is")


def likely_of(view) -> np.ndarray:
    """A detector's map (height, width)."""
    output = view.output()
    if output.dtype.kind != "f" or output.ndim != 4 or output.shape[:2] != (1, 1) or not output.size:
        raise InputError(f"the output is {_shown(output)}; that of a detector of text is float 1x1xheightxwidth; "
                         "--task or --recipe family=... says what it is")
    return output[0, 0]


def _shown(output: np.ndarray) -> str:
    return f"{output.dtype} {'x'.join(map(str, output.shape))}"


def places(view, likely: np.ndarray) -> Objects:
    """The lines of text in a picture, as quads in the order in which they are read."""
    corners, scores, share = lines_of(view, likely, view.options.conf)
    kept = slice(0, view.most(text_lines.MOST_PARTS))
    label = view.words.label(0) or "text"
    found = [Object(0, label, float(score), (*quad.min(0).tolist(), *quad.max(0).tolist()), polygon=quad)
             for quad, score in zip(corners[kept], scores[kept])]
    return Lines(found, "text-detection", (label, share) if view.words.task == "segmentation" else None)


class Lines(Objects):
    """Lines of text that are not read. share : (label, part of the pixels), where the model says that it segments"""

    def __init__(self, found: list[Object], task: str, share: tuple[str, float] | None = None):
        super().__init__(found, task)
        self.share = share

    def on(self, picture, font: str | None = None):
        """Outlines alone: names would cover what is written."""
        return Text([Line("", each.score, each.polygon) for each in self.found]).on(picture, font)

    def data(self) -> dict:
        said = super().data()
        if self.share is not None:
            said["map"] = {"classes": [{"label": self.share[0], "index": 0, "share": round(self.share[1], 6)}]}
        return said


def lines_of(view, likely: np.ndarray, least: float | None = None) -> tuple[np.ndarray, np.ndarray, float]:
    """Quads (n, 4, 2) in the order of reading, in pixels of the picture; their scores; which part of the map is text.

    likely : (height, width); least : the least score, .5 by default"""
    if not (likely.min() >= -MOST and likely.max() <= MOST):
        likely = np.where(np.abs(likely) <= MOST, likely, 0)
    likely = likely.astype(np.float32, copy=False)
    threshold = view.words.number("output.threshold", text_lines.MAP_THRESHOLD)
    corners, scores = text_lines.quads(likely, threshold, text_lines.BOX_THRESHOLD if least is None else least)
    height, width = likely.shape
    where = view.where
    corners = where.points(corners * (where.input_width / width, where.input_height / height))
    corners, order = text_lines.in_picture(corners, where.width, where.height)
    return corners, scores[order], float(np.mean(likely > threshold))


def read(steps: np.ndarray, letters: list[str]) -> list[tuple[str, float]]:
    """CTC by the best path: at each step the likeliest class; of equal ones in a row one stays, then class 0 goes.

    steps : (n, steps, classes), probabilities or what softmax makes such of
    Returns, for each, the text and the mean of the probabilities of what stays, 0 for none
    """
    best = steps.argmax(2)
    likely = np.take_along_axis(steps, best[..., None], axis=2)[..., 0]
    if not are_probabilities(steps):
        likely = np.take_along_axis(softmax(steps.astype(np.float32)), best[..., None], axis=2)[..., 0]
    kept = best != 0
    kept[:, 1:] &= best[:, 1:] != best[:, :-1]
    found = []
    for classes, scores, stays in zip(best, np.nan_to_num(likely), kept):
        text = "".join([letters[c - 1] for c in classes[stays].tolist()])
        found.append((text, float(scores[stays].mean(dtype=np.float64)) if text else 0.))
    return found


def are_probabilities(steps: np.ndarray) -> bool:
    """Do the first and the last step of each add up to 1?"""
    some = steps[:, [0, -1]]
    return bool(np.all(some >= -1e-6) and np.all(np.abs(some.sum(2, dtype=np.float64) - 1) < 1e-2))


def characters(words, classes: int) -> list[str]:
    """What classes 1, 2, ... are: the alphabet, and the space that follows upon it; InputError where the number of
    classes is another."""
    known = words.labels
    if known is None:
        raise InputError(f"the recogniser has {classes} classes and no alphabet, the key 'character'; "
                         f"--labels names a file of {classes - 2} lines, one character each")
    if len(known) not in (classes - 1, classes - 2):
        raise InputError(f"the alphabet has {len(known)} characters for {classes} classes; {classes - 2} are right, "
                         "for class 0 is none and the last one is the space")
    return known + [" "] * (classes - 1 - len(known))

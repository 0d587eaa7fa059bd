"""Pictures in, answers out.

DeepStack's paths (https://docs.deepstack.cc, its client and Frigate's plugin `deepstack`): an array of predictions,
the surest first, in pixels of the picture. /v1/read gives all that docs/json.md has, and on request the picture with
the answer drawn on it.
"""
from __future__ import annotations

import base64
import io
import math

from ..cli.text import quiet_libtiff
from ..errors import LimitError
from ..vision.answers.classes import Classes
from ..vision.answers.objects import Objects
from ..vision.answers.text import Line, Text
from ..vision.reader import opener
from .replies import Refused, Reply, of
from .turns import left_of

SENT = "what was sent"              # in messages
MOST_DRAWN = 1600                   # pixels of the longer side of what is drawn for the page
RIGHT = "a picture as the file `image` of multipart/form-data, or as the whole body with Content-Type image/jpeg"


def detection(app, request, name: str | None = None) -> Reply:
    """DeepStack's object detection; also of a model of one's own, /v1/vision/custom/NAME."""
    served = app.model_of(name, "detection", "finds objects")
    answer = read(app, request, served).answer
    if not isinstance(answer, (Objects, Text)):
        raise Refused(400, f"model {served.name!r} finds no objects, {served.purpose()}")
    return of({"success": True, "predictions": predictions(answer), "duration": round(answer.ms / 1e3, 5)})


def scene(app, request, name: str | None = None) -> Reply:
    """DeepStack's scene recognition, of any classifier: the likeliest class; `predictions` has more of them."""
    served = app.model_of(name, "classification", "classifies")
    answer = read(app, request, served).answer
    if not isinstance(answer, Classes):
        raise Refused(400, f"model {served.name!r} says no classes, {served.purpose()}")
    found = [{"label": str(each), "confidence": sure(each.score)} for each in answer.best if not math.isnan(each.score)]
    best = found[0] if found else {"label": "", "confidence": 0.0}
    return of({"success": True, **best, "predictions": found, "duration": round(answer.ms / 1e3, 5)})


def custom(app, request, name: str) -> Reply:
    """DeepStack's models of one's own, which may be of either kind."""
    is_classifier = app.model_of(name).kind == "classification"
    return (scene if is_classifier else detection)(app, request, name)


def listed(app, request) -> Reply:
    """The names for `custom`, as Blue Iris asks for them: of what it calls AI models of one's own."""
    return of({"success": True, "models": [name for name, each in app.models.items() if each.kind]})


def whatever(app, request, name: str | None = None) -> Reply:
    """The JSON object of docs/json.md; with the field, or the query, draw=1 also `drawn`, a picture as a data URL."""
    draw = request.asked("draw") in ("1", "true", "yes")
    found = read(app, request, app.model_of(name, None), draw)
    data = {"success": True, **found.data(), "lines": found.answer.lines()}
    if draw:
        with app.turns.turn(request.deadline, request.gone):
            data["drawn"] = as_url(found.answer.draw(found.frame.picture))
    return of(data)


def read(app, request, served, whole: bool = False):
    """The Reading of the picture in a request."""
    picture, conf = request.picture(RIGHT), confidence(request.asked("min_confidence"))
    with app.turns.turn(request.deadline, request.gone):
        reader = served.reads(conf, whole)
        with quiet_libtiff(picture):                    # what is wrong with a picture is for who sent it
            check_pixels(picture, app.limits.pixels)
            opened = opener(reader)(picture, name=SENT)
        ready = reader.prepare(opened)
        return reader.finish(ready, app.turns.share(), left_of(request.deadline))


def confidence(text: str | None) -> float | None:
    if text is None or not text.strip():
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise Refused(400, "min_confidence is a number from 0 to 1")
    return value


def check_pixels(picture: bytes, most: int) -> None:
    """LimitError for a picture of more pixels, before any of them is unpacked."""
    from ..vision.pictures.decode import identified
    width, height = identified(io.BytesIO(picture), SENT).size
    if width * height > most:
        raise LimitError(f"{SENT} is {width}x{height} pixels; the limit of this server is {most / 1e6:g} million "
                         "(--max-pixels)")


def predictions(answer: Objects | Text) -> list[dict]:
    """Of objects, or of lines of text, whose labels are what is written. What has NaN as its score is none."""
    found = []
    for each in answer.found:
        if each.score is not None and math.isnan(each.score):
            continue
        is_line = isinstance(each, Line)
        box, points = (None, each.quad) if is_line else (each.box, each.points)
        if box is None and points is not None and len(points):
            box = (*points[:, :2].min(axis=0), *points[:, :2].max(axis=0))
        if box is not None and all(map(math.isfinite, box)):
            x_min, y_min, x_max, y_max = (round(float(v)) for v in box)
            found.append({"label": each.text if is_line else str(each), "confidence": sure(each.score),
                          "x_min": x_min, "y_min": y_min, "x_max": x_max, "y_max": y_max})
    return sorted(found, key=lambda each: -each["confidence"])


def sure(score: float | None) -> float:
    """1 where the model gives no score: what it says, it says for sure. JSON has no infinity."""
    if score is None:
        return 1.0
    return float(score > 0) if math.isinf(score) else float(score)


def as_url(picture) -> str:
    """A PIL.Image.Image as a data URL, not larger than a screen."""
    picture.thumbnail((MOST_DRAWN, MOST_DRAWN))
    file = io.BytesIO()
    kind = "JPEG" if picture.mode in ("RGB", "L") else "PNG"
    picture.save(file, kind, **({"quality": 88} if kind == "JPEG" else {}))
    return f"data:image/{kind.lower()};base64,{base64.b64encode(file.getvalue()).decode()}"

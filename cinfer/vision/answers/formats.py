"""Objects in the forms that other programs read: COCO, YOLO, CSV, Label Studio.

COCO         results: [{image_id, file_name, category_id, category_name, bbox [x, y, width, height], score,
             segmentation}]
             https://cocodataset.org/#format-results
YOLO         a line an object: class cx cy width height [score], in shares of the picture; a file a picture
CSV          x_min,y_min,x_max,y_max,class_id,confidence,tracker_id behind the name, as supervision writes it
Label Studio predictions[].result[] of rectanglelabels, in percent
             https://labelstud.io/guide/predictions

Who trains or shows by COCO's, YOLO's and Label Studio's files wants boxes that lie in the picture: they are cut off at
its edges, and what is beyond is left out. CSV has the network's own boxes, as --json does.
"""
from __future__ import annotations

import csv
import io
import json

from ...errors import InputError
from .answer import rounded
from .objects import Object, Objects

COLUMNS = ("image", "x_min", "y_min", "x_max", "y_max", "class_id", "confidence", "tracker_id", "label")


def objects_of(answer) -> list:
    """InputError for an answer without boxes."""
    if not isinstance(answer, Objects):
        raise InputError(f"--format writes boxes; this model's task is {answer.task or 'unknown'}: "
                         "--json says what it tells")
    return [each for each in answer.found if each.box is not None]


def inside(reading) -> list[tuple[Object, tuple[float, float, float, float]]]:
    """Objects, and of their boxes what lies in the picture."""
    w, h = reading.frame.width, reading.frame.height
    found = []
    for each in objects_of(reading.answer):
        x1, y1, x2, y2 = (min(max(v, 0.0), side) for v, side in zip(each.box, (w, h, w, h)))
        if x2 > x1 and y2 > y1:
            found.append((each, (x1, y1, x2, y2)))
    return found


def coco(name: str, number: int, reading) -> list[dict]:
    rows = []
    for each, (x1, y1, x2, y2) in inside(reading):
        row = {"image_id": number, "file_name": name, "category_id": each.index, "category_name": each.label,
               "bbox": rounded((x1, y1, x2 - x1, y2 - y1)), "score": each.data()["score"]}
        if each.mask is not None:
            row["segmentation"] = each.mask.rle()
        rows.append(row)
    return rows


def yolo(reading) -> str:
    """The lines of a picture's file."""
    w, h = reading.frame.width, reading.frame.height
    lines = []
    for each, (x1, y1, x2, y2) in inside(reading):
        numbers = ((x1 + x2) / 2 / w, (y1 + y2) / 2 / h, (x2 - x1) / w, (y2 - y1) / h)
        score = "" if each.score is None else f" {each.score:.6g}"
        lines.append(f"{each.index} {' '.join(f'{v:.6f}' for v in numbers)}{score}\n")
    return "".join(lines)


def csv_rows(name: str, reading) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for each in objects_of(reading.answer):
        writer.writerow([name, *(f"{v:.2f}" for v in each.box), each.index,
                         "" if each.score is None else f"{each.score:.6g}", "", each.label or ""])
    return text.getvalue()


def csv_head() -> str:
    return ",".join(COLUMNS) + "\n"


def labelstudio(name: str, reading) -> dict:
    w, h = reading.frame.width, reading.frame.height
    result, scores = [], []
    for number, (each, (x1, y1, x2, y2)) in enumerate(inside(reading)):
        x, y, width, height = rounded((100 * x1 / w, 100 * y1 / h, 100 * (x2 - x1) / w, 100 * (y2 - y1) / h), 4)
        result.append({
            "id": str(number), "type": "rectanglelabels", "from_name": "label", "to_name": "image",
            "original_width": w, "original_height": h, "image_rotation": 0,
            "value": {"rotation": 0, "x": x, "y": y, "width": width, "height": height, "rectanglelabels": [str(each)]},
            **({} if each.score is None else {"score": each.data()["score"]})})
        scores.append(each.data()["score"] or 0.0)
    return {"data": {"image": name},
            "predictions": [{"model_version": "cinfer", "score": min(scores, default=0.0), "result": result}]}


def dumped(value) -> str:
    return json.dumps(value, allow_nan=False, ensure_ascii=False)

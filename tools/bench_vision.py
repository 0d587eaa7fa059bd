"""What cinfer.vision costs beside the network, on one thread: CPU time in milliseconds, the best and the median.

    OPENBLAS_NUM_THREADS=1 python tools/bench_vision.py [WORD ...]      only cases whose names hold one of the words

Outputs are made here: as many objects as a full street has, maps of smooth areas and, as the worst there is, of noise.
"""
import sys
from functools import partial
from statistics import median
from time import process_time

import numpy as np
from PIL import Image

from cinfer.vision.families import depth, paste, semantic, yolo
from cinfer.vision.families.view import Options, View
from cinfer.vision.pictures.frames import frame
from cinfer.vision.prepare.geometry import Geometry
from cinfer.vision.prepare.prepare import prepare
from cinfer.vision.prepare.recipe import Recipe, Size
from cinfer.vision.recognise.words import Words

RUNS, LONGEST = 60, 1.5             # of a case, and seconds
HD = 1920, 1080


def view(outputs, where, **words) -> View:
    said = Words()
    said.add({key.replace("_", "."): text for key, text in words.items()}, "a benchmark", labels=None)
    return View(outputs, said, None, where, Options())


def letterboxed(width, height, side=640) -> Geometry:
    scale = side / max(width, height)
    wide, high = round(width * scale), round(height * scale)
    return Geometry(width, height, side, side, wide / width, high / height, (side - wide) // 2, (side - high) // 2)


def stretched(width, height, rows, columns) -> Geometry:
    return Geometry(width, height, columns, rows, columns / width, rows / height)


def rows_of_yolo(objects: int, extra: int, classes=80, each=12, sides=(20, 220)) -> np.ndarray:
    """(1, 4 + classes + extra, 8400): each object is seen `each` times."""
    draw = np.random.default_rng(1)
    table = draw.uniform(0, .05, (4 + classes + extra, 8400)).astype(np.float32)
    table[:4] = draw.uniform(20, 600, (4, 8400))
    at = draw.choice(8400, objects * each, replace=False)
    boxes = np.concatenate([draw.uniform(100, 540, (2, objects)), draw.uniform(*sides, (2, objects))])
    table[:4, at] = boxes.repeat(each, 1) + draw.normal(0, 1, (4, len(at)))
    table[4 + draw.integers(0, classes, objects).repeat(each), at] = draw.uniform(.4, .9, len(at))
    table[4 + classes:, at] = draw.normal(0, 1, (extra, len(at)))
    return table[None]


def smooth(channels, rows, columns) -> np.ndarray:
    """Planes that change slowly."""
    draw = np.random.default_rng(2)
    y, x = np.mgrid[:rows, :columns] / (rows / 6)
    return np.float32([np.sin(x * a + b) * np.cos(y * c + d) * 5 for a, b, c, d in draw.uniform(.5, 2, (channels, 4))])


def noise(channels, rows, columns) -> np.ndarray:
    return np.random.default_rng(3).normal(size=(channels, rows, columns)).astype(np.float32)


def yolo_case(objects, extra, task, size):
    outputs = {"output0": rows_of_yolo(objects, extra)}
    if task == "segmentation":
        outputs["output1"] = smooth(32, 160, 160)[None]
    return lambda: yolo.decode(view(outputs, letterboxed(*size), task=task))


def oriented(candidates):
    draw = np.random.default_rng(4)
    table = draw.uniform(0, .05, (20, 21504)).astype(np.float32)
    at = draw.choice(21504, candidates, replace=False)
    centres = draw.uniform(0, 1024, (2, candidates // 8)).repeat(8, 1)
    table[:2, at[:centres.shape[1]]] = centres + draw.normal(0, 1, centres.shape)
    table[2:4, at] = draw.uniform(10, 60, (2, len(at)))
    table[4 + draw.integers(0, 15, len(at)), at] = draw.uniform(.4, .9, len(at))
    where = Geometry(1024, 1024, 1024, 1024, 1, 1)
    return lambda: yolo.decode(view({"output0": table[None]}, where, task="oriented"))


def semantic_case(kind, shape, layout="NCHW"):
    where, planes = stretched(*HD, *shape[1:]), kind(*shape)
    output = planes if layout == "NCHW" else np.ascontiguousarray(planes.transpose(1, 2, 0))
    return lambda: semantic.decode(view({"out": output[None]}, where, task="semantic", output_layout=layout))


def depth_case(rows, columns, filter):
    where, outputs = stretched(*HD, rows, columns), {"depth": smooth(1, rows, columns)}
    return lambda: depth.decode(view(outputs, where, task="depth", output_filter=filter))


def pasted(count, side):
    where, planes = stretched(*HD, 640, 640), smooth(count, side, side)
    boxes = np.random.default_rng(5).uniform(0, 800, (count, 2))
    return lambda: [paste.paste(plane, where, 0, (*box, *(box + 250))) for plane, box in zip(planes, boxes)]


def cases():
    """(name, what makes a function to measure)"""
    for objects in (30, 100):
        yield f"yolo detection {objects} objects", partial(yolo_case, objects, 0, "detection", (640, 480))
        yield f"yolo keypoints {objects} objects", partial(yolo_case, objects, 51, "keypoints", (640, 480))
        for size in ((640, 480), HD):
            yield f"yolo masks {objects} objects {size[0]}x{size[1]}", partial(
                yolo_case, objects, 32, "segmentation", size)
    for candidates in (300, 1500, 5000):
        yield f"yolo oriented {candidates} candidates", partial(oriented, candidates)
    for shape in ((21, 128, 128), (21, 520, 520), (21, 520, 924), (19, 1024, 2048), (150, 128, 128)):
        for kind in (smooth, noise):
            yield f"semantic {'x'.join(map(str, shape))} {kind.__name__}", partial(semantic_case, kind, shape)
    yield "semantic 21x520x924 smooth NHWC", partial(semantic_case, smooth, (21, 520, 924), "NHWC")
    yield "semantic 1x520x924 mask", partial(semantic_case, smooth, (1, 520, 924))
    for filter in ("bilinear", "bicubic"):
        yield f"depth 518x518 {filter}", partial(depth_case, 518, 518, filter)
    yield "paste 30 masks of 160x160, 250x250 pixels each", partial(pasted, 30, 160)
    for size, resize, filter in (
            (640, ("letterbox", 114), "linear"), (640, ("letterbox", 114), "bilinear"),
            (224, ("crop", .875), "bilinear"), (518, ("stretch", None), "bicubic"),
            (320, ("stretch", None), "lanczos")):
        for source in ("array", "BGR array", "Pillow"):
            yield f"frame {resize[0]} {size} {filter}, {source}", partial(frame_case, size, resize, filter, source)


def frame_case(size, resize, filter, source):
    pixels = np.random.default_rng(6).integers(0, 256, (HD[1], HD[0], 3), np.uint8)
    recipe = Recipe("x", np.dtype(np.float32), 4, Size("fixed", (size, size)), "NCHW", "RGB", resize, filter,
                    (123.7, 116.3, 103.5), (58.4, 57.1, 57.4))
    held, order = Image.fromarray(pixels) if source == "Pillow" else pixels, "BGR" if source == "BGR array" else "RGB"

    def case():
        each = frame(held, order)
        return prepare(each.held, recipe, (each.width, each.height), each.order)
    return case


def measured(case) -> list[float]:
    case()
    found, end = [], process_time() + LONGEST
    while len(found) < RUNS and (len(found) < 5 or process_time() < end):
        begin = process_time()
        case()
        found.append((process_time() - begin) * 1e3)
    return found


if __name__ == "__main__":
    for name, make in cases():
        if not sys.argv[1:] or any(word in name for word in sys.argv[1:]):
            found = measured(make())
            print(f"{name:50} {min(found):8.2f} {median(found):8.2f}", flush=True)

"""labels.txt or classes.txt beside a model: class names, one a line; used where as many as the outputs have classes, or
where outputs have numbers of classes, which speak against no count."""
from __future__ import annotations

from .beside import class_counts, fixed_sizes
from .model import Found, Model

FILES = ("labels.txt", "classes.txt")
BESIDES = (0, 4, 5)                 # numbers of a row besides classes: none, a box, a box and how sure


def labels(model: Model) -> Found | None:
    for name in FILES:
        text = model.text(name)
        if not text or not text.strip():
            continue
        names = [line.strip() for line in text.removeprefix("\ufeff").rstrip().splitlines()]
        counts = class_counts(model)
        counts += [shape[1] for shape in fixed_sizes(model) if len(shape) == 3 and shape[1] is not None]
        if any(len(names) + more in counts for more in BESIDES) or any(map(has_numbers_of_classes, model.outputs)):
            return Found({}, f"{name} beside the model", names)
        shown = " or ".join(map(str, counts[:3])) or "of a free size"
        return Found({}, "", note=f"{name} beside the model not used: it has {len(names)} lines, the output is {shown}")
    return None


def has_numbers_of_classes(port) -> bool:
    """Integers, or OpenVINO's rows of 7."""
    shape = tuple(port.shape or ())
    return port.dtype is not None and port.dtype.kind in "iu" or len(shape) == 4 and (shape[1], shape[3]) == (1, 7)

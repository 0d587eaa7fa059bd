"""What the files beside a model have in common: numbers out of JSON as words, and whether they are about this model."""
from __future__ import annotations

from .model import Model, with_batch

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def is_number(value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= 1e9


def is_side(value) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 99999


def numbers(value) -> tuple[float, ...] | None:
    """A number, or a list of them."""
    value = [value] if is_number(value) else value
    return tuple(value) if isinstance(value, (list, tuple)) and value and all(map(is_number, value)) else None


def joined(values) -> str:
    """Numbers with commas, as exact as they are."""
    return ",".join(f"{v:.10g}" for v in values)


def is_gray(port, layout: str) -> bool:
    """Does this input have one channel?"""
    shape = with_batch(port.shape)
    return bool(shape) and len(shape) == len(layout) and shape[layout.index("C")] == 1


def class_counts(model: Model) -> list[int]:
    """How many classes the outputs may have, by axes that are fixed: the last of rank 2 and 3, the second of rank 4."""
    shapes = [shape for shape in fixed_sizes(model) if len(shape) in (2, 3, 4)]
    counts = [shape[1] if len(shape) == 4 else shape[-1] for shape in shapes]
    return [count for count in counts if count is not None]


def fixed_sizes(model: Model) -> list[tuple[int | None, ...]]:
    """The shapes of the outputs; None for sizes that follow the input's, or are not known."""
    each = [[port.shape or () for port in other.outputs] for other in next(model.alike())]
    return [tuple([sizes[0] if isinstance(sizes[0], int) and len(set(sizes)) == 1 else None for sizes in zip(*shapes)])
            for shapes in zip(*each)]


def output_of(model: Model, name: str, ranks: tuple[int, ...]):
    """The output of this name, else the first that has such a rank, or none said; None where there is none."""
    ports = sorted(model.outputs, key=lambda port: port.name != name)
    return next((port for port in ports if port.shape is None or len(port.shape) in ranks), None)

"""What a model says of itself, in the words of docs/metadata.md, whichever way it says it.

Three sources, one result: the `cinfer.*` keys; else the keys that Ultralytics writes, translated; else a
guess from the shapes and from the habit of ImageNet.
"""
from __future__ import annotations

from dataclasses import dataclass

from ..errors import InputError
from ..metadata import labels_of, literal

IMAGENET = {
    "input.resize": "crop:0.875",
    "input.mean": "123.675,116.28,103.53",
    "input.std": "58.395,57.12,57.375",
}
DEFAULT_KINDS = {"classification": "probabilities", "segmentation": "mask"}
ULTRALYTICS_TASKS = {
    "classify": "classification",
    "detect": "detection",
    "segment": "segmentation",
    "pose": "keypoints",
}


@dataclass(frozen=True, slots=True)
class Described:
    """words : key without "cinfer." -> text; origin : for people, where the words come from; labels : class
    names, index = class, None without them"""
    words: dict[str, str]
    origin: str
    labels: list[str] | None = None

    @property
    def task(self) -> str:
        """One of docs/metadata.md, or any other word: then the raw outputs are the answer."""
        return self.words.get("task", "")


def describe(session) -> Described:
    """What the model of a session says of itself, else a guess.

    Raises
    ------
    InputError : its recipe is of a version that this cinfer does not know
    """
    metadata = session.metadata
    labels = labels_of(metadata)
    version = metadata.get("cinfer.recipe")
    if version is not None:
        if version != "1":
            raise InputError(f"the model's cinfer.recipe is {version!r}, this cinfer knows version 1; "
                             "is there a newer cinfer?")
        words = {key[7:]: text for key, text in metadata.items() if key.startswith("cinfer.")}
        words.setdefault("output.kind", DEFAULT_KINDS.get(words.get("task"), ""))
        return Described(words, "the model's metadata", labels)
    if "task" in metadata and ("imgsz" in metadata or "names" in metadata or "stride" in metadata):
        return Described(from_ultralytics(session, metadata), "the model's Ultralytics metadata", labels)
    return Described(from_shapes(session), "a guess by its shapes and ImageNet's habit", labels)


def from_ultralytics(session, metadata: dict[str, str]) -> dict[str, str]:
    """The keys `task` and `imgsz` of Ultralytics' exporter, translated."""
    task = metadata["task"]
    size = sizes(picture_input(session), "NCHW") or literal(metadata.get("imgsz", ""), (list, tuple, int))
    size = [size, size] if isinstance(size, int) else size
    return {
        "task": ULTRALYTICS_TASKS.get(task, task),
        "input.size": f"{size[0]}x{size[1]}" if size and len(size) == 2 else "multiple:32",
        "input.resize": "crop:1" if task == "classify" else "letterbox:114",
        "input.std": "255",
    }


def from_shapes(session) -> dict[str, str]:
    """A guess: the layout by where 3 or 1 channels stand; ImageNet's ways for what seems to classify."""
    port = picture_input(session)
    shape, floating = with_batch(port.shape), port.dtype is not None and port.dtype.kind not in "iub"
    words = {"input.name": port.name, "input.layout": layout_of(shape)}
    channels = shape[1 if words["input.layout"] == "NCHW" else 3] if shape else None
    words["input.channels"] = "GRAY" if channels == 1 else "RGB"
    words["input.std"] = "255" if floating else "1"
    size = sizes(port, words["input.layout"])
    if seems_to_classify(session):
        words["task"] = "classification"
        if words["input.channels"] == "RGB":
            size = size or (224, 224)
            words |= IMAGENET if floating else {"input.resize": IMAGENET["input.resize"]}
    if size:
        words["input.size"] = f"{size[0]}x{size[1]}"
    return words


def picture_input(session):
    """The input that takes the picture: the first of rank 4 (or of unknown rank), else of rank 3 with 3 channels, as
    torchvision's detectors have it."""
    for port in session.inputs:
        if port.shape is None or len(port.shape) == 4:
            return port
    for port in session.inputs:
        if len(port.shape) == 3 and 3 in (port.shape[0], port.shape[2]):
            return port
    shown = ", ".join(f"{p.name!r} of rank {len(p.shape)}" for p in session.inputs) or "none"
    raise InputError(f"the model takes no picture: none of its inputs is of rank 4, or of rank 3 with 3 channels "
                     f"({shown}); use it from Python: cinfer.load")


def with_batch(shape):
    """A picture's shape with an axis of batch in front."""
    return (1, *shape) if shape and len(shape) == 3 else shape


def quoted(names) -> str:
    """'a', 'b'"""
    return ", ".join(map(repr, names))


def layout_of(shape) -> str:
    for channels in (3, 1):
        if shape and channels in (shape[1], shape[3]):
            return "NCHW" if shape[1] == channels else "NHWC"
    return "NCHW"


def sizes(port, layout: str) -> tuple[int, int] | None:
    """(height, width) of an input where both are fixed."""
    shape = with_batch(port.shape)
    if not shape:
        return None
    height, width = shape[2:] if layout == "NCHW" else shape[1:3]
    return (height, width) if isinstance(height, int) and isinstance(width, int) else None


def seems_to_classify(session) -> bool:
    """Weights, and one output with a row of numbers a picture: (n, classes) or (n, classes, 1, 1)."""
    if len(session.outputs) != 1 or all(a.ndim < 2 for a in session.model.graph.constants.values()):
        return False
    port = session.outputs[0]
    shape = port.shape or ()
    if len(shape) not in (2, 4) or any(d != 1 for d in shape[2:]):
        return False
    return isinstance(shape[1], int) and shape[1] >= 2 and port.dtype is not None and port.dtype.kind == "f"

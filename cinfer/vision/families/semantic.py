"""A class for each pixel.

    channels of classes     logits or probabilities: upsampled bilinearly, the padding goes, the largest wins.
                            Upsampling goes first, as in torchvision and transformers
                            (post_process_semantic_segmentation): edges are smooth, no steps of the network's resolution
    one channel             a mask: what is above output.threshold; without it above 1/2 where all numbers are from 0 to
                            1, else above 0 (logits)
                            With output.blur (OpenVINO's Model API) the mean of so many numbers a side, mirrored at the
                            edges, takes the place of each, 0 where it is below output.threshold; then the nearest
    integers                classes already (Ultralytics, PaddleSeg): the nearest; 255 says nothing
What the input does not hold of the picture says nothing.
"""
from __future__ import annotations

import numpy as np

from ...errors import InputError
from ..answers.map import Map
from . import maps


def decode(view) -> Map:
    words = view.words
    array = view.output(default=next((name for name in ("logits", "out") if name in view.outputs), None))
    kind = words.one_of("output.kind", ("mask", "classes", "logits", "probabilities"), "classes")
    what = "the output of classes"
    if array.dtype.kind in "iub" and (kind != "mask" or array.dtype.kind == "b"):
        return _named(view, _baked(view, maps.one_plane(array, maps.layout_of(view, array), what)))
    planes = maps.planes_of(array, maps.layout_of(view, array), what)
    if len(planes) == 1 and kind == "classes" and "output.kind" in words:
        return _named(view, _baked(view, np.rint(np.nan_to_num(planes[0], nan=-1., posinf=-1., neginf=-1.))))
    if len(planes) == 1:
        return _mask(view, planes[0])
    if kind == "mask":
        raise InputError(f"{words.where('output.kind')} is mask, but the output has {len(planes)} channels; "
                         "output.kind=classes is right, or one channel")
    if "output.blur" in words:
        planes = _blurred(np.nan_to_num(planes, posinf=0, neginf=0), words.count("output.blur", 1, 1000))
        planes[planes < view.threshold(-np.inf)] = 0
        return _named(view, _baked(view, planes.argmax(0)), len(planes))
    return _named(view, _outside(view, maps.largest(planes, view.where)), len(planes))


def _blurred(planes: np.ndarray, side: int) -> np.ndarray:
    """The mean of side x side numbers about each; float64"""
    before = side // 2, side - 1 - side // 2
    sums = np.pad(planes.astype(np.float64), ((0, 0), before, before), "reflect").cumsum(1).cumsum(2)
    sums = np.pad(sums, ((0, 0), (1, 0), (1, 0)))
    rows = sums[:, side:] - sums[:, :-side]
    return (rows[:, :, side:] - rows[:, :, :-side]) / side ** 2


def _baked(view, plane: np.ndarray) -> np.ndarray:
    classes = maps.nearest(plane, view.where)
    if classes.dtype.kind != "u" or classes.dtype.itemsize > 2:
        dtype = np.uint8 if classes.max(initial=0) <= 255 else np.uint16
        ignored = np.iinfo(dtype).max
        classes = np.where((classes < 0) | (classes > ignored), ignored, classes).astype(dtype)
    return _outside(view, classes)


def _ignored(classes: np.ndarray) -> int:
    """The class that says nothing."""
    return int(np.iinfo(classes.dtype).max)


def _mask(view, plane: np.ndarray) -> Map:
    """One label is that of what is inside; two are those of outside and inside."""
    plane = plane.astype(np.float32, copy=False)
    with np.errstate(invalid="ignore"):
        between = bool((plane >= 0).all() and (plane <= 1).all())
    inside = maps.above(plane, view.where, view.threshold(.5 if between else 0.))
    labels = view.words.labels
    if labels is not None and len(labels) == 1:
        return _named(view, _outside(view, np.where(inside, np.uint8(0), np.uint8(255))))
    return _named(view, _outside(view, inside.astype(np.uint8)), 2, ["background", "foreground"])


def _outside(view, classes: np.ndarray) -> np.ndarray:
    seen = maps.unseen(view.where)
    if seen is None:
        return classes
    whole = np.full_like(classes, _ignored(classes))
    whole[seen] = classes[seen]
    return whole


def _named(view, classes: np.ndarray, channels: int | None = None, labels: list[str] | None = None) -> Map:
    """channels : how many classes there are, where that is known; labels : where the model has none"""
    labels = view.words.labels or labels
    if labels is not None and channels is not None and len(labels) == channels - 1:
        labels = ["background", *labels]                # OpenVINO's labels do not name it
    elif channels is not None:
        view.check_labels(channels)
    if view.options.classes is not None:
        every = np.arange(int(classes.max(initial=0)) + 1)
        classes = np.where(view.wanted(every)[classes], classes, np.asarray(_ignored(classes), classes.dtype))
    return Map(classes, view.words.task or "semantic", labels, _ignored(classes))

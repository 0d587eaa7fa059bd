"""What programs pass to cinfer.vision, checked before the work: a mistake is an InputError of one line that says what
is right, whatever was passed; a name that is no option is a TypeError, as of any function."""
from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

import numpy as np

from ..errors import InputError, an, is_real, nearest, whole, wrong
from .families.view import Options

MOST_WORKERS = 256


def check_session(session) -> None:
    if isinstance(session, type) or not all(hasattr(session, name)
                                            for name in ("inputs", "outputs", "metadata", "model")):
        raise wrong("the session", session, "what cinfer.load returns")


def check_options(options: Options) -> Options:
    """The same, `classes` as a tuple of str."""
    for name in ("conf", "iou"):
        value = getattr(options, name)
        if value is not None and not (is_real(value) and 0 <= value <= 1):
            raise wrong(name, value, "a number from 0 to 1")
    for name in ("max_det", "top"):
        value = getattr(options, name)
        if not (value is None and name == "max_det") and not ((whole(value) or 0) > 0):
            raise wrong(name, value, "a whole number from 1")
    return options if options.classes is None else options._replace(classes=classes_of(options.classes))


def classes_of(classes) -> tuple[str, ...]:
    right = "a list of labels or numbers"
    if isinstance(classes, (str, bytes, Mapping)) or not _is_iterable(classes):
        raise wrong("classes", classes, right)
    found = tuple(classes)
    if not found or not all(isinstance(each, str) or whole(each) is not None for each in found):
        raise wrong("classes", classes if isinstance(classes, (list, tuple)) else list(found), right)
    return tuple(map(str, found))


def labels_of(labels) -> list[str] | None:
    right = "a list of class names"
    if labels is None:
        return None
    if isinstance(labels, (str, bytes, Mapping)) or not _is_iterable(labels):
        raise wrong("labels", labels, right)
    found = list(labels)
    if not found or not all(isinstance(each, str) for each in found):
        raise wrong("labels", found, right)
    return [str(each) for each in found]


def flags_of(task, recipe) -> dict[str, tuple[str, str]]:
    """The words that a program says, as `recognise` takes them."""
    flags = {}
    if recipe is not None:
        right = 'words of docs/metadata.md and their texts, such as {"input.resize": "stretch"}'
        if not isinstance(recipe, Mapping):
            raise wrong("recipe", recipe, right)
        for key, text in recipe.items():
            if not isinstance(key, str) or not (isinstance(text, str) or is_real(text)):
                raise wrong("recipe", recipe, right)
            key = key.removeprefix("cinfer.")
            flags[key] = str(text), f"recipe {key}"
    if task is not None:
        if not isinstance(task, str):
            raise wrong("task", task, 'a word of docs/tasks.md, such as "detection"')
        flags["task"] = str(task), "task"
    return flags


def check_exact(exact) -> bool:
    if not isinstance(exact, (bool, np.bool_)):
        raise wrong("exact", exact, "True or False")
    return bool(exact)


def check_names(given: Iterable[str]) -> None:
    """TypeError for a keyword that is none of the options of `read`."""
    known = ("labels", "task", "recipe", "exact", "order", *Options._fields)
    for name in given:
        if name not in known:
            right = nearest(name, known) or f"; the options are {', '.join(known)}"
            raise TypeError(f"there is no option {name!r}{right}")


def check_workers(workers) -> int | None:
    count = whole(workers)
    if workers is None:
        return None
    if count is None or not 0 <= count <= MOST_WORKERS:
        raise wrong("workers", workers, f"a whole number from 0 to {MOST_WORKERS}, or None")
    return count


def sources_of(sources):
    """Names as str; anything else that one picture after another comes out of, as it is. One picture is none: its rows
    or bytes would be taken for pictures."""
    if isinstance(sources, (str, os.PathLike)):
        return os.fsdecode(sources)
    is_one = isinstance(sources, (bytes, bytearray, memoryview, Mapping)) or hasattr(sources, "held") or hasattr(
        sources, "read") or isinstance(sources, np.ndarray) and (sources.ndim < 3 or sources.shape[2:] == (3,))
    if is_one or not _is_iterable(sources):
        raise InputError(f"the sources are {an(type(sources))}; right is a list of pictures, or the name of a folder, "
                         "a pattern, a list or a video; `read` takes one picture")
    return sources


def _is_iterable(value) -> bool:
    """Is there one after the other? A class, and an array of rank 0, have only the looks of it."""
    return isinstance(value, Iterable) and not isinstance(value, type) and getattr(value, "ndim", 1) > 0

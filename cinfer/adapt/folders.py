"""Pictures by class: a folder with a folder for each."""
from __future__ import annotations

import os
from dataclasses import dataclass, field

from ..errors import InputError, wrong
from ..paths import unreadable
from ..vision.pictures.listed import ENDINGS, of_folder

RIGHT = "a folder with a folder of pictures for each class"
MOST_PICTURES = 100_000
MOST_CLASSES = 1000


@dataclass(slots=True)
class Sorted:
    """classes : labels, by the names of the folders; paths, numbers : of each picture, the class is a number
    empty : folders without a picture; loose : how many pictures lie beside the folders"""
    classes: list[str] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    loose: int = 0


def by_class(folder) -> Sorted:
    """Raises InputError where there are no two classes."""
    if not isinstance(folder, (str, os.PathLike)) or not os.fspath(folder):
        raise wrong("photos", folder, f"the name of {RIGHT}")
    folder = os.fsdecode(folder)
    try:
        names = sorted(each for each in os.listdir(folder) if not each.startswith("."))
    except NotADirectoryError:
        raise InputError(f"{folder} is a file; name {RIGHT}") from None
    except (OSError, ValueError) as error:
        raise unreadable(folder, error, RIGHT) from None
    found, owner = Sorted(), {}
    for name in names:
        path = os.path.join(folder, name)
        if not os.path.isdir(path):
            found.loose += os.path.splitext(name)[1].lower() in ENDINGS
            continue
        label = label_of(name)
        if label in owner:
            raise InputError(f"{folder}: the folders {owner[label]!r} and {name!r} both are the class {label!r}; "
                             "give them other names")
        owner[label] = name
        try:
            pictures = list(of_folder(path, True, []))
        except InputError:
            found.empty.append(label)
            continue
        found.paths += pictures
        found.numbers += [len(found.classes)] * len(pictures)
        found.classes.append(label)
    if len(found.classes) < 2:
        has = f"one class, {found.classes[0]!r}" if found.classes else "no folder with pictures"
        raise InputError(f"{folder} holds {has}; {RIGHT}, two at least, is right")
    for what, count, most in (("classes", len(found.classes), MOST_CLASSES),
                              ("pictures", len(found.paths), MOST_PICTURES)):
        if count > most:
            raise InputError(f"{folder} holds {count} {what}; the limit is {most}")
    return found


def label_of(name: str) -> str:
    """The name of a folder as a label: one line, in UTF-8."""
    return " ".join(os.fsencode(name).decode("utf-8", "replace").split()) or repr(name)

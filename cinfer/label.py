"""`cinfer.label(model, out, labels=...)`: a copy of a model file that says how to use itself; docs/label.md."""
from __future__ import annotations

import os
import sys

import numpy as np

from .errors import InputError, wrong
from .imports import Called
from .model.edit import with_metadata
from .model.source import Source
from .paths import replacing
from .session import Session
from .vision.answers.summary import Summary
from .vision.arguments import flags_of, labels_of
from .vision.families.classify import are_probabilities
from .vision.keys import RECIPE, keys_of
from .vision.reader import Reader
from .vision.recognise.words import RAW

TRIED = 120, 160, 3                 # a picture's shape


def label(model, path, *, labels=None, task: str | None = None, recipe: dict | None = None,
          threads: int | None = None) -> dict[str, str]:
    """Write a model with the keys of docs/metadata.md that tell how it is used; all else is the same, byte for byte.

    What is not given is what the model is recognised as (docs/tasks.md), so that the new file is read as this one is
    with these arguments, wherever it lies. It is tried on a picture of random pixels first.

    Parameters
    ----------
    model : path, bytes or binary file object of an ONNX model
    path : the file to write. Weights in files beside the model are copied to it, if it is in another folder
    labels : class names, index = class
    task, recipe : as of `cinfer.vision.read`
    threads : as of `load`

    Returns
    -------
    dict, key -> text : what was written

    Raises
    ------
    cinfer.Error : a word is none of docs/metadata.md, labels are not as many as the output has classes, the network
        cannot be fed so, a file cannot be read or written
    """
    return label_by(model, path, flags_of(task, recipe), labels_of(labels), threads=threads)


def label_by(model, path, flags: dict[str, tuple[str, str]], labels: list[str] | None,
             threads: int | None = None) -> dict[str, str]:
    """As `label`. flags : word -> (text, the flag as typed), as `recognise` takes them"""
    if not isinstance(path, (str, os.PathLike)) or not os.fspath(path):
        raise wrong("path", path, "the name of the file to write")
    path = os.fsdecode(path)
    source = model if isinstance(model, Source) else Source(model)
    keys = keys_to_write(Session(source, threads=threads), flags, labels)
    begun: list[str] = []
    try:
        copy_data(source, path, begun)
        with replacing(path) as file:
            for piece in with_metadata(source.data, keys, RECIPE):
                file.write(piece)
            source.check()
    except BaseException as error:
        for each in begun:
            os.unlink(each)
        if isinstance(error, OSError):
            raise InputError(f"{error.filename or path}: {error.strerror or error}") from None
        raise
    return keys


def stream_by(model, file, flags: dict[str, tuple[str, str]], labels: list[str] | None,
              threads: int | None = None) -> dict[str, str]:
    """As `label_by`, to a binary file object that has no folder: weights in files of their own are refused."""
    source = Source(model)
    keys = keys_to_write(Session(source, threads=threads), flags, labels)
    apart = source.beside.locations()
    if apart:
        raise InputError(f"-o -: weights of the model are in {apart[0]}, which has to lie beside its file; name a file")
    source.check()
    for piece in with_metadata(source.data, keys, RECIPE):
        file.write(piece)
    return keys


def keys_to_write(session: Session, flags: dict[str, tuple[str, str]], labels: list[str] | None) -> dict[str, str]:
    """Raises InputError where a picture cannot be read so."""
    reader = Reader(session, flags, labels=labels)
    noise = np.random.default_rng(0).integers(0, 256, TRIED, np.uint8)
    reading = reader.read(noise)                        # families check labels and words when they decode
    said = next((key for key in ("task", "family") if key in flags), None)
    if said is not None and flags[said][0] != RAW and isinstance(reading.answer, Summary):
        text, flag = flags[said]
        raise InputError(f"{flag} is {text!r}, but nothing reads this model's outputs so; docs/tasks.md says which "
                         "outputs a task has")
    if reader.family.__name__.endswith(".classify") and "output.kind" not in reader.words:
        # without this key readers go by the values of each picture; a file that has a recipe says it
        name = reader.words.text("output.name") or next(iter(reading.outputs))
        scores = np.asarray(reading.outputs[name], np.float64)
        kind = "probabilities" if are_probabilities(scores.reshape(len(scores), -1)[0]) else "logits"
        reader.words.add({"output.kind": kind}, "the numbers of its output")
    return keys_of(reader)


# ---- weights in files of their own

def copy_data(source: Source, path: str, begun: list[str]) -> None:
    """Copy the files of external data to where a model at `path` looks for them.

    begun : gets the names of those that were not there
    Raises InputError, before anything is written, where another file of such a name is there, or would be written over.
    """
    folder = os.path.realpath(os.path.dirname(os.path.abspath(path)))
    places = {os.path.join(folder, each): each for each in source.beside.locations()}
    read = {os.path.join(source.beside.folder, each) for each in places.values()}
    if os.path.realpath(path) in map(os.path.realpath, {*read, *places}):
        raise InputError(f"{path}: the model's weights are in a file of this name; name another one")
    missing = {place: each for place, each in places.items() if not os.path.lexists(place)}
    for place, each in places.items():
        if place not in missing and not is_content(place, source.beside.open(each)):
            raise InputError(f"{place} is another file than the one with the model's weights; name a file in another "
                             "folder")
    for place, each in missing.items():
        os.makedirs(os.path.dirname(place), exist_ok=True)
        with replacing(place) as file:
            file.write(memoryview(source.beside.open(each)))
        begun.append(place)


def is_content(path: str, data, step: int = 1 << 20) -> bool:
    """Does a file hold just this?"""
    with open(path, "rb") as file:
        if os.fstat(file.fileno()).st_size != len(data):
            return False
        return all(file.read(step) == data[at:at + step] for at in range(0, len(data), step))


sys.modules[__name__].__class__ = Called

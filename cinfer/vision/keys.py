"""What is known of a model as the keys of docs/metadata.md, for a file that says how to use itself: the way back of
recognise/own_keys.py."""
from __future__ import annotations

from ..errors import InputError
from .reader import Reader
from .recognise.words import KNOWN

VERSION = {"cinfer.recipe": "1"}
LABELS = "cinfer.labels"
RECIPE = frozenset({*VERSION, LABELS, *(f"cinfer.{key}" for key in KNOWN)})     # all keys by which a file is read


def keys_of_input(reader: Reader) -> dict[str, str]:
    """How a picture is prepared."""
    said = {key: text for key, text in reader.words.said().items() if key.startswith("input.")}
    return {f"cinfer.{key}": text for key, text in sorted((said | {"input.size": str(reader.recipe.size)}).items())}


def keys_of(reader: Reader) -> dict[str, str]:
    """All of it, whoever said it: a file with these keys is read as this reader reads it, wherever it is."""
    words = reader.words
    said = {f"cinfer.{key}": text for key, text in sorted(words.said().items())
            if key in KNOWN and not key.startswith("input.")}
    labels = {LABELS: text_of_labels(words.labels)} if words.labels else {}
    return VERSION | said | keys_of_input(reader) | labels


def text_of_labels(labels: list[str]) -> str:
    for label in labels:
        if "\n" in label:
            raise InputError(f"the label {label!r} has several lines; each is one line of the file")
    return "\n".join(labels)

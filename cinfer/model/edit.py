"""A model file in which some pairs of texts are other ones; every other byte is as it was."""
from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from .reader import METADATA_PROPS
from .tensors import text_pair
from .wire import fields
from .writer import Message, entry


def with_metadata(data, texts: Mapping[str, str], without: Collection[str] = ()) -> Iterator:
    """The file with these pairs in its metadata_props, in pieces to write one after the other.

    data : bytes or read-only mapping of a ModelProto; the pieces of it are views, nothing is copied
    texts : key -> text; they stand at the end, in this order. What the file has under the same keys goes, and
        under those in `without`
    """
    view, begin, at, gone = memoryview(data), 0, 0, {*texts, *without}
    for key, value, stop in fields(data, 0, len(data)):
        if key == METADATA_PROPS and text_pair(data, value, stop)[0] in gone:
            yield view[begin:at]
            begin = stop
        at = stop
    yield view[begin:]
    message = Message()
    for key, text in texts.items():
        message.message(METADATA_PROPS >> 3, entry(key, text))
    yield from message.pieces

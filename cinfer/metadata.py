"""How texts in a model's metadata are read: docs/metadata.md."""
from __future__ import annotations

from functools import lru_cache

MOST_LABELS = 100_000
MOST_LITERAL = 2_000_000            # characters of a literal; a second to read


def labels_of(metadata: dict[str, str]) -> list[str] | None:
    """Class names, index = class; None without them.

    One a line under `cinfer.labels`, else what Ultralytics writes under `names`: a Python dict or list.
    """
    text = metadata.get("cinfer.labels")
    if text is not None:
        return text.split("\n")
    names = literal(metadata.get("names", ""), (dict, list))
    if isinstance(names, dict):
        names = {int(i) if isinstance(i, str) and is_decimal(i, 8) else i: name     # as JSON has them
                 for i, name in names.items()}
        if not all(isinstance(i, int) and 0 <= i < MOST_LABELS for i in names):
            return None
        names = [names.get(i, i) for i in range(max(names, default=-1) + 1)]
    return [" ".join(str(name).split()) for name in names] if names else None


def is_decimal(text: str, digits: int) -> bool:
    """Is it a whole number of at most so many digits? Python reads no number of thousands of them."""
    return text.isdecimal() and len(text) <= digits


def alphabet(text: str) -> list[str]:
    """Characters, one a line, as a recogniser of text has them under `character`, or in a file; the last end of line
    begins no further one."""
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    return lines[:-1] if lines[-1] == "" else lines


@lru_cache(8)
def literal(text: str, types):
    """The Python literal in a text if it is of these types, else None. Nobody changes it: it is kept."""
    from ast import literal_eval
    if len(text) > MOST_LITERAL:
        return None
    try:
        value = literal_eval(text)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):    # TypeError: a list as a key
        return None
    return value if isinstance(value, types) else None

"""Every error that cinfer raises on purpose, each of one line: what is wrong, where, what would be right."""

from numbers import Real
from operator import index


class Error(Exception):
    """Base of all errors that a user of cinfer can mend."""


class ModelError(Error):
    """The file is no model, is damaged, or contradicts the ONNX standard."""


class UnsupportedError(Error):
    """The model is valid, but uses something that cinfer does not run; all such nodes are named."""


class InputError(Error):
    """What was fed does not fit the model: name, dtype, shape, picture, argument."""


class LimitError(Error):
    """The request would take more memory than it may, or than there is."""


class Cancelled(Error):
    """The run was ended before its end: by `Session.cancel`, or because it took longer than its timeout."""


def whole(value) -> int | None:
    """An int or whole number of NumPy as an int; None for anything else, True and False too."""
    try:
        return None if isinstance(value, bool) else index(value)
    except TypeError:
        return None


def is_real(value) -> bool:
    """A real number, of NumPy too; not True or False."""
    return isinstance(value, Real) and not isinstance(value, bool)


def an(kind: type) -> str:
    """A type with its article, for a message: an int, a list."""
    spoken = kind.__name__.lower()
    return f"{'an' if spoken[:1] in tuple('aeio') or spoken == 'ndarray' else 'a'} {kind.__name__}"


def shown(value) -> str:
    """A value that a user passed, for a message: on one line, not too long."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else f"{text[:77]}..."


def wrong(name: str, value, right: str) -> InputError:
    """Of an argument that a program passes."""
    return InputError(f"{name} is {shown(value)}; right is {right}")


def nearest(word: str, words) -> str:
    """'; do you mean X?' for the nearest of the words, if one is near; it ends a message. Of
    wolf, timber wolf is nearer than wool."""
    from difflib import get_close_matches
    bare = {each.lstrip("-"): each for each in words}       # that both are flags makes them no nearer
    wanted = word.lstrip("-")
    found = sorted((each for each in bare if wanted.lower() in each.lower().split()), key=len)
    found = found or get_close_matches(wanted, bare, 1)
    return f"; do you mean {bare[found[0]]}?" if found else ""

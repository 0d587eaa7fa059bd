"""Strings: StringConcat, StringNormalizer, StringSplit, RegexFullMatch. Strings are object arrays of str."""
from __future__ import annotations

import numpy as np

from ..errors import LimitError
from .facts import INT64, Fact
from .limits import check_size
from .numeric import broadcast, spec_of
from .re2 import Automaton, parsed
from .registry import op

STRING = np.dtype(object)
BOOL = np.dtype(bool)
MOST_CHARACTERS = 1 << 28       # of all strings that one operator makes longer


def check_strings(x, what: str = "x") -> None:
    if x.dtype != STRING:
        raise ValueError(f"{what} is {x.dtype}; it has to be strings")


def texts(x: np.ndarray, what: str = "x") -> list[str]:
    """All elements, flat. ValueError where one is no text: bytes that are no UTF-8 stay bytes when a model is
    read, and users feed anything."""
    check_strings(x, what)
    elements = x.reshape(-1).tolist()
    for element in elements:
        if not isinstance(element, str):
            raise ValueError(f"{what} holds {type(element).__name__}; its elements have to be str")
    return elements


def array_of(elements: list[str], shape) -> np.ndarray:
    """An object array; NumPy by itself makes one of characters."""
    y = np.empty(len(elements), object)
    y[:] = elements
    return y.reshape(shape)


def mapped(x: np.ndarray, function, dtype: np.dtype, what: str = "x") -> np.ndarray:
    """function(text) of each element; of each different one once, for columns of a table repeat theirs."""
    elements = texts(x, what)
    known = {text: function(text) for text in set(elements)}
    y = np.empty(len(elements), dtype)
    y[:] = [known[text] for text in elements]
    return y.reshape(x.shape)


@op("StringConcat", since=20, broadcast=True, one_type=True)
class StringConcat:
    """x, and y behind it. https://onnx.ai/onnx/operators/onnx__StringConcat.html"""
    def infer(x, y):
        check_strings(x)
        check_strings(y, "y")
        return x.like(broadcast(x.shape, y.shape))

    def evaluate(x, y):
        shape = StringConcat.infer(spec_of(x), spec_of(y)).shape
        made = np.empty(shape, object)
        if made.size:
            length = sum(sum(map(len, texts(each, what))) * (made.size // each.size)
                         for each, what in ((x, "x"), (y, "y")))
            if length > MOST_CHARACTERS:
                raise LimitError(f"strings of {length} characters together; at most {MOST_CHARACTERS} are "
                                 "possible")
            made[...] = x + y
        return made


# Of languages whose letters change case in their own way; in all others it is as Unicode says
OWN_CASE = ("tr", "az", "lt")


def check_normalizer(x, case_change_action: str, is_case_sensitive: int, locale: str) -> None:
    check_strings(x)
    if case_change_action not in ("NONE", "LOWER", "UPPER"):
        raise ValueError(f"case_change_action {case_change_action!r}; it has to be NONE, LOWER or UPPER")
    if locale[:2].lower() in OWN_CASE and (case_change_action != "NONE" or not is_case_sensitive):
        raise ValueError(f"locale {locale!r}; letters change case by Unicode's rules for all languages here")
    if x.ndim not in (1, 2) or x.ndim == 2 and x.shape[0] != 1:
        raise ValueError(f"x of shape {list(x.shape)}; it has to be [C] or [1, C]")


@op("StringNormalizer", since=10, rank=0)
class StringNormalizer:
    """Elements that are stop words are left out, the others change case. What is left of none is one empty
    string. Without regard to case, elements and stop words are compared in upper case if that is what they
    become, else in lower case.
    https://onnx.ai/onnx/operators/onnx__StringNormalizer.html"""
    def infer(x, *, case_change_action="NONE", is_case_sensitive=0, locale="", stopwords=None):
        check_normalizer(x, case_change_action, is_case_sensitive, locale)
        if stopwords or x.shape[-1] == 0:
            return Fact.of(StringNormalizer.evaluate(
                x.known("which words StringNormalizer leaves"), case_change_action=case_change_action,
                is_case_sensitive=is_case_sensitive, locale=locale, stopwords=stopwords))
        return x.like()

    def evaluate(x, *, case_change_action="NONE", is_case_sensitive=0, locale="",
                 stopwords: list[str] = None):
        check_normalizer(x, case_change_action, is_case_sensitive, locale)
        change = {"NONE": str, "LOWER": str.lower, "UPPER": str.upper}[case_change_action]
        alike = str if is_case_sensitive else str.upper if case_change_action == "UPPER" else str.lower
        stopped = {alike(word) for word in stopwords or ()}
        words = [change(word) for word in texts(x) if alike(word) not in stopped] or [""]
        return array_of(words, (len(words),) if x.ndim == 1 else (1, len(words)))


@op("StringSplit", since=20, types=(STRING, INT64))
class StringSplit:
    """Parts of each string between delimiters, filled up with empty ones along a new last axis, and how many
    there are. Without a delimiter, parts are between white space (of Unicode), of which none is left before
    the first and behind the last one.
    https://onnx.ai/onnx/operators/onnx__StringSplit.html"""
    def evaluate(x, *, delimiter="", maxsplit: int = None):
        most = -1 if maxsplit is None or maxsplit < 0 else maxsplit
        if delimiter:
            parts = [text.split(delimiter, most) for text in texts(x)]
        else:
            parts = [text.strip().split(None, most) for text in texts(x)]
        longest = max(map(len, parts), default=0)
        check_size((len(parts), longest), STRING.itemsize)
        y = np.full((len(parts), longest), "", object)
        for row, each in zip(y, parts):
            row[:len(each)] = each
        return y.reshape(*x.shape, longest), np.array([*map(len, parts)], np.int64).reshape(x.shape)


@op("RegexFullMatch", since=20, elementwise=True, types=(BOOL,))
class RegexFullMatch:
    """Is each string, all of it, what the pattern describes (re2.py)?
    https://onnx.ai/onnx/operators/onnx__RegexFullMatch.html"""
    def infer(x, *, pattern):
        check_strings(x)
        parsed(pattern)
        return x.like(dtype=BOOL)

    def evaluate(x, *, pattern: str):
        return mapped(x, Automaton(parsed(pattern)).matches, BOOL)

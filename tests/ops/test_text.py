"""Strings. Regular expressions are compared with RE2 itself, which onnxruntime has inside."""
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from one_node import infer, needs_value, refuses, run, spec
from other_opinions import onnxruntime_answers, reference_answers, strings

import backend_cases
from cinfer.errors import LimitError
from cinfer.ops.re2 import Automaton, parsed
from cinfer.ops.text import STRING

WORDS = st.text("aAbB é\tß", max_size=4)


@pytest.mark.parametrize("case", backend_cases.of("StringConcat", "StringNormalizer", "StringSplit",
                                                  "RegexFullMatch", "TfIdfVectorizer"))
def test_backend_case(case):
    backend_cases.check(case)


def array(elements, shape) -> np.ndarray:
    y = np.empty(len(elements), object)
    y[:] = elements
    return y.reshape(shape)


# StringConcat

@given(st.lists(WORDS, min_size=6, max_size=6), st.lists(WORDS, min_size=3, max_size=3))
@settings(max_examples=30, deadline=None)
def test_concat_broadcasts(first, second):
    x, y = array(first, (2, 3)), array(second, (3,))
    z = run("StringConcat", x, y, opset=20)
    assert z.tolist() == [[first[3 * i + j] + second[j] for j in range(3)] for i in range(2)]
    assert run("StringConcat", array(first[:1], ()), array(second[:1], ()),
               opset=20)[()] == first[0] + second[0]


def test_concat_refuses():
    x = strings("a")
    refuses("it has to be strings", "StringConcat", x, np.zeros(1, np.float32), opset=20)
    for wrong in (b"\xff", 1, None):
        with pytest.raises(ValueError, match="have to be str"):
            run("StringConcat", x, array([wrong], 1), opset=20)
    with pytest.raises(LimitError):
        run("StringConcat", array(["a" * 10**6] * 1000, (1000, 1)), array(["a" * 10**6] * 1000, (1, 1000)),
            opset=20)
    assert run("StringConcat", array([], (0,)), x, opset=20).shape == (0,)


# StringNormalizer

def normalized(words, action, sensitive, stopwords):
    """By the standard's text."""
    change = {"NONE": lambda w: w, "LOWER": str.lower, "UPPER": str.upper}[action]
    alike = (lambda w: w) if sensitive else str.upper if action == "UPPER" else str.lower
    kept = []
    for word in words:
        if not any(alike(word) == alike(stop) for stop in stopwords):
            kept.append(change(word))
    return kept if kept else [""]


@settings(max_examples=80, deadline=None)
@given(st.lists(WORDS, max_size=5), st.sampled_from(("NONE", "LOWER", "UPPER")), st.booleans(),
       st.lists(WORDS, max_size=3), st.booleans())
def test_any_normalizer(words, action, sensitive, stopwords, one_row):
    x = array(words, (1, -1) if one_row and words else (len(words),))
    y = run("StringNormalizer", x, opset=10, case_change_action=action, is_case_sensitive=int(sensitive),
            **({"stopwords": stopwords} if stopwords else {}))
    expected = normalized(words, action, sensitive, stopwords)
    assert y.tolist() == ([expected] if x.ndim == 2 else expected)


def test_normalizer_sizes():
    assert infer("StringNormalizer", spec(5, dtype=object), opset=10)[0].shape == (5,)
    needs_value("StringNormalizer", spec(5, dtype=object), opset=10, stopwords=["a"])


def test_normalizer_refuses():
    refuses("[C] or [1, C]", "StringNormalizer", array(["a"] * 4, (2, 2)), opset=10)
    refuses("NONE, LOWER or UPPER", "StringNormalizer", strings("a"), opset=10, case_change_action="TITLE")
    refuses("locale 'tr_TR'", "StringNormalizer", strings("i"), opset=10, case_change_action="UPPER",
            locale="tr_TR")


# StringSplit

@pytest.mark.parametrize("text, attributes, parts", (
    ("a  b  c ", {}, ["a", "b", "c"]), (" a b ", dict(maxsplit=1), ["a", "b"]),
    ("a b  c ", dict(maxsplit=1), ["a", "b  c"]),
    ("  ", {}, []), ("", {}, []), ("a\t\u2003b\n", {}, ["a", "b"]), ("a b", dict(maxsplit=0), ["a b"]),
    ("a,,b", dict(delimiter=","), ["a", "", "b"]), (",", dict(delimiter=","), ["", ""]),
    ("", dict(delimiter=","), [""]), ("a,b,c", dict(delimiter=",", maxsplit=1), ["a", "b,c"]),
    ("abcabc", dict(delimiter="bc"), ["a", "a", ""]), ("a b", dict(delimiter=""), ["a", "b"])))
def test_split(text, attributes, parts):
    y, count = run("StringSplit", strings(text, "x y z u"), opset=20, n_outputs=2, **attributes)
    longest = max(len(parts), int(count[1]))
    assert y[0].tolist() == parts + [""] * (longest - len(parts)) and count[0] == len(parts)


def test_split_of_nothing():
    for shape in ((0,), (2, 0)):
        y, count = run("StringSplit", array([], shape), opset=20, n_outputs=2)
        assert (y.dtype, y.shape) == (STRING, (*shape, 0)) and (count.dtype, count.shape) == (np.int64, shape)
    y, count = run("StringSplit", array(["a b"], ()), opset=20, n_outputs=2)
    assert y.tolist() == ["a", "b"] and count[()] == 2


def test_split_does_not_eat_the_memory():
    x = array(["a"] * 10**5 + ["b " * 10**6], 10**5 + 1)
    with pytest.raises(LimitError):
        run("StringSplit", x, opset=20, n_outputs=2)


@given(st.lists(st.text("ab, ", max_size=6).filter(bool), min_size=1, max_size=4),
       st.sampled_from(("", ",", "a")),
       st.sampled_from((None, 0, 1, 3)))
@settings(max_examples=40, deadline=None)
def test_onnxruntime_splits_alike(texts, delimiter, maxsplit):
    """Of text without other white space, and not empty: it gives no part for those even with a delimiter."""
    more = {} if maxsplit is None else dict(maxsplit=maxsplit)
    x = array(texts, len(texts))
    theirs = onnxruntime_answers("StringSplit", x, opset=20, types=(object, np.int64), delimiter=delimiter,
                                 **more)
    for y, want in zip(run("StringSplit", x, opset=20, n_outputs=2, delimiter=delimiter, **more), theirs):
        np.testing.assert_array_equal(y, want)


# RegexFullMatch

@pytest.mark.parametrize("pattern, yes, no", (
    (r"a.c", ["abc", "aéc"], ["a\nc", "abcd", ""]), (r"(?s)a.c", ["a\nc"], ["ac"]),
    (r"^a$", ["a"], ["a\n", "\na"]), (r"(?m)a$\n^b", ["a\nb"], ["ab"]), (r"\Aa\z", ["a"], ["aa"]),
    (r"\d+", ["12"], ["", "٣", "1a"]), (r"\w*", ["a_1", ""], ["é", "-"]),
    (r"\s", ["\n", " "], ["\v", "\u2003"]),
    (r"[^a-c]", ["d", "\n"], ["a", ""]), (r"[]a]+", ["]a"], ["[a"]), (r"[a\-z]+", ["a-z"], ["b"]),
    (r"[[:alpha:]\d]{2,3}", ["a1", "Z12"], ["a", "abcd"]), (r"[[:^alpha:]]", ["1", "é"], ["a"]),
    (r"a{,2}", ["a{,2}"], ["a", "aa"]), (r"a{2}|b", ["aa", "b"], ["a", "ab"]),
    (r"(?:a|b)*?", ["", "abba"], ["c"]),
    (r"(?P<x>a)(?<y>b)", ["ab"], ["a"]), (r"(?i)Kelvin", ["KELVIN", "\u212aelvin"], ["elvin"]),
    (r"(?i)s[^t]", ["\u017fa"], ["sT", "st"]), (r"(?i:a)b", ["Ab"], ["AB"]),
    (r"\x41\x{e9}\101", ["AéA"], ["AA"]),
    (r"\ba\b.\Bb", [], ["a-b", "a b"]), (r"a\b.*", ["a-b", "a"], ["ab"]), (r"\B", [""], ["a"]),
    (r"\.\*\]\}", [".*]}"], ["a"]), (r"(|a)+", ["", "aa"], ["b"]), ("", [""], ["a"]), ("中+", ["中中"], ["文"]),
    (r"(?-s:.)(?s:.)", ["a\n"], ["\na"]), (r"x{0}y", ["y"], ["xy"]),
    (r"(a(?i)b|c)d", ["aBd", "Cd"], ["ABd", "cD"])))
def test_regular_expression(pattern, yes, no):
    y = run("RegexFullMatch", strings(*yes, *no), opset=20, pattern=pattern)
    assert y.tolist() == [True] * len(yes) + [False] * len(no)


@pytest.mark.parametrize("pattern", (
    "(", ")", "[a", "a**", "*", "a{1001}", "a{2,1}", "(?=a)", "(?<!a)", r"(a)\1", r"\Z", r"\pL", r"\C", r"\Q",
    "\\", r"\_", "[b-a]", "[[:foo:]]", r"[\b]", r"\x{110000}", r"\x4", "(?i)é", "(?x)a", "(?", "(?P<>a)",
    "(?i)*", "(?)",
    r"[a-\d]", "a{2}{3}", "(" * 500 + ")" * 500))
def test_no_regular_expression(pattern):
    refuses("pattern ", "RegexFullMatch", strings("a"), opset=20, pattern=pattern)


PIECES = [
    *"abkS.^$]}{-", r"\d", r"\w", r"\s", r"\W", r"\D", r"\b", r"\B", r"\A", r"\z", "[ab]", "[^a]", r"[a-c\d]",
    r"[^\w]", "[[:alpha:]x]", "[]a]", "[a-]", r"\.", r"\x41", r"\x{212a}", r"\n", "é", "(?s)", "(?m)",
    "(?i:k)", "(?:ab)", "()", "(|a)", r"\141", r"\12", r"\0", "(?i)[^k]", r"(?i)\w", "(?i-s:S.)",
    "[[:^digit:]]", "a{,2}", "|", r"[\n-a]", "(?U)a", "[[:word:]]"]
REPEATS = ["", "", "", "*", "+", "?", "*?", "{2}", "{0,1}", "{1,}", "{2}?"]
PATTERNS = st.recursive(
    st.lists(st.tuples(st.sampled_from(PIECES), st.sampled_from(REPEATS)).map("".join),
             max_size=4).map("".join),
    lambda inner: st.tuples(inner, inner, st.sampled_from(REPEATS)).map(lambda t: f"({t[0]}){t[2]}{t[1]}"),
                        max_leaves=4)


@settings(max_examples=250, deadline=None)
@given(PATTERNS, st.lists(st.text("abkKsS1 \n\t{}-]\u212a\u017fé_", max_size=6), min_size=8, max_size=8))
def test_re2_agrees(pattern, texts):
    try:
        tree = parsed(pattern)
    except ValueError:
        return
    texts = texts + ["", "a", "ab", "\n", "k", "aa"]
    theirs, = onnxruntime_answers("RegexFullMatch", strings(*texts), opset=20, types=(bool,), pattern=pattern)
    assert [Automaton(tree).matches(text) for text in texts] == theirs.tolist()


def test_matching_takes_linear_time():
    start = time.perf_counter()
    assert not Automaton(parsed("((a*)*)*b|(a|a)*c|(.*)(.*)(.*)d")).matches("a" * 3000)
    assert Automaton(parsed("(.{0,200}){3}")).matches("x" * 600)
    assert time.perf_counter() - start < 20


def test_large_patterns():
    with pytest.raises(LimitError):
        Automaton(parsed("((a{1000}){1000}){1000}"))
    assert Automaton(parsed("(((){1000}){1000}){1000}")).matches("")
    assert Automaton(parsed(".*")).matches("".join(map(chr, range(32, 40000))).replace("\ud800", ""))


# TfIdfVectorizer

def naive_counts(row, pool, ngram_counts, ngram_indexes, shortest, longest, skips):
    ends = [*ngram_counts[1:], len(pool)]
    grams = [tuple(pool[i:i + n]) for n, (start, end) in enumerate(zip(ngram_counts, ends), 1)
             for i in range(start, end, n)]
    counts = [0] * (max(ngram_indexes) + 1)
    for gram, column in zip(grams, ngram_indexes, strict=True):
        n = len(gram)
        for distance in range(1, skips + 2 if n > 1 else 2):
            for start in range(len(row)):
                places = range(start, start + n * distance, distance)
                if shortest <= n <= longest and places[-1] < len(row):
                    counts[column] += all(row[p] == word for p, word in zip(places, gram))
    return counts


@st.composite
def vectorizers(draw):
    grams = [draw(st.lists(st.tuples(*[st.integers(0, 2)] * n), unique=True, max_size=4)) for n in (1, 2, 3)]
    if not any(grams):
        grams[0] = [(1,)]
    starts = [sum(len(g) * (i + 1) for i, g in enumerate(grams[:n])) for n in range(3)]
    count = sum(map(len, grams))
    shortest = draw(st.integers(1, 3))
    longest = draw(st.integers(shortest, 3))
    shape = draw(st.sampled_from(((0,), (1,), (5,), (9,), (2, 0), (1, 4), (3, 7))))
    x = np.array(draw(st.lists(st.integers(0, 3), min_size=int(np.prod(shape)),
                               max_size=int(np.prod(shape)))), np.int64)
    return x.reshape(shape), dict(
        pool_int64s=[word for g in grams for gram in g for word in gram], ngram_counts=starts,
        ngram_indexes=draw(st.permutations(range(count))), min_gram_length=shortest, max_gram_length=longest,
        max_skip_count=draw(st.integers(0, 4)))


@settings(max_examples=80, deadline=None)
@given(vectorizers(), st.sampled_from(("TF", "IDF", "TFIDF")), st.booleans(), st.booleans())
def test_any_vectorizer(case, mode, text, weighted):
    x, attributes = case
    rows = x.reshape(-1, x.shape[-1]) if x.size else np.zeros((x.shape[0] if x.ndim == 2 else 1, 0))
    counts = np.array([naive_counts(row.tolist(), attributes["pool_int64s"], attributes["ngram_counts"],
                                    attributes["ngram_indexes"], attributes["min_gram_length"],
                                    attributes["max_gram_length"], attributes["max_skip_count"])
                       for row in rows])
    y = np.minimum(counts, 1) if mode == "IDF" else counts
    if weighted:                                # all alike: of an n-gram and of its column
        attributes["weights"] = [0.5] * len(attributes["ngram_indexes"])
        y = y * 0.5 if mode != "TF" else y
    if text:
        x = array([str(word) for word in x.reshape(-1).tolist()], x.shape)
        attributes["pool_strings"] = [str(word) for word in attributes.pop("pool_int64s")]
    ours = run("TfIdfVectorizer", x, opset=9, mode=mode, **attributes)
    np.testing.assert_array_equal(ours, y.reshape(ours.shape))


@settings(max_examples=30, deadline=None)
@given(vectorizers().filter(lambda case: case[0].size), st.sampled_from(("TF", "IDF", "TFIDF")))
def test_onnxruntime_counts_alike(case, mode):
    x, attributes = case
    count = len(attributes["ngram_indexes"])
    attributes |= dict(ngram_indexes=list(range(count)), weights=[i + 0.5 for i in range(count)], mode=mode)
    theirs, = onnxruntime_answers("TfIdfVectorizer", x, opset=9, **attributes)
    np.testing.assert_allclose(run("TfIdfVectorizer", x, opset=9, **attributes), theirs, rtol=1e-6)
    theirs, = reference_answers("TfIdfVectorizer", x, opset=9, **attributes)
    np.testing.assert_allclose(run("TfIdfVectorizer", x, opset=9, **attributes), theirs, rtol=1e-6)


def test_vectorizer_refuses():
    x = np.array([1, 2])
    good = dict(mode="TF", min_gram_length=1, max_gram_length=1, max_skip_count=0, ngram_counts=[0],
                ngram_indexes=[1, 0], pool_int64s=[1, 2])
    assert run("TfIdfVectorizer", x, opset=9, **good).tolist() == [1, 1]
    for message, change in (
            ("TF, IDF or TFIDF", dict(mode="X")), ("grams of 2 to 1", dict(min_gram_length=2)),
            ("there has to be one, not negative, for each", dict(ngram_indexes=[0])),
            ("are said to be", dict(ngram_counts=[3])),
            ("there has to be pool_strings", dict(pool_strings=["a"])),
            ("is not settled", dict(mode="IDF", weights=[1.0, 2.0]))):
        refuses(message, "TfIdfVectorizer", x, opset=9, **{**good, **change})
    with pytest.raises(ValueError, match="twice"):
        run("TfIdfVectorizer", x, opset=9, **{**good, "pool_int64s": [1, 1]})
    refuses("there has to be pool_strings", "TfIdfVectorizer", strings("a"), opset=9, **good)

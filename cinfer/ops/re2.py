"""Regular expressions as RE2 understands them, and whether one matches all of a text.

https://github.com/google/re2/wiki/Syntax

Not Python's `re`: it means other things by $, \\s, {,n} and more, and takes exponential time for some
patterns. A pattern becomes a tree (`parsed`), the tree an automaton whose states run through the text side by
side, one step a character. Refused: \\p (classes of Unicode), \\C, \\Q, and under (?i) letters beyond ASCII.

Trees are tuples: ("set", ranges) matches one character, ("join", trees), ("either", trees),
("repeat", tree, least, most or None), ("at", kind) matches between characters.
"""
from __future__ import annotations

from bisect import bisect_right

from ..errors import LimitError

LAST = 0x10FFFF
DIGITS, SPACES = ((48, 57),), ((9, 10), (12, 13), (32, 32))
WORDS = ((48, 57), (65, 90), (95, 95), (97, 122))
PERL = {"d": DIGITS, "s": SPACES, "w": WORDS}
POSIX = {
    "alnum": ((48, 57), (65, 90), (97, 122)), "alpha": ((65, 90), (97, 122)), "ascii": ((0, 127),),
    "blank": ((9, 9), (32, 32)), "cntrl": ((0, 31), (127, 127)), "digit": DIGITS, "graph": ((33, 126),),
    "lower": ((97, 122),), "print": ((32, 126),), "punct": ((33, 47), (58, 64), (91, 96), (123, 126)),
    "space": ((9, 13), (32, 32)), "upper": ((65, 90),), "word": WORDS,
    "xdigit": ((48, 57), (65, 70), (97, 102))}
CONTROLS = {"a": 7, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11}
MOST_REPEATS, MOST_STATES, MOST_TRANSITIONS, MOST_DEPTH = 1000, 1 << 14, 1 << 14, 100


def normal(ranges) -> tuple:
    """Sorted, without overlaps."""
    out: list[list[int]] = []
    for low, high in sorted(ranges):
        if out and low <= out[-1][1] + 1:
            out[-1][1] = max(out[-1][1], high)
        else:
            out.append([low, high])
    return tuple(map(tuple, out))


def others(ranges) -> tuple:
    """All characters that are not in the ranges."""
    out, start = [], 0
    for low, high in normal(ranges):
        if start < low:
            out.append((start, low - 1))
        start = high + 1
    return tuple(out) if start > LAST else (*out, (start, LAST))


class Parser:
    """One pass over a pattern. flags : those of "ims" that hold at this place; U changes which match is
    found, not whether there is one"""

    def __init__(self, pattern: str):
        self.text, self.at, self.flags, self.depth = pattern, 0, frozenset(), 0

    def refuse(self, what: str):
        raise ValueError(f"pattern {self.text[:60]!r}: {what}")

    def looks_at(self, start: str) -> bool:
        return self.text.startswith(start, self.at)

    def takes(self, start: str) -> bool:
        found = self.looks_at(start)
        self.at += len(start) * found
        return found

    def character(self) -> str:
        if self.at == len(self.text):
            self.refuse("it ends too early")
        self.at += 1
        return self.text[self.at - 1]

    def either(self):
        self.depth += 1
        if self.depth > MOST_DEPTH:
            self.refuse(f"more than {MOST_DEPTH} groups in each other")
        branches = [self.join()]
        while self.takes("|"):
            branches.append(self.join())
        self.depth -= 1
        return branches[0] if len(branches) == 1 else ("either", branches)

    def join(self):
        parts = []
        while self.at < len(self.text) and self.text[self.at] not in "|)":
            part = self.atom()
            parts += [] if part is None else [self.repeated(part)]
        return ("join", parts)

    def repeated(self, part):
        counts = self.counts()
        if counts is None:
            return part
        self.takes("?")                         # fewest first: not another question, whether all matches
        if self.counts() is not None:
            self.refuse("one repetition behind another")
        return ("repeat", part, *counts)

    def counts(self) -> tuple | None:
        """(least, most) of a repetition that stands here, read over; None where there is none."""
        for sign, counts in (("*", (0, None)), ("+", (1, None)), ("?", (0, 1))):
            if self.takes(sign):
                return counts
        least, comma, most = self.text[self.at + 1:max(self.text.find("}", self.at), 0)].partition(",")
        if not self.looks_at("{") or not is_number(least) or most and not is_number(most):
            return None                         # then it stands for itself
        self.at = self.text.index("}", self.at) + 1
        least, most = int(least[:9]), int(most[:9]) if most else None if comma else int(least[:9])
        if max(least, most or 0) > MOST_REPEATS or most is not None and most < least:
            self.refuse(f"a repetition of {least} to {most}; it has to rise, to {MOST_REPEATS} at most")
        return least, most

    def atom(self):
        """One element; None for flags."""
        if self.counts() is not None:
            self.refuse("a repetition of nothing")
        c = self.character()
        if c == "(":
            return self.group()
        if c == "[":
            return ("set", self.bracket())
        if c == ".":
            return ("set", ((0, LAST),) if "s" in self.flags else others(((10, 10),)))
        if c == "^":
            return ("at", "line begin" if "m" in self.flags else "begin")
        if c == "$":
            return ("at", "line end" if "m" in self.flags else "end")
        if c != "\\":
            return ("set", self.folded(ord(c), ord(c)))
        if self.text[self.at:self.at + 1] in ASSERTIONS:
            return ("at", ASSERTIONS[self.character()])
        return ("set", self.perl() or self.folded(*[self.escaped()] * 2))

    def group(self):
        before = self.flags
        if self.takes("?"):
            if self.takes("P<") or not self.looks_at("<=") and not self.looks_at("<!") and self.takes("<"):
                name, end, _ = self.text[self.at:].partition(">")
                if not end or not name.replace("_", "a").isalnum():
                    self.refuse(f"{name[:20]!r} is no name of a group")
                self.at += len(name) + 1
            elif self.set_flags() == ")":
                return None                     # they hold up to the end of the group around
        tree = self.either()
        if not self.takes(")"):
            self.refuse("a group does not end")
        self.flags = before
        return tree

    def set_flags(self) -> str:
        """Reads flags, and gives what ends them."""
        on, count = True, 0
        while True:
            c = self.character()
            if c in ":)" and count != 0 or c == ":" and on:
                return c
            if c == "-" and on:
                on, count = False, 0
                continue
            if c not in "imsU":
                self.refuse(f"(?{c} is not of RE2's syntax")
            self.flags = self.flags | {c} if on else self.flags - {c}
            count += 1

    def bracket(self) -> tuple:
        negative, ranges, first = self.takes("^"), [], True
        while first or not self.takes("]"):
            first = False
            name, end, _ = self.text[self.at + 2:].partition(":]")
            if self.looks_at("[:") and end:
                self.at += len(name) + 4
                kind = POSIX.get(name.removeprefix("^")) or self.refuse(f"no class [:{name[:20]}:]")
                found = self.folded_all(kind)
                ranges += others(found) if name[0] == "^" else found
                continue
            escaped = self.takes("\\")
            found = self.perl() if escaped else None
            if found is None:
                low = high = self.escaped() if escaped else ord(self.character())
                if self.looks_at("-") and not self.looks_at("-]") and self.at + 1 < len(self.text):
                    self.at += 1
                    high = self.escaped() if self.takes("\\") else ord(self.character())
                    if high < low:
                        self.refuse(f"a range from {chr(low)!r} to {chr(high)!r}; it has to rise")
                found = self.folded(low, high)
            ranges += found
        return others(ranges) if negative else normal(ranges)

    def perl(self) -> tuple | None:
        """The class that an escape stands for, of those that \\ begins; None where it is a character."""
        c = self.text[self.at:self.at + 1]
        if not c or c.lower() not in PERL:
            return None
        self.at += 1
        found = self.folded_all(PERL[c.lower()])
        return found if c.islower() else others(found)

    def escaped(self) -> int:
        """The character that an escape stands for, behind its \\."""
        c = self.character()
        if c in CONTROLS:
            return CONTROLS[c]
        if c == "x":
            return self.hexadecimal()
        if c in "01234567":
            digits = c
            while len(digits) < 3 and self.text[self.at:self.at + 1] in tuple("01234567"):
                digits += self.character()
            if c != "0" and len(digits) == 1:
                self.refuse("a reference back to a group")
            return int(digits, 8)
        if ord(c) > 127 or c == "_" or c.isalnum():
            self.refuse(f"\\{c} is not supported")
        return ord(c)

    def hexadecimal(self) -> int:
        """Behind \\x: two digits, or any number of them in braces."""
        rest = self.text[self.at:]
        digits, end, _ = rest[1:].partition("}") if rest[:1] == "{" else (rest[:2], "", "")
        if not digits or set(digits) - set("0123456789abcdefABCDEF") or (
                not end if rest[0] == "{" else len(digits) < 2) or int(digits[:9], 16) > LAST:
            self.refuse(f"\\x{rest[:10]} is no character")
        self.at += len(digits) + (2 if end else 0)
        return int(digits, 16)

    def folded_all(self, ranges) -> tuple:
        return normal(each for low, high in ranges for each in self.folded(low, high))

    def folded(self, low: int, high: int) -> tuple:
        """A range, with the other case of each letter under (?i). K and S have a third form there: the sign
        of Kelvin, the long s."""
        if "i" not in self.flags:
            return ((low, high),)
        beyond = range(max(low, 128), high + 1)
        if len(beyond) > 4096 or any(chr(c) != chr(c).lower() or chr(c) != chr(c).upper() for c in beyond):
            self.refuse("(?i) with letters beyond ASCII is not supported")
        letters = {ord(form) for code in range(low, min(high, 127) + 1)
                   for form in (chr(code).lower(), chr(code).upper())}
        letters |= {third for letter, third in ((75, 0x212A), (83, 0x17F)) if letter in letters}
        return normal([(low, high), *((code, code) for code in letters)])


ASSERTIONS = {"A": "begin", "z": "end", "b": "border", "B": "no border"}


def is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and (text == "0" or text[0] != "0")


def parsed(pattern: str):
    """The tree of a pattern. ValueError where it is none of RE2, or uses what is not supported."""
    parser = Parser(pattern)
    tree = parser.either()
    if parser.at < len(pattern):
        parser.refuse("a ) that closes nothing")
    return tree


EDGE, NEWLINE, WORD, OTHER = range(4)           # what stands beside a place in the text
HOLDS = {"begin": lambda before, after: before == EDGE, "end": lambda before, after: after == EDGE,
         "line begin": lambda before, after: before <= NEWLINE,
         "line end": lambda before, after: after <= NEWLINE,
         "border": lambda before, after: (before == WORD) != (after == WORD),
         "no border": lambda before, after: (before == WORD) == (after == WORD)}


def kind_of(c: str) -> int:
    return NEWLINE if c == "\n" else WORD if c == "_" or c.isascii() and c.isalnum() else OTHER


class Automaton:
    """Runs all ways through a tree at once.

    states : (ranges or None, holds or None, next states): one that reads a character, or asks what is around,
        or is in several states at once
    after : what is known of sets of states: (set, what stood before) -> {character: the same behind it}
    """

    def __init__(self, tree):
        self.states: list[tuple] = [(None, None, ())]       # the first is the end
        self.start = self.built(tree, 0)
        self.after: dict[tuple, dict] = {}
        self.transitions = 0

    def state(self, ranges, holds, following) -> int:
        if len(self.states) >= MOST_STATES:
            raise LimitError(f"a pattern of more than {MOST_STATES} states; write fewer repetitions")
        self.states.append((ranges, holds, following))
        return len(self.states) - 1

    def built(self, tree, following: int) -> int:
        """The state from which a tree is read, before the state `following`."""
        kind, *parts = tree
        if kind == "set":
            ranges = parts[0]
            return self.state(([low for low, _ in ranges], [high for _, high in ranges]), None, (following,))
        if kind == "at":
            return self.state(None, HOLDS[parts[0]], (following,))
        if kind == "either":
            return self.state(None, None, tuple([self.built(each, following) for each in parts[0]]))
        if kind == "join":
            for each in reversed(parts[0]):
                following = self.built(each, following)
            return following
        tree, least, most = parts
        if most is None:
            loop = self.state(None, None, ())
            self.states[loop] = (None, None, (self.built(tree, loop), following))
            following = loop
        else:
            last = following
            for _ in range(most - least):
                following = self.state(None, None, (self.built(tree, following), last))
        for _ in range(least):
            before = self.built(tree, following)
            if before == following:             # of nothing, any number is nothing
                break
            following = before
        return following

    def reached(self, states, before: int, after: int) -> set[int]:
        """All states that these are in without reading a character."""
        seen, waiting = set(states), list(states)
        while waiting:
            ranges, holds, following = self.states[waiting.pop()]
            if ranges is None and (holds is None or holds(before, after)):
                new = [each for each in following if each not in seen]
                seen.update(new)
                waiting += new
        return seen

    def step(self, states: frozenset, before: int, c: str) -> tuple:
        """The states behind a character, and what kind it was."""
        code, kind, found = ord(c), kind_of(c), []
        for each in self.reached(states, before, kind):
            ranges, _, following = self.states[each]
            if ranges is not None:
                place = bisect_right(ranges[0], code) - 1
                if place >= 0 and code <= ranges[1][place]:
                    found += following
        self.transitions += 1
        return frozenset(found), kind

    def matches(self, text: str) -> bool:
        at = frozenset((self.start,)), EDGE
        for c in text:
            known = self.after.setdefault(at, {})
            if c not in known:
                if self.transitions >= MOST_TRANSITIONS:
                    self.after, self.transitions, known = {}, 0, {}
                known[c] = self.step(*at, c)
            at = known[c]
            if not at[0]:
                return False
        return 0 in self.reached(*at, EDGE)

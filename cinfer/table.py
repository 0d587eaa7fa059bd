"""Tables for people: text that a terminal shows as it is, in aligned columns."""
from __future__ import annotations


def printable(text) -> str:
    """One line that a terminal shows as it is: control characters of foreign names are spelled out."""
    text = str(text)
    return text if text.isprintable() else "".join(
        c if c.isprintable() else " " if c in "\n\t" else c.encode("unicode_escape").decode() for c in text)


def table(rows: list[list[str]], right: tuple[int, ...] = (), indent: str = "") -> list[str]:
    """Lines with the columns aligned; right : columns of numbers."""
    rows = [[printable(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))] if rows else []
    return [indent + "  ".join(cell.rjust(w) if i in right else cell.ljust(w)
                               for i, (cell, w) in enumerate(zip(row, widths))).rstrip() for row in rows]


def dims(shape) -> str:
    """1x3x?x?; names of free sizes stand apart: batch x 3 x height x width"""
    if shape is None:
        return "any shape"
    words = ["?" if d is None or d == "" else str(d) for d in shape]
    return ("x" if all(w.isdecimal() or w == "?" for w in words) else " x ").join(words) or "scalar"


def fixed(value: float, digits: int) -> str:
    """With so many digits behind the point; a number below 0 that is rounded to it has no sign."""
    return f"{round(float(value), digits) + 0.0:.{digits}f}"


def in_units(value: float, unit: str = "", step: int = 1000) -> str:
    """4.85 MB, 385 M, 17"""
    for prefix in ("", "k", "M", "G", "T"):
        if abs(value) < step * 0.9995 or prefix == "T":
            break
        value /= step
    number = f"{value:.3g}" if prefix else f"{value:g}"
    return f"{number} {prefix}{unit}".rstrip()


def shortened(text: str, most: int = 72) -> str:
    """The beginning of a long text, and how many lines it has."""
    lines = text.split("\n")
    head = ", ".join(lines[:5] + ["..."] * (len(lines) > 5))
    head = head if len(head) <= most else head[:most - 3] + "..."
    return head if len(lines) == 1 else f"{len(lines)} lines: {head}"

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

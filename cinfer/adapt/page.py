"""The report as a page of HTML: one file, with small pictures in it, which asks for nothing from elsewhere."""
from __future__ import annotations

import base64
import io
from html import escape

from ..errors import Error
from ..table import printable
from .report import Report

SIDE = 112                              # of a small picture, in pixels
QUALITY = 75
MOST_CLASSES = 60                       # of a confusion table
MOST_TWINS = 20                         # pairs with pictures
STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #1b1f24; background: #fff; max-width: 70rem; margin: 2rem auto;
       padding: 0 1rem }
h1 { font-size: 1.5rem; margin-bottom: .2rem }
h2 { font-size: 1.1rem; margin-top: 2rem }
.claim { font-size: 1.15rem }
.small { color: #57606a }
table { border-collapse: collapse }
td, th { padding: .25rem .6rem; text-align: right; font-variant-numeric: tabular-nums }
th { font-weight: 600; border-bottom: 1px solid #d0d7de; max-width: 8rem; overflow-wrap: anywhere;
     vertical-align: bottom }
th:first-child, td:first-child, table.facts td { text-align: left }
.wide { overflow-x: auto }
.notes { padding: 0 }
.notes li { background: #fff8c5; border-left: 4px solid #d4a72c; margin: .4rem 0; padding: .3rem .7rem;
            list-style: none; overflow-wrap: anywhere }
.pictures { display: flex; flex-wrap: wrap; gap: 1rem }
figure { margin: 0; width: 9rem; overflow-wrap: anywhere }
figure.pair { width: 17rem }
figure img { max-width: 100%; border-radius: 4px; margin-right: 4px }
figcaption { font-size: .85rem }
.wrong { color: #b3261e; font-weight: 600 }
"""


def page(report: Report) -> str:
    """Pictures are read anew; one that is gone leaves its name."""
    parts = [
        "<!DOCTYPE html>", '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{text(len(report.classes))} classes from {text(report.model)}</title>",
        f"<style>{STYLE}</style></head>", "<body>",
        f"<h1>{text(len(report.classes))} classes, adapted from {text(report.model)}</h1>",
        f'<p class="claim">{text(report.claim())}.</p>',
        '<p class="small">Each picture was judged by a classifier that had not seen it. The range is for pictures like '
        "these, of the same places, cameras and times; others it does not speak of.</p>", *of_notes(report),
        "<h2>All of it</h2>", *of_table([], [[text(cell) for cell in row] for row in facts(report)], "facts"),
        "<h2>What is taken for what</h2>", *of_classes(report),
        "<h2>The most doubtful pictures</h2>",
        '<p class="small">Those whose own class got the least probability: hard ones, and those in a wrong folder.</p>',
        '<div class="pictures">', *map(of_doubt, report.doubtful), "</div>", *of_twins(report), "</body></html>"]
    return "\n".join(parts) + "\n"


def facts(report: Report) -> list[list[str]]:
    folds = ", ".join(f"{fold.accuracy:.1%} of {fold.pictures}" for fold in report.folds)
    return [["Pictures", f"{report.pictures}, of which {report.distinct} are not nearly the same as another"],
            ["Folds", folds], ["Spread over the folds", f"{report.spread:.1%}"],
            ["The largest class alone", f"{report.chance:.1%}"],
            ["What answers say on average", f"{report.confidence:.1%}"], ["Log loss", f"{report.log_loss:.3f}"],
            ["Lambda, temperature", f"{report.penalty:.2g}, {report.temperature:.2g}"],
            ["Features", f"{report.features}, before {report.head}"]]


def text(value) -> str:
    return escape(printable(value))


def of_notes(report: Report) -> list[str]:
    items = [f"<li>{text(note)}</li>" for note in report.notes]
    return ['<ul class="notes">', *items, "</ul>"] if items else []


def of_table(head: list[str], rows: list[list[str]], kind: str = "numbers") -> list[str]:
    """head, rows : of HTML; a cell may be a whole td element"""
    first = ["<tr>" + "".join(f"<th>{cell}</th>" for cell in head) + "</tr>"] if head else []
    cells = [[cell if cell.startswith("<td") else f"<td>{cell}</td>" for cell in row] for row in rows]
    return [f'<table class="{kind}">', *first, *(f"<tr>{''.join(row)}</tr>" for row in cells), "</table>"]


def of_classes(report: Report) -> list[str]:
    names = [text(row.label) for row in report.classes]
    is_whole = len(names) <= MOST_CLASSES
    rows = []
    for i, (row, counts) in enumerate(zip(report.classes, report.confusion)):
        cells = [names[i], str(row.pictures), f"{row.right / row.pictures:.0%}"]
        if is_whole:
            cells += [shaded(count, row.pictures, i == j) for j, count in enumerate(counts)]
        else:
            others = sorted((j for j in range(len(counts)) if j != i and counts[j]), key=lambda j: -counts[j])
            cells.append(", ".join(f"{names[j]} ({counts[j]})" for j in others[:5]))
        rows.append(cells)
    head = ["class", "pictures", "right", *(names if is_whole else ["taken for"])]
    return ['<div class="wide">', *of_table(head, rows), "</div>",
            '<p class="small">A row for each class, a column for what was said.</p>']


def shaded(count: int, total: int, is_right: bool) -> str:
    colour = "46,125,50" if is_right else "179,38,30"
    style = f' style="background: rgba({colour},{.75 * count / total:.2f})"' if count else ""
    return f"<td{style}>{count or ''}</td>"


def of_doubt(doubt) -> str:
    kind = "" if doubt.said == doubt.label else ' class="wrong"'
    return (f"<figure>{small(doubt.path)}<figcaption>{text(doubt.path)}<br><span{kind}>said "
            f"{text(doubt.said)}</span><br>{doubt.probability:.0%} for its class, {text(doubt.label)}</figcaption>"
            "</figure>")


def of_twins(report: Report) -> list[str]:
    if not report.twins:
        return []
    figures = []
    for each in report.twins[:MOST_TWINS]:
        is_across = each.labels[0] != each.labels[1]
        kind = ' class="wrong"' if is_across else ""
        classes = " and ".join(map(text, each.labels)) if is_across else text(each.labels[0])
        figures.append(f'<figure class="pair">{"".join(map(small, each.paths))}<figcaption>{text(each.paths[0])}<br>'
                       f"{text(each.paths[1])}<br><span{kind}>{classes}</span>, cosine {each.cosine:.4f}</figcaption>"
                       "</figure>")
    within, across = report.twin_pairs
    return ["<h2>Nearly the same</h2>", f'<p class="small">{within} pairs within a class, {across} in two classes.</p>',
            '<div class="pictures">', *figures, "</div>"]


def small(path: str) -> str:
    """An img element that has the picture in it."""
    from ..vision.pictures.decode import decoded
    try:
        picture, _ = decoded(path, path, lambda width, height: (SIDE, SIDE))
    except Error:
        return ""
    picture.thumbnail((SIDE, SIDE))
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=QUALITY)
    data = base64.b64encode(stream.getvalue()).decode()
    factor = max(1, SIDE // max(picture.size))          # pictures of a few pixels, such as digits, are enlarged
    return (f'<img width="{picture.width * factor}" height="{picture.height * factor}" alt="{text(path)}" '
            f'src="data:image/jpeg;base64,{data}">')

"""Pictures in a terminal: two pixels a letter by half blocks in 24-bit colour, or the picture itself where the terminal
takes one (kitty's graphics protocol, iTerm2's inline images)."""
from __future__ import annotations

import os
import sys
from base64 import standard_b64encode
from io import BytesIO

import numpy as np

CHUNK = 4096                            # letters of base64 a command of kitty's
MOST_SIDE = 1600                        # pixels of what is sent
LETTER = 2                              # how many times as high as wide
RESET = "\x1b[0m"


def way_of(environment=os.environ) -> str:
    """kitty, iterm2, blocks, or none: by what terminals say of themselves. tmux and screen let only blocks through."""
    said = {key: environment.get(key, "") for key in ("TERM", "TERM_PROGRAM", "LC_TERMINAL")}
    if said["TERM"] == "dumb":
        return "none"
    if not any(environment.get(key) for key in ("TMUX", "STY")):
        if environment.get("KITTY_WINDOW_ID") or said["TERM"] in ("xterm-kitty", "xterm-ghostty"):
            return "kitty"
        if said["TERM_PROGRAM"] in ("iTerm.app", "WezTerm") or said["LC_TERMINAL"] == "iTerm2":
            return "iterm2"
    return "blocks"


def show(picture, stream=None, way: str | None = None, columns: int | None = None, lines: int | None = None) -> bool:
    """Write a picture to a terminal, as large as it fits; False: it can show none.

    picture : PIL.Image.Image; RGBA is laid on grey squares
    stream : of text, stdout without one; way : as `way_of` says
    columns, lines : the room, the terminal's size without the last two lines where nothing is said
    """
    from shutil import get_terminal_size
    stream, way = stream or sys.stdout, way or way_of()
    if way == "none" or min(picture.size) < 1:
        return False
    room = get_terminal_size()
    columns, lines = columns or max(1, room.columns), lines or max(1, room.lines - 2)
    picture = on_squares(picture) if picture.mode in ("RGBA", "LA") else picture.convert("RGB")
    wide, high = cells(*picture.size, columns, lines)
    stream.write({"kitty": kitty, "iterm2": iterm2, "blocks": blocks}[way](picture, wide, high))
    stream.flush()
    return True


def cells(width: int, height: int, columns: int, lines: int) -> tuple[int, int]:
    """(letters, lines) that a picture takes, at most the room; small ones are not enlarged beyond a pixel a letter."""
    scale = min(columns / width, lines * LETTER / height, 1.)
    return max(1, min(columns, round(width * scale))), max(1, min(lines, round(height * scale / LETTER)))


def blocks(picture, wide: int, high: int) -> str:
    """Upper half blocks: the letter's colour is the upper pixel, its ground the lower one. Colours are said when they
    change."""
    from PIL import Image
    pixels = np.asarray(picture.resize((wide, 2 * high), Image.Resampling.BOX)).reshape(high, 2, wide, 3)
    rows = []
    for upper, lower in pixels.tolist():
        row, before = [], (None, None)
        for top, bottom in zip(upper, lower):
            if top != before[0]:
                row.append("\x1b[38;2;%d;%d;%dm" % tuple(top))
            if bottom != before[1]:
                row.append("\x1b[48;2;%d;%d;%dm" % tuple(bottom))
            row.append("▀")
            before = top, bottom
        rows.append("".join(row) + RESET)
    return "\n".join(rows) + "\n"


def kitty(picture, wide: int, high: int) -> str:
    """https://sw.kovidgoyal.net/kitty/graphics-protocol: PNG (f=100) sent whole (t=d) in pieces (m=1: more to come)."""
    data = _png(picture)
    pieces = [data[i:i + CHUNK] for i in range(0, len(data), CHUNK)]
    said = []
    for k, piece in enumerate(pieces):
        keys = f"a=T,f=100,t=d,q=2,c={wide},r={high}," if k == 0 else ""
        said.append(f"\x1b_G{keys}m={int(k + 1 < len(pieces))};{piece}\x1b\\")
    return "".join(said) + "\n"


def iterm2(picture, wide: int, high: int) -> str:
    """https://iterm2.com/documentation-images.html"""
    return f"\x1b]1337;File=inline=1;width={wide};height={high};preserveAspectRatio=1:{_png(picture)}\x07\n"


def _png(picture) -> str:
    small = picture
    if max(picture.size) > MOST_SIDE:
        small = picture.copy()
        small.thumbnail((MOST_SIDE, MOST_SIDE))
    file = BytesIO()
    small.save(file, "PNG", compress_level=1)
    return standard_b64encode(file.getvalue()).decode("ascii")


def on_squares(picture):
    """A picture with alpha on grey squares, as editors show what is not there."""
    from PIL import Image
    picture = picture.convert("RGBA")
    width, height = picture.size
    side = max(1, min(width, height) // 24)
    y, x = np.ogrid[:height, :width]
    ground = np.where((y // side + x // side) % 2, np.uint8(160), np.uint8(110))
    found = Image.fromarray(ground).convert("RGBA")
    found.alpha_composite(picture)
    return found.convert("RGB")

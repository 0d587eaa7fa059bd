"""Pictures as letters: what is written is read back."""
import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from cinfer.vision.answers import terminal

PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8))


def written(picture, way, **room):
    stream = io.StringIO()
    assert terminal.show(picture, stream, way, **room)
    return stream.getvalue()


def read_back(text):
    """Pixels of half blocks: what a terminal that knows SGR 38 and 48 shows."""
    rows = []
    for line in text.splitlines():
        assert line.endswith("\x1b[0m")
        upper, lower, pair = [], [], [None, None]
        for code, r, g, b in re.findall(r"\x1b\[(38|48);2;(\d+);(\d+);(\d+)m|▀", line):
            if code:
                pair[code == "48"] = [int(r), int(g), int(b)]
            else:
                upper.append(pair[0])
                lower.append(pair[1])
        rows += [upper, lower]
    return np.array(rows, np.uint8)


def test_half_blocks_are_the_pixels():
    assert np.array_equal(read_back(written(PICTURE, "blocks", columns=64, lines=24)), np.asarray(PICTURE))


@pytest.mark.parametrize("size, room, cells", [
    ((64, 48), (80, 24), (64, 24)), ((640, 480), (80, 24), (64, 24)), ((640, 480), (40, 100), (40, 15)),
    ((1, 1), (80, 24), (1, 1)), ((5000, 3), (80, 24), (80, 1)), ((3, 5000), (80, 24), (1, 24)),
    ((8, 8), (80, 24), (8, 4))])
def test_pictures_fit_the_room(size, room, cells):
    assert terminal.cells(*size, *room) == cells
    pixels = read_back(written(Image.new("RGB", size), "blocks", columns=room[0], lines=room[1]))
    assert pixels.shape == (2 * cells[1], cells[0], 3)


def test_kitty_gets_a_png_in_pieces():
    text = written(PICTURE, "kitty", columns=40, lines=20)
    pieces = re.findall("\x1b_G([^;]*);([^\x1b]*)\x1b\\\\", text)
    assert "a=T" in pieces[0][0] and "f=100" in pieces[0][0] and "c=40," in pieces[0][0]
    assert [keys[-3:] for keys, _ in pieces] == ["m=1"] * (len(pieces) - 1) + ["m=0"] and len(pieces) > 1
    assert all(len(data) <= 4096 for _, data in pieces)
    with Image.open(io.BytesIO(base64.b64decode("".join(data for _, data in pieces)))) as found:
        assert np.array_equal(np.asarray(found), np.asarray(PICTURE))


def test_iterm2_gets_a_png():
    text = written(PICTURE, "iterm2", columns=40, lines=20)
    keys, data = re.fullmatch("\x1b\\]1337;File=([^:]*):([^\x07]*)\x07\n", text).groups()
    assert "inline=1" in keys.split(";") and "width=40" in keys.split(";")
    with Image.open(io.BytesIO(base64.b64decode(data))) as found:
        assert found.size == PICTURE.size


@pytest.mark.parametrize("environment, way", [
    ({"TERM": "xterm-kitty"}, "kitty"), ({"KITTY_WINDOW_ID": "1", "TERM": "xterm-256color"}, "kitty"),
    ({"TERM_PROGRAM": "iTerm.app"}, "iterm2"), ({"LC_TERMINAL": "iTerm2"}, "iterm2"),
    ({"TERM": "xterm-256color"}, "blocks"), ({}, "blocks"), ({"TERM": "dumb"}, "none"),
    ({"TERM": "xterm-kitty", "TMUX": "/tmp/a,1,0"}, "blocks")])
def test_terminals_say_what_they_are(environment, way):
    assert terminal.way_of(environment) == way


def test_a_terminal_that_shows_none_gets_none():
    stream = io.StringIO()
    assert not terminal.show(PICTURE, stream, "none") and not stream.getvalue()


def test_alpha_lies_on_squares():
    clear = Image.new("RGBA", (48, 48), (255, 0, 0, 0))
    clear.paste((255, 0, 0, 255), (0, 0, 24, 48))
    pixels = np.asarray(terminal.on_squares(clear))
    assert (pixels[:, :24] == (255, 0, 0)).all()
    assert {tuple(p) for p in pixels[:, 24:].reshape(-1, 3)} == {(110,) * 3, (160,) * 3}
    assert read_back(written(clear, "blocks", columns=48, lines=24)).shape == (48, 48, 3)


def test_large_pictures_are_sent_smaller():
    text = written(Image.new("RGB", (4000, 2000)), "iterm2", columns=40, lines=20)
    with Image.open(io.BytesIO(base64.b64decode(text.split(":")[1].rstrip("\x07\n")))) as found:
        assert found.size == (1600, 800)

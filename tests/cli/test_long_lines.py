"""What models say is of any length; a line on stderr is not."""

from cinfer.cli.text import MOST_CHARACTERS, say


def test_long_lines_are_shortened(capsys):
    say("begin " + "x" * 10**7 + " end")
    line = capsys.readouterr().err
    assert line.startswith("cinfer: begin x") and line.endswith("x end\n") and len(line) < MOST_CHARACTERS

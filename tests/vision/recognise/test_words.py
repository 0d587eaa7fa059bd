"""The words that users may say are those that are documented and read."""

import re
from pathlib import Path

from cinfer.vision.recognise.words import KNOWN

ROOT = Path(__file__).parents[3]


def test_every_word_is_documented_and_read():
    text = (ROOT / "docs" / "metadata.md").read_text()
    code = "\n".join(path.read_text() for path in (ROOT / "cinfer" / "vision").rglob("*.py"))
    read = set(re.findall(r'"((?:input|output)\.[a-z_]+)"', code))
    assert read <= KNOWN, read - KNOWN
    assert {word for word in KNOWN if f"cinfer.{word}" not in text} == set()

"""What README.md and docs/ show is what is there: commands say what is printed below them, links lead somewhere."""

import re

import pytest
from program import DATA, ROOT, cinfer  # noqa: F401

DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document):
    text = document.read_text()
    links = re.findall(r"\]\(([^)#]+)\)", text)
    assert all((document.parent / link).exists() for link in links if "://" not in link), links


def test_commands_say_what_is_shown(cinfer, tmp_path):  # noqa: F811
    done = cinfer("run", DATA / "efficientnet_lite0_w8.onnx", DATA / "dog.jpg")
    assert done.status == 0 and len(done.lines) == 5
    for line in done.errors + done.lines:
        assert is_shown(line, DOCUMENTS[0])
    drawn = tmp_path / "horses.out.jpg"
    done = cinfer("run", DATA / "nanodet_g_416_w8.onnx", DATA / "horses.jpg", "-o", drawn)
    assert done.status == 0 and drawn.stat().st_size and len(done.lines) == 1
    for line in done.errors + done.lines:
        line = line.replace(f"{tmp_path}/", "").replace(f"{ROOT}/", "")
        assert is_shown(line, DOCUMENTS[0])
        assert is_shown(line.partition(" -> ")[0], ROOT / "docs" / "tasks.md")


def test_pictures_are_small():
    pictures = list((ROOT / "docs" / "pictures").iterdir())
    assert pictures and all(path.stat().st_size <= 120_000 for path in pictures)


def is_shown(line: str, document) -> bool:
    """Is there such a line, its numbers but for 1 % (other decoders of JPEG), times but for anything?"""
    words, numbers = taken_apart(line)
    return any(near(numbers, theirs) for theirs_in_words, theirs in map(taken_apart, document.read_text().splitlines())
               if theirs_in_words == words)


def taken_apart(line: str) -> tuple[list[str], list[float]]:
    line = re.sub(r"[\d.]+ ms", "N ms", line.strip())
    return re.split(r"\d+\.?\d*", line), [float(number) for number in re.findall(r"\d+\.?\d*", line)]


def near(numbers: list[float], others: list[float]) -> bool:
    return all(abs(a - b) <= max(0.011, 0.01 * b) for a, b in zip(numbers, others, strict=True))

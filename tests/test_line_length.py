"""Lines of the package and its tests have at most 120 columns, so that two files fit beside each other on a screen."""

from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_no_line_is_longer():
    files = [path for folder in ("cinfer", "tests", "tools") for ending in ("py", "pyx", "pxi", "h")
             for path in (ROOT / folder).rglob(f"*.{ending}")]
    assert len(files) > 300
    assert [f"{path.relative_to(ROOT)}:{number}" for path in files
            for number, line in enumerate(path.read_text().splitlines(), 1) if len(line) > 120] == []

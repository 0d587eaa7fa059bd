"""docs/operators.md has every operator of the table, and no other; which types run, tools/list_operators.py tries."""
import re
from collections import defaultdict
from pathlib import Path

from cinfer.ops import registry
from cinfer.ops.families import OWN_DOMAIN

DOCS = Path(__file__).resolve().parents[2] / "docs" / "operators.md"


def test_every_operator_and_its_opsets():
    registry.load_all()
    want = defaultdict(list)
    for operator in registry.operators():
        if operator.domain != OWN_DOMAIN and not operator.traits.own:
            want["" if operator.domain == "ai.onnx" else operator.domain, operator.name].append(operator.since)
    found, domain = {}, None
    for line in DOCS.read_text().splitlines():
        if match := re.fullmatch(r"## (\S+)", line):
            domain = "" if match[1] == "ai.onnx" else match[1]
        elif match := re.fullmatch(r"\| (\w+)(?:, a composition)? \| ([\d, ]+) \|.*", line):
            found[domain, match[1]] = [int(since) for since in match[2].split(", ")]
    assert found == {name: sorted(versions) for name, versions in want.items()}

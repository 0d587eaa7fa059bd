"""Rare families are imported when a node asks for them: the table of names must not lie."""
import subprocess
import sys
from pathlib import Path

import cinfer
from cinfer.ops import families, registry

FOLDER = Path(cinfer.__file__).parent / "ops"


def file_of(operator) -> str:
    return (operator.traits.write or operator.evaluate).__module__.rpartition(".")[2]


def test_every_file_is_imported_at_once_or_named_with_all_its_operators():
    registry.load_all()
    at_once = set((FOLDER / "__init__.py").read_text().partition("import (")[2].replace(")", ",").split(","))
    at_once = {name.strip().removeprefix("# noqa: F401").strip() for name in at_once}
    by_file = {}
    for operator in registry.operators():
        if operator.evaluate.__module__.startswith("cinfer.") and operator.domain != "cinfer":
            by_file.setdefault(file_of(operator), set()).add((operator.domain, operator.name))
    assert len(by_file) > 30
    for file, operators in by_file.items():
        if file in at_once:
            assert file not in families.RARE
            continue
        assert {name for domain, name in operators if not domain} == set(families.RARE.get(file, "").split())
        for domain in {domain for domain, _ in operators if domain}:
            assert file in families.DOMAINS[domain]
    assert {*families.RARE, *sum(families.DOMAINS.values(), ())} <= by_file.keys()


def test_common_networks_import_no_rare_family():
    code = ("import sys, cinfer; from pathlib import Path\n"
            f"cinfer.load({str(FOLDER.parent.parent / 'tests/data/efficientnet_lite0_w8.onnx')!r})\n"
            f"print(*(m for m in sys.modules if m.startswith('cinfer.ops.')))")
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    rare = {f"cinfer.ops.{file}" for file in families.RARE} - {"cinfer.ops.control", "cinfer.ops.sequences"}
    assert "cinfer.ops.conv" in loaded.split() and not rare & set(loaded.split())

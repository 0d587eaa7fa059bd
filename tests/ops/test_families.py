"""Most families are imported when a node asks for them: the table of names must not lie."""
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
    line, = (line for line in (FOLDER / "__init__.py").read_text().splitlines() if line.startswith("from . import"))
    at_once = set(line.removeprefix("from . import").partition("#")[0].replace(",", " ").split())
    by_file = {}
    for operator in registry.operators():
        if not operator.traits.own and operator.domain != "cinfer":
            by_file.setdefault(file_of(operator), set()).add((operator.domain, operator.name))
    assert len(by_file) > 30
    for file, operators in by_file.items():
        if file in at_once:
            assert file not in families.WHEN_ASKED
            continue
        assert {name for domain, name in operators if not domain} == set(families.WHEN_ASKED.get(file, "").split())
        for domain in {domain for domain, _ in operators if domain}:
            assert file in families.DOMAINS[domain]
    assert {*families.WHEN_ASKED, *sum(families.DOMAINS.values(), ())} <= by_file.keys()
    own = {file_of(operator) for operator in registry.operators() if operator.domain == "cinfer"}
    assert {*families.OF_OUR_OWN.values()} <= own


def test_a_network_imports_no_family_that_it_does_not_have():
    path = FOLDER.parent.parent / "tests/data/efficientnet_lite0_w8.onnx"
    code = (f"import sys, cinfer\ncinfer.load({str(path)!r})\n"
            f"print(*(m for m in sys.modules if m.startswith('cinfer.ops.')))")
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {"cinfer.ops.conv", "cinfer.ops.pooling", "cinfer.ops.quantize"} <= set(loaded)
    others = {"attention", "control", "detection", "generate", "indexing", "microsoft", "normalization", "recurrent",
              "reduce", "resize", "sequences", "text"}
    assert not {f"cinfer.ops.{file}" for file in others} & set(loaded)

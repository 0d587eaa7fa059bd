"""Kinds of attributes, read off signatures, against the standard's schemas."""
import pytest

import cinfer.ops  # noqa: F401
from cinfer.ops import registry

onnx = pytest.importorskip("onnx")
KINDS = {"FLOAT": (float, False), "INT": (int, False), "STRING": (str, False), "FLOATS": (float, True),
         "INTS": (int, True), "STRINGS": (str, True)}


def test_kinds_are_the_standards():
    seen = 0
    for schema in onnx.defs.get_all_schemas_with_history():
        versions = registry._table.get((schema.domain, schema.name), ())
        operator = next((o for o in versions if o.since <= schema.since_version), None)
        for name, attribute in schema.attributes.items() if operator else ():
            found, want = registry.kind_of(operator, name), KINDS.get(attribute.type.name)
            if found and want:
                types = found[0] if isinstance(found[0], tuple) else (found[0],)
                assert want[0] in types and want[1] == found[1], f"{schema.name} {operator.since}: {name}"
                seen += 1
    assert seen > 500

"""Shared by the tests: where the reference data lies beside a checkout, if it does."""
import importlib.util
import sys
from pathlib import Path

import pytest

# tests/onnxruntime must not be taken for the package where that is not installed
if (found := importlib.util.find_spec("onnxruntime")) is None or found.origin is None:
    sys.modules["onnxruntime"] = None
SHARED = Path(__file__).resolve().parents[2] / "shared"


def shared(name: str) -> Path:
    """The path of a file or folder of the reference data; skips the test where that data is not there."""
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"reference data {name} is not beside this checkout")
    return path

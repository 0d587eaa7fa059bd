"""Models in ONNX's own text, https://onnx.ai/onnx/repo-docs/Syntax.html"""
from __future__ import annotations

import pytest


def written(text: str, opset: int = 18) -> bytes:
    """text : of a graph"""
    onnx = pytest.importorskip("onnx")
    return onnx.parser.parse_model(f'<ir_version: 9, opset_import: ["" : {opset}]> {text}').SerializeToString()

"""What only moves numbers moves bytes."""
from __future__ import annotations

from ..model.graph import Graph, Node
from .pattern import Rewriter, rewrite
from .quantized import read, stored

# of one input of numbers, which all outputs consist of
MOVES = frozenset("DepthToSpace Expand Flatten Gather Identity Reshape Resize Slice SpaceToDepth Split Squeeze Tile "
                  "Transpose Unsqueeze".split())


@rewrite
def move_bytes(graph: Graph, at: Rewriter) -> bool:
    """x8 -> DequantizeLinear -> Reshape -> QuantizeLinear   becomes   x8 -> Reshape -> DequantizeLinear ->
    QuantizeLinear, which together are one step or nothing (`tabulate`)

    In the same way Split, Slice, Transpose and others that only move numbers, one behind another, and Resize to the
    nearest. Guards: all that reads the outputs, in the end, is QuantizeLinear to uint8.
    """
    changed = False
    for node in at.walk():
        if not moves(node):
            continue
        x = read(at, node.inputs[0])
        if x is None or not all(_becomes_bytes(at, name) for name in node.outputs if name):
            continue
        at.set_inputs(node, [x.name, *node.inputs[1:]])
        before = [name for name in node.outputs if name]
        fresh = {name: at.fresh(name) for name in before}
        at.set_outputs(node, [fresh.get(name, "") for name in node.outputs])
        for name in before:
            back = Node("DequantizeLinear", [fresh[name], x.scale, x.zero], [name], {}, opset=13, name=node.name)
            at.insert(back, after=node)
        changed = True
    return changed


def moves(node: Node) -> bool:
    """Are its outputs numbers of its first input?"""
    if node.op_type == "Resize":
        get = node.attributes.get
        return get("mode", "nearest") == "nearest" and get("coordinate_transformation_mode") != "tf_crop_and_resize"
    return node.op_type in MOVES


def _becomes_bytes(at: Rewriter, name: str, depth: int = 0) -> bool:
    """Is all that reads a value QuantizeLinear, or moves it there?"""
    readers = at.readers.get(name, ())
    return bool(readers) and name not in at.pinned and depth < 8 and all(
        not reader.domain and reader.inputs[0] == name and name not in reader.inputs[1:] and (
            reader.op_type == "QuantizeLinear" and stored(at, reader) is not None
            or moves(reader) and all(_becomes_bytes(at, out, depth + 1) for out in reader.outputs if out))
        for reader in readers)

"""What only moves numbers moves bytes."""
from __future__ import annotations

from ..model.graph import Graph, Node
from ..ops import registry
from .before_rounding import SLOPES
from .join_quantized import PICTURES, WAYS, dequantised
from .pattern import Rewriter, rewrite
from .quantized import BYTES, is_single, moves, read, stored

MOST_FUNCTIONS = 4                      # between an operator and what moves its numbers


@rewrite
def move_bytes(graph: Graph, at: Rewriter) -> bool:
    """x8 -> DequantizeLinear -> Reshape -> QuantizeLinear   becomes   x8 -> Reshape -> DequantizeLinear ->
    QuantizeLinear, which together are one step or nothing (`tabulate`)

    x8 -> DequantizeLinear -> Transpose -> Conv -> Transpose -> QuantizeLinear   becomes   x8 -> Transpose ->
    DequantizeLinear -> Conv -> QuantizeLinear -> Transpose

    In the same way Split, Slice, Reshape and others that only move numbers, one behind another, and Resize to the
    nearest. MaxPool moves behind a QuantizeLinear, for the largest of bytes is the byte of the largest.

    Guards: one constant scale; all that reads the outputs, in the end, is QuantizeLinear to bytes, or operators before
    one that may become some on bytes (`join_quantized`); nobody else sees the numbers before a QuantizeLinear.
    """
    changed = any([_sunk(at, node) for node in at.of("QuantizeLinear")])
    at.settle()
    for node in at.walk():
        if not moves(node):
            continue
        x = read(at, node.inputs[0], *BYTES)
        if x is None or at.array(x.name) is not None \
                or not all(_becomes_bytes(at, name) for name in node.outputs if name):
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


def _becomes_bytes(at: Rewriter, name: str, depth: int = 0) -> bool:
    """Is all that reads a value QuantizeLinear, or an operator before one that may be on bytes, or moves it there?"""
    readers = at.readers.get(name, ())
    return bool(readers) and name not in at.pinned and depth < 8 and all(
        not reader.domain and (
            reader.op_type in WAYS and _is_quantised(at, reader.outputs[0])
            or reader.inputs[0] == name and name not in reader.inputs[1:] and (
                reader.op_type == "QuantizeLinear" and stored(at, reader, *BYTES) is not None
                or moves(reader) and all(_becomes_bytes(at, out, depth + 1) for out in reader.outputs if out)))
        for reader in readers)


def _is_quantised(at: Rewriter, name: str, depth: int = 0) -> bool:
    """Does a QuantizeLinear read a value, or a function of it?"""
    return depth < MOST_FUNCTIONS and any(
        stored(at, reader, *BYTES) is not None if reader.op_type == "QuantizeLinear" and not reader.domain
        else _is_function(at, reader) and _is_quantised(at, reader.outputs[0], depth + 1)
        for reader in at.readers.get(name, ()))


def _sunk(at: Rewriter, node: Node) -> bool:
    """What moves numbers of an operator that may be on bytes moves behind the QuantizeLinear, and behind the functions
    before that."""
    movers, functions, name, below = [], [], node.inputs[0], node
    while True:
        between, name = _functions(at, name, below)
        functions += between
        maker = at.makers.get(name)
        if maker is None or maker.domain or name in at.pinned \
                or not {below, *between}.issuperset(at.readers[name]):
            return False
        if not (moves(maker) or not functions and _takes_largest(at, maker)) or len(maker.outputs) > 1 \
                or maker.inputs.count(maker.inputs[0]) > 1:
            break
        movers.append(maker)
        name, below = maker.inputs[0], maker
    if not movers or maker.op_type not in WAYS or stored(at, node, *BYTES) is None:
        return False
    moved = {mover.outputs[0]: mover.inputs[0] for mover in movers}
    fresh = {each.outputs[0]: at.fresh(each.outputs[0]) for each in functions}

    def unmoved(name: str) -> str:
        while name in moved:
            name = moved[name]
        return fresh.get(name, name)
    for each in functions:
        at.set_outputs(each, [fresh[each.outputs[0]]])
    for each in functions:
        at.set_inputs(each, [unmoved(name) for name in each.inputs])
    last, out = unmoved(node.inputs[0]), node.outputs[0]
    made = Node("QuantizeLinear", [last, *node.inputs[1:]], [at.fresh(out)], node.attributes, opset=node.opset,
                name=node.name)
    at.insert(made, after=at.makers[last])
    at.remove(node)
    at.release(node.inputs[0])
    for mover in reversed(movers):
        y = out if mover is movers[0] else at.fresh(out)
        opset = max(mover.opset, 12) if mover.op_type == "MaxPool" else mover.opset         # which take bytes
        after, made = made, Node(mover.op_type, [made.outputs[0], *mover.inputs[1:]], [y], mover.attributes,
                                 opset=opset, name=mover.name)
        at.insert(made, after=after)
    return True


def _takes_largest(at: Rewriter, node: Node) -> bool:
    """Is it a MaxPool of what may be bytes?"""
    if node.op_type != "MaxPool" or at.rank(node.inputs[0]) not in PICTURES:
        return False
    made = at.makers.get(node.inputs[0])
    while made is not None and not made.domain and not _reads_bytes(at, made) and (
            moves(made) or made.op_type in ("MaxPool", *SLOPES) or _is_function(at, made)):
        made = at.makers.get(made.inputs[0])
    return made is not None and not made.domain and made.op_type in WAYS and _reads_bytes(at, made)


def _reads_bytes(at: Rewriter, node: Node) -> bool:
    """Is its first input what DequantizeLinear makes of bytes, maybe moved?"""
    found = dequantised(at, node.inputs[0]) if node.inputs else None
    return found is not None and stored(at, found, *BYTES) is not None


def _functions(at: Rewriter, name: str, below: Node) -> tuple[list[Node], str]:
    """(the nodes of which a value is a function of another one, number by number, that nobody else sees; that one); no
    nodes and the value itself, where it is none."""
    nodes, roots, waiting = [], [], [name]
    while waiting:
        each = waiting.pop()
        node = at.makers.get(each)
        values = [] if node is None or not _is_function(at, node) else [i for i in node.inputs if at.array(i) is None]
        if not values or len(nodes) == MOST_FUNCTIONS:
            roots.append(each)
        elif node not in nodes:
            nodes.append(node)
            waiting += values
    if len(set(roots)) > 1 or not at.encloses(nodes, below):
        return [], name
    return nodes, roots[0]


def _is_function(at: Rewriter, node: Node) -> bool:
    """Does it compute each number of its output from those at the same place, and from constants of one element?"""
    if node.domain or len(node.outputs) != 1 or "" in node.inputs:
        return False
    traits, constants = registry.traits(node), [at.array(name) for name in node.inputs]
    return (traits.elementwise or traits.broadcast) and not traits.random and all(
        array is None or is_single(array) for array in constants) and constants.count(None) > 0

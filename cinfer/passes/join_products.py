"""Products of quantised matrices become operators that compute with the integers."""
from __future__ import annotations

from dataclasses import dataclass
from itertools import chain

import numpy as np

from ..model.graph import Graph, Node
from ..ops.families import MICROSOFT, OWN_DOMAIN
from ..ops.numeric import F32
from .before_rounding import activated, as_parameters
from .pattern import Rewriter, has, rewrite
from .quantized import LARGEST, SMALLEST, WIDER, factors, is_single, known_shape, scaled

I32 = np.dtype(np.int32)
BYTES = ("uint8", "int8")
MOVES = ("Flatten", "Transpose", "Reshape", "Squeeze", "Unsqueeze")
OPSET = 13


@rewrite
def join_products(graph: Graph, at: Rewriter) -> bool:
    """x8 -> MatMulInteger -> Cast -> Mul by a scale   becomes   ScaledMatMulInteger, and so with an Add of
    a row of int32 before the Cast

    x8 -> DequantizeLinear -> MatMul or Gemm -> QuantizeLinear, both matrices dequantised   becomes   QLinearMatMul or
    QGemm; without QuantizeLinear, or where a Gemm adds floats, ScaledMatMulInteger, and an Add. A Transpose, Reshape,
    Flatten, Squeeze or Unsqueeze behind a DequantizeLinear moves the bytes. An activation between a Gemm and the
    QuantizeLinear becomes part of a QGemm of our own (before_rounding.py). Constant matrices of 4 bits become bytes,
    beside bytes.

    Guards: numbers of 8 bits; nobody else sees what is between; scales and zero points of the left matrix are single
    ones, those of the right one too, or of the columns of a constant; of DequantizeLinear and QuantizeLinear they are
    constants. A Gemm is of a constant matrix, its left one not transposed, and what it adds is a row. Of MatMulInteger,
    the scale is known to be a number or a row; a number of the run times a constant comes in as these two.
    """
    changed = False
    for node in at.of("MatMulInteger"):
        changed |= _scaled(at, node)
    for node in chain(at.of("MatMul"), at.of("Gemm")):
        changed |= _widened(at, node)
    for node in at.of("QuantizeLinear"):
        found = activated(at, node.inputs[0], "Gemm")
        changed |= found is not None and _dequantised(at, *found)
    for node in chain(at.of("MatMul"), at.of("Gemm")):
        joined = _dequantised(at, node)
        changed |= joined
        narrow = () if joined else [dtype for name in node.inputs[:2] if (dtype := _narrow(at, name))]
        if narrow:
            graph.in_float[node.name or node.outputs[0]] = f"a matrix of it is stored as {narrow[0]}; products of " \
                                                           "integers are of 8 bits (QUInt8, QInt8)"
    return changed


def _widened(at: Rewriter, node: Node) -> bool:
    """The right matrix becomes one of 8 bits, if it is a constant of 4, not in blocks, and the left one is bytes."""
    name = node.inputs[1]
    back = at.maker(name, "DequantizeLinear", "Transpose")
    while back is not None and back.op_type == "Transpose":
        back = at.maker(back.inputs[0], "DequantizeLinear", "Transpose")
    if back is None or back.attributes.get("block_size") or _stored(at, node.inputs[0]) is None:
        return False
    matrix, zero = at.array(back.inputs[0]), at.array(back.inputs[2]) if has(back, 2) else None
    if matrix is None or matrix.dtype.name not in ("int4", "uint4") or has(back, 2) and zero is None:
        return False
    wide = WIDER[matrix.dtype.name]
    inputs = [at.constant(matrix.astype(wide), back.inputs[0]), back.inputs[1]]
    if zero is not None:
        inputs.append(at.constant(zero.astype(wide), back.inputs[2]))
    at.set_inputs(back, inputs)
    return True


def _narrow(at: Rewriter, name: str) -> np.dtype | None:
    """The type of what is dequantised, if that is no 8 bits."""
    node = at.maker(name, "DequantizeLinear")
    return None if node is None or is_byte(at, node.inputs[0]) else at.dtype(node.inputs[0])


def _scaled(at: Rewriter, node: Node) -> bool:
    columns = _columns(at, node.inputs[1])
    end = scaled(at, node, lambda row: columns is not None and row.shape in ((), (1,), (columns,), (1, columns))
                 and len(row.shape) <= (at.rank(node.outputs[0]) or 0))
    if end is None:
        return False
    mul, scale, row = end
    shape = known_shape(at, scale)
    if shape is None or shape not in ((), (1,)) and (columns is None or shape != (columns,)) \
            or shape and not (at.rank(node.outputs[0]) or 0):          # the product would get an axis
        return False
    scale, by = factors(at, scale, lambda name: known_shape(at, name) in ((), (1,), shape))
    a, b, *zeros = node.inputs
    inputs = [a, b, scale, *zeros]
    if by or row is not None:
        inputs += [*[""] * (2 - len(zeros)), by]
    if row is not None:
        inputs.append(at.constant(np.resize(row, columns), "offset"))
    at.change(mul, "ScaledMatMulInteger", inputs, 1, OWN_DOMAIN)
    return True


def _columns(at: Rewriter, name: str) -> int | None:
    """How many columns a constant matrix has."""
    b = at.array(name)
    return b.shape[-1] if b is not None and b.ndim > 1 else None


def is_byte(at: Rewriter, name: str) -> bool:
    dtype = at.dtype(name)
    return dtype is not None and dtype.name in BYTES


def _is_single(at: Rewriter, name: str) -> bool:
    array = at.array(name)
    return array is not None and is_single(array)


def _is_scale(at: Rewriter, name: str, columns: int | None = None) -> bool:
    """A constant scale of a whole tensor, of a usual size, or of so many columns."""
    array = at.array(name)
    return array is not None and array.dtype == F32 and bool(
        (array > 0).all() and (array <= LARGEST).all() if columns is not None and array.shape == (columns,)
        else is_single(array) and SMALLEST <= array.item() <= LARGEST)


def _of_constants(at: Rewriter, name: str, scale: str, zero: str, columns: int | None = None) -> bool:
    """A value whose scale is one, and whose zero point, if any, is a constant like it."""
    scales, zeros = at.array(scale), at.array(zero)
    return (is_byte(at, name) and _is_scale(at, scale, columns)
            and (not zero or zeros is not None and zeros.size == scales.size and zeros.ndim < 2
                 and zeros.dtype == at.dtype(name)))


def takes_qlinear(at: Rewriter, node: Node) -> bool:
    """Is a QLinearMatMul or QGemm one that kernels take?"""
    inputs, get = node.inputs + [""] * (9 - len(node.inputs)), node.attributes.get
    left, right = inputs[:3], inputs[3:6]
    y_scale, y_zero = inputs[6:8] if node.op_type == "QLinearMatMul" else inputs[7:]
    if not (_of_constants(at, *left) and y_scale and _is_scale(at, y_scale) and y_zero and is_byte(at, y_zero)
            and _is_single(at, y_zero)):
        return False
    if node.op_type == "QLinearMatMul":
        return _of_constants(at, *right, _columns(at, right[0]))
    b, c = at.array(right[0]), at.array(inputs[6]) if inputs[6] else None
    if b is None or b.ndim != 2 or get("transA", 0):
        return False
    columns = b.shape[0 if get("transB", 0) else 1]
    return _of_constants(at, *right, columns) and (
        not inputs[6] or c is not None and c.dtype == I32 and c.size == columns and c.shape[-1:] == (columns,))


@dataclass(slots=True)
class _Stored:
    """A value that is dequantised: the inputs of its DequantizeLinear, and what moves its numbers behind that.

    axis : along which scales lie; None: there is one
    """
    name: str
    scale: str
    zero: str
    axis: int | None
    moves: list[Node]


def _stored(at: Rewriter, name: str) -> _Stored | None:
    """None for what is not dequantised by constants, and where others see what lies between."""
    moves: list[Node] = []
    node = at.maker(name, "DequantizeLinear", *MOVES)
    while node is not None and node.op_type != "DequantizeLinear":
        if at.only_reader(name) is None:
            return None
        moves.insert(0, node)
        name = node.inputs[0]
        node = at.maker(name, "DequantizeLinear", *MOVES)
    if node is None or node.attributes.get("block_size") or at.dtype(name) != F32:
        return None
    x, scale, zero = (node.inputs + [""])[:3]
    scales = at.array(scale)
    if scales is None or scales.ndim > 1 or not _of_constants(at, x, scale, zero, scales.size):
        return None
    return _Stored(x, scale, zero, node.attributes.get("axis", 1) if scales.size > 1 else None, moves)


def _dequantised(at: Rewriter, node: Node, activation: Node | None = None) -> bool:
    """activation : between a Gemm and its QuantizeLinear"""
    is_gemm, get = node.op_type == "Gemm", node.attributes.get
    a, b = (_stored(at, name) for name in node.inputs[:2])
    if a is None or b is None or a.axis is not None:
        return False
    row = node.inputs[2] if has(node, 2) else ""
    matrix, turned = _constant_matrix(at, b), False
    if matrix is not None:
        turned = bool(b.moves) != bool(get("transB", 0))
        if b.axis is not None and (b.axis not in ((0, -2) if turned else (1, -1))
                                   or at.array(b.scale).shape != (matrix.shape[b.axis],)):
            return False
    elif b.axis is not None or is_gemm:
        return False
    if is_gemm and (at.rank(node.inputs[0]) != 2 or get("transA", 0) or get("alpha", 1.0) != 1
                    or get("beta", 1.0) != 1 or node.opset < 7
                    or row and not _is_row(at, row, matrix.shape[0 if turned else 1])):
        return False

    quantise = _quantise(at, (activation or node).outputs[0])
    c = _stored_row(at, row, at.array(a.scale) * at.array(b.scale)) if row and quantise is not None else ""
    if activation is not None:
        said = as_parameters(at, activation, matrix.shape[0 if turned else 1]) if c else ""
        if type(said) is str:
            return False
    left, right = ([_lowered(at, x), x.scale, x.zero or at.constant(np.zeros((), at.dtype(x.name)), "zero")]
                   for x in (a, b))
    if turned:
        right[0] = at.constant(np.ascontiguousarray(matrix.T), b.name)
    elif matrix is not None:
        right[0] = b.name
    if activation is not None:
        at.change(quantise, "QGemm", [*left, *right, c, *quantise.inputs[1:3], *said[0]], 1, OWN_DOMAIN, **said[1])
    elif quantise is not None and not row:
        at.change(quantise, "QLinearMatMul", [*left, *right, *quantise.inputs[1:3]], 10)
    elif c:
        at.change(quantise, "QGemm", [*left, *right, c, *quantise.inputs[1:3]], 1, MICROSOFT)
    else:
        _end_in_floats(at, node, left, right, row)
    return True


def _constant_matrix(at: Rewriter, b: _Stored) -> np.ndarray | None:
    """The constant of two axes that is dequantised, and at most transposed."""
    array = at.array(b.name)
    is_near = not b.moves or len(b.moves) == 1 and b.moves[0].op_type == "Transpose" \
        and b.moves[0].attributes.get("perm", [1, 0]) == [1, 0]
    return array if array is not None and array.ndim == 2 and is_near else None


def _lowered(at: Rewriter, x: _Stored) -> str:
    """The bytes behind what moves them now instead of the floats."""
    name = x.name
    for node in x.moves:
        at.set_outputs(node, [at.fresh(node.outputs[0])])
        at.set_inputs(node, [name, *node.inputs[1:]])
        name = node.outputs[0]
    return name


def _quantise(at: Rewriter, name: str) -> Node | None:
    """The QuantizeLinear to 8 bits that alone reads a value."""
    node = at.only_reader(name)
    if node is None or node.op_type != "QuantizeLinear" or node.domain or not has(node, 2) \
            or node.attributes.get("precision", 1) not in (0, 1) or not _is_scale(at, node.inputs[1]) \
            or not _is_single(at, node.inputs[2]) or not is_byte(at, node.inputs[2]):
        return None
    return node


def _is_row(at: Rewriter, name: str, columns: int) -> bool:
    """Are these float32, one for all or one for each column?"""
    return known_shape(at, name) in ((), (1,), (columns,), (1, columns), (1, 1))


def _stored_row(at: Rewriter, name: str, unit: np.ndarray) -> str:
    """The row of int32 in units of the products' scale that is dequantised to `name`, or ""."""
    back = at.maker(name, "DequantizeLinear")
    if back is None:
        return ""
    c, scale = at.array(back.inputs[0]), at.array(back.inputs[1])
    zero = at.array(back.inputs[2]) if has(back, 2) else np.zeros(1)
    if c is None or scale is None or zero is None or zero.any() or c.dtype != I32 or c.ndim != 1 \
            or scale.dtype != F32 or scale.size not in (1, c.size) \
            or not np.allclose(scale.reshape(-1), unit.reshape(-1), rtol=1e-6, atol=0):
        return ""
    return back.inputs[0]


def _end_in_floats(at: Rewriter, node: Node, left: list[str], right: list[str], row: str) -> None:
    """The product in float32, and the row of a Gemm added."""
    scale = at.constant(at.array(left[1]).reshape(-1) * at.array(right[1]).reshape(-1), "scale")
    inputs = [left[0], right[0], scale, left[2], right[2]]
    if not row:
        at.change(node, "ScaledMatMulInteger", inputs, 1, OWN_DOMAIN)
        return
    product = Node("ScaledMatMulInteger", inputs, [at.fresh(node.outputs[0])], opset=1, domain=OWN_DOMAIN,
                   name=node.name or node.outputs[0])
    at.insert(product, after=at.makers.get(left[0]))
    at.change(node, "Add", [product.outputs[0], row], OPSET)

"""Operators between DequantizeLinear and QuantizeLinear become operators on the bytes."""
from __future__ import annotations

from math import prod

import numpy as np

from ..model.graph import Graph, Node
from ..ops.facts import Fact
from ..ops.families import MICROSOFT, OWN_DOMAIN
from ..ops.numeric import F32, row_axes
from ..ops.quantize import dequantize, quantize
from ..ops.symbols import same
from .before_rounding import SLOPES, activated, as_parameters
from .fuse_pad import pad_value, whole_pads
from .join_grids import is_scaled
from .pattern import Rewriter, has, rewrite
from .quantized import (BYTES, I8, LARGEST, SMALLEST, U8, WIDER, Stored, is_single, moves, read, same_scale,
                        stored, weights_of)
from .spelling import Spelling

NOT_PICTURES = "bytes are computed in pictures and volumes; or its ranks are not known"
PICTURES = (3, 4, 5)                # ranks
MOST_PRODUCT = 1 << 31              # of a sum in int32
RESIZES = ("axes", "coordinate_transformation_mode", "keep_aspect_ratio_policy", "mode")    # that change pictures
PAD_MODES = ("constant", "reflect", "edge")
BIAS_ERROR = 1 / 64                 # of a bias that is no whole number of products, in units of the output
CONVOLUTIONS = ("Conv", "ConvTranspose")
LAYERS = (*CONVOLUTIONS, "Gemm", "MatMul")
NOT_ALL = "an input is not quantised; QuantizeLinear and DequantizeLinear before it would make bytes of it"
WEIGHTS = "its weights alone are integers, and become float32; see cinfer quantize"
FLIPPED = (np.arange(256) ^ 128).astype(U8)     # int8 as uint8, 128 more, and back


@rewrite
def join_quantized(graph: Graph, at: Rewriter) -> bool:
    """x8 -> DequantizeLinear -> Conv -> QuantizeLinear -> y8   becomes   x8 -> QLinearConv -> y8

    In the same way ConvTranspose (QLinearConvTranspose), Add, Sub and Mul (QLinearAdd, by a negative scale, and
    QLinearMul), also of constants that are stored as bytes, GlobalAveragePool and means over all pixels
    (QLinearGlobalAveragePool), AveragePool (QLinearAveragePool), linear Resize (QLinearResize), MaxPool, Pad and Concat
    on the bytes themselves, with a LookUp where scales differ. Relu and Clip before the QuantizeLinear become limits of
    the bytes: a LookUp behind, if these do not saturate anyway. LeakyRelu, PRelu and other activations between a
    convolution and the QuantizeLinear, however they are spelled, become part of it (ops/quantize.py).

    x8 -> DequantizeLinear -> Conv   becomes   ScaledConvInteger, where its numbers are seen as floats, but not where a
    constant scale behind could go into the weights.

    Bytes of int8, as they are left at inputs and outputs of the graph, or where others read them (`store_unsigned`),
    become uint8 by a LookUp beside the operator. So do those that MaxPool takes the largest of, or a linear Resize
    mixes.

    A Mul or Div by a number above 0 behind a DequantizeLinear is one of another scale.

    Guards: one constant scale and zero point for each activation; constant weights of 8 bits, by one scale or one for
    each output channel; nobody else sees the number in between; sums that int32 holds; what has kernels for
    bytes: pictures of one to three axes.
    """
    join = _Join(at)
    changed = False
    for node in at.walk():
        if node.op_type == "QuantizeLinear":
            changed |= join.join(node)
        elif node.op_type == "MaxPool":
            changed |= join.flip_max_pool(node)
        elif node.op_type == "Resize":
            changed |= join.flip_resize(node)
    for node in at.of(*CONVOLUTIONS):
        changed |= join.ends_in_floats(node)
    for name in join.made:
        at.release(name)                # of an operator that stays in floats
    graph.in_float.update(join.refused)
    for node in at.of(*LAYERS):
        x, w = (dequantised(at, name) for name in node.inputs[:2])
        if x is None and w is not None and (array := at.array(w.inputs[0])) is not None and array.dtype.name in WIDER:
            graph.in_float.setdefault(node.name or node.outputs[0], WEIGHTS)
    return changed


def dequantised(at: Rewriter, name: str) -> Node | None:
    """The DequantizeLinear that a value is of, maybe moved."""
    node = at.makers.get(name)
    while node is not None and not node.domain and moves(node):
        node = at.makers.get(node.inputs[0])
    return node if node is not None and node.op_type == "DequantizeLinear" and not node.domain else None


class _Join:
    """refused : name of a node -> why it stays in floats, in words a person can act on

    behind : name of int8 that is made here -> (the uint8 before it, the table that limits that, or none)
    made : uint8 that are int8 elsewhere, as LookUps
    """

    def __init__(self, at: Rewriter):
        self.at = at
        self.refused: dict[str, str] = {}
        self.behind: dict[str, tuple[str, str | None]] = {}
        self.made: list[str] = []
        self._unsigned: dict[str, str] = {}
        self._zeros: dict[str, str] = {}
        self._tables: dict[bytes, str] = {}

    def join(self, node: Node) -> bool:
        at, name = self.at, node.inputs[0]
        y = stored(at, node, *BYTES)
        clamp = Spelling(at).clamp(name)
        if clamp is not None:
            name = clamp[0]
        operator, activation = activated(at, name, *CONVOLUTIONS) or self.sloped(name) or (at.maker(name, *WAYS), None)
        if operator is None:
            return False
        if y is None:
            found = f"its output is stored as {self.of_type(node.outputs[0])}"
        elif at.only_reader(node.inputs[0]) is not node or at.only_reader(name) is None:
            found = "others read its numbers too, before they are quantised; DequantizeLinear's are right for them"
        else:
            out, is_flipped = y.name, self.is_signed(y) and not self.stays_signed(operator, y)
            if is_flipped:
                y = y._replace(zero=self.shifted(y.zero))
            found = WAYS[operator.op_type](self, operator, y)
            if activation is not None and type(found) is not str:
                found = self.with_activation(found, activation)
        if type(found) is str:
            self.refused[operator.name or operator.outputs[0]] = found
            return False
        node.name = operator.name or operator.outputs[0]
        op_type, inputs, opset, domain, attributes = found
        table = None if clamp is None else self.limits(y, *clamp[1:])
        if table is not None or is_flipped:
            inner = Node(op_type, inputs, [at.fresh(out)], attributes, domain=domain, opset=opset, name=node.name)
            at.insert(inner, after=operator)
            return self.look_up(node, inner.outputs[0], table, is_flipped)
        at.change(node, op_type, inputs, opset, domain, **attributes)
        return True

    def ends_in_floats(self, node: Node) -> bool:
        """A convolution of bytes whose sums others see as floats."""
        at, x, name = self.at, read(self.at, node.inputs[0], *BYTES), node.name or node.outputs[0]
        if x is None:
            return False
        coarse = at.constant(np.array(LARGEST, F32), "scale")
        found = self.conv(node, x._replace(scale=coarse))       # any bias is a whole number of such units
        if type(found) is str:
            self.refused.setdefault(name, found)
            return False
        x_name, x_scale, x_zero, w, w_scale, w_zero, *_ = found[1]
        channels = at.array(w).shape[0]
        bias = self.reals(node.inputs[2]) if has(node, 2) else np.zeros(channels, F32)
        if node.op_type != "Conv" or bias is None or is_scaled(at, node.outputs[0]) \
                or at.rank(node.inputs[0]) not in PICTURES:
            return False
        scale = (at.array(x_scale).reshape(()) * at.array(w_scale)).reshape(-1)
        if (scale < np.finfo(F32).tiny).any():          # which kernels do not tell from 0
            return False
        inputs = [x_name, w, at.constant(scale, "scale"), x_zero, w_zero, at.constant(bias, "bias")]
        at.change(node, "ScaledConvInteger", inputs, 1, OWN_DOMAIN, **node.attributes)
        return True

    def reals(self, name: str) -> np.ndarray | None:
        """A constant of floats, or one that is dequantised."""
        at, node = self.at, self.at.maker(name, "DequantizeLinear")
        if node is None:
            return at.array(name)
        whole, scale = map(at.array, node.inputs[:2])
        zero = at.array(node.inputs[2]) if has(node, 2) else np.zeros(1, np.int32)
        return None if whole is None or scale is None or zero is None or zero.any() else \
            (whole.astype(np.float64) * scale).astype(F32)

    def stays_signed(self, node: Node, y: Stored) -> bool:
        """Are all that it reads and makes int8 that nobody needs as uint8, which kernels of two operands take too?"""
        if WAYS[node.op_type] is not _Join.binary or self.at.readers.get(y.name):
            return False
        found = [read(self.at, name, I8) for name in node.inputs if self.constant(name, I8) is None]
        return None not in found and bool(found) and not any(
            x.name in self.behind or x.name in self._unsigned for x in found)

    def look_up(self, node: Node, name: str, table: np.ndarray | None, is_flipped: bool) -> bool:
        """The node gives table[bytes], as int8 if these are flipped."""
        limits = None if table is None else self.table(table)
        if is_flipped:
            self.behind[node.outputs[0]] = name, limits
            limits = self.table((FLIPPED if table is None else table ^ U8.type(128)).view(I8))
        self.at.change(node, "LookUp", [name, limits], 1, OWN_DOMAIN)
        return True

    def table(self, array: np.ndarray) -> str:
        key = array.dtype.str.encode() + array.tobytes()
        if key not in self._tables:
            self._tables[key] = self.at.constant(array, "table")
        return self._tables[key]

    def flip_max_pool(self, node: Node) -> bool:
        """int8 -> MaxPool   becomes   uint8, which is 128 more, -> MaxPool -> int8"""
        at, x = self.at, node.inputs[0]
        if any(node.outputs[1:]) or at.dtype(x) != I8 or at.rank(x) not in PICTURES:
            return False
        inner = Node("MaxPool", [self.unsigned(x)], [at.fresh(node.outputs[0])], node.attributes, opset=node.opset,
                     name=node.name or node.outputs[0])
        at.insert(inner, after=at.makers.get(inner.inputs[0]))
        return self.look_up(node, inner.outputs[0], None, True)

    def flip_resize(self, node: Node) -> bool:
        """int8 -> Resize, linear   becomes   uint8, which is 128 more, -> QLinearResize -> int8

        The scales are 1, the zero points 128: so what is mixed are the numbers of int8, whose products are rounded
        otherwise than those of uint8.
        """
        at, x = self.at, node.inputs[0]
        found = None if at.dtype(x) != I8 else self.linear(node)
        if found is None:
            return False
        grid = [at.constant(np.array(1, F32), "scale"), at.constant(np.array(128, U8), "zero")]
        inner = Node("QLinearResize", [self.unsigned(x), *found[0], *grid, *grid], [at.fresh(node.outputs[0])],
                     found[1], domain=OWN_DOMAIN, opset=1, name=node.name or node.outputs[0])
        at.insert(inner, after=at.makers.get(inner.inputs[0]))
        return self.look_up(node, inner.outputs[0], None, True)

    # ---- what is read

    def read(self, name: str) -> Stored | None:
        """The uint8 of which a value is what DequantizeLinear gives, or so many times that."""
        x = read(self.at, name, *BYTES) or self.multiple(name)
        if x is None or not self.is_signed(x):
            return x
        return Stored(self.unsigned(x.name), x.scale, self.shifted(x.zero))

    def multiple(self, name: str) -> Stored | None:
        """The bytes of which a value is what DequantizeLinear gives, times a number above 0 or by one: as those of
        another scale."""
        at, node = self.at, self.at.maker(name, "Mul", "Div")
        if node is None or node.attributes or len(node.inputs) != 2:
            return None
        for value, number in (node.inputs, node.inputs[::-1])[:1 if node.op_type == "Div" else 2]:
            x, by = read(at, value, *BYTES), at.array(number)
            if x is None or by is None or by.dtype != F32 or by.size != 1 or by.ndim > 1 or not by.item() > 0:
                continue
            scale = at.array(x.scale).reshape(())
            with np.errstate(all="ignore"):
                scale = scale / by.reshape(()) if node.op_type == "Div" else scale * by.reshape(())
            if SMALLEST <= scale <= LARGEST:
                return x._replace(scale=at.constant(np.array(scale, F32), x.scale))
        return None

    def is_signed(self, x: Stored) -> bool:
        return self.at.array(x.zero).dtype == I8

    def shifted(self, zero: str) -> str:
        """The zero point of int8 as uint8."""
        if zero not in self._zeros:
            self._zeros[zero] = self.at.constant((self.at.array(zero).astype(np.int16) + 128).astype(U8), zero)
        return self._zeros[zero]

    def unsigned(self, name: str) -> str:
        """int8 as uint8, which is 128 more."""
        if name not in self._unsigned and (array := self.at.array(name)) is not None:
            self._unsigned[name] = self.at.constant(FLIPPED[array.view(U8)], name)
        elif name not in self._unsigned:
            x, table = self.behind.get(name, (name, self.table(FLIPPED)))
            self._unsigned[name] = x if table is None else self.looked_up(x, table, name)
        return self._unsigned[name]

    def looked_up(self, x: str, table: str, name: str) -> str:
        at = self.at
        maker = at.makers.get(x)
        self.made.append(at.insert(Node("LookUp", [x, table], [at.fresh(name)], domain=OWN_DOMAIN, opset=1,
                                        name=maker.name if maker is not None else name), after=maker))
        return self.made[-1]

    def sloped(self, name: str) -> tuple[Node, Node] | None:
        """(Add or Sub, LeakyRelu or PRelu) of a value that is what nothing else sees of both"""
        node = self.at.maker(name, *SLOPES)
        if node is None or self.at.only_reader(name) is None:
            return None
        maker = self.at.maker(node.inputs[0], "Add", "Sub")
        return (maker, node) if maker is not None and self.at.only_reader(node.inputs[0]) is node else None

    def with_activation(self, found, node: Node):
        """A convolution of bytes, with the activation behind it, or a sum with a slope. found : as of the operators"""
        op_type, inputs, _, _, attributes = found
        if op_type == "QLinearAdd":
            slope = self.slope(node)
            return slope if type(slope) is str else (op_type, [*inputs, *slope], 1, OWN_DOMAIN, {})
        inputs, w = [*inputs, "", ""][:9], self.at.array(inputs[3])
        channels = w.shape[0] if op_type == "QLinearConv" else w.shape[1] * attributes.get("group", 1)
        said = as_parameters(self.at, node, channels)
        if type(said) is str:
            return said
        return op_type, [*inputs, *said[0]], 1, OWN_DOMAIN, {**attributes, **said[1]}

    def limits(self, y: Stored, low: float, high: float) -> np.ndarray | None:
        """The table that limits bytes; None where they cannot be outside."""
        ends = self.quantized(np.array([low, high], F32), y)
        every = np.arange(256, dtype=U8).view(ends.dtype)
        return None if ends.tolist() == [every.min(), every.max()] else every.clip(*ends)

    def quantized(self, x: np.ndarray, y: Stored) -> np.ndarray:
        scale, zero = (self.at.array(name).reshape(()) for name in (y.scale, y.zero))
        return quantize(x, scale, zero, zero.dtype)

    def requantized(self, x: Stored, y: Stored, beside: Node) -> str:
        """The bytes of x by the scale of y."""
        at = self.at
        if same_scale(at, x, y):
            return x.name
        real = dequantize(np.arange(256, dtype=U8), *(at.array(name).reshape(()) for name in (x.scale, x.zero)))
        table, name, before = self.quantized(real, y), x.name, at.makers.get(x.name)
        if name in self.made and before.op_type == "LookUp":
            name, table = before.inputs[0], table[at.array(before.inputs[1])]
        return at.insert(Node("LookUp", [name, self.table(table)], [at.fresh(name)], {}, domain=OWN_DOMAIN, opset=1,
                              name=beside.name or beside.outputs[0]), after=beside)

    def of_type(self, name: str) -> str:
        """What integers are that no kernel for bytes takes."""
        dtype = self.at.dtype(name)
        if dtype is None or dtype in BYTES:
            return "bytes, but not by one constant scale and zero point, which are right for activations"
        return f"{dtype}; only uint8 and int8 (QUInt8, QInt8) are computed as bytes"

    def not_bytes(self, *names: str) -> str:
        """Why inputs are no bytes."""
        for name in names:
            node = self.at.makers.get(name)
            if read(self.at, name, *BYTES) is None and node is not None and node.op_type == "DequantizeLinear":
                return f"an input is stored as {self.of_type(node.inputs[0])}"
        return NOT_ALL

    # ---- operators: (its type, inputs, opset, domain, attributes), or why it stays as it is

    def conv(self, node: Node, y: Stored):
        at = self.at
        transposed = node.op_type == "ConvTranspose"
        x, weights = self.read(node.inputs[0]), weights_of(at, node.inputs[1], axis=int(transposed))
        if type(weights) is str:
            return weights
        if x is None:
            return self.not_bytes(node.inputs[0])
        w, *parameters = weights
        shape = at.array(w).shape
        groups = node.attributes.get("group", 1)
        if not 3 <= len(shape) <= 5 or 0 in shape:
            return "convolutions of bytes have one to three spatial axes"
        terms, channels = prod(shape[1:]), shape[0]
        if transposed:
            terms, channels = prod(shape) // shape[1] // groups, shape[1] * groups
        if terms * 255 * 255 >= MOST_PRODUCT:
            return "int32 does not hold sums of so many products"
        inputs = [*x, w, *parameters, y.scale, y.zero]
        if has(node, 2):
            unit = at.array(x.scale).item() * at.array(parameters[0]).astype(np.float64).reshape(-1)
            if unit.size > 1:
                unit = np.resize(unit, channels)        # every group of a ConvTranspose has the same scales
            bias = self.bias(node.inputs[2], unit, at.array(y.scale).item(), channels)
            if bias is None:
                return "its bias is no constant, or too coarse in units of input scale * weight scale; store it as " \
                       "int32 by that scale"
            inputs.append(bias)
        if transposed:
            return "QLinearConvTranspose", inputs, 1, OWN_DOMAIN, node.attributes
        return "QLinearConv", inputs, 10, "", node.attributes

    def bias(self, name: str, unit: np.ndarray, y_scale: float, channels: int) -> str | None:
        """A bias in units of the products, as int32. unit : what one of them is worth, for each channel"""
        at, node = self.at, self.at.maker(name, "DequantizeLinear")
        if node is not None:
            whole, scale = map(at.array, node.inputs[:2])
            zero = at.array(node.inputs[2]) if has(node, 2) else np.zeros(1, np.int32)
            if whole is None or scale is None or zero is None or whole.dtype != np.int32 or zero.any():
                return None
            if scale.size in (1, unit.size) and np.allclose(scale.reshape(-1), unit, 1e-5, 0) \
                    and whole.shape == (channels,):
                return node.inputs[0]
            if scale.size not in (1, channels):
                return None
            real = whole.astype(np.float64) * scale
        else:
            real = at.array(name)
        if real is None or real.shape != (channels,):
            return None
        exact = real.astype(np.float64) / unit
        near = np.rint(exact)
        if not (np.isfinite(near).all() and np.abs(near).max(initial=0) < MOST_PRODUCT
                and (np.abs(exact - near) * unit).max(initial=0) <= BIAS_ERROR * y_scale):
            return None
        return at.constant(near.astype(np.int32), name)

    def prelu(self, node: Node, y: Stored):
        """A sum with nothing, below 0 times a slope."""
        x, slope = self.read(node.inputs[0]), self.slope(node)
        if type(slope) is str:
            return slope
        if x is None:
            return self.not_bytes(node.inputs[0])
        return "QLinearAdd", [*x, "", "", "", y.scale, y.zero, *slope], 1, OWN_DOMAIN, {}

    def slope(self, node: Node) -> list[str] | str:
        """The constant slopes of a LeakyRelu or PRelu, one for each channel, or why there are none."""
        if self.at.rank(node.inputs[0]) not in PICTURES:
            return NOT_PICTURES
        fact = self.at.fact(node.inputs[0])
        if type(fact) is not Fact or type(fact.shape[1]) is not int:
            return "how many channels it has is not known"
        said = as_parameters(self.at, node, fact.shape[1])
        return said if type(said) is str else said[0]

    def binary(self, node: Node, y: Stored):
        at = self.at
        if node.attributes or len(node.inputs) != 2:
            return "it broadcasts as opsets before 7 do"
        dtype = at.array(y.zero).dtype
        a, b = ((read(at, name, I8) if dtype == I8 else self.read(name)) or self.constant(name, dtype)
                for name in node.inputs)
        if a is None or b is None or at.array(a.name) is not None and at.array(b.name) is not None:
            return self.not_bytes(*node.inputs)
        ranks = [at.rank(x.name) for x in (a, b)]
        if None in ranks or max(ranks) == 0 or max(ranks) not in PICTURES and not self.by_rows(node):
            return "of bytes that are no pictures, operands have to be alike, or of one number for each row or column"
        a, b = (self.of_rank(x, max(ranks), node) for x in (a, b))
        if node.op_type == "Sub":
            b = b._replace(scale=at.constant(-at.array(b.scale), b.scale))
        return f"QLinear{'Mul' if node.op_type == 'Mul' else 'Add'}", [*a, *b, y.scale, y.zero], 1, MICROSOFT, {}

    def constant(self, name: str, dtype) -> Stored | None:
        """A constant that is stored as bytes of one scale. dtype : of the bytes that come out"""
        at, node = self.at, self.at.maker(name, "DequantizeLinear")
        if node is None or at.dtype(name) != F32:
            return None
        x, scale = map(at.array, node.inputs[:2])
        if x is None or scale is None or x.dtype.name not in ("int8", "uint8") or not is_single(scale) \
                or scale.dtype != F32 or not SMALLEST <= scale.item() <= LARGEST:
            return None
        zero = at.array(node.inputs[2]) if has(node, 2) else np.zeros((), x.dtype)
        if zero is None or zero.dtype != x.dtype or not is_single(zero):
            return None
        shift = 128 * ((x.dtype == I8) - (dtype == I8))
        x, zero = ((v.astype(np.int16) + shift).astype(dtype) for v in (x, zero.reshape(())))
        return Stored(at.constant(x, node.inputs[0]), node.inputs[1], at.constant(zero, "zero"))

    def by_rows(self, node: Node) -> bool:
        """Whether operands that are no pictures are rows of the output, whatever the free sizes are."""
        *operands, y = (self.at.fact(name) for name in (*node.inputs, *node.outputs))
        if None in (*operands, y):
            return False
        return bool(row_axes([(1,) * (y.ndim - x.ndim) + tuple(x.shape) for x in operands], tuple(y.shape), same))

    def of_rank(self, x: Stored, rank: int, beside: Node) -> Stored:
        """With axes of 1 before its own."""
        at, more = self.at, rank - self.at.rank(x.name)
        array = at.array(x.name)
        if not more:
            return x
        if array is not None:
            return x._replace(name=at.constant(array.reshape((1,) * more + array.shape), x.name))
        axes = at.constant(np.arange(more), "axes")
        name = at.insert(Node("Unsqueeze", [x.name, axes], [at.fresh(x.name)], {}, opset=13,
                              name=beside.name or beside.outputs[0]), after=at.makers.get(x.name))
        return x._replace(name=name)

    def max_pool(self, node: Node, y: Stored):
        x = self.read(node.inputs[0])
        if x is None:
            return self.not_bytes(node.inputs[0])
        if any(node.outputs[1:]) or self.at.rank(x.name) not in PICTURES:
            return NOT_PICTURES
        if same_scale(self.at, x, y):
            return "MaxPool", [x.name], max(node.opset, 12), "", node.attributes
        if may_miss(node):
            return "its windows may lie beyond the picture"
        inner = Node("MaxPool", [x.name], [self.at.fresh(y.name)], node.attributes, opset=max(node.opset, 12),
                     name=node.name or node.outputs[0])
        self.at.insert(inner, after=node)
        moved = self.requantized(Stored(inner.outputs[0], x.scale, x.zero), y, inner)
        return "Identity", [moved], 13, "", {}

    def concat(self, node: Node, y: Stored):
        found = [self.read(name) for name in node.inputs]
        if None in found:
            return self.not_bytes(*node.inputs)
        if self.at.rank(found[0].name) not in PICTURES:
            return NOT_PICTURES
        return "Concat", [self.requantized(x, y, node) for x in found], max(node.opset, 13), "", node.attributes

    def pad(self, node: Node, y: Stored):
        at, x = self.at, self.read(node.inputs[0])
        if x is None:
            return self.not_bytes(node.inputs[0])
        pads, value, mode = whole_pads(node, at), pad_value(node, at), node.attributes.get("mode", "constant")
        rank = at.rank(x.name)
        if rank not in PICTURES or pads is None or value is None or mode not in PAD_MODES \
                or mode != "constant" and any((*pads[:2], *pads[rank:rank + 2])):
            return "bytes are padded by constants; along the axes of pictures also in modes reflect and edge"
        if rank == 5 and any(pads[1::5]) and any(pads[2::5]):
            return "bytes of volumes are padded along channels or along slices, not both at once"
        byte, real = np.array(0, U8), np.array(value, F32)
        if mode == "constant":
            byte = self.quantized(real, x)
            if dequantize(byte, *(at.array(name).reshape(()) for name in x[1:])) != real:
                return "its constant is no number of the input's scale"
        inputs = [x.name, at.constant(np.array(pads), "pads"), at.constant(byte, "value")]
        inner = Node("Pad", inputs, [at.fresh(y.name)], {"mode": mode}, opset=13, name=node.name or node.outputs[0])
        at.insert(inner, after=node)
        return "Identity", [self.requantized(Stored(inner.outputs[0], x.scale, x.zero), y, inner)], 13, "", {}

    def mean(self, node: Node, y: Stored):
        at, x = self.at, self.read(node.inputs[0])
        if x is None:
            return self.not_bytes(node.inputs[0])
        rank = at.rank(x.name)
        if rank not in (4, 5):
            return NOT_PICTURES
        if node.op_type == "ReduceMean":
            axes = at.ints(node, "axes", 1, 18)
            if axes is None or sorted(a + rank if a < 0 else a for a in axes) != list(range(2, rank)) \
                    or not node.attributes.get("keepdims", 1):
                return "means of bytes are over all pixels, whose axes stay"
        return "QLinearGlobalAveragePool", [*x, y.scale, y.zero], 1, MICROSOFT, {"channels_last": 0}

    def average_pool(self, node: Node, y: Stored):
        x = self.read(node.inputs[0])
        if x is None:
            return self.not_bytes(node.inputs[0])
        if self.at.rank(x.name) not in PICTURES:
            return NOT_PICTURES
        if max(node.attributes.get("dilations") or [1]) > 1:
            return "averages of bytes are of neighbours; its windows are dilated"
        attributes = {name: value for name, value in node.attributes.items() if name != "dilations"}
        return "QLinearAveragePool", [*x, y.scale, y.zero], 1, MICROSOFT, attributes

    def resize(self, node: Node, y: Stored):
        x, found = self.read(node.inputs[0]), self.linear(node)
        if x is None:
            return self.not_bytes(node.inputs[0])
        if found is None:
            return "of bytes only linear and nearest Resize of pictures is computed; linear not from slice to slice"
        return "QLinearResize", [x.name, *found[0], *x[1:], y.scale, y.zero], 1, OWN_DOMAIN, found[1]

    def linear(self, node: Node) -> tuple[list[str], dict] | None:
        """(roi, scales and sizes, attributes) of a linear Resize of pictures, as a QLinearResize has them."""
        get, rank = node.attributes.get, self.at.rank(node.inputs[0])
        if rank not in PICTURES or get("mode") != "linear" or get("antialias", 0) or get("exclude_outside", 0) \
                or get("coordinate_transformation_mode") == "tf_crop_and_resize":
            return None
        kept = {name: value for name, value in node.attributes.items() if name in RESIZES}
        roi, scales, sizes = [*node.inputs[1:], "", "", ""][:3]
        if node.opset < 11:
            roi, scales, kept["coordinate_transformation_mode"] = "", roi, "asymmetric"
        return ([roi, scales, sizes], kept) if self.keeps_others(node, rank, scales) else None

    def keeps_others(self, node: Node, rank: int, scales: str) -> bool:
        """Does a Resize leave all axes but the two of a picture as they are?"""
        at, axes, others = self.at, node.attributes.get("axes") or range(rank), max(2, rank - 2)
        given = at.array(scales) if scales else None
        if given is not None and given.size:            # fractions of free sizes have no known fact
            return all(scale == 1 or axis % rank >= others for axis, scale in zip(axes, given.reshape(-1).tolist()))
        before, after = at.fact(node.inputs[0]), at.fact(node.outputs[0])
        return before is not None and after is not None and same(before.shape[:others], after.shape[:others])


def may_miss(node: Node) -> bool:
    """May a window of a pool have no pixel? Its maximum is the least number, which is no byte of x."""
    get, kernel = node.attributes.get, node.attributes["kernel_shape"]
    pads = get("pads") or [0]
    if get("auto_pad", "NOTSET") in ("NOTSET", "VALID") and not any(pads):
        return False
    return max(get("dilations") or [1]) > 1 or max(pads) >= min(kernel)


WAYS = {"Conv": _Join.conv, "ConvTranspose": _Join.conv, "Add": _Join.binary, "Sub": _Join.binary, "Mul": _Join.binary,
        "MaxPool": _Join.max_pool, "Concat": _Join.concat, "GlobalAveragePool": _Join.mean, "ReduceMean": _Join.mean,
        "AveragePool": _Join.average_pool, "Resize": _Join.resize, "Pad": _Join.pad, "PRelu": _Join.prelu}

"""QLinearConv of uint8 -> `conv_u8`, `depthwise_u8`, `winograd_u8`: exact sums in int32, blocked in and out; so does
ScaledConvInteger, which ends in float32.

The zero point of x counts as bias: what a window takes beyond the picture is the zero point, which the halo is made
of. A LookUp behind is a table in the epilogue. What our own QLinearConv does before it rounds is the kernels' `act`.
"""
from __future__ import annotations

from math import prod

import numpy as np

from ...ops.families import OWN_DOMAIN
from ..candidate import BLOCKED, CONTIGUOUS, PLAIN, QUANTISED, RESIDUAL, SLOPE, UNARY, Candidate, kernel
from ..epilogue import NONE, Group, Unary, activation_params
from ..views import BLOCK, F32, U8, nchw, nchw_strides, round_up
from . import conv_winograd_u8
from .activations import activation_of
from .conv_direct import divided
from .conv_params import Conv, output_params
from .quantized import is_scale, padded, table_ref
from .window import GEOMETRY

I16, I32 = np.dtype(np.int16), np.dtype(np.int32)
LIMIT = 1 << 31                 # of sums
MOST_TILE = 16                  # pixels of a register tile
MOST_STRIP = 1 << 26            # bytes of scratch for those, which strides and dilations may spread out


class QuantizedConv(Conv):
    """w : as the file has it

    multiplier : of sums, for each output channel; bias : int64, with what the zero point of x makes
    before : what is done before rounding; of prelu, slope : for each output channel
    step : what is divided by behind that, 0: the multiplier has it
    fill : what lies beyond the picture, as of Candidate.halo
    """
    __slots__ = ("multiplier", "bias", "x_zero", "y_zero", "constants", "w_zero", "before", "slope", "step", "_largest")

    def __init__(self, group: Group, values):
        node = group.node
        names = [*node.inputs, "", ""][:10]
        self.constants = tuple(values.constant(name) for name in names[1:] if name)
        x_scale, x_zero, w, w_scale, self.w_zero, y_scale, y_zero = self.constants[:7]
        self.before, self.slope, self.step = activation_of(node), None, 0.0
        if names[9]:
            self.before, self.slope = Unary("prelu"), self.constants[-1]
        elif self.before is not NONE:
            self.step, y_scale = float(y_scale.item()), np.ones((), F32)
        self.x_zero, self.y_zero = int(x_zero.item()), int(y_zero.item())
        super().__init__(group, node.attributes.get("group", 1), w)
        shifted = self.shifted()
        shifted = shifted.reshape(len(shifted), -1)
        self.multiplier = np.resize(x_scale.reshape(()) * w_scale.reshape(-1) / y_scale.reshape(()), len(shifted))
        sums = shifted.sum(1, np.int64)
        # what a sum may be at most, and at least, of any bytes
        self._largest = [255 * f(shifted, 0).sum(1, np.int64) for f in (np.maximum, np.minimum)]
        self.bias = (self.constants[7].astype(np.int64) if names[8] else 0) - self.x_zero * sums
        self._bring_into_range()
        self.constants += added_constants(group.epilogue, values)

    def _bring_into_range(self) -> None:
        """Quantisers give channels that are always 0 a scale of 1e-9 and a bias near the end of int32, so that sums
        could pass it. Where all that a sum can be is rounded to one byte, another bias gives the same."""
        high, low = self._largest
        bias = np.clip(self.bias, 1 - LIMIT - low, LIMIT - 1 - high)
        if (bias == self.bias).all() or self.step or self.slope is not None and self.slope.min() < 0:
            return

        def rounded(sums: np.ndarray) -> np.ndarray:
            with np.errstate(all="ignore"):
                y = sums.astype(F32) * self.multiplier
                if self.slope is not None:
                    y = np.where(y < 0, y * self.slope, y)
                return np.clip(np.rint(y) + F32.type(self.y_zero), 0, 255)
        made = [rounded(each + end) for each in (self.bias, bias) for end in (high, low)]
        self.bias = np.where([len(set(bytes_)) == 1 for bytes_ in zip(*made)], bias, self.bias)

    @property
    def w_name(self) -> str:
        return self.group.node.inputs[3]

    @property
    def fill(self) -> int | str:
        return self.x_zero

    def shifted(self) -> np.ndarray:
        """The weights less their zero points, as int16."""
        return self.w.astype(I16) - self.w_zero.astype(I16).reshape(-1, *(1,) * (self.w.ndim - 1))

    @property
    def channels(self) -> int:
        """How many of the input a sum of a group runs over, of volumes those of all slices of the window, whole blocks
        each."""
        ic = self.w.shape[1]
        return self.w.shape[2] * round_up(ic) if self.w.ndim == 5 else ic

    def by_channels(self) -> np.ndarray:
        """The shifted weights as [oc][channels][kernel], slice after slice."""
        if self.w.ndim < 5:
            return self.shifted()
        oc, ic, kd, *kernel = self.w.shape
        w = np.zeros((oc, kd, round_up(ic), *kernel), I16)
        w[:, :, :ic] = self.shifted().swapaxes(1, 2)
        return w

    def sums_within(self, limit: int) -> bool:
        """Whether all sums with their bias are."""
        high, low = (self.bias + end for end in self._largest)
        return bool((high < limit).all() and (low > -limit).all())

    def epilogue(self, out, bias=None) -> dict:
        """What comes behind the sums, as the kernels take it. bias : of a part of the weights"""
        before = dict(act=out.table.unary[self.before.op], alpha=self.before.alpha, beta=self.before.beta,
                      step=self.step, slope=None if self.slope is None else padded(self.slope, F32))
        e = self.group.epilogue
        added = {} if e.quantised is None else addition(e, out)
        return dict(bias=padded(self.bias if bias is None else bias, I32), scale=padded(self.multiplier, F32),
                    table=table_ref(out, e.unary.slope), yz=self.y_zero, lo=0, hi=255, **before, **added)

    def of_run(self, out, tiles: int) -> dict:
        """What the kernels take besides in a step of so many tiles, and the run has to find."""
        return {}


class ScaledConv(QuantizedConv):
    """The zero point of x, and the scale, are of the run. w : as the file has it"""
    __slots__ = ("add", "known_zero", "offset")

    def __init__(self, group: Group, values):
        node = group.node
        w, self.w_zero, self.add, self.offset = (values.constant(name) for name in (
            node.inputs[1], *node.inputs[4:6], node.inputs[7] if len(node.inputs) > 7 else ""))
        self.constants = w, self.w_zero, self.add, self.offset
        zero = values.constant(node.inputs[3])
        self.x_zero, self.known_zero = 0, None if zero is None else int(zero.item())
        Conv.__init__(self, group, node.attributes.get("group", 1), w)
        shifted = self.shifted().reshape(len(w), -1)
        self.bias = np.zeros(len(w), np.int64) if self.offset is None else self.offset.astype(np.int64)
        self._largest = [255 * f(shifted, 0).sum(1, np.int64) for f in (np.maximum, np.minimum)]

    @property
    def w_name(self) -> str:
        return self.group.node.inputs[1]

    @property
    def fill(self) -> int | str:
        return self.group.node.inputs[3] if self.known_zero is None else self.known_zero

    def epilogue(self, out, bias=None) -> dict:
        e = self.group.epilogue
        slope = e.unary.slope
        sums = self.shifted().reshape(len(self.w), -1).sum(1, np.int64)
        return dict(wsum=padded(sums, I32), add=padded(self.add, F32), slope=out.vector(slope) if slope else None,
                    bias=None if self.offset is None else padded(self.offset, I32), **activation_params(out, e))

    def of_run(self, out, tiles: int) -> dict:
        node, oc = self.group.node, len(self.w)
        more = out.ranged(self.group.output, tiles)
        if more:
            more["channels"] = oc
        if len(node.inputs) > 6 and node.inputs[6]:
            more["by"] = out.contiguous(node.inputs[6]).ref()
        known = out.constant(node.inputs[2])
        if known is not None:
            scale = out.store.once(("in blocks", node.inputs[2], oc), known,
                                   lambda: padded(np.resize(known.reshape(-1), oc), F32))
        else:
            view = out.contiguous(node.inputs[2])
            scale = out.scratch((round_up(oc),)).ref()
            out.map((oc,), view.ref(), (int(prod(view.shape) > 1),), scale, (1,))
        return dict(more, scale=scale, zero=out.contiguous(node.inputs[3]).ref())


BEFORE_ROUNDING = " activation alpha beta"      # attributes


def added_constants(e, values) -> tuple:
    return () if e.quantised is None else tuple(values.constant(name) for name in operands(e))


def addition(e, values) -> dict:
    """Scales and zero points of the residual of bytes, and of its sum with what a convolution gives (requantise.h)."""
    sa, _, sb, zb, sy, zy = (values.constant(name).item() for name in operands(e))
    return dict(sa=sa, sb=sb, zb=zb, sy=sy, zy=zy)


def operands(e) -> tuple[str, ...]:
    """The names of scale and zero point: of what the convolution gives, of the residual, of their sum."""
    names = e.quantised.inputs
    own, other = (names[1:3], names[4:6]) if names[3] == e.residual else (names[4:6], names[1:3])
    return (*own, *other, *names[6:8])


def adds(conv_zero: np.ndarray, e, values) -> bool:
    """Whether the kernels add the residual of an epilogue, if it has one."""
    if e.quantised is None:
        return True
    constants = added_constants(e, values)
    if any(each is None or each.size != 1 for each in constants) or values.fact(e.residual).dtype != U8 \
            or values.fact(e.quantised.outputs[0]).dtype != U8:
        return False
    sa, za, sb, _, sy, _ = constants
    return za.item() == conv_zero.item() and is_scale(np.abs(sa)) and is_scale(np.abs(sb)) and is_scale(sy)


def reading(values, node, name: str) -> str:
    """Pictures of few channels are read from plain memory, where the kernel can, unless they are in blocks already."""
    w = values.constant(node.inputs[3 if node.op_type == "QLinearConv" else 1])
    plain = (name == node.inputs[0] and w is not None and w.ndim in (3, 4) and node.attributes.get("group", 1) == 1
             and values.table.runs_u8(w.shape[1], w.shape[-1], node.attributes.get("dilations", (1,))[-1])
             and not values.is_blocked(name))
    return PLAIN if plain else BLOCKED


@kernel("QLinearConv", attributes=GEOMETRY + "group", reading=reading, takes=(UNARY, SLOPE, QUANTISED))
@kernel("QLinearConv", domain=OWN_DOMAIN, attributes=GEOMETRY + "group" + BEFORE_ROUNDING, reading=reading,
        takes=(UNARY, SLOPE))
def qlinear_conv(group, values):
    node, e = group.node, group.epilogue
    x, y = values.fact(node.inputs[0]), values.fact(node.outputs[0])
    if x.dtype != U8 or y.dtype != U8 or x.ndim not in (3, 4, 5) or 0 in x.shape or 0 in y.shape \
            or e.unary.op not in ("none", "table") \
            or any(values.constant(name) is None for name in node.inputs[1:] if name) \
            or not all(is_scale(values.constant(node.inputs[i])) for i in (1, 4, 6)) \
            or not adds(values.constant(node.inputs[7]), e, values):
        return ()
    conv = values.store.once(("quantized", node, e.residual, e.unary.slope),
                             (*(values.constant(name) for name in node.inputs[1:] if name),
                              *added_constants(e, values)), lambda: QuantizedConv(group, values))
    return candidates(conv, values)


@kernel("ScaledConvInteger", domain=OWN_DOMAIN, attributes=GEOMETRY + "group", reading=reading,
        takes=(UNARY, SLOPE, RESIDUAL))
def scaled_conv_integer(group, values):
    """As passes/join_sums.py makes it: all inputs are there, weights, their zero points and the bias are constants."""
    node, e = group.node, group.epilogue
    x, y, scale = (values.fact(name) for name in (node.inputs[0], node.outputs[0], node.inputs[2]))
    constants = tuple(values.constant(node.inputs[i]) for i in (1, 4, 5, *range(7, len(node.inputs)))) \
        if len(node.inputs) > 5 else (None,)
    if any(each is None for each in constants) or x.dtype != U8 or scale.dtype != F32 or x.ndim not in (3, 4, 5) \
            or 0 in x.shape or 0 in y.shape or e.unary.op == "table":
        return ()
    conv = values.store.once(("scaled", node, e.residual, e.unary.key()), constants, lambda: ScaledConv(group, values))
    return candidates(conv, values)


def candidates(conv: QuantizedConv, values) -> tuple[Candidate, ...]:
    if not conv.sums_within(LIMIT):
        return ()
    depthwise = conv.w.shape[1] == 1 and conv.groups > 1
    if depthwise and conv.group.epilogue.quantised is not None:
        return ()
    if strip_bytes(conv, conv.window(values), depthwise) > MOST_STRIP:
        return ()
    if reading(values, conv.group.node, conv.x) is PLAIN:
        return (Candidate(lambda out: emit_direct(out, conv, plain=True), reads_of(conv, PLAIN), BLOCKED),)
    emit = emit_depthwise if depthwise else emit_direct

    def direct(cost_ns):
        return Candidate(lambda out: emit(out, conv), reads_of(conv), BLOCKED, cost_ns=cost_ns,
                         halo=(conv.x, conv.overhang, conv.fill))
    return conv_winograd_u8.candidates(conv, direct, reads_of(conv), values)


def reads_of(conv: QuantizedConv, x: str = BLOCKED) -> tuple:
    """x : how it reads that"""
    node, residual = conv.group.node, conv.group.epilogue.residual
    late = (name for name in (*node.inputs[2:4], *node.inputs[6:7]) if name) if type(conv) is ScaledConv else ()
    return ((conv.x, x), *((name, CONTIGUOUS) for name in late), *(((residual, BLOCKED),) if residual else ()))


def fixed(out, kernel: str, conv: QuantizedConv, make):
    """What does not depend on sizes of the parameters of a kernel."""
    e = conv.group.epilogue
    return out.store.fixed(kernel, (conv.group.node, e.residual, e.unary.key()), conv.constants,
                           lambda: dict(make(), **conv.epilogue(out)))


def emit_direct(out, conv: QuantizedConv, plain: bool = False) -> None:
    """plain : whether x is read from plain memory"""
    win = conv.window(out)
    (kh, kw), (sh, sw), (dh, dw), (top, left, _, _) = win.kernel, win.strides, win.dilations, win.pads
    (oc, ic), groups, kd = conv.w.shape[:2], conv.groups, slices_of(win)
    grouped = dict(goc=oc // groups, gic=ic) if groups > 1 else {}
    ib, ob = max(kd, 1) * -(-ic * groups // BLOCK), -(-oc // BLOCK)
    y = out.output(conv.group.output)
    if plain:
        x = out.plain(conv.x)
        (_, _, ih, iw), (xn, xc, xr, xw) = nchw(x.shape), nchw_strides(x.strides)
        source = dict(x=x.ref(), xn=xn, xc=xc, xr=xr, xw=xw, ih=ih, iw=iw, pt=top, pl=left)
    else:
        x = out.blocked(conv.x)
        source = dict(x=x.ref(-top, -left), xn=x.ns, xb=x.bs, xr=x.rs)

    def params():
        w = out.store.packed("pack_conv_u8", conv.w_name, conv.w, shifted=conv.shifted, **sizes_of(conv, win), oc=oc,
                             ic=ic, dw=dw, **grouped)
        return dict(w=w, ib=ib, last=(ic * groups - 1) % BLOCK + 1, ob=ob, kh=kh, kw=kw, dh=dh, dw=dw, sh=sh, sw=sw,
                    xz=conv.x_zero, **grouped)
    split = divided(out, y.n, y.h, y.w, ob, ic * max(kd, 1) * kh * kw)
    tiles = y.n * split["row_tiles"] * split["oc_tiles"]
    out.step(fixed(out, "conv_u8", conv, params), tiles, dict(
        **source, yv=y.ns * y.d, **split, **conv.of_run(out, tiles),
        **output_params(out, conv, y) | dict(kd=kd)), flops=conv.flops(y))


def slices_of(win) -> int:
    """How many a window has, 0 where they are pictures."""
    return 0 if win.depth is None or win.depth.is_flat else win.depth.kernel


def sizes_of(conv: QuantizedConv, win) -> dict:
    """Those of a window, and strides over the weights, as the kernels that pack take them."""
    (kh, kw), kd = win.kernel, slices_of(win)
    area = kh * kw
    si = max(kd, 1) * area
    return dict(kd=kd, kh=kh, kw=kw, so=conv.w.shape[1] * si, si=si, sz=area, sy=kw, sx=1)


def emit_depthwise(out, conv: QuantizedConv) -> None:
    win = conv.window(out)
    (kh, kw), (sh, sw), (dh, dw), (top, left, _, _) = win.kernel, win.strides, win.dilations, win.pads
    x, y = out.blocked(conv.x), out.output(conv.group.output)

    def params():
        sizes = sizes_of(conv, win)
        del sizes["si"]                             # of one channel a group
        w = out.store.packed("pack_depthwise_u8", conv.w_name, conv.w, shifted=conv.shifted, c=y.c, **sizes, sh=sh,
                             dh=dh)
        return dict(w=w, cb=y.blocks, kh=kh, kw=kw, dh=dh, dw=dw, sh=sh, sw=sw, xz=conv.x_zero, each=y.c // conv.groups)
    rows, row_tiles = out.tiles.rows(y.h, y.w, y.n * y.blocks, BLOCK * (conv.w.size // len(conv.w)))
    tiles = y.n * y.blocks * row_tiles
    out.step(fixed(out, "depthwise_u8", conv, params), tiles, dict(
        x=x.ref(-top, -left), xn=x.ns, xb=x.bs, xr=x.rs, row_tiles=row_tiles, rows=rows, **conv.of_run(out, tiles),
        **output_params(out, conv, y) | dict(kd=slices_of(win))), flops=conv.flops(y))


def strip_bytes(conv: QuantizedConv, win, depthwise: bool) -> int:
    """About what the kernel takes for one register tile at least (strip_of, strip_columns in _ops)."""
    (kh, kw), (_, sw), (dh, dw) = win.kernel, win.strides, win.dilations
    columns = max(slices_of(win), 1) * (MOST_TILE * sw + (kw - 1) * dw + 1)
    if depthwise:
        return 4 * BLOCK * (kh + 2) * columns
    return 2 * round_up(conv.w.shape[1] * conv.groups) * ((kh - 1) * dh + 1) * columns

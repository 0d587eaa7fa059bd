"""Conv and ConvTranspose -> steps: which algorithm, with what halo, packed how."""
from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from . import lower_winograd
from .epilogue import epilogue, epilogue_params
from .lower_matrix import matrix_vector
from .planner import F32, NO_HALO, Declined, Planner, Rule
from .views import BLOCK, Blocked, Plain, nchw, row_major

STEM_CHANNELS = 4               # up to so many input channels are read from plain memory: a block of 16 would be mostly empty
STEM_TAPS = 1024                # most terms of a sum in conv_stem
MOST_MERGED = 1 << 26           # elements that grouped weights may grow to when groups are merged


@dataclass(slots=True)
class Window:
    """kernel, strides, dilations as (y, x); pads (top, left, bottom, right); 1-D convolutions have height 1."""
    kernel: tuple[int, int]
    strides: tuple[int, int]
    dilations: tuple[int, int]
    pads: tuple[int, int, int, int]

    def overhang(self, ih: int, iw: int, oh: int, ow: int) -> tuple[int, int, int, int]:
        """How far the windows of all outputs reach beyond a picture (top, left, bottom, right)."""
        (kh, kw), (sh, sw), (dh, dw), (t, left, _, _) = self.kernel, self.strides, self.dilations, self.pads
        return (t, left, max(0, (oh - 1) * sh + (kh - 1) * dh + 1 - t - ih), max(0, (ow - 1) * sw + (kw - 1) * dw + 1 - left - iw))


def window(node, kernel, x_shape, y_shape) -> Window:
    """The window of a Conv or pool node, auto_pad resolved (https://onnx.ai/onnx/operators/onnx__Conv.html)."""
    get, rank = node.attributes.get, len(x_shape) - 2
    strides, dilations = list(get("strides") or [1] * rank), list(get("dilations") or [1] * rank)
    pads, auto_pad = list(get("pads") or [0] * 2 * rank), get("auto_pad", "NOTSET")
    if auto_pad in ("SAME_UPPER", "SAME_LOWER"):
        for i in range(rank):
            total = max(0, (y_shape[2 + i] - 1) * strides[i] + (kernel[i] - 1) * dilations[i] + 1 - x_shape[2 + i])
            small, large = total // 2, total - total // 2
            pads[i], pads[rank + i] = (small, large) if auto_pad == "SAME_UPPER" else (large, small)
    elif auto_pad == "VALID":
        pads = [0] * 2 * rank
    if rank == 1:
        return Window((1, kernel[0]), (1, strides[0]), (1, dilations[0]), (0, pads[0], 0, pads[1]))
    return Window(tuple(kernel), tuple(strides), tuple(dilations), tuple(pads))


def spatial(p: Planner, node) -> bool:
    """float32 pictures, 1-D or 2-D."""
    x = p.spec(node.inputs[0])
    return x.dtype == F32 and x.ndim in (3, 4) and 0 not in x.shape and 0 not in p.spec(node.outputs[0]).shape


@dataclass(slots=True)
class Choice:
    """What a Conv becomes. groups, weights: as the kernel sees them (groups merged until they fill whole blocks)."""
    kind: str                   # direct, stem, winograd4, winograd2, depthwise, vector
    window: Window
    groups: int


def choose(p: Planner, node) -> Choice | None:
    """The algorithm for a Conv; None where no kernel fits."""
    key = "conv", id(node)
    if key not in p.memo:
        p.memo[key] = _choose(p, node)
    return p.memo[key]


def _choose(p, node):
    x, w, y = p.spec(node.inputs[0]), p.spec(node.inputs[1]), p.spec(node.outputs[0])
    bias = node.inputs[2] if len(node.inputs) > 2 else ""
    if not spatial(p, node) or w.value is None or (bias and p.constant(bias) is None):
        return None
    win = window(node, w.shape[2:], x.shape, y.shape)
    if min(win.pads) < 0:
        return None
    n, ic, ih, iw = nchw(x.shape)
    _, oc, oh, ow = nchw(y.shape)
    group = node.attributes.get("group", 1)
    if group == ic == oc and group > 1:
        return Choice("depthwise", win, group)
    if group > 1:
        return Choice("direct", win, group) if merged_size(w.value.shape, group) <= MOST_MERGED else None
    if win.kernel == (1, 1) and ih * iw == oh * ow == 1 and n <= 2 and win.pads == NO_HALO:
        return Choice("vector", win, 1)
    if ic <= STEM_CHANNELS and not p.is_blocked.get(node.inputs[0]) and ic * win.kernel[0] * win.kernel[1] <= STEM_TAPS:
        return Choice("stem", win, 1)
    if win.kernel == (3, 3) and win.strides == win.dilations == (1, 1) and "winograd" in p.table.index:
        return Choice(lower_winograd.winograd_or_direct(n, ic, oc, oh, ow), win, 1)
    return Choice("direct", win, 1)


def conv_halo(p: Planner, node):
    choice = choose(p, node)
    if choice is None or choice.kind not in ("direct", "depthwise"):
        return None
    _, _, ih, iw = nchw(p.spec(node.inputs[0]).shape)
    _, _, oh, ow = nchw(p.spec(node.outputs[0]).shape)
    return {node.inputs[0]: choice.window.overhang(ih, iw, oh, ow)}


def bias_of(p: Planner, node, channels: int) -> np.ndarray:
    """The constant bias of a Conv or ConvTranspose, zeros where there is none."""
    bias = p.constant(node.inputs[2]) if len(node.inputs) > 2 else None
    return np.zeros(channels, np.float32) if bias is None else bias


def output_params(y: Blocked, residual: Blocked | None) -> dict:
    params = dict(y=y.ref(), yn=y.ns, yb=y.bs, yr=y.rs)
    if residual is not None:
        params |= dict(res=residual.ref(), rn=residual.ns, rb=residual.bs, rr=residual.rs)
    return params


def lower_conv(p: Planner, node) -> None:
    choice = choose(p, node)
    if choice is None:
        raise Declined
    w = p.constant(node.inputs[1])
    e = epilogue(p, node.outputs[0], bias_of(p, node, w.shape[0]), residual=choice.kind not in ("depthwise", "vector"))
    if choice.kind == "vector":
        return lower_vector(p, node, w, e)
    residual = p.blocked(e.residual) if e.residual else None
    if choice.kind == "stem":
        return lower_stem(p, node, choice.window, w, e, residual)
    x = p.blocked(node.inputs[0])
    y = p.new_blocked(e.name)
    common = dict(n=y.n, oh=y.h, ow=y.w, xn=x.ns, xb=x.bs, xr=x.rs, **output_params(y, residual), **epilogue_params(p, e))
    w4 = w.reshape(*w.shape[:2], *choice.window.kernel)
    flops = 2 * y.n * y.h * y.w * w.size
    if choice.kind == "depthwise":
        lower_depthwise(p, choice.window, x, y, w4, common, flops)
    elif choice.kind == "direct":
        lower_direct(p, choice, x, y, w4, common, flops)
    else:
        lower_winograd.lower_winograd(p, choice, x, y, w4, common, flops)


def lower_depthwise(p, win, x, y, w, common, flops):
    kh, kw = win.kernel
    packed = p.pack("pack_depthwise", w, x.blocks * BLOCK * kh * kw, x.blocks, (), c=x.c, taps=kh * kw)
    rows, row_tiles = p.row_split(y.h, y.n * y.blocks, y.w * BLOCK * kh * kw)
    p.emit("depthwise", y.n * y.blocks * row_tiles, flops=flops, x=x.ref(-win.pads[0], -win.pads[1]), w=packed, cb=x.blocks, kh=kh, kw=kw,
           dh=win.dilations[0], dw=win.dilations[1], sh=win.strides[0], sw=win.strides[1], row_tiles=row_tiles, rows=rows, **common)


def merge_of(shape, group: int) -> int:
    """How many neighbouring groups must be merged to fill whole blocks of input and output channels."""
    oc, icg, ocg = shape[0], shape[1], shape[0] // group
    return next((m for m in range(1, group + 1) if group % m == 0 and m * icg % BLOCK == 0 and m * ocg % BLOCK == 0), group)


def merged_size(shape, group: int) -> int:
    """Elements of the weights after merging."""
    return prod(shape) * merge_of(shape, group)


def merged_groups(w: np.ndarray, group: int) -> tuple[np.ndarray, int]:
    """Weights [oc][ic/group][kh][kw] with neighbouring groups merged (zeros between them) until they fill whole blocks."""
    oc, icg, kh, kw = w.shape
    ocg = oc // group
    merge = merge_of(w.shape, group)
    if merge == 1:
        return w, group
    dense = np.zeros((group // merge, merge, ocg, merge, icg, kh, kw), np.float32)
    source = w.reshape(group // merge, merge, ocg, icg, kh, kw)
    for i in range(merge):
        dense[:, i, :, i] = source[:, i]
    return dense.reshape(oc, merge * icg, kh, kw), group // merge


def merged(p, w, group):
    """`merged_groups`, made once a session."""
    key = "merged", id(w)
    if key not in p.packed:
        p.packed[key] = (*merged_groups(w, group), w)
    return p.packed[key][:2]


def packed_conv(p, w, groups, oc, ic, strides, taps, offset=0, key=()):
    """Weights for `conv`: [group][oc tile][block][kh][kw][channel][oc tile width]. strides : of (oc, ic, y, x) in w."""
    ob = -(-oc // BLOCK)
    so, si, sy, sx = strides
    width = p.table.conv_oc
    tiles = -(-ob * BLOCK // width)
    return p.pack("pack_conv", w, groups * ob * BLOCK * ic * taps[0] * taps[1], groups * tiles, (key, groups, oc, ic, taps),
                  offset, groups=groups, oc=oc, ic=ic, kh=taps[0], kw=taps[1], so=so, si=si, sy=sy, sx=sx, sg=so * oc)


def conv_split(p, n, groups, oh, ow, ob):
    """(rows, row_tiles, blocks, oc_tiles): a few tiles a thread; rows first, then channels."""
    wanted = -(-p.tiles_wanted() // (n * groups))
    if wanted == 1:
        return oh, 1, ob, 1
    row_tiles = max(1, min(wanted, oh, oh * ow // 56))
    rows = -(-oh // row_tiles)
    row_tiles = -(-oh // rows)
    step = max(1, p.table.conv_oc // BLOCK)            # blocks of a register tile
    oc_tiles = max(1, min(-(-wanted // row_tiles), ob // step or 1))
    blocks = -(-ob // oc_tiles)
    blocks = -(-blocks // step) * step
    return rows, row_tiles, blocks, -(-ob // blocks)


def lower_direct(p, choice, x, y, w, common, flops):
    win = choice.window
    w, groups = merged(p, w, choice.groups) if choice.groups > 1 else (w, 1)
    oc, ic = w.shape[0] // groups, w.shape[1]
    packed = packed_conv(p, w, groups, oc, ic, (ic * w.shape[2] * w.shape[3], w.shape[2] * w.shape[3], w.shape[3], 1), win.kernel)
    rows, row_tiles, blocks, oc_tiles = conv_split(p, y.n, groups, y.h, y.w, -(-oc // BLOCK))
    p.emit("conv", y.n * groups * row_tiles * oc_tiles, flops=flops, x=x.ref(-win.pads[0], -win.pads[1]), w=packed, groups=groups,
           ib=-(-ic // BLOCK), last=(ic - 1) % BLOCK + 1, ob=-(-oc // BLOCK), kh=win.kernel[0], kw=win.kernel[1], dh=win.dilations[0],
           dw=win.dilations[1], sh=win.strides[0], sw=win.strides[1], yp=BLOCK, row_tiles=row_tiles, rows=rows, oc_tiles=oc_tiles,
           blocks=blocks, **common)


def lower_stem(p, node, win, w, e, residual):
    """Few input channels: read from plain memory, padded there."""
    x = p.plain(node.inputs[0])
    s = x.strides if len(x.strides) == 4 else (x.strides[0], x.strides[1], 0, x.strides[2])
    n, c, ih, iw = nchw(x.shape)
    _, oc, oh, ow = nchw(p.spec(e.name).shape)
    pads = win.overhang(ih, iw, oh, ow)
    if any(pads):
        x, s = padded_copy(p, x, s, (n, c, ih, iw), pads)
    kh, kw = win.kernel
    taps = c * kh * kw
    offsets = (np.arange(c)[:, None, None] * s[1] + np.arange(kh)[:, None] * win.dilations[0] * s[2] + np.arange(kw) * win.dilations[1] * s[3])
    y = p.new_blocked(e.name)
    ob = y.blocks
    packed = p.pack("pack_stem", w, taps * ob * BLOCK, -(-ob * BLOCK // p.table.conv_oc), ("stem",), batch0=1, batch1=1, k=taps,
                    n=oc, sk=1, sn=taps)
    rows, row_tiles, blocks, oc_tiles = conv_split(p, n, 1, oh, ow, ob)
    p.emit("conv_stem", n * row_tiles * oc_tiles, flops=2 * n * oh * ow * w.size, x=x.ref(), w=packed,
           koff=p.array(offsets.reshape(-1).astype(np.int32)).ref(), k=taps, n=n, ob=ob, oh=oh, ow=ow, sh=win.strides[0], sw=win.strides[1],
           xn=s[0], xr=s[2], xp=s[3], row_tiles=row_tiles, rows=rows, oc_tiles=oc_tiles, blocks=blocks,
           **output_params(y, residual), **epilogue_params(p, e))


def padded_copy(p, x: Plain, s, shape, pads):
    """A copy of a plain picture within a frame of zeros, its channels kept where they are (planes or interleaved)."""
    n, c, h, w = shape
    t, left, b, r = pads
    hp, wp = h + t + b, w + left + r
    y = p.scratch((n, c, hp, wp))
    ys = (c * hp * wp, 1, wp * c, c) if s[1] == 1 and c > 1 else row_major(y.shape)
    for dims, at in (((n, c, t, wp), 0), ((n, c, b, wp), (hp - b) * ys[2]), ((n, c, h, left), t * ys[2]),
                     ((n, c, h, r), t * ys[2] + (wp - r) * ys[3])):
        if 0 not in dims:
            p.emit("fill", 1, beside=True, y=y.ref(at), dims=[1, 1, *dims], ys=[0, 0, *ys], value=0.0, outer=dims[0] * dims[1] * dims[2])
    p.map(shape, x.ref(), s, y.ref(t * ys[2] + left * ys[3]), ys)
    return y, ys


def lower_vector(p, node, w, e):
    """A 1x1 convolution of a single pixel: a matrix times a vector, weights read in place."""
    x = p.plain(node.inputs[0])
    n, ic = x.shape[:2]
    oc = w.shape[0]
    y = p.new_blocked(e.name)
    matrix_vector(p, x.ref(), x.strides[0], y.ref(), y.ns, n, oc, ic, w, (ic, 1), e)


def transpose_phases(win: Window, ih, iw, oh, ow):
    """A ConvTranspose as one convolution per phase of the stride: yields (py, px, rows, columns, taps_y, taps_x, top, left).

    Output row y takes input row i and kernel row k where y + pad = i * stride + k * dilation. Rows of one phase share their kernel
    rows; from the largest k down they read consecutive input rows (dilation 1). top: input rows before the picture that are read.
    """
    (kh, kw), (sh, sw), _, (t, left, _, _) = win.kernel, win.strides, win.dilations, win.pads
    for py in range(min(sh, oh)):
        for px in range(min(sw, ow)):
            ky, kx = list(range((py + t) % sh, kh, sh))[::-1], list(range((px + left) % sw, kw, sw))[::-1]
            yield (py, px, -(-(oh - py) // sh), -(-(ow - px) // sw), ky, kx, len(ky) - 1 - (py + t) // sh, len(kx) - 1 - (px + left) // sw)


def transposed(p: Planner, node):
    """(window, phases) of a ConvTranspose that the kernels can run, else None."""
    key = "transposed", id(node)
    if key in p.memo:
        return p.memo[key]
    x, w, y = p.spec(node.inputs[0]), p.spec(node.inputs[1]), p.spec(node.outputs[0])
    bias = node.inputs[2] if len(node.inputs) > 2 else ""
    result = None
    if spatial(p, node) and w.value is not None and node.attributes.get("group", 1) == 1 and not (bias and p.constant(bias) is None):
        win = transpose_window(node, w.shape[2:], x.shape, y.shape)
        _, _, ih, iw = nchw(x.shape)
        _, _, oh, ow = nchw(y.shape)
        if win.dilations == (1, 1) and min(win.pads) >= 0:
            result = win, list(transpose_phases(win, ih, iw, oh, ow))
    p.memo[key] = result
    return result


def transpose_window(node, kernel, x_shape, y_shape) -> Window:
    """The window of a ConvTranspose; with output_shape or auto_pad its pads follow from the output's size."""
    get, rank = node.attributes.get, len(x_shape) - 2
    strides, dilations = list(get("strides") or [1] * rank), list(get("dilations") or [1] * rank)
    pads, auto_pad = list(get("pads") or [0] * 2 * rank), get("auto_pad", "NOTSET")
    if get("output_shape") or auto_pad in ("SAME_UPPER", "SAME_LOWER"):
        extra = get("output_padding") or [0] * rank
        for i in range(rank):
            total = (x_shape[2 + i] - 1) * strides[i] + extra[i] + (kernel[i] - 1) * dilations[i] + 1 - y_shape[2 + i]
            small, large = total // 2, total - total // 2
            pads[i], pads[rank + i] = (small, large) if auto_pad == "SAME_UPPER" else (large, small)
    elif auto_pad == "VALID":
        pads = [0] * 2 * rank
    if rank == 1:
        return Window((1, kernel[0]), (1, strides[0]), (1, dilations[0]), (0, pads[0], 0, pads[1]))
    return Window(tuple(kernel), tuple(strides), tuple(dilations), tuple(pads))


def transpose_halo(p: Planner, node):
    found = transposed(p, node)
    if found is None:
        return None
    _, _, ih, iw = nchw(p.spec(node.inputs[0]).shape)
    halo = NO_HALO
    for _, _, rows, columns, ky, kx, top, left in found[1]:
        need = (top, left, rows - 1 + len(ky) - top - ih, columns - 1 + len(kx) - left - iw)
        halo = tuple(max(0, a, b) for a, b in zip(halo, need))
    return {node.inputs[0]: halo}


def lower_transpose(p: Planner, node) -> None:
    """One convolution per phase of the stride, all in one step; each writes every stride-th pixel."""
    found = transposed(p, node)
    if found is None or any(not ky or not kx for _, _, _, _, ky, kx, _, _ in found[1]):
        raise Declined
    win, phases = found
    w = p.constant(node.inputs[1])
    ic, oc = w.shape[:2]
    e = epilogue(p, node.outputs[0], bias_of(p, node, oc))
    x = p.blocked(node.inputs[0])
    y = p.new_blocked(e.name)
    w = w.reshape(ic, oc, *win.kernel)
    kh, kw = win.kernel
    sh, sw = win.strides
    common = dict(n=y.n, groups=1, ib=x.blocks, last=(ic - 1) % BLOCK + 1, ob=y.blocks, dh=1, dw=1, sh=1, sw=1, xn=x.ns, xb=x.bs, xr=x.rs,
                  yn=y.ns, yb=y.bs, yr=y.rs * sh, yp=BLOCK * sw, **epilogue_params(p, e))
    for i, (py, px, rows, columns, ky, kx, top, left) in enumerate(phases):
        # kernel rows stand from the largest down: negative strides into the weights
        packed = packed_conv(p, w, 1, oc, ic, (kh * kw, oc * kh * kw, -sh * kw, -sw), (len(ky), len(kx)), ky[0] * kw + kx[0], ("phase", py, px))
        r, row_tiles, blocks, oc_tiles = conv_split(p, y.n, 1, rows, columns, y.blocks)
        p.emit("conv", y.n * row_tiles * oc_tiles, beside=i < len(phases) - 1, flops=2 * y.n * x.h * x.w * w.size, x=x.ref(-top, -left),
               y=y.ref(py, px), w=packed, kh=len(ky), kw=len(kx), oh=rows, ow=columns, row_tiles=row_tiles, rows=r, oc_tiles=oc_tiles,
               blocks=blocks, **common)


RULES = {
    "Conv": Rule(lower_conv, lambda p, node: choose(p, node) is not None, conv_halo),
    "ConvTranspose": Rule(lower_transpose, lambda p, node: transposed(p, node) is not None, transpose_halo),
}

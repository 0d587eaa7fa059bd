"""Padding goes into the convolution or pooling after it."""
from __future__ import annotations

import numpy as np

from ..model.graph import Graph, Node
from ..ops import registry
from ..ops.families import OWN_DOMAIN
from .pattern import Rewriter, has, rewrite


@rewrite
def fuse_pad(graph: Graph, at: Rewriter) -> bool:
    """Pad -> Conv|QLinearConv|AveragePool|MaxPool   becomes   Conv|QLinearConv|AveragePool|MaxPool(pads=...)

    Guards: mode is 'constant', the pads are constants, none is negative or on the axes of batch and channels;
    the reader has auto_pad NOTSET or VALID.
    Conv: the value is 0, of QLinearConv the zero point. AveragePool: the value is 0, and it counts padding or has
    none yet: it counts it then. MaxPool: the value is -inf, or 0 where the input cannot be negative, since padding
    never wins there;
    Indices are not asked for. Both pools: ceil_mode and dilations are off and the pads smaller than the
    kernel, so that each window has an element.
    Pad may have other readers; it stays for them.
    """
    changed = False
    for pad in at.of("Pad"):
        spatial = spatial_pads(pad, at)
        if spatial is None or pad.attributes.get("mode", "constant") != "constant":
            continue
        value = pad_value(pad, at)
        for reader in dict.fromkeys(at.readers.get(pad.outputs[0], ())):
            first = reader.inputs[:1] == pad.outputs and reader.domain in ("", OWN_DOMAIN)
            if first and _takes(reader, pad, value, spatial, at):
                _pad(reader, spatial)
                at.set_inputs(reader, [pad.inputs[0], *reader.inputs[1:]])
                changed = True
    return changed


def spatial_pads(pad: Node, at: Rewriter) -> list[int] | None:
    """begin and end of each spatial axis: [begin..., end...]; None where they are not known, negative or others."""
    pads = whole_pads(pad, at)
    rank = len(pads or ()) // 2
    if rank < 3 or any(pads[:2]) or any(pads[rank:rank + 2]):
        return None
    return pads[2:rank] + pads[rank + 2:]


def whole_pads(pad: Node, at: Rewriter) -> list[int] | None:
    """begin and end of each axis: [begin..., end...]; None where they are not known, or negative."""
    pads = at.ints(pad, "paddings" if pad.opset < 2 else "pads", 1, 11)
    if not pads or min(pads) < 0:
        return None
    if has(pad, 3):                                     # axes, since opset 18
        axes, rank = at.integers(pad.inputs[3]), at.rank(pad.inputs[0])
        if axes is None or rank is None or 2 * len(axes) != len(pads):
            return None
        full = [0] * (2 * rank)
        for i, axis in enumerate(axes):
            if not -rank <= axis < rank:
                return None
            full[axis % rank], full[axis % rank + rank] = pads[i], pads[i + len(axes)]
        pads = full
    return pads


def pad_value(pad: Node, at: Rewriter) -> float | None:
    """What is padded with; None when that is known only at the run."""
    if pad.opset < 11:
        return float(pad.attributes.get("value", 0.0))
    if not has(pad, 2):
        return 0.0
    array = at.array(pad.inputs[2])
    return None if array is None or array.size != 1 else float(array.item())


def _takes(reader: Node, pad: Node, value: float | None, pads: list[int], at: Rewriter) -> bool:
    """May the reader do the padding itself?"""
    get = reader.attributes.get
    own = _own_pads(reader, len(pads))
    if get("auto_pad", "NOTSET") not in ("NOTSET", "VALID") or len(own) != len(pads):
        return False
    if reader.op_type == "Conv":
        return value == 0.0
    if reader.op_type == "QLinearConv":
        zero = at.array(reader.inputs[2])
        return zero is not None and value == zero.item()
    if reader.op_type not in ("AveragePool", "MaxPool"):
        return False
    if get("ceil_mode", 0) or any(d != 1 for d in get("dilations", ())):
        return False
    kernel = get("kernel_shape", ())
    if not all(a + b < k for a, b, k in zip(own, pads, [*kernel, *kernel])):
        return False
    if reader.op_type == "AveragePool":
        return value == 0.0 and reader.opset >= 7 and (bool(get("count_include_pad", 0)) or not any(own))
    return not any(map(at.is_needed, reader.outputs[1:])) and (
        value == -np.inf or (value == 0.0 and _is_not_negative(pad.inputs[0], at)))


def _own_pads(reader: Node, count: int) -> list[int]:
    return reader.attributes.get("pads") or [0] * count


def _is_not_negative(name: str, at: Rewriter) -> bool:
    dtype, maker = at.dtype(name), at.makers.get(name)
    if dtype is not None and dtype.kind == "u":
        return True
    if maker is not None and registry.traits(maker).not_negative:
        return True
    clip = at.maker(name, "Clip")
    if clip is None:
        return False
    if clip.opset < 11:
        return clip.attributes.get("min", -1.0) >= 0
    low = at.array(clip.inputs[1]) if has(clip, 1) else None
    return low is not None and low.size == 1 and low.item() >= 0


def _pad(reader: Node, pads: list[int]) -> None:
    total = [a + b for a, b in zip(_own_pads(reader, len(pads)), pads)]
    reader.attributes = {**reader.attributes, "auto_pad": "NOTSET", "pads": total}
    if reader.op_type == "AveragePool":
        reader.attributes["count_include_pad"] = 1

"""A Conv as its algorithms want to know it, whatever the sizes, and what all that write blocks are told of
their output."""
from __future__ import annotations

import numpy as np

from ..candidate import BLOCKED, Candidate
from ..epilogue import Group, epilogue_params
from ..store import Fixed
from .window import Window, window


class Conv:
    """group : the nodes; groups : of channels; w : the constant weights [oc][ic/groups][*kernel]"""
    __slots__ = ("group", "groups", "w")

    def __init__(self, group: Group, groups: int, w: np.ndarray):
        self.group, self.groups, self.w = group, groups, w

    @property
    def x(self) -> str:
        return self.group.node.inputs[0]

    @property
    def w_name(self) -> str:
        return self.group.node.inputs[1]

    def window(self, values) -> Window:
        """Its windows. values : Values or Emitter"""
        return window(self.group.node, values, self.w.shape[2:])

    def overhang(self, values) -> tuple[int, int, int, int]:
        """How far they reach beyond the picture."""
        return self.window(values).overhang()

    def flops(self, y) -> int:
        """y : the blocked output"""
        return 2 * y.n * y.h * y.w * self.w.size


def blocked_candidate(conv: Conv, emit, *, reads=None, halo: bool = True, cost_ns=None) -> Candidate:
    """The candidate whose emit(out, conv) writes blocks.

    reads : how it reads its input, in blocks by default; halo : whether it reads as far as its windows reach
    """
    residual = conv.group.epilogue.residual
    frame = (conv.x, conv.overhang, 0) if halo and reads is None else None
    reads = reads or ((conv.x, BLOCKED),)
    if residual:
        reads = (*reads, (residual, BLOCKED))
    return Candidate(lambda out: emit(out, conv), reads, BLOCKED, halo=frame, cost_ns=cost_ns)


def has_known_bias(node, values) -> bool:
    """Whether the bias of a Conv or ConvTranspose is a constant or absent."""
    return len(node.inputs) < 3 or not node.inputs[2] or values.constant(node.inputs[2]) is not None


def bias_ref(out, node, channels: int):
    """The bias as the kernels read it."""
    has_bias = len(node.inputs) > 2 and node.inputs[2]
    return out.vector(node.inputs[2]) if has_bias else out.store.zeros(channels)


def fixed(out, kernel: str, conv: Conv, key: tuple, make) -> Fixed:
    """What does not depend on sizes of the parameters of a kernel that writes blocks.

    key : what make() reads beside weights and windows; make : function that gives the parameters
    """
    node, e = conv.group.node, conv.group.epilogue
    constants = (conv.w, *(out.constant(name) for name in (*node.inputs[2:3], e.unary.slope) if name))
    return out.store.fixed(kernel, (node, e.unary.key(), *key), constants, lambda: dict(
        make(), **epilogue_params(out, e, bias_ref(out, node, conv.w.shape[0]))))


def output_params(out, conv: Conv, y, row=0, column=0, sizes=None) -> dict:
    """Output, residual and how many pixels, of what writes blocks. y : the blocked output; row, column, sizes :
    of a part of it, if not all"""
    e, (oh, ow) = conv.group.epilogue, sizes or (y.h, y.w)
    params = dict(n=y.n, oh=oh, ow=ow, y=y.ref(row, column), yn=y.ns, yb=y.bs, yr=y.rs)
    if conv.w.ndim == 5:
        params |= conv.window(out).depth.params()
    if e.residual:
        residual = out.blocked(e.residual)
        params |= dict(res=residual.ref(row, column), rn=residual.ns, rb=residual.bs, rr=residual.rs)
    return params

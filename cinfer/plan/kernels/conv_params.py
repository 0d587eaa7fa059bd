"""A Conv as its algorithms want to know it, and what all that write blocks are told of their output."""
from __future__ import annotations

import numpy as np

from ..candidate import BLOCKED, Candidate
from ..epilogue import Group, epilogue_params
from ..store import Fixed
from .window import Window


class Conv:
    """group : the nodes; win : its windows; groups : of channels

    w : the constant weights [oc][ic/groups][*kernel], called `w_name`
    x_shape, y_shape : (n, c, h, w)
    """
    __slots__ = ("group", "win", "groups", "w", "w_name", "x_shape", "y_shape")

    def __init__(self, group: Group, win: Window, groups: int, w: np.ndarray, w_name: str, x_shape, y_shape):
        self.group, self.win, self.groups, self.w, self.w_name = group, win, groups, w, w_name
        self.x_shape, self.y_shape = x_shape, y_shape

    @property
    def x(self) -> str:
        return self.group.node.inputs[0]

    @property
    def flops(self) -> int:
        n, _, oh, ow = self.y_shape
        return 2 * n * oh * ow * self.w.size


def in_blocks(conv: Conv, emit, *, reads=None, halo: bool = True, cost_ns: float = 0.0) -> Candidate:
    """The candidate whose emit(out, conv) writes blocks.

    reads : how it reads its input, in blocks by default; halo : whether it reads as far as its windows reach
    """
    residual = conv.group.epilogue.residual
    frame = ((conv.x, conv.win.overhang()),) if halo and reads is None else ()
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
        make(), **epilogue_params(out, e, bias_ref(out, node, conv.y_shape[1]))))


def output_params(out, conv: Conv) -> dict:
    """Output and residual of what writes blocks."""
    e = conv.group.epilogue
    y = out.output(e.name)
    params = dict(n=y.n, oh=y.h, ow=y.w, y=y.ref(), yn=y.ns, yb=y.bs, yr=y.rs)
    if e.residual:
        residual = out.blocked(e.residual)
        params |= dict(res=residual.ref(), rn=residual.ns, rb=residual.bs, rr=residual.rs)
    return params

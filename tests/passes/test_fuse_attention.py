"""Attention that is spelled out becomes FusedAttention."""
import numpy as np
import pytest

from cinfer.passes.fold_product_scale import fold_product_scale
from cinfer.passes.fuse_attention import fuse_attention

from handmade import Builder, ops, rewritten


def spelled(b, scale=0.25, mask=None, axis=-1, dtype=np.float32, rank=4, opset=17):
    lead = (2, 3, 2)[-(rank - 2):] if rank > 2 else ()
    q, k, v = (b.input(name, *lead, *shape, dtype=dtype) for name, shape in
               (("q", (4, 8)), ("k", (8, 5)), ("v", (5, 6))))
    scores = b.MatMul(q, k)
    if scale is not None:
        scores = b.Div(scores, dtype(1 / scale))
    if mask is not None:
        scores = b.Add(mask, scores)
    p = b.Softmax(scores, axis=axis, opset=opset)
    return q, k, v, scores, p, b.MatMul(p, v)


@pytest.mark.parametrize("scale", [None, 0.25])
@pytest.mark.parametrize("mask", [None, (3, 2, 4, 5), (1, 1, 5), (5,), (4, 1), (1, 2, 4, 5)], ids=str)
@pytest.mark.parametrize("axis, opset", [(-1, 17), (3, 17), (3, 11)])
def test_before_and_after(scale, mask, axis, opset):
    b = Builder()
    name = None if mask is None else b.input("mask", *mask)
    *_, y = spelled(b, scale, name, axis, opset=opset)
    after = rewritten(b.output(y), fold_product_scale, fuse_attention)
    assert ops(after) == ["FusedAttention"]
    assert after.nodes[0].attributes["alpha"] == (scale or 1.0)
    assert len(after.nodes[0].inputs) == 3 + (mask is not None)


def test_matrices():
    b = Builder()
    *_, y = spelled(b, rank=2)
    assert ops(rewritten(b.output(y), fold_product_scale, fuse_attention)) == ["FusedAttention"]


@pytest.mark.parametrize("case", ["scores are an output", "weights are an output", "scores are read", "float64",
                                  "another axis", "another axis by default", "5 axes", "a mask of more axes",
                                  "k is a constant", "v is a constant", "v is the weights"])
def test_stays(case):
    b = Builder()
    how = {"float64": dict(dtype=np.float64), "another axis": dict(axis=-2), "5 axes": dict(rank=5),
           "another axis by default": dict(axis=1, opset=11)}.get(case, {})
    if case == "a mask of more axes":
        how = dict(mask=b.input("mask", 1, 1, 1, 4, 5))
    q, k, v, scores, p, y = spelled(b, **how)
    outputs = [y]
    if case == "scores are an output":
        outputs.append(scores)
    elif case == "weights are an output":
        outputs.append(p)
    elif case == "scores are read":
        outputs.append(b.Relu(scores))
    elif case in ("k is a constant", "v is a constant"):
        name = {"k": k, "v": v}[case[0]]
        shape = b.graph.inputs.pop(name).shape
        b.graph.constants[name] = np.ones(shape, np.float32)
    elif case == "v is the weights":
        outputs = [b.MatMul(p, p)]
    graph = b.output(*outputs)
    fold_product_scale(graph)
    fuse_attention(graph)
    assert "FusedAttention" not in ops(graph)

#!/usr/bin/env python3
"""Convolutions and matrix products on one core: GFLOP/s, and the share of what multiply-adds alone reach.

    python tools/bench_kernels.py [--isa avx512] [--only 3x3]

Each layer is a model of one Conv node, its channels read from blocked memory. Times are CPU time, best of
many, the limit is measured meanwhile (clocks change). x: Winograd over direct. Matrix products are gemm
kernels called directly.
"""
import argparse
import time

import numpy as np

import cinfer
from cinfer import _ops
from cinfer.model.graph import Graph, Node, TensorType
from cinfer.ops.facts import Fact
from cinfer.plan.kernels import conv_few, conv_winograd, conv_winograd_u8
from cinfer.plan.plan import make_plan
from cinfer.plan.store import Store
from cinfer.run.routine import Routine

# ic, oc, size, kernel, stride
LAYERS = [
    (64, 64, 56, 1, 1), (256, 64, 56, 1, 1), (64, 256, 56, 1, 1), (512, 128, 28, 1, 1),
    (128, 512, 28, 1, 1), (1024, 256, 14, 1, 1), (256, 1024, 14, 1, 1), (2048, 512, 7, 1, 1),
    (512, 2048, 7, 1, 1), (256, 512, 56, 1, 2), (64, 64, 56, 3, 1), (128, 128, 28, 3, 1),
    (256, 256, 14, 3, 1), (512, 512, 7, 3, 1), (128, 128, 56, 3, 2), (256, 256, 28, 3, 2),
    (512, 512, 14, 3, 2), (64, 64, 224, 3, 1), (256, 256, 56, 3, 1), (512, 512, 28, 3, 1),
    (16, 96, 112, 1, 1), (144, 24, 56, 1, 1), (96, 576, 14, 1, 1), (960, 160, 7, 1, 1)]
MATRICES = [(197, 768, 768), (197, 768, 3072), (197, 3072, 768), (49, 1024, 1024),
            (196, 1024, 4096)]      # m, k, n


def timed(table, flops, run):
    """(best CPU time of a call of run, flops a second of multiply-adds alone), in turns."""
    inner, best, limit = max(1, int(4e8 / flops)), 1e9, 0
    for _ in range(12):
        limit = max(limit, table.peak_flops())
        start = time.process_time()
        for _ in range(inner):
            run()
        best = min(best, (time.process_time() - start) / inner)
    return best, limit


def matrix(table, m, k, n):
    """`timed` of a gemm kernel."""
    executor, rng = _ops.executor(), np.random.default_rng(0)
    memories = [executor.Memory(4 * size) for size in (m * k, k * (n + 15), n + 15, m * n)]
    for memory in memories:
        values = np.frombuffer(memory, np.float32)
        values[...] = rng.standard_normal(values.size, dtype=np.float32) / np.float32(np.sqrt(k))
    a, w, bias, y = ((0, memory.address) for memory in memories)
    params = table.pack("gemm", a=a, w=w, bias=bias, y=y, batch0=1, batch1=1, m=m, n=n, k=k, lda=k, ldy=n,
                        scale=1.0, row_tiles=1, rows=m, col_tiles=1, cols=n)
    program = executor.Program(table, [[("gemm", params, 1)]], 0)
    workspace = program.workspace(1)
    return timed(table, 2 * m * k * n, lambda: program.run(workspace, [], 1))


def layer_graph(layer, dtype):
    """One convolution of a picture of floats or bytes."""
    ic, oc, size, k, stride = layer
    rng = np.random.default_rng(0)
    geometry = {"strides": [stride] * 2, "pads": [k // 2] * 4}
    if dtype == np.float32:
        nodes = [Node("MaxPool", ["x"], ["b"], {"kernel_shape": [1, 1]}, opset=13),
                 Node("Conv", ["b", "w"], ["y"], geometry, opset=13)]
        constants = {"w": rng.standard_normal((oc, ic, k, k), dtype=np.float32) / np.float32(np.sqrt(ic * k * k))}
    else:
        constants = {"xs": np.float32(1), "xz": np.uint8(113), "w": rng.integers(-127, 128, (oc, ic, k, k), np.int8),
                     "ws": np.float32(1), "wz": np.int8(0), "ys": np.float32(128 * np.sqrt(ic * k * k)),
                     "yz": np.uint8(128)}
        constants = {name: np.asarray(value) for name, value in constants.items()}
        nodes = [Node("QLinearConv", ["x", *constants], ["y"], geometry, opset=13)]
    return Graph("layer", nodes, {"x": TensorType(dtype, (1, ic, size, size))}, {"y": TensorType(dtype)}, constants)


def convolution(table, layer, way, dtype=np.dtype(np.float32)):
    """`timed` of the convolution's step alone, and its flops. way : direct, few, winograd4 or winograd2; dtype :
    float32 or uint8"""
    shape = (1, layer[0], *2 * layer[2:3])
    graph, bytes_ = layer_graph(layer, dtype), dtype != np.float32
    costs = conv_winograd_u8 if bytes_ else conv_winograd
    kept = costs.direct_cost, costs.winograd_cost, conv_few.pays
    costs.direct_cost = lambda *_: float(way != "direct")
    costs.winograd_cost = lambda m, *_: float(way != f"winograd{m}")
    conv_few.pays = lambda *_: way == "few"
    try:
        plan = make_plan(table, graph, {"x": Fact(dtype, shape)}, ("y",), 1, Store(table, 1))
    finally:
        costs.direct_cost, costs.winograd_cost, conv_few.pays = kept
    routine = Routine(table, plan)
    at = next(i for i, step in enumerate(plan.steps) if step.flops)
    if plan.steps[at].label != {"direct": "conv", "few": "conv_few"}.get(way, "winograd") + "_u8" * bytes_:
        raise SystemExit(f"the planner chose {plan.steps[at].label} where {way} was asked for")
    flops, workspace = plan.steps[at].flops, routine.program.workspace(1)
    x, y = np.ones(shape, dtype), np.empty(plan.outputs[0][1], dtype)
    addresses = [x.ctypes.data, y.ctypes.data]
    routine.program.run(workspace, addresses, 1)
    best, limit = timed(table, flops, lambda: routine.program.run(workspace, addresses, 1, at, at + 1))
    return best, limit, flops


def line(name, best, limit, flops):
    return f"  {name:24s} {1e6 * best:9.1f} us {flops / best / 1e9:6.1f} GFLOP/s {flops / best / limit:6.1%}"


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--isa", action="append", choices=_ops.usable_levels(),
                        help="level (default: all but baseline)")
    parser.add_argument("--only", default="", help="layers whose name contains this")
    arguments = parser.parse_args()
    for isa in arguments.isa or [level for level in _ops.usable_levels() if level != "baseline"]:
        table = _ops.table(isa)
        print(f"{isa}: limit {table.peak_flops() / 1e9:.0f} GFLOP/s a core (cinfer {cinfer.__version__})")
        for layer in LAYERS:
            ic, oc, size, k, stride = layer
            name = f"{k}x{k}{' s2' if stride == 2 else ''} {ic}>{oc} @{size}"
            if arguments.only not in name:
                continue
            direct, limit, flops = convolution(table, layer, "direct")
            text = line(name, direct, limit, flops)
            if k == 3 and stride == 1:
                fast = min(convolution(table, layer, way)[0] for way in ("winograd4", "winograd2"))
                text += f"   winograd {1e6 * fast:9.1f} us  x{direct / fast:.2f}"
            print(text, flush=True)
        for m, k, n in MATRICES:
            if arguments.only in (name := f"gemm {m} x {k} x {n}"):
                print(line(name, *matrix(table, m, k, n), 2 * m * k * n), flush=True)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Convolution layers on one core: GFLOP/s, and the share of what multiply-adds alone reach in the same run.

    python tools/bench_kernels.py [--isa avx512] [--only 3x3]

Each layer is a model of one Conv node, its channels read from blocked memory; `direct` and `winograd` are timed by CPU time, best of
many; x: Winograd over direct.
"""
import argparse
import time

import numpy as np

import cinfer
from cinfer import _ops
from cinfer.model.graph import Graph, Node, TensorType
from cinfer.ops.registry import TensorSpec
from cinfer.plan import lower_conv
from cinfer.plan.plan import make_plan

# ic, oc, size, kernel, stride
LAYERS = [(64, 64, 56, 1, 1), (256, 64, 56, 1, 1), (64, 256, 56, 1, 1), (512, 128, 28, 1, 1), (128, 512, 28, 1, 1), (1024, 256, 14, 1, 1),
          (256, 1024, 14, 1, 1), (2048, 512, 7, 1, 1), (512, 2048, 7, 1, 1), (256, 512, 56, 1, 2), (64, 64, 56, 3, 1), (128, 128, 28, 3, 1),
          (256, 256, 14, 3, 1), (512, 512, 7, 3, 1), (128, 128, 56, 3, 2), (256, 256, 28, 3, 2), (512, 512, 14, 3, 2), (64, 64, 224, 3, 1),
          (256, 256, 56, 3, 1), (512, 512, 28, 3, 1), (16, 96, 112, 1, 1), (144, 24, 56, 1, 1), (96, 576, 14, 1, 1), (960, 160, 7, 1, 1)]


def seconds(table, layer, way):
    """Best CPU time of the convolution's step alone."""
    ic, oc, size, k, stride = layer
    rng = np.random.default_rng(0)
    weights = rng.standard_normal((oc, ic, k, k), dtype=np.float32) / np.float32(np.sqrt(ic * k * k))
    f32 = np.dtype(np.float32)
    graph = Graph("layer", [Node("MaxPool", ["x"], ["b"], {"kernel_shape": [1, 1]}, opset=13),
                            Node("Conv", ["b", "w"], ["y"], {"strides": [stride] * 2, "pads": [k // 2] * 4}, opset=13)],
                  {"x": TensorType(f32, (1, ic, size, size))}, {"y": TensorType(f32)}, {"w": weights})
    chosen = lower_conv.winograd_or_direct
    lower_conv.winograd_or_direct = lambda *_: way
    try:
        plan = make_plan(table, graph, {"x": TensorSpec(f32, (1, ic, size, size))}, ("y",), 1, {})
    finally:
        lower_conv.winograd_or_direct = chosen
    at = next(i for i, step in enumerate(plan.steps) if step.flops)
    flops, workspace = plan.steps[at].flops, plan.program.workspace(1)
    x, y = np.ones((1, ic, size, size), np.float32), np.empty(plan.outputs[0][1], np.float32)
    addresses = [x.ctypes.data, y.ctypes.data]
    plan.program.run(workspace, addresses, 1)
    inner, best = max(1, int(4e8 / flops)), 1e9
    for _ in range(12):
        start = time.process_time()
        for _ in range(inner):
            plan.program.run(workspace, addresses, 1, at, at + 1)
        best = min(best, (time.process_time() - start) / inner)
    return best, flops


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--isa", action="append", choices=_ops.usable_levels(), help="level (default: all but baseline)")
    parser.add_argument("--only", default="", help="layers whose name contains this")
    arguments = parser.parse_args()
    for isa in arguments.isa or [level for level in _ops.usable_levels() if level != "baseline"]:
        table = _ops.table(isa)
        limit = table.peak_flops()
        print(f"{isa}: limit {limit / 1e9:.0f} GFLOP/s a core (cinfer {cinfer.__version__})")
        for layer in LAYERS:
            ic, oc, size, k, stride = layer
            name = f"{k}x{k}{' s2' if stride == 2 else ''} {ic}>{oc} @{size}"
            if arguments.only not in name:
                continue
            direct, flops = seconds(table, layer, "direct")
            limit = max(limit, table.peak_flops())
            line = f"  {name:22s} direct {1e6 * direct:9.1f} us {flops / direct / 1e9:6.1f} GFLOP/s {flops / direct / limit:6.1%}"
            if k == 3 and stride == 1:
                fast = min(seconds(table, layer, way)[0] for way in ("winograd4", "winograd2"))
                line += f"   winograd {1e6 * fast:9.1f} us  x{direct / fast:.2f}"
            print(line, flush=True)


if __name__ == "__main__":
    main()

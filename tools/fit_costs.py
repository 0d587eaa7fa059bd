#!/usr/bin/env python3
"""Fits the cost constants of the planner to this machine, and says what choosing by them loses.

    python tools/fit_costs.py [--isa avx2]

Each layer is timed both ways (bench_kernels.py), one thread, and the formulas of plan/kernels/conv_winograd.py,
conv_winograd_u8.py and conv_few.py are fitted to the times by least squares of the relative error.
Costs are in multiply-adds of `conv`, or `conv_u8`, so the constants of two machines of one instruction set should
be alike; where they are not, enter a compromise.
"""
import argparse

import numpy as np

import cinfer
from cinfer import _ops
from cinfer.plan.kernels import conv_few, conv_winograd, conv_winograd_u8
from cinfer.plan.views import BLOCK, round_up

from bench_kernels import convolution

# ic, oc, size, kernel of layers that go both ways
WINOGRAD = [(c, c, s, 3) for c, s in (
    (16, 112), (32, 56), (64, 56), (128, 28), (256, 28), (64, 14), (256, 14))]
WEIGHTS = [(256, 512, 7, 3), (512, 512, 7, 3), (512, 512, 4, 3)]        # weights take longer than products
FEW = [(ic, oc, 56, k) for k in (1, 3) for ic in (8, 16, 32, 64) for oc in (1, 2, 4, 8, 12)]


def fitted(rows, times) -> np.ndarray:
    """Coefficients c with rows @ c near times, by relative error."""
    rows, times = np.asarray(rows, float), np.asarray(times, float)
    return np.linalg.lstsq(rows / times[:, None], np.ones(len(times)), rcond=None)[0]


def winograd(table, now, dtype) -> list[str]:
    """now : the module of the formulas; dtype : of pictures"""
    direct, products, times = {}, [], []
    for layer in WINOGRAD + WEIGHTS:
        direct[layer] = convolution(table, (*layer, 1), "direct", dtype)[0]
    unit = fitted([[9 * ic * round_up(oc) * s * s] for ic, oc, s, _ in WINOGRAD],
                  [direct[x] for x in WINOGRAD])[0]
    for ic, oc, size, k in WINOGRAD:
        patches = (-(-size // 4)) ** 2
        products.append([36 * ic * round_up(oc) * patches, 36 * patches * (round_up(ic) + round_up(oc))])
        times.append(convolution(table, (ic, oc, size, k, 1), "winograd4", dtype)[0])
    product, transform = fitted(products, times) / unit
    four = [convolution(table, (*layer, 1), "winograd4", dtype)[0] for layer in WEIGHTS]
    left = [t / unit - transform * 36 * (-(-s // 4)) ** 2 * (round_up(ic) + round_up(oc))
            for t, (ic, oc, s, _) in zip(four, WEIGHTS)]
    weight = fitted([[36 * ic * round_up(oc)] for ic, oc, _, _ in WEIGHTS], left)[0]
    return [line("PRODUCT_COST", product, now.PRODUCT_COST),
            line("TRANSFORM_COST", transform, now.TRANSFORM_COST),
            line("WEIGHT_COST", weight, now.WEIGHT_COST),
            f"  MULTIPLY_ADD_NS        {1e9 * unit:8.4f}"]


def few(table) -> list[str]:
    vectors = BLOCK // table.vw
    rows, costs, direct, few = [], [], [], []
    for ic, oc, size, k in FEW:
        whole, last = divmod(ic, BLOCK)
        taps, pixels = k * k, size * size
        rows.append([vectors * ic * taps, 1])
        costs.append([oc * (whole * vectors + -(-last // table.vw)) * taps, oc])
        for found, way in ((direct, "direct"), (few, "few")):
            found.append(convolution(table, (ic, oc, size, k, 1), way)[0] / pixels)
    unit, block = fitted(rows, direct)
    vector, lanes = fitted(costs, few)
    chosen = [d if rows[i] @ np.array([unit, block]) < costs[i] @ np.array([vector, lanes]) else f
              for i, (d, f) in enumerate(zip(direct, few))]
    lost = np.array(chosen) / np.minimum(direct, few) - 1
    return [line("VECTOR_COST", vector / unit, conv_few.VECTOR_COST),
            line("LANES_COST", lanes / unit, conv_few.LANES_COST),
            line("BLOCK_COST", block / unit, conv_few.BLOCK_COST),
            f"  choosing by these loses {lost.mean():.1%} on average, {lost.max():.1%} at most"]


def line(name: str, found: float, now: float) -> str:
    return f"  {name:22s} {found:8.2f}   now {now}"


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--isa", action="append", choices=_ops.usable_levels(), help="level (default: all)")
    for isa in parser.parse_args().isa or _ops.usable_levels():
        table = _ops.table(isa)
        print(f"{isa} (cinfer {cinfer.__version__})")
        print(*winograd(table, conv_winograd, np.dtype(np.float32)), *few(table), " bytes",
              *winograd(table, conv_winograd_u8, np.dtype(np.uint8)), sep="\n", flush=True)


if __name__ == "__main__":
    main()

"""Scales by which engines that compute in another order give the same bytes.

A number halfway between two steps goes to either if the floats it was computed in were rounded before. Nothing is
rounded where scales have so few bits that products of them and of whole numbers fit into the 24 of a float.

Sums have such scales, but for those with slopes behind, which are computed in one order everywhere: all that are added,
and what they make, differ by powers of two. Halves are many then, and some engines add the zero point before they round
to even, others behind: so it is even itself. The scales of what tables make are such that no entry lies near a half,
those of products such that both orders give the same.

Layers have them if that is asked for (`is_exact`): scales of activations are powers of two, those of weights have as
many bits as sums leave (weights.py). Else a layer is exact in engines that compute it in integers, but not in those
that run DequantizeLinear and Conv one after the other.
"""
from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from math import ceil, log2

import numpy as np

from .observe import Function
from .ranges import STEPS, Scale
from .units import SUMS, Network, Unit

BITS = 10                           # of a scale, so that sums of two numbers by powers of two of it are exact
CUT = 1.05                          # how much narrower a range may become
BASES = [round(2 ** (i / 16) * 2 ** BITS) / 2 ** BITS for i in range(16)]
NEAR = 1e-4                         # of a step: functions of different engines differ by some 1e-7 of 255 steps
WIDER = [1 + i / 512 for i in range(16)]            # than a scale with such halves


def settled(network: Network, units: Iterable[Unit], found: Mapping[str, Scale], is_exact: bool) -> dict[str, Scale]:
    """Other scales, near those that were found. is_exact : of layers too"""
    group = {scale: {scale} for scale in found.values()}
    evened = set()
    for unit in units:
        if unit.kind != "join" or unit.node.op_type == "Concat" or unit.has_slopes:
            continue
        known = [found[name] for name in (*unit.inputs, *unit.outputs) if name in found]
        evened.update(found[name] for name in unit.outputs if name in found)
        if unit.node.op_type in SUMS:
            merged = set().union(*(group[scale] for scale in known))
            group |= dict.fromkeys(merged, merged)
    bases: dict[int, float] = {}
    other: dict[Scale, Scale] = {}
    for scale, members in group.items():
        step = float(scale.step) * (STEPS / (STEPS - 1) if scale in evened else 1.0)    # room for an even zero point
        if is_exact:
            step = power(step, 1.0)
        elif len(members) > 1:
            if id(members) not in bases:
                bases[id(members)] = best_base([float(each.step) for each in members])
            step = power(step, bases[id(members)])
        other[scale] = Scale(np.float32(step), even(scale) if scale in evened else scale.zero, scale.dtype)
    if not is_exact:
        keep_from_halves(network, units, found, other, {scale for scale in other if len(group[scale]) == 1})
    return {name: other[scale] for name, scale in found.items()}


def power(step: float, base: float) -> float:
    """The least power of two times the base that is as wide as the step, but for CUT."""
    return base * 2.0 ** ceil(log2(step / base / CUT))


def best_base(steps: list[float]) -> float:
    """The one that leaves the steps of values that are added most alike: noise grows with their squares."""
    return min(BASES, key=lambda base: sum((power(step, base) / step) ** 2 for step in steps))


def even(scale: Scale) -> int:
    """The zero point or one beside it; what is stored in unsigned bytes is even where this is."""
    least = int(np.iinfo(scale.dtype).min)
    return least + min(2 * round((scale.zero - least) / 2), STEPS - 1)


def keep_from_halves(network: Network, units: Iterable[Unit], found: Mapping[str, Scale], other: dict[Scale, Scale],
                     free: set[Scale]) -> None:
    """Widen scales of what tables and products make. other : scale that was found -> the one to be
    free : which may be widened"""
    writers: dict[Scale, list[Unit]] = {}
    for unit in units:
        if (unit.kind == "table" or unit.node.op_type == "Mul") and found.get(unit.outputs[0]) in free \
                and all(name in found for name in unit.inputs):
            writers.setdefault(found[unit.outputs[0]], []).append(unit)
    for scale, makers in writers.items():
        given = other[scale]
        read = [[other[found[name]] for name in unit.inputs] for unit in makers]
        entries = [Function(network.graph, unit)(numbers(*scales)).astype(np.float64)
                   for unit, scales in zip(makers, read) if unit.kind == "table"]
        products = [(scales[0], scales[-1]) for unit, scales in zip(makers, read) if unit.kind != "table"]
        wider = (replace(given, step=np.float32(float(given.step) * factor)) for factor in WIDER)
        other[scale] = next((each for each in wider if not any(has_halves(table, each) for table in entries)
                             and not any(is_open(*pair, each) for pair in products)), given)


def whole(scale: Scale) -> np.ndarray:
    """What the bytes are, less their zero point."""
    limits = np.iinfo(scale.dtype)
    return (np.arange(limits.min, limits.max + 1) - scale.zero).astype(np.float32)


def numbers(scale: Scale) -> np.ndarray:
    """What the bytes stand for."""
    return whole(scale) * scale.step


def has_halves(entries: np.ndarray, scale: Scale) -> bool:
    low, high = scale.ends
    places = entries[(entries > low) & (entries < high)] / float(scale.step)
    return bool((np.abs(places - np.floor(places) - .5) < NEAR).any())


@lru_cache(1024)
def is_open(a: Scale, b: Scale, made: Scale) -> bool:
    """Whether any product of two bytes depends on what is multiplied first: the numbers, or the scales."""
    by_numbers = np.outer(numbers(a), numbers(b)) / made.step
    by_scales = np.outer(whole(a), whole(b)) * (a.step * b.step / made.step)
    most = np.abs(whole(made)).max()
    return bool((np.rint(by_numbers) != np.rint(by_scales))[np.abs(by_numbers) <= most].any())


def like(scale: Scale, made: Scale) -> Scale:
    """The scale of a constant, as wide as found or more, a power of two times that of what it is joined to."""
    return Scale(np.float32(power(float(scale.step) * CUT, float(made.step))), scale.zero, scale.dtype)

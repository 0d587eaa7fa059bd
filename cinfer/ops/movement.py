"""Operators that move elements without computing: Concat, Split, Slice, Pad, Tile, DepthToSpace and the
like."""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .facts import INT64, Fact, rank_of_any
from .limits import check_axes, check_axis, check_ints, check_scalar, check_size, known
from .registry import op
from .symbols import Symbol, Undecided, below, differ, same

INT_TYPES = ("int64", "int32")
FAR = (1 << 31) - 2         # 2^31 - 1 and 2^63 - 1 mean the end of an axis, whatever its size


def concat_shape(inputs, axis: int) -> tuple[tuple[int, ...], int]:
    """(shape of the answer, the axis counted from the front)"""
    for i, x in enumerate(inputs):
        if x is None:
            raise ValueError(f"input {i} of Concat is absent")
    first = inputs[0]
    axis = check_axis(axis, first.ndim)
    total = 0
    for i, x in enumerate(inputs):
        if x.dtype != first.dtype:
            raise ValueError(f"input {i} is {x.dtype}, the first is {first.dtype}; they have to be of one "
                             "type")
        if x.ndim != first.ndim or any(differ(a, b) for n, (a, b) in enumerate(zip(x.shape, first.shape))
                                       if n != axis):
            raise ValueError(f"input {i} has shape {list(x.shape)}, the first {list(first.shape)}; "
                             f"they may differ along axis {axis} only")
        total += x.shape[axis]
    return check_size(first.shape[:axis] + (total,) + first.shape[axis + 1:], first.dtype.itemsize), axis


@op("Concat", since=1, one_type=True, moves=True, rank=rank_of_any)
class ConcatDefaultAxis:
    """https://onnx.ai/onnx/operators/text_diff_Concat_1_4.html"""
    def infer(x, *more, axis=1):
        return x.like(concat_shape((x, *more), axis)[0])

    def evaluate(x, *more, axis=1):
        return np.concatenate((x, *more), concat_shape((x, *more), axis)[1])


@op("Concat", since=4, one_type=True, moves=True, rank=rank_of_any)
class Concat:
    """https://onnx.ai/onnx/operators/onnx__Concat.html"""
    def infer(x, *more, axis):
        return x.like(concat_shape((x, *more), axis)[0])

    def evaluate(x, *more, axis: int):
        return np.concatenate((x, *more), concat_shape((x, *more), axis)[1])


def split_sizes(size: int, split: Sequence[int] | None, n_outputs: int, uneven: bool = False) -> list[int]:
    """Sizes of the parts of an axis of `size`: as `split` says, or equal ones (`uneven`: the last ones may be
    smaller)."""
    if split is None:
        if not uneven and differ(size % n_outputs, 0):
            raise ValueError(f"{size} elements do not split into {n_outputs} equal parts")
        part = (size + n_outputs - 1) // n_outputs
        if type(size) is not int and same(size % n_outputs, 0):
            return [part] * n_outputs
        return [max(0, min(part, size - i * part)) for i in range(n_outputs)]
    if len(split) != n_outputs or any(below(s, 0) for s in split) or differ(sum(split), size):
        raise ValueError(f"split {list(split)} of {size} elements into {n_outputs} outputs; the sum has to "
                         f"be {size}")
    return list(split)


def split_shapes(shape: tuple[int, ...], axis: int, *args) -> list[tuple[int, ...]]:
    axis = check_axis(axis, len(shape))
    return [shape[:axis] + (size,) + shape[axis + 1:] for size in split_sizes(shape[axis], *args)]


def split_array(x: np.ndarray, axis: int, *args) -> tuple[np.ndarray, ...]:
    """Views of the parts."""
    axis = check_axis(axis, x.ndim)
    parts, start = [], 0
    for size in split_sizes(x.shape[axis], *args):
        parts.append(x[(slice(None),) * axis + (slice(start, start + size),)])
        start += size
    return tuple(parts)


@op("Split", since=1, moves=True, rank=0)
class Split:
    """https://onnx.ai/onnx/operators/text_diff_Split_11_13.html"""
    def infer(x, sizes=None, *, axis=0, split=None, n_outputs=1):
        split = split if sizes is None else [int(s) for s in sizes.known("the sizes to split to")]
        return tuple(x.like(shape) for shape in split_shapes(x.shape, axis, split, n_outputs))

    def evaluate(x, sizes=None, *, axis=0, split: list[int] = None, n_outputs=1):
        split = split if sizes is None else [int(s) for s in sizes]
        return split_array(x, axis, split, n_outputs)


@op("Split", since=13, moves=True, rank=0)
class SplitByInput:
    """https://onnx.ai/onnx/operators/text_diff_Split_13_18.html"""
    def infer(x, split=None, *, axis=0, n_outputs=1):
        split = check_ints(known(split, "the sizes to split to"), "split")
        return tuple(x.like(shape) for shape in split_shapes(x.shape, axis, split, n_outputs))

    def evaluate(x, split=None, *, axis=0, n_outputs=1):
        return split_array(x, axis, check_ints(split, "split"), n_outputs)


def check_num_outputs(split, num_outputs: int | None, n_outputs: int) -> None:
    if num_outputs is not None and (split is not None or num_outputs != n_outputs):
        raise ValueError("num_outputs and split are both given" if split is not None else
                         f"num_outputs is {num_outputs}, the node has {n_outputs} outputs")


@op("Split", since=18, moves=True, rank=0)
class SplitUneven:
    """With the last part smaller where need be. https://onnx.ai/onnx/operators/onnx__Split.html"""
    def infer(x, split=None, *, axis=0, num_outputs=None, n_outputs=1):
        check_num_outputs(split, num_outputs, n_outputs)
        split = check_ints(known(split, "the sizes to split to"), "split")
        return tuple(x.like(shape) for shape in split_shapes(x.shape, axis, split, n_outputs, True))

    def evaluate(x, split=None, *, axis=0, num_outputs: int = None, n_outputs=1):
        check_num_outputs(split, num_outputs, n_outputs)
        return split_array(x, axis, check_ints(split, "split"), n_outputs, True)


def slice_ranges(shape: Sequence[int], starts: Sequence[int], ends: Sequence[int],
                 axes: Sequence[int] | None = None,
                 steps: Sequence[int] | None = None) -> list[tuple[int, int, int]]:
    """(start, count, step) for each axis of `shape`; starts and ends beyond the axis are clamped, as INT_MAX
    means 'to the end'."""
    axes = check_axes(range(len(starts)) if axes is None else axes, len(shape))
    steps = [1] * len(starts) if steps is None else steps
    if not len(starts) == len(ends) == len(axes) == len(steps):
        raise ValueError(f"{len(starts)} starts, {len(ends)} ends, {len(axes)} axes, {len(steps)} steps; "
                         "there have to be equally many")
    if 0 in steps:
        raise ValueError("step 0; steps are positive or negative")
    ranges = [(0, d, 1) for d in shape]
    for start, end, axis, step in zip(starts, ends, axes, steps):
        if type(shape[axis]) is not int or Symbol in (type(start), type(end)):
            ranges[axis] = sliced(start, end, step, shape[axis])
            continue
        # Python clamps as the standard does, but for a start before the first element that walks backwards
        if step < 0 and start < -shape[axis] < 0:
            start = 0
        picked = range(*slice(start, end, step).indices(shape[axis]))
        ranges[axis] = (picked.start, 1, 1) if len(picked) == 1 else (picked.start, len(picked), step)
    return ranges


def sliced(start, end, step: int, size) -> tuple:
    """(start, count, step) of an axis whose size, or whose ends, are free."""
    if type(step) is not int:
        raise Undecided
    last = size if step > 0 else size - 1
    below(FAR, size)
    if step < 0:
        below(size, 1)

    def clamped(place, first):
        if type(place) is int and abs(place) > FAR:
            return first if place < 0 else last
        place = place + size if place < 0 else place
        return first if place < first else last if place > last else place
    start, end = clamped(start, 0), clamped(end, 0 if step > 0 else -1)
    count = -((start - end) // step) if step > 0 else -((end - start) // -step)
    return (start, 1, 1) if same(count, 1) else (start, 0 if count < 0 else count, step)


def slice_array(x: np.ndarray, ranges: list[tuple[int, int, int]]) -> np.ndarray:
    """A view."""
    index = []
    for start, count, step in ranges:
        stop = start + count * step
        index.append(slice(start, None if stop < 0 else stop, step) if count else slice(0, 0))
    return x[tuple(index)]


@op("Slice", since=1, moves=True, no_larger=True, rank=0)
class Slice:
    """https://onnx.ai/onnx/operators/text_diff_Slice_1_10.html"""
    def infer(x, *, starts, ends, axes=None):
        return x.like(tuple(count for _, count, _ in slice_ranges(x.shape, starts, ends, axes)))

    def evaluate(x, *, starts: list[int], ends: list[int], axes: list[int] = None):
        return slice_array(x, slice_ranges(x.shape, starts, ends, axes))


def slice_inputs(starts, ends, axes, steps) -> list[list[int] | None]:
    return [check_ints(v, what, INT_TYPES) for v, what in ((starts, "starts"), (ends, "ends"), (axes, "axes"),
                                                           (steps, "steps"))]


@op("Slice", since=10, moves=True, no_larger=True, rank=0)
class SliceByInput:
    """https://onnx.ai/onnx/operators/onnx__Slice.html"""
    def infer(x, starts, ends, axes=None, steps=None):
        bounds = slice_inputs(starts.known("the starts of Slice"), ends.known("the ends of Slice"),
                              known(axes, "the axes of Slice"), known(steps, "the steps of Slice"))
        return x.like(tuple(count for _, count, _ in slice_ranges(x.shape, *bounds)))

    def evaluate(x, starts, ends, axes=None, steps=None):
        return slice_array(x, slice_ranges(x.shape, *slice_inputs(starts, ends, axes, steps)))


PAD_MODES = ("constant", "reflect", "edge", "wrap")


def pad_amounts(x, pads: Sequence[int], axes: Sequence[int] | None, mode: str) -> list[tuple[int, int]]:
    """(before, after) for each axis, negative where elements are cut; `x` has shape and dtype."""
    if mode not in PAD_MODES:
        raise ValueError(f"mode {mode!r}; it has to be {', '.join(PAD_MODES)}")
    axes = check_axes(range(x.ndim) if axes is None else axes, x.ndim)
    if len(pads) != 2 * len(axes):
        raise ValueError(f"{len(pads)} pads for {len(axes)} axes; there have to be two for each")
    amounts = [(0, 0)] * x.ndim
    for axis, before, after in zip(axes, pads, pads[len(axes):]):
        size = x.shape[axis]
        if below(min(before, 0) + min(after, 0), -size):
            raise ValueError(f"pads {before} and {after} cut more from axis {axis} than its {size} elements")
        if mode != "constant" and max(before, after) > 0 and below(size + min(before, 0) + min(after, 0), 1):
            raise ValueError(f"mode {mode!r} along axis {axis}, which has no element to repeat")
        amounts[axis] = before, after
    check_size([d + b + a for d, (b, a) in zip(x.shape, amounts)], x.dtype.itemsize)
    return amounts


def padded_spec(x, pads, axes, mode):
    return x.like(tuple(d + b + a for d, (b, a) in zip(x.shape, pad_amounts(x, pads, axes, mode))))


def pad_index(size: int, before: int, after: int, mode: str) -> np.ndarray:
    """For one axis, the source of each element of the padded one, when the mode repeats elements."""
    at = np.arange(-before, size + after)
    if mode == "edge":
        return at.clip(0, size - 1)
    if mode == "wrap" or size == 1:
        return at % size
    period = 2 * (size - 1)                 # 0 1 2 3 2 1 | 0 1 2 3 ...
    return size - 1 - abs(size - 1 - at % period)


def pad_array(x: np.ndarray, amounts: list[tuple[int, int]], mode: str, value) -> np.ndarray:
    x = x[tuple(slice(max(-b, 0), d - max(-a, 0)) for d, (b, a) in zip(x.shape, amounts))]
    amounts = [(max(b, 0), max(a, 0)) for b, a in amounts]
    if mode == "constant":
        y = np.full([d + b + a for d, (b, a) in zip(x.shape, amounts)], value, x.dtype)
        y[tuple(slice(b, b + d) for d, (b, a) in zip(x.shape, amounts))] = x
        return y
    for axis, (before, after) in enumerate(amounts):
        if before or after:
            x = np.take(x, pad_index(x.shape[axis], before, after, mode), axis)
    return x


@op("Pad", since=1, rank=0)
class PadFirst:
    """https://onnx.ai/onnx/operators/text_diff_Pad_1_2.html"""
    def infer(x, *, paddings, mode="constant", value=0.0):
        return padded_spec(x, paddings, None, mode)

    def evaluate(x, *, paddings: list[int], mode="constant", value=0.0):
        return pad_array(x, pad_amounts(x, paddings, None, mode), mode, value)


@op("Pad", since=2, rank=0)
class Pad:
    """https://onnx.ai/onnx/operators/text_diff_Pad_2_11.html"""
    def infer(x, *, pads, mode="constant", value=0.0):
        return padded_spec(x, pads, None, mode)

    def evaluate(x, *, pads: list[int], mode="constant", value=0.0):
        return pad_array(x, pad_amounts(x, pads, None, mode), mode, value)


def check_pad_value(x, constant_value) -> None:
    if constant_value is not None:
        if constant_value.dtype != x.dtype:
            raise ValueError(f"constant_value is {constant_value.dtype}, data is {x.dtype}; they have to be "
                             "of one type")
        if constant_value.shape not in ((), (1,)):
            raise ValueError(f"constant_value of shape {list(constant_value.shape)}; it has to be one number")


@op("Pad", since=11, rank=0)
class PadByInput:
    """https://onnx.ai/onnx/operators/onnx__Pad.html"""
    def infer(x, pads, constant_value=None, axes=None, *, mode="constant"):
        check_pad_value(x, constant_value)
        return padded_spec(x, check_ints(pads.known("the pads of Pad"), "pads"),
                           check_ints(known(axes, "the axes of Pad"), "axes", INT_TYPES), mode)

    def evaluate(x, pads, constant_value=None, axes=None, *, mode="constant"):
        check_pad_value(x, constant_value)
        amounts = pad_amounts(x, check_ints(pads, "pads"), check_ints(axes, "axes", INT_TYPES), mode)
        zero = "" if x.dtype.kind == "O" else 0
        return pad_array(x, amounts, mode, zero if constant_value is None
                         else constant_value.reshape(()).item())


@op("CenterCropPad", since=18, rank=0)
class CenterCropPad:
    """The middle of x, or x in the middle of zeros.
    https://onnx.ai/onnx/operators/onnx__CenterCropPad.html"""
    def infer(x, shape, *, axes=None):
        return padded_spec(x, *center_pads(x.shape, shape.known("the shape of CenterCropPad"), axes),
                           "constant")

    def evaluate(x, shape, *, axes: list[int] = None):
        pads, axes = center_pads(x.shape, shape, axes)
        return pad_array(x, pad_amounts(x, pads, axes, "constant"), "constant", 0)


def center_pads(shape, target: np.ndarray, axes) -> tuple[list[int], list[int]]:
    """(pads, axes) that bring `shape` to `target`: of an odd difference one more is added, or cut, behind."""
    target = check_ints(target, "shape", INT_TYPES)
    axes = check_axes(range(len(shape)) if axes is None else axes, len(shape))
    if len(target) != len(axes) or min(target, default=0) < 0:
        raise ValueError(f"shape {target} for {len(axes)} axes; it has to give a size that is not negative "
                         "for each")
    before, after = [], []
    for axis, size in zip(axes, target):
        difference = size - shape[axis]
        half = difference // 2 if difference >= 0 else -(-difference // 2)
        before.append(half)
        after.append(difference - half)
    return before + after, axes


@op("Tile", since=1, moves=True, rank=0)
class TileAxis:
    """https://onnx.ai/onnx/operators/text_diff_Tile_1_6.html"""
    def infer(x, tiles, axis):
        repeats = axis_repeats(x.ndim, tiles.known("the tiles of Tile"), axis.known("the axis of Tile"))
        return x.like(tiled_shape(x, repeats))

    def evaluate(x, tiles, axis):
        return tile_array(x, axis_repeats(x.ndim, tiles, axis))


def axis_repeats(ndim: int, tiles: np.ndarray, axis: np.ndarray) -> list[int]:
    repeats = [1] * ndim
    repeats[check_axis(int(check_scalar(axis, "axis")), ndim)] = int(check_scalar(tiles, "tiles"))
    return repeats


def tiled_shape(x, repeats: Sequence[int]) -> tuple[int, ...]:
    if len(repeats) != x.ndim or min(repeats, default=0) < 0:
        raise ValueError(f"repeats {list(repeats)} for {x.ndim} axes; there has to be one, not negative, "
                         "for each")
    return check_size([d * r for d, r in zip(x.shape, repeats)], x.dtype.itemsize)


def tile_array(x: np.ndarray, repeats: Sequence[int]) -> np.ndarray:
    shape = tiled_shape(x, repeats)
    doubled = [n for pair in zip(repeats, x.shape) for n in pair]
    if x.ndim > 32 or 0 in shape:                   # NumPy has room for 64 axes
        return np.tile(x, repeats) if 0 not in shape else np.empty(shape, x.dtype)
    inner = x.reshape([n for d in x.shape for n in (1, d)])
    return np.broadcast_to(inner, doubled).reshape(shape)


@op("Tile", since=6, moves=True, rank=0)
class Tile:
    """https://onnx.ai/onnx/operators/onnx__Tile.html"""
    def infer(x, repeats):
        return x.like(tiled_shape(x, check_ints(repeats.known("the repeats of Tile"), "repeats")))

    def evaluate(x, repeats):
        return tile_array(x, check_ints(repeats, "repeats"))


def check_blocks(x, blocksize: int, mode: str, axes: str) -> None:
    if x.ndim != 4:
        raise ValueError(f"input of shape {list(x.shape)}; it has to be n, c, h, w")
    if mode not in ("DCR", "CRD"):
        raise ValueError(f"mode {mode!r}; it has to be DCR or CRD")
    sizes, unit = ((x.shape[1],), blocksize * blocksize) if axes == "c" else (x.shape[2:], blocksize)
    if blocksize < 1 or any(differ(d % unit, 0) for d in sizes):
        raise ValueError(f"blocksize {blocksize} does not fit shape {list(x.shape)}")


@op("DepthToSpace", since=1, rank=0)
class DepthToSpace:
    """Channels become blocks of pixels. https://onnx.ai/onnx/operators/onnx__DepthToSpace.html"""
    def infer(x, *, blocksize, mode="DCR"):
        check_blocks(x, blocksize, mode, "c")
        n, c, h, w = x.shape
        return x.like((n, c // blocksize**2, h * blocksize, w * blocksize))

    def evaluate(x, *, blocksize: int, mode="DCR"):
        check_blocks(x, blocksize, mode, "c")
        (n, c, h, w), b = x.shape, blocksize
        if mode == "DCR":
            y = x.reshape(n, b, b, c // b**2, h, w).transpose(0, 3, 4, 1, 5, 2)
        else:
            y = x.reshape(n, c // b**2, b, b, h, w).transpose(0, 1, 4, 2, 5, 3)
        return y.reshape(n, c // b**2, h * b, w * b)


@op("SpaceToDepth", since=1, rank=0)
class SpaceToDepth:
    """Blocks of pixels become channels. https://onnx.ai/onnx/operators/onnx__SpaceToDepth.html"""
    def infer(x, *, blocksize, mode="DCR"):
        check_blocks(x, blocksize, mode, "hw")
        n, c, h, w = x.shape
        return x.like((n, c * blocksize**2, h // blocksize, w // blocksize))

    def evaluate(x, *, blocksize: int, mode="DCR"):
        check_blocks(x, blocksize, mode, "hw")
        (n, c, h, w), b = x.shape, blocksize
        y = x.reshape(n, c, h // b, b, w // b, b).transpose((0, 3, 5, 1, 2, 4) if mode == "DCR"
                                                            else (0, 1, 3, 5, 2, 4))
        return y.reshape(n, c * b * b, h // b, w // b)


@op("ReverseSequence", since=10, rank=0)
class ReverseSequence:
    """The first sequence_lens[b] steps of each sample backwards.
    https://onnx.ai/onnx/operators/onnx__ReverseSequence.html"""
    def infer(x, sequence_lens, *, time_axis=0, batch_axis=1):
        if x.ndim < 2 or sorted((time_axis, batch_axis)) != [0, 1]:
            raise ValueError(f"time_axis {time_axis} and batch_axis {batch_axis} of {x.ndim} axes; they "
                             "have to be 0 and 1")
        if sequence_lens.shape != (x.shape[batch_axis],):
            raise ValueError(f"sequence_lens of shape {list(sequence_lens.shape)}; it has to be "
                             f"{[x.shape[batch_axis]]}")
        return x.like()

    def evaluate(x, sequence_lens, *, time_axis=0, batch_axis=1):
        ReverseSequence.infer(Fact.of(x), sequence_lens, time_axis=time_axis, batch_axis=batch_axis)
        steps = x.shape[time_axis]
        if sequence_lens.size and not 0 <= sequence_lens.min() <= sequence_lens.max() <= steps:
            raise ValueError(f"sequence_lens {sequence_lens.min()} to {sequence_lens.max()}; allowed is 0 "
                             f"to {steps}")
        step, lens = np.arange(steps)[:, None], sequence_lens[None, :]
        source = np.where(step < lens, lens - 1 - step, step)              # [time, batch]
        batch = np.arange(x.shape[batch_axis])[None, :]
        return x[source, batch] if time_axis == 0 else x[batch.T, source.T]


@op("Trilu", since=14, rank=0)
class Trilu:
    """The upper or lower triangle, zeros elsewhere. https://onnx.ai/onnx/operators/onnx__Trilu.html"""
    def infer(x, k=None, *, upper=1):
        if x.ndim < 2:
            raise ValueError(f"input of shape {list(x.shape)}; it has to have at least 2 axes")
        return x.like()

    def evaluate(x, k=None, *, upper=1):
        Trilu.infer(Fact.of(x))
        rows, columns = x.shape[-2:]
        k = 0 if k is None else max(-rows - 1, min(columns + 1, check_scalar(k, "k")))
        return np.triu(x, k) if upper else np.tril(x, k)


@op("Compress", since=9, rank=lambda x, condition, *, axis=None: 1 if axis is None else x.ndim)
class Compress:
    """The slices for which the condition is true. https://onnx.ai/onnx/operators/onnx__Compress.html"""
    def evaluate(x, condition, *, axis: int = None):
        if axis is None:
            x, axis = x.reshape(-1), 0
        axis = check_axis(axis, x.ndim)
        if condition.ndim != 1 or condition.dtype != bool or condition.size > x.shape[axis]:
            raise ValueError(f"condition is {condition.dtype} of shape {list(condition.shape)}; it has to "
                             f"be bool, of one axis, and at most {x.shape[axis]} long")
        return np.compress(condition, x, axis)


@op("Unique", since=11, steps=True, types=(0, INT64))
class Unique:
    """(values, index of the first of each, inverse, counts).
    https://onnx.ai/onnx/operators/onnx__Unique.html"""
    def evaluate(x, *, axis: int = None, sorted=1):
        if axis is not None:
            axis = check_axis(axis, x.ndim)
        shape, words = x.shape, None
        if x.dtype == object and axis is not None:      # NumPy compares rows of numbers only
            words, x = np.unique(x, return_inverse=True)
        values, first, inverse, counts = np.unique(x.reshape(shape), True, True, True, axis)
        values = values if words is None else words[values]
        inverse = inverse.reshape(-1)
        if not sorted:
            order = np.argsort(first)
            rank = np.empty_like(order)
            rank[order] = np.arange(order.size)
            values, first, counts = np.take(values, order, axis or 0), first[order], counts[order]
            inverse = rank[inverse]
        return values, first, inverse, counts

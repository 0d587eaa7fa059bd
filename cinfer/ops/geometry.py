"""Where windows lie: the sizes and paddings of convolutions and pools, in plain numbers.

https://onnx.ai/onnx/operators/onnx__Conv.html, onnx__ConvTranspose.html, onnx__MaxPool.html

Along one axis, tap t of window o reads element o * stride + t * dilation - pad of the input.
"""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from .symbols import UNSETTLED, Undecided, below


@dataclass(frozen=True, slots=True)
class Geometry:
    """One entry for each spatial axis, auto_pad resolved.

    in_sizes : of what the windows lie on
    out_sizes : how many windows
    begins, ends : padding; where it is less than 0, the first window begins so many elements behind the first
    """
    in_sizes: tuple[int, ...]
    out_sizes: tuple[int, ...]
    kernel_shape: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    begins: tuple[int, ...]
    ends: tuple[int, ...]

    @property
    def axes(self) -> Iterator[tuple[int, ...]]:
        """(in_size, out_size, kernel, stride, dilation, begin, end) of each axis."""
        return zip(self.in_sizes, self.out_sizes, self.kernel_shape, self.strides, self.dilations,
                   self.begins, self.ends)

    def taps(self) -> Iterator[tuple[tuple[int, ...], tuple[slice, ...], tuple[slice, ...]]]:
        """(tap, windows, elements) for each tap of the kernel that reads the input at all: the windows for
        which it does, and the elements they read, as slices of equal lengths. Nothing needs to be padded."""
        for taps in product(*(list(axis_taps(*axis)) for axis in self.axes)):
            yield tuple(zip(*taps)) if taps else ((), (), ())


def axis_taps(size: int, out: int, kernel: int, stride: int, dilation: int, begin: int, end: int
              ) -> Iterator[tuple[int, slice, slice]]:
    """As Geometry.taps, for one axis; a kernel much larger than the input costs nothing."""
    tap = max(0, -(((out - 1) * stride - begin) // dilation))
    while out and tap < min(kernel, (size - 1 + begin) // dilation + 1):
        offset = tap * dilation - begin
        start = max(0, -(offset // stride))                         # the first window at or behind element 0
        stop = min(out, (size - 1 - offset) // stride + 1)
        if start < stop:
            at = start * stride + offset
            yield tap, slice(start, stop), slice(at, at + (stop - start - 1) * stride + 1, stride)
            tap += 1
        else:                               # on to the tap with which the window before reaches element 0
            tap = -(((start - 1) * stride - begin) // dilation)


def conv_geometry(sizes: Sequence[int], kernel_shape: Sequence[int], *, auto_pad: str = "NOTSET",
                  dilations: Sequence[int] | None = None, pads: Sequence[int] | None = None,
                  strides: Sequence[int] | None = None, ceil_mode: int = 0, pool: bool = False) -> Geometry:
    """The windows of a convolution or pool over the spatial `sizes`, from the operators' attributes.

    pool : windows of SAME that lie apart leave elements over on both sides, as the standard's formula for the pads of
        pools says; a convolution begins with the first element

    Raises ValueError for attributes that do not fit, or windows larger than the padded input.
    """
    kernel, strides, dilations, begins, ends = attributes(len(sizes), kernel_shape, auto_pad, dilations,
                                                          pads, strides)
    out_sizes = []
    for i, size in enumerate(sizes):
        reach = (kernel[i] - 1) * dilations[i] + 1
        if auto_pad.startswith("SAME"):
            out = (size + strides[i] - 1) // strides[i]
            begins[i], ends[i] = halves((out - 1) * strides[i] + reach - size, auto_pad, pool)
        else:
            # By the standard's text VALID rounds down in any case; by its shape inference it does not.
            room = size + begins[i] + ends[i] - reach
            out = (room + strides[i] - 1 if ceil_mode else room) // strides[i] + 1
            if ceil_mode and (out - 1) * strides[i] >= size + begins[i]:
                out -= 1                    # a window must not start in the padding behind
            if below(out, 1):
                raise ValueError(f"a window of {reach} along spatial axis {i} does not fit into {size} "
                                 f"elements with pads of {begins[i]} and {ends[i]}")
        out_sizes.append(out)
    return Geometry(tuple(sizes), tuple(out_sizes), kernel, strides, dilations, tuple(begins), tuple(ends))


def transposed_geometry(sizes: Sequence[int], kernel_shape: Sequence[int], *, auto_pad: str = "NOTSET",
                        dilations: Sequence[int] | None = None, output_padding: Sequence[int] | None = None,
                        output_shape: Sequence[int] | None = None, pads: Sequence[int] | None = None,
                        strides: Sequence[int] | None = None) -> Geometry:
    """The geometry of the convolution that a ConvTranspose over the spatial `sizes` undoes: its windows
    (out_sizes) are the input of the ConvTranspose, what they lie on (in_sizes) is the output."""
    rank = len(sizes)
    kernel, strides, dilations, begins, ends = attributes(rank, kernel_shape, auto_pad, dilations, pads,
                                                          strides)
    extra = numbers(output_padding, rank, 0, "output_padding", 0)
    if output_shape:
        # some exporters write the sizes of batch and channels too
        if len(output_shape) == rank + 2:
            output_shape = output_shape[2:]
        output_shape = numbers(output_shape, rank, 1, "output_shape", 1)
    outs = []
    for i, size in enumerate(sizes):
        full = (size - 1) * strides[i] + extra[i] + (kernel[i] - 1) * dilations[i] + 1
        if output_shape or auto_pad.startswith("SAME"):
            # for SAME the standard's text has size * stride even beyond `full`, its shape inference does not
            out = output_shape[i] if output_shape else min(full, size * strides[i])
            # the odd one goes to the front, but for SAME_UPPER; beyond `full` the output is left empty
            begins[i], ends[i] = halves(full - out, auto_pad)
        else:
            out = full - begins[i] - ends[i]
        if below(out, 1):
            raise ValueError(f"pads of {begins[i]} and {ends[i]} leave {out} of {full} elements along "
                             f"spatial axis {i}")
        outs.append(out)
    return Geometry(tuple(outs), tuple(sizes), kernel, strides, dilations, tuple(begins), tuple(ends))


AUTO_PADS = ("NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID")


def attributes(rank: int, kernel_shape, auto_pad, dilations, pads, strides) -> tuple:
    """(kernel_shape, strides, dilations, begins, ends) with the standard's defaults."""
    if auto_pad not in AUTO_PADS:
        raise ValueError(f"auto_pad {auto_pad!r}; it has to be {', '.join(AUTO_PADS)}")
    # the standard allows one or the other; where both are given, auto_pad was chosen
    pads = numbers(pads if auto_pad == "NOTSET" else None, 2 * rank, 0, "pads", 0)
    return (numbers(kernel_shape, rank, None, "kernel_shape", 1), numbers(strides, rank, 1, "strides", 1),
            numbers(dilations, rank, 1, "dilations", 1), list(pads[:rank]), list(pads[rank:]))


def numbers(values, count: int, default: int | None, what: str, least: int) -> tuple[int, ...]:
    if not values and default is not None:
        return (default,) * count
    values = [int(v) for v in values or ()]
    if len(values) != count or min(values, default=least) < least:
        raise ValueError(f"{what} is {values}; it has to be {count} numbers of at least {least}")
    return tuple(values)


def halves(total: int, auto_pad: str, signed: bool = False) -> tuple[int, int]:
    """Padding before and after; the odd one is after for SAME_UPPER, before for any other.

    signed : total may be below 0: then so is what is before, rounded to 0, and what is after does not matter
    """
    try:
        if signed and total < 0:
            return -((-total if auto_pad == "SAME_UPPER" else -total - 1) // 2), 0
        small, large = max(total, 0) // 2, (max(total, 0) + 1) // 2
    except Undecided:
        return UNSETTLED, UNSETTLED
    return (small, large) if auto_pad == "SAME_UPPER" else (large, small)

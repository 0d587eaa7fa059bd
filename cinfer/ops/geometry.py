"""Where windows lie: the sizes and paddings of convolutions and pools.

https://onnx.ai/onnx/operators/onnx__Conv.html, onnx__ConvTranspose.html, onnx__MaxPool.html
"""
from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Window:
    """Of each spatial axis: kernel, stride, dilation, padding before and after, and the size of the output."""
    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]
    out: tuple[int, ...]


def _numbers(values, rank: int, default: int, what: str, least: int) -> list[int]:
    values = [default] * rank if not values else [int(v) for v in values]
    if len(values) != rank or any(v < least for v in values):
        raise ValueError(f"{what} {values} for {rank} spatial axes; one number of at least {least} each")
    return values


def _pads(pads, rank: int) -> list[int]:
    pads = [0] * 2 * rank if not pads else [int(v) for v in pads]
    if len(pads) != 2 * rank:
        raise ValueError(f"pads {pads} for {rank} spatial axes; one before and one after each")
    return pads


AUTO = ("NOTSET", "", "SAME_UPPER", "SAME_LOWER", "VALID")


def window(sizes, kernel, strides=None, dilations=None, pads=None, auto_pad="NOTSET", ceil_mode=0) -> Window:
    """The window of a Conv or pool over spatial `sizes`; auto_pad resolved.

    ceil_mode : round the number of windows up; a window that would begin in the padding behind the input does not count
    """
    rank = len(sizes)
    kernel = _numbers(kernel, rank, 1, "kernel_shape", 1)
    strides, dilations, pads = _numbers(strides, rank, 1, "strides", 1), _numbers(dilations, rank, 1, "dilations", 1), _pads(pads, rank)
    if auto_pad not in AUTO:
        raise ValueError(f"auto_pad {auto_pad!r}; it has to be {', '.join(filter(None, AUTO))}")
    before, after, out = [], [], []
    for i, size in enumerate(sizes):
        reach = (kernel[i] - 1) * dilations[i] + 1
        if auto_pad in ("SAME_UPPER", "SAME_LOWER"):
            count = -(-size // strides[i])
            total = max(0, (count - 1) * strides[i] + reach - size)
            small, large = total // 2, total - total // 2
            b, a = (small, large) if auto_pad == "SAME_UPPER" else (large, small)
        else:
            b, a = (0, 0) if auto_pad == "VALID" else (pads[i], pads[rank + i])
            room = size + b + a - reach
            count = (-(-room // strides[i]) if ceil_mode else room // strides[i]) + 1
            if ceil_mode and (count - 1) * strides[i] >= size + b:
                count -= 1
            if room < 0 and not (ceil_mode and count > 0):
                raise ValueError(f"a window of {reach} elements is larger than the input of {size} with its padding of {b} and {a}")
        before.append(b)
        after.append(a)
        out.append(max(count, 0))
    return Window(tuple(kernel), tuple(strides), tuple(dilations), tuple(before), tuple(after), tuple(out))


def transposed_window(sizes, kernel, strides=None, dilations=None, pads=None, auto_pad="NOTSET", output_padding=None,
                      output_shape=None) -> Window:
    """The window of a ConvTranspose: `out` of its output, `before` and `after` are cut off."""
    rank = len(sizes)
    kernel = _numbers(kernel, rank, 1, "kernel_shape", 1)
    strides, dilations, pads = _numbers(strides, rank, 1, "strides", 1), _numbers(dilations, rank, 1, "dilations", 1), _pads(pads, rank)
    extra = _numbers(output_padding, rank, 0, "output_padding", 0)
    if auto_pad not in AUTO:
        raise ValueError(f"auto_pad {auto_pad!r}; it has to be {', '.join(filter(None, AUTO))}")
    wanted = list(output_shape)[-rank:] if output_shape else None
    before, after, out = [], [], []
    for i, size in enumerate(sizes):
        full = (size - 1) * strides[i] + extra[i] + (kernel[i] - 1) * dilations[i] + 1
        if wanted is not None or auto_pad in ("SAME_UPPER", "SAME_LOWER"):
            count = wanted[i] if wanted is not None else size * strides[i]
            total = full - count
            small, large = total // 2, total - total // 2
            b, a = (small, large) if auto_pad == "SAME_UPPER" else (large, small)
        else:
            b, a = (0, 0) if auto_pad == "VALID" else (pads[i], pads[rank + i])
            count = full - b - a
        if count < 0:
            raise ValueError(f"the output would have {count} elements along spatial axis {i}")
        before.append(b)
        after.append(a)
        out.append(count)
    return Window(tuple(kernel), tuple(strides), tuple(dilations), tuple(before), tuple(after), tuple(out))

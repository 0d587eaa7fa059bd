"""Padding that no convolution takes into its window: of plain and blocked values, in every mode."""
import numpy as np
import pytest

from cinfer import _ops

from onnx_models import by_numpy
from plan_cases import Cases

CASES = Cases()
case = CASES.add


for mode in ("constant", "reflect", "edge"):
    for pads in [(0, 0, 1, 2, 0, 0, 3, 1), (0, 3, 0, 1, 0, 5, 2, 0), (1, 0, 0, 0, 1, 0, 0, 1)]:
        @case(f"pad_{mode} {pads}", mode=mode, pads=pads)
        def pad(m, mode, pads):
            x = m.input("x", 2, 18, 6, 7)
            value = [np.float32(0.5)] if mode == "constant" else []
            y = m.Pad(m.conv(x, 18, 20), np.array(pads), *value, mode=mode)
            return m.Pad(x, np.array(pads), *value, mode=mode), m.conv(y, 20 + pads[1] + pads[5], 8, 3)


@case(numpy=2, oracle=by_numpy)
def pad_that_reflects_more_than_there_is(m):
    """Back and forth, as NumPy does; onnxruntime reads beyond the tensor."""
    x = m.input("x", 1, 18, 3, 4)
    pads = np.array([0, 0, 0, 4, 0, 0, 7, 0])
    return m.Pad(x, pads, mode="reflect"), m.conv(m.Pad(m.conv(x, 18, 20), pads, mode="reflect"), 20, 8, 3)


@case()
def pad_of_channels_behind(m):
    """MediaPipe's: a shortcut gets channels of zeros."""
    x = m.conv(m.input("x", 1, 3, 8, 8), 3, 24)
    y = m.Pad(m.MaxPool(x, kernel_shape=[2, 2], strides=[2, 2]), np.array([0, 0, 0, 0, 0, 8, 0, 0]))
    return m.Relu(m.Add(m.conv(x, 24, 32, 3, strides=[2, 2]), y))


@case(numpy=1)
def pad_that_cuts(m):
    return m.Relu(m.Pad(m.conv(m.input("x", 1, 3, 8, 8), 3, 16), np.array([0, 0, -1, 2, 0, 0, 0, -3])))


@pytest.mark.parametrize("isa", _ops.usable_levels())
@pytest.mark.parametrize("name", CASES)
def test_answers_are_onnxruntimes(name, isa):
    CASES.check(name, isa)

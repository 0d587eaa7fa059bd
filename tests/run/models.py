"""Models for the tests of runs: long ones in kernels and in NumPy; how processes are started that get Ctrl-C."""
import signal

import numpy as np

from onnx_models import Model


def long_network(layers=200, size=192, c=48) -> bytes:
    """A second or more of convolutions, of some milliseconds a tile."""
    m = Model(seed=1)
    y = m.input("x", 1, 3, size, size)
    for i in range(layers):
        y = m.Relu(m.conv(y, c if i else 3, c, 3))
    return m.outputs(m.GlobalAveragePool(y)).bytes()


def steps_in_numpy(n=300, size=1 << 18) -> bytes:
    """A chain of float64 sines, of some milliseconds a step."""
    m = Model(seed=1)
    y = m.input("x", size, dtype=np.float64)
    for _ in range(n):
        y = m.Sin(y)
    return m.outputs(y, dtype=np.float64).bytes()


def free_sizes() -> bytes:
    m = Model(seed=3)
    x = m.input("x", 1, 3, 16, 16, declared=("n", 3, "h", "w"))
    y = m.Relu(m.conv(x, 3, 20, 3))
    y = m.Relu(m.conv(y, 20, 40, 3, strides=[2, 2]))
    return m.outputs(m.conv(y, 40, 16, 3), m.GlobalAveragePool(y)).bytes()


def heeding_ctrl_c() -> None:
    """preexec_fn: as from a terminal. Under `nohup ... &` SIGINT is ignored, and children inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)

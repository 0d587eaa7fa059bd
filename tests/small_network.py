"""A network of two convolutions, and pictures for it."""
import numpy as np

from onnx_models import Model

FREE = ("batch", 3, "height", "width")


def network(n=1, h=8, w=8, declared=None) -> Model:
    m = Model(seed=3)
    x = m.input("images", n, 3, h, w, declared=declared)
    y = m.Relu(m.conv(x, 3, 20, 3))
    return m.outputs(m.conv(y, 20, 16, 3), m.GlobalAveragePool(y))


def pixels(*shape, dtype=np.float32):
    return np.random.default_rng(7).normal(size=shape).astype(dtype)


X = pixels(1, 3, 8, 8)

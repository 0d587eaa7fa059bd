"""What the image package needs of a Session: names, types and metadata."""

from types import SimpleNamespace

import numpy as np


def port(name, dtype, shape):
    return SimpleNamespace(name=name, dtype=None if dtype is None else np.dtype(dtype), shape=shape)


def session(
    metadata=None, shape=(1, 3, 224, 224), dtype=np.float32, outputs=((1, 1000),), name="input", weights=True
):
    constants = {"w": np.zeros((2, 2))} if weights else {"scale": np.zeros(3)}
    return SimpleNamespace(
        model=SimpleNamespace(graph=SimpleNamespace(constants=constants)),
        inputs=[port(name, dtype, shape)],
        outputs=[port(f"out{i}", np.float32, s) for i, s in enumerate(outputs)],
        metadata=metadata or {},
    )

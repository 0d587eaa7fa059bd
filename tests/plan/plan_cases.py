"""Small graphs through whole plans: same bits of 1 and 2 threads, unaligned feeds, against onnxruntime."""
from __future__ import annotations

from functools import partial

import numpy as np
import pytest

import cinfer

from onnx_models import Model, assert_close, expected, unaligned

TOLERANCE = 3e-5    # sums of 2000 float32 in another order, Winograd's transforms, ulps of exp: 4x head room


class Cases(dict):
    """name -> what builds a model and how it is judged. The builder is given a Model and returns the outputs.

    Models and expected outputs are made once for all ISA levels.
    """

    def __init__(self):
        super().__init__()
        self._prepared = {}

    def add(self, name: str | None = None, *, numpy: int = 0, opset: int = 17, dtype=np.float32,
            oracle=expected, **arguments):
        """Decorator of a builder. numpy : how many of its steps may be NumPy's; dtype : of the outputs"""
        def register(build):
            full = name or build.__name__
            assert full not in self
            self[full] = partial(build, **arguments), numpy, opset, dtype, oracle
            return build
        return register

    def prepared(self, name: str) -> tuple[bytes, dict, list]:
        """(model, feeds, expected outputs)"""
        if name not in self._prepared:
            build, _, opset, dtype, oracle = self[name]
            m = Model(opset, seed=sum(map(ord, name)))
            outputs = build(m)
            m.outputs(*([outputs] if isinstance(outputs, str) else outputs), dtype=dtype)
            data, feeds = m.bytes(), m.feeds()
            self._prepared[name] = data, feeds, oracle(data, feeds)
        return self._prepared[name]

    def check(self, name: str, isa: str) -> None:
        """The answers are those expected, by no more NumPy steps than the case allows."""
        data, feeds, want = self.prepared(name)
        session = cinfer.load(data, threads=1, isa=isa)
        kernels = [step.label for step in session._plan_for({k: v.shape for k, v in feeds.items()}).steps]
        assert kernels.count("numpy") <= self[name][1], f"{name}: {kernels}"
        hold(data, feeds, want, name, isa)


def hold(data: bytes, feeds: dict, want: list, where: str, isa: str) -> None:
    """The answers are `want`, of the same bits for 1 and 2 threads, run again, and feeds anywhere in memory.

    Small plans keep to one thread; here they use what they are given.
    """
    bits = None
    for threads in (1, 2):
        label = f"{where} {isa} threads={threads}"
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("cinfer.plan.plan.FEW_FLOPS", -1)
            session = cinfer.load(data, threads=threads, isa=isa)
            given = {k: unaligned(v) if threads == 2 else v.copy() for k, v in feeds.items()}
            got = session.run(None, given)
        for i, (y, w) in enumerate(zip(got, want, strict=True)):
            assert_close(y, w, f"{label} output {i}", TOLERANCE)
        for key, array in given.items():
            assert array.tobytes() == feeds[key].tobytes(), f"{label}: wrote to its input {key}"
        again = session.run(None, given)
        bits = bits or [y.tobytes() for y in got]
        assert bits == [y.tobytes() for y in got] == [y.tobytes() for y in again], f"{label}: other bits"


def steps(build, *shape) -> list[str]:
    """The labels of the steps that one thread gets for build(model, x)."""
    m = Model()
    data = m.outputs(build(m, m.input("x", *shape))).bytes()
    return [step.label for step in cinfer.load(data, threads=1)._plan_for(None).steps]

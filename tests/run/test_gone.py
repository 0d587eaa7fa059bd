"""What nobody has any more is gone at once: no rings, which would keep arrays until Python looks for such."""
import gc

import numpy as np
import pytest

pytest.importorskip("onnx")

import cinfer

from written import written

MODELS = {
    "kernels": "r = Relu (x)  y = Abs (r)",
    "parts": "a = NonZero (x)  f = Cast <to = 1> (a)  y = Relu (f)",
    "a loop": "m = Constant <value = int64 {3}> ()  y = Loop <body = b (int64 i, bool c, float[k] v) => "
              "(bool d, float[k] e) { d = Identity (c)  e = Add (v, v) }> (m, , x)",
}


@pytest.mark.parametrize("size", ["n", "5"])
@pytest.mark.parametrize("name", MODELS)
def test_a_session_and_its_runs_leave_nothing(name, size):
    data, x = written(f"g (float[{size}] x) => (float y) {{ {MODELS[name]} }}"), np.ones(5, np.float32)

    def use():
        session = cinfer.load(data, threads=1)
        for _ in range(3):
            session.run(None, {"x": x})
    use()                                   # what is imported stays
    gc.collect()
    gc.disable()
    try:
        use()
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        left = [type(each).__name__ for each in gc.garbage]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    assert not {"Graph", "Node", "Routine", "ndarray", "Fact"} & {*left}, left

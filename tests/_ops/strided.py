"""Arrays of any dtype and stride for the tests of kernels that take them."""
import numpy as np
from hypothesis import strategies as st

import cinfer._ops as ops

EXECUTOR = ops.executor()
LEVELS = ops.usable_levels()


def at(a):
    return 0, a.ctypes.data


def strides(a, shape, axes=6):
    """Strides in elements, of a broadcast to the shape, padded in front."""
    return [0] * (axes - len(shape)) + [s // a.itemsize for s in np.broadcast_to(a, shape).strides]


def padded(shape, axes=6):
    return [1] * (axes - len(shape)) + list(shape)


def run(level, name, tiles, threads=2, **params):
    t = ops.table(level)
    EXECUTOR.run_once(t, name, t.pack(name, **params), tiles, threads)


def laid_out(values, how):
    """The values in fresh memory: axes in the order how["order"], steps and directions how["steps"], gaps of
    guards between them; (view, memory)."""
    order, steps = how["order"], how["steps"]
    sizes = [values.shape[a] * abs(steps[a]) + how["gap"] for a in order]
    memory = np.frombuffer(bytearray(b"\xa5" * (int(np.prod(sizes)) * values.itemsize)), np.uint8)
    view = memory.view(values.dtype).reshape(sizes)
    view = view.transpose(np.argsort(order)) if order else view
    view = view[(*(slice(0, d * abs(s), abs(s)) for d, s in zip(values.shape, steps)), ...)]
    view = view[(*(slice(None, None, -1 if s < 0 else 1) for s in steps), ...)]
    view[...] = values
    return view, memory


@st.composite
def layouts(draw, ndim):
    """How the axes of an array lie in memory."""
    gap = draw(st.integers(0, 2))
    if draw(st.booleans()):
        return {"order": list(range(ndim)), "steps": [1] * ndim, "gap": gap}
    step = st.sampled_from([1, 1, 2, 3, -1])
    order, steps = draw(st.permutations(range(ndim))), [draw(step) for _ in range(ndim)]
    return {"order": order, "steps": steps, "gap": gap}


def sizes(most=4, size=20):
    """Shapes: some long, some of a few elements."""
    return st.lists(st.integers(1, size), min_size=1, max_size=most).map(tuple) | st.tuples(
        st.integers(1, 3), st.sampled_from([1, 15, 16, 17, 63, 64, 65, 1023, 1024, 1025, 2500]))

"""Pictures of bytes between other kernels: channels that move, pictures that are resized."""
import numpy as np
import pytest

import cinfer
from cinfer import _ops
from cinfer.plan.views import U8

from onnx_models import Model, by_numpy

LEVELS = _ops.usable_levels()
X, Y = (np.float32(1 / 16), np.uint8(120)), (np.float32(1 / 8), np.uint8(90))     # with these ties are exact


def check(m: Model, isa: str, kernel: str, most_off: int = 0) -> None:
    """Means what NumPy says of the file, without NumPy's help, with the same bits for 1 and 2 threads."""
    data, bits = m.bytes(), []
    rng = np.random.default_rng(3)
    feeds = {name: rng.integers(0, 256, shape).astype(U8) for name, shape in m.shapes.items()}
    for threads in (1, 2):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("cinfer.plan.plan.FEW_FLOPS", -1)
            session = cinfer.load(data, threads=threads, isa=isa)
            labels = [step.label for step in session._plan_for(None).steps]
            assert "numpy" not in labels and kernel in labels, labels
            bits.append(session.run(None, feeds))
    for one, two, wanted in zip(*bits, by_numpy(data, feeds)):
        assert one.tobytes() == two.tobytes()
        assert one.dtype == wanted.dtype and one.shape == wanted.shape
        off = np.abs(one.astype(int) - wanted.astype(int))
        assert off.max() <= most_off and (off > 0).mean() < .05


def picture(m: Model, name: str, c: int, h: int = 7, w: int = 9) -> str:
    """Bytes in blocks."""
    return m.MaxPool(m.input(name, 2, c, h, w, dtype=U8), kernel_shape=[2, 2], pads=[0, 0, 1, 1])


def closed(m: Model, *names: str) -> Model:
    return m.outputs(*(m.MaxPool(name, kernel_shape=[3, 3], pads=[1] * 4) for name in names), dtype=U8)


@pytest.mark.parametrize("isa", LEVELS)
def test_channels_move_between_lanes(isa):
    """Concat, Split, Slice and a shuffle that are not on borders of blocks."""
    m = Model(18)
    y = m.Concat(picture(m, "a", 5), picture(m, "b", 24), picture(m, "c", 16), axis=1)
    y = m.Gather(y, np.arange(45).reshape(5, 9).T.reshape(-1), axis=1)
    first, second = m.node("Split", y, np.array([20, 25]), n=2, axis=1)
    cut = m.Slice(second, np.array([3]), np.array([21]), np.array([1]))
    check(closed(m, first, cut), isa, "gather_channels_u8")


def test_plans_for_other_sizes_move_bytes_too():
    """Plans from the second size on are replayed: tables of addresses count bytes."""
    m = Model(18)
    parts = [m.MaxPool(m.input(name, 1, c, 5, 6, dtype=U8, declared=(1, c, "h", "w")), kernel_shape=[2, 2])
             for name, c in (("a", 5), ("b", 24))]
    y = m.Resize(m.Concat(*parts, axis=1), None, np.float32([1, 1, 2, 2]), mode="nearest")
    data = closed(m, y).bytes()
    session, rng = cinfer.load(data, threads=1), np.random.default_rng(5)
    for h, w in ((5, 6), (7, 9), (8, 5), (12, 30), (6, 6)):
        feeds = {name: rng.integers(0, 256, (1, c, h, w)).astype(U8) for name, c in (("a", 5), ("b", 24))}
        np.testing.assert_array_equal(session.run(None, feeds)[0], by_numpy(data, feeds)[0], f"{h} {w}")


@pytest.mark.parametrize("isa", LEVELS)
@pytest.mark.parametrize("how", [
    dict(nearest_mode="floor", coordinate_transformation_mode="asymmetric"), dict(nearest_mode="round_prefer_ceil"),
    dict(coordinate_transformation_mode="align_corners")], ids=str)
def test_nearest(isa, how):
    for sizes in ([14, 18], [3, 20], [7, 9]):
        m = Model(18)
        y = m.Resize(picture(m, "x", 19), None, None, np.array([2, 19, *sizes]), mode="nearest", **how)
        check(closed(m, y), isa, "max_pool_u8" if sizes == [7, 9] else "resize_u8")


@pytest.mark.parametrize("isa", LEVELS)
@pytest.mark.parametrize("scale", [X, Y], ids=["same scale", "other scale"])
@pytest.mark.parametrize("mode", ["half_pixel", "align_corners", "asymmetric", "pytorch_half_pixel"])
def test_linear(isa, scale, mode):
    """But for the border between two bytes."""
    for sizes in ([14, 18], [3, 20], [7, 9]):
        m = Model(18)
        y = m.Resize(m.DequantizeLinear(picture(m, "x", 19), *X), None, None, np.array([2, 19, *sizes]), mode="linear",
                     coordinate_transformation_mode=mode)
        check(closed(m, m.QuantizeLinear(y, *scale)), isa, "resize_u8", most_off=1)

"""Networks in bfloat16, on any CPU: the level is told that its products are fast."""
from pathlib import Path
from random import Random

import ml_dtypes
import numpy as np
import pytest

import cinfer
from cinfer.vision import Reader

from bf16 import LEVELS, say_fast
from onnx_models import Model, assert_close, expected
from random_graphs import concatenated_graph
from watched import LARGE, NAN, bits, run_watched

TILES_OF_AMX = 16                           # times the speed of float32, of which the plan expects half
FASTEST, AS_AMD, AS_AMX = 1000, 2, 8        # times the speed of float32: all that can be of bfloat16; what CPUs reach
DATA = Path(__file__).resolve().parents[2] / "data"


@pytest.fixture(params=[FASTEST])
def fast(request, monkeypatch):
    say_fast(monkeypatch, lambda table: max(request.param, table.bf16_rate))
    monkeypatch.setattr("cinfer.plan.plan.FEW_FLOPS", -1)


def kernels(session, shapes=None) -> dict:
    return session.summary(shapes)["kernels"]


def whole(m: Model, *shape) -> np.ndarray:
    """Weights of few bits, whose products and sums are exact in bfloat16 and float32."""
    return m.rng.integers(-8, 9, shape).astype(np.float32)


# ---- whole numbers: the answer is exact, whatever is rounded

def residual(m):
    y = m.Conv(m.input("x", 2, 20, 13, 11), whole(m, 32, 20, 3, 3), whole(m, 32), pads=[1] * 4, strides=[2, 2])
    return m.Relu(m.Add(y, m.MaxPool(m.input("z", 2, 32, 7, 6), kernel_shape=[1, 1])))


def grouped(m):
    x = m.input("x", 1, 96, 7, 9)
    return m.Conv(x, whole(m, 48, 32, 3, 3), whole(m, 48), pads=[1] * 4, group=3)


def grouped_by_odd_channels(m):
    """Of float32: what a pair would be is of two groups."""
    return m.Conv(m.input("x", 1, 34, 5, 5), whole(m, 32, 17, 1, 1), group=2)


def dilated(m):
    return m.Conv(m.input("x", 1, 33, 17, 19), whole(m, 24, 33, 3, 3), pads=[4] * 4, dilations=[4, 4])


def with_a_prelu(m):
    y = m.Conv(m.input("x", 1, 32, 6, 5), whole(m, 40, 32, 1, 1), whole(m, 40))
    return m.PRelu(y, whole(m, 40, 1, 1))


def upsampled(m):
    """Each output is of one tap."""
    x = m.input("x", 2, 37, 6, 7)
    return m.LeakyRelu(m.ConvTranspose(x, whole(m, 37, 40, 2, 3), whole(m, 40), strides=[2, 3]), alpha=.5)


def upsampled_and_cropped(m):
    return m.ConvTranspose(m.input("x", 1, 33, 9, 5), whole(m, 33, 24, 2, 2), strides=[2, 2], pads=[1, 0, 2, 1])


def overlapping(m):
    """Of float32: outputs are of several taps."""
    return m.ConvTranspose(m.input("x", 1, 32, 6, 7), whole(m, 32, 32, 3, 3), strides=[2, 2])


def rows(m):
    return m.Conv(m.input("x", 2, 40, 31), whole(m, 16, 40, 5), strides=[3])


def volume(m):
    x = m.input("x", 2, 17, 4, 6, 5)
    return m.Conv(x, whole(m, 18, 17, 3, 2, 2), whole(m, 18), pads=[1, 0, 1, 1, 0, 1], strides=[2, 1, 1])


def matrices(m):
    y = m.Add(m.MatMul(m.input("x", 2, 7, 50), whole(m, 50, 30)), whole(m, 30))
    return m.Relu(m.Add(y, m.input("z", 2, 7, 30)))


def gemm(m):
    return m.Gemm(m.input("x", 9, 45), whole(m, 33, 45), whole(m, 33), transB=1, alpha=.5, beta=2.)


def vector(m):
    """Of few rows the weights alone are of bfloat16: reading them is what takes the time."""
    return m.Gemm(m.input("x", 2, 45), whole(m, 45, 33), whole(m, 33))


def of_patches(m, conv, oc):
    return m.Transpose(m.Reshape(m.Relu(conv), np.array([0, oc, -1])), perm=[0, 2, 1])


def patches(m):
    """Rows and columns of the picture are left over; the answer is read by pixels."""
    x = m.input("x", 2, 3, 14, 19)
    return of_patches(m, m.Conv(x, whole(m, 40, 3, 4, 5), whole(m, 40), strides=[4, 5]), 40)


def one_patch(m):
    return of_patches(m, m.Conv(m.input("x", 3, 1, 8, 8), whole(m, 17, 1, 8, 8), strides=[8, 8]), 17)


def patches_that_overlap(m):
    return of_patches(m, m.Conv(m.input("x", 1, 3, 16, 16), whole(m, 32, 3, 4, 4), strides=[4, 3]), 32)


def patches_with_a_frame(m):
    x = m.input("x", 1, 3, 16, 16)
    return of_patches(m, m.Conv(x, whole(m, 32, 3, 4, 4), strides=[4, 4], pads=[1, 1, 2, 2]), 32)


def patches_that_are_the_answer(m):
    return m.Conv(m.input("x", 1, 3, 16, 16), whole(m, 32, 3, 4, 4), strides=[4, 4])


def patches_that_are_read_in_blocks(m):
    y = m.Conv(m.input("x", 1, 3, 32, 32), whole(m, 32, 3, 4, 4), strides=[4, 4])
    return m.MaxPool(y, kernel_shape=[2, 2])


def two_values(m):
    """Both sides come of the run; one is the same for all of a batch."""
    return m.MatMul(m.input("x", 2, 3, 20, 41), m.Transpose(m.input("z", 3, 17, 41), perm=[0, 2, 1]))


def two_values_in_heads(m):
    x = m.Transpose(m.input("x", 2, 20, 3, 40), perm=[0, 2, 1, 3])
    y = m.MatMul(x, m.Transpose(m.input("z", 2, 33, 3, 40), perm=[0, 2, 3, 1]))
    return m.Transpose(m.Mul(m.Relu(y), np.float32(.5)), perm=[0, 2, 1, 3])


EXACT = {residual: {"conv_bf16": 1}, grouped: {"conv_bf16": 1}, grouped_by_odd_channels: {"conv": 1},
         dilated: {"conv_bf16": 1}, upsampled: {"conv_bf16": 1}, upsampled_and_cropped: {"conv_bf16": 1},
         overlapping: {"conv": 1}, with_a_prelu: {"conv_bf16": 1}, rows: {"conv_bf16": 1}, volume: {"conv_bf16": 1},
         patches: {"gemm_bf16": 1}, one_patch: {"gemm_bf16": 1}, patches_that_overlap: {"conv_stem": 1},
         patches_with_a_frame: {"conv_stem": 1}, patches_that_are_the_answer: {"conv_stem": 1},
         patches_that_are_read_in_blocks: {"conv_stem": 1}, two_values: {"gemm_bf16": 1},
         two_values_in_heads: {"gemm_bf16": 1}, matrices: {"gemm_bf16": 1}, gemm: {"gemm_bf16": 1}, vector: {}}


@pytest.mark.parametrize("isa", LEVELS)
@pytest.mark.parametrize("build", EXACT, ids=lambda build: build.__name__)
def test_whole_numbers_are_exact(fast, build, isa):
    m = Model(seed=4)
    data = m.outputs(build(m)).bytes()
    feeds = {name: m.rng.integers(-4, 5, shape).astype(np.float32) for name, shape in m.shapes.items()}
    want, = expected(data, feeds)
    for threads in (1, 3):
        session = cinfer.load(data, threads=threads, isa=isa, precision="bf16")
        found = {name: count for name, count in kernels(session).items() if name.startswith(("conv", "gemm"))}
        assert found == EXACT[build]
        np.testing.assert_array_equal(session.run(None, feeds)[0], want)


# ---- any numbers: as near as 8 bits are

@pytest.mark.parametrize("isa", LEVELS)
@pytest.mark.parametrize("seed", range(12))
def test_random_networks(fast, seed, isa):
    """The same bits of any number of threads, whatever memory held; nothing is written beside buffers."""
    graph = concatenated_graph(Random(seed))
    first, second = (run_watched(graph.bytes(), graph.feeds(), threads=threads, isa=isa, fill=fill, spaced=spaced,
                                 precision="bf16") for threads, fill, spaced in ((1, NAN, True), (3, LARGE, False)))
    assert bits(first) == bits(second)
    for i, (y, want) in enumerate(zip(first, graph.expected(), strict=True)):
        assert_close(y, want, f"seed {seed} output {i} {isa}", 3e-2)


@pytest.mark.parametrize("isa", LEVELS)
def test_any_number_of_threads_gives_the_same_bits(fast, isa):
    m = Model(seed=5)
    y = m.Relu(m.conv(m.input("x", 1, 70, 37, 29), 70, 90, 3, pads=[1] * 4))
    y = m.conv(y, 90, 33, 3, strides=[2, 2])
    data = m.outputs(m.MatMul(m.Reshape(y, np.array([-1, 495])), m.weights(495, 50))).bytes()
    feeds = m.feeds()
    first, *others = (bits(cinfer.load(data, threads=threads, isa=isa, precision="bf16").run(None, feeds))
                      for threads in range(1, 9))
    assert all(other == first for other in others)


def attention(m, mask=None, n=2, h=3, rows=70, columns=45, d=40, dv=24, free=False):
    def heads(name, count, size, perm):
        declared = ("n", f"{name} positions", h, size) if free else None
        return m.Transpose(m.input(name, n, count, h, size, declared=declared), perm=perm)
    q, k = heads("q", rows, d, [0, 2, 1, 3]), heads("k", columns, d, [0, 2, 3, 1])
    scores = m.MatMul(m.Mul(q, np.float32(d**-.5)), k)
    if mask is not None:
        scores = m.Add(scores, mask)
    y = m.MatMul(m.Softmax(scores, axis=-1), heads("v", columns, dv, [0, 2, 1, 3]))
    return m.Reshape(m.Transpose(y, perm=[0, 2, 1, 3]), np.array([0, 0, -1]))


CAUSAL = np.where(np.tri(70, 45, 3, bool), np.float32(0), np.float32(-np.inf))


@pytest.mark.parametrize("isa", LEVELS)
@pytest.mark.parametrize("sizes", [{}, dict(columns=300), dict(rows=1, columns=300), dict(mask=(2, 3, 70, 45)),
                                   dict(mask=(2, 1, 1, 45)), dict(mask=(70, 1)), dict(mask=CAUSAL)], ids=str)
def test_attention(fast, sizes, isa):
    """The same bits of any number of threads, whatever memory held; nothing is written beside buffers."""
    m = Model(seed=9)
    mask = sizes.get("mask")
    data = m.outputs(attention(m, **dict(sizes, mask=m.input("mask", *mask) if type(mask) is tuple else mask))).bytes()
    feeds = m.feeds()
    first, second = (run_watched(data, feeds, threads=threads, isa=isa, fill=fill, spaced=spaced, precision="bf16")
                     for threads, fill, spaced in ((1, NAN, True), (3, LARGE, False)))
    assert bits(first) == bits(second)
    assert kernels(cinfer.load(data, isa=isa, precision="bf16"))["attention_bf16"] == 1
    assert_close(first[0], expected(data, feeds)[0], f"{sizes} {isa}", 1e-2)
    assert not np.array_equal(first[0], cinfer.load(data, isa=isa).run(None, feeds)[0])


def test_sizes_of_patches_may_be_free(fast):
    m = Model(seed=11)
    x = m.input("x", 1, 3, 16, 16, declared=("n", 3, "h", "w"))
    data = m.outputs(of_patches(m, m.conv(x, 3, 24, 4, strides=[4, 4], pads=[0] * 4), 24)).bytes()
    session = cinfer.load(data, threads=2, precision="bf16")
    for shape in [(1, 3, 16, 16), (2, 3, 9, 30), (1, 3, 33, 4), (1, 3, 64, 64)]:
        feeds = m.feeds(x=shape)
        got, = session.run(None, feeds)
        assert kernels(session, {"x": shape})["gemm_bf16"] == 1
        np.testing.assert_array_equal(got, cinfer.load(data, threads=1, precision="bf16").run(None, feeds)[0])
        assert_close(got, expected(data, feeds)[0], str(shape), 2e-2)


def test_sizes_of_attention_may_be_free(fast):
    m = Model(seed=10)
    data = m.outputs(attention(m, free=True)).bytes()
    session = cinfer.load(data, threads=2, precision="bf16")
    for n, rows, columns in [(2, 70, 45), (1, 45, 300), (3, 1, 1), (2, 290, 33), (1, 45, 310)]:
        feeds = m.feeds(q=(n, rows, 3, 40), k=(n, columns, 3, 40), v=(n, columns, 3, 24))
        got, = session.run(None, feeds)
        fresh, = cinfer.load(data, threads=1, precision="bf16").run(None, feeds)
        np.testing.assert_array_equal(got, fresh)
        assert_close(got, expected(data, feeds)[0], str((n, rows, columns)), 1e-2)


# Trained networks. The root mean square of the error over that of the answer in float32, seen: 9e-4 and 1e-2.
@pytest.mark.parametrize("fast", [AS_AMD, AS_AMX], indirect=True)
@pytest.mark.parametrize("name, most", [("efficientnet_lite0_w8", 3e-3), ("nanodet_g_416_w8", 3e-2)])
def test_trained_networks(fast, name, most):
    path = DATA / f"{name}.onnx"
    session, exact = cinfer.load(path, precision="bf16"), cinfer.load(path)
    feeds = Reader(exact).prepare(str(DATA / "dog.jpg")).feeds
    for got, want in zip(session.run(None, feeds), exact.run(None, feeds), strict=True):
        assert np.sqrt(np.square(got - want).mean() / np.square(want).mean()) < most
        assert not np.array_equal(got, want)
    assert kernels(session, {name: x.shape for name, x in feeds.items()})["conv_bf16"] > 8


@pytest.mark.parametrize("isa", LEVELS)
@pytest.mark.parametrize("transB", [0, 1])
def test_a_vector_is_multiplied_as_it_is_by_rounded_weights(fast, isa, transB):
    m = Model(seed=6)
    w = m.vector(130, 70)
    w[3, 5], w[4, 6], w[7, 8] = 3.3e38, np.inf, 1 + 3 * 2 ** -8            # the last lies between two
    data = m.outputs(m.Gemm(m.input("x", 1, 130), w.T.copy() if transB else w, transB=transB)).bytes()
    x = np.abs(m.vector(1, 130))
    session = cinfer.load(data, isa=isa, precision="bf16")
    assert session.summary()["kernels"] == {"gemv": 1}
    with np.errstate(over="ignore"):
        want = (x.astype(float) @ w.astype(ml_dtypes.bfloat16).astype(float)).astype(np.float32)
    got = session(x)
    np.testing.assert_array_equal(np.isinf(got), np.isinf(want))
    np.testing.assert_allclose(got[np.isfinite(want)], want[np.isfinite(want)], atol=1e-5)


# ---- what is of bfloat16

def labels(data, rate, monkeypatch, **how):
    say_fast(monkeypatch, rate)
    return kernels(cinfer.load(data, threads=1, precision="bf16", **how))


def test_windows_of_3x3_are_of_bfloat16_where_that_is_faster_than_winograd(monkeypatch):
    m = Model()
    data = m.outputs(m.conv(m.input("x", 1, 128, 56, 56), 128, 128, 3)).bytes()
    assert labels(data, AS_AMD, monkeypatch)["winograd"] == 1
    assert labels(data, AS_AMX, monkeypatch)["conv_bf16"] == 1
    assert labels(data, 0, monkeypatch)["winograd"] == 1


@pytest.mark.parametrize("ic, oc, size, kernel, group, want", [
    (64, 64, 56, 3, 1, "conv_bf16"), (512, 512, 7, 3, 1, "conv_bf16"), (256, 64, 56, 1, 1, "conv_bf16"),
    (16, 96, 112, 1, 1, "conv_bf16"), (16, 16, 80, 3, 1, "conv_bf16"), (64, 64, 14, 3, 2, "conv_bf16"),
    (4, 32, 28, 1, 1, "conv"),                      # sums of few terms: finishing them takes longer than they do
    (3, 32, 64, 3, 1, "conv"), (32, 32, 56, 3, 32, "depthwise"),
    (64, 64, 14, 3, 4, "conv"),                     # groups of 16 do not fill what tiles multiply
    (1700, 16, 4, 5, 1, "conv")])                   # more terms than one accumulator may take
def test_what_is_multiplied_in_tiles_of_amx(monkeypatch, ic, oc, size, kernel, group, want):
    monkeypatch.setattr("cinfer.plan.kernels.bf16.group", lambda table: 32)
    m = Model()
    w = np.zeros((oc, ic // group, kernel, kernel), np.float32)
    x = m.MaxPool(m.input("x", 1, ic, size, size), kernel_shape=[1, 1])
    data = m.outputs(m.Conv(x, w, group=group, pads=[kernel // 2] * 4)).bytes()
    found = labels(data, TILES_OF_AMX, monkeypatch)
    assert {name for name in found if name.startswith(("conv", "dep", "wino"))} == {want}


@pytest.mark.parametrize("m, k, n, want", [(197, 192, 576, "gemm_bf16"), (49, 9216, 1024, "gemm_bf16"),
                                           (16, 3, 64, "gemm")])
def test_products_in_tiles_of_amx(monkeypatch, m, k, n, want):
    monkeypatch.setattr("cinfer.plan.kernels.bf16.group", lambda table: 32)
    model = Model()
    data = model.outputs(model.MatMul(model.input("x", m, k), np.zeros((k, n), np.float32))).bytes()
    assert labels(data, TILES_OF_AMX, monkeypatch) == {want: 1}


@pytest.mark.parametrize("rows, columns, d, want", [(197, 197, 64, "attention_bf16"), (64, 4, 3, "attention"),
                                                    (2, 40000, 64, "attention")])
def test_attention_in_tiles_of_amx(monkeypatch, rows, columns, d, want):
    """Few terms do not fill tiles; more than 2^15 are too many for sums of float32."""
    monkeypatch.setattr("cinfer.plan.kernels.bf16.group", lambda table: 32)
    m = Model()
    data = m.outputs(attention(m, None, 1, 3, rows, columns, d, d)).bytes()
    assert want in labels(data, TILES_OF_AMX, monkeypatch)


@pytest.mark.parametrize("size, oc, want", [(16, 192, "gemm_bf16"), (4, 96, "gemm_bf16"), (1, 96, "conv_stem")])
def test_patches_in_tiles_of_amx(monkeypatch, size, oc, want):
    monkeypatch.setattr("cinfer.plan.kernels.bf16.group", lambda table: 32)
    m = Model()
    x = m.input("x", 1, 3, 14 * size, 14 * size)
    data = m.outputs(of_patches(m, m.conv(x, 3, oc, size, strides=[size] * 2, pads=[0] * 4), oc)).bytes()
    for rate, kernel in ((TILES_OF_AMX, want), (0, "conv_stem")):
        assert [name for name in labels(data, rate, monkeypatch) if name.startswith(("conv", "gemm"))] == [kernel]


@pytest.mark.parametrize("rows, d, columns, want", [(197, 64, 197, "gemm_bf16"), (64, 4, 64, "gemm")])
def test_products_of_two_values_in_tiles_of_amx(monkeypatch, rows, d, columns, want):
    monkeypatch.setattr("cinfer.plan.kernels.bf16.group", lambda table: 32)
    m = Model()
    data = m.outputs(m.MatMul(m.input("x", 3, rows, d), m.input("z", 3, d, columns))).bytes()
    found = labels(data, TILES_OF_AMX, monkeypatch)
    assert found == {want: 1, "pack_bf16" if want == "gemm_bf16" else "pack_gemm": 1}


def test_large_weights_are_kept_once_for_all_sizes(monkeypatch):
    m = Model()
    x = m.input("x", 1, 256, 8, 8, declared=(1, 256, "h", "w"))
    data = m.outputs(m.conv(x, 256, 256, 3)).bytes()
    for rate, kernel in ((AS_AMD, "winograd"), (AS_AMX, "conv_bf16")):
        say_fast(monkeypatch, rate)
        session = cinfer.load(data, threads=1, precision="bf16")
        assert {kernel} == {k for size in (2, 9, 40) for k in kernels(session, {"x": (1, 256, size, size)})
                            if k in ("winograd", "conv", "conv_bf16")}


def test_sizes_may_be_free(fast):
    """Plans by formulas and recordings give what a plan for these sizes gives."""
    m = Model(seed=8)
    x = m.input("x", 1, 20, 8, 8, declared=("n", 20, "h", "w"))
    y = m.conv(m.Relu(m.conv(x, 20, 40, 1)), 40, 33, 3, strides=[2, 2])
    flat = m.Reshape(m.Transpose(y, perm=[0, 2, 3, 1]), np.array([0, -1, 33]))
    data = m.outputs(m.MatMul(flat, m.weights(33, 40))).bytes()
    session = cinfer.load(data, threads=2, precision="bf16")
    for shape in [(1, 20, 8, 8), (2, 20, 9, 5), (1, 20, 40, 33), (3, 20, 1, 7), (1, 20, 64, 64)]:
        feeds = m.feeds(x=shape)
        got, = session.run(None, feeds)
        assert kernels(session, {"x": shape})["conv_bf16"] == 2
        fresh, = cinfer.load(data, threads=1, precision="bf16").run(None, feeds)
        np.testing.assert_array_equal(got, fresh)
        assert_close(got, expected(data, feeds)[0], str(shape), 2e-2)


def test_products_of_whole_numbers_stay_exact(fast):
    """A ConvInteger's: what is rounded to 8 bits behind it falls where it belongs."""
    m = Model(seed=2)
    x = m.input("x", 1, 40, 9, 9, dtype=np.uint8)
    y = m.ConvInteger(x, m.rng.integers(-128, 128, (32, 40, 3, 3)).astype(np.int8), np.uint8(117))
    data = m.outputs(m.Cast(y, to=1)).bytes()
    feeds = {"x": m.rng.integers(0, 256, (1, 40, 9, 9)).astype(np.uint8)}
    session = cinfer.load(data, precision="bf16")
    assert "conv_bf16" not in kernels(session)
    np.testing.assert_array_equal(session.run(None, feeds)[0], expected(data, feeds)[0])

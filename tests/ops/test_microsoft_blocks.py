"""Weights in blocks of few bits: against NumPy that unpacks them number by number, and onnxruntime."""
import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from loaded_node import both_ways, loaded_runs
from one_node import onnxruntime_runs, refuses, run

from cinfer.ops.families import MICROSOFT

F, U8, S4, U4 = np.float32, np.uint8, np.dtype(ml_dtypes.int4), np.dtype(ml_dtypes.uint4)
OURS = dict(domain=MICROSOFT, opset=1)
THEIRS = dict(domain=MICROSOFT, opset=21)


def bits_of(byte: int, place: int, bits: int) -> int:
    """The number at this place among those of a byte, the first in the lowest bits."""
    return int(byte) // 2**(bits * place) % 2**bits


def dequantised(B, scales, zero_points, K: int, N: int, bits: int, block_size: int, g_idx=None) -> np.ndarray:
    """The matrix (K, N) of MatMulNBits, in float64."""
    w, blocks, a_byte = np.zeros((K, N)), -(-K // block_size), 8 // bits
    scales = scales.astype(float).reshape(N, blocks)
    if zero_points is not None and zero_points.dtype == U8:
        zero_points = zero_points.reshape(N, -1)
    elif zero_points is not None:
        zero_points = zero_points.astype(float).reshape(N, blocks)
    for n in range(N):
        for k in range(K):
            block, place = divmod(k, block_size)
            number = bits_of(B[n, block, place // a_byte], place % a_byte, bits)
            group = block if g_idx is None else g_idx[k]
            if zero_points is None:
                zero = 2**(bits - 1)
            elif zero_points.dtype == U8:
                zero = bits_of(zero_points[n, group // a_byte], group % a_byte, bits)
            else:
                zero = zero_points[n, group]
            w[k, n] = (number - zero) * scales[n, group]
    return w


def weights(K: int, N: int, bits: int, block_size: int, zeros: str, flat: bool = False) -> tuple:
    """B, scales, zero_points"""
    r, blocks = np.random.default_rng(0), -(-K // block_size)
    B = r.integers(0, 256, (N, blocks, block_size * bits // 8)).astype(U8)
    scales = r.uniform(0.01, 0.1, (N, blocks)).astype(F)
    zero_points = {"none": None, "packed": r.integers(0, 256, (N, -(-blocks * bits // 8))).astype(U8),
                   "float": r.uniform(0, 2**bits, (N, blocks)).astype(F)}[zeros]
    if flat:
        scales, zero_points = scales.reshape(-1), None if zero_points is None else zero_points.reshape(-1)
    return B, scales, zero_points


def rows(*shape, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(F)


@st.composite
def matmul_cases(draw):
    bits, block_size = draw(st.sampled_from([2, 4, 8])), draw(st.sampled_from([16, 32, 64, 128, 256]))
    return dict(bits=bits, block_size=block_size, K=draw(st.integers(1, 2 * block_size + 3)),
                N=draw(st.integers(1, 9)), zeros=draw(st.sampled_from(["none", "packed", "float"])),
                flat=draw(st.booleans()), bias=draw(st.booleans()),
                shape=draw(st.sampled_from([(), (1,), (3,), (2, 5), (2, 1, 3)])))


def arrays_of(case: dict) -> tuple:
    K, N = case["K"], case["N"]
    w = weights(K, N, case["bits"], case["block_size"], case["zeros"], case["flat"])
    return rows(*case["shape"], K), *w, None, rows(N, seed=2) if case["bias"] else None


def attributes_of(case: dict) -> dict:
    return {name: case[name] for name in ("K", "N", "bits", "block_size")}


@settings(max_examples=60, deadline=None)
@given(matmul_cases())
def test_matmul_is_that_of_the_dequantised_matrix(case):
    inputs, attributes = arrays_of(case), attributes_of(case)
    A, B, scales, zero_points, _, bias = inputs
    expected = A.astype(float) @ dequantised(B, scales, zero_points, **attributes)
    expected = expected if bias is None else expected + bias
    tolerance = 1e-5 * max(1, np.abs(expected).max())
    for y in (run("MatMulNBits", *inputs, **OURS, **attributes),
              *both_ways("MatMulNBits", *inputs, constants=(1, 2, 3, 5), **attributes)):
        np.testing.assert_allclose(y, expected, atol=tolerance, rtol=0)


@settings(max_examples=40, deadline=None)
@given(matmul_cases().filter(lambda case: case["shape"] and (case["bits"], case["zeros"]) != (8, "float")))
def test_matmul_is_as_onnxruntime_has_it(case):
    """Of 8 bits it takes no zero points that are floats."""
    inputs, attributes = arrays_of(case), attributes_of(case)
    expected = onnxruntime_runs("MatMulNBits", *inputs, **THEIRS, **attributes)
    np.testing.assert_allclose(run("MatMulNBits", *inputs, **OURS, **attributes), expected,
                               atol=1e-5 * max(1, np.abs(expected).max()), rtol=0)


@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("constants", [(), (1,), (1, 2)])
def test_matmul_of_weights_that_are_inputs(bits, constants):
    how = dict(K=40, N=6, bits=bits, block_size=16)
    w = weights(40, 6, bits, 16, "packed")
    A = rows(2, 3, 40)
    for y in both_ways("MatMulNBits", A, *w, constants=constants, **how):
        np.testing.assert_allclose(y, A.astype(float) @ dequantised(*w, **how), atol=1e-5, rtol=0)


@pytest.mark.parametrize("zeros", ["none", "float"])
@pytest.mark.parametrize("padded", [False, True])
def test_matmul_with_groups(padded, zeros):
    """With packed zero points onnxruntime takes them all for 8; those are refused."""
    how = dict(K=40, N=6, bits=4, block_size=16)
    w = weights(40, 6, 4, 16, zeros)
    g_idx = np.random.default_rng(3).integers(0, 3, 48 if padded else 40).astype(np.int32)
    A = rows(3, 40)
    expected = A.astype(float) @ dequantised(*w, **how, g_idx=g_idx)
    for y in (run("MatMulNBits", A, *w, g_idx, **OURS, **how),
              loaded_runs("MatMulNBits", A, *w, g_idx, constants=(1, 2, 3, 4), **how),
              onnxruntime_runs("MatMulNBits", A, *w, g_idx, **THEIRS, **how)):
        np.testing.assert_allclose(y, expected, atol=1e-5)
    refuses("g_idx holds 0 to 3; allowed is 0 to 2", "MatMulNBits", A, *w,
            np.arange(40, dtype=np.int32) // 10, **OURS, **how)
    refuses("g_idx with 4 bits and zero_points uint8", "MatMulNBits", A, *weights(40, 6, 4, 16, "packed"),
            g_idx, **OURS, **how)
    refuses("g_idx with 2 bits and zero_points left out", "MatMulNBits", A, *weights(40, 6, 2, 16, "none"),
            g_idx, **OURS, **{**how, "bits": 2})


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_matmul_of_narrow_floats_is_rounded_once(dtype):
    how = dict(K=64, N=6, bits=4, block_size=16)
    B, scales, zero_points = weights(64, 6, 4, 16, "float")
    A, scales, zero_points, bias = (v.astype(dtype) for v in (rows(5, 64), scales, zero_points, rows(6)))
    exact = A.astype(float) @ dequantised(B, scales, zero_points, **how) + bias.astype(float)
    step = 2**-10 if dtype == np.float16 else 2**-7
    inputs = A, B, scales, zero_points, None, bias
    for y in (run("MatMulNBits", *inputs, **OURS, **how),
              loaded_runs("MatMulNBits", *inputs, constants=(1, 2, 3, 5), **how)):
        assert y.dtype == dtype
        np.testing.assert_allclose(y.astype(float), exact, rtol=0.51 * step, atol=1e-6)


@pytest.mark.parametrize("shape", [(0, 2, 8), (6, 0, 8), (6, 2, 0)])
@pytest.mark.parametrize("bias", [False, True])
def test_no_weights_are_zeros(shape, bias):
    how = dict(K=32, N=6, bits=4, block_size=16)
    A, B, scales = np.full((2, 3, 32), np.nan, F), np.zeros(shape, U8), np.zeros((0, 0), F)
    inputs = A, B, scales, None, None, rows(6) if bias else None
    expected = np.broadcast_to(rows(6) if bias else F(0), (2, 3, 6))
    np.testing.assert_array_equal(run("MatMulNBits", *inputs, **OURS, **how), expected)
    for y in both_ways("MatMulNBits", *inputs, constants=(1, 2), **how):
        np.testing.assert_array_equal(y, expected)


def test_matmul_kernel_has_the_weights(monkeypatch):
    """They are dequantised at load: no step of the run is one of NumPy."""
    import cinfer
    from cinfer.ops import microsoft_blocks
    w = weights(64, 8, 4, 32, "packed")
    calls = []
    evaluate = microsoft_blocks.DequantizeNBits.evaluate
    monkeypatch.setattr(microsoft_blocks.DequantizeNBits, "evaluate",
                        lambda *a, **k: calls.append(1) or evaluate(*a, **k))
    runs = cinfer.Session.run
    counts = []

    def counted(self, *a, **k):
        counts.append((len(calls), [n.op_type for n in self._graph.nodes]))
        runs(self, *a, **k)
        answers = runs(self, *a, **k)
        counts.append((len(calls), None))
        return answers
    monkeypatch.setattr(cinfer.Session, "run", counted)
    loaded_runs("MatMulNBits", rows(3, 64), *w, constants=(1, 2, 3), K=64, N=8, block_size=32)
    assert counts == [(1, ["MatMul"]), (1, None)]


def test_matmul_refuses():
    A, (B, scales, zeros), how = rows(3, 40), weights(40, 6, 4, 16, "packed"), dict(K=40, N=6, block_size=16)
    for message, inputs, more in [
            ("bits 3; it has to be 2, 4 or 8", (A, B, scales), dict(bits=3)),
            ("block_size 24; it has to be a power of 2", (A, B, scales), dict(block_size=24)),
            ("block_size 8; it has to be a power of 2, at least 16", (A, B, scales), dict(block_size=8)),
            ("weight_prepacked 1", (A, B, scales), dict(weight_prepacked=1)),
            ("B has shape [6, 3, 8]; it has to be [6, 3, 16]", (A, B, scales), dict(bits=8)),
            ("scales has shape [6, 2]; it has to be [6, 3] or [18]", (A, B, scales[:, :2].copy()), {}),
            ("zero_points has shape [6, 3]; it has to be [6, 2] or [12]",
             (A, B, scales, zeros.repeat(2, 1)[:, :3]), {}),
            ("zero_points that are not uint8 are float32 and int8", (A, B, scales, zeros.astype(np.int8)),
             {}),
            ("its last axis has to be K, 40", (A[:, :39].copy(), B, scales), {}),
            ("bias has shape [5]; it has to be [6]", (A, B, scales, None, None, rows(5)), {}),
            ("A is float64", (A.astype(float), B, scales), {}),
            ("A, scales and bias are float32 and float16", (A, B, scales.astype(np.float16)), {})]:
        refuses(message, "MatMulNBits", *inputs, **OURS, **{**how, **more})


# GatherBlockQuantized

def table_of(data, scales, zero_points, bits: int, block_size: int, axis: int) -> np.ndarray:
    """The dequantised table in float64, number by number."""
    packs = 8 // bits if data.dtype == U8 else 1
    shape = list(data.shape)
    shape[axis] *= packs
    table = np.zeros(shape)
    for place in np.ndindex(*shape):
        block = list(place)
        block[axis] //= block_size
        if packs > 1 or data.dtype == U8:
            def number(x, at):
                at = list(at)
                at[axis], rest = divmod(at[axis], packs)
                return bits_of(x[tuple(at)], rest, bits)
            value = number(data, place)
            zero = 2**(bits - 1) if zero_points is None else number(zero_points, block)
        else:
            value, zero = int(data[place]), 0 if zero_points is None else int(zero_points[tuple(block)])
        table[place] = (value - zero) * float(scales[tuple(block)])
    return table


def gathered(table, indices, axis: int) -> np.ndarray:
    """Rows of the table; 0 for indices beyond its ends."""
    size = table.shape[axis]
    rows = [np.take(table, i, axis) if -size <= i < size else np.zeros_like(np.take(table, 0, axis))
            for i in indices.reshape(-1)]
    y = np.stack(rows, axis) if rows else np.zeros((*table.shape[:axis], 0, *table.shape[axis + 1:]))
    return y.reshape(*table.shape[:axis], *indices.shape, *table.shape[axis + 1:])


@st.composite
def gathers(draw):
    kind = draw(st.sampled_from([U8, S4, U4]))
    bits = draw(st.sampled_from([2, 4, 8])) if kind == U8 else 4
    rank = draw(st.integers(2, 3))
    block_size = draw(st.sampled_from([16, 32]))
    axis = rank - 1 if kind == U8 else draw(st.integers(0, rank - 1))
    along = 0 if kind == U8 else draw(st.integers(0, rank - 1))
    shape = [draw(st.integers(1, 4)) for _ in range(rank)]
    shape[axis] = draw(st.integers(1, 2 * block_size + 3))
    packs = 8 // bits if kind == U8 else 1
    shape[axis] = -(-shape[axis] // packs)
    indices = draw(st.lists(st.integers(-shape[along] - 2, shape[along] + 1), min_size=0, max_size=4))
    return dict(kind=np.dtype(kind), bits=bits, block_size=block_size, shape=shape, axis=axis, along=along,
                indices=np.array(indices, draw(st.sampled_from([np.int32, np.int64]))), packs=packs,
                zeros=draw(st.booleans()), negative=draw(st.booleans()))


def gather_arrays(case: dict) -> tuple:
    r = np.random.default_rng(0)
    low, high = {"uint8": (0, 256), "int4": (-8, 8), "uint4": (0, 16)}[case["kind"].name]
    of_blocks = list(case["shape"])
    of_blocks[case["axis"]] = -(-of_blocks[case["axis"]] * case["packs"] // case["block_size"])
    scales = r.uniform(0.01, 0.1, of_blocks).astype(F)
    of_blocks[case["axis"]] = -(-of_blocks[case["axis"]] // case["packs"])
    data = r.integers(low, high, case["shape"]).astype(case["kind"])
    zeros = r.integers(low, high, of_blocks).astype(case["kind"]) if case["zeros"] else None
    rank = data.ndim * case["negative"]
    return (data, case["indices"], scales, zeros), dict(
        bits=case["bits"], block_size=case["block_size"], gather_axis=case["along"] - rank,
        quantize_axis=case["axis"] - rank)


@settings(max_examples=80, deadline=None)
@given(gathers())
def test_gather_is_that_of_the_dequantised_table(case):
    (data, indices, scales, zeros), attributes = gather_arrays(case)
    table = table_of(data, scales, zeros, case["bits"], case["block_size"], case["axis"])
    expected = gathered(table, indices, case["along"])
    inputs = data, indices, scales, zeros
    for y in (run("GatherBlockQuantized", *inputs, **OURS, **attributes),
              loaded_runs("GatherBlockQuantized", *inputs, constants=(0, 2, 3), types=[F], **attributes)):
        np.testing.assert_allclose(y, expected, rtol=1e-6, atol=1e-7)


@settings(max_examples=60, deadline=None)
@given(gathers().filter(lambda case: case["kind"] == U8))
def test_gather_is_as_onnxruntime_has_it(case):
    inputs, attributes = gather_arrays(case)
    expected = onnxruntime_runs("GatherBlockQuantized", *inputs, types=[F], **THEIRS, **attributes)
    y = run("GatherBlockQuantized", *inputs, **OURS, **attributes)
    np.testing.assert_allclose(y, expected, rtol=1e-6, atol=1e-7)


def test_gather_refuses():
    data, indices, scales = np.zeros((4, 16), U8), np.arange(3), np.ones((4, 2), F)
    for message, inputs, more in [
            ("data is int8 of 4 bits", (data.astype(np.int8), indices, scales), {}),
            ("data is int4 of 8 bits", (data.astype(S4), indices, scales), dict(bits=8)),
            ("indices are float32", (data, rows(3), scales), {}),
            ("gather_axis 1, quantize_axis 1; of uint8", (data, indices, scales), dict(gather_axis=1)),
            ("scales has shape [4, 2]; it has to be [4, 1]", (data, indices, scales), dict(bits=8)),
            ("zero_points has shape [4, 2]; it has to be [4, 1]",
             (data, indices, scales, np.zeros((4, 2), U8)), {}),
            ("data and zero_points are uint8 and int8",
             (data, indices, scales, np.zeros((4, 1), np.int8)), {})]:
        refuses(message, "GatherBlockQuantized", *inputs, **OURS, **{"block_size": 16, **more})

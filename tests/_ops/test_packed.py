"""Kernels that pack weights say how much they write: all of that is written, and nothing behind it."""
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from cinfer import _ops as ops
from cinfer.plan.kernels.conv_direct import reads_of

from strided import LEVELS, run

SIZE = st.integers(1, 70)
TAPS = st.integers(1, 3)
RNG = np.random.default_rng(26)
MOST = 1 << 21                  # elements of a source: no kernel here reads more than 9 groups of 70 x 70 x 27, 1190700


def plain(draw):
    return dict(oc=draw(SIZE), ic=draw(SIZE), kh=draw(TAPS), kw=draw(TAPS))


def with_strides(s):
    return dict(s, so=s["ic"] * s["kh"] * s["kw"], si=s["kh"] * s["kw"], sy=s["kw"], sx=1)


def of_conv(draw, table):
    kd = draw(TAPS)
    s = plain(draw)
    area = s["kh"] * s["kw"]
    s = dict(with_strides(s), kd=kd, so=s["ic"] * kd * area, si=kd * area, sz=area)
    if draw(st.booleans()):
        groups = draw(st.integers(2, 9))
        reads = reads_of(s["oc"] * groups, s["oc"], s["ic"], kd * area, table.conv_oc, table.conv_half)
        s.update(goc=s["oc"], oc=s["oc"] * groups, reads=reads)
    return s


def of_winograd(draw, table):
    ic = draw(SIZE)
    return dict(oc=draw(SIZE), ic=ic, m=draw(st.sampled_from([2, 4])), so=9 * ic, si=9, sy=3, sx=1)


def of_product(draw, table):
    n, k = draw(SIZE), draw(SIZE)
    return dict(batch0=draw(TAPS), batch1=draw(TAPS), k=k, n=n, sk=n, sn=1, w0=3 * n * k, w1=n * k)


def of_bf16(draw, table):
    s, kd = plain(draw), draw(TAPS)
    s.update(kd=kd, so=s["ic"] * kd * s["kh"] * s["kw"], sk=1)
    if kd == s["kh"] == s["kw"] == 1 and draw(st.booleans()):
        s.update(batch0=draw(TAPS), batch1=draw(TAPS), w0=3 * s["oc"] * s["ic"], w1=s["oc"] * s["ic"])
    elif kd == 1 and draw(st.booleans()):
        goc = draw(st.sampled_from([16, 32, 48]))
        s.update(goc=goc, oc=goc * draw(st.integers(2, 4)))
    return s


def of_s16(draw, table):
    s = of_bf16(draw, table)
    return {name: value for name, value in s.items() if name not in ("batch0", "batch1", "w0", "w1")}


def of_depthwise_u8(draw, table):
    s, kd = plain(draw), draw(st.integers(0, 3))
    area = s["kh"] * s["kw"]
    return dict(c=s["oc"], kd=kd, kh=s["kh"], kw=s["kw"], so=max(kd, 1) * area, sz=area, sy=s["kw"], sx=1,
                sh=draw(TAPS), dh=draw(TAPS))


def of_conv_u8(draw, table):
    s, kd = with_strides(plain(draw)), draw(st.integers(0, 3))
    s.update(kd=kd, sz=s["si"], so=max(kd, 1) * s["so"], si=max(kd, 1) * s["si"])
    if draw(st.booleans()):
        groups = draw(st.integers(2, 5))
        s.update(goc=s["oc"], gic=s["ic"], oc=s["oc"] * groups)
    return dict(s, dw=draw(st.integers(0, 2)))


FLOATS, WORDS, BYTES = np.float32, np.int16, np.uint8
# kernel -> what it reads, its parameters
KERNELS = {
    "pack_conv": (FLOATS, of_conv),
    "pack_few": (FLOATS, lambda draw, table: with_strides(plain(draw))),
    "pack_depthwise": (FLOATS, lambda draw, table: dict(c=draw(SIZE), taps=draw(SIZE))),
    "pack_gemm": (FLOATS, of_product),
    "pack_winograd": (FLOATS, lambda draw, table: dict(of_winograd(draw, table), kd=draw(TAPS), sz=9)),
    "pack_bf16": (FLOATS, of_bf16),
    "pack_s16": (WORDS, of_s16),
    "widen": (FLOATS, lambda draw, table: dict(n=draw(SIZE), k=draw(SIZE), sn=1, sk=70, ss=0)),
    "pack_winograd_u8": (WORDS, of_winograd),
    "pack_conv_u8": (WORDS, of_conv_u8),
    "pack_depthwise_u8": (WORDS, of_depthwise_u8),
    "pack_gemm_u8": (BYTES, lambda draw, table: dict(of_product(draw, table), few=draw(st.integers(0, 1)))),
}


@cache
def numbers(dtype, most):
    return RNG.integers(0 if dtype == BYTES else -most, most + 1, MOST, np.int16).astype(dtype)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", KERNELS)
@settings(max_examples=30, deadline=None)
@given(data=st.data(), most=st.sampled_from([3, 127, 255]))
def test_all_is_written_that_is_said_and_nothing_behind(level, name, data, most):
    table = ops.table(level)
    if name not in table.index:                     # as bfloat16 where it would be slower than float32
        return
    dtype, how = KERNELS[name]
    params = how(data.draw, table)
    reads = params.pop("reads", None)
    if reads is not None:
        params["reads"] = (0, reads.ctypes.data)
    source = numbers(dtype, most)
    params["w"] = (0, source.ctypes.data)
    if name == "widen":
        one = np.ones(1, np.float32)
        params["s"] = (0, one.ctypes.data)
    if name == "pack_s16":
        each = np.ones(300, np.float32)             # more than any oc
        params["each"] = (0, each.ctypes.data)
    size, tiles, parts = table.packed(name, table.pack(name, **params))
    if parts:
        params["parts"] = parts
    written = []
    for guard in (0x5a, 0xa5):
        memory = np.full(size + 128, guard, np.uint8)
        first = -memory.ctypes.data % 64
        run(level, name, tiles, y=(0, memory.ctypes.data + first), **params)
        assert (memory[:first] == guard).all() and (memory[first + size:] == guard).all()
        written.append(memory[first:first + size])
    if name != "pack_gemm_u8":                      # of whose panels the weights say how much is needed
        np.testing.assert_array_equal(*written)


def test_no_kernel_that_packs_is_left_out():
    all_kernels = {name for level in LEVELS for name in ops.table(level).index}
    assert {name for name in all_kernels if name.startswith("pack_") or name == "widen"} == KERNELS.keys()

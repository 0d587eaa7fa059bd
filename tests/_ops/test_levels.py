"""Levels: those that this machine runs, and those that have products of bytes of their own."""
import pathlib
import platform
from importlib.util import find_spec

import pytest

import cinfer._ops as ops

# flags as Linux names them
NEEDS = {"baseline": "", "sse41": "ssse3 sse4_1", "avx2": "avx2 fma", "avxvnni": "avx2 fma avx_vnni",
         "avx512": "avx2 fma avx512f avx512bw avx512dq avx512vl",
         "avx512vnni": "avx2 fma avx512f avx512bw avx512dq avx512vl avx512_vnni",
         "avx512bf16": "avx2 fma avx512f avx512bw avx512dq avx512vl avx512_vnni fast_avx512_bf16",
         "amx": "avx2 fma avx512f avx512bw avx512dq avx512vl avx512_vnni avx512_bf16 amx_tile amx_int8 "
                "amx_bf16"}
NEEDS_ON_ARM = {"baseline": "", "neon": "asimd", "dotprod": "asimddp", "i8mm": "asimddp i8mm",
                "bf16": "asimddp i8mm bf16"}
OF_BF16 = ("bf16", "avx512bf16")
PRODUCTS_OF_BF16 = {"conv_bf16", "gemm_bf16", "pack_bf16", "attention_bf16"}
PRODUCTS_OF_INT16 = {"conv_s16", "gemm_s16", "pack_s16"}
PRODUCTS = {"conv_u8", "pack_conv_u8", "gemm_u8", "pack_gemm_u8"}
ADDING = [level for level in ops.usable_levels() if level in ops.ADDS_TO and level not in OF_BF16]


def flags_of_linux():
    path, flags = pathlib.Path("/proc/cpuinfo"), set()
    text = path.read_text() if path.exists() else ""
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("flags", "Features"):
            flags = set(value.split())
            break
    if "AuthenticAMD" in text and "avx512_bf16" in flags:
        flags.add("fast_avx512_bf16")           # of others it is slower than float32: not a level (_ops/cpu.h)
    return flags


def test_a_level_runs_where_linux_says_that_the_cpu_has_its_instructions():
    needs, always = (NEEDS_ON_ARM, "asimd") if platform.machine() == "aarch64" else (NEEDS, "sse2")
    flags = flags_of_linux()
    if always not in flags:
        pytest.skip("Linux does not say it of this CPU: an emulator shows the flags of its host")
    assert {level: ops.executor().can_run(level) for level in ops.LEVELS} \
        == {level: level in needs and set(needs[level].split()) <= flags for level in ops.LEVELS}


@pytest.mark.parametrize("level", ADDING)
def test_a_level_that_adds_has_products_of_bytes_and_all_else_of_the_level_below(level):
    table, below = ops.table(level), ops.table(ops.ADDS_TO[level])
    own = {name for name in table.index if table.index[name] != below.index.get(name)}
    assert table.index.keys() >= below.index.keys()
    assert all(table.fields(name) == below.fields(name) for name in below.index)
    assert (table.level, table.vw, table.gemm_n) == (level, below.vw, below.gemm_n)
    if level == "amx":                  # weights fill tiles of 64 terms
        assert own == PRODUCTS | PRODUCTS_OF_BF16 and (table.dot_group, table.bf16_group) == (64, 32)
        assert table.bf16_rate > 2 and below.bf16_rate == 0
        assert table.panel_u8(65) == table.panel_u8(128) > table.panel_u8(64)
        return
    of_int16 = PRODUCTS_OF_INT16 if level.endswith("vnni") else set()
    assert own == PRODUCTS | of_int16 | {"depthwise_u8", "pack_depthwise_u8", "winograd_u8",
                                         "pack_winograd_u8", "look_up_u8", "zip_u8"}
    assert table.s16_rate == (2 if of_int16 else below.s16_rate)
    if level == "sse41":                # tables in registers, and no more
        assert table.dot_group == below.dot_group == 2
        return
    assert (table.dot_group, below.dot_group) == (4, 2)
    # quads: half the words of pairs, and no list of those that are split
    assert table.panel_u8(64) < below.panel_u8(64)


@pytest.mark.parametrize("level", [level for level in ops.usable_levels() if level in OF_BF16])
def test_a_level_of_bfloat16_has_its_products_and_all_else_of_the_level_below(level):
    table, below = ops.table(level), ops.table(ops.ADDS_TO[level])
    own = {name for name in table.index if table.index[name] != below.index.get(name)}
    assert table.index.keys() >= below.index.keys()
    assert all(table.fields(name) == below.fields(name) for name in below.index)
    assert own == PRODUCTS_OF_BF16 and table.bf16_group == below.bf16_group == 2
    assert (table.level, table.dot_group, table.panel_u8(64)) == (level, below.dot_group, below.panel_u8(64))
    assert table.bf16_rate > 1 and below.bf16_rate == 0


@pytest.mark.parametrize("level", ops.usable_levels())
def test_products_that_are_not_fast_are_there_for_tests_but_of_512_bits(level):
    table = ops.table(level)
    for products, rate in ((PRODUCTS_OF_BF16, table.bf16_rate), (PRODUCTS_OF_INT16, table.s16_rate)):
        assert table.index.keys() & products == (products if rate or table.vw < 16 else set())


def test_levels_add_to_levels_that_add():
    assert ops.added_up("avx2") == ["avx2"]
    assert ops.added_up("avx512bf16") == ["avx512", "avx512vnni", "avx512bf16"]
    assert ops.added_up("bf16") == ["neon", "i8mm", "bf16"]
    for level in ops.ADDS_TO:
        assert [ops.LEVELS.index(each) for each in ops.added_up(level)] \
            == sorted(ops.LEVELS.index(each) for each in ops.added_up(level))


def test_a_level_that_adds_is_not_there_without_the_level_below(monkeypatch):
    monkeypatch.setattr(ops, "find_spec", lambda name: name.endswith(("_baseline", "_avxvnni", "_i8mm", "_bf16",
                                                                      "_avx512", "_avx512bf16")) or None)
    assert ops.built_levels() == ["baseline", "avx512"]
    monkeypatch.setattr(ops, "find_spec", lambda name: find_spec("cinfer._ops"))
    assert ops.built_levels() == list(ops.LEVELS)

"""How work is split: tiles cover all rows; where all threads share them, each ends its part with a tile."""
from hypothesis import given, strategies as st
import pytest

from types import SimpleNamespace

from cinfer.plan.kernels import conv_direct, conv_winograd, matmul
from cinfer.plan.kernels.conv_winograd import FEWEST, PATCHES
from cinfer.plan.tiles import LEAST_PART, MOST_MOVED, MOST_PRODUCTS, SMALL, Tiles

WIDTH = 32                  # output channels of a register tile


def out(threads):
    """What an emission is told of a machine."""
    return SimpleNamespace(tiles=Tiles(threads), table=SimpleNamespace(conv_oc=WIDTH, gemm_n=WIDTH))


@given(h=st.integers(1, 300), tiles=st.integers(0, 400), threads=st.integers(1, 16))
def test_rows_are_covered_by_about_as_many_tiles_as_wanted(h, tiles, threads):
    rows, count = Tiles(threads).even_rows(h, tiles)
    assert rows >= 1 and (count - 1) * rows < h <= count * rows
    assert count <= 2 * max(1, tiles)


@pytest.mark.parametrize("h, tiles, threads, want", [
    (14, 3, 2, (7, 2)), (56, 12, 2, (4, 14)), (28, 12, 2, (2, 14)), (7, 2, 2, (4, 2)), (112, 12, 2, (8, 14)),
    (26, 12, 2, (3, 9)), (28, 1, 2, (28, 1)), (100, 12, 1, (9, 12)), (56, 24, 4, (2, 28))])
def test_the_part_of_a_thread_ends_where_a_tile_ends(h, tiles, threads, want):
    assert Tiles(threads).even_rows(h, tiles) == want


@given(h=st.integers(1, 120), w=st.integers(1, 120), blocks=st.integers(1, 80),
       n=st.integers(1, 3), threads=st.integers(1, 8))
def test_convolutions_and_others_divide_a_picture_alike(h, w, blocks, n, threads):
    tiles = Tiles(threads)
    conv = conv_direct.divided(out(threads), n, h, w, blocks, 16)
    assert conv["row_tiles"] * conv["rows"] >= h and conv["oc_tiles"] * conv["blocks"] >= blocks
    assert conv["oc_tiles"] == 1 or conv["blocks"] % 2 == 0
    _, row_tiles = tiles.rows(h, w, n * blocks, 16)
    if not tiles.share_rows(h, w):
        assert conv["row_tiles"] == 1 and (row_tiles == 1 or n * blocks < tiles.wanted)
    elif h % threads == 0 and h * w * 16 * blocks >= SMALL * threads:
        assert conv["row_tiles"] >= threads and row_tiles >= threads


def test_small_pictures_are_divided_by_channels():
    assert not Tiles(2).share_rows(7, 7) and Tiles(2).share_rows(14, 14) and not Tiles(8).share_rows(14, 14)
    assert not Tiles(4).share_rows(3, 4 * LEAST_PART)


@given(h=st.integers(1, 60), w=st.integers(1, 60), n=st.integers(1, 4), ob=st.integers(1, 40),
       threads=st.integers(1, 9))
def test_winograd_tiles_cover_all_and_each_thread_has_as_many(h, w, n, ob, threads):
    total = h * w
    patches, blocks = conv_winograd.divided(Tiles(threads), ob, total, n, WIDTH)
    parts = -(-total // patches)
    assert 1 <= patches <= PATCHES and (parts - 1) * patches < total
    assert blocks >= ob or blocks % 2 == 0
    if n == 1 and total % (FEWEST * threads) == 0:
        assert blocks >= ob and -(-parts // threads) * patches <= total / threads + 2 * patches


def test_winograd_of_resnet():
    assert conv_winograd.divided(Tiles(2), 4, 196, 1, WIDTH) == (25, 4)       # 56x56, 64 channels: four tiles each
    assert conv_winograd.divided(Tiles(2), 16, 16, 1, WIDTH) == (16, 8)       # 14x14, 256: half the channels each
    assert conv_winograd.divided(Tiles(4), 8, 49, 1, WIDTH) == (25, 4)
    assert conv_winograd.divided(Tiles(1), 8, 49, 1, WIDTH) == (25, 8)


# A tile is over soon, however large the step.

@pytest.mark.parametrize("h, w, blocks, terms", [
    (1080, 1920, 4, 576), (3000, 4000, 1, 27), (56, 56, 16, 2304), (14, 14, 64, 9216), (33, 33, 16, 8640)])
@pytest.mark.parametrize("threads", [1, 2, 5])
def test_no_tile_of_a_large_convolution_takes_long(h, w, blocks, terms, threads):
    conv = conv_direct.divided(out(threads), 1, h, w, blocks, terms)
    assert conv["rows"] * w * min(conv["blocks"], blocks) * 16 * terms <= 2 * MOST_PRODUCTS


@given(m=st.integers(1, 5000), n=st.integers(2 * WIDTH, 5000), k=st.integers(1, 5000),
       threads=st.integers(1, 4))
def test_no_tile_of_a_large_product_takes_long(m, n, k, threads):
    split = matmul.divided(out(threads), 1, m, n, k)
    assert split["rows"] * split["cols"] * k <= 2.5 * MOST_PRODUCTS


@given(dims=st.lists(st.integers(1, 300), min_size=2, max_size=5), threads=st.integers(1, 4))
def test_no_tile_of_a_large_copy_takes_long(dims, threads):
    outer, _ = Tiles(threads).outer(dims)
    assert outer * dims[-1] <= MOST_MOVED + dims[-1]

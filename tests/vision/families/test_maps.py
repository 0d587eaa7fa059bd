"""Maps of any size, to pictures of any size: against definitions pixel by pixel."""
import numpy as np
import pytest

from cinfer.errors import InputError
from cinfer.vision.families import maps
from cinfer.vision.prepare.geometry import Geometry


def stretched(width, height, w=64, h=64):
    return Geometry(width, height, w, h, w / width, h / height)


def letterboxed(width, height, side=64):
    scale = min(side / width, side / height)
    wide, high = round(width * scale), round(height * scale)
    return Geometry(width, height, side, side, wide / width, high / height, (side - wide) // 2, (side - high) // 2)


def cut(width, height, side=64):
    scale = side / min(width, height)
    wide, high = int(width * scale), int(height * scale)
    corner = -((wide - side) // 2), -((high - side) // 2)
    return Geometry(width, height, side, side, wide / width, high / height, *corner)


def asked(where, x, y, rows, columns):
    """Where pixel (x, y) of the picture lies in a map: the definition."""
    u = ((x + .5) * where.scale_x + where.left) / where.input_width * columns - .5
    v = ((y + .5) * where.scale_y + where.top) / where.input_height * rows - .5
    return min(max(u, 0), columns - 1), min(max(v, 0), rows - 1)


def bilinear(plane, u, v):
    x0, y0 = int(np.floor(u)), int(np.floor(v))
    x1, y1 = min(x0 + 1, plane.shape[-1] - 1), min(y0 + 1, plane.shape[-2] - 1)
    a, b = u - x0, v - y0
    return ((plane[..., y0, x0] * (1 - a) + plane[..., y0, x1] * a) * (1 - b)
            + (plane[..., y1, x0] * (1 - a) + plane[..., y1, x1] * a) * b)


def by_definition(planes, where):
    """float64 bilinear numbers, (channels, height, width)"""
    found = np.empty((len(planes), where.height, where.width))
    for y in range(where.height):
        for x in range(where.width):
            found[:, y, x] = bilinear(planes.astype(np.float64), *asked(where, x, y, *planes.shape[1:]))
    return found


WAYS = [stretched(40, 33), stretched(31, 70, 96, 32), letterboxed(70, 41), letterboxed(23, 65), stretched(1, 1),
        stretched(33, 2)]


@pytest.mark.parametrize("where", WAYS)
@pytest.mark.parametrize("rows, columns", [(64, 64), (8, 8), (1, 1), (5, 3), (2, 90)])
def test_bilinear_is_the_definition(where, rows, columns):
    plane = np.random.default_rng(1).normal(size=(1, rows, columns)).astype(np.float32)
    # float32 sums of four numbers below 5
    np.testing.assert_allclose(maps.smooth(plane[0], where), by_definition(plane, where)[0], atol=3e-6)


@pytest.mark.parametrize("where", WAYS)
@pytest.mark.parametrize("channels, rows, columns", [(2, 64, 64), (21, 9, 7), (5, 1, 1), (300, 3, 4), (3, 70, 2),
                                                     (1, 4, 4)])
def test_the_largest_of_the_upsampled_wins(where, channels, rows, columns):
    planes = np.random.default_rng(2).normal(size=(channels, rows, columns)).astype(np.float32)
    numbers = by_definition(planes, where)
    found = maps.largest(planes, where)
    assert found.shape == (where.height, where.width) and found.dtype == (np.uint16 if channels > 255 else np.uint8)
    chosen = np.take_along_axis(numbers, found[None].astype(int), 0)[0]
    assert (numbers.max(0) - chosen).max() < 3e-6           # another one only where they are equal but for rounding


def test_upsampling_goes_before_the_largest():
    """Between A and B lies C, which is largest at none of the map's places."""
    planes = np.float32([[[3, 0]], [[0, 3]], [[2, 2]]])
    assert maps.largest(planes, stretched(5, 1)).tolist() == [[0, 0, 2, 1, 1]]


def test_of_equal_ones_the_first_wins():
    assert not maps.largest(np.ones((4, 3, 3), np.float32), stretched(50, 40)).any()


def test_what_is_no_number_never_wins_and_infinity_does():
    planes = np.zeros((3, 2, 2), np.float32)
    planes[0], planes[2, 0, 0], planes[1] = np.nan, np.inf, -np.inf
    found = maps.largest(planes, stretched(40, 40))
    assert set(np.unique(found)) == {2}
    assert maps.largest(np.full((2, 3, 3), np.nan, np.float32), stretched(9, 9)).max() <= 1


def test_a_map_of_large_areas_and_edges_is_the_definition():
    y, x = np.mgrid[:40, :40] / 40
    planes = np.stack([x - y, y - x, .3 - abs(x + y - 1), np.full_like(x, .1)]).astype(np.float32)
    where = stretched(150, 131, 40, 40)
    numbers = by_definition(planes, where)
    chosen = np.take_along_axis(numbers, maps.largest(planes, where)[None].astype(int), 0)[0]
    assert (numbers.max(0) - chosen).max() < 1e-6


@pytest.mark.parametrize("where", WAYS)
def test_bicubic_is_the_definition(where):
    plane = np.random.default_rng(3).normal(size=(9, 11)).astype(np.float32)
    found = maps.smooth(plane, where, "bicubic")

    def weight(d):                          # R. Keys, 1981, a = -3/4
        d = abs(d)
        if d <= 1:
            return 1.25 * d ** 3 - 2.25 * d ** 2 + 1
        return -.75 * (d ** 3 - 5 * d ** 2 + 8 * d - 4) if d < 2 else 0.
    for y in range(0, where.height, 5):
        for x in range(0, where.width, 7):
            u, v = asked(where, x, y, 9, 11)
            want = sum(weight(v - j) * weight(u - i) * float(plane[min(max(j, 0), 8), min(max(i, 0), 10)])
                       for j in range(int(v) - 1, int(v) + 3) for i in range(int(u) - 1, int(u) + 3))
            assert found[y, x] == pytest.approx(want, abs=1e-5), (x, y)


def test_corners_lie_upon_each_other():
    plane = np.float32([[0, 1], [2, 3]])
    assert maps.smooth(plane, stretched(3, 5), "bilinear", True)[::2].tolist() == [[0, .5, 1], [1, 1.5, 2], [2, 2.5, 3]]


def test_what_was_cut_away_says_nothing():
    found = maps.smooth(np.ones((8, 8), np.float32), cut(100, 40))
    assert np.isnan(found[:, :29]).all() and (found[:, 31:69] == 1).all() and np.isnan(found[:, 71:]).all()


def test_nearest_keeps_the_type():
    plane = np.arange(16, dtype=np.uint8).reshape(4, 4)
    assert maps.nearest(plane, stretched(8, 8)).tolist() == np.repeat(np.repeat(plane, 2, 0), 2, 1).tolist()


@pytest.mark.parametrize("shape", [(2, 3, 4, 4), (5,), (), (1, 5), (1, 1, 1, 4, 4), (1, 0, 4, 4), (1, 3, 0, 4)])
def test_other_shapes_are_refused_in_a_line(shape):
    with pytest.raises(InputError, match="is of shape") as refusal:
        maps.planes_of(np.zeros(shape, np.float32), "NCHW", "it")
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("shape", [(1, 1, 4, 6), (1, 4, 6), (4, 6), (1, 4, 6, 1)])
def test_one_channel_in_any_form(shape):
    assert maps.one_plane(np.zeros(shape, np.float32), "NCHW", "it").shape == (4, 6)


def test_an_axis_of_one_column_has_no_step_of_its_own():
    planes = np.random.default_rng(2).standard_normal((1, 3, 40)).astype(np.float32).transpose(1, 2, 0)
    where = stretched(9, 77)
    found = maps.largest(planes, where)
    assert len(np.unique(found)) == 3
    assert np.array_equal(found, maps.largest(np.array(planes.tolist(), np.float32), where))

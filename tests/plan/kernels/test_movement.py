"""Channels that are put together, cut and shuffled; views of plain values."""
from itertools import product

import numpy as np
import pytest

from cinfer import _ops

from plan_cases import Cases

CASES = Cases()
case = CASES.add


@case()
def densenet(m):
    """Each layer reads all before it: every Concat is the beginning of the next one."""
    x = m.Relu(m.conv(m.input("x", 1, 3, 8, 8), 3, 32, 3))
    parts, c = [x], 32
    for _ in range(3):
        so_far = m.Concat(*parts, axis=1) if len(parts) > 1 else x
        y = m.Relu(m.conv(so_far, c, 16))
        parts.append(m.conv(y, 16, 16, 3))
        c += 16
    return m.Relu(m.conv(m.Concat(*parts, axis=1), c, 20))


@case()
def densenet_of_batch_norms(m):
    x = m.conv(m.input("x", 2, 3, 6, 6), 3, 24, 3)
    c = 24
    for _ in range(3):
        s = m.vector(c)
        y = m.Relu(m.BatchNormalization(x, s, m.vector(c), m.vector(c), np.abs(m.vector(c)) + 0.5))
        x = m.Concat(x, m.conv(y, c, 12, 3), axis=1)
        c += 12
    return m.AveragePool(m.Relu(x), kernel_shape=[2, 2], strides=[2, 2])


for a, b, c in [(24, 40, 16), (16, 32, 24), (1, 15, 16), (3, 5, 7), (16, 16, 1)]:
    @case(f"concat {a}+{b}+{c}", sizes=(a, b, c))
    def concat(m, sizes):
        x = m.input("x", 2, 20, 6, 5)
        parts = [m.Relu(m.conv(x, 20, size, 3)) for size in sizes]
        return m.conv(m.Concat(*parts, axis=1), sum(sizes), 18, 3), parts[1]


@case()
def concat_of_the_same_value(m):
    a = m.Relu(m.conv(m.input("x", 1, 4, 5, 5), 4, 16))
    return m.conv(m.Concat(a, a, axis=1), 32, 8, 3)


@case()
def concat_in_two_orders(m):
    x = m.input("x", 1, 16, 5, 5)
    a, b = m.conv(x, 16, 16), m.conv(x, 16, 32, 3)
    return m.conv(m.Concat(a, b, axis=1), 48, 8), m.conv(m.Concat(b, a, axis=1), 48, 8, 3)


@case()
def concat_of_an_input_a_constant_and_a_conv(m):
    x = m.input("x", 1, 16, 5, 5)
    return m.conv(m.Concat(x, m.vector(1, 16, 5, 5), m.conv(x, 16, 20), axis=1), 52, 8, 3)


@case()
def concat_of_vectors_and_of_an_output(m):
    x = m.input("x", 2, 16, 4, 4)
    a, b = m.GlobalAveragePool(x), m.GlobalMaxPool(m.conv(x, 16, 24))
    return a, m.Concat(a, b, axis=1)


@case(numpy=1)
def concat_of_odd_constant_channels(m):
    x = m.input("x", 1, 16, 5, 5)
    return m.conv(m.Concat(m.conv(x, 16, 7), m.vector(1, 2, 5, 5), axis=1), 9, 8, 3)


for axis in (0, 2, 3, -1):
    @case(f"concat_axis_{axis}", axis=axis)
    def concat_other_axis(m, axis):
        x = m.conv(m.input("x", 2, 18, 4, 5), 18, 20)
        return m.conv(m.Concat(x, m.Relu(x), axis=axis), 20, 8, 3)


for c in (16, 24):
    @case(f"c2f c={c}", c=c)
    def c2f(m, c):
        x = m.Relu(m.conv(m.input("x", 1, 3, 8, 8), 3, 2 * c))
        a, b = m.Split(x, np.array([c, c]), axis=1, n=2)
        y = m.Add(b, m.Relu(m.conv(m.Relu(m.conv(b, c, c, 3)), c, c, 3)))
        z = m.Add(y, m.Relu(m.conv(y, c, c, 3)))
        return m.conv(m.Concat(a, b, y, z, axis=1), 4 * c, 20)


@case()
def split_put_together_in_another_order(m):
    x = m.Relu(m.conv(m.input("x", 1, 3, 6, 6), 3, 64))
    a, b, c = m.Split(x, np.array([16, 16, 32]), axis=1, n=3)
    return m.conv(m.Concat(c, a, b, axis=1), 64, 8, 3), m.conv(m.Concat(a, b, axis=1), 32, 8, 3)


for sizes in [(8, 24), (1, 31), (16, 16), (17, 15), (5, 11, 16)]:
    @case(f"split {sizes}", sizes=sizes)
    def split(m, sizes):
        x = m.Relu(m.conv(m.input("x", 2, 3, 6, 6), 3, 32, 3))
        pieces = m.Split(x, np.array(sizes), axis=1, n=len(sizes))
        return (*[m.conv(piece, size, 18, 3) for piece, size in zip(pieces, sizes)], pieces[1])


for first, last, step in [(0, 16, 1), (16, 40, 1), (8, 30, 1), (39, 40, 1), (0, 40, 3), (1, 40, 2)]:
    @case(f"slice_channels {first}:{last}:{step}", bounds=(first, last, step))
    def slice_channels(m, bounds):
        x = m.Relu(m.conv(m.input("x", 1, 3, 6, 6), 3, 40, 3))
        y = m.Slice(x, *(np.array([v]) for v in (bounds[0], bounds[1], 1, bounds[2])))
        return m.conv(y, len(range(*bounds)), 18, 3)


@case()
def slices_of_pixels_focus(m):
    """YOLO's Focus: every second pixel, four ways."""
    x = m.input("x", 1, 3, 8, 10)
    step = np.array([2, 2])
    parts = [m.Slice(x, np.array([i, j]), np.array([99, 99]), np.array([2, 3]), step) for i,
             j in product((0, 1), repeat=2)]
    return m.conv(m.Concat(*parts, axis=1), 12, 16, 3)


@case()
def slice_backwards(m):
    x = m.conv(m.input("x", 1, 3, 6, 6), 3, 16)
    return m.Slice(x, np.array([-1]), np.array([-99]), np.array([3]), np.array([-1]))


for c, groups in [(32, 2), (24, 3), (58, 2)]:
    @case(f"channel_shuffle c={c} g={groups}", c=c, groups=groups)
    def channel_shuffle(m, c, groups):
        x = m.Relu(m.conv(m.input("x", 2, 3, 6, 5), 3, c))
        y = m.Reshape(x, np.array([2, groups, c // groups, 6, 5]))
        y = m.Reshape(m.Transpose(y, perm=[0, 2, 1, 3, 4]), np.array([2, c, 6, 5]))
        return m.conv(y, c, 16, 3)


@case()
def shufflenet_unit(m):
    x = m.Relu(m.conv(m.input("x", 1, 3, 6, 5), 3, 48))
    a, b = m.Split(x, np.array([24, 24]), axis=1, n=2)
    b = m.conv(m.conv(m.Relu(m.conv(b, 24, 24)), 24, 24, 3, group=24), 24, 24)
    y = m.Reshape(m.Concat(a, m.Relu(b), axis=1), np.array([1, 2, 24, 6, 5]))
    return m.Relu(m.conv(m.Reshape(m.Transpose(y, perm=[0, 2, 1, 3, 4]), np.array([1, -1, 6, 5])), 48, 8))


@case()
def shuffle_whose_middle_is_wanted(m):
    x = m.Relu(m.conv(m.input("x", 1, 3, 4, 4), 3, 16))
    y = m.Transpose(m.Reshape(x, np.array([1, 2, 8, 4, 4])), perm=[0, 2, 1, 3, 4])
    return y, m.Reshape(y, np.array([1, 16, 4, 4]))


for mode in ("DCR", "CRD"):
    @case(f"depth_to_space_{mode}", mode=mode)
    def depth_to_space(m, mode):
        x = m.input("x", 2, 36, 4, 5)
        return (m.DepthToSpace(x, blocksize=3, mode=mode),
                m.conv(m.DepthToSpace(m.conv(x, 36, 12), blocksize=2, mode=mode), 3, 5, 3))


@case()
def space_to_depth(m):
    x = m.input("x", 2, 3, 4, 6)
    return m.conv(m.SpaceToDepth(x, blocksize=2), 12, 16), m.SpaceToDepth(m.conv(x, 3, 20), blocksize=2)


@case()
def views_of_views(m):
    x = m.input("x", 2, 6, 8, 10)
    y = m.Slice(m.Transpose(x, perm=[0, 2, 3, 1]), np.array([1, 2]), np.array([7, 10]), np.array([1, 2]),
                np.array([2, 3]))
    y = m.Reshape(m.Transpose(y, perm=[0, 3, 1, 2]), np.array([2, 6, 9]))
    row = m.Squeeze(m.Slice(y, np.array([2]), np.array([3]), np.array([1])), np.array([1]))
    return y, m.Relu(m.Unsqueeze(row, np.array([0, 3])))


@case()
def expanded(m):
    x = m.input("x", 1, 18, 1, 5)
    y = m.Expand(x, np.array([2, 18, 4, 5]))
    return y, m.conv(y, 18, 8, 3), m.Add(m.Reshape(y, np.array([2, -1])), np.float32(1))


@case()
def tile(m):
    x = m.conv(m.input("x", 2, 3, 4, 5), 3, 20)
    turned = m.Transpose(x, perm=[0, 2, 3, 1])
    return (m.Tile(x, np.array([1, 2, 1, 3])), m.Relu(m.Tile(turned, np.array([3, 1, 1, 2]))),
            m.Tile(m.GlobalAveragePool(x), np.array([1, 1, 4, 5])), m.Tile(x, np.array([1, 1, 1, 1])))


@case(dtype=np.int64)
def tile_of_int64(m):
    x = m.input("x", 1, 4, 5, dtype=np.int64)
    return m.Tile(x, np.array([2, 1, 3])), m.Tile(x, np.array([7, 1, 1]))


@case()
def many_axes(m):
    x = m.input("x", 2, 3, 2, 3, 2, 3)
    return m.Relu(m.Transpose(x, perm=[5, 3, 1, 4, 2, 0]))


@case(numpy=9)
def seven_axes(m):
    x = m.input("x", 2, 3, 2, 3, 2, 3, 2)
    return m.Transpose(m.Relu(m.Transpose(x, perm=[6, 5, 3, 1, 4, 2, 0])), perm=[1, 0, 3, 2, 5, 4, 6])


@pytest.mark.parametrize("isa", _ops.usable_levels())
@pytest.mark.parametrize("name", CASES)
def test_answers_are_onnxruntimes(name, isa):
    CASES.check(name, isa)

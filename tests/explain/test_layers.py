"""What can be looked at inside a network, and its channels."""
import numpy as np
import pytest
from explained import KEYS, N, model, picture, session
from onnx import TensorProto
from program import DATA

import cinfer
from cinfer.errors import InputError
from cinfer.table import dims

PICTURE = picture(40, 24, (10, 4, 20, 12), (250, 20, 20))
STEM = np.float32([[1, 0, 0], [0, 0, 0], [0, -3, 0], [0, 0, 1]])[:, :, None, None]


def network(shape=(1, 3, 8, 8), keys=None):
    nodes = [N("Conv", ["x", "stem"], ["a"], "first"), N("Relu", ["a"], ["b"], "second"),
             N("Transpose", ["b"], ["t"], perm=[0, 2, 3, 1]), N("Mul", ["t", "two"], ["u"]),
             N("QuantizeLinear", ["b", "s", "z"], ["q"]), N("DequantizeLinear", ["q", "s", "z"], ["d"]),
             N("GlobalAveragePool", ["d"], ["m"]), N("Flatten", ["m"], ["y"])]
    constants = {"stem": STEM, "two": np.float32(2), "s": np.float32(.1), "z": np.uint8(0)}
    return session(model(nodes, constants, shape=shape, out=(1, 4), keys=KEYS | (keys or {})))


def test_layers_are_the_maps_in_their_order():
    found = cinfer.explain.layers(network())
    assert [(each.name, each.operator, dims(each.shape), each.channel_axis) for each in found] == [
        ("a", "Conv", "1x4x8x8", 1), ("b", "Relu", "1x4x8x8", 1), ("t", "Transpose", "1x8x8x4", 3),
        ("u", "Mul", "1x8x8x4", 3)]


def test_tables_are_no_maps():
    """Of attention: products of matrices, what has their sizes, and heads in the place of channels."""
    nodes = [N("Conv", ["x", "stem"], ["a"]), N("Reshape", ["a", "tokens"], ["t"]), N("Transpose", ["t"], ["k"],
                                                                                     perm=[0, 1, 3, 2]),
             N("MatMul", ["t", "k"], ["m"]), N("Softmax", ["m"], ["p"]), N("MatMul", ["p", "t"], ["v"]),
             N("Transpose", ["v"], ["h"], perm=[0, 2, 1, 3]), N("Relu", ["h"], ["r"]),
             N("Reshape", ["h", "back"], ["b"]), N("GlobalAveragePool", ["b"], ["g"]), N("Flatten", ["g"], ["y"])]
    made = session(model(nodes, {"stem": STEM, "tokens": np.int64([1, 2, 16, 8]), "back": np.int64([1, 4, 8, 8])},
                         out=(1, 4)))
    assert [each.name for each in cinfer.explain.layers(made)] == ["a", "b"]


def test_channels_are_the_network_s_numbers_the_most_active_first():
    made = network()
    x = cinfer.vision.Reader(made).prepare(PICTURE).feeds["x"][0]
    a = np.stack([x[0], x[0] * 0, -3 * x[1], x[2]])
    order = sorted(range(4), key=lambda k: (-np.abs(a[k]).mean(), k))
    found = cinfer.explain.features(made, PICTURE, "a")
    assert found.channels == order == [2, 0, 3, 1] and found.of == 4
    assert found.maps == pytest.approx(a[order], abs=1e-6)
    few = cinfer.explain.features(made, PICTURE, "first", most=2)       # by the node's name
    assert few.channels == order[:2] and "2 of 4 channels, the most active first" in few.line()
    last = cinfer.explain.features(made, PICTURE, "u")                  # channels in the last axis
    assert last.maps.shape == (4, 8, 8) and last.maps[0] == pytest.approx(2 * np.maximum(a[0], 0), abs=1e-6)


def test_what_lies_on_the_picture():
    made = network(keys={"cinfer.input.resize": "letterbox:0"})
    found = cinfer.explain.features(made, PICTURE, "b")                 # 40x24 in 8x8: 8x5 from the second row on
    assert found.maps.shape == (4, 5, 8) and found.size == (40, 24)


def test_a_layer_that_is_not_there():
    made = network()
    with pytest.raises(InputError, match="no layer 'bb'; .*--layers lists what can be looked at; do you mean b[?]$"):
        cinfer.explain.features(made, PICTURE, "bb")
    with pytest.raises(InputError, match="'m' is no map, rows and columns of numbers"):
        cinfer.explain.features(made, PICTURE, "m")
    for wrong in (3, None, b"a"):
        with pytest.raises(InputError, match="layer is "):
            cinfer.explain.features(made, PICTURE, wrong)
    for wrong in (0, -1, 1.5, True):
        with pytest.raises(InputError, match="most is "):
            cinfer.explain.features(made, PICTURE, "a", most=wrong)


def test_sizes_that_only_a_picture_tells():
    keys = {"cinfer.input.size": "any"}
    made = network((1, 3, "h", "w"), keys)
    with pytest.raises(InputError, match="some sizes are free; say them with a picture"):
        cinfer.explain.layers(made)
    assert [dims(each.shape) for each in cinfer.explain.layers(made, PICTURE)][:2] == ["1x4x24x40"] * 2


def test_the_picture_of_channels():
    made = network()
    drawn = cinfer.explain.features(made, PICTURE, "b").draw()
    pixels = np.asarray(drawn)
    assert drawn.width == 4 * 194 - 2 and drawn.height > 192
    x = cinfer.vision.Reader(made).prepare(PICTURE).feeds["x"][0, 0]
    tile = pixels[:192, :192, 0].reshape(8, 24, 8, 24)[4:, 12, 4:, 12]     # channel 0 is the first; not its number
    wanted = np.rint((x - x.min()) * 255 / (x.max() - x.min()))[4:, 4:]
    assert np.abs(tile.astype(int) - wanted).max() <= 1
    assert not pixels[40:180, 2 * 194 + 40:2 * 194 + 180].any()        # nothing is active: dark


def test_numbers_that_are_none():
    nodes = [N("Log", ["x"], ["a"]), N("GlobalMaxPool", ["a"], ["m"]), N("Flatten", ["m"], ["y"])]
    made = session(model(nodes, {}))
    found = cinfer.explain.features(made, np.zeros((8, 8, 3), np.uint8), "a")
    assert np.isneginf(found.maps).all() and found.draw().height > 96


def test_float16_and_the_demo_model():
    half = session(model([N("Conv", ["x", "w"], ["a"]), N("GlobalAveragePool", ["a"], ["m"]),
                          N("Flatten", ["m"], ["y"])], {"w": STEM.astype(np.float16)}, out=(1, 4),
                         kind=TensorProto.FLOAT16))
    assert cinfer.explain.features(half, PICTURE, "a").maps.dtype == np.float32
    demo = cinfer.load(str(DATA / "efficientnet_lite0_w8.onnx"), threads=2)
    names = [each.name for each in cinfer.explain.layers(demo)]
    assert names[0] == "stem.conv" and names[-1] == "head.relu6" and not any("weight" in name for name in names)
    found = cinfer.explain.features(demo, str(DATA / "dog.jpg"), "head.relu6")
    assert found.maps.shape == (64, 7, 7) and "64 of 1280 channels" in found.line()

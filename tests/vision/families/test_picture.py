"""Networks that make pictures."""
import numpy as np
import pytest
from onnx import TensorProto, helper

import cinfer
from cinfer.errors import InputError
from cinfer.vision.reader import Reader, read
from map_model import PICTURE, model

RAMP = np.linspace(0, 1, 3 * 128 * 128, dtype=np.float32).reshape(1, 3, 128, 128)


def pixels(planes):
    return np.rint(planes[0].transpose(1, 2, 0).astype(np.float64) * 255).astype(int)


@pytest.mark.parametrize("times", [2, 3, 4])
def test_larger_pictures_are_told_by_their_size(times):
    array = np.resize(RAMP, (1, 3, 64 * times, 64 * times))
    answer = Reader(model({"y": array})).read(PICTURE).answer
    assert answer.task == "image" and np.abs(answer.pixels.astype(int) - pixels(array)).max() <= 1


def test_a_picture_of_the_inputs_size_needs_a_word():
    array = RAMP[..., ::2, ::2]
    assert Reader(model({"y": np.ascontiguousarray(array)})).words.task == ""
    answer = read(model({"y": np.ascontiguousarray(array)}), PICTURE, task="image")
    assert np.abs(answer.pixels.astype(int) - pixels(array)).max() <= 1


def test_words_go_before_the_guess():
    array = np.full((1, 3, 64, 64), 40, np.float32)
    session = model({"y": array})
    assert (read(session, PICTURE, task="image", recipe={"output.std": "1", "output.mean": "10"}).pixels == 50).all()
    with pytest.warns(UserWarning, match="most of the picture is white.*--output-scale 1"):
        assert (read(session, PICTURE, task="image").pixels == 255).all()


def test_integers_are_pixels():
    assert (read(model({"y": np.full((1, 3, 64, 64), 77, np.uint8)}), PICTURE, task="image").pixels == 77).all()


def test_one_channel_is_grey():
    answer = read(model({"y": RAMP[:, :1]}, shape=(1, 1, 64, 64)), PICTURE)
    assert answer.pixels.shape == (128, 128)


def test_nhwc_as_the_input():
    array = np.ascontiguousarray(RAMP.transpose(0, 2, 3, 1))
    answer = read(model({"y": array}, shape=(1, 64, 64, 3)), PICTURE)
    assert np.abs(answer.pixels.astype(int) - pixels(RAMP)).max() <= 1


@pytest.mark.parametrize("shape", [(1, 7), (2, 3, 8, 8), (1, 5, 8, 8), (1, 3, 0, 8)])
def test_what_is_no_picture_is_refused(shape):
    with pytest.raises(InputError):
        read(model({"y": np.zeros(shape, np.float32)}), PICTURE, task="image")


@pytest.mark.filterwarnings("ignore:most of the picture is white")
@pytest.mark.parametrize("value, pixel", [(np.nan, 0), (np.inf, 255), (-np.inf, 0), (3e38, 255)])
def test_what_is_no_pixel_is_a_pixel(value, pixel):
    answer = read(model({"y": np.full((1, 3, 64, 64), value, np.float32)}), PICTURE, task="image")
    assert (answer.pixels == pixel).all()


def echo(times=1, metadata=None, step=1):
    """A network of free sizes, multiples of a step, that gives its input back, larger."""
    nodes = [helper.make_node("SpaceToDepth", ["x"], ["deep"], blocksize=step),
             helper.make_node("DepthToSpace", ["deep"], ["same"], blocksize=step),
             helper.make_node("Resize", ["same", "", "scales"], ["y"], mode="nearest")]
    scales = helper.make_tensor("scales", TensorProto.FLOAT, [4], [1, 1, times, times])
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 3, "h", "w"))],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, 3, "h2", "w2"))], [scales])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(made, metadata or {})
    return cinfer.load(made.SerializeToString())


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("size", [(100, 60), (64, 64), (1, 1), (33, 7)])
@pytest.mark.parametrize("step", [1, 16, 32])
def test_of_free_sizes_no_picture_is_scaled(times, size, step):
    picture = PICTURE.resize(size)
    reader = Reader(echo(times, step=step), {"task": ("image", "--task")})
    fed = reader.prepare(picture).feeds["x"].shape[:1:-1]
    assert fed == (size if step == 1 else tuple(-(-side // 32) * 32 for side in size))
    whole = np.asarray(picture).repeat(times, 0).repeat(times, 1)
    assert np.array_equal(reader.read(picture).answer.pixels, whole)


@pytest.mark.parametrize("resize", ["letterbox:9", "window:9", "pad:9", "mirror"])
@pytest.mark.parametrize("size", [(64, 40), (40, 64), (63, 9)])
def test_what_became_of_the_padding_is_cut_off(resize, size):
    keys = {"cinfer.recipe": "1", "cinfer.task": "image", "cinfer.input.size": "64x64", "cinfer.input.resize": resize}
    picture = PICTURE.resize(size)
    pixels = read(echo(2, keys), picture).pixels
    scale = 64 / max(size) if resize[0] in "lw" else 1
    assert pixels.shape[:2] == tuple(2 * round(side * scale) for side in size[::-1])
    if scale == 1:
        assert np.array_equal(pixels, np.asarray(picture).repeat(2, 0).repeat(2, 1))

"""What programs pass to cinfer.vision.read and read_many: what is not right is refused in words."""

import gc
import weakref

import numpy as np
import pytest
from constant_model import model
from PIL import Image

from cinfer import vision
from cinfer.errors import InputError

FRAME = np.zeros((8, 8, 3), np.uint8)


@pytest.mark.parametrize("picture", [FRAME.astype(float), FRAME[..., :2], np.zeros((8, 8, 4), np.uint8), FRAME[0, 0],
                                     FRAME > 0, np.zeros((0, 8, 3), np.uint8)])
def test_arrays_that_are_no_picture(picture):
    with pytest.raises(InputError, match="the picture is .*of shape"):
        vision.read(model({"y": np.zeros((1, 5), np.float32)}), picture)


@pytest.mark.parametrize("options", [
    {"conf": 2}, {"conf": "x"}, {"conf": float("nan")}, {"iou": -3}, {"max_det": 0}, {"max_det": -1}, {"max_det": 1.5},
    {"top": -1}, {"classes": "cow"}])
def test_options_that_are_none(options):
    with pytest.raises(InputError, match=f"{next(iter(options))} is .*; right is "):
        vision.read(model({"y": np.zeros((1, 5), np.float32)}), FRAME, **options)


def test_options_of_numpy():
    session = model({"y": np.zeros((1, 5), np.float32)})
    vision.read(session, FRAME, conf=np.float32(.5), iou=None, max_det=np.int64(3), top=2, classes=[1])


def scores():
    return model({"y": np.array([[.5, .3, .2]], np.float32)})


@pytest.mark.parametrize("session", ["model.onnx", None, [], ["model.onnx"]])
def test_what_is_no_session(session):
    with pytest.raises(InputError, match=r"is no session; right is what cinfer.load"):
        vision.read(session, FRAME)


@pytest.mark.parametrize("read", [vision.read, lambda *a, **k: list(vision.read_many(a[0], [a[1]], **k))])
def test_names_of_options_that_are_none(read):
    with pytest.raises(TypeError, match="no option 'clases'; do you mean classes"):
        read(scores(), FRAME, clases=["cow"])
    with pytest.raises(TypeError, match="no option 'nms'; there are order, .*, conf, iou"):
        read(scores(), FRAME, nms=True)


def test_models_that_are_no_chain():
    with pytest.raises(InputError, match="these models are classification [+] classification; right is"):
        vision.read([scores(), scores()], FRAME)


def test_a_session_of_one_is_a_session():
    session = scores()
    assert vision.read([session], FRAME).data() == vision.read(session, FRAME).data()


@pytest.mark.parametrize("use", [
    lambda session: vision.read(session, FRAME), lambda session: vision.read(session, FRAME, top=1, labels=list("abc")),
    lambda session: list(vision.read_many(session, [FRAME] * 3))])
def test_a_session_that_has_read_goes_when_nobody_holds_it(use):
    session = scores()
    use(session)
    held = weakref.ref(session)
    del session
    gc.collect()
    assert held() is None


def test_answers_say_of_which_picture_they_are(tmp_path):
    for name in "ab":
        Image.fromarray(FRAME[:5]).save(tmp_path / f"{name}.png")
    (tmp_path / "c.png").write_bytes(b"no picture")
    for folder in (tmp_path, str(tmp_path)):
        first, second, none = vision.read_many(scores(), folder)
        assert [first.image, second.image] == [str(tmp_path / "a.png"), str(tmp_path / "b.png")]
        assert first.size == (8, 5) and first.ms >= 0 and isinstance(none, InputError) and "c.png" in str(none)
    assert set(first.record()) == {"image", "width", "height", "ms", "task", "classes"}
    assert first.record() | {"ms": 0} == {"image": first.image, "width": 8, "height": 5, "ms": 0,
                                          "task": "classification", **first.data()}
    assert vision.read(scores(), FRAME).image == "the picture"


def test_what_can_be_read_can_be_drawn_on(tmp_path):
    """Upright: places are those of the picture as a person sees it."""
    red_left = np.zeros((20, 40, 3), np.uint8)
    red_left[:, :20, 0] = 255
    upright, path = Image.fromarray(red_left), tmp_path / "turned.png"
    exif = Image.Exif()
    exif[0x112] = 6
    upright.rotate(90, expand=True).save(path, exif=exif)
    answer = vision.Objects([])
    for picture in (red_left, upright, path, str(path), path.read_bytes(), Image.open(path)):
        drawn = answer.draw(picture)
        assert np.array_equal(np.asarray(drawn), red_left), type(picture)
    assert np.array_equal(np.asarray(answer.draw(red_left[..., ::-1], order="BGR")), red_left)
    with pytest.raises(InputError, match="is no picture"):
        answer.draw([1, 2])


def test_places_are_not_drawn_on_a_picture_of_another_size():
    boxes = {"boxes": np.zeros((1, 1, 4), np.float32), "scores": np.zeros((1, 1, 2), np.float32)}
    answer = vision.read(model(boxes), FRAME)
    assert isinstance(answer, vision.Objects) and answer.draw(FRAME).size == (8, 8)
    with pytest.raises(InputError, match="of a picture of 8x8 pixels, this one has 8x4; draw on that one"):
        answer.draw(FRAME[:4])
    assert vision.read(scores(), FRAME).draw(FRAME[:4]).size == (8, 4)

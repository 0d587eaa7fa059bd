"""What programs pass to cinfer.vision.read that is not right is refused in words."""

import gc
import weakref

import numpy as np
import pytest
from constant_model import model
from PIL import Image

from cinfer import vision
from cinfer.errors import InputError, LimitError

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


ODD = [5, -1, 0, 1.5, float("nan"), float("inf"), 10**30, True, "", "x", "a\nb", b"", b"x", None, [], [None], [[1]],
       ["a"], (), (1,), {}, {1: 2}, {"a": 1}, {"input.size": [8, 8]}, {"input.size": None}, {"task": None}, {1},
       object(), type, iter([1]), lambda: 0, range(3), np.array([1, 2]), np.array(.5), np.array("x"), np.float32(.5),
       np.int64(3), 1j, Image.new("RGB", (5, 5))]
READ = ("labels", "task", "recipe", "exact", "order", "conf", "iou", "max_det", "classes", "top")


def refused(call):
    """It works, or is refused in one line."""
    try:
        return call()
    except (InputError, LimitError) as error:
        assert "\n" not in str(error) and 10 < len(str(error)) < 500, error


@pytest.mark.parametrize("name", READ)
def test_arguments_of_any_type(name):
    for outputs in ({"y": np.zeros((1, 5), np.float32)}, {"boxes": np.zeros((1, 4, 4)), "scores": np.zeros((1, 4, 2))}):
        session = model({key: np.float32(value) for key, value in outputs.items()}, shape=(1, 3, 8, 8))
        for value in ODD:
            refused(lambda: vision.read(session, FRAME, **{name: value}))


def test_sessions_pictures_and_sources_of_any_type(tmp_path):
    session = model({"y": np.zeros((1, 5), np.float32)}, shape=(1, 3, 8, 8))
    for value in ODD:
        assert refused(lambda: vision.read(value, FRAME)) is None
        refused(lambda: vision.read(session, value))
        refused(lambda: list(vision.read_many(session, value)))
        refused(lambda: list(vision.read_many(session, [FRAME], workers=value)))
        refused(lambda: vision.Video(value))
        for name in ("every", "seconds"):
            assert refused(lambda: vision.Video(str(tmp_path / "none.mp4"), **{name: value})) is None
    answer = vision.read(session, FRAME)
    for value in ODD:
        refused(lambda: answer.draw(value))
        refused(lambda: answer.draw(FRAME, font=value))
        refused(lambda: answer.draw(FRAME, order=value))


@pytest.mark.parametrize("recipe", [5, "input.resize=stretch", {"input.resize": ["stretch"]}, {3: "x"}, []])
def test_recipes_that_are_none(recipe):
    with pytest.raises(InputError, match="recipe is .*; right is words of docs/metadata.md and their texts"):
        vision.read(model({"y": np.zeros((1, 5), np.float32)}), FRAME, recipe=recipe)


def test_options_that_there_are_not():
    with pytest.raises(TypeError, match="no option 'confi'; do you mean conf[?]$"):
        vision.read(model({"y": np.zeros((1, 5), np.float32)}), FRAME, confi=.5)


def test_one_picture_is_not_many():
    session = model({"y": np.zeros((1, 5), np.float32)}, shape=(1, 3, 8, 8))
    for one in (FRAME, Image.fromarray(FRAME), b"bytes"):
        with pytest.raises(InputError, match="`read` takes one picture"):
            vision.read_many(session, one)              # at once, not when the first answer is asked for
    assert len(list(vision.read_many(session, np.stack([FRAME] * 3)))) == 3
    assert len(list(vision.read_many(session, iter([FRAME, FRAME])))) == 2


def test_a_path_names_many(tmp_path):
    for name in "ab":
        Image.fromarray(FRAME).save(tmp_path / f"{name}.png")
    session = model({"y": np.zeros((1, 5), np.float32)}, shape=(1, 3, 8, 8))
    assert len(list(vision.read_many(session, tmp_path))) == 2


def test_labels_may_be_any_iterable():
    session = model({"y": np.float32([[0, 9, 0]])}, shape=(1, 3, 8, 8))
    for labels in (iter("abc"), ("a", "b", "c"), np.array(["a", "b", "c"])):
        assert vision.read(session, FRAME, labels=labels).best[0].label == "b"


def test_numbers_of_classes_that_there_are_not():
    session = model({"boxes": np.zeros((1, 1, 4), np.float32), "scores": np.zeros((1, 1, 3), np.float32)},
                    shape=(1, 3, 8, 8))
    with pytest.raises(InputError, match="the model has no class '3'; right is a, b, c"):
        vision.read(session, FRAME, labels=list("abc"), classes=[3])
    for labels in (None, list("abc")):
        with pytest.raises(InputError, match="the model has no class '1111"):
            vision.read(session, FRAME, labels=labels, classes=["1" * 5000])


@pytest.mark.parametrize("count", [2, 4])
def test_labels_are_as_many_as_classes(count):
    boxes = model({"boxes": np.zeros((1, 1, 4), np.float32), "scores": np.zeros((1, 1, 3), np.float32)},
                  shape=(1, 3, 8, 8))
    with pytest.raises(InputError, match=f"there are {count} labels for 3 classes"):
        vision.read(boxes, FRAME, labels=["x"] * count)
    ready = {"boxes": np.float32([[1, 1, 5, 5]]), "labels": np.int64([7]), "scores": np.float32([.9])}
    with pytest.raises(InputError, match=f"there are {count} labels, but the model says class 7"):
        vision.read(model(ready, shape=(3, 8, 8)), FRAME, labels=["x"] * count)


def test_answers_are_drawn_on_what_was_read(tmp_path):
    """A path, bytes, or an array in its order, upright: the places are those of the picture as a person sees it."""
    pixels = np.zeros((20, 40, 3), np.uint8)
    pixels[:, :20, 0] = 250
    sideways = Image.fromarray(pixels)
    exif = sideways.getexif()
    exif[0x0112] = 6                                    # turned by 90 degrees
    sideways.save(tmp_path / "turned.png", exif=exif)
    session = model({"y": np.float32([[0, 9, 0]])}, shape=(1, 3, 8, 8))
    answer = vision.Objects([])
    for picture in (tmp_path / "turned.png", (tmp_path / "turned.png").read_bytes(),
                    Image.open(tmp_path / "turned.png")):
        assert vision.read(session, picture) and answer.draw(picture).size == (20, 40)
    for order, red in (("RGB", 0), ("BGR", 2)):
        assert np.asarray(answer.draw(pixels, order=order))[0, 0, red] == 250


def scores():
    return model({"y": np.array([[.5, .3, .2]], np.float32)})


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


@pytest.mark.parametrize("word, near", [
    ("wolf", "timber wolf"), ("Wolf", "timber wolf"), ("wol", "wool"), ("--conff", "--conf"), ("zebra", None)])
def test_the_nearest_word(word, near):
    from cinfer.errors import nearest
    words = ["wool", "white alpine wolf", "timber wolf", "--conf"]
    assert nearest(word, words) == (f"; do you mean {near}?" if near else "")

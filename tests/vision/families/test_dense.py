"""Maps of pixels end to end: ONNX models with outputs by definition, from the file to the answer."""
import json

import numpy as np
import pytest
from PIL import Image

from cinfer.errors import InputError
from cinfer.vision.answers.classes import Classes
from cinfer.vision.answers.map import Map
from cinfer.vision.reader import Reader, read
from map_model import PICTURE, model


def own(**words):
    return {"cinfer.recipe": "1", "cinfer.input.size": "64x64", "cinfer.input.std": "255",
            **{f"cinfer.{key.replace('_', '.')}": text for key, text in words.items()}}


def ultralytics(task, names):
    return {"task": task, "names": names, "imgsz": "[64, 64]", "stride": "32"}


def halves(channels, rows=64, columns=64, left=1, right=2):
    """Logits: `left` wins in the left half of the map, `right` in the right one."""
    planes = np.zeros((1, channels, rows, columns), np.float32)
    right = right if channels > 2 else 0
    planes[0, left, :, :columns // 2] = planes[0, right, :, columns // 2:] = 9
    return planes


# ---- semantic

@pytest.mark.parametrize("name, declared", [("logits", (1, 5, 16, 16)), ("logits", ("batch", 5, "h", "w")),
                                            ("out", (1, 5, 16, 16))])
def test_segmentation_is_told_by_names(name, declared):
    reader = Reader(model({name: halves(5, 16, 16)}, declared={name: declared}))
    answer = reader.read(PICTURE).answer
    assert answer.task == "semantic" and answer.values.shape == (60, 100)
    assert (answer.values == np.where(np.arange(100) < 50, 1, 2)).all()
    assert reader.recipe.mean == (123.675, 116.28, 103.53)
    assert answer.data()["map"]["classes"] == [{"label": None, "index": index, "share": .5} for index in (1, 2)]


def test_torchvision_with_aux_knows_its_names():
    session = model({"out": halves(21, left=8, right=12), "aux": halves(21)}, shape=("n", 3, "h", "w"))
    reader = Reader(session)
    assert {label for _, label, _ in reader.read(PICTURE).answer.shares()} == {"cat", "dog"}
    assert str(reader.recipe.size) == "short:520"


@pytest.mark.parametrize("channels, side, is_semantic", [(2, 64, True), (4, 32, True), (21, 8, True), (19, 16, True),
                                                         (7, 16, False), (3, 64, False), (21, 2, False)])
def test_shapes_tell_what_is_certain_enough(channels, side, is_semantic):
    session = model({"y": np.zeros((1, channels, side, side), np.float32)})
    reader = Reader(session)
    assert (reader.words.task == "semantic") == is_semantic
    if not is_semantic:
        flagged = Reader(session, {"task": ("semantic", "--task")})
        assert isinstance(flagged.read(PICTURE).answer, Map)


@pytest.mark.parametrize("shape, task", [((1, 1, 64, 64), "semantic"), ((1, 64, 64), "depth"), ((1, 1, 63, 64), ""),
                                         ((2, 64, 64), ""), ((1, 1, 32, 32), "")])
def test_one_number_a_pixel_is_a_guess_that_says_so(shape, task):
    reader = Reader(model({"y": np.random.default_rng(0).normal(size=shape).astype(np.float32)}))
    assert reader.words.task == task and ("a guess" in reader.words.origin()) == bool(task)
    assert not task or "--task matting" in reader.words.origin()
    assert not Reader(model({"y": np.zeros((1, 1, 64, 64), np.float32)}, shape=(1, 1, 64, 64))).words.task


def test_the_padding_of_a_letterbox_goes():
    """A picture of 100x50 fills rows 16 to 48 of 64; classes there and in the padding differ."""
    planes = np.zeros((1, 3, 64, 64), np.float32)
    planes[0, 2, :16] = planes[0, 2, 48:] = planes[0, 0, 16:32] = planes[0, 1, 32:48] = 5
    session = model({"y": planes}, metadata=own(task="segmentation", output_kind="classes", input_resize="letterbox:0"))
    answer = read(session, PICTURE.resize((100, 50)))
    assert answer.task == "segmentation"
    assert (answer.values[:24] == 0).all() and (answer.values[26:-1] == 1).all()


def test_nhwc_classes():
    planes = halves(4).transpose(0, 2, 3, 1)
    session = model({"y": np.ascontiguousarray(planes)}, shape=(1, 64, 64, 3),
                    metadata=own(task="segmentation", input_layout="NHWC", output_kind="classes", labels="a\nb\nc\nd"))
    assert [label for _, label, _ in read(session, PICTURE).shares()] == ["b", "c"]


@pytest.mark.parametrize("low, high, said, conf, share", [
    (0., .6, {}, None, .5), (0., .4, {}, None, 0), (0., .4, {"output_threshold": "0.3"}, None, .5),
    (-3., .4, {}, None, .5), (0., .6, {}, .7, 0), (.2, .9, {"output_threshold": ".1"}, None, 1)])
def test_masks_have_thresholds(low, high, said, conf, share):
    plane = np.full((1, 1, 64, 64), low, np.float32)
    plane[..., 32:] = high
    session = model({"y": plane}, metadata=own(task="segmentation", labels="person", **said))
    answer = read(session, PICTURE, conf=conf)
    assert sum(s for _, label, s in answer.shares() if label == "person") == pytest.approx(share, abs=.02)


def test_a_mask_without_labels_has_a_background():
    session = model({"y": halves(2)[:, 1:]}, metadata=own(task="segmentation"))
    assert {label for _, label, _ in read(session, PICTURE).shares()} == {"background", "foreground"}


@pytest.mark.parametrize("dtype, shape", [(np.uint8, (1, 64, 64)), (np.int64, (1, 1, 64, 64)), (np.int32, (1, 64, 64))])
def test_classes_that_are_computed_already(dtype, shape):
    classes = np.zeros((64, 64), dtype)
    classes[:, 32:], classes[:6] = 7, 255
    reader = Reader(model({"y": classes.reshape(shape)}))
    answer = reader.read(PICTURE).answer
    assert answer.task == "semantic" and {i for i, _, _ in answer.shares()} == {0, 7} and answer.ignored == 255
    assert answer.values[0, 0] == 255 and answer.values[30, 20] == 0 and answer.values[30, 80] == 7


def test_ultralytics_classes_lose_the_padding():
    classes = np.full((1, 64, 64), 9, np.uint8)
    classes[0, 13:51] = 3                               # 100x60 -> 64x38, from row 13
    session = model({"output0": classes}, metadata=ultralytics("semantic", "{3: 'road'}"))
    assert read(session, PICTURE).shares() == [(3, "road", 1.0)]


def test_only_the_classes_that_are_asked_for():
    session = model({"y": halves(4)}, metadata=own(task="segmentation", output_kind="classes", labels="a\nb\nc\nd"))
    assert read(session, PICTURE, classes=("c",)).shares() == [(2, "c", .5)]


def test_what_a_crop_left_out_says_nothing():
    session = model({"y": halves(4)}, metadata=own(task="segmentation", output_kind="classes", input_resize="crop:1"))
    answer = read(session, PICTURE)              # 60 of 100 columns were seen
    assert (answer.values[:, :19] == 255).all() and (answer.values[:, 81:] == 255).all()
    assert (answer.values[:, 21:49] == 1).all()


@pytest.mark.parametrize("shape", [(1, 5), (2, 3, 8, 8), (1, 3, 0, 8)])
def test_other_outputs_are_refused_in_a_line(shape):
    session = model({"y": np.zeros(shape, np.float32)}, metadata=own(task="segmentation", output_kind="classes"))
    with pytest.raises(InputError, match="shape"):
        read(session, PICTURE)


def test_a_mask_of_two_channels_is_refused():
    with pytest.raises(InputError, match="output.kind"):
        read(model({"y": halves(2, left=0, right=1)}, metadata=own(task="segmentation", output_kind="mask")), PICTURE)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name, shape", [("logits", (1, 4, 8, 8)), ("predicted_depth", (1, 8, 8)),
                                         ("logits", (1, 1, 8, 8))])
def test_what_is_no_number_gives_an_answer(value, name, shape):
    array = np.zeros(shape, np.float32)
    array[..., 3, 3] = value
    reading = Reader(model({name: array})).read(PICTURE)
    json.dumps(reading.data(), allow_nan=False)
    reading.answer.draw(PICTURE)
    Reader(model({name: np.full(shape, value, np.float32)})).read(PICTURE).answer.draw(PICTURE)


# ---- depth

@pytest.mark.parametrize("shape, name", [((1, 32, 32), "predicted_depth"), ((1, 1, 32, 32), "predicted_depth"),
                                         ((1, 32, 32), "depth")])
def test_depth_is_told_by_names(shape, name):
    ramp = np.broadcast_to(np.linspace(0, 31, 32, dtype=np.float32), (32, 32)).reshape(shape)
    answer = read(model({name: ramp}), PICTURE)
    assert answer.task == "depth" and answer.values.shape == (60, 100)
    middle = (np.arange(100) + .5) * .32 - .5           # a ramp stays one, but for the waves of bicubic
    np.testing.assert_allclose(answer.values[7, 6:94], middle[6:94], atol=.06 if name == "predicted_depth" else 1e-4)
    assert set(answer.data()["map"]) == {"min", "max", "mean"}


def test_depth_of_free_sizes_is_fed_as_depth_anything():
    reader = Reader(model({"predicted_depth": np.zeros((1, 4, 4), np.float32)}, shape=("b", 3, "h", "w"),
                          declared={"predicted_depth": ("b", "h", "w")}))
    assert str(reader.recipe.size) == "fit:518:14" and reader.recipe.filter == "bicubic"


def test_ultralytics_depth_has_corners_upon_each_other():
    plane = np.float32([[[[1, 2], [3, 5]]]])
    session = model({"output0": plane}, metadata=ultralytics("depth", "{0: 'depth'}"))
    answer = read(session, PICTURE)
    assert [float(answer.values[y, x]) for y, x in ((0, 0), (0, -1), (-1, 0), (-1, -1))] == [1, 2, 3, 5]
    assert answer.unit == "m" and answer.lines()[0].startswith("depth 1 to 5 m")


# ---- matting

def rembg(plane, size):
    """What rembg does with an output: the definition."""
    plane = plane.astype(np.float64)
    grey = ((plane - plane.min()) / (plane.max() - plane.min()) * 255).astype(np.uint8)
    return np.asarray(Image.fromarray(grey).resize(size, Image.Resampling.LANCZOS))


def test_u2net_is_told_by_its_seven_maps():
    blob = np.exp(-((np.mgrid[:64, :64] - 30) ** 2).sum(0) / 200).astype(np.float32) * .8 + .1
    session = model({f"d{k}": (blob if k == 0 else 1 - blob)[None, None] for k in range(7)})
    reader = Reader(session)
    answer = reader.read(PICTURE).answer
    assert answer.task == "matting" and reader.recipe.largest and reader.recipe.filter == "lanczos"
    assert np.abs(answer.values * 255 - rembg(blob, (100, 60))).max() <= 1
    drawn = np.asarray(answer.draw(PICTURE))
    assert np.array_equal(drawn[..., 3], np.rint(answer.values * 255).astype(np.uint8))
    assert np.array_equal(drawn[..., :3], np.asarray(PICTURE))


def test_birefnet_goes_through_the_sigmoid():
    logits = np.linspace(-6, 7, 64 * 64, dtype=np.float32).reshape(1, 1, 64, 64)
    answer = read(model({"output_image": logits}, inputs=("input_image",)), PICTURE)
    assert answer.task == "matting"
    assert np.abs(answer.values * 255 - rembg(1 / (1 + np.exp(-logits[0, 0].astype(float))), (100, 60))).max() <= 1


@pytest.mark.parametrize("value", [0, 1, -4, np.nan, np.inf])
def test_a_flat_matte_is_empty(value):
    answer = read(model({"y": np.full((1, 1, 8, 8), value, np.float32)}), PICTURE, task="matting")
    assert not answer.values.any()


def test_alpha_is_written(tmp_path):
    from cinfer.vision.answers.encode import write
    reading = Reader(model({"y": halves(2)[:, 1:]}), {"task": ("matting", "--task")}).read(PICTURE)
    for format, mode in (("PNG", "RGBA"), ("WEBP", "RGBA"), ("TIFF", "RGBA"), ("JPEG", "RGB"), ("PPM", "RGB"),
                         ("BMP", "RGB")):
        with open(tmp_path / "a", "wb") as file:
            write(reading.answer, reading.frame, file, format)
        with Image.open(tmp_path / "a") as written:
            assert (written.mode, written.size) == (mode, (100, 60)), format


@pytest.mark.parametrize("values, expected", [
    ([1, 2, 6], (1, 6, 3)), ([np.nan, 2, 6], (2, 6, 4)), ([np.inf, -np.inf, 5], (5, 5, 5)), ([np.nan], (0, 0, 0)),
    ([], (0, 0, 0)), ([np.inf, 3], (3, 3, 3))])
def test_the_range_of_a_map_is_of_what_is_finite(values, expected):
    assert Map(np.float32([values]), "depth").range() == expected


def test_maps_are_grey_pictures_of_16_bits():
    values = np.float32([[2, 4], [np.nan, 6]])
    grey = Map(values, "depth").grey()
    assert grey.tolist() == [[0, 32768], [0, 65535]] and grey.dtype == np.uint16
    assert Map(values, "depth").scale() == (2, 6)
    assert not Map(np.full((2, 2), np.inf, np.float32), "depth").grey().any()
    assert not Map(np.ones((2, 2), np.float32), "depth").grey().any()
    alpha = Map(np.float32([[.25, .5]]), "matting")         # from 0 to 1, whatever there is of it
    assert alpha.grey().tolist() == [[16384, 32768]] and alpha.scale() == (0, 1)
    assert Map(np.float32([[1, 3]]), "anomaly").grey().tolist() == [[0, 65535]]


def test_maps_of_classes_are_grey_pictures_of_their_numbers():
    for values, ignored, expected in (
            (np.uint8([[0, 3, 255]]), 255, np.uint8([[0, 3, 255]])), (np.int64([[7, -1]]), -1, np.uint8([[7, 255]])),
            (np.int64([[300, 2**63 - 1]]), 2**63 - 1, np.uint16([[300, 65535]])),
            (np.int32([[1, 255]]), None, np.uint8([[1, 255]])), (np.int64([[255, -9]]), -9, np.uint8([[255, 255]]))):
        grey = Map(values, "semantic", ignored=ignored).grey()
        assert grey.tolist() == expected.tolist() and grey.dtype == expected.dtype


# ---- anomaly

def test_anomalib():
    heat = np.linspace(0, 1, 64 * 64, dtype=np.float32).reshape(1, 1, 64, 64)
    session = model({"pred_score": np.float32([.8]), "pred_label": np.array([True]), "anomaly_map": heat,
                     "pred_mask": heat > .5})
    answer = read(session, PICTURE)
    assert (answer.task, answer.label, answer.index) == ("anomaly", "Anomaly", 1) and answer.score == pytest.approx(.8)
    data = answer.data()
    assert data["classes"] == [{"index": 1, "label": "Anomaly", "score": pytest.approx(.8)}]
    assert data["map"]["max"] == pytest.approx(1, abs=.02) and data["map"]["share"] == pytest.approx(.5, abs=.02)
    assert answer.lines()[0] == "Anomaly 0.80"
    answer.draw(PICTURE)


def test_anomalib_without_a_map():
    answer = read(model({"pred_score": np.float32([[.2]]), "pred_label": np.array([[False]])}), PICTURE)
    assert isinstance(answer, Classes) and answer.best[0].label == "Normal" and answer.task == "anomaly"


@pytest.mark.parametrize("most, label, score", [(31., "bad", .7), (25., "good", .5 + 2 / 30)])
def test_model_api_scales_by_thresholds(most, label, score):
    """Map: (31 - 27) / 30 + 1/2 = .6333; score: (31 - 25) / 30 + 1/2 = .7; normal: 1 - ((25 - 27) / 30 + 1/2)"""
    image = 25. if label == "bad" else 27.
    plane = np.full((1, 1, 64, 64), 12, np.float32)
    plane[..., 20:40, 20:40] = most
    session = model({"y": plane}, metadata=own(task="anomaly", labels="good\nbad"))
    answer = read(session, PICTURE, recipe={
        "output.image_threshold": f"{image}", "output.pixel_threshold": "27", "output.normalization_scale": "30"})
    assert answer.label == label and answer.score == pytest.approx(score, abs=1e-6)
    assert answer.range()[:2] == (0, pytest.approx((most - 27) / 30 + .5, abs=1e-5))
    assert answer.marked.mean() == pytest.approx((20 / 64) ** 2 if most >= 27 else 0, abs=.01)


def test_model_api_anomaly_of_one_number():
    answer = read(model({"y": np.float32([.9])}), PICTURE, task="anomaly")
    assert (answer.best[0].label, answer.best[0].score) == ("Anomaly", pytest.approx(.9))


def test_a_task_of_no_map_is_named():
    with pytest.raises(InputError, match="maps of pixels are"):
        read(model({"y": halves(4)}), PICTURE, task="detection", recipe={"family": "dense"})

"""Two networks: what the second says of each face, in pixels of the whole picture."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import shared
from fake_session import port
from PIL import Image, ImageDraw

import cinfer
from cinfer.errors import InputError
from cinfer.vision.families import alignment
from cinfer.vision.chains import reader_of as paired
from cinfer.vision.pairs import Pair
from cinfer.vision.pictures.frames import Frame, frame
from cinfer.vision import Reader


class Network:
    """A session whose outputs a function makes of the picture fed."""

    def __init__(self, shape, outputs, run, **metadata):
        self.inputs = [port("x", np.float32, shape)]
        self.outputs = [port(name, np.float32, shape) for name, shape in outputs.items()]
        self.metadata = metadata
        self.model = SimpleNamespace(graph=SimpleNamespace(constants={"w": np.zeros((2, 2))}), path=None)
        self.fed, self._run = [], run

    def run(self, names, feeds):
        self.fed.append(feeds["x"])
        return [np.float32(each) for each in self._run(feeds["x"])]


def finder(boxes, dots):
    """A BlazeFace that finds faces at these places, x1 y1 x2 y2 and six points, of 128x128."""
    rows, scores = np.zeros((1, 896, 16)), np.full((1, 896, 1), -9.0)
    for i, (box, points) in enumerate(zip(boxes, dots)):
        anchor = (np.array([i % 16, i // 16]) + 0.5) * 8
        x1, y1, x2, y2 = box
        rows[0, 2 * i] = [*((x1 + x2) / 2, (y1 + y2) / 2) - anchor, x2 - x1, y2 - y1, *(points - anchor).reshape(-1)]
        scores[0, 2 * i] = 5 - i
    return Network((1, 3, 128, 128), {"r": (1, 896, 16), "c": (1, 896, 1)}, lambda x: (rows, scores))


def spots(x):
    """Points at the middles of what is red, of what is green and of what is blue."""
    x = x[0].transpose(2, 0, 1)
    rows, columns = np.mgrid[0:x.shape[1], 0:x.shape[2]]
    places = []
    for plane in x:
        weight = np.maximum(plane - 0.2, 1e-12)
        places += [(weight * columns).sum() / weight.sum(), (weight * rows).sum() / weight.sum(), 0]
    return places


MESH = {"cinfer.recipe": "1", "cinfer.task": "keypoints", "cinfer.output.kind": "x,y,z", "cinfer.input.layout": "NHWC",
        "cinfer.input.size": "192x192", "cinfer.input.resize": "letterbox:0", "cinfer.input.std": "255"}  # fmt: skip
SPOTS = np.array([(180, 150), (250, 170), (215, 220)])
FACE = (140, 110, 300, 250)  # of a picture of 512x512


def picture():
    """Black, with a spot of each colour."""
    image = Image.new("RGB", (512, 512))
    draw = ImageDraw.Draw(image)
    for (x, y), colour in zip(SPOTS.tolist(), ((255, 0, 0), (0, 255, 0), (0, 0, 255))):
        draw.ellipse((x - 6, y - 6, x + 6, y + 6), fill=colour)
    return image


def detector(*boxes):
    eyes = SPOTS[:2]
    points = np.concatenate([eyes, SPOTS[2:], SPOTS[2:], eyes]) / 4
    return finder([np.array(box) / 4 for box in boxes], [points] * len(boxes))


def mesh(score=3):
    return Network((1, 192, 192, 3), {"p": (1, 9), "f": (1, 1)}, lambda x: (spots(x), [[score]]), **MESH)


def test_points_are_in_pixels_of_the_whole_picture():
    answer = paired([detector(FACE), mesh()]).read(picture()).answer
    (face,) = answer.found
    assert answer.task == "keypoints" and face.box == pytest.approx(FACE, abs=1e-3)
    assert face.points == pytest.approx(SPOTS, abs=0.3)
    assert face.score == pytest.approx(1 / (1 + np.exp(-5)))


def test_cut_is_turned_by_the_eyes():
    second = mesh()
    paired([detector(FACE), second]).read(picture())
    (x,) = second.fed
    assert x.shape == (1, 192, 192, 3)
    left, right = np.array(spots(x)).reshape(3, 3)[:2, :2]
    assert left[1] == pytest.approx(right[1], abs=0.3) and right[0] > left[0]
    assert np.hypot(*(right - left)) == pytest.approx(np.hypot(70, 20) * 192 / (1.5 * 160), abs=0.3)


def test_picture_decoded_at_half_its_size():
    small = picture().resize((256, 256), Image.BOX)
    answer = paired([detector(FACE), mesh()]).read(Frame(small, 512, 512, "small")).answer
    assert answer.found[0].points == pytest.approx(SPOTS, abs=1.2)  # half a pixel of the small one


def test_reading_leaves_the_networks_as_they_are():
    """So any number of threads may read with one."""
    pair = paired([detector(FACE), mesh()])
    before = pair.second.recipe
    pair.read(picture())
    assert pair.second.recipe is before


def test_frame_of_a_camera():
    array = np.asarray(picture())[..., ::-1]
    reader = paired([detector(FACE), mesh()])
    assert reader.read(frame(array, "BGR")).answer.found[0].points == pytest.approx(SPOTS, abs=0.3)


def test_each_face_is_looked_at_and_what_is_none_has_no_points():
    answer = paired([detector(FACE, (300, 300, 400, 400)), mesh(-1)]).read(picture())
    assert [each.points for each in answer.answer.found] == [None, None]
    assert set(answer.outputs) == {"r", "c", "object0/p", "object0/f", "object1/p", "object1/f"}
    assert paired([detector(), mesh()]).read(picture()).answer.found == []


def test_arcface_sees_the_face_upright():
    second = Network((1, 3, 112, 112), {"e": (1, 512)}, lambda x: np.arange(512)[None, None])
    answer = paired([detector(FACE), second]).read(picture()).answer
    vector = answer.found[0].embedding
    assert np.linalg.norm(vector) == pytest.approx(1) and vector[2] == pytest.approx(2 * vector[1])
    assert len(json.loads(json.dumps(answer.data()))["objects"][0]["embedding"]) == 512
    seen = np.array(spots((second.fed[0].transpose(0, 2, 3, 1) + 1) / 2)).reshape(3, 3)[:, :2]
    places = np.concatenate([alignment.ARCFACE[:3], alignment.ARCFACE[3:].mean(0, keepdims=True)])
    matrix = alignment.similarity(np.concatenate([SPOTS, SPOTS[2:]]), places)
    assert seen == pytest.approx(alignment.moved(matrix, SPOTS), abs=0.5)


def people(labels):
    """A YOLO that finds class 1 on the spots and class 0 elsewhere, of 128x128."""
    rows = np.float32([[[55, 20], [45, 20], [40, 20], [34, 20], [0, 0.8], [0.9, 0]]])
    keys = {"task": "detect", "names": str(dict(enumerate(labels))), "stride": "32", "imgsz": "[128, 128]"}
    return Network((1, 3, 128, 128), {"o": (1, 6, 2)}, lambda x: (rows,), **keys)


def pose():
    """SimCC of the middles of three spots, doubled."""
    def run(x):
        places = np.array(spots(x.transpose(0, 2, 3, 1))).reshape(3, 3)[:, :2]
        tops = np.rint(2 * places)
        return [(np.arange(2 * n) == tops[:, axis, None])[None] for axis, n in ((0, 192), (1, 256))]

    keys = {"cinfer.recipe": "1", "cinfer.task": "keypoints", "cinfer.output.kind": "simcc", "cinfer.input.std": "255",
            "cinfer.input.size": "256x192", "cinfer.input.resize": "inside:0.8"}  # fmt: skip
    return Network((1, 3, 256, 192), {"simcc_x": (1, 3, 384), "simcc_y": (1, 3, 512)}, run, **keys)


def test_persons_alone_are_looked_at():
    second = pose()
    person, ball = paired([people(["ball", "person"]), second]).read(picture()).answer.found
    assert (person.label, ball.label, len(second.fed)) == ("person", "ball", 1)
    assert person.points == pytest.approx(np.column_stack([SPOTS, [1, 1, 1]]), abs=0.6) and ball.points is None


def test_without_persons_all_are_looked_at():
    second = pose()
    paired([people(["ball", "bear"]), second]).read(picture())
    assert len(second.fed) == 2


def test_first_model_whose_objects_are_none_is_told():
    keys = {"cinfer.recipe": "1", "cinfer.task": "detection", "cinfer.input.size": "8x8"}
    nothing = Network((1, 3, 8, 8), {"y": (1, 3)}, lambda x: (np.zeros((1, 3)),), **keys)
    with pytest.raises(InputError, match="finds nothing to look at"):
        Pair(SimpleReader(nothing), Reader(mesh())).read(picture())


class SimpleReader(Reader):
    """Sums up whatever comes out."""

    def __init__(self, session):
        super().__init__(session, {"family": ("raw", "--recipe family")})


@pytest.mark.parametrize("models", [
    lambda: [mesh()] * 3,
    lambda: [detector(FACE), Network((1, 3, 8, 8), {"y": (1, 3)}, None)],
    lambda: [Network((1, 3, 8, 8), {"y": (1, 3)}, None), mesh()],
])  # fmt: skip
def test_models_that_are_no_pair_are_told(models):
    with pytest.raises(InputError, match=r"these models are .*; right is .*FINDER\+POINTS or FINDER\+EMBEDDING"):
        paired(models())


def test_boxes_alone_cannot_be_aligned():
    face = Network((1, 3, 112, 112), {"e": (1, 512)}, lambda x: (np.ones((1, 512)),))
    with pytest.raises(InputError, match="five points"):
        paired([people(["ball", "bear"]), face]).read(picture())


def test_real_pair_on_a_photograph():
    """The mesh lies on the face: its tip of the nose and pupils are where the detector, another network, has them."""
    folder = shared("models")
    sessions = [cinfer.load(folder / f"{name}.onnx") for name in ("blazeface_short_range", "face_landmark")]
    photo = Image.open(shared("images/astronaut.jpg"))
    (found,) = paired(sessions).read(photo).answer.found
    # the middles of the eyes' corners, of the right and the left eye, and the tip of the nose, in the mesh's numbering
    eyes = [found.points[[33, 133]].mean(0), found.points[[362, 263]].mean(0)]
    coarse = paired(sessions).first.read(photo).answer.found[0].points
    assert np.abs(np.array([*eyes, found.points[1]]) - coarse[:3]).max() < 8  # of a face of 94 pixels
    turned = paired(sessions).read(photo.rotate(20, resample=Image.BICUBIC)).answer.found[0]
    cos, sin = np.cos(np.deg2rad(20)), np.sin(np.deg2rad(20))
    wanted = (found.points - 256) @ np.array([[cos, -sin], [sin, cos]]) + 256
    assert np.abs(turned.points - wanted).mean() < 1

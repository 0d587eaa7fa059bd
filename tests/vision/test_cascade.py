"""MTCNN's three networks together."""

from itertools import permutations

import numpy as np
import pytest
from conftest import shared
from PIL import Image

import cinfer
from cinfer.errors import InputError
from cinfer.vision import cascade
from cinfer.vision.families.view import Options
from cinfer.vision.chains import reader_of as paired
from cinfer.vision.pictures.frames import Frame
from cinfer.vision import Reader


@pytest.fixture(scope="module")
def networks():
    return [cinfer.load(shared(f"models/mtcnn_{name}net.onnx"), threads=1) for name in "pro"]


def astronaut():
    return Image.open(shared("images/astronaut.jpg")).convert("RGB")


def test_one_face_where_another_detector_sees_it(networks):
    photo = astronaut()
    (face,) = paired(networks).read(photo).answer.found
    other = Reader(cinfer.load(shared("models/blazeface_short_range.onnx"))).read(photo).answer.found[0]
    assert face.score > 0.999 and face.label == "face"
    middles = [np.array(each.box).reshape(2, 2).mean(0) for each in (face, other)]
    assert np.abs(middles[0] - middles[1]).max() < 20  # of a face of 90x115; MTCNN's box holds the forehead too
    # eyes and the tip of the nose; the middle of the mouth
    assert np.abs(face.points[:3] - other.points[:3]).max() < 6
    assert np.abs(face.points[3:].mean(0) - other.points[3]).max() < 8


def test_place_and_size_of_the_face_follow_the_picture(networks):
    photo, reader = astronaut().crop((100, 20, 400, 260)), paired(networks)
    (face,) = reader.read(photo).answer.found
    shifted = Image.new("RGB", (420, 300), (90, 90, 90))
    shifted.paste(photo, (70, 40))
    (moved,) = reader.read(shifted).answer.found
    assert np.abs(np.array(moved.box) - face.box - (70, 40, 70, 40)).max() < 6
    (small,) = reader.read(photo.resize((150, 120), Image.BOX)).answer.found
    assert np.abs(2 * np.array(small.box) - face.box).max() < 12
    half = Frame(photo.resize((150, 120), Image.BOX), 300, 240, "decoded at half its size")
    assert np.allclose(reader.read(half).answer.found[0].box, 2 * np.array(small.box))


def test_order_of_the_networks_does_not_matter(networks):
    photo = astronaut().crop((140, 40, 320, 220))
    answers = [paired(list(each)).read(photo).answer.data() for each in permutations(networks)]
    assert all(each == answers[0] for each in answers)


@pytest.mark.parametrize("size", [(1, 1), (11, 500), (20, 20), (64, 48)])
def test_pictures_without_a_face(networks, size):
    assert paired(networks).read(Image.new("RGB", size, (10, 200, 30))).answer.found == []


def test_thresholds_of_the_user_count(networks):
    photo = astronaut().crop((140, 40, 320, 220))
    assert paired(networks, options=Options(conf=1.0)).read(photo).answer.found == []


def test_other_classes_than_faces_are_refused(networks):
    photo = astronaut().crop((140, 40, 320, 220))
    for classes in (("face",), ("0",)):
        assert len(paired(networks, options=Options(classes=classes)).read(photo).answer.found) == 1
    with pytest.raises(InputError, match="the model has no class 'cat'; right is face"):
        paired(networks, options=Options(classes=("cat",)))


def test_missing_network_is_named(networks):
    with pytest.raises(InputError, match="right is .*P-Net"):
        paired([networks[0], networks[1], networks[1]])


def test_squares_keep_their_middles():
    boxes = np.array([(0, 0, 10, 20), (5, 5, 35, 15), (1, 2, 3, 4.0)])
    squares = cascade.square(boxes)
    assert squares.tolist() == [[-5, 0, 15, 20], [5, -5, 35, 25], [1, 2, 3, 4]]
    assert cascade.square(boxes[:0]).shape == (0, 4)


def test_small_boxes_inside_large_ones_go():
    boxes = np.array([(0, 0, 99, 99), (10, 10, 29, 29), (90, 90, 119, 119), (0, 0, 89, 99.0)])
    assert cascade.least_overlapping(boxes, np.array([0.9, 0.8, 0.7, 0.95]), 0.7) == [3, 2]

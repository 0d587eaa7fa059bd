"""Cuts of faces and persons: the best similarity, and where its pixels come from."""

import numpy as np
import pytest
from fake_session import known, session, view
from PIL import Image

from cinfer.errors import InputError
from cinfer.vision.families import alignment, arcface


def turn(angle, scale, x, y):
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    return np.array([[cos, -sin, x], [sin, cos, y]])


@pytest.mark.parametrize("angle", [0, 0.3, -2, 3.1])
def test_similarity_of_exact_points_is_found(angle):
    points = np.random.default_rng(0).uniform(0, 100, (5, 2))
    matrix = turn(angle, 0.7, 13, -5)
    assert alignment.similarity(points, alignment.moved(matrix, points)) == pytest.approx(matrix)


def umeyama(points, places):
    """The published form: singular values of the covariance, S = diag(1, det) against mirroring."""
    p, q = points - points.mean(0), places - places.mean(0)
    u, d, v = np.linalg.svd(q.T @ p / len(p))
    s = np.diag([1, np.sign(np.linalg.det(u) * np.linalg.det(v))])
    r = u @ s @ v
    scale = np.trace(np.diag(d) @ s) / (p**2).sum(1).mean()
    return np.concatenate([scale * r, (places.mean(0) - scale * r @ points.mean(0))[:, None]], 1)


@pytest.mark.parametrize("seed", range(5))
def test_similarity_is_umeyamas(seed):
    random = np.random.default_rng(seed)
    points = alignment.ARCFACE @ turn(0.4, 2, 0, 0)[:, :2] + random.normal(0, 8, (5, 2))
    assert alignment.similarity(points, alignment.ARCFACE) == pytest.approx(umeyama(points, alignment.ARCFACE))


def test_points_all_alike_give_no_nonsense():
    assert np.isfinite(alignment.similarity(np.ones((5, 2)), alignment.ARCFACE)).all()


@pytest.mark.parametrize("size, places", [
    (112, alignment.ARCFACE), (224, 2 * alignment.ARCFACE), (128, alignment.ARCFACE + (8, 0))])  # fmt: skip
def test_faces_go_to_their_places(size, places):
    points = alignment.ARCFACE * 3 + 50
    matrix = alignment.for_arcface(points, size)
    assert alignment.moved(matrix, points) == pytest.approx(places)
    six = np.concatenate([points[:3], points[3:].mean(0, keepdims=True), [(0, 0), (1, 1)]])
    assert alignment.for_arcface(six, size) == pytest.approx(matrix)


@pytest.mark.parametrize("angle", [0, 0.5, -1.2])
def test_mesh_cut_makes_the_eyes_level(angle):
    box, eyes = (100, 50, 180, 150), alignment.moved(turn(angle, 1, 140, 90), np.array([(-20, 0), (20, 0)]))
    matrix = alignment.for_mesh(box, eyes, (192, 192))
    level = alignment.moved(matrix, eyes)
    assert level[0, 1] == pytest.approx(level[1, 1]) and level[1, 0] > level[0, 0]
    assert alignment.moved(matrix, np.array([(140, 100)])) == pytest.approx(np.array([(96, 96)]))
    assert np.linalg.det(matrix[:, :2]) == pytest.approx((192 / 150) ** 2)  # 1.5 times 100 become 192


def test_person_keeps_the_shape():
    matrix = alignment.for_person((10, 20, 110, 60), (192, 256))
    scale = 192 / 125
    assert matrix == pytest.approx(np.array([[scale, 0, 96 - 60 * scale], [0, scale, 128 - 40 * scale]]))


def test_inverse():
    matrix, points = turn(1, 2, 3, 4), np.random.default_rng(0).random((7, 2))
    assert alignment.moved(alignment.inverse(matrix), alignment.moved(matrix, points)) == pytest.approx(points)


@pytest.mark.parametrize("angle, scale", [(0, 1), (0.5, 1.7), (np.pi / 2, 0.6)])
def test_cut_samples_at_indices(angle, scale):
    y, x = np.mgrid[0:80, 0:100]
    ramps = np.stack([2 * x, 3 * y, x + y], -1)  # bilinear sampling of ramps is exact
    matrix = turn(angle, scale, 0, 0)
    matrix[:, 2] = (30, 25) - matrix[:, :2] @ (50, 40)  # the middle of the picture to that of the cut
    cut = np.asarray(alignment.cut(Image.fromarray(ramps.astype(np.uint8)), matrix, (60, 50))).astype(float)
    back = alignment.inverse(matrix)
    checked = 0
    for row in range(50):
        for column in range(60):
            u, v = alignment.moved(back, np.array([(column, row)]))[0]
            if 0 <= u <= 98.9 and 0 <= v <= 78.9:
                assert cut[row, column] == pytest.approx([2 * u, 3 * v, u + v], abs=1.01)
                checked += 1
            elif not (-1 < u < 100 and -1 < v < 80):
                assert not cut[row, column].any()
    assert checked > 300


# ---- ArcFace


def test_vector_has_length_one():
    answer = arcface.decode(view({"e": np.float32([[3, 0, 4, np.nan]])}))
    assert answer.vector == pytest.approx([0.6, 0, 0.8, 0]) and answer.task == "embedding"
    assert not arcface.decode(view({"e": np.zeros((1, 4))})).vector.any()
    with pytest.raises(InputError):
        arcface.decode(view({"e": np.zeros((1, 0))}))


@pytest.mark.parametrize("shape, output, labels, is_face", [
    ((1, 3, 112, 112), (1, 512), None, True),
    (("n", 112, 112, 3), ("n", 128), None, True),
    ((1, 3, 112, 112), (1, 512, 1, 1), None, True),
    ((1, 3, 112, 112), (1, 1000), None, False),
    ((1, 3, 112, 112), (1, 512), "a\nb", False),
    ((1, 3, 224, 224), (1, 512), None, False),
])  # fmt: skip
def test_arcface_is_told_by_its_sizes(shape, output, labels, is_face):
    words = known(session({"cinfer.labels": labels} if labels else {}, shape=shape, outputs=(output,)))
    assert (words.text("family") == "arcface") is is_face
    if is_face:
        assert [words.text(f"input.{key}") for key in ("size", "mean", "std")] == ["112x112", "127.5", "127.5"]
        assert "classify" in words.origin()  # the other that it might be is named

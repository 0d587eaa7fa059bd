"""Faces and persons cut out of a picture the way the next network wants them.

Each gives a 2x3 matrix from pixels of the picture to those of the cut: cut = matrix @ (x, y, 1).
ArcFace     the similarity that brings five points nearest to their places in 112x112 (insightface)
MediaPipe   a square 1.5 times as large as the longer side of the face's box, turned so that the eyes are level
top-down    1.25 times the person's box, widened or heightened to the shape of the input (HRNet, RTMPose)
"""
from __future__ import annotations

import numpy as np

# eyes, tip of the nose, corners of the mouth, the left of each pair in the picture first, in 112x112
ARCFACE = np.array([(38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041)])


def similarity(points: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The matrix that turns, scales and shifts (n, 2) points so that they are nearest to places by squares.

    S. Umeyama, Least-squares estimation of transformation parameters between two point patterns, 1991. In the plane,
    without mirroring, it is a division of complex numbers: places ~ a points + b."""
    points, places = (np.asarray(v, np.float64) for v in (points, places))
    p, q = (v[:, 0] + 1j * v[:, 1] for v in (points, places))
    centre, target = p.mean(), q.mean()
    spread = (np.abs(p - centre) ** 2).sum()
    a = (np.conj(p - centre) * (q - target)).sum() / spread if spread > 0 else 1
    b = target - a * centre
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])


def for_arcface(points: np.ndarray, size: int = 112) -> np.ndarray:
    """points : (5, 2), or six of BlazeFace, whose fourth is the middle of the mouth
    size : of the cut, a multiple of 112, or of 128 with 8 more at either side, as insightface has it"""
    places = ARCFACE
    if len(points) == 6:
        points, places = points[:4], np.concatenate([ARCFACE[:3], ARCFACE[3:].mean(0, keepdims=True)])
    ratio, shift = (size / 112, 0) if size % 112 == 0 or size % 128 else (size / 128, 8 * size / 128)
    return similarity(points, places * ratio + (shift, 0))


def for_mesh(box, points: np.ndarray | None, size: tuple[int, int]) -> np.ndarray:
    """box : x1, y1, x2, y2; points : the first two are the eyes; size : (width, height) of the cut"""
    x1, y1, x2, y2 = box
    eyes = (0, 0) if points is None else np.subtract(points[1][:2], points[0][:2])
    return square((x1 + x2) / 2, (y1 + y2) / 2, 1.5 * max(x2 - x1, y2 - y1, 1e-3), np.arctan2(eyes[1], eyes[0]), size)


def for_person(box, size: tuple[int, int]) -> np.ndarray:
    x1, y1, x2, y2 = box
    scale = min(size[0] / max(x2 - x1, 1e-3), size[1] / max(y2 - y1, 1e-3)) / 1.25
    return np.array([[scale, 0, size[0] / 2 - scale * (x1 + x2) / 2], [0, scale, size[1] / 2 - scale * (y1 + y2) / 2]])


def square(x: float, y: float, side: float, angle: float, size: tuple[int, int]) -> np.ndarray:
    """A square around (x, y) that is turned by an angle, clockwise as one sees it, becomes upright."""
    cos, sin = np.cos(angle), np.sin(angle)
    turn = np.array([[cos, sin], [-sin, cos]]) * (np.array(size) / side)[:, None]
    return np.concatenate([turn, (np.array(size) / 2 - turn @ (x, y))[:, None]], 1)


def inverse(matrix: np.ndarray) -> np.ndarray:
    turn = np.linalg.inv(matrix[:, :2])
    return np.concatenate([turn, -turn @ matrix[:, 2:]], 1)


def moved(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(n, 2) points through a matrix."""
    return points @ matrix[:, :2].T + matrix[:, 2]


def cut(picture, matrix: np.ndarray, size: tuple[int, int], factor: float | tuple[float, float] = 1):
    """The cut as a picture; black beyond the picture. Without antialiasing, and a pixel's place is its index, as in
    OpenCV's warpAffine. factor : pixels of `picture` for one of those that the matrix is for, (of x, of y)"""
    from PIL import Image
    back = inverse(matrix) * np.broadcast_to(np.asarray(factor, np.float64), 2)[:, None]
    # `transform` asks at the middle of a pixel, and takes the middles of those asked for halves
    back[:, 2] += .5 - back[:, :2].sum(1) / 2
    return picture.transform(size, Image.Transform.AFFINE, tuple(back.reshape(-1).tolist()),
                             resample=Image.Resampling.BILINEAR)

"""DFT and STFT against the sum that defines them, windows against their formulas, Col2Im against a loop."""
import numpy as np
import pytest
from one_node import needs_value, refuses, run, spec


rng = np.random.default_rng(4)


def transform(x, n, inverse=False):
    """The sum over k of the last axis, cut or filled with zeros to n."""
    x = np.concatenate((x, np.zeros((*x.shape[:-1], max(0, n - x.shape[-1])))), -1)[..., :n]
    k = np.arange(n)
    matrix = np.exp((2j if inverse else -2j) * np.pi * np.outer(k, k) / n)
    return x @ matrix / (n if inverse else 1)


@pytest.mark.parametrize("length", [None, 5, 8, 11])
@pytest.mark.parametrize("inverse", [0, 1])
@pytest.mark.parametrize("parts", [1, 2])
def test_dft_is_the_sum(parts, inverse, length):
    x = rng.standard_normal((2, 8, 3, parts))
    expected = transform((x[..., 0] if parts == 1 else x[..., 0] + 1j * x[..., 1]).swapaxes(1, 2),
                         length or 8, inverse).swapaxes(1, 2)
    given = None if length is None else np.array(length)
    for y in (run("DFT", x, given, np.array(1), opset=20, inverse=inverse),
              run("DFT", x, given, opset=17, axis=1, inverse=inverse)):
        np.testing.assert_allclose(y[..., 0] + 1j * y[..., 1], expected, atol=1e-12)


def test_onesided_dft_is_the_first_half_and_inverts():
    x = rng.standard_normal((2, 9, 1))
    whole, half = run("DFT", x, opset=20), run("DFT", x, opset=20, onesided=1)
    np.testing.assert_allclose(half, whole[:, :5], atol=1e-12)
    np.testing.assert_allclose(run("DFT", half, np.array(9), opset=20, onesided=1, inverse=1), x, atol=1e-12)


def test_dft_refuses():
    refuses("real", "DFT", np.zeros((2, 8, 3)), opset=20)
    refuses("cannot be transformed", "DFT", np.zeros((2, 8, 1)), None, np.array(2), opset=20)
    refuses("dft_length 0", "DFT", np.zeros((2, 8, 1)), np.array(0), opset=20)
    needs_value("DFT", spec(2, 8, 1), spec(dtype=np.int64), opset=20)


@pytest.mark.parametrize("onesided", [0, 1])
def test_stft_transforms_windowed_frames(onesided):
    x, window = rng.standard_normal((2, 30)), rng.random(8)
    y = run("STFT", x[..., None], np.array(5), window, onesided=onesided)
    assert y.shape == (2, 5, 5 if onesided else 8, 2)
    for frame in range(5):
        expected = transform(x[:, 5 * frame:5 * frame + 8] * window, 8)[:, :y.shape[2]]
        np.testing.assert_allclose(y[:, frame, :, 0] + 1j * y[:, frame, :, 1], expected, atol=1e-12)


def test_stft_refuses():
    x = np.zeros((1, 20, 1))
    refuses("steps of 0", "STFT", x, np.array(0), np.ones(4))
    refuses("frames of 21", "STFT", x, np.array(1), None, np.array(21))
    refuses("neither", "STFT", x, np.array(1))


@pytest.mark.parametrize("operator, a", [("HannWindow", (0.5, 0.5, 0)),
                                         ("HammingWindow", (25 / 46, 21 / 46, 0)),
                                         ("BlackmanWindow", (0.42, 0.5, 0.08))])
@pytest.mark.parametrize("periodic", [0, 1])
def test_windows(operator, a, periodic):
    n, size = np.arange(10), 10 - (not periodic)
    expected = a[0] - a[1] * np.cos(2 * np.pi * n / size) + a[2] * np.cos(4 * np.pi * n / size)
    np.testing.assert_allclose(run(operator, np.array(10), periodic=periodic, output_datatype=11), expected,
                               atol=1e-12)
    one = run(operator, np.array(1), periodic=periodic)
    assert one.dtype == np.float32 and np.isnan(one[0]) == (not periodic)
    refuses("size -1", operator, np.array(-1))


def test_mel_triangles_peak_at_one():
    y = run("MelWeightMatrix", np.array(8), np.array(64), np.array(8192), np.array(0.0), np.array(4096.0))
    assert y.shape == (33, 8)
    assert (y.max(0) == 1).all() and (y >= 0).all()
    assert (np.diff(y.argmax(0)) > 0).all()
    refuses("mel bins", "MelWeightMatrix", np.array(8), np.array(64), np.array(8192), np.array(5.0),
            np.array(4.0))


@pytest.mark.parametrize("image, block, attributes",
                         [((5, 6), (2, 3), {}), ((5, 6), (2, 3), {"strides": [2, 1], "pads": [1, 0, 1, 2]}),
                          ((7, 7), (2, 2), {"dilations": [3, 2]}), ((6,), (3,), {})])
def test_col2im_sums_the_patches(image, block, attributes):
    n, c, axes = 2, 3, len(image)
    strides, dilations = attributes.get("strides", [1] * axes), attributes.get("dilations", [1] * axes)
    pads = attributes.get("pads", [0] * 2 * axes)
    counts = [(i + pads[a] + pads[a + axes] - d * (b - 1) - 1) // s + 1
              for a, (i, b, d, s) in enumerate(zip(image, block, dilations, strides))]
    x = rng.standard_normal((n, c * int(np.prod(block)), int(np.prod(counts))))
    expected = np.zeros((n, c, *image))
    columns = x.reshape(n, c, *block, *counts)
    for place in np.ndindex(*block):
        for patch in np.ndindex(*counts):
            at = tuple(k * s + p * d - pad for k, s, p, d, pad in zip(patch, strides, place, dilations, pads))
            if all(0 <= i < size for i, size in zip(at, image)):
                expected[:, :, *at] += columns[:, :, *place, *patch]
    y = run("Col2Im", x, np.array(image), np.array(block), **attributes)
    np.testing.assert_allclose(y, expected, atol=1e-12)


@pytest.mark.parametrize("block", [0, -1, 2**63 - 1])
def test_col2im_refuses(block):
    refuses("", "Col2Im", np.zeros((1, 4, 9)), np.array([4, 4]), np.array([2, block]))

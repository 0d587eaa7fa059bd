"""Fourier transforms and windows: DFT, STFT, HannWindow, HammingWindow, BlackmanWindow, MelWeightMatrix."""
from __future__ import annotations

from math import log10

import numpy as np

from ..model.tensors import dtype_of
from .facts import Fact
from .limits import check_axis, check_scalar, check_size, known
from .registry import op


def as_complex(x: np.ndarray) -> np.ndarray:
    """Without the last axis, which is 1 (real) or 2 (real, imaginary)."""
    return x[..., 0] if x.shape[-1] == 1 else x[..., 0] + 1j * x[..., 1]


def as_pairs(x: np.ndarray, dtype) -> np.ndarray:
    return np.stack((x.real, x.imag), -1).astype(dtype)


def dft_plan(x, length, axis: int, inverse: int, onesided: int) -> tuple[tuple[int, ...], int, int]:
    """(shape of the answer, axis, length of the transform)"""
    if x.ndim < 2 or x.shape[-1] not in (1, 2):
        raise ValueError(f"input of shape {list(x.shape)}; the last axis has to be 1 (real) or 2 (complex)")
    axis = check_axis(axis, x.ndim)
    if axis == x.ndim - 1:
        raise ValueError(f"axis {axis} holds real and imaginary parts; it cannot be transformed")
    half = bool(inverse and onesided)
    size = x.shape[axis]
    length = check_scalar(length, "dft_length", True) if length is not None else 2 * (size - 1) if half else size
    if length < 1:
        raise ValueError(f"dft_length {length}; it has to be at least 1")
    out = length // 2 + 1 if onesided and not inverse else length
    shape = x.shape[:axis] + (out,) + x.shape[axis + 1:-1] + (1 if half else 2,)
    return check_size(shape, 16), axis, length


def dft(x: np.ndarray, length, axis: int, inverse: int, onesided: int) -> np.ndarray:
    _, axis, length = dft_plan(x, length, axis, inverse, onesided)
    values = as_complex(x.astype(np.result_type(x.dtype, np.float32), copy=False))
    if inverse and onesided:
        return np.fft.irfft(values, length, axis)[..., None].astype(x.dtype)
    if inverse:
        return as_pairs(np.fft.ifft(values, length, axis), x.dtype)
    if onesided and np.iscomplexobj(values):
        if values.imag.any():
            raise ValueError("onesided=1 with a complex input; the two sides differ")
        values = values.real
    return as_pairs(np.fft.rfft(values, length, axis) if onesided else np.fft.fft(values, length, axis),
                    x.dtype)


@op("DFT", since=17)
class DFTFirst:
    """https://onnx.ai/onnx/operators/text_diff_DFT_17_20.html"""
    def infer(x, dft_length=None, *, axis=1, inverse=0, onesided=0):
        return x.like(dft_plan(x, known(dft_length, "the length of DFT"), axis, inverse, onesided)[0])

    def evaluate(x, dft_length=None, *, axis=1, inverse=0, onesided=0):
        return dft(x, dft_length, axis, inverse, onesided)


@op("DFT", since=20)
class DFT:
    """https://onnx.ai/onnx/operators/onnx__DFT.html"""
    def infer(x, dft_length=None, axis=None, *, inverse=0, onesided=0):
        axis = -2 if axis is None else check_scalar(axis.known("the axis of DFT"), "axis", True)
        return x.like(dft_plan(x, known(dft_length, "the length of DFT"), axis, inverse, onesided)[0])

    def evaluate(x, dft_length=None, axis=None, *, inverse=0, onesided=0):
        return dft(x, dft_length, -2 if axis is None else check_scalar(axis, "axis", True), inverse, onesided)


def stft_plan(signal, frame_step, window, frame_length, onesided: int) -> tuple[tuple[int, ...], int, int]:
    """(shape of the answer, step, length of a frame)"""
    step = check_scalar(frame_step, "frame_step", True)
    if frame_length is None and window is None:
        raise ValueError("neither window nor frame_length is given")
    length = window.shape[0] if frame_length is None else check_scalar(frame_length, "frame_length", True)
    if signal.ndim not in (2, 3) or (signal.ndim == 3 and signal.shape[2] not in (1, 2)):
        raise ValueError(f"signal of shape {list(signal.shape)}; it has to be batch, length, 1 or 2")
    if step < 1 or not 1 <= length <= signal.shape[1] or (window is not None and window.shape != (length,)):
        raise ValueError(f"frames of {length} by steps of {step} in a signal of {signal.shape[1]}, window "
                         f"{None if window is None else list(window.shape)}")
    frames = (signal.shape[1] - length) // step + 1
    return check_size((signal.shape[0], frames, length // 2 + 1 if onesided else length, 2), 16), step, length


@op("STFT", since=17)
class STFT:
    """https://onnx.ai/onnx/operators/onnx__STFT.html"""
    def infer(signal, frame_step, window=None, frame_length=None, *, onesided=1):
        return signal.like(stft_plan(signal, frame_step.known("the step of STFT"), window,
                                     known(frame_length, "the frame length of STFT"), onesided)[0])

    def evaluate(signal, frame_step, window=None, frame_length=None, *, onesided=1):
        _, step, length = stft_plan(signal, frame_step, window, frame_length, onesided)
        values = as_complex(signal) if signal.ndim == 3 else signal
        frames = np.lib.stride_tricks.sliding_window_view(values, length, axis=1)[:, ::step]
        frames = frames if window is None else frames * window
        if onesided and not np.iscomplexobj(frames):
            return as_pairs(np.fft.rfft(frames), signal.dtype)
        spectrum = np.fft.fft(frames)
        return as_pairs(spectrum[..., :length // 2 + 1] if onesided else spectrum, signal.dtype)


def window_type(*inputs, output_datatype=1, **rest) -> tuple[np.dtype]:
    return dtype_of(output_datatype),


def cosine_window(size: np.ndarray, periodic: int, output_datatype: int,
                  coefficients: tuple[float, ...]) -> np.ndarray:
    """a0 - a1 cos(x) + a2 cos(2x), x from 0 to 2 pi, that end included unless `periodic`; NaN for one
    number that is both ends."""
    count = window_spec(size, output_datatype).shape[0]
    x = 2 * np.pi * np.arange(count) / (count if periodic else count - 1)
    y = sum((-1)**i * a * np.cos(i * x) for i, a in enumerate(coefficients))
    return y.astype(dtype_of(output_datatype))


def window_spec(size: np.ndarray, output_datatype: int) -> Fact:
    return Fact(dtype_of(output_datatype), check_size((check_scalar(size, "size", True),), 8))


@op("HannWindow", since=17, types=window_type)
class HannWindow:
    """https://onnx.ai/onnx/operators/onnx__HannWindow.html"""
    def infer(size, *, output_datatype=1, periodic=1):
        return window_spec(size.known("the size of HannWindow"), output_datatype)

    def evaluate(size, *, output_datatype=1, periodic=1):
        return cosine_window(size, periodic, output_datatype, (0.5, 0.5))


@op("HammingWindow", since=17, types=window_type)
class HammingWindow:
    """https://onnx.ai/onnx/operators/onnx__HammingWindow.html"""
    def infer(size, *, output_datatype=1, periodic=1):
        return window_spec(size.known("the size of HammingWindow"), output_datatype)

    def evaluate(size, *, output_datatype=1, periodic=1):
        return cosine_window(size, periodic, output_datatype, (25 / 46, 21 / 46))


@op("BlackmanWindow", since=17, types=window_type)
class BlackmanWindow:
    """https://onnx.ai/onnx/operators/onnx__BlackmanWindow.html"""
    def infer(size, *, output_datatype=1, periodic=1):
        return window_spec(size.known("the size of BlackmanWindow"), output_datatype)

    def evaluate(size, *, output_datatype=1, periodic=1):
        return cosine_window(size, periodic, output_datatype, (0.42, 0.5, 0.08))


def mel_shape(num_mel_bins, dft_length, sample_rate, lower, upper) -> tuple[int, int]:
    bins, length, rate = (check_scalar(v, what) for v, what in (
        (num_mel_bins, "num_mel_bins"), (dft_length, "dft_length"), (sample_rate, "sample_rate")))
    low, high = check_scalar(lower, "lower_edge_hertz"), check_scalar(upper, "upper_edge_hertz")
    if bins < 1 or length < 1 or rate < 1 or not 0 <= low < high <= rate / 2 + 1e-6 * rate:
        raise ValueError(f"{bins} mel bins from {low} to {high} Hz of {length} samples at {rate} Hz")
    return check_size((length // 2 + 1, bins), 8)


@op("MelWeightMatrix", since=17, types=window_type)
class MelWeightMatrix:
    """Triangles of equal width in mel. https://onnx.ai/onnx/operators/onnx__MelWeightMatrix.html"""
    def infer(num_mel_bins, dft_length, sample_rate, lower_edge_hertz, upper_edge_hertz, *,
              output_datatype=1):
        inputs = (num_mel_bins, dft_length, sample_rate, lower_edge_hertz, upper_edge_hertz)
        return Fact(dtype_of(output_datatype),
                    mel_shape(*(i.known("the inputs of MelWeightMatrix") for i in inputs)))

    def evaluate(num_mel_bins, dft_length, sample_rate, lower_edge_hertz, upper_edge_hertz, *,
                 output_datatype=1):
        rows, bins = mel_shape(num_mel_bins, dft_length, sample_rate, lower_edge_hertz, upper_edge_hertz)
        low, high = (2595 * log10(1 + edge.item() / 700) for edge in (lower_edge_hertz, upper_edge_hertz))
        mel = low + np.arange(bins + 2) * ((high - low) / (bins + 2))
        hertz = 700 * (10 ** (mel / 2595) - 1)
        at = ((dft_length.item() + 1) * hertz // sample_rate.item()).astype(np.int64)
        left, centre, right = at[:-2], at[1:-1], at[2:]
        row = np.arange(rows)[:, None]
        rise = np.where(centre > left, (row - left) / np.maximum(centre - left, 1), 1.0 * (row == centre))
        fall = (right - row) / np.maximum(right - centre, 1)
        falls = (row > centre) & (row < right)
        weight = np.where((row >= left) & (row <= centre), rise, np.where(falls, fall, 0))
        return weight.astype(dtype_of(output_datatype))

"""Picture files one after another in a pipe: each comes out as it went in."""

import io
import os
import threading

import numpy as np
import pytest
from PIL import Image

from cinfer.vision.pictures.stream import Stream


def picture(format, seed=0, size=(40, 30), mode="RGB", **options):
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(file, format, **options)
    return file.getvalue()


def with_thumbnail(seed=0):
    """A JPEG that holds another one, with markers, in its EXIF."""
    exif = Image.Exif()
    exif[0x010E] = "x" * 10
    data = picture("JPEG", seed, exif=exif)
    inner = picture("JPEG", 7, (8, 6))
    segment = b"Exif\0\0" + inner
    return data[:2] + b"\xff\xe1" + (len(segment) + 2).to_bytes(2, "big") + segment + data[2:]


class Slow(io.RawIOBase):
    """Gives a byte or a few at a time."""

    def __init__(self, data, step):
        self._data, self._step = io.BytesIO(data), step

    def read1(self, count):
        return self._data.read(min(count, self._step))


ALL = [picture("JPEG"), with_thumbnail(1), picture("JPEG", 2, progressive=True), picture("PNG", 3), picture("PPM", 4),
       picture("PPM", 5, mode="L"), picture("JPEG", 6, restart_marker_blocks=1),
       b"P6 # a remark\n2 1\n# more\n65535\n" + bytes(12)]


@pytest.mark.parametrize("step", [1, 7, 1 << 16])
def test_pictures_come_out_as_they_went_in(step):
    assert list(Stream(Slow(b"".join(ALL), step))) == ALL
    assert list(Stream(Slow(b"\n".join(ALL), step))) == ALL


def test_between_multipart_headers():
    parts = [picture("JPEG", n) for n in range(3)]
    head = b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n"
    body = b"".join(head % len(part) + part + b"\r\n" for part in parts) + b"--frame--\r\n"
    assert list(Stream(io.BytesIO(body))) == parts
    assert list(Stream(Slow(body, 3))) == parts


def test_a_jpeg_without_end_ends_where_the_next_begins():
    one, two = picture("JPEG", 1), picture("JPEG", 2)
    assert list(Stream(io.BytesIO(one[:-2] + two))) == [one[:-2], two]
    assert list(Stream(io.BytesIO(one + two[:-100]))) == [one, two[:-100]]


@pytest.mark.parametrize("data, one", [
    (ALL[0], True), (ALL[3], True), (with_thumbnail(), True), (ALL[0] + ALL[0], False), (ALL[3] + ALL[0], False),
    # a phone's picture with its film behind
    (ALL[0] + b"\0\0\0\x18ftypmp42" + bytes(range(128, 256)) * 40 + ALL[0], True),
    (ALL[0] + b"\n", True), (picture("WEBP"), True), (picture("TIFF"), True), (picture("BMP") + ALL[0], True),
    (b"", True), (b"nothing", True), (b"P5 nothing", True)])  # fmt: skip
def test_is_there_more_than_one(data, one):
    stream = Stream(io.BytesIO(data))
    assert stream.is_one() is one and stream.is_one() is one
    first = next(stream, b"")
    assert data.startswith(first) and bool(first) == bool(data)
    if one:
        assert list(stream) == []


def test_several_pictures_in_one_file_are_one(tmp_path):
    file = io.BytesIO()
    first, second = (Image.new("RGB", (30, 20), colour) for colour in ("red", "blue"))
    first.save(file, "MPO", save_all=True, append_images=[second])
    stream = Stream(io.BytesIO(file.getvalue()))
    assert stream.is_one() and next(stream) == file.getvalue()


def test_bytes_of_any_kind_end():
    rng = np.random.default_rng(5)
    whole = b"".join(ALL)
    for _ in range(300):
        data = bytearray(whole)
        for at in rng.integers(0, len(data), 12):
            data[at] = rng.integers(0, 256)
        begin = int(rng.integers(0, len(data)))
        found = list(Stream(io.BytesIO(bytes(data[begin:begin + int(rng.integers(1, 9000))]))))
        assert all(found) and sum(map(len, found)) <= 9000


def test_a_pipe_that_never_ends_can_be_left():
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as pipe, os.fdopen(writer, "wb", buffering=0) as into:
        into.write(ALL[0] + ALL[0][:50])
        stream = Stream(pipe)
        assert not stream.is_one() and next(stream) == ALL[0]
        thread = threading.Thread(target=list, args=(stream,))
        thread.start()
        stream.end()
        thread.join(5)
        assert not thread.is_alive()

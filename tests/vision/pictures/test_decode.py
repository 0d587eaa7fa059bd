"""Every kind of picture becomes upright 8-bit pixels; what is no picture is one clear error."""

import io
import os
import struct
import subprocess
import sys
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from cinfer.errors import Error, InputError, LimitError
from cinfer.vision.pictures.decode import decode

DATA = Path(__file__).resolve().parents[1] / "data"
PIXELS = np.array(
    [[[230, 10, 20], [5, 240, 15], [9, 7, 250]], [[0, 0, 0], [255, 255, 255], [100, 110, 120]]], np.uint8
)


def saved(picture, format="PNG", **options):
    file = io.BytesIO()
    picture.save(file, format, **options)
    return file.getvalue()


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_of_size(width, height):
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")


@pytest.mark.parametrize("format", ["PNG", "BMP", "GIF", "TIFF", "PPM", "WEBP"])
def test_lossless_formats_give_the_pixels_written(format):
    rgb = Image.fromarray(PIXELS)
    data = saved(
        rgb.quantize(6) if format == "GIF" else rgb,
        format,
        **({"lossless": True} if format == "WEBP" else {}),
    )
    picture = decode(data)
    assert picture.mode == "RGB"
    assert np.array_equal(np.asarray(picture), PIXELS)


def test_path_bytes_and_file_give_the_same(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(saved(Image.fromarray(PIXELS)))
    with open(path, "rb") as file:
        for source in (path, str(path), path.read_bytes(), file):
            assert np.array_equal(np.asarray(decode(source)), PIXELS)
        assert not file.closed


def test_grey_and_black_and_white_stay_grey():
    grey = PIXELS[..., 0]
    assert decode(saved(Image.fromarray(grey))).mode == "L"
    picture = decode(saved(Image.fromarray(grey).point(lambda v: 255 * (v > 99)).convert("1")))
    assert picture.mode == "L"
    assert np.array_equal(np.asarray(picture), np.where(grey > 99, 255, 0))


def test_palette_becomes_its_colours():
    assert np.array_equal(np.asarray(decode(saved(Image.fromarray(PIXELS).quantize(6)))), PIXELS)


def test_transparent_parts_are_laid_on_white():
    alpha = np.array([[0, 255, 51], [0, 128, 255]], np.uint8)
    picture = decode(saved(Image.fromarray(np.dstack([PIXELS, alpha]))))
    share = alpha[..., None] / 255
    assert picture.mode == "RGB"
    assert (
        np.abs(np.asarray(picture) - (PIXELS * share + 255 * (1 - share))).max() <= 1
    )  # Pillow rounds its own way
    assert np.array_equal(np.asarray(picture)[0, 0], [255, 255, 255])


def test_transparent_grey_and_palette_are_laid_on_white():
    grey = np.dstack([PIXELS[..., 0], np.array([[0, 255, 255], [255, 255, 0]], np.uint8)])
    shown = np.asarray(decode(saved(Image.fromarray(grey))))[..., 0]
    assert np.array_equal(shown, np.where(grey[..., 1] == 0, 255, grey[..., 0]))
    palette = Image.fromarray(PIXELS).quantize(6)
    hidden = palette.getpixel((2, 0))
    shown = np.asarray(decode(saved(palette, transparency=hidden)))
    expected = PIXELS.copy()
    expected[0, 2] = 255
    assert np.array_equal(shown, expected)


def test_transparent_colour_is_laid_on_white():
    shown = np.asarray(decode(saved(Image.fromarray(PIXELS), transparency=(100, 110, 120))))
    expected = PIXELS.copy()
    expected[1, 2] = 255
    assert np.array_equal(shown, expected)


def test_16_bit_grey_is_divided_by_257_and_rounded():
    values = np.array([[0, 128, 129, 257], [32768, 65535, 65406, 65407]], np.uint16)
    expected = [[0, 0, 1, 1], [128, 255, 254, 255]]
    assert np.array_equal(np.asarray(decode(saved(Image.fromarray(values)))), expected)
    pgm = b"P5 4 2 65535\n" + values.astype(">u2").tobytes()
    assert np.array_equal(np.asarray(decode(pgm)), expected)


def test_cmyk_becomes_rgb():
    solid = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    picture = decode(saved(solid, "JPEG", quality=95))
    assert picture.mode == "RGB"
    assert np.abs(np.asarray(picture)[4, 4].astype(int) - [255, 0, 0]).max() < 8  # JPEG is lossy


def test_first_frame_of_an_animation_counts():
    frames = [Image.new("RGB", (4, 4), colour) for colour in ((250, 0, 0), (0, 250, 0))]
    for format in ("GIF", "WEBP", "PNG"):
        options = {"lossless": True} if format == "WEBP" else {}
        data = saved(frames[0], format, save_all=True, append_images=frames[1:], **options)
        assert np.array_equal(np.asarray(decode(data))[0, 0], [250, 0, 0]), format


def png(depth, colour, rows, *chunks):
    """A PNG of the rows' bytes. colour : 0 grey, 2 RGB, 3 palette"""
    width = {0: len(rows[0]) * 8 // depth, 2: len(rows[0]) * 8 // depth // 3}[colour]
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, len(rows), depth, colour, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + pixels + chunk(b"IEND", b"")


def grey_bits(depth, *values):
    bits = "".join(f"{value:0{depth}b}" for value in values)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
def test_a_transparent_grey_counts_in_the_bits_of_the_file(depth):
    most = 2**depth - 1
    values = [0, most, 1 % (most + 1), most // 2, 0, most, most, 0]
    for hidden in {0, 1, most // 2, most}:
        data = png(depth, 0, [grey_bits(depth, *values)], chunk(b"tRNS", struct.pack(">H", hidden)))
        shown = np.asarray(decode(data).convert("L"))[0].tolist()
        assert shown == [255 if v == hidden else round(v * 255 / most) for v in values], hidden


def test_a_transparent_colour_of_16_bits_counts_by_its_upper_half():
    row = np.array([0x1234, 0x5678, 0x9ABC, 0x0101, 0x0202, 0x0303], ">u2").tobytes()
    data = png(16, 2, [row], chunk(b"tRNS", struct.pack(">HHH", 0x1234, 0x5678, 0x9ABC)))
    assert np.asarray(decode(data)).tolist() == [[[255] * 3, [1, 2, 3]]]


def tiff(bits, photometric, samples, extra, data, width, order="<"):
    """An uncompressed TIFF of one row. extra : the kind of its extra sample, or None"""
    tags = [(256, 4, [width]), (257, 4, [1]), (258, 3, [bits] * samples), (259, 3, [1]),
            (262, 3, [photometric]), (273, 4, [300]), (277, 3, [samples]), (278, 4, [1]),
            (279, 4, [len(data)])]
    tags += [] if extra is None else [(338, 3, [extra])]
    head, entries, pool = order.replace("<", "II").replace(">", "MM").encode(), b"", b""
    for tag, kind, values in tags:
        packed = struct.pack(f"{order}{len(values)}{'H' if kind == 3 else 'L'}", *values)
        entries += struct.pack(f"{order}HHL", tag, kind, len(values))
        if len(packed) > 4:
            entries += struct.pack(f"{order}L", 200 + len(pool))
            pool += packed
        else:
            entries += packed.ljust(4, b"\0")
    file = head + struct.pack(f"{order}HL", 42, 8) + struct.pack(f"{order}H", len(tags)) + entries + bytes(4)
    return (file.ljust(200, b"\0") + pool).ljust(300, b"\0") + data


@pytest.mark.parametrize("extra", [1, 2], ids=["premultiplied", "as it is"])
@pytest.mark.parametrize("samples", [2, 4], ids=["LA", "RGBA"])
def test_alpha_of_a_tiff_in_both_its_meanings(samples, extra):
    colour, alphas = [200, 100, 40][:samples - 1], [0, 51, 255, 128]
    rows = [[*(round(c * a / 255) if extra == 1 else c for c in colour), a] for a in alphas]
    data = tiff(8, 1 if samples == 2 else 2, samples, extra, np.array(rows, np.uint8).tobytes(), 4)
    shown = np.asarray(decode(data))[0]
    for got, alpha in zip(shown, alphas):
        want = [c * alpha / 255 + 255 - alpha for c in (colour if samples == 4 else colour * 3)]
        assert np.abs(got - want).max() <= 2, alpha


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("photometric", [0, 1], ids=["min is white", "min is black"])
@pytest.mark.parametrize("bits", [8, 16])
def test_grey_tiffs_may_count_from_white(bits, photometric, order):
    values = np.array([0, 2**bits // 4, 2**bits - 1], f"{order}u{bits // 8}")
    want = np.array([0, 64, 255]) if photometric else np.array([255, 191, 0])
    try:
        picture = decode(tiff(bits, photometric, 1, None, values.tobytes(), 3, order))
    except InputError as error:                         # Pillow does not know the kind; refused, not wrong
        assert (bits, photometric, order) == (16, 0, ">"), error
        return
    assert np.abs(np.asarray(picture)[0].astype(int) - want).max() <= 1


def test_a_tiff_of_12_bits():
    data = tiff(12, 1, 1, None, grey_bits(12, 0, 4095, 2048, 1365), 4)
    assert np.asarray(decode(data)).tolist() == [[0, 255, 128, 85]]


def test_first_frame_of_an_animation_keeps_its_transparency():
    frames = []
    for shade in (0, 255):
        frame = Image.new("RGBA", (4, 4), (shade, 0, 0, 255))
        frame.putpixel((1, 1), (0, 0, 0, 0))
        frames.append(frame)
    data = saved(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert np.asarray(decode(data))[1, 1].tolist() == [255] * 3
    assert np.asarray(decode(data))[0, 0].tolist() == [0, 0, 0]


@pytest.mark.parametrize("orientation", [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA", "I;16"])
def test_pictures_are_turned_upright_as_exif_says(orientation, mode):
    exif = Image.Exif()
    exif[0x0112] = orientation
    source = Image.fromarray(PIXELS)
    source = (
        Image.fromarray(PIXELS[..., 0].astype(np.uint16) * 257)
        if mode == "I;16"
        else source.quantize(6)
        if mode == "P"
        else source.convert(mode)
    )
    data = saved(source, exif=exif)
    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))  # Pillow's own is the oracle
    expected = (
        np.asarray(expected) // 257 if mode == "I;16" else np.asarray(expected.convert(decode(data).mode))
    )
    assert np.array_equal(np.asarray(decode(data)), expected)
    assert decode(data).size == ((2, 3) if 5 <= orientation <= 8 else (3, 2))


def test_tiff_is_turned_upright_once():
    data = saved(Image.fromarray(PIXELS), "TIFF", tiffinfo={0x0112: 6})
    assert np.array_equal(np.asarray(decode(data)), np.rot90(PIXELS, -1))


def test_damaged_exif_is_no_reason_to_refuse_a_picture():
    data = saved(Image.fromarray(PIXELS), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xffgarbage")
    assert decode(data).size == (3, 2)


def test_nothing_is_printed_or_warned(capfd):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        decode(saved(Image.fromarray(PIXELS), "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff"))
        palette = Image.fromarray(PIXELS).quantize(6)
        decode(saved(palette, transparency=bytes([0, 128, 255, 255, 255, 255])))
        decode(
            saved(Image.new("L", (9500, 9500)))
        )  # between Pillow's own two limits of 89 and 179 megapixels
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("keep", [10, 60, 0.5, 0.99])
@pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF", "WEBP", "BMP", "PPM"])
def test_truncated_files_are_refused_in_one_line(format, keep):
    noise = np.random.default_rng(0).integers(0, 256, (60, 60, 3), np.uint8)
    data = saved(Image.fromarray(noise), format)
    with pytest.raises(InputError) as caught:
        decode(data[: int(len(data) * keep) if isinstance(keep, float) else keep])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello",
        bytes(1000),
        b"\x89PNG\r\n\x1a\n",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        b"%PDF-1.7\n",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    ],
)
def test_what_is_no_picture_is_refused(data):
    with pytest.raises(InputError, match="picture"):
        decode(data)


def test_flipped_bits_never_raise_anything_else():
    noise = Image.fromarray(np.random.default_rng(1).integers(0, 256, (16, 16, 3), np.uint8))
    for format in ("PNG", "JPEG", "GIF", "TIFF", "BMP"):
        data = saved(noise.quantize(9) if format == "GIF" else noise, format)
        for seed in range(60):
            rng, damaged = np.random.default_rng(seed), bytearray(data)
            for position in rng.integers(0, len(data), 3):
                damaged[position] ^= 1 << rng.integers(8)
            try:
                decode(bytes(damaged))
            except Error as error:
                assert "\n" not in str(error), (format, seed)
            except Exception as error:
                pytest.fail(f"{format}, seed {seed}: {error!r}")


@pytest.mark.parametrize("size", [(10_001, 10_000), (65_536, 65_536), (2**31 - 1, 2**31 - 1), (2**31 - 1, 1)])
def test_decompression_bombs_are_refused_unopened(size):
    with pytest.raises(LimitError):
        decode(png_of_size(*size))


def test_pixels_of_unknown_range_are_refused():
    with pytest.raises(InputError, match="floating-point"):
        decode(saved(Image.fromarray(np.zeros((2, 2), np.float32)), "TIFF"))
    with pytest.raises(InputError, match="32-bit"):
        decode(saved(Image.fromarray(np.array([[0, 70000]], np.int32)), "TIFF"))


def test_places_that_hold_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path, words in (
        (tmp_path / "none.png", "none.png: no such file; name a picture file"),
        (tmp_path, "folder"),
        (tmp_path / "pipe", "no regular file"),
        ("/dev/zero", "no regular file"),
        ("a\0b", "cannot be read"),
        ("a" * 5000, "too long"),
    ):
        with pytest.raises(InputError, match=words) as caught:
            decode(path)
        assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "source", [None, 5, [], Image.new("L", (2, 2)), np.zeros(3)], ids=lambda source: type(source).__name__
)
def test_what_is_no_source_is_an_input_error(source):
    with pytest.raises(InputError, match="is no picture; give a path, bytes or a binary file"):
        decode(source)


@pytest.mark.parametrize("mistake", [TypeError, AttributeError, KeyError, ValueError, OSError])
def test_mistakes_of_our_own_are_no_damaged_pictures(mistake, monkeypatch):
    def broken(*_):
        raise mistake("a mistake")
    for part in ("from_many_bits", "turned", "orientation_of"):
        with monkeypatch.context() as patch, pytest.raises(mistake):
            patch.setattr(f"cinfer.vision.pictures.decode.{part}", broken)
            decode(saved(Image.fromarray(np.zeros((2, 2), np.uint16))))


def test_importing_the_package_does_not_import_pillow():
    code = "import sys, cinfer.vision.pictures.decode, cinfer.vision.prepare.prepare; print('PIL' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=DATA.parents[2]
    )
    assert done.stdout == "False\n"

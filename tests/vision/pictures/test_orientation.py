"""Upright in every format and mode, whether EXIF or XMP says how, and in whatever spelling."""
import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, PngImagePlugin, features

from cinfer.vision.pictures.decode import decode
from cinfer.vision.pictures.orientation import in_xmp

PIXELS = np.full((40, 24, 3), 60, np.uint8)
PIXELS[:16, :16] = (30, 200, 30)
PIXELS[16:, 16:] = (40, 30, 220)
RGB = Image.fromarray(PIXELS)
WAYS = {1: lambda a: a, 2: lambda a: a[:, ::-1], 3: lambda a: a[::-1, ::-1], 4: lambda a: a[::-1],
        5: lambda a: a.swapaxes(0, 1), 6: lambda a: np.rot90(a, -1),
        7: lambda a: a[::-1, ::-1].swapaxes(0, 1), 8: lambda a: np.rot90(a)}

FORMATS = {
    "JPEG": ("L", "RGB", "CMYK", "YCbCr"),
    "MPO": ("L", "RGB", "CMYK"),
    "PNG": ("1", "L", "P", "LA", "RGB", "RGBA", "I;16", "P+", "L+", "RGB+", "I;16+"),
    "TIFF": ("1", "L", "P", "PA", "LA", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "I", "I;16", "I;16B"),
    "WEBP": ("RGB", "RGBA"),
    "AVIF": ("RGB", "RGBA"),
}
CASES = [(form, mode) for form, modes in FORMATS.items() for mode in modes
         if form not in ("WEBP", "AVIF") or features.check(form.lower())]


def in_mode(mode: str):
    """(the picture in a mode, what has to be given when it is saved); "+" : with a transparent colour"""
    options = {}
    if mode.endswith("+"):
        mode = mode[:-1]
        options["transparency"] = {"P": 0, "L": 60, "RGB": (60, 60, 60), "I;16": 60 * 257}[mode]
    if mode.startswith("I"):
        grey = np.asarray(
            RGB.convert("L"), np.int32 if mode == "I" else ">u2" if mode == "I;16B" else "<u2") * 257
        if mode == "I":
            return Image.fromarray(grey), options
        return Image.frombytes(
            mode, RGB.size, grey.astype(">u2" if mode == "I;16B" else "<u2").tobytes()), options
    if mode == "LAB":
        return Image.merge("LAB", RGB.split()), options
    if mode in ("LA", "RGBA", "PA"):
        picture = RGB.convert(mode)
        picture.putalpha(Image.fromarray(np.linspace(0, 255, 960).astype(np.uint8).reshape(40, 24)))
        return picture, options
    return RGB.convert(mode), options


def saved(form: str, mode: str, exif: int | None = None, xmp: str | None = None) -> bytes:
    picture, options = in_mode(mode)
    if exif is not None:
        options["exif"] = Image.Exif()
        options["exif"][0x0112] = exif
    if form == "PNG":
        options["pnginfo"] = PngImagePlugin.PngInfo()
        if xmp is not None:
            options["pnginfo"].add_itxt("XML:com.adobe.xmp", xmp)
    elif xmp is not None and form == "TIFF":
        options.pop("exif", None)                       # Pillow takes only one of the two
        options["tiffinfo"] = {700: xmp.encode()} | ({} if exif is None else {0x0112: exif})
    elif xmp is not None:
        options["xmp"] = xmp.encode()
    if form in ("WEBP", "AVIF"):
        options |= {"lossless": True} if form == "WEBP" else {"quality": 100}
    if form == "MPO":
        options |= {"save_all": True, "append_images": [picture]}
    file = io.BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


def packet(orientation, spelling="attribute") -> str:
    said = SPELLINGS[spelling] % orientation
    attribute, element = (said, "") if not said.startswith("<") else ("", said)
    return ('<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
            'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
            'xmlns:tiff="http://ns.adobe.com/tiff/1.0/" xmlns:exif="http://ns.adobe.com/exif/1.0/"'
            f'{attribute}>{element}</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>')


SPELLINGS = {
    "attribute": ' tiff:Orientation="%s"', "single quotes": " tiff:Orientation='%s'",
    "spaces": ' tiff:Orientation = "%s"', "a line each": '\n   tiff:Orientation="%s"\n',
    "element": "<tiff:Orientation>%s</tiff:Orientation>",
    "spaced element": "<tiff:Orientation>\n %s\n</tiff:Orientation>",
    "typed element": '<tiff:Orientation rdf:datatype="x">%s</tiff:Orientation>',
    "another prefix": ' xmlns:t="http://ns.adobe.com/tiff/1.0/" t:Orientation="%s"',
}


@pytest.mark.parametrize("form, mode", CASES, ids=lambda each: each)
def test_exif_and_xmp_turn_every_mode(form, mode):
    plain = np.asarray(decode(saved(form, mode)))
    assert plain.shape[:2] == (40, 24)
    for orientation, turn in WAYS.items():
        want = turn(plain).astype(int)
        for how, data in {
            "EXIF": saved(form, mode, exif=orientation),
            "XMP attribute": saved(form, mode, xmp=packet(orientation)),
            "XMP element": saved(form, mode, xmp=packet(orientation, "element")),
            "both": saved(form, mode, exif=orientation, xmp=packet(orientation % 8 + 1)),
            "EXIF that says nothing": saved(form, mode, exif=0, xmp=packet(orientation)),
        }.items():
            if form == "AVIF" and how == "both" and orientation == 1:
                continue                                # an AVIF that is upright has no place to say so
            got = np.asarray(decode(data))
            assert got.shape == want.shape, f"orientation {orientation} in {how}"
            assert np.abs(got - want).max() <= (
                9 if form in ("JPEG", "MPO", "AVIF") else 0), f"{orientation}, {how}"


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("form, mode", [("PNG", "RGBA"), ("JPEG", "RGB"), ("TIFF", "RGB"), ("TIFF", "LA")])
def test_xmp_may_be_spelt_in_any_way(form, mode, spelling):
    plain = np.asarray(decode(saved(form, mode))).astype(int)
    for orientation in (1, 3, 6, 7):
        got = np.asarray(decode(saved(form, mode, xmp=packet(orientation, spelling))))
        want = WAYS[orientation](plain)
        assert got.shape == want.shape and np.abs(got - want).max() <= 9, orientation


@pytest.mark.parametrize("as_given", [
    str, str.encode, lambda text: text.encode("utf-16"), lambda text: text.encode("utf-32-be"),
    lambda text: text.encode() + b"\0 ", lambda text: b"\xff\xfe\xfa" + text.encode(),
], ids=["str", "bytes", "UTF-16", "UTF-32", "padded", "no text"])
@pytest.mark.parametrize("key", ["xmp", "XML:com.adobe.xmp"])
def test_xmp_may_be_text_or_bytes(key, as_given):
    for spelling in SPELLINGS:
        assert in_xmp({key: as_given(packet(8, spelling))}) == 8


@pytest.mark.parametrize("info", [
    {}, {"xmp": b""}, {"xmp": None}, {"xmp": packet(0).encode()}, {"xmp": packet(9).encode()},
    {"xmp": packet(66).encode()}, {"xmp": packet("").encode()}, {"xmp": b' exif:Orientation="6"'},
    {"xmp": b' crs:Orientation="6"'}, {"xmp": b' mytiff:Orientation="6"'}, {"xmp": b'tiff:Orientations="6"'},
    {"xmp": b"<tiff:Orientation/>6<"}, {"xmp": (6,)},
], ids=str)
def test_xmp_that_says_no_orientation(info):
    assert in_xmp(info) is None


def test_a_text_chunk_of_a_png_behind_its_pixels_counts():
    """Chunks behind the pixels are read when the pixels have been."""
    data = saved("PNG", "RGBA")
    text = b"XML:com.adobe.xmp\0\0\0\0\0" + packet(6).encode()
    chunk = struct.pack(">I", len(text)) + b"iTXt" + text + struct.pack(">I", zlib.crc32(b"iTXt" + text))
    assert decode(data[:-12] + chunk + data[-12:]).size == (40, 24)


def test_damaged_exif_leaves_xmp():
    file = io.BytesIO()
    RGB.save(file, "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xffgarbage", xmp=packet(6).encode())
    assert decode(file.getvalue()).size == (40, 24)

"""Which way up a picture is: EXIF 2.32, tag 0x0112; where EXIF says nothing, tiff:Orientation of XMP."""
from __future__ import annotations

import re

TAG = 0x0112
UPRIGHT = 1
# orientation -> the name in Pillow's Transpose of what turns it upright
TURNS = {2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 4: "FLIP_TOP_BOTTOM", 5: "TRANSPOSE", 6: "ROTATE_270",
         7: "TRANSVERSE", 8: "ROTATE_90"}
SIDEWAYS = (5, 6, 7, 8)         # those that exchange width and height

NAMESPACE = re.compile(rb"""xmlns:([\w.-]+)\s*=\s*["']http://ns\.adobe\.com/tiff/1\.0/["']""")
ATTRIBUTE = rb"""[\s](?:%s):Orientation\s*=\s*["']\s*([1-8])\s*["']"""
ELEMENT = rb"<(?:%s):Orientation(?:\s[^>]*)?>\s*([1-8])\s*<"


def orientation_of(picture) -> int:
    """1 (upright) to 8, of a picture as Pillow has opened it: conversions may lose it."""
    return in_exif(picture) or in_xmp(picture.info) or UPRIGHT


def in_exif(picture) -> int | None:
    """The orientation in EXIF, or what Pillow itself takes for it."""
    try:
        value = picture.getexif().get(TAG)
    except Exception:           # damaged EXIF raises anything; the pixels are fine, most pictures are upright
        return None
    return value if isinstance(value, int) and 1 <= value <= 8 else None


def in_xmp(info: dict) -> int | None:
    """The orientation in XMP: bytes, or str where a PNG has it as text; an attribute or an element."""
    for key in ("xmp", "XML:com.adobe.xmp"):
        packet = info.get(key)
        if isinstance(packet, str):
            packet = packet.encode("utf-8", "replace")
        if not isinstance(packet, bytes):
            continue
        packet = packet.replace(b"\0", b"")             # UTF-16 and UTF-32: what counts is ASCII
        prefixes = b"|".join(map(re.escape, {b"tiff", *NAMESPACE.findall(packet)}))
        found = re.search(ATTRIBUTE % prefixes, packet) or re.search(ELEMENT % prefixes, packet)
        if found:
            return int(found[1])
    return None


def turned(picture, orientation: int):
    """The picture turned upright."""
    if orientation not in TURNS:
        return picture
    from PIL import Image
    return picture.transpose(Image.Transpose[TURNS[orientation]])

"""JPEG files without an end marker (FF D9), as some cameras send them: are all the pixels there?

libjpeg fills up what is missing and does not say so. So the file is decoded with different bytes behind it:
they change the pixels if the data ended in the middle of a scan, and do not if it was complete.
"""
from __future__ import annotations

import io
import random
import re

END = b"\xff\xd9"
MARKER = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])", re.DOTALL)     # not a stuffed byte, not a restart
NO_LENGTH = (0x01, 0xD8)                                            # TEM, SOI
START_OF_SCAN, END_OF_IMAGE = 0xDA, 0xD9


def with_end(data: bytes) -> bytes | None:
    """The file with an end marker, if the marker is all that it lacks; else None."""
    body = data.rstrip(b"\xff")             # half a marker
    if not all_scans(body):
        return None
    whole = body + END
    pixels = pixels_hash(whole)
    if pixels is None or any(pixels_hash(body + tail + END) != pixels for tail in tails()):
        return None
    return whole


def tails() -> list[bytes]:
    """Ways in which a scan might go on: some bits, then each of the restart markers with more bits behind it.
    The markers begin with RST0 or RST4, for libjpeg takes one of the two after the one that is due for a sign
    that this one is missing."""
    chance = random.Random(0)
    bits = bytes(chance.randrange(1, 255) for _ in range(48))           # no FF, neither in the complement
    found = []
    for first in (0, 4):
        restarts = [bytes([0xFF, 0xD0 + (first + i) % 8]) for i in range(8)]
        for part in (bits, bytes(255 - byte for byte in bits)):
            found.append(part + b"".join(marker + part for marker in restarts))
    return found


def pixels_hash(data: bytes) -> int | None:
    """Of the decoded picture; None where it cannot be decoded."""
    from PIL import Image
    try:
        with Image.open(io.BytesIO(data), formats=["JPEG"]) as picture:
            return hash(picture.tobytes())
    except OSError:
        return None


def all_scans(data: bytes) -> bool:
    """Do the scans that have begun make up the whole picture: each coefficient of each component, to the last
    bit?

    A picture may come in several scans (progressive, or a component at a time), and a file may end just
    between two of them. https://www.w3.org/Graphics/JPEG/itu-t81.pdf, B.2
    """
    components: set[int] = set()
    final: dict[int, set[int]] = {}         # component -> coefficients whose last bit has come
    at = 2
    while found := MARKER.search(data, at):
        kind, at = found[1][0], found.end()
        if kind == END_OF_IMAGE:
            return False                    # what is wrong is something else
        if kind in NO_LENGTH:
            continue
        size = int.from_bytes(data[at:at + 2], "big")
        segment = data[at + 2:at + size]
        if size < 2 or len(segment) != size - 2:
            return False
        if 0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC):
            components = set(segment[6::3])
        elif kind == START_OF_SCAN:
            count = segment[0] if segment else 0
            if len(segment) != 2 * count + 4:
                return False
            first, last, bits = segment[-3:]
            if not bits & 15:
                for component in segment[1:1 + 2 * count:2]:
                    final.setdefault(component, set()).update(range(first, last + 1))
        at += size
    return bool(components) and all(len(final.get(each, ())) == 64 for each in components)

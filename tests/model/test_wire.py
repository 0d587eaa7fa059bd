import random

import numpy as np
import pytest

from cinfer.errors import Error, LimitError
from cinfer.model.wire import BYTES, CHUNK, WireError, fields, joined, packed, signed, varint


def encoded(value: int) -> bytes:
    """A varint."""
    value &= 2**64 - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def field(number: int, content: bytes) -> bytes:
    return encoded(number << 3 | BYTES) + encoded(len(content)) + content


def walked(data: bytes) -> list[tuple[int, object]]:
    """(key, number or content) of all fields."""
    return [(key, data[value:stop] if key & 7 else value) for key, value, stop in fields(data, 0, len(data))]


EDGES = [0, 1, 127, 128, 300, 2**14 - 1, 2**14, 2**31 - 1, 2**31, 2**32, 2**63 - 1, 2**63, 2**64 - 1]


@pytest.mark.parametrize("value", EDGES)
def test_varint_gives_back_what_was_written(value):
    data = b"\x80" + encoded(value) + b"\x80"
    assert varint(data, 1, len(data) - 1) == (value, len(data) - 1)


def test_varint_may_be_longer_than_needed():
    assert varint(b"\x85\x80\x80\x80\x80\x80\x80\x80\x80\x00", 0, 10) == (5, 10)


@pytest.mark.parametrize("data", [b"", b"\x80", b"\xff" * 9, b"\x80" * 10 + b"\x01", b"\xff" * 4000])
def test_varint_without_end_is_refused(data):
    with pytest.raises(WireError):
        varint(data, 0, len(data))


def test_signed_is_the_two_s_complement():
    assert [signed(v) for v in (0, 1, 2**63 - 1, 2**63, 2**64 - 1)] == [0, 1, 2**63 - 1, -2**63, -1]


def test_fields_of_every_wire_type():
    data = (b"\x08\x96\x01" + field(2, b"abc") + b"\x1d\x01\x02\x03\x04"
            + b"\x21\x01\x02\x03\x04\x05\x06\x07\x08" + encoded((2**29 - 1) << 3) + b"\x05"
            + field(1000, b""))
    assert walked(data) == [(8, 150), (2 << 3 | 2, b"abc"), (3 << 3 | 5, b"\1\2\3\4"),
                            (4 << 3 | 1, b"\1\2\3\4\5\6\7\10"), ((2**29 - 1) << 3, 5), (1000 << 3 | 2, b"")]


def test_groups_are_skipped_whatever_they_hold():
    group = (encoded(9 << 3 | 3) + b"\x08\x05" + field(2, b"\x4c") + b"\x1d\0\0\0\0" + b"\x21" + bytes(8)
             + encoded(10 << 3 | 3) + encoded(10 << 3 | 4) + encoded(9 << 3 | 4))
    assert walked(b"\x08\x01" + group + b"\x08\x02") == [(8, 1), (8, 2)]


@pytest.mark.parametrize("data, says", [
    (b"\x12\x05abc", "5 bytes, 3 are left"),
    (b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01abc", "3 are left"),
    (b"\x12", "no length"), (b"\x08", "no value"), (b"\x1d\0\0", "4 bytes, 2 are left"),
    (b"\x21\0", "8 bytes, 1 are left"),
    (b"\x00\x01", "field number 0"), (b"\x02\x00", "field number 0"), (b"\x0e", "wire type 6"),
    (b"\x0f", "wire type 7"),
    (b"\x0c", "wire type 4"), (b"\x0b", "ends inside a number"), (b"\x0b\x14", "closes none"),
    (b"\x0b\x12\x7f", "beyond"),
    (encoded(2**32 + 8 << 3 | 2) + b"\0", "field number"), (encoded(2**29 << 3) + b"\x01", "field number"),
])
def test_broken_message_is_refused_with_the_reason(data, says):
    with pytest.raises(WireError, match=says):
        walked(data)


def test_groups_in_groups_are_bounded():
    with pytest.raises(LimitError, match="nested"):
        walked(b"\x0b" * 100_000)


def test_message_does_not_see_beyond_its_end():
    data = b"\x12\x02ab" + b"\x12\x7f"
    assert [stop for _, _, stop in fields(data, 0, 4)] == [4]


@pytest.mark.parametrize("count", [0, 1, 5, 31, 64, 200, 5000])
def test_packed_numbers_are_those_of_the_single_varints(count):
    rng = random.Random(count)
    numbers = [rng.choice(EDGES) + rng.randrange(100) & 2**64 - 1 for _ in range(count)]
    data = b"\xff" + b"".join(map(encoded, numbers)) + b"\xff"
    got = packed(data, 1, len(data) - 1)
    assert got.dtype == np.uint64 and got.tolist() == numbers


def test_packed_numbers_across_the_border_of_a_chunk():
    data = b"\x01" * (CHUNK - 3) + encoded(2**62) + b"\x07" * 50
    got = packed(data, 0, len(data))
    assert len(got) == CHUNK - 3 + 1 + 50 and got[CHUNK - 3] == 2**62 and got[-1] == 7


@pytest.mark.parametrize("data",
                         [b"\x80", b"\x01" * 100 + b"\x80", b"\x80" * 70, b"\x80" * 11 + b"\x01" * 90])
def test_packed_number_without_end_is_refused(data):
    with pytest.raises(WireError):
        packed(data, 0, len(data))


def test_joined_parts_are_the_merged_message():
    data = b"..\x08\x01--\x10\x02"
    assert joined(data, [(2, 4)]) == (data, 2, 4)
    content, at, end = joined(data, [(2, 4), (6, 8)])
    assert [(key, value) for key, value, _ in fields(content, at, end)] == [(8, 1), (16, 2)]


@pytest.mark.parametrize("seed", range(200))
def test_random_bytes_raise_nothing_else(seed):
    data = random.Random(seed).randbytes(seed)
    try:
        for key, value, stop in fields(data, 0, len(data)):
            assert 0 < stop <= len(data), f"seed {seed}"
    except Error:
        pass

"""Bodies of requests, whatever they hold."""

import pytest
from hypothesis import given, settings, strategies as st
from serving import form

from cinfer.serve.forms import MOST_LISTS, form_of, json_of
from cinfer.serve.replies import Refused

KIND = "multipart/form-data; boundary=XyZ"


def test_what_was_sent_comes_out():
    content = bytes(range(256)) + b"\r\n--Xy\r\n--"
    body, kind = form({"image": content, "second": b""}, text="1 2", empty="")
    found = form_of(body, kind)
    assert found.files == {"image": content, "second": b""} and found.texts == {"text": "1 2", "empty": ""}
    quoted = kind.replace("XyZ", '"XyZ"; charset=x')
    assert form_of(b"before\r\n" + body + b"after", quoted) == found


def test_as_other_clients_write_it():
    part = (b'--XyZ  \r\ncontent-type: image/jpeg\r\nCONTENT-DISPOSITION: form-data; filename="a\\"b.jpg"; name=image'
            b"\r\n\r\nJ\r\n--XyZ\r\nContent-Disposition: form-data; name=\"image2\"; filename*=UTF-8''x\r\n\r\n"
            b"K\r\n--XyZ--")
    assert form_of(part, KIND).files == {"image": b"J", "image2": b"K"}
    bare = b'--XyZ\r\nContent-Disposition: form-data; name="image"\r\n\r\nJ\r\n--XyZ--'
    assert form_of(bare, KIND).files == {"image": b"J"}                 # without a name of the file


@pytest.mark.parametrize("body, kind, words", [
    (b"", KIND, "does not begin with the boundary"), (b"x", "multipart/form-data", "has no boundary"),
    (b"--XyZ", KIND, "damaged: a boundary is followed"), (b"--XyZ\r\n", KIND, "truncated"),
    (form({"image": b"1"})[0][:-9], KIND, "truncated: its last boundary is missing"),
    (b"--XyZjunk\r\n\r\n--XyZ--", KIND, "damaged: a boundary is followed"),
    (b"--XyZ\r\nno head\r\n--XyZ--", KIND, "a part has no head"),
    (b"--XyZ\r\nA: b\r\n\r\nx\r\n--XyZ--", KIND, "a part has no name"),
    (b"--XyZ\r\n" + b"A" * 9000 + b"\r\n\r\n\r\n--XyZ--", KIND, "more than 8192 bytes"),
    (form({}, text="x" * 10_001)[0], KIND, "field 'text' has more than 10000 bytes"),
    (b'--XyZ\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n' * 60 + b"--XyZ--", KIND, "more than 50 parts"),
    (b"--XyZ" + b"\r\n--XyZ" * 100_000, KIND, "a part has no head"),
])  # fmt: skip
def test_what_is_damaged_is_said(body, kind, words):
    with pytest.raises(Refused, match=words) as found:
        form_of(body, kind)
    assert found.value.status == 400


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from([b"--XyZ", b"\r\n", b"--", b"\r\n\r\n", b"XyZ", b"Content-Disposition: form-data; ",
                                 b'name="image"', b'filename="x"', b":", b";", b"\\", b'"', b" ", b"\x00\xff"]),
                max_size=40).map(b"".join))
def test_nothing_else_is_raised(body):
    try:
        form_of(body, KIND)
    except Refused:
        pass


@pytest.mark.parametrize("body, words", [
    (b"", "no JSON"), (b"{", "no JSON"), (b"[NaN]", "NaN is no number in JSON"), (b"-Infinity", "no number in JSON"),
    (b"[" * 100_000, "nested too deeply"), (b'{"a":' * 100_000, "nested too deeply"), (b"\xff", "no text in UTF-8"),
    (b"[" + b"[]," * MOST_LISTS + b"[]]", "more than 1000000 lists"), (b"1" * 5000, "no JSON"),
    (b"\xef\xbb\xbf{}", "no JSON"),
])  # fmt: skip
def test_json_that_is_none(body, words):
    with pytest.raises(Refused, match=words):
        json_of(body)

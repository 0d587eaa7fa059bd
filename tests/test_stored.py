"""Arrays in files: what NumPy has saved comes back, and whatever else is in a file is an error of one line."""
import io
import pickle
import zipfile
import zlib

import numpy as np
import pytest

import cinfer
from cinfer import stored
from cinfer.stored import Stored, is_stored

ARRAYS = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "0/b": np.float64(3.5),
          "in0:c": np.zeros((0, 4), np.int64),
          "f": np.asfortranarray(np.arange(12, dtype=np.uint8).reshape(3, 4)), "t": np.array(["x", "yz"]),
          "big": np.arange(5, dtype=">i4"), "h": np.float16([1, 2]), "flag": np.array([True, False]),
          "none": np.array(["", ""])}  # fmt: skip


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_what_was_saved_comes_back(tmp_path, save):
    save(tmp_path / "x.npz", **ARRAYS)
    with Stored(tmp_path / "x.npz") as content:
        assert content.names == [*ARRAYS]
        for name, array in ARRAYS.items():
            dtype, shape = content.facts(name)
            got = content.read(name)
            assert dtype == np.asarray(array).dtype and shape == np.shape(array) == got.shape
            assert got.tolist() == np.asarray(array).tolist() and got.dtype.isnative and got.flags.c_contiguous


def test_one_array_has_no_name(tmp_path):
    np.save(tmp_path / "x.npy", ARRAYS["a"])
    with Stored(tmp_path / "x.npy") as content:
        assert content.names == [""] and content.read("").tolist() == ARRAYS["a"].tolist()
    assert is_stored(tmp_path / "x.npy") and not is_stored(tmp_path) and not is_stored(tmp_path / "none")


def test_what_cannot_be_is_not_read(tmp_path, monkeypatch):
    """A file of a few kB that unpacks to 100 MB is refused by its header; no memory is taken."""
    np.savez_compressed(tmp_path / "x.npz", a=np.zeros(100_000_000, np.uint8))
    monkeypatch.setattr(stored, "MOST_BYTES", 10_000_000)
    words = "is uint8 100000000; at most 10 MB"
    with Stored(tmp_path / "x.npz") as content, pytest.raises(cinfer.LimitError, match=words):
        content.read("a")


def npy(array, header=None) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, array, allow_pickle=True)
    data = file.getvalue()
    if header is None:
        return data
    text = header.encode().ljust(117) + b"\n"
    return data[:8] + len(text).to_bytes(2, "little") + text + data[128:]


def npz(name="a.npy", data=None) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, npy(np.arange(1000.)) if data is None else data)
    return file.getvalue()


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1:]


HEADER = "{{'descr': {}, 'fortran_order': False, 'shape': {}}}"
BROKEN = {
    "empty": b"", "text": b"no array", "half a magic": b"\x93NUM", "only a magic": b"\x93NUMPY", "no zip": b"PK\3\4abc",
    "cut": npy(np.arange(1000))[:500], "cut in the header": npy(np.arange(1000))[:50], "cut zip": npz()[:300],
    "damaged zip": flipped(npz(), 200), "objects": npy(np.array([{}, 3], object)),
    "objects in a zip": npz(data=npy(np.array([{}, 3], object))), "structures": npy(np.zeros(2, "i4,f8")),
    "pickle": pickle.dumps([1, 2]), "pickle in a zip": npz(data=pickle.dumps([1, 2])),
    "no array in a zip": npz(data=b"hello"), "longer than it says": npz(data=npy(np.arange(9)) + b"more"),
    "shorter than it says": npz(data=npy(np.arange(9))[:-8]),
    "negative": npy(np.arange(9), HEADER.format("'<i8'", "(-9,)")),
    "a formula": npy(np.arange(9), HEADER.format("'<i8'", "(9, 9**99)")),
    "huge in digits": npy(np.arange(9), HEADER.format("'<i8'", "(" + "9" * 50 + ",)")),
    "many of nothing": npy(np.arange(9), HEADER.format("'S0'", "(10000000000000,)")),
    "many axes": npy(np.arange(9), HEADER.format("'<i8'", "(1,)*70")),
    "no dtype": npy(np.arange(9), HEADER.format("'<q9'", "(9,)")), "no header": npy(np.arange(9), "{"),
    "brackets": npy(np.arange(9), "(" * 100), "no names": npy(np.arange(9), "{}"),
    "format 9": b"\x93NUMPY\x09\x00" + npy(np.arange(9))[8:], "of a folder": npz(name="a.npy/"),
}  # fmt: skip


@pytest.mark.parametrize("what", BROKEN)
def test_what_is_damaged_is_one_line(tmp_path, what):
    path = tmp_path / "x.npz"
    path.write_bytes(BROKEN[what])
    with pytest.raises(cinfer.Error, match="x.npz") as error, Stored(path) as content:
        for name in content.names:
            content.read(name)
        if not content.names:
            raise cinfer.InputError(f"{path}: no arrays")
    assert "\n" not in str(error.value) and len(str(error.value)) < 600


def test_any_byte_may_be_wrong(tmp_path):
    """Each byte of a small file in turn: it is read as it was, or as something else of its kind, or refused."""
    path, data = tmp_path / "x.npz", npz(data=npy(np.arange(6, dtype=np.int32)))
    for at in range(len(data)):
        path.write_bytes(flipped(data, at))
        try:
            with Stored(path) as content:
                for name in content.names:
                    content.read(name)
        except cinfer.Error as error:
            assert "\n" not in str(error)


def test_a_checksum_is_compared(tmp_path):
    path, array = tmp_path / "x.npz", npy(np.arange(6, dtype=np.int32))
    data = npz(data=array).replace(zlib.crc32(array).to_bytes(4, "little"), b"abcd")
    path.write_bytes(data)
    with Stored(path) as content, pytest.raises(cinfer.InputError, match="CRC"):
        content.read("a")


@pytest.mark.parametrize("name, words", [("none.npz", "no such file; name arrays"), ("", "is a folder"),
                                         ("/dev/zero", "is no regular file")])
def test_what_is_no_file(tmp_path, name, words):
    with pytest.raises(cinfer.InputError, match=words):
        Stored(tmp_path / name)

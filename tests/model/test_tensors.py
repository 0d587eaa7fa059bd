import mmap
import os
import sys

import numpy as np
import pytest
from onnx import SparseTensorProto, TensorProto, helper, numpy_helper

from cinfer.errors import Error, LimitError, ModelError, UnsupportedError
from cinfer.model.source import Beside
from cinfer.model.tensors import DTYPES, EXTENDED, SMALL, dtype_of, sparse_tensor, tensor

from beside_onnx import assert_same_array

ALL_TYPES = [code for name, code in TensorProto.DataType.items() if name != "UNDEFINED"]


def read(proto, beside: Beside | None = None) -> np.ndarray:
    data = proto if isinstance(proto, bytes) else proto.SerializeToString()
    return tensor(data, 0, len(data), beside or Beside(None))[1]


def some(code: int, shape: tuple[int, ...]) -> np.ndarray:
    """An array of a type, all its bit patterns among the first elements."""
    count = int(np.prod(shape))
    if code == TensorProto.STRING:
        return np.array([f"text {i} é" for i in range(count)], object).reshape(shape)
    dtype = helper.tensor_dtype_to_np_dtype(code)
    if code == TensorProto.BOOL:
        return (np.arange(count) % 3 == 0).reshape(shape)
    rng = np.random.default_rng(code)
    if code in EXTENDED and EXTENDED[code][1] < 8:
        return (np.arange(count) % (1 << EXTENDED[code][1])).astype(np.uint8).view(dtype).reshape(shape)
    return rng.integers(0, 256, count * dtype.itemsize, np.uint8).view(dtype).reshape(shape)


def test_every_type_of_the_standard_is_known():
    assert {*DTYPES, *EXTENDED, TensorProto.STRING} == set(ALL_TYPES)


@pytest.mark.parametrize("shape", [(), (0, 3), (1,), (5,), (2, 3, 7), (64,), (65, 1, 3)])
@pytest.mark.parametrize("code", [code for code in ALL_TYPES if code != TensorProto.STRING])
def test_raw_data_is_what_onnx_reads(code, shape):
    proto = numpy_helper.from_array(some(code, shape), "w")
    assert proto.data_type == code and proto.HasField("raw_data")
    assert_same_array(read(proto), numpy_helper.to_array(proto), "w")


@pytest.mark.parametrize("shape", [(), (0, 3), (1,), (5,), (2, 3, 7), (64,)])
@pytest.mark.parametrize("code", ALL_TYPES)
def test_typed_data_is_what_onnx_reads(code, shape):
    values = some(code, shape)
    bits = EXTENDED[code][1] if code in EXTENDED else 0
    if code in (TensorProto.FLOAT6E2M3, TensorProto.FLOAT6E3M2):
        proto = TensorProto(name="w", data_type=code, dims=shape,
                            int32_data=values.view(np.uint8).reshape(-1).tolist())
    else:
        flat = values.reshape(-1)
        if 0 < bits <= 4:
            flat = np.array([float(v) for v in flat], np.float32)
        proto = helper.make_tensor("w", code, shape, flat.tolist() if code == TensorProto.STRING else flat)
    assert not proto.HasField("raw_data")
    assert_same_array(read(proto), numpy_helper.to_array(proto), "w")


def test_numbers_one_by_one_and_packed_are_the_same():
    # the schema packs these fields; older writers did not, and a reader takes both, even in turns
    packed = TensorProto(name="w", data_type=7, dims=[4],
                         int64_data=[-1, 5, 2**40, -2**63]).SerializeToString()
    head = TensorProto(name="w", data_type=7, dims=[4]).SerializeToString()
    two = TensorProto(int64_data=[5, 2**40]).SerializeToString()
    single = b"\x38" + b"\xff" * 9 + b"\x01" + two + b"\x38" + b"\x80" * 9 + b"\x01"
    assert read(packed).tolist() == read(head + single).tolist() == [-1, 5, 2**40, -2**63]

    head = TensorProto(name="w", data_type=1, dims=[3]).SerializeToString()
    floats = np.array([0.5, -2, 3], "<f4").tobytes()
    single = b"\x25" + floats[:4] + b"\x22\x04" + floats[4:8] + b"\x25" + floats[8:]
    assert read(head + single).tolist() == [0.5, -2, 3]


def test_strings_that_are_no_utf8_stay_bytes():
    proto = TensorProto(name="w", data_type=8, dims=[2, 1], string_data=[b"\xff\xfe", "é".encode()])
    assert read(proto).tolist() == [[b"\xff\xfe"], ["é"]]


@pytest.mark.parametrize("fields", [
    dict(dims=[3], data_type=1, raw_data=bytes(11)), dict(dims=[3], data_type=1, raw_data=bytes(16)),
    dict(dims=[3], data_type=1), dict(dims=[], data_type=9), dict(dims=[3], data_type=1, float_data=[1, 2]),
    dict(dims=[3], data_type=1, int64_data=[1, 2, 3]), dict(dims=[3], data_type=7, int64_data=[1, 2, 3, 4]),
    dict(dims=[3], data_type=22, raw_data=bytes(3)), dict(dims=[5], data_type=25, raw_data=bytes(1)),
    dict(dims=[3], data_type=27, raw_data=bytes(2)), dict(dims=[3], data_type=21, int32_data=[1]),
    dict(dims=[0], data_type=1, raw_data=bytes(4)), dict(dims=[2], data_type=8, string_data=[b"a"]),
    dict(dims=[2], data_type=8, raw_data=b"ab"), dict(dims=[1], data_type=2, int32_data=[256]),
    dict(dims=[1], data_type=3, int32_data=[-129]), dict(dims=[1], data_type=9, int32_data=[2]),
    dict(dims=[1], data_type=12, uint64_data=[2**32]),
], ids=str)
def test_data_that_does_not_fit_its_shape_or_type_is_refused(fields):
    with pytest.raises(ModelError, match="tensor 'w'"):
        read(TensorProto(name="w", **fields))


@pytest.mark.parametrize("dims",
                         [[-1], [2, -3], [-2**63], [2**62, 4], [2**32, 2**32], [2**63 - 1], [2**40], [2] * 64,
                                  [1] * 100, [0, 2**62, 2**62], [65536] * 4, [-2**32, -2**32]], ids=str)
def test_shapes_that_no_data_can_have_are_refused_before_anything_is_allocated(dims):
    with pytest.raises((ModelError, LimitError), match="tensor 'w'"):
        read(TensorProto(name="w", dims=dims, data_type=1, raw_data=bytes(8)))


@pytest.mark.parametrize("code", [0, 29, 99, -1, 2**31 - 1, -2**31])
def test_types_that_do_not_exist_are_refused(code):
    proto = TensorProto(name="w", dims=[2], raw_data=bytes(8))
    proto.data_type = code
    with pytest.raises(ModelError, match=f"tensor 'w': data type {code}"):
        read(proto)


def test_types_that_numpy_lacks_ask_for_ml_dtypes(monkeypatch):
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    with pytest.raises(UnsupportedError, match="bfloat16 needs the package ml_dtypes"):
        dtype_of(16)


def test_bool_bytes_other_than_one_are_true():
    got = read(TensorProto(name="w", dims=[4], data_type=9, raw_data=bytes([0, 1, 2, 255])))
    assert got.view(np.uint8).tolist() == [0, 1, 1, 1]


def test_large_raw_data_is_a_read_only_view_wherever_it_lies(tmp_path):
    values = np.arange(SMALL, dtype=np.float32)
    proto = numpy_helper.from_array(values, "w").SerializeToString()
    for pad in range(4):
        path = tmp_path / f"{pad}"
        path.write_bytes(bytes(pad) + proto)
        with open(path, "rb") as f:
            data = mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ)
        _, got = tensor(data, pad, len(data), Beside(None))
        start = np.frombuffer(data, np.uint8)
        assert np.may_share_memory(got, start) and not got.flags.writeable
        assert got.tolist() == values.tolist()
        with pytest.raises(ValueError):
            got[0] = 1


def test_small_raw_data_is_aligned():
    proto = numpy_helper.from_array(np.arange(5, dtype=np.float64), "w").SerializeToString()
    for pad in range(8):
        _, got = tensor(bytes(pad) + proto, pad, pad + len(proto), Beside(None))
        assert got.flags.aligned and not got.flags.writeable and got.tolist() == [0, 1, 2, 3, 4]


# External data

def external(location: object = "w.bin", dims=(3,), code: int = 1, **entries) -> TensorProto:
    proto = TensorProto(name="w", dims=dims, data_type=code, data_location=TensorProto.EXTERNAL)
    for key, value in {"location": location, **entries}.items():
        if value is not None:
            proto.external_data.add(key=key, value=str(value))
    return proto


@pytest.fixture
def folder(tmp_path):
    """A model's folder with data in it, and a secret beside the folder."""
    home = tmp_path / "home"
    (home / "sub").mkdir(parents=True)
    content = np.arange(3, dtype="<f4").tobytes()
    (home / "w.bin").write_bytes(content)
    (home / "sub" / "w.bin").write_bytes(b"abc" + content + b"behind")
    (home / "empty.bin").write_bytes(b"")
    (tmp_path / "secret.bin").write_bytes(content)
    return home


@pytest.mark.parametrize("proto", [
    external(), external(offset=0), external(offset=0, length=12), external(length=12, checksum="0" * 40),
    external("./w.bin"), external("sub/w.bin", offset=3, length=12), external("sub/w.bin", offset=3),
], ids=lambda proto: " ".join(entry.value for entry in proto.external_data))
def test_external_data_is_read_from_beside_the_model(folder, proto):
    assert read(proto, Beside(str(folder / "m.onnx"))).tolist() == [0, 1, 2]


def test_external_data_without_elements_needs_no_bytes(folder):
    assert read(external("empty.bin", dims=(0, 4)), Beside(str(folder / "m.onnx"))).shape == (0, 4)


def test_external_file_is_mapped_once(folder):
    beside = Beside(str(folder / "m.onnx"))
    first, second = read(external(), beside), read(external(), beside)
    assert np.shares_memory(first, second) and not first.flags.writeable


@pytest.mark.parametrize("proto", [
    external(offset=-1), external(offset=4), external(offset=1), external(offset=12), external(offset=2**63),
    external(offset="x"), external(offset="1.5"), external(offset="0x0"), external(offset="٣"),
    external(offset="9" * 5000),
    external(offset=""), external(length=11), external(length=16), external(length=-12), external(length=0),
    external(length=2**64 + 12), external(dims=(4,)), external(dims=(2,), length=12), external(dims=(2**40,)),
    external("nothing.bin"), external(None), external(""), external("."), external("sub"),
    external("w" * 100_000),
    external("w.bin\0"), external("empty.bin"), external(code=8),
    external("../secret.bin"), external("sub/../w.bin"), external("sub/../../secret.bin"),
    external("./../secret.bin"),
    external("..//secret.bin"), external("..\\secret.bin"), external("/etc/passwd"), external("/dev/zero"),
    external("file:///etc/passwd"), external("~/.profile"),
], ids=lambda proto: " ".join(f"{entry.key}={entry.value[:30]}" for entry in proto.external_data)
    + f" {[*proto.dims]}")
def test_bad_external_data_is_refused(folder, proto):
    with pytest.raises(ModelError, match="tensor 'w'"):
        read(proto, Beside(str(folder / "m.onnx")))


@pytest.mark.parametrize("target", ["../secret.bin", "absolute", "loop.bin", "nothing", "/dev/zero"])
def test_links_out_of_the_folder_are_refused(folder, target):
    os.symlink(str(folder.parent / "secret.bin") if target == "absolute" else target, folder / "loop.bin")
    with pytest.raises(ModelError, match="tensor 'w'"):
        read(external("loop.bin"), Beside(str(folder / "m.onnx")))


def test_a_folder_that_is_a_link_out_is_refused(folder):
    os.symlink("..", folder / "up")
    with pytest.raises(ModelError, match="leads out"):
        read(external("up/secret.bin"), Beside(str(folder / "m.onnx")))


def test_links_within_the_folder_are_followed(folder):
    os.symlink("sub/w.bin", folder / "link.bin")
    assert read(external("link.bin", offset=3), Beside(str(folder / "m.onnx"))).tolist() == [0, 1, 2]


def test_a_pipe_is_refused_and_does_not_block(folder):
    os.mkfifo(folder / "pipe")
    with pytest.raises(ModelError, match="no regular file"):
        read(external("pipe"), Beside(str(folder / "m.onnx")))


def test_external_data_of_a_model_from_memory_is_refused():
    with pytest.raises(ModelError, match="by its path"):
        read(external())


# Sparse tensors

def sparse(values, indices, dims) -> np.ndarray:
    data = SparseTensorProto(values=numpy_helper.from_array(np.asarray(values), "w"),
                             indices=numpy_helper.from_array(np.asarray(indices, np.int64)),
                             dims=dims).SerializeToString()
    name, array = sparse_tensor(data, 0, len(data), Beside(None))
    assert name == "w"
    return array


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8", "complex64"])
def test_sparse_tensor_is_filled_up(dtype):
    values = np.array([1, 2, 3], dtype)
    want = np.array([[0, 1, 0], [0, 2, 3]], dtype)
    assert_same_array(sparse(values, [1, 4, 5], [2, 3]), want, "flat indices")
    assert_same_array(sparse(values, [[0, 1], [1, 1], [1, 2]], [2, 3]), want, "coordinates")
    assert_same_array(sparse(values[:0], np.empty((0, 2)), [2, 3]), 0 * want, "no values")


@pytest.mark.parametrize("indices, dims", [
    ([0, 1, 6], [2, 3]), ([0, 1, -1], [2, 3]), ([0, 1, 2**40], [2, 3]), ([0, 1], [2, 3]),
    ([0, 1, 2, 3], [2, 3]),
    ([[0, 0], [0, 1], [2, 0]], [2, 3]), ([[0, 0], [0, 1], [0, 3]], [2, 3]),
    ([[0, 0], [0, 1], [0, -1]], [2, 3]),
    ([[0, 0, 0]] * 3, [2, 3]), ([0, 1, 2], [-2, 3]), ([0, 1, 2], [2**40, 2**40]), ([0, 1, 2], [2**33, 4]),
    ([0, 1, 2], []),
], ids=str)
def test_bad_sparse_tensor_is_refused(indices, dims):
    with pytest.raises(Error, match="sparse tensor 'w'"):
        sparse(np.ones(3, np.float32), indices, dims)

"""Files of models: what is copied, what is mapped and watched, and which external data may be read."""
import contextlib
import gc
import mmap
import os
import stat

import numpy as np
import pytest
from onnx import TensorProto

from cinfer.errors import InputError, ModelError
from cinfer.model import read, source as source_module
from cinfer.model.source import MOST_COPIED, Source

from build import graph_of, model_of, node as N

BIG = np.random.default_rng(1).random((MOST_COPIED // 4000, 1100), np.float32)
assert BIG.nbytes > MOST_COPIED


def model_with(weights) -> bytes:
    return model_of(graph_of([N("MatMul", ["x", "w"], ["y"])], constants=[("w", weights)]))


@pytest.fixture
def big(tmp_path):
    """The path of a model too large to be copied."""
    path = tmp_path / "m.onnx"
    path.write_bytes(model_with(BIG))
    return path


def mapping_of(array):
    base = array
    while isinstance(base, np.ndarray):
        base = base.base
    base = base.obj if isinstance(base, memoryview) else base
    return base if isinstance(base, mmap.mmap) else None


def descriptors() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


def rewrite(path, content: bytes) -> None:
    """As `cp` does: the same file with another content."""
    with open(path, "r+b") as file:
        file.write(content)
        file.truncate()


# Copied or mapped

def test_weights_of_a_large_file_are_views_that_outlive_it(big):
    array = read(big).graph.constants["w"]
    assert mapping_of(array) is not None and not array.flags.writeable
    big.unlink()
    gc.collect()
    assert np.array_equal(array, BIG)


def test_a_small_file_is_copied(tmp_path):
    path = tmp_path / "m.onnx"
    path.write_bytes(model_with(BIG[:10]))
    model = read(path)
    assert mapping_of(model.graph.constants["w"]) is None
    rewrite(path, b"\0" * 100)
    model.source.check()
    assert np.array_equal(model.graph.constants["w"], BIG[:10])


@pytest.mark.parametrize("size, mapped", [
    (MOST_COPIED - 1, False), (MOST_COPIED, False), (MOST_COPIED + 1, True)])
def test_the_limit_counts_all_files_of_a_model(tmp_path, size, mapped):
    (tmp_path / "m.onnx").write_bytes(b"1" * 1000)
    (tmp_path / "a").write_bytes(bytes(size - 1000))
    (tmp_path / "b").write_bytes(b"1")
    source = Source(tmp_path / "m.onnx")
    assert isinstance(source.beside.open("a"), mmap.mmap) == mapped
    assert isinstance(source.beside.open("b"), mmap.mmap) == (size == MOST_COPIED)


def test_a_short_read_is_continued(tmp_path, monkeypatch):
    path, data = tmp_path / "m.onnx", model_with(BIG[:10])
    path.write_bytes(data)
    whole = os.read
    monkeypatch.setattr(os, "read", lambda handle, size: whole(handle, min(size, 1000)))
    assert Source(path).data == data


@pytest.mark.parametrize("change", [
    lambda path: rewrite(path, b""), lambda path: rewrite(path, b"x"),
    lambda path: open(path, "ab").write(b"more"),
], ids=["emptied", "shorter", "longer"])
def test_a_file_that_is_written_while_it_is_copied_is_refused(tmp_path, monkeypatch, change):
    path = tmp_path / "m.onnx"
    path.write_bytes(model_with(BIG[:10]))
    whole = os.read

    def interrupted(handle, size):
        content = whole(handle, size - 10)
        change(path)
        return content
    monkeypatch.setattr(os, "read", interrupted)
    with pytest.raises(InputError, match="is being written"):
        Source(path)


def test_no_descriptor_is_left_over(big, tmp_path):
    before = descriptors()
    (tmp_path / "small").write_bytes(model_with(BIG[:10]))
    (tmp_path / "none").write_bytes(b"")
    os.mkfifo(tmp_path / "pipe")
    for name in ("m.onnx", "small", "none", "pipe", "missing", "."):
        with contextlib.suppress(InputError, ModelError):
            read(tmp_path / name)
    gc.collect()
    assert descriptors() == before
    model = read(big)
    assert len(descriptors() - before) <= 2
    del model
    gc.collect()
    assert descriptors() == before


# Watched

def at_once(path):
    """Changed within the same tick of the clock; written just before it was loaded."""
    rewrite(path, bytes(os.path.getsize(path)))


def time_set_back(path):
    """cp -p of files that all bear the time of their release."""
    before = os.stat(path)
    rewrite(path, bytes(before.st_size))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def through_another_name(path):
    """The file is kept under another name, and written there."""
    os.rename(path, f"{path}.old")
    path.write_bytes(b"another file")
    rewrite(f"{path}.old", bytes(os.path.getsize(f"{path}.old")))


@pytest.mark.parametrize("change", [
    at_once, time_set_back, through_another_name,
    lambda path: rewrite(path, b"\0" * 100), lambda path: path.write_bytes(b""),
    lambda path: rewrite(path, path.read_bytes() + b"more"),
    lambda path: rewrite(path, path.read_bytes()[:-1] + b"\xff"),
    lambda path: os.truncate(path, 5000), lambda path: os.truncate(path, 10**8),
    lambda path: os.utime(path),
], ids=["same size", "time set back", "renamed and written", "shorter", "emptied", "longer", "last byte",
        "cut", "stretched", "touched"])
def test_a_file_written_over_is_noticed(big, change):
    source = read(big).source
    source.check()
    change(big)
    for _ in range(2):
        with pytest.raises(ModelError, match="^m.onnx has changed since it was loaded; load it again$"):
            source.check()


def test_a_change_is_remembered(big):
    before, content = os.stat(big), big.read_bytes()
    source = read(big).source
    rewrite(big, b"")
    with pytest.raises(ModelError, match="has changed"):
        source.check()
    rewrite(big, content)
    os.utime(big, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(ModelError, match="has changed"):
        source.check()


def replaced(path):
    other = path.with_name("new")
    other.write_bytes(bytes(10))
    os.replace(other, path)


@pytest.mark.parametrize("change", [
    replaced, lambda path: path.unlink(), lambda path: os.rename(path, f"{path}.old"),
    lambda path: (path.unlink(), path.write_bytes(b"another")),
    lambda path: os.chmod(path, 0o400), lambda path: os.link(path, f"{path}.link"),
    lambda path: os.utime(path, ns=(0, os.stat(path).st_mtime_ns)),
    lambda path: open(path, "r+b").close(), lambda path: path.read_bytes(),
], ids=["replaced", "deleted", "renamed", "deleted and made anew", "chmod", "linked", "time of access",
        "opened", "read"])
def test_what_leaves_the_content_alone_is_no_change(big, change):
    model = read(big)
    change(big)
    model.source.check()
    assert np.array_equal(model.graph.constants["w"], BIG)
    assert np.array_equal(read(model.source).graph.constants["w"], BIG)


def test_a_source_read_again_is_the_same_file_from_any_folder(big, monkeypatch):
    monkeypatch.chdir(big.parent)
    model = read("m.onnx")
    replaced(big)
    monkeypatch.chdir("/")
    again = read(model.source)
    assert np.shares_memory(again.graph.constants["w"], model.graph.constants["w"])


def test_a_descriptor_closed_by_somebody_else_is_not_missed_and_not_closed_again(big):
    """Programs that become daemons close all descriptors; the numbers are given to other files then."""
    model = read(big)
    watched, = model.source.check.__self__._watched
    other = watched._handle
    os.close(other)
    model.source.check()
    null = os.open("/dev/null", os.O_RDONLY)
    if null != other:
        os.dup2(null, other)
    model.source.check()
    rewrite(big, b"")
    with pytest.raises(ModelError, match="has changed"):
        model.source.check()
    del model, watched
    gc.collect()
    assert stat.S_ISCHR(os.fstat(other).st_mode)
    for handle in {other, null}:
        os.close(handle)


# External data in a cache of links

def external_model(location: str) -> bytes:
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[3],
                         data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value=location)
    graph = graph_of([N("Add", ["x", "w"], ["y"])])
    graph.initializer.append(tensor)
    return model_of(graph)


DATA = np.arange(3, dtype="<f4")


class Cache:
    """A hub's cache: snapshots/1/... are links into blobs."""

    def __init__(self, root):
        self.root, self.blobs, self.snapshot = root, root / "blobs", root / "snapshots" / "1"
        for folder in (self.blobs, self.snapshot, root / "elsewhere", self.blobs / "below"):
            folder.mkdir(parents=True)
        (self.blobs / "b").write_bytes(DATA.tobytes())
        (self.blobs / "below" / "b").write_bytes(DATA.tobytes())
        (root / "elsewhere" / "secret").write_bytes(DATA.tobytes())
        (root / "secret").write_bytes(DATA.tobytes())

    def model(self, location="m.onnx_data", at="m.onnx"):
        (self.blobs / "a").write_bytes(external_model(location))
        self.link(at, self.blobs / "a")
        return self.snapshot / at

    def link(self, name, target, absolute=False):
        link = self.snapshot / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(target if absolute else os.path.relpath(target, link.parent))


@pytest.fixture
def cache(tmp_path):
    return Cache(tmp_path / "cache")


@pytest.mark.parametrize("absolute", [False, True])
@pytest.mark.parametrize("at, location", [
    ("m.onnx", "m.onnx_data"), ("m.onnx", "weights/w.bin"), ("m.onnx", "./m.onnx_data"),
    ("onnx/m.onnx", "m.onnx_data"), ("onnx/m.onnx", "a/b/w.bin"),
])
def test_a_model_and_its_data_may_be_links_into_one_folder(cache, at, location, absolute):
    path = cache.model(location, at)
    cache.link(os.path.join(os.path.dirname(at), location), cache.blobs / "b", absolute)
    assert np.array_equal(read(path).graph.constants["w"], DATA)


def test_the_cache_may_be_reached_by_a_link_and_by_a_relative_path(cache, monkeypatch):
    path = cache.model()
    cache.link("m.onnx_data", cache.blobs / "b")
    os.symlink(cache.root, cache.root.parent / "home")
    monkeypatch.chdir(cache.root.parent)
    read("home/snapshots/1/m.onnx")
    monkeypatch.chdir(path.parent)
    read("m.onnx")
    read("../1/m.onnx")


def test_a_link_of_links_counts_by_its_end(cache):
    path = cache.model()
    cache.link("m.onnx_data", cache.root / "elsewhere" / "link")
    (cache.root / "elsewhere" / "link").symlink_to(cache.blobs / "b")
    assert np.array_equal(read(path).graph.constants["w"], DATA)
    (cache.blobs / "b").unlink()
    (cache.blobs / "b").symlink_to(cache.root / "secret")
    with pytest.raises(ModelError, match="leads out"):
        read(path)


@pytest.mark.parametrize("target", ["elsewhere/secret", "secret", "blobs/below/b", "snapshots/2/w"])
def test_a_link_to_anywhere_else_stays_refused(cache, target):
    path = cache.model()
    (cache.root / "snapshots" / "2").mkdir()
    (cache.root / "snapshots" / "2" / "w").write_bytes(DATA.tobytes())
    cache.link("m.onnx_data", cache.root / target)
    with pytest.raises(ModelError, match="leads out"):
        read(path)


@pytest.mark.parametrize("target, location", [
    ("elsewhere", "d/secret"), (".", "d/secret"), ("blobs", "d/below/b")])
def test_a_link_to_a_folder_elsewhere_stays_refused(cache, target, location):
    path = cache.model(location)
    cache.link("d", cache.root / target)
    with pytest.raises(ModelError, match="leads out"):
        read(path)


@pytest.mark.parametrize("location", ["../../blobs/b", "weights/../../../blobs/b", "absolute"])
def test_the_model_cannot_name_the_other_folder_itself(cache, location):
    path = cache.model(str(cache.blobs / "b") if location == "absolute" else location)
    (cache.snapshot / "weights").mkdir()
    with pytest.raises(ModelError, match="only files in the model's folder"):
        read(path)


def test_data_beside_the_real_file_alone_is_not_found(cache):
    path = cache.model("b")
    with pytest.raises(ModelError, match="not beside the model"):
        read(path)


def test_the_data_of_a_model_that_is_no_link_must_lie_with_it(cache):
    (cache.snapshot / "m.onnx").write_bytes(external_model("m.onnx_data"))
    cache.link("m.onnx_data", cache.blobs / "b")
    with pytest.raises(ModelError, match="leads out"):
        read(cache.snapshot / "m.onnx")


@pytest.mark.parametrize("kind", ["pipe", "folder", "device", "nothing", "itself"])
def test_a_link_to_what_is_no_file_is_refused_and_does_not_block(cache, kind):
    path, target = cache.model(), cache.blobs / "x"
    if kind == "pipe":
        os.mkfifo(target)
    elif kind == "folder":
        target.mkdir()
    elif kind == "device":
        target.symlink_to("/dev/zero")
    elif kind == "itself":
        target.symlink_to(target)
    cache.link("m.onnx_data", target)
    with pytest.raises(ModelError, match="tensor 'w'"):
        read(path)


def test_a_model_swapped_while_it_is_loaded_opens_no_other_folder(cache, monkeypatch):
    """The name of the model leads elsewhere once its content is read: that folder is not the model's."""
    path = cache.model()
    (cache.root / "elsewhere" / "any").write_bytes(b"any")
    cache.link("m.onnx_data", cache.root / "elsewhere" / "secret")
    source = Source(path)
    path.unlink()
    path.symlink_to(cache.root / "elsewhere" / "any")
    with pytest.raises(ModelError, match="leads out"):
        read(source)


@pytest.mark.parametrize("part", ["file", "folder"])
def test_a_link_put_in_place_after_the_check_is_not_followed(cache, monkeypatch, part):
    (cache.snapshot / "d").mkdir()
    (cache.snapshot / "d" / "secret").write_bytes(DATA.tobytes())
    (cache.snapshot / "m.onnx").write_bytes(external_model("d/secret"))
    opening = source_module.open_without_links

    def swapped(path):
        (cache.snapshot / "d" / "secret").unlink()
        if part == "folder":
            (cache.snapshot / "d").rmdir()
            (cache.snapshot / "d").symlink_to(cache.root / "elsewhere")
        else:
            (cache.snapshot / "d" / "secret").symlink_to(cache.root / "elsewhere" / "secret")
        return opening(path)
    monkeypatch.setattr(source_module, "open_without_links", swapped)
    with pytest.raises(ModelError, match="cannot be read"):
        read(cache.snapshot / "m.onnx")


def test_a_folder_that_may_be_passed_but_not_listed(cache, monkeypatch):
    path = cache.model()
    cache.link("m.onnx_data", cache.blobs / "b")
    cache.blobs.chmod(0o111)
    try:
        read(path)
    finally:
        cache.blobs.chmod(0o755)


@pytest.mark.parametrize("change, says", [
    (lambda path: rewrite(path, bytes(BIG.nbytes)), True), (lambda path: rewrite(path, b"short"), True),
    (replaced, False), (lambda path: path.unlink(), False),
], ids=["same size", "shorter", "replaced", "deleted"])
def test_external_data_is_watched_like_the_model(tmp_path, change, says):
    path = tmp_path / "m.onnx"
    path.write_bytes(external_model("w.bin"))
    data = tmp_path / "w.bin"
    data.write_bytes(BIG.tobytes())
    source = Source(path)
    assert len(source.beside.open("w.bin")) == BIG.nbytes
    change(data)
    if says:
        with pytest.raises(ModelError, match="^w.bin has changed since it was loaded"):
            source.check()
    else:
        source.check()
        assert source.beside.open("w.bin")[:] == BIG.tobytes()

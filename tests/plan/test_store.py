"""What plans share: the pages of a mapped file go when its weights are packed."""
import mmap
import os
import re

import numpy as np
import pytest

import cinfer
from cinfer.plan.store import LARGE, let_go

from onnx_models import Model


def resident(array: np.ndarray) -> int:
    """Bytes of the mapping under an array that are in this process's memory."""
    address, inside = array.ctypes.data, False
    with open("/proc/self/smaps") as file:
        for line in file:
            if match := re.match(r"([0-9a-f]+)-([0-9a-f]+) ", line):
                inside = int(match[1], 16) <= address < int(match[2], 16)
            elif inside and line.startswith("Rss:"):
                return int(line.split()[1]) * 1024
    raise LookupError("no such mapping")


@pytest.mark.skipif(not os.path.exists("/proc/self/smaps") or not hasattr(mmap, "MADV_DONTNEED"), reason="Linux")
@pytest.mark.parametrize("before, behind", [(0, 0), (1, 4095), (4096, 1), (70, 10_000)])
def test_pages_of_packed_weights_go(tmp_path, before, behind):
    content = np.random.default_rng(0).integers(0, 255, before + 4 * LARGE + behind, np.uint8)
    (tmp_path / "weights").write_bytes(content.tobytes())
    with open(tmp_path / "weights", "rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    whole = np.frombuffer(mapped, np.uint8)
    weights = np.frombuffer(memoryview(mapped), np.uint8, 4 * LARGE, before).reshape(2, -1)
    assert np.array_equal(whole, content) and resident(weights) >= len(content)
    let_go(weights[:, ::2])                             # not all of these pages are its own
    assert resident(weights) >= len(content)
    let_go(weights)
    assert resident(weights) <= before + behind + 3 * mmap.PAGESIZE
    assert np.array_equal(whole, content)


def test_other_arrays_stay():
    for array in (np.ones(LARGE), np.frombuffer(bytes(2 * LARGE), np.uint8), np.ones(3)):
        let_go(array)


def convolution(n, h, w, declared=None) -> bytes:
    m = Model()
    return m.outputs(m.conv(m.input("x", n, 192, h, w, declared=declared), 192, 192, 3)).bytes()


def test_large_weights_are_kept_once_for_pictures_of_any_size():
    """Each of these sizes has its own best layout."""
    session = cinfer.load(convolution(1, 2, 2, ("batch", 192, "height", "width")))
    for n, h, w in ((1, 2, 2), (1, 6, 6), (2, 40, 40)):
        x = np.random.default_rng(h).normal(size=(n, 192, h, w)).astype(np.float32)
        wanted, = cinfer.load(convolution(n, h, w)).run(None, {"x": x})
        found, = session.run(None, {"x": x})
        assert np.abs(found - wanted).max() <= 1e-5 * np.abs(wanted).max()
    assert [key[0] for key in session._packed._made if key[0].startswith("pack")] == ["pack_winograd"]

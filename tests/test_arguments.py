"""Arguments of the calls of a session: what is none of them is refused in one line."""
import io

import numpy as np
import pytest

import cinfer

from small_network import FREE, X, network


@pytest.fixture(scope="module")
def free():
    return cinfer.load(network(declared=FREE).bytes(), threads=1)


@pytest.mark.parametrize("call, message", [
    (lambda s: s.run(3, {"images": X}), "output_names is 3; pass a list of names, such as ['v"),
    (lambda s: s.run([3], {"images": X}), "output_names is [3]; pass a list of names, such as ['v"),
    (lambda s: s.run([[]], {"images": X}), "output_names is [[]]; pass a list of names, such as ['v"),
    (lambda s: s.memory({"x": (1, 3, 8, 8)}), "no input 'x'; the model has 'images'"),
    (lambda s: s.summary({"x": (1, 3, 8, 8)}), "no input 'x'; the model has 'images'"),
    (lambda s: s.warmup({"x": (1, 3, 8, 8)}), "no input 'x'; the model has 'images'"),
    (lambda s: s.warmup([{"x": (1, 3, 8, 8)}]), "no input 'x'; the model has 'images'"),
    (lambda s: s.memory({"images": 5}), "input 'images': 5 is no shape; pass sizes of at least 0"),
    (lambda s: s.memory({"images": "abcd"}), "input 'images': 'abcd' is no shape; pass sizes of at least 0"),
    (lambda s: s.memory({"images": (1, 3, 8, -1)}), "input 'images': (1, 3, 8, -1) is no shape; pass sizes"),
    (lambda s: s.memory({"images": (1, 3, 8, 8.5)}),
     "input 'images': (1, 3, 8, 8.5) is no shape; pass sizes"),
    (lambda s: s.memory({"images": (1, 4, 8, 8)}), "input 'images': axis 1 is 4, the model takes 3"),
    (lambda s: s.warmup({"images": X}), "input 'images': array("),
    (lambda s: s.run([X], {"images": X}), "output_names is [array("),
    (lambda s: cinfer.load(b"", threads=X), "threads=array("),
    (lambda s: cinfer.load(b"", isa=X), "isa=array("),
    (lambda s: cinfer.load(b"", isa=""), "ISA level '' cannot be used here"),
    (lambda s: cinfer.load(b"", max_memory=X), "max_memory=array("),
    (lambda s: s.run(None, {"images": X}, timeout=X), "timeout=array("),
    (lambda s: s.memory([(1, 3, 8, 8)]),
     "shapes is a list; pass a dict such as {'images': (1, 3, 224, 224)}"),
    (lambda s: s.warmup(3), "shapes is an int; pass a dict of input name -> sizes, or a list of such dicts"),
    (lambda s: s.warmup([3]), "shapes is a list of sizes; pass a dict of input name -> sizes, or a list of such"),
    (lambda s: s.warmup((1, 3, 8, 8)), "shapes is a tuple of sizes; pass a dict of input name -> sizes, or a list"),
    (lambda s: s.warmup([(1, 3, 8, 8)]), "shapes is a tuple; pass a dict such as {'images': (1, 3, 224, 224)}"),
    (lambda s: s.run(["relu"], {"images": X}), "no output or inner value 'relu'; the outputs are 'v"),
    (lambda s: cinfer.load(io.StringIO("")), "the file object gives str; open it with mode 'rb'"),
    (lambda s: cinfer.load(io.TextIOWrapper(io.BytesIO(b"\xff\xfe"), encoding="utf-8")),
     "the file object gives text; open it with mode 'rb'"),
    (lambda s: s.profile(runs="many"), "runs='many': how many runs to time is an int of at least 1"),
    (lambda s: s.profile(runs=0), "runs=0: how many runs to time is an int of at least 1"),
    (lambda s: cinfer.load(b"", threads="a"), "threads='a': the number of threads is an int from 1 to 256"),
    (lambda s: cinfer.load(b"", isa=3), "isa=3: the level is one of "),
    (lambda s: cinfer.load(b"", max_memory="1G"), "max_memory='1G': the limit is an int of at least 1"),
    (lambda s: cinfer.load(b"", max_memory=0), "max_memory=0: the limit is an int of at least 1"),
    (lambda s: cinfer.load(b"", max_memory=True), "max_memory=True: the limit is an int of at least 1"),
])
def test_refuses_arguments_in_one_line(free, call, message):
    with pytest.raises(cinfer.InputError) as caught:
        call(free)
    assert str(caught.value).startswith(message) and "\n" not in str(caught.value)


def test_whole_numbers_of_numpy_are_numbers():
    data = network().bytes()
    session = cinfer.load(data, threads=np.int64(1), max_memory=np.uint32(1 << 24))
    assert session.threads == 1 and type(session.threads) is int
    x = np.zeros((1, 3, 8, 8), np.float32)
    assert session.run(None, {"images": x}, timeout=np.float32(60))
    assert "steps" in repr(session.profile({"images": x}, runs=np.int8(1)))
    for bad in (True, 1.0, np.float64(1), "1", np.bool_(True)):
        with pytest.raises(cinfer.InputError):
            cinfer.load(data, threads=bad)
        with pytest.raises(cinfer.InputError):
            cinfer.load(data, max_memory=bad)
        with pytest.raises(cinfer.InputError):
            session.profile({"images": x}, runs=bad)

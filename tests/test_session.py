"""Sessions: feeds are checked, never cast; files under them; threads, processes, copies answer the same."""
import io
import os
import pickle
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

import cinfer
from cinfer import _ops

from bf16 import say_fast
from onnx_models import Model, assert_close, expected
from small_network import FREE, X, network, pixels

LEVEL = _ops.table().level               # as CINFER_ISA says, if it says


@pytest.fixture(autouse=True)
def threads_for_any_work(monkeypatch):
    """Small plans keep to one thread; here they use what they are given."""
    monkeypatch.setattr("cinfer.plan.plan.FEW_FLOPS", -1, raising=False)


@pytest.fixture(scope="module")
def fixed():
    return cinfer.load(network().bytes(), threads=1)


@pytest.fixture(scope="module")
def free():
    return cinfer.load(network(declared=FREE).bytes(), threads=1)


def test_inputs_with_a_default():
    """The file gives w; a feed may give another, of the declared type; the next run has the file's again."""
    onnx = pytest.importorskip("onnx")
    tensor = onnx.helper.make_tensor_value_info
    ports = [tensor(name, 1, shape) for name, shape in (("x", [2]), ("w", ["n"]), ("y", ["n"]))]
    node = onnx.helper.make_node("Mul", ["x", "w"], ["y"])
    w = onnx.numpy_helper.from_array(np.float32([10, 20]), "w")
    graph = onnx.helper.make_graph([node], "g", ports[:2], ports[2:], [w])
    model = onnx.helper.make_model(graph, ir_version=8, opset_imports=[onnx.helper.make_opsetid("", 17)])
    session = cinfer.load(model.SerializeToString())
    x = np.float32([1, 2])
    assert [p.name for p in session.inputs] == ["x"]
    for w in (np.float32([3, 4]), np.float32([5])):
        assert session.run(None, {"x": x, "w": w})[0].tolist() == (x * w).tolist()
    assert session.run(["y", "w"], {"x": x, "w": w})[1].tolist() == [5]
    assert session(x).tolist() == [10, 40]
    with pytest.raises(cinfer.InputError, match="input 'w': got float64"):
        session.run(None, {"x": x, "w": np.zeros(2)})
    with pytest.raises(cinfer.InputError, match="no input 'v'"):
        session.run(None, {"x": x, "v": x})


def test_says_what_to_do_where_nothing_is_compiled(tmp_path):
    """As in a checkout of which nothing was built."""
    package = tmp_path / "cinfer"
    shutil.copytree(Path(cinfer.__file__).parent, package, ignore=shutil.ignore_patterns("*.so"))
    done = subprocess.run([sys.executable, "-c", "import cinfer; cinfer.load(b'')"], cwd=tmp_path,
                          capture_output=True, text=True)
    last = done.stderr.splitlines()[-1]
    assert last.startswith("cinfer.errors.Error: the compiled part of cinfer is not in")
    assert "pip install" in last


def test_labels_of_ultralytics(fixed):
    session = pickle.loads(pickle.dumps(fixed))
    assert session.labels is None
    session.model.metadata["names"] = "{0: 'cat', 1: 'dog'}"
    assert session.labels == ["cat", "dog"]


def test_running_a_model_needs_numpy_alone(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(network().bytes())
    code = ("import sys, cinfer, numpy\n"
            "cinfer.load(sys.argv[1])(numpy.zeros((1, 3, 8, 8), 'f4')); print(*sys.modules)")
    environment = {**os.environ, "PYTHONPATH": str(Path(cinfer.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", "import sys, numpy; print(*sys.modules)"], env=environment,
                          capture_output=True, text=True, check=True)
    there = set(done.stdout.split())
    done = subprocess.run([sys.executable, "-c", code, str(path)], env=environment, capture_output=True,
                          text=True, check=True)
    loaded = set(done.stdout.split()) - there
    assert "cinfer.session" in loaded
    assert not {"onnx", "google", "PIL", "inspect", "argparse", "ast", "tempfile", "asyncio"} & loaded


# ---- feeds

@pytest.mark.parametrize("feeds, message", [
    ({}, "no feed for input 'images'; the model takes 'images'"),
    ({"image": X}, "no feed for input 'images'; the model takes 'images', not 'image'"),
    ({"images": X, "mask": X}, "no input 'mask'; the model has 'images'"),
    ({"images": X.astype(np.float64)},
     "input 'images': got float64, the model takes float32; pass images.astype(np.float32)"),
    ({"images": np.zeros((1, 3, 8, 8), np.uint8)},
     "input 'images': got uint8, the model takes float32; pass images.astype(np.float32)"),
    ({"images": X.astype(">f4")},
     "input 'images': got >f4, the model takes float32; pass images.astype(np.float32)"),
    ({"images": X.tolist()},
     "input 'images': got a list, the model takes a numpy array of float32, shape (1, 3, 8, 8)"),
    ({"images": None},
     "input 'images': got a NoneType, the model takes a numpy array of float32, shape (1, 3, 8, 8)"),
    ({"images": pixels(1, 3, 8, 9)},
     "input 'images': axis 3 is 9, the model takes 8 (float32, shape (1, 3, 8, 8))"),
    ({"images": pixels(2, 3, 8, 8)},
     "input 'images': axis 0 is 2, the model takes 1 (float32, shape (1, 3, 8, 8))"),
    ({"images": pixels(3, 8, 8)},
     "input 'images': got shape (3, 8, 8); is the batch axis missing? pass x[np.newaxis]; "
     "the model takes float32, shape (1, 3, 8, 8)"),
    ({"images": pixels(8, 8, 3)},
     "input 'images': got shape (8, 8, 3), which looks like one picture of HWC pixels; "
     "transpose it and add the batch axis; the model takes float32, shape (1, 3, 8, 8)"),
    ({"images": np.float32(1)}, "input 'images': got shape (); the model takes float32, shape (1, 3, 8, 8)"),
    (X, "feeds is an ndarray; pass a dict such as {'images': array}"),
    ([X], "feeds is a list; pass a dict such as {'images': array}"),
    (None, "feeds is a NoneType; pass a dict such as {'images': array}"),
])
def test_refuses_feeds_in_one_line(fixed, feeds, message):
    with pytest.raises(cinfer.InputError) as caught:
        fixed.run(None, feeds)
    assert str(caught.value) == message


@pytest.mark.parametrize("code, says", [
    (1, r"the model takes float32; pass x.astype\(np.float32\)"),
    (16, r"the model takes bfloat16; pass x.astype\(ml_dtypes.bfloat16\)"),
    (19, r"the model takes float8_e5m2; pass x.astype\(ml_dtypes.float8_e5m2\)"),
    (8, r"the model takes object; pass strings: x.astype\(str\).astype\(object\)"),
])
def test_a_feed_of_another_type_says_what_python_understands(code, says):
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("ml_dtypes")
    ports = [onnx.helper.make_tensor_value_info(name, code, [2]) for name in "xy"]
    graph = onnx.helper.make_graph([onnx.helper.make_node("Identity", ["x"], ["y"])], "g",
                                   ports[:1], ports[1:])
    model = onnx.helper.make_model(graph, ir_version=10, opset_imports=[onnx.helper.make_opsetid("", 21)])
    with pytest.raises(cinfer.InputError, match=f"input 'x': got int16, {says}"):
        cinfer.load(model.SerializeToString()).run(None, {"x": np.zeros(2, np.int16)})


def test_free_sizes_are_named(free):
    with pytest.raises(cinfer.InputError) as caught:
        free.run(None, {"images": pixels(1, 4, 8, 8)})
    assert "axis 1 is 4, the model takes 3" in str(caught.value)
    assert "('batch', 3, 'height', 'width')" in str(caught.value)


def test_runs_after_a_refused_feed(fixed):
    with pytest.raises(cinfer.InputError):
        fixed.run(None, {"images": X[..., :7]})
    assert_close(fixed.run(None, {"images": X})[0], expected(network().bytes(), {"images": X})[0],
                 "after a refusal", 3e-5)


@pytest.mark.parametrize("turn", [
    np.asfortranarray, lambda x: x[::-1, ::-1, ::-1, ::-1], lambda x: np.repeat(x, 2, 3)[..., ::2],
    lambda x: np.broadcast_to(x[:, :1], x.shape), lambda x: x.view(type("Sub", (np.ndarray,), {}))])
def test_takes_arrays_of_any_strides_and_leaves_them_alone(fixed, turn):
    x = turn(X.copy())
    before = x.tobytes()
    want = expected(network().bytes(), {"images": np.array(x, order="C", subok=False)})
    for got, w in zip(fixed.run(None, {"images": x}), want):
        assert_close(got, w, "strided", 3e-5)
    assert x.tobytes() == before


def test_takes_read_only_arrays(fixed):
    x = X.copy()
    x.flags.writeable = False
    assert fixed.run(None, {"images": x})[0].tobytes() == fixed.run(None, {"images": X})[0].tobytes()


def test_call_is_run_of_one_input(fixed):
    got = fixed(X)
    assert isinstance(got, list)
    assert [y.tobytes() for y in got] == [y.tobytes() for y in fixed.run(None, {"images": X})]


def test_call_of_a_model_of_two_inputs():
    m = Model()
    session = cinfer.load(m.outputs(m.Add(m.input("a", 2), m.input("b", 2))).bytes(), threads=1)
    with pytest.raises(cinfer.InputError) as caught:
        session(np.zeros(2, np.float32))
    assert str(caught.value) == "the model has 2 inputs (a, b); call run(None, {name: array, ...})"


# ---- output names

def test_output_names_choose_and_order(fixed):
    first, second = (port.name for port in fixed.outputs)
    both = fixed.run(None, {"images": X})
    turned = fixed.run([second, first], {"images": X})
    assert [y.tobytes() for y in turned] == [both[1].tobytes(), both[0].tobytes()]
    assert fixed.run((second,), {"images": X})[0].tobytes() == both[1].tobytes()
    assert fixed.run([], {"images": X}) == []


def test_an_output_may_be_asked_for_twice(fixed):
    name = fixed.outputs[0].name
    want = fixed.run([name], {"images": X})[0]
    got = fixed.run([name, name], {"images": X})
    assert [y.tobytes() for y in got] == [want.tobytes()] * 2 and not np.shares_memory(*got)


def test_outputs_stay_what_they_are_whatever_else_is_asked_for():
    """A value that is lost in the run is computed as the file spells it, beside a run like any other."""
    m = Model(18)
    x = m.input("x", 1, 3, 20, 20)
    rng = np.random.default_rng(2)

    def coded(value, scale):
        by = np.float32(scale), np.uint8(9)
        return m.DequantizeLinear(m.QuantizeLinear(value, *by), *by)
    w = m.DequantizeLinear(rng.integers(-127, 128, (8, 3, 3, 3)).astype(np.int8), np.float32(.013), np.int8(0))
    inner = m.Conv(coded(x, .021), w)
    data = m.outputs(coded(inner, .17)).bytes()
    session, feeds = cinfer.load(data, threads=1), {"x": rng.random((1, 3, 20, 20), np.float32)}
    want, output = session.run(None, feeds)[0], session.outputs[0].name
    got, lost = session.run([output, inner], feeds)
    assert got.tobytes() == want.tobytes() and np.abs(lost.clip(-9 * .17, 246 * .17) - want).max() < .17
    assert session.run([inner, output, inner], feeds)[1].tobytes() == want.tobytes()


@pytest.mark.parametrize("names, message", [
    ("v1", "output_names is the string 'v1'; pass a list: ['v1']"),
    (["nothing"], "no output or inner value 'nothing'; the outputs are "),
    ([""], "no output or inner value ''; the outputs are "),
])
def test_refuses_output_names(fixed, names, message):
    with pytest.raises(cinfer.InputError) as caught:
        fixed.run(names, {"images": X})
    assert str(caught.value).startswith(message)


# ---- loading

def test_loads_paths_bytes_and_files(tmp_path, fixed):
    path = tmp_path / "m.onnx"
    path.write_bytes(network().bytes())
    want = fixed.run(None, {"images": X})[0].tobytes()
    for source in (path, str(path), path.read_bytes(), bytearray(path.read_bytes()),
                   io.BytesIO(path.read_bytes())):
        assert cinfer.load(source, threads=1).run(None, {"images": X})[0].tobytes() == want


def test_says_what_it_takes_and_gives(free):
    assert [(p.name, p.dtype, p.shape) for p in free.inputs] == [("images", np.dtype(np.float32), FREE)]
    assert [p.dtype for p in free.outputs] == [np.dtype(np.float32)] * 2
    assert free.isa == LEVEL and free.threads == 1


def test_refuses_an_unknown_level():
    with pytest.raises(cinfer.InputError) as caught:
        cinfer.load(network().bytes(), isa="sse9")
    usable = ", ".join(_ops.usable_levels())
    assert str(caught.value) == f"ISA level 'sse9' cannot be used here; usable: {usable}"


@pytest.mark.parametrize("level", _ops.usable_levels())
def test_uses_the_level_asked_for(level):
    assert cinfer.load(network().bytes(), isa=level, threads=1).isa == level


# ---- precision

@pytest.fixture
def fast_bf16(monkeypatch):
    """Whether products of bfloat16 are fast, said of any CPU."""
    def said(rate):
        say_fast(monkeypatch, rate)
    return said


@pytest.mark.parametrize("asked", ["bf15", "BF16", "", None, 16])
def test_refuses_an_unknown_precision(asked):
    with pytest.raises(cinfer.InputError) as caught:
        cinfer.load(network().bytes(), precision=asked)
    assert str(caught.value) == f"precision={asked!r}: it is one of 'fp32', 'bf16'"


def test_fp32_is_the_default_and_no_other_is_used_unasked(fast_bf16):
    fast_bf16(1000)
    session, asked = cinfer.load(network().bytes()), cinfer.load(network().bytes(), precision="fp32")
    assert session.precision == asked.precision == "fp32"
    assert session.precision_note is None and "precision" not in str(session)
    assert not any("bf16" in name for name in session.summary()["kernels"])
    assert session.run(None, {"images": X})[0].tobytes() == asked.run(None, {"images": X})[0].tobytes()


def test_bf16_is_used_where_it_is_fast_and_copies_use_it_too(fast_bf16):
    fast_bf16(1000)
    session = cinfer.load(network().bytes(), precision="bf16")
    again = pickle.loads(pickle.dumps(session))
    assert session.precision == again.precision == "bf16"
    assert "products of bfloat16" in str(session)
    assert session.summary()["kernels"]["conv_bf16"] == again.summary()["kernels"]["conv_bf16"] == 1
    got, fp32 = (s.run(None, {"images": X})[0] for s in (session, cinfer.load(network().bytes())))
    assert got.tobytes() == again.run(None, {"images": X})[0].tobytes() != fp32.tobytes()
    assert_close(got, fp32, "bf16", 1e-2)


def test_elsewhere_all_is_computed_in_fp32_and_that_is_said(fast_bf16):
    fast_bf16(0)
    session, exact = cinfer.load(network().bytes(), precision="bf16"), cinfer.load(network().bytes())
    assert session.precision == "fp32"
    why = f"fp32, not bf16: this CPU has no fast products of bfloat16 (level {session.isa})"
    assert session.precision_note == why and why in str(session)
    assert session.run(None, {"images": X})[0].tobytes() == exact.run(None, {"images": X})[0].tobytes()


def test_a_session_that_is_fed_a_default_keeps_its_precision(fast_bf16):
    fast_bf16(1000)
    session = cinfer.load(network().bytes(), precision="bf16")
    assert session._feeding_session(()).precision == "bf16"


def test_names_all_unknown_operators_in_one_error(tmp_path):
    m = Model()
    x = m.input("x", 2)
    y = m.Relu(m.node("Frobnicate", x, name="first"))
    z = m.node("Relu", m.node("Twist", y, domain="my.own", name="second"))
    path = tmp_path / "odd.onnx"
    path.write_bytes(m.outputs(z).bytes())
    with pytest.raises(cinfer.UnsupportedError) as caught:
        cinfer.load(path)
    text = str(caught.value)
    assert text.startswith("odd.onnx: cannot run 2 of 4 nodes: ") and "\n" not in text
    assert all(word in text for word in ("Frobnicate", "first", "Twist", "second", "my.own"))


def test_says_how_to_save_a_file_that_onnxruntime_has_laid_out_for_itself():
    m = Model()
    x = m.input("x", 1, 4, 8, 8)
    y = m.node("ReorderOutput", x, domain="com.microsoft.nchwc", name="back")
    with pytest.raises(cinfer.UnsupportedError) as caught:
        cinfer.load(m.outputs(y).bytes())
    assert str(caught.value) == (
        "model: cannot run 1 of 1 nodes: com.microsoft.nchwc.ReorderOutput 'back'. com.microsoft.nchwc is "
        "onnxruntime's own layout; save the file at ORT_ENABLE_EXTENDED or BASIC")


def test_of_many_unknown_operators_eight_are_named():
    m = Model()
    x = m.input("x", 2)
    for i in range(11):
        x = m.node(f"Odd{i}", x)
    with pytest.raises(cinfer.UnsupportedError) as caught:
        cinfer.load(m.outputs(x).bytes())
    text = str(caught.value)
    assert "11 of 11 nodes" in text and text.endswith("; and 3 more")
    assert "Odd7" in text and "Odd8" not in text


def test_sizes_that_contradict_each_other_name_the_node():
    m = Model()
    x = m.input("x", 2, 3)
    with pytest.raises(cinfer.ModelError) as caught:
        cinfer.load(m.outputs(m.node("Add", x, np.zeros((2, 4), np.float32), name="the_sum")).bytes())
    assert "the_sum" in str(caught.value) and "\n" not in str(caught.value)


def test_memory_grows_with_the_picture(free):
    small, large = (free.memory({"images": (1, 3, size, size)}) for size in (16, 64))
    assert 20 * 16 * 16 * 4 <= small < large and large >= 20 * 64 * 64 * 4
    assert free.summary() is None
    found = free.summary({"images": (1, 3, 16, 16)})
    assert found["macs"] == 16 * 16 * 9 * (3 * 20 + 20 * 16) and found["planned_bytes"] == small


# ---- the file under a session

def large(free_sizes=False) -> Model:
    """More than is copied: weights that are packed, weights that are read in place, and a default."""
    m = Model(seed=5)
    x = m.input("images", 1, 3, 8, 8, declared=(1, 3, "h", "w") if free_sizes else None)
    offset = m.input(m.constant(m.vector(1, 16, 1, 1)), 1, 16, 1, 1)
    y = m.Relu(m.Add(m.conv(x, 3, 16, 3), offset))
    y = m.Flatten(m.GlobalAveragePool(y))
    return m.outputs(m.MatMul(y, m.constant(m.weights(16, 90_000))))


def written_over(path, content: bytes) -> None:
    with open(path, "r+b") as file:
        file.write(content)
        file.truncate()


@pytest.mark.parametrize("content", [b"", b"short", "same size", "longer"])
@pytest.mark.parametrize("free_sizes", [False, True])
def test_a_model_written_over_is_one_error(tmp_path, content, free_sizes):
    path = tmp_path / "m.onnx"
    path.write_bytes(large(free_sizes).bytes())
    size = path.stat().st_size
    session = cinfer.load(path, threads=1)
    session(pixels(1, 3, 8, 8))
    again = pickle.dumps(session)
    written_over(path, {"same size": bytes(size), "longer": bytes(size + 9)}.get(content, content))
    attempts = [lambda: session(pixels(1, 3, 8, 8)),
                lambda: session.run(["v0"], {"images": pixels(1, 3, 8, 8)}), lambda: pickle.dumps(session)]
    if free_sizes:
        attempts += [lambda: session(pixels(1, 3, 9, 9)), lambda: session.memory({"images": (1, 3, 8, 10)})]
    for attempt in attempts:
        with pytest.raises(cinfer.Error, match="^m.onnx has changed since it was loaded; load it again$"):
            attempt()
    path.write_bytes(large(free_sizes).bytes())
    assert pickle.loads(again)(pixels(1, 3, 8, 8)).shape == (1, 90_000)


@pytest.mark.parametrize("how", ["replaced", "deleted", "small and written over", "bytes", "file"])
def test_a_session_goes_on_with_what_it_loaded(tmp_path, how):
    m = network(declared=FREE) if how == "small and written over" else large(True)
    path, x, wider = tmp_path / "m.onnx", pixels(1, 3, 8, 8), pixels(1, 3, 8, 9)
    path.write_bytes(m.bytes())
    source = m.bytes() if how == "bytes" else open(path, "rb") if how == "file" else path
    session = cinfer.load(source, threads=1)
    twin = cinfer.load(m.bytes(), threads=1)
    if how == "replaced":
        (tmp_path / "new").write_bytes(b"another")
        os.replace(tmp_path / "new", path)
    elif how == "deleted":
        path.unlink()
    else:
        written_over(path, bytes(100))
    feeds = [{"images": x}, {"images": wider}]
    if how != "small and written over":
        feeds.append({"images": x, "c0": pixels(1, 16, 1, 1)})          # both read the model once more
    for fed in feeds:
        for names in (None, ["v0"]):
            for y, want in zip(session.run(names, fed), twin.run(names, fed)):
                assert y.tobytes() == want.tobytes()


def test_a_file_written_over_during_a_run_gives_no_answer(tmp_path, monkeypatch):
    path = tmp_path / "m.onnx"
    path.write_bytes(large().bytes())
    session = cinfer.load(path, threads=1)
    plan, = session._plans.routines.values()

    class Slow:
        rest = None

        def run(self, *arguments, **options):
            written_over(path, bytes(path.stat().st_size))
            return plan.run(*arguments, **options)
    session._plans.routines[next(iter(session._plans.routines))] = Slow()
    with pytest.raises(cinfer.Error, match="has changed"):
        session(pixels(1, 3, 8, 8))


# ---- threads, copies, processes

@pytest.mark.parametrize("protocol", [2, pickle.HIGHEST_PROTOCOL])
def test_a_pickled_session_gives_the_same_bits(protocol, tmp_path):
    path = tmp_path / "m.onnx"
    path.write_bytes(network().bytes())
    for source in (network().bytes(), path):
        session = cinfer.load(source, threads=2, isa=LEVEL)
        again = pickle.loads(pickle.dumps(session, protocol))
        assert (again.threads, again.isa) == (2, LEVEL)
        copies = again.run(None, {"images": X})
        assert [y.tobytes() for y in copies] == [y.tobytes() for y in session.run(None, {"images": X})]


@pytest.mark.parametrize("threads", [1, 2])
def test_python_threads_at_once_get_their_own_answers(threads):
    session = cinfer.load(network(declared=FREE).bytes(), threads=threads)
    feeds = [{"images": pixels(n, 3, size, size) + n} for n in (1, 2) for size in (8, 20, 33)]
    reference = cinfer.load(network(declared=FREE).bytes(), threads=1)
    want = [[y.tobytes() for y in reference.run(None, f)] for f in feeds]
    wrong, start = [], threading.Barrier(4)

    def work(me):
        start.wait()
        try:
            for i in range(60):
                k = (me + i) % len(feeds)
                if [y.tobytes() for y in session.run(None, feeds[k])] != want[k]:
                    wrong.append((me, i, "other bits"))
        except Exception as error:
            wrong.append((me, error))
    workers = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)
    assert not any(worker.is_alive() for worker in workers) and wrong == []


FORK = """
    import os, sys
    import numpy as np
    import cinfer
    session = cinfer.load(sys.argv[1], threads=2)
    x = np.random.default_rng(0).normal(size=(1, 3, 32, 32)).astype(np.float32)
    want = session.run(None, {"images": x})[0].tobytes()
    child = os.fork()
    if child == 0:
        os._exit(0 if session.run(None, {"images": x})[0].tobytes() == want else 3)
    print(child, flush=True)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert session.run(None, {"images": x})[0].tobytes() == want
    sys.exit(code)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("waiting", ["", "passive"])
def test_a_forked_child_runs_after_its_parent(tmp_path, waiting):
    """With 2 threads in both, whatever the user says of how idle threads wait."""
    path = tmp_path / "m.onnx"
    path.write_bytes(network(h=32, w=32).bytes())
    program = tmp_path / "fork.py"
    program.write_text(textwrap.dedent(FORK))
    environment = {k: v for k, v in os.environ.items() if k not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
    environment["PYTHONPATH"] = str(Path(cinfer.__file__).parents[1])
    if waiting:
        environment["OMP_WAIT_POLICY"] = waiting
    parent = subprocess.Popen([sys.executable, str(program), str(path)], env=environment,
                              stdout=subprocess.PIPE, text=True)
    until = time.monotonic() + 5
    while parent.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
    if parent.poll() is None:
        os.kill(int(parent.stdout.readline()), signal.SIGKILL)
        parent.communicate(timeout=10)
        pytest.fail("the child hangs")
    parent.stdout.close()
    assert parent.returncode == 0


@pytest.mark.skipif(not os.path.exists("/proc/self/task"), reason="Linux")
def test_threads_stay_on_the_cpus_that_the_user_gave_them():
    """Threads that wake on one CPU move apart (_ops/team.h), and only for that moment."""
    allowed = os.sched_getaffinity(0)
    session = cinfer.load(network(h=32, w=32).bytes(), threads=2)
    x = np.ones((1, 3, 32, 32), np.float32)
    want = session.run(None, {"images": x})[0].tobytes()
    threads = {}
    for name in os.listdir("/proc/self/task"):
        with suppress(ProcessLookupError):                  # another test's thread, that has just ended
            threads[int(name)] = os.sched_getaffinity(int(name))

    def each(act):
        for t in threads:
            with suppress(ProcessLookupError):
                act(t)

    def check(t):
        assert os.sched_getaffinity(t) == cpus

    try:
        for cpus in (set(list(allowed)[:1]), allowed):      # first all on one CPU, so that they meet
            each(lambda t: os.sched_setaffinity(t, cpus))
            for rest in (0, 0, 0.002, 0.002):
                time.sleep(rest)
                assert session.run(None, {"images": x})[0].tobytes() == want
                each(check)
    finally:
        each(lambda t: os.sched_setaffinity(t, threads[t]))


# ---- what it says of itself

def test_a_session_and_a_profile_say_what_they_are(tmp_path):
    path = tmp_path / "small.onnx"
    path.write_bytes(network().bytes())
    session = cinfer.load(path, threads=2, isa=LEVEL)
    assert repr(session) == f"<Session 'small.onnx': 2 threads, {LEVEL}>"
    profile = session.profile(runs=1)
    assert repr(profile) == f"<Profile of {len(profile.rows)} steps, {profile.total_ms:.3g} ms>"
    lines = str(profile).splitlines()
    assert len(lines) == len(profile.rows) + 3 and lines[0].split()[:4] == ["operator", "node", "shape", "kernel"]
    assert lines[-1].split() == ["total", f"{profile.total_ms:.4f}", "100.0%"]
    session.close()
    assert repr(session) == "<Session 'small.onnx': closed>"


# ---- memory

@pytest.mark.parametrize("threads", [1, 3])
def test_memory_and_outputs_are_what_max_memory_counts(threads):
    data = network(2, 64, 64).bytes()
    session = cinfer.load(data, threads=threads)
    outputs = sum(y.nbytes for y in session.run(None, {"images": pixels(2, 3, 64, 64)}))
    cinfer.load(data, threads=threads, max_memory=session.memory() + outputs)
    with pytest.raises(cinfer.LimitError):
        cinfer.load(data, threads=threads, max_memory=session.memory() + outputs - 1)


def test_a_feed_that_cannot_be_copied_is_an_error():
    session = cinfer.load(network(declared=FREE).bytes(), threads=1)
    with pytest.raises(cinfer.LimitError, match="not enough memory for a contiguous copy of float32 .1, 3, "):
        session.run(None, {"images": np.broadcast_to(np.float32(1), (1, 3, 10**7, 10**7))})


def test_refuses_what_takes_more_than_max_memory():
    data = network(declared=FREE).bytes()
    session = cinfer.load(data, threads=1, max_memory=200_000)
    session.run(None, {"images": pixels(1, 3, 8, 8)})
    large = {"images": pixels(1, 3, 320, 300)}
    for _ in range(2):
        with pytest.raises(cinfer.LimitError) as caught:
            session.run(None, large)
        text = str(caught.value)
        assert text.startswith("model: a run of these sizes needs ") and "max_memory is 200000" in text
        assert f"1x20x320x300 ({20 * 320 * 300 * 4} bytes)" in text and "\n" not in text
    assert not session._pool.busy and max(w.size for w in session._pool.free) <= 200_000
    with pytest.raises(cinfer.LimitError):
        pickle.loads(pickle.dumps(session)).run(None, large)
    with pytest.raises(cinfer.LimitError):
        cinfer.load(network(1, 320, 300).bytes(), max_memory=200_000)
    cinfer.load(data, threads=1, max_memory=50_000_000).run(None, large)


# ---- what was passed

def test_sizes_that_the_network_cannot_take_are_the_callers(tmp_path):
    m = Model(seed=1)
    x = m.input("images", 1, 3, 32, 32, declared=FREE)
    m.outputs(m.conv(m.MaxPool(m.conv(x, 3, 4, 3), kernel_shape=[8, 8]), 4, 4, 3))
    path = tmp_path / "small.onnx"
    path.write_bytes(m.bytes())
    session = cinfer.load(path)
    with pytest.raises(cinfer.InputError) as caught:
        session.run(None, {"images": np.zeros((1, 3, 4, 5), np.float32)})
    assert str(caught.value).startswith("small.onnx cannot take images 1x3x4x5: ")
    for ask, words in ((lambda: session.memory(), "shapes={...}"), (lambda: session.summary({}), "shapes={...}"),
                       (lambda: session.warmup({}), "shapes={...}"), (lambda: session.profile(), "feeds={...}")):
        with pytest.raises(cinfer.InputError) as caught:
            ask()
        assert str(caught.value).startswith("small.onnx cannot take images 1x3x1x1: ")
        assert str(caught.value).endswith(f"; free sizes that were not given count as 1: say them with {words}")
    for ask in (lambda: session.memory({"images": (1, 3, 4, 5)}),
                lambda: session.profile({"images": np.zeros((1, 3, 4, 5), np.float32)})):
        with pytest.raises(cinfer.InputError) as caught:
            ask()
        assert "count as 1" not in str(caught.value)
    with pytest.raises(cinfer.InputError, match=r"^small.onnx cannot take images 1x3x1x1: "):
        session.memory()
    assert session.run(None, {"images": np.zeros((1, 3, 32, 32), np.float32)})


def test_masked_arrays_are_refused():
    x = np.ma.masked_less(np.zeros((1, 3, 8, 8), np.float32), 1)
    with pytest.raises(cinfer.InputError, match=r"masked array; pass images.filled\(number\)"):
        cinfer.load(network().bytes()).run(None, {"images": x})


def test_a_copy_in_another_folder_finds_the_file(tmp_path, monkeypatch):
    (tmp_path / "small.onnx").write_bytes(network().bytes())
    monkeypatch.chdir(tmp_path)
    data = pickle.dumps(cinfer.load("small.onnx"))
    monkeypatch.chdir("/")
    assert pickle.loads(data).run(None, {"images": np.zeros((1, 3, 8, 8), np.float32)})


@pytest.mark.filterwarnings("error")
def test_a_negative_variance_is_nan_without_a_warning():
    m = Model(seed=1)
    x = m.input("x", 1, 2, 3, 3)
    vectors = [np.float32(v) for v in ([1, 1], [0, 0], [0, 0], [4, -1])]
    session = cinfer.load(m.outputs(m.BatchNormalization(m.Relu(x), *vectors)).bytes(), threads=1)
    y = session(pixels(1, 2, 3, 3))
    assert np.isfinite(y[:, 0]).all() and np.isnan(y[:, 1]).all()


@pytest.mark.parametrize("sizes", [[2], ["n"]])
def test_an_output_of_another_type_than_declared_is_refused(sizes):
    from onnx import helper as h
    graph = h.make_graph([h.make_node("Relu", ["x"], ["y"])], "g", [h.make_tensor_value_info("x", 1, sizes)],
                         [h.make_tensor_value_info("y", 7, sizes)])
    content = h.make_model(graph, opset_imports=[h.make_opsetid("", 17)], ir_version=9).SerializeToString()
    with pytest.raises(cinfer.ModelError, match="output 'y' is declared as int64, but it is float32"):
        cinfer.load(content).run(None, {"x": np.ones(2, np.float32)})


def test_a_session_prints_what_it_is():
    session = cinfer.load(network().bytes(), threads=1)
    lines = str(session).splitlines()
    assert lines[0].split()[0] == "model" and lines[0].endswith(f"{session.isa}, 1 thread")
    kinds = ["input"] * len(session.inputs) + ["output"] * len(session.outputs)
    assert [line.split()[0] for line in lines[1:]] == kinds
    assert session.inputs[0].name in lines[1] and "float32" in lines[1]
    session.close()
    assert str(session).splitlines()[0].endswith("closed")

"""InferenceSession beside onnxruntime's: how it is made, what it says, what it takes, what it raises."""
import pickle
import threading
import time
import warnings
from collections.abc import Mapping

import numpy as np
import pytest
from onnx import TensorProto, helper

import cinfer
import cinfer.onnxruntime as ours
from cinfer.model.source import MOST_COPIED

from both import (FLOAT, INT64, X, Y, added, defaulted, identity, model, optional, outcome, plain, same,
                  sequence, tensor, value)

CPU = ["CPUExecutionProvider"]


class Feeds(Mapping):
    def __init__(self, **feeds):
        self.feeds = feeds

    def __getitem__(self, name):
        return self.feeds[name]

    def __iter__(self):
        return iter(self.feeds)

    def __len__(self):
        return len(self.feeds)


FEEDS = {
    "arrays": {"x": X, "y": Y},
    "lists": {"x": X.tolist(), "y": [1, 2, 3]},
    "list of arrays": {"x": [Y, Y], "y": Y},
    "list of numbers of NumPy": {"x": X, "y": [np.float32(1)] * 3},
    "no picture at all": {"x": X[:0], "y": Y},
    "an array in another order": {"x": np.asfortranarray(X), "y": Y[::-1]},
    "a Mapping": Feeds(x=X, y=Y),
    "a masked array": {"x": np.ma.array(X), "y": Y},
    "tuple": {"x": ((1, 2, 3),), "y": Y},
    "scalar": {"x": X, "y": 1.0},
    "scalar of NumPy": {"x": X, "y": np.float32(1)},
    "None": {"x": X, "y": None},
    "text": {"x": X, "y": "abc"},
    "range": {"x": X, "y": range(3)},
    "ragged": {"x": [[1, 2, 3], [1]], "y": Y},
    "a dict": {"x": {"a": 1}, "y": Y},
    "float64": {"x": X.astype(np.float64), "y": Y},
    "int64": {"x": X.astype(int), "y": Y},
    "rank": {"x": Y, "y": Y},
    "rank of a list": {"x": [1, 2, 3], "y": Y},
    "size": {"x": np.ones((2, 4), np.float32), "y": Y},
    "missing": {"x": X},
    "unknown": {"x": X, "y": Y, "w": Y},
    "name is no text": {"x": X, "y": Y, 3: Y},
    "no dict": [X, Y],
    "nothing": None,
}


@pytest.mark.parametrize("feeds", FEEDS.values(), ids=list(FEEDS))
def test_feeds(feeds):
    same(lambda ort: ort.InferenceSession(added()).run(None, feeds))


@pytest.mark.parametrize("names", [None, [], (), ["z"], ("z",), ["z", "z"], {"z": 1}.keys(), np.array(["z"]),
                                   "z",
                                   ["q"], ["x"], [None], True], ids=repr)
def test_names_of_outputs(names):
    same(lambda ort: ort.InferenceSession(added()).run(names, {"x": X, "y": Y}))


@pytest.mark.parametrize("fed", [[1, 2], [1.7, 2.2], [True, False], ["a", "b"], [300], [], np.array([1, 2]),
                                 np.array([1.5]), np.array(["a", "bc"]), np.array(["a", "bc"], object),
                                 np.array([1, 2], np.int32), np.array([True]), np.array([1], np.float16)],
                         ids=repr)
@pytest.mark.parametrize("kind", ["FLOAT", "DOUBLE", "FLOAT16", "INT32", "INT64", "UINT8", "BOOL", "STRING"])
def test_feeds_of_every_type(kind, fed):
    same(lambda ort: ort.InferenceSession(identity(getattr(TensorProto, kind))).run(None, {"x": fed}))


def test_numbers_in_another_byte_order_are_understood():
    session = ours.InferenceSession(added())
    np.testing.assert_array_equal(session.run(None, {"x": X.astype(">f4"), "y": Y})[0], X + Y)


def test_sequences_and_optionals():
    at = model([helper.make_node("SequenceAt", ["s", "i"], ["z"])],
               [value("s", sequence()), tensor("i", INT64, [])], [tensor("z")])
    i = np.array(1)
    for fed in ([Y, Y * 2], (Y, Y * 2), [[1.0, 2.0], [3.0]], [Y.astype(int)], X, [Y, Y.astype(int)]):
        same(lambda ort: ort.InferenceSession(at).run(None, {"s": fed, "i": i}))
    made = model([helper.make_node("SequenceConstruct", ["x", "x"], ["z"])], [tensor("x", shape=[None])],
                 [value("z", sequence())])
    same(lambda ort: ort.InferenceSession(made).run(None, {"x": Y}))
    there = model([helper.make_node("OptionalHasElement", ["s"], ["z"])], [value("s", optional())],
                  [tensor("z", TensorProto.BOOL, [])])
    for feeds in ({"s": None}, {}, {"s": Y}):
        same(lambda ort: ort.InferenceSession(there).run(None, feeds))
    for content, kind in ((at, "seq(tensor(float))"), (made, "tensor(float)"),
                          (there, "optional(tensor(float))")):
        same(lambda ort: [(a.name, a.type, a.shape, str(a)) for s in [ort.InferenceSession(content)]
                          for a in s.get_inputs()])
        assert ours.InferenceSession(content).get_inputs()[0].type == kind


@pytest.mark.parametrize("kind", ["FLOAT", "DOUBLE", "FLOAT16", "BFLOAT16", "INT8", "UINT16", "INT64", "BOOL",
                                  "STRING", "FLOAT8E4M3FN", "INT4"])
@pytest.mark.parametrize("shape", [None, [], [1, "n", None, 0]], ids=repr)
def test_what_arguments_say(kind, shape):
    content = model([helper.make_node("Cast", ["x"], ["z"], to=FLOAT)],
                    [tensor("x", getattr(TensorProto, kind), shape)],
                    [tensor("z")], opset=21)
    same(lambda ort: [(a.name, a.type, a.shape, str(a)) for s in [ort.InferenceSession(content)]
                      for a in (*s.get_inputs(), *s.get_outputs())])


def test_arguments_cannot_be_made_or_changed():
    same(lambda ort: ort.NodeArg())
    same(lambda ort: setattr(ort.InferenceSession(added()).get_inputs()[0], "name", "a"))


@pytest.mark.parametrize("described", [{},
                                       dict(producer_name="p", domain="d", model_version=7,
                                            doc_string="text")])
def test_model_metadata(described):
    content = added(**described)

    def told(ort):
        meta = ort.InferenceSession(content).get_modelmeta()
        return {name: getattr(meta, name) for name in dir(meta) if not name.startswith("_")}
    same(told)


def test_inputs_with_a_default():
    content = defaulted()
    same(lambda ort: [str(a) for a in ort.InferenceSession(content).get_overridable_initializers()])
    same(lambda ort: [str(a) for a in ort.InferenceSession(content).get_inputs()])
    for feeds in ({"x": X}, {"x": X, "y": Y}, {"x": X, "y": Y.astype(int)}, {"y": Y}):
        same(lambda ort: ort.InferenceSession(content).run(None, feeds))


def test_ways_to_make_one(tmp_path):
    path = tmp_path / "m.onnx"
    path.write_bytes(added())
    (tmp_path / "junk.onnx").write_bytes(b"junkjunk")
    (tmp_path / "empty.onnx").write_bytes(b"")
    feeds = {"x": X, "y": Y}
    for use in (lambda o: o.InferenceSession(str(path)), lambda o: o.InferenceSession(path),
                lambda o: o.InferenceSession(added()), lambda o: o.InferenceSession(path_or_bytes=str(path)),
                lambda o: o.InferenceSession(path, o.SessionOptions(), CPU, [{}]),
                lambda o: o.InferenceSession(path, sess_options=None, providers=CPU,
                                             disabled_optimizers=["X"]),
                lambda o: o.InferenceSession(path, providers=[("CPUExecutionProvider", {"a": 1})])):
        assert same(lambda ort: use(ort).run(None, feeds))[0] == "list"
    for source in (tmp_path / "no.onnx", tmp_path, tmp_path / "junk.onnx", tmp_path / "empty.onnx", b"",
                   b"junkjunk", "",
                   None, 5, bytearray(added())):
        assert same(lambda ort: ort.InferenceSession(source))[0] == "raises"
    same(lambda ort: ort.InferenceSession(path, 5))
    for nodes in ([helper.make_node("Foo", ["x"], ["z"])],
                  [helper.make_node("Foo", ["x"], ["z"], domain="mine")]):
        same(lambda ort: ort.InferenceSession(model(nodes, [tensor("x", shape=[1])], [tensor("z")])))


def test_errors_are_both_cinfer_s_and_python_s():
    session = ours.InferenceSession(added())
    with pytest.raises(ValueError) as told:
        session.run(None, {"x": X})
    assert isinstance(told.value, cinfer.InputError)
    with pytest.raises(ours.capi.onnxruntime_pybind11_state.InvalidArgument,
                       match=r"tensor\(double\).*astype") as told:
        session.run(None, {"x": X.astype(float), "y": Y})
    assert isinstance(told.value, cinfer.Error)
    for name in ("Fail", "InvalidGraph", "NoSuchFile", "EPFail", "ModelRequiresCompilation"):
        assert issubclass(getattr(ours.capi._pybind_state, name), cinfer.Error)


@pytest.mark.parametrize("providers", [None, [], CPU, ["CUDAExecutionProvider", *CPU],
                                       ["CUDAExecutionProvider"],
                                       CPU * 2, ["NoExecutionProvider"], [("CPUExecutionProvider", {"a": 1})],
                                       [5],
                                       [["CPUExecutionProvider", {}]]], ids=repr)
def test_providers(providers, capsys):
    def use(ort):
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            session = ort.InferenceSession(added(), providers=providers)
        return (session.get_providers(), session.get_provider_options(), session._providers,
                [str(w.message).split("Available")[0] for w in said])
    assert same(use)[0] == "tuple"
    told = capsys.readouterr().out.splitlines()
    assert told[:len(told) // 2] == told[len(told) // 2:]
    same(lambda ort: ort.InferenceSession(added(), providers=["NoExecutionProvider"], enable_fallback=False))


def test_set_providers():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        same(lambda ort: [(s.set_providers(CPU), s.set_providers(["CUDAExecutionProvider"]),
                           s.get_providers())
                          for s in [ort.InferenceSession(added())]])


class Pickled(ours.InferenceSession):
    """As insightface has it."""

    def __init__(self, path, **options):
        super().__init__(path, **options)
        self.model_path = path

    def __getstate__(self):
        return {"model_path": self.model_path}

    def __setstate__(self, state):
        self.__init__(state["model_path"])


def test_pickles_and_subclasses(tmp_path):
    path = tmp_path / "m.onnx"
    path.write_bytes(added())
    options = ours.SessionOptions()
    options.intra_op_num_threads = 1
    for session in (ours.InferenceSession(path, options), ours.InferenceSession(added(), options),
                    Pickled(str(path))):
        copy = pickle.loads(pickle.dumps(session))
        assert type(copy) is type(session) and isinstance(copy, ours.InferenceSession)
        np.testing.assert_array_equal(copy.run(None, {"x": X, "y": Y})[0], X + Y)
    assert pickle.loads(pickle.dumps(ours.InferenceSession(path, options)))._sess.threads == 1


@pytest.mark.parametrize("there", ["a copy", "same size", "longer", "gone"])
def test_another_file_under_the_path_of_a_pickled_session(there, tmp_path, monkeypatch):
    """As of cinfer's own sessions, in onnxruntime's words. The path counts from where the session was loaded."""
    monkeypatch.chdir(tmp_path)
    path, data = tmp_path / "m.onnx", added()
    path.write_bytes(data)
    session = ours.InferenceSession("m.onnx")
    monkeypatch.chdir("/")
    pickled = pickle.dumps(session)
    path.unlink()
    if there != "gone":
        path.write_bytes({"same size": data.replace(b"Add", b"Sub"), "longer": data + b"\x2a\0"}.get(there, data))
    if there == "a copy":
        np.testing.assert_array_equal(pickle.loads(pickled).run(None, {"x": X, "y": Y})[0], X + Y)
        return
    state = ours.capi.onnxruntime_pybind11_state
    with pytest.raises(state.NoSuchFile if there == "gone" else state.Fail) as caught:
        pickle.loads(pickled)
    text = str(caught.value)
    assert text.startswith("[ONNXRuntimeError] : ") and f"Load model from {path} failed:" in text
    assert ("no such file here; a session that was loaded from a path is pickled by it" if there == "gone" else
            f"{path} is another file than the one of the session that was pickled ({path.stat().st_size} bytes, that "
            f"one had {len(data)})") in text


def test_a_file_that_was_written_over_is_said_when_its_session_is_pickled(tmp_path):
    path = tmp_path / "m.onnx"
    path.write_bytes(added(doc_string="mapped, for it is large" + " " * MOST_COPIED))
    session = ours.InferenceSession(path)
    with open(path, "r+b") as file:
        file.write(b"written over")
    with pytest.raises(ours.capi.onnxruntime_pybind11_state.Fail, match="m.onnx has changed since it was loaded"):
        pickle.dumps(session)


def long_model() -> bytes:
    """Some seconds of matrix products."""
    nodes = [helper.make_node("MatMul", [f"v{i}" if i else "x", "x"], [f"v{i + 1}"]) for i in range(60)]
    return model(nodes, [tensor("x", shape=["N", "N"])], [tensor("v60")])


def test_terminate_ends_a_run_and_no_other():
    fail = ours.capi.onnxruntime_pybind11_state.Fail
    session, options = ours.InferenceSession(long_model()), ours.RunOptions()
    x = np.zeros((1500, 1500), np.float32)
    threading.Timer(0.1, setattr, (options, "terminate", True)).start()
    began = time.monotonic()
    with pytest.raises(fail, match="Exiting due to terminate flag being set to true"):
        session.run(None, {"x": x}, options)
    assert time.monotonic() - began < 30
    same(lambda ort: [setattr(o := ort.RunOptions(), "terminate", True),
                      ort.InferenceSession(added()).run(None, {"x": X, "y": Y}, o)])
    options.terminate = False
    assert session.run(None, {"x": x[:8, :8]}, options)[0].shape == (8, 8)
    assert not options._stops


def test_run_async():
    def use(ort, names, feeds, wait=True):
        got, done = [], threading.Event()
        session = ort.InferenceSession(added())
        session.run_async(names, feeds, lambda *told: (got.append(told), done.set()), "mine")
        assert not wait or done.wait(60)
        results, mine, text = got[0]
        return results, mine, text.split(" (")[0]
    assert same(lambda ort: use(ort, ["z"], {"x": X, "y": Y}))[0] == "tuple"
    same(lambda ort: use(ort, None, {"x": X.T.copy(), "y": Y}))
    same(lambda ort: use(ort, None, {"x": X}))


def test_a_run_that_failed_is_not_done_twice(monkeypatch):
    session = ours.InferenceSession(added())
    runs = []
    run = type(session._sess).run
    monkeypatch.setattr(type(session._sess), "run", lambda *a, **o: (runs.append(1), run(*a, **o))[1])
    assert outcome(lambda _: session.run(None, {"x": X.astype(int), "y": Y}), None) == ("raises",
                                                                                        "InvalidArgument")
    assert len(runs) == 1


def test_sizes_that_contradict_each_other():
    content = model([helper.make_node("Add", ["x", "y"], ["z"])],
                    [tensor("x", shape=["N"]), tensor("y", shape=["M"])],
                    [tensor("z")])
    same(lambda ort: ort.InferenceSession(content).run(None, {"x": Y, "y": Y[:2]}))


def test_results_are_lists_of_fresh_arrays():
    session = ours.InferenceSession(identity(FLOAT))
    first, = session.run(None, {"x": Y})
    first += 1
    assert plain(session.run(None, {"x": Y})) == plain([Y])

"""Runs of several parts: sizes, branches, turns and lengths that depend on what a run computes."""
import gc
import pickle
import threading
import time

import numpy as np
import pytest

pytest.importorskip("onnx")

import cinfer
from cinfer.run import kept
from cinfer.model import read

from dynamic_graphs import random_feeds, random_model
from interpreter import evaluate, values_of
from written import written

F = np.float32


def arrays(value):
    """All arrays in an output or a feed."""
    if isinstance(value, (list, tuple)):
        for each in value:
            yield from arrays(each)
    elif value is not None:
        yield value


def same(got, want, exactly: bool = False) -> bool:
    if isinstance(want, list):
        return isinstance(got, list) and len(got) == len(want) and all(map(same, got, want))
    if want is None or got is None:
        return got is want
    return got.dtype == want.dtype and got.shape == want.shape and (
        np.array_equal(got, want) if exactly else np.allclose(got, want, atol=1e-3))


def own_memory(given: list) -> bool:
    """Do no two of these arrays overlap?"""
    given = [x for x in given if x.size]
    return not any(np.shares_memory(x, y) for i, x in enumerate(given) for y in given[:i])


@pytest.fixture
def threads_for_any_work(monkeypatch):
    """Small plans keep to one thread; here they use what they are given."""
    monkeypatch.setattr("cinfer.plan.plan.FEW_FLOPS", -1)


# ---- random models

@pytest.mark.parametrize("block", range(12))
def test_one_session_answers_as_numpy_whatever_it_was_fed_before(block, threads_for_any_work):
    for seed in range(25 * block, 25 * block + 25):
        lists = bool(seed % 2)
        data = random_model(seed, 6 + seed % 9, lists)
        graph = read(data).graph
        one, two = cinfer.load(data, threads=1), cinfer.load(data, threads=2)
        before = []
        for number in range(4):
            where = f"seed {seed}, feeds {number}"
            feeds = random_feeds(100 * seed + number, lists)
            kept = pickle.dumps(feeds)
            want, got = evaluate(graph, feeds), one.run(None, feeds)
            for name, y, w in zip(graph.outputs, got, want, strict=True):
                assert same(y, w), f"{where}: {name} is {y}, not {w}"
            assert all(same(y, w, True) for y, w in zip(two.run(None, feeds), got)), f"{where}: two threads differ"
            assert pickle.dumps(feeds) == kept, f"{where}: a feed was written to"
            before += arrays(got)
            assert own_memory([*before, *arrays(list(feeds.values()))]), f"{where}: memory is shared"
            for x in arrays(got):                   # the caller's now: what is written there changes no later run
                x[...] = 1


@pytest.mark.parametrize("block", range(4))
def test_any_values_can_be_asked_for(block):
    for seed in range(10 * block, 10 * block + 10):
        lists = bool(seed % 2)
        data, feeds = random_model(seed, 6 + seed % 9, lists), random_feeds(seed, lists)
        session, rng = cinfer.load(data), np.random.default_rng(seed)
        values = values_of(read(data).graph, feeds)
        names = [name for name in values if name]
        for _ in range(8):
            asked = list(rng.choice(names, 3))
            got = session.run(asked, feeds)
            assert all(same(y, values[name]) for y, name in zip(got, asked)), f"seed {seed}: {asked}"
            assert own_memory([*arrays(got), *arrays(list(feeds.values()))]), f"seed {seed}: {asked} share memory"


def test_python_threads_at_once_get_their_own_answers():
    for seed in (3, 36, 41):
        lists, wrong = bool(seed % 2), []
        data = random_model(seed, 12, lists)
        graph, session = read(data).graph, cinfer.load(data, threads=1)

        def work(number):
            for i in range(25):
                feeds = random_feeds(40 * number + i, lists)
                if not all(map(same, session.run(None, feeds), evaluate(graph, feeds))):
                    wrong.append((number, i))
                if i % 9 == 0:
                    session.trim()
        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not wrong, f"seed {seed}: {wrong}"


def test_a_copy_of_a_session_gives_the_same():
    for seed in (10, 21):
        data, feeds = random_model(seed, 12, bool(seed % 2)), random_feeds(seed, bool(seed % 2))
        session = cinfer.load(data)
        copy = pickle.loads(pickle.dumps(session))
        assert all(same(y, w, True) for y, w in zip(copy.run(None, feeds), session.run(None, feeds)))


# ---- what is found between parts

def test_elements_of_a_list_that_a_loop_makes_are_there_for_what_follows():
    session = cinfer.load(written("""g (float[n] x, int64 m) => (float y, float z) {
        none = SequenceEmpty ()
        s = Loop <body = b (int64 i, bool c, seq(float[n]) a) => (bool d, seq(float[n]) e) {
            d = Identity (c)  f = Cast <to = 1> (i)  g = Add (x, f)  e = SequenceInsert (a, g) }> (m, , none)
        last = Constant <value = int64 {-1}> ()
        y = SequenceAt (s, last)  z = ConcatFromSequence <axis = 0> (s) }"""))
    x = F([1, 2])
    for m in (1, 3, 2, 1):
        y, z = session.run(None, {"x": x, "m": np.array(m)})
        assert y.tolist() == [m, m + 1] and z.tolist() == [i + v for i in range(m) for v in (1, 2)]
    with pytest.raises(cinfer.InputError, match="SequenceAt 'y': position -1 in a sequence of 0; there is none"):
        session.run(None, {"x": x, "m": np.array(0)})


def test_elements_have_names_that_no_other_value_has():
    """The file's s[0] is not the first element of s."""
    data = written("""g (float[n] x) => (float y) {
        NAME = Neg (x)  s = SplitToSequence (x)  t = ConcatFromSequence <axis = 0> (s)  y = Add (t, NAME) }""")
    assert cinfer.load(data.replace(b"NAME", b"s[0]"))(F([1, 2])).tolist() == [0, 0]


LOOP_OF_NO_TURN = """g (float[n] x, bool go, int64 turns) => (float w, float y, bool z) {
    w, stay = If (go) <then_branch = t () => (float[n] r, bool s) { r = Neg (x)  s = Not (go) },
                       else_branch = u () => (float[n] r, bool s) { r = Abs (x)  s = Identity (go) }>
    y, z = Loop <body = b (int64 i, bool c, float[n] a, bool p) => (bool d, float[n] e, bool q)
        { d = Identity (c)  e = Add (a, a)  q = Not (p) }> (turns, , w, stay) }"""


def test_what_a_loop_without_turns_hands_on_is_the_callers():
    """Its inputs are its outputs: another output, and a value that the plan keeps, as it is for a certain branch."""
    session, x = cinfer.load(written(LOOP_OF_NO_TURN)), F([-1, 2, 3])
    for turns in (0, 0, 1, 0):
        w, y, z = session.run(None, {"x": x, "go": np.array(True), "turns": np.array(turns)})
        assert w.tolist() == [1, -2, -3] and y.tolist() == [1 << turns, -2 << turns, -3 << turns]
        assert z.item() is bool(turns) and own_memory([x, w, y])
        y[...], z[...] = 7, True


TWICE = """g (float[n] x) => (seq(float[m]) s, optional(float) o, float v) {
    s = SplitToSequence (x)  o = Optional <type = float[n]> ()  v = Identity (x) }"""


def test_an_output_may_be_asked_for_twice():
    session, x = cinfer.load(written(TWICE)), F([1, 2])
    s, t, o, p, v, w, fed = session.run(["s", "s", "o", "o", "v", "v", "x"], {"x": x})
    assert o is p is None and s == t == [1, 2]
    assert own_memory([x, v, w, fed, *s, *t])


# ---- ends

BODIES = {
    "kernels": "b = Relu (a)",
    "nothing": "b = Identity (a)",
    "numpy": "b = Hardmax (a)",
    "a size of each turn": "z = Constant <value = int64 {0}> ()  o = Constant <value = int64 {1}> ()  "
                           "r = Range (z, i, o)  f = Cast <to = 1> (r)  s = ReduceSum (f)  b = Add (a, s)",
    "values that grow": "o = Constant <value = float[1] {1}> ()  b = Concat <axis = 0> (a, o)",
    "another loop": "b = Loop <body = v (int64 j, bool e, float[n] p) => (bool f, float[n] q) "
                    "{ f = Identity (e)  q = Abs (p) }> (, , a)",
}


@pytest.mark.parametrize("name", BODIES)
def test_an_endless_loop_can_be_ended(name):
    session = cinfer.load(written(f"""g (float[n] x) => (float y) {{
        y = Loop <body = h (int64 i, bool c, float[n] a) => (bool d, float[n] b)
        {{ d = Identity (c)  {BODIES[name]} }}> (, , x) }}"""))
    feeds, begin = {"x": F([1, 2, 3])}, time.monotonic()
    with pytest.raises(cinfer.Cancelled, match="^timeout: "):
        session.run(None, feeds, timeout=0.2)
    threading.Timer(0.2, session.cancel).start()
    with pytest.raises(cinfer.Cancelled, match="^the run was cancelled"):
        session.run(None, feeds, timeout=60)
    assert time.monotonic() - begin < 10
    assert session.run(["x"], feeds)[0].tolist() == [1, 2, 3]
    closing = threading.Timer(0.2, session.close)       # which waits for it
    closing.start()
    with pytest.raises(cinfer.Cancelled, match="^timeout: "):
        session.run(None, feeds, timeout=0.4)
    closing.join()
    with pytest.raises(cinfer.Error, match="session is closed"):
        session.run(None, feeds)


@pytest.mark.parametrize("inside, message", [
    ("w = Constant <value = float[2, 2] {1, 2, 3, 4}> ()  b = MatMul (a, w)", "MatMul 'b': shapes [3] and [2, 2]"),
    ("w = Constant <value = int64[1] {7}> ()  b = Gather (a, w)", "Gather 'b': index 7 into axis 0 of size 3"),
    ("e = SequenceEmpty ()  b = SequenceAt (e, i)", "SequenceAt 'b': position 0 in a sequence of 0"),
    ("n = NonZero (a)  b = Reshape (n, n)", "Reshape 'b': "),
])
def test_an_error_inside_a_loop_names_the_node(inside, message):
    session = cinfer.load(written(f"""g (float[n] x) => (float y) {{ y = Loop
        <body = h (int64 i, bool c, float[n] a) => (bool d, float b) {{ d = Identity (c)  {inside} }}> (, , x) }}"""))
    with pytest.raises(cinfer.Error) as caught:
        session.run(None, {"x": F([1, 2, 3])})
    assert message in str(caught.value) and "Loop 'y'" in str(caught.value) and "\n" not in str(caught.value)


# ---- memory

MANY_SIZES = """g (float[n] x) => (float y) {
    found = NonZero (x)  first = Constant <value = int64[1] {0}> ()  at = Squeeze (found, first)
    some = Gather (x, at)  one = Constant <value = int64 {1}> ()  parts = SplitToSequence (some, one)
    more = SequenceInsert (parts, x)  y = ConcatFromSequence <axis = 0> (more) }"""


def ones(size: int, count: int) -> dict:
    x = np.zeros(size, F)
    x[:count] = 1
    return {"x": x}


def test_plans_of_all_parts_are_few_and_all_go(monkeypatch):
    monkeypatch.setattr(kept, "KEPT_BYTES", 200_000)
    session = cinfer.load(written(MANY_SIZES))
    sizes = []
    for i in range(300):
        size, count = 20 + i // 15, i % 15 + 1
        assert session.run(None, ones(size, count))[0].shape == (size + count,)
        sizes.append(sum(plan.kept_bytes for plan in session._plans.routines.values()))
    assert max(sizes) <= 200_000 and len(session._plans.routines) < 60
    readies = session._graph.prepared.shared.ready
    assert len(readies) <= 10 and len(session._packed.of_node) <= 40        # none for the nodes of one size
    session.trim()
    gc.collect()
    assert not session._plans.routines and not session._packed.of_node


def test_a_plan_goes_with_those_that_follow_it():
    session = cinfer.load(written(MANY_SIZES))
    for count in (1, 2, 3):
        session.run(None, ones(8, count))
    first = next(key for key in session._plans.routines if isinstance(key[0], tuple))
    assert len(session._plans.routines) == 4 and session._plans.drop(first) > 0 and not session._plans.routines
    assert session._plans.drop(first) == 0
    assert session.run(None, ones(8, 2))[0].shape == (10,)


def test_the_parts_of_one_run_are_kept_however_large(monkeypatch):
    monkeypatch.setattr(kept, "KEPT_BYTES", 1)
    session = cinfer.load(written("""g (float[n] x) => (int64 y) {
        a = NonZero (x)  b = Abs (a)  c = NonZero (b)  d = Abs (c)  y = NonZero (d) }"""))
    feeds = [ones(9, count) for count in (3, 9)]
    for each in (*feeds, *feeds):
        session.run(None, each)
        made = list(session._plans.routines.values())
        session.run(None, each)
        assert len(made) == 3 and set(made) == set(session._plans.routines.values())


def test_a_body_stays_beside_what_is_behind_its_loop(monkeypatch):
    monkeypatch.setattr(kept, "KEPT_BYTES", 1)
    session = cinfer.load(written("""g (float[n] x, int64 m) => (float y) {
        l = Loop <body = b (int64 i, bool c, float[k] a) => (bool d, float[k] e)
            { d = Identity (c)  e = Relu (a) }> (m, , x)
        y = Abs (l) }"""))
    feeds = {**ones(5, 2), "m": np.array(3)}
    session.run(None, feeds)
    made = set(session._plans.routines.values())
    session.run(None, feeds)
    assert made == set(session._plans.routines.values())


@pytest.mark.parametrize("kind", ["float", "float16", "bfloat16", "double", "bool", "uint8", "int16", "int64"])
@pytest.mark.parametrize("shape", [(), (0,), (7,), (3, 0, 2), (5, 1, 7), (300, 200), (2, 1, 3, 1, 2, 1, 2, 1, 2)])
def test_places_of_what_is_not_zero(kind, shape):
    session = cinfer.load(written(f"g ({kind}[{', '.join(map(str, shape))}] x) => (int64 y) "
                                  "{ f = Identity (x)  y = NonZero (f) }"))
    x = np.random.default_rng(0).integers(0, 3, shape).astype(session.inputs[0].dtype)
    y, = session.run(None, {"x": x})
    want = np.array(np.nonzero(x)) if shape else np.zeros((0, np.count_nonzero(x)))
    assert y.dtype == np.int64 and y.base is None
    np.testing.assert_array_equal(y, want)


def test_max_memory_holds_for_what_nodes_between_parts_give():
    session = cinfer.load(written("g (float[n] x) => (int64 y) { y = NonZero (x) }"), max_memory=5_000)
    assert session.run(None, ones(100_000, 3))[0].shape == (1, 3)
    with pytest.raises(cinfer.LimitError, match="model: NonZero 'y' brings .* max_memory is 5000; it gives 'y' 1x900"):
        session.run(None, ones(100_000, 900))
    assert session.run(None, ones(100_000, 3))[0].shape == (1, 3)


def test_an_error_between_parts_names_the_file(tmp_path):
    path = tmp_path / "branch.onnx"
    path.write_bytes(written("""g (float[n] x, bool[m] c) => (float y) {
        y = If (c) <then_branch = t () => (float[n] r) { r = Relu (x) }, else_branch = u () => (float[n] r)
            { r = Abs (x) }> }"""))
    with pytest.raises(cinfer.Error, match="^branch.onnx.* If 'y': the condition has shape"):
        cinfer.load(path).run(None, {"x": np.ones(2, F), "c": np.array([True, True])})


def test_max_memory_holds_for_later_parts():
    session = cinfer.load(written("""g (float[n] x) => (float y) {
        found = NonZero (x)  f = Cast <to = 1> (found)  t = Transpose (f)  y = Mul (t, f) }"""), max_memory=50_000)
    assert session.run(None, ones(200, 3))[0].shape == (3, 3)
    with pytest.raises(cinfer.LimitError, match="max_memory is 50000; the largest values are 'y' 200x200"):
        session.run(None, ones(200, 200))
    assert session.run(None, ones(200, 3))[0].shape == (3, 3)


# ---- what a session says

def test_profile_has_rows_for_nodes_between_parts():
    session = cinfer.load(written("""g (float[n] x) => (float y) {
        r = Relu (x)  found = NonZero (r)  f = Cast <to = 1> (found)  m = Constant <value = int64 {3}> ()
        y = Loop <body = b (int64 i, bool c, float[k, n] a) => (bool d, float[k, n] e)
            { d = Identity (c)  e = Add (a, a) }> (m, , f) }"""))
    profile = session.profile(ones(9, 4), runs=2)
    operators = [row.operator for row in profile.rows]
    assert [o for o in operators if o != "copy"] == ["Relu", "NonZero", "Cast", "Loop", "Loop"]
    assert [row.kernel for row in profile.rows if row.operator == "Loop"] == ["zip", "numpy"]
    assert abs(sum(row.ms for row in profile.rows) + profile.other_ms - profile.total_ms) < 1e-9
    assert session.profile(runs=1).rows


def test_what_is_known_ahead_is_known_of_tensors_alone():
    session = cinfer.load(written("g (seq(float[n]) s, float[n] x) => (float y) "
                                  "{ t = SequenceInsert (s, x)  y = ConcatFromSequence <axis = 0> (t) }"))
    assert session.inputs[0].dtype is None and session.summary() is None
    for call in (session.memory, session.profile, lambda: session.warmup({"x": (2,)}),
                 lambda: session.summary({"x": (2,)})):
        with pytest.raises(cinfer.InputError, match="input 's' takes sequence of float32 n; "):
            call()
    feeds = {"s": [F([1]), F([2])], "x": F([3])}
    assert session.run(None, feeds)[0].tolist() == [1, 2, 3] and session.profile(feeds, 1).rows


def test_inputs_with_a_default_decide_about_later_parts():
    session = cinfer.load(written("""g (float[n] x, int64 m) => (float y) <int64 m = {2}> {
        found = NonZero (x)  f = Cast <to = 1> (found)
        y = Loop <body = b (int64 i, bool c, float[k, n] a) => (bool d, float[k, n] e)
            { d = Identity (c)  e = Concat <axis = 1> (a, a) }> (m, , f) }"""))
    for feeds, columns in (({}, 8), ({"m": np.array(0)}, 2), ({"m": np.array(3)}, 16), ({}, 8)):
        assert session.run(None, {"x": F([0, 1, 1]), **feeds})[0].shape == (1, columns)


def test_halves_go_through_branches_and_loops():
    runtime = pytest.importorskip("onnxruntime")
    data = written("""g (float16[n, 2] x) => (float16 z, float16 y, float16 rows, int64 found) {
        one = Constant <value = float {1}> ()  half = Cast <to = 10> (one)
        zero = Sub (half, half)  wide = Constant <value = float[2, 2] {1, 2, 3, -1}> ()  w = Cast <to = 10> (wide)
        s = ReduceSum <keepdims = 0> (x)  q = Greater (s, zero)  m = Constant <value = int64 {2}> ()
        z = If (q) <then_branch = t () => (float16[n, 2] b) { b = Add (x, x) },
                    else_branch = e () => (float16[n, 2] b) { b = MatMul (x, w) }>
        y, rows = Loop <body = l (int64 i, bool c, float16[n, 2] a) => (bool d, float16[n, 2] b, float16[n, 2] r)
            { d = Identity (c)  b = Add (a, x)  r = Relu (b) }> (m, , z)
        found = NonZero (z) }""")
    session, other = cinfer.load(data), runtime.InferenceSession(data, providers=["CPUExecutionProvider"])
    for x in ([[1, 2], [3, 0]], [[-1, -2], [-3, 0]], [[0, 0]]):
        feeds = {"x": np.float16(x)}
        assert all(same(y, w, True) for y, w in zip(session.run(None, feeds), other.run(None, feeds)))


@pytest.mark.parametrize("count", [0, 2])
def test_a_loop_without_a_turn_has_the_rank_of_what_a_turn_would_give(count):
    from onnx import helper as h
    value = h.make_tensor_value_info
    body = h.make_graph([h.make_node("Mul", ["x", "x"], ["s"]), h.make_node("Identity", ["c"], ["c2"])], "body",
                        [value("i", 7, []), value("c", 9, [])], [value("c2", 9, []), value("s", 1, None)])
    graph = h.make_graph([h.make_node("Loop", ["n", ""], ["y"], body=body), h.make_node("Neg", ["y"], ["z"])], "g",
                         [value("n", 7, []), value("x", 1, [3, "w"])], [value("z", 1, None)])
    model = h.make_model(graph, opset_imports=[h.make_opsetid("", 17)], ir_version=9)
    z, = cinfer.load(model.SerializeToString()).run(None, {"n": np.array(count), "x": np.ones((3, 4), F)})
    assert z.shape == (count, 3, 4) and z.dtype == F


@pytest.mark.parametrize("count", [0, 3])
def test_a_scan_of_no_slices_has_the_rank_of_what_one_would_give(count):
    from onnx import helper as h
    value = h.make_tensor_value_info
    body = h.make_graph([h.make_node("Add", ["state", "slice"], ["next"]),
                         h.make_node("Transpose", ["slice"], ["out"])],
                        "body", [value("state", 1, None), value("slice", 1, None)],
                        [value("next", 1, None), value("out", 1, None)])
    node = h.make_node("Scan", ["s", "xs"], ["t", "ys"], body=body, num_scan_inputs=1, scan_output_axes=[1])
    graph = h.make_graph([node], "g", [value("s", 1, [4, 5]), value("xs", 1, ["n", 4, 5])],
                         [value("t", 1, None), value("ys", 1, None)])
    model = h.make_model(graph, opset_imports=[h.make_opsetid("", 17)], ir_version=9)
    t, ys = cinfer.load(model.SerializeToString()).run(None, {"s": np.ones((4, 5), F), "xs": np.ones((count, 4, 5), F)})
    assert t.shape == (4, 5) and ys.shape == (5, count, 4)

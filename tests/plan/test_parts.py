"""Parts for sizes that are found during a run: by formulas and recordings they are to the last parameter those that
are bound, placed and emitted anew."""
import numpy as np
import pytest

pytest.importorskip("onnx")

import cinfer
from cinfer.errors import Error
from cinfer.plan import bind as binding
from cinfer.plan import plan as planning
from cinfer.plan.bind import Prepared
from cinfer.plan.choices import place as place_values
from cinfer.plan.emit import Emitter
from cinfer.plan.recording import Replayed
from cinfer.plan.resolve import Made
from cinfer.plan.store import Store
from cinfer.plan.tiles import Tiles

from dynamic_graphs import random_feeds, random_model
from onnx_models import Model
from test_recording import described
from written import written

F = np.float32


def plain(node):
    """What a node says, where it was made for these sizes."""
    return (node.op_type, node.inputs, node.outputs, node.attributes) if type(node) is Made else node


def told(bound, emitter, table) -> list:
    """All that a plan tells, and its rest."""
    steps = [tuple(plain(x) if hasattr(x, "op_type") else x for x in each) if type(each) is tuple else each
             for each in described(table, emitter)]
    rest = bound.rest
    behind = rest and (list(map(plain, rest.graph.nodes)), rest.outputs, [plain(e.node) for e in rest.evaluated],
                       rest.needed, rest.arrays, rest.known, rest.found,
                       sorted((name, array.tobytes()) for name, array in rest.graph.constants.items()))
    return [list(map(plain, bound.nodes)), bound.inputs, bound.outputs, behind, steps]


class Watch:
    """Compares each plan that comes from formulas with one that is made anew. formulas, replayed : how many did"""

    def __init__(self, monkeypatch):
        self.formulas = self.replayed = 0
        self.bind, self.emitted = planning.bind, planning.emitted
        monkeypatch.setattr(planning, "bind", self.bound)
        monkeypatch.setattr(planning, "emitted", self.checked)

    def bound(self, graph, inputs, outputs, given):
        self.asked = graph, inputs, outputs, given
        return self.bind(graph, inputs, outputs, given)

    def checked(self, bound, table, threads, store):
        graph, inputs, outputs, given = self.asked
        if bound.formulas is None or given is None and bound.rest is None:
            return self.emitted(bound, table, threads, store)
        self.formulas += 1
        want = Prepared(graph).by_nodes(inputs, outputs, given)
        for name, fact in want.facts.items():
            assert bound.facts[name] == fact, f"{name}: {bound.facts[name]}, node by node {fact}"
        anew = Emitter(place_values(want, table, Tiles(threads), Store(table, threads, store.any_size)))
        anew.run()
        found = self.emitted(bound, table, threads, store)
        self.replayed += type(found) is Replayed
        assert told(bound, found, table) == told(want, anew, table)
        return self.emitted(bound, table, threads, store)       # the other one has been laid out


@pytest.fixture
def watch(monkeypatch):
    return Watch(monkeypatch)


def alike(a, b) -> bool:
    if isinstance(a, list):
        return len(a) == len(b) and all(map(alike, a, b))
    return a is b if a is None or b is None else a.tobytes() == b.tobytes() and a.shape == b.shape


def run(data: bytes, feeds, threads: int = 1) -> None:
    """A session gives for these feeds, one after the other, what a new one gives."""
    session = cinfer.load(data, threads=threads)
    for number, each in enumerate(feeds):
        try:
            want = cinfer.load(data, threads=threads).run(None, each)
        except Error as error:
            with pytest.raises(type(error)):
                session.run(None, each)
            continue
        assert alike(session.run(None, each), want), f"feeds {number}"


@pytest.mark.parametrize("block", range(3))
def test_random_models(block, watch):
    for seed in range(10 * block, 10 * block + 10):
        data = random_model(seed, 6 + seed % 9, lists=False)
        try:
            run(data, (random_feeds(100 * seed + i, False) for i in range(9)), 1 + seed % 2)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error
    assert watch.formulas > 20 and watch.replayed > 0


# as detectors end: the best of what is found of each class, all joined, and nothing else where there is none
DETECTOR = """g (float[3, n] scores, float[n, 4] boxes) => (float[m, 4] y, float[m] s) {
    zero = Constant <value = int64 {0}> ()  zeros = Constant <value = int64[1] {0}> ()
    one = Constant <value = int64[1] {1}> ()  most = Constant <value = int64[1] {5}> ()
    flat = Constant <value = int64[1] {-1}> ()  least = Constant <value = float {0.5}> ()
    a, b, c = Split <axis = 0, num_outputs = 3> (scores)
    %s
    all = Concat <axis = 0> (ya, yb, yc)  s = Concat <axis = 0> (sa, sb, sc)
    labels = Concat <axis = 0> (la, lb, lc)
    shape = Shape (all)  size = ReduceProd <keepdims = 0> (shape)  none = Equal (size, zero)
    y = If (none) <
        then_branch = p () => (float[m, 4] p) { p = Identity (all) },
        else_branch = q () => (float[m, 4] q) {
            top = ReduceMax <keepdims = 0> (all)  k = Cast <to = 1> (labels)  k1 = Unsqueeze (k, one)
            far = Mul (k1, top)  q = Add (all, far) }> }"""
EACH = """row{0} = Reshape ({0}, flat)  hit{0} = Greater (row{0}, least)  at{0} = NonZero (hit{0})
    in{0} = Transpose <perm = [1, 0]> (at{0})  found{0} = GatherND (row{0}, in{0})  box{0} = GatherND (boxes, in{0})
    count{0} = Shape (found{0})  both{0} = Concat <axis = 0> (count{0}, most)
    min{0} = ReduceMin <keepdims = 0> (both{0})
    k{0} = Reshape (min{0}, flat)  s{0}, i{0} = TopK (found{0}, k{0})  y{0} = Gather (box{0}, i{0})
    n{0} = Shape (s{0})  l{0} = ConstantOfShape <value = int64[1] {{{1}}}> (n{0})"""


def detections(counts, rng, n: int = 40) -> dict:
    """Feeds in which so many are found of each class."""
    scores = np.zeros((3, n), F)
    for row, count in zip(scores, counts):
        row[rng.permutation(n)[:count]] = rng.uniform(0.6, 1, count)
    return {"scores": scores, "boxes": rng.uniform(0, 9, (n, 4)).astype(F)}


def test_what_detectors_find(watch):
    data, rng = written(DETECTOR % "\n".join(EACH.format(name, i) for i, name in enumerate("abc"))), \
        np.random.default_rng(0)
    many = [(int(a), int(b), int(c)) for a, b, c in rng.integers(2, 30, (12, 3))]
    run(data, (detections(counts, rng) for counts in many))
    assert watch.formulas >= 10 and watch.replayed >= 7
    few = [(0, 0, 0), (1, 0, 3), (0, 9, 9), (0, 8, 7), (1, 1, 1), (0, 2, 30), (3, 1, 2), (0, 30, 1), (0, 0, 5),
           (0, 0, 6)]
    run(data, (detections(counts, rng) for counts in [*many, *few, *few]))
    run(data, (detections(counts, rng, n) for n in (30, 31, 32, 33, 34, 35) for counts in many[:4]))
    assert watch.replayed >= 40


def test_formulas_are_few_and_go(watch):
    data, rng = written(DETECTOR % "\n".join(EACH.format(name, i) for i, name in enumerate("abc"))), \
        np.random.default_rng(0)
    session = cinfer.load(data)
    for counts in rng.integers(0, 3, (60, 3)):
        session.run(None, detections(counts, rng))
    shared = session._graph.prepared.shared
    assert 2 < shared.formulas <= binding.MOST_FORMULAS
    assert all(len(each.seen) <= binding.MOST_SEEN for each in shared.with_formulas)
    assert len(session._packed.choices) <= shared.formulas
    session.trim()
    assert shared.formulas == 0 and not session._packed.choices and not session._packed.recordings
    session.run(None, detections((4, 5, 6), rng))


def test_a_size_that_changes_late_is_taken_in(watch):
    """Of what an evaluated node gives nothing is known before: what has not changed is taken for fixed, until it
    does."""
    m = Model()
    x = m.input("x", 1, 8, declared=("r", "n"))
    rows, columns = (m.input(name, 1, dtype=np.int64) for name in ("rows", "columns"))
    part = m.Slice(x, np.array([0, 0]), m.Concat(rows, columns, axis=0), np.array([0, 1]))
    data = m.outputs(m.Relu(m.Add(part, np.float32(1)))).bytes()
    x = np.arange(64, dtype=F).reshape(8, 8)
    run(data, ({"x": x, "rows": np.array([r]), "columns": np.array([c])}
               for r, c in [(8, 3), (8, 4), (8, 5), (8, 6), (7, 6), (6, 5), (5, 4), (4, 3), (3, 2), (1, 1), (0, 4)]))
    assert watch.formulas >= 6 and watch.replayed > 0


def test_values_that_are_needed(watch):
    """The k of TopK may be another each time; a branch that a truth value decides is planned for it."""
    data = written("""g (float[n] x, int64[1] k, bool c) => (float[m] y) {
        s, i = TopK (x, k)  y = If (c) <then_branch = p () => (float[m] p) { p = Relu (s) },
                                        else_branch = q () => (float[m] q) { q = Neg (s) }> }""")
    x = np.random.default_rng(0).standard_normal(20).astype(F)
    run(data, ({"x": x, "k": np.array([3 + i]), "c": np.array(i % 3 > 0)} for i in range(16)))
    assert watch.formulas >= 10 and watch.replayed > 0

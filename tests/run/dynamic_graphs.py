"""Random models of which sizes, branches, turns and lengths depend on what they compute.

All numbers are small integers, so that NumPy and kernels agree on each comparison; what a 3x3 Conv gives is rounded
before anything depends on it. Values are of few kinds: an image, rows of four, counts, flags, lists of rows, and
rows that may be missing. An operator takes and gives these kinds, so any sequence of operators is a model.
"""
from __future__ import annotations

from copy import copy
from itertools import count as counting
from random import Random

import numpy as np
from onnx import TensorProto, helper, numpy_helper

FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL
ROWS = helper.make_tensor_type_proto(FLOAT, [None, 4])
TYPES = {
    "image": helper.make_tensor_type_proto(FLOAT, [1, 3, None, None]),
    "rows": ROWS,
    "row": helper.make_tensor_type_proto(FLOAT, [4]),
    "count": helper.make_tensor_type_proto(INT64, [1]),
    "number": helper.make_tensor_type_proto(INT64, []),
    "flag": helper.make_tensor_type_proto(BOOL, []),
    "list": helper.make_sequence_type_proto(ROWS),
    "maybe": helper.make_optional_type_proto(ROWS),
}
LASTING = ("image", "rows", "count", "flag", "list", "maybe")       # kinds that operators choose among


class Scope:
    """A graph that grows. outer : kind -> names of values around it; depth : how many graphs may be within;
    numbers : of names; again : whether graphs beside each other and what stands behind them use the same ones"""

    def __init__(self, rng: Random, outer: dict[str, list[str]], depth: int, numbers, again: bool):
        self.rng, self.depth, self.numbers, self.again = rng, depth, numbers, again
        self.values = {kind: list(names) for kind, names in outer.items()}
        self.nodes, self.constants = [], []

    # ---- writing

    def name(self) -> str:
        return f"t{next(self.numbers)}"

    def constant(self, array) -> str:
        name = self.name()
        tensor = numpy_helper.from_array(np.asarray(array, order="C"), name)
        if self.rng.random() < .5:
            self.constants.append(tensor)
        else:
            self.nodes.append(helper.make_node("Constant", [], [name], value=tensor))
        return name

    def op(self, op_type: str, *inputs, n: int = 1, **attributes):
        names = [x if isinstance(x, str) else "" if x is None else self.constant(x) for x in inputs]
        outputs = [self.name() for _ in range(n)]
        self.nodes.append(helper.make_node(op_type, names, outputs, **attributes))
        return outputs[0] if n == 1 else outputs

    def some(self, kind: str) -> str:
        return self.rng.choice(self.values[kind])

    def put(self, kind: str, name: str) -> str:
        self.values[kind].append(name)
        return name

    def graph(self, name: str, inputs: list, outputs: list):
        """inputs, outputs : (kind, name)"""
        infos = [[helper.make_value_info(n, TYPES[kind]) for kind, n in ports] for ports in (inputs, outputs)]
        return helper.make_graph(self.nodes, name, *infos, self.constants)

    def inner(self) -> Scope:
        return Scope(self.rng, self.values, self.depth - 1, copy(self.numbers) if self.again else self.numbers,
                     self.again)

    def grow(self, steps: int) -> Scope:
        kinds = [step for step in STEPS if self.depth > 0 or step not in NESTED]
        for _ in range(steps):
            self.rng.choice(kinds)(self)
        return self


INT = np.int64


def weights(g: Scope, *shape) -> np.ndarray:
    return np.random.default_rng(g.rng.randrange(1 << 30)).integers(-1, 2, shape).astype(np.float32)


def small(g: Scope, x: str) -> str:
    return g.op("Clip", x, np.float32(-9), np.float32(9))


def total(g: Scope, rows: str) -> str:
    """A row: the sum of all."""
    return small(g, g.op("ReduceSum", rows, INT([0]), keepdims=0))


def size(g: Scope, rows: str) -> str:
    return g.op("Slice", g.op("Shape", rows), INT([0]), INT([1]))


def least(g: Scope, rows: str, most: int) -> str:
    """rows, not too many."""
    return g.op("Slice", rows, INT([0]), INT([most]), INT([0]))


def position(g: Scope, values: str) -> str:
    """A place in a list that is not empty."""
    length = g.op("SequenceLength", values)
    return g.op("Mod", g.op("Squeeze", g.some("count"), INT([0])), length)


# ---- sizes that depend on data

def image(g: Scope):
    x = g.some("image")
    what = g.rng.randrange(6)
    if what == 0:
        x = g.op("Relu", x)
    elif what == 1:
        x = g.op("Conv", x, weights(g, 3, 3, 3, 3), pads=[1] * 4)
        x = small(g, g.op("Round", x))
    elif what == 2:
        x = small(g, g.op("Conv", g.op("Concat", x, g.op("Relu", x), axis=1), weights(g, 3, 6, 1, 1)))
    elif what == 3:
        side = g.op("Add", g.op("Concat", g.some("count"), g.some("count"), axis=0), INT([2, 1]))
        sizes = g.op("Concat", INT([1, 3]), side, axis=0)
        x = g.op("Resize", x, None, None, sizes, mode="nearest", coordinate_transformation_mode="asymmetric",
                 nearest_mode="floor")
    elif what == 4:
        end = g.op("Add", g.some("count"), INT([1]))
        x = g.op("Slice", x, INT([0]), end, INT([g.rng.choice((2, 3))]))
    else:
        weight = g.op("Slice", total(g, g.some("rows")), INT([0]), INT([3]))
        x = small(g, g.op("Add", x, g.op("Reshape", weight, INT([1, 3, 1, 1]))))
    g.put("image", x)


def rows_of_image(g: Scope):
    x = small(g, g.op("Conv", g.some("image"), weights(g, 4, 3, 1, 1)))
    x = g.op("Reshape", g.op("Transpose", x, perm=[0, 2, 3, 1]), INT([-1, 4]))
    g.put("rows", least(g, g.op("Round", x), 7))


def rows(g: Scope):
    x, y = g.some("rows"), g.some("rows")
    what = g.rng.randrange(9)
    if what == 0:
        x = small(g, g.op("MatMul", x, weights(g, 4, 4)))
    elif what == 1:
        x = least(g, g.op("Concat", x, y, axis=0), 12)
    elif what == 2:
        x = g.op("Slice", x, g.op("Sub", g.some("count"), INT([1])), INT([9]), INT([0]))
    elif what == 3:
        above = g.op("Greater", g.op("ReduceSum", x, INT([1]), keepdims=0), np.float32(g.rng.randint(-3, 9)))
        x = g.op("Compress", x, above, axis=0)
    elif what == 4:
        k = g.op("Min", g.some("count"), size(g, x))
        x = g.op("TopK", x, k, n=2, axis=0)[0]
    elif what == 5:
        x = g.op("Unique", x, axis=0) if g.rng.random() < .5 else g.op("Unique", x, n=4, axis=0, sorted=0)[0]
    elif what == 6:
        found = g.op("NonZero", g.op("Greater", x, np.float32(g.rng.randint(0, 8))))
        at = g.op("Squeeze", g.op("Slice", found, INT([0]), INT([1]), INT([0])), INT([0]))
        x = least(g, g.op("Gather", x, at), 12)
    elif what == 7:
        shape = g.op("Concat", size(g, x), INT([2, 2]), axis=0)
        x = g.op("Reshape", g.op("Relu", g.op("Reshape", x, shape)), INT([-1, 4]))
    else:
        boxes = g.op("Unsqueeze", x, INT([0]))
        scores = g.op("Unsqueeze", g.op("ReduceSum", x, INT([1]), keepdims=0), INT([0, 1]))
        found = g.op("NonMaxSuppression", boxes, scores, INT(5), np.float32(.3), np.float32(g.rng.randint(-5, 9)))
        at = g.op("Squeeze", g.op("Slice", found, INT([2]), INT([3]), INT([1])), INT([1]))
        x = g.op("Gather", x, at)
    g.put("rows", x)


def count(g: Scope):
    what = g.rng.randrange(4)
    if what == 0:
        x = size(g, g.some("rows"))
    elif what == 1:
        x = g.op("ReduceSum", g.op("Cast", g.op("Greater", g.some("rows"), np.float32(2)), to=INT64),
                 INT([0, 1]), keepdims=0)
        x = g.op("Unsqueeze", x, INT([0]))
    elif what == 2:
        x = g.op("Unsqueeze", g.op("SequenceLength", g.some("list")), INT([0]))
    else:
        x = g.op("Add", g.some("count"), g.some("count"))
    g.put("count", g.op("Mod", x, INT([g.rng.randint(2, 5)])))


def flag(g: Scope):
    what = g.rng.randrange(3)
    if what == 0:
        x = g.op("Greater", g.op("Squeeze", g.some("count"), INT([0])), INT(g.rng.randint(0, 2)))
    elif what == 1:
        x = g.op(g.rng.choice(("And", "Or", "Xor")), g.some("flag"), g.op("Not", g.some("flag")))
    else:
        x = g.op("OptionalHasElement", g.some("maybe"))
    g.put("flag", x)


# ---- lists, and what may be missing

def list_(g: Scope):
    x, what = g.some("list"), g.rng.randrange(6)
    if what == 0:
        x = g.op("SequenceConstruct", *(g.some("rows") for _ in range(g.rng.randint(1, 3))))
    elif what == 1:
        x = g.op("SequenceEmpty")
    elif what == 2:
        x = g.op("SequenceInsert", x, g.some("rows"))
        x = g.op("SequenceInsert", x, g.some("rows"), position(g, x))
    elif what == 3:
        x = g.op("SequenceInsert", x, g.some("rows"), INT(0))
        x = g.op("SequenceErase", x, *([position(g, x)] if g.rng.random() < .5 else []))
    elif what == 4:
        split = g.rng.choice((INT(2), g.op("Squeeze", g.op("Add", g.some("count"), INT([1])), INT([0]))))
        x = g.op("SplitToSequence", g.some("rows"), split, axis=0)
    else:
        x = g.op("Identity", x)
    g.put("list", x)


def rows_of_list(g: Scope):
    x = g.op("SequenceInsert", g.some("list"), g.some("rows"))
    if g.rng.random() < .5:
        x = g.op("SequenceAt", x, position(g, x))
    else:
        x = g.op("ConcatFromSequence", x, axis=0)
    g.put("rows", least(g, x, 12))


def maybe(g: Scope):
    if g.rng.random() < .7:
        x = g.op("Optional", g.some("rows"))
    else:
        x = g.op("Optional", type=ROWS)
    g.put("maybe", x)


def rows_of_maybe(g: Scope):
    x = g.some("maybe")
    there, other = g.inner(), g.inner()
    ends = [there.op("OptionalGetElement", x), other.op("Relu", g.some("rows"))]
    g.put("rows", g.op("If", g.op("OptionalHasElement", x), then_branch=there.graph("there", [], [("rows", ends[0])]),
                       else_branch=other.graph("other", [], [("rows", ends[1])])))


# ---- graphs within graphs

def if_(g: Scope):
    kinds = [g.rng.choice(LASTING) for _ in range(g.rng.randint(1, 3))]
    condition = g.some("flag") if g.rng.random() < .8 else np.array(g.rng.random() < .5)
    branches = [g.inner().grow(g.rng.randint(0, 3)) for _ in range(2)]
    graphs = []
    for branch in branches:
        ends = [(kind, branch.op("Identity", branch.some(kind))) for kind in kinds]
        graphs.append(branch.graph("branch", [], ends))
    results = g.op("If", condition, n=len(kinds), then_branch=graphs[0], else_branch=graphs[1])
    for kind, name in zip(kinds, [results] if len(kinds) == 1 else results):
        g.put(kind, name)


def loop(g: Scope):
    """At most five turns: by M, by the condition, or both."""
    kinds = [g.rng.choice(("rows", "rows", "image", "count", "list", "flag", "maybe"))
             for _ in range(g.rng.randint(1, 3))]
    starts = [g.some(kind) for kind in kinds]
    body = g.inner()
    turn, going = body.name(), body.name()
    carried = [body.name() for _ in kinds]
    for kind, name in zip(kinds, carried):
        body.put(kind, name)
    body.put("flag", going)
    body.put("count", body.op("Unsqueeze", turn, INT([0])))
    body.grow(g.rng.randint(1, 4))
    until = g.rng.randint(0, 4)
    again = body.op("Less", turn, INT(until)) if g.rng.random() < .5 else body.op("Identity", going)
    by_turns = g.rng.random() < .7 or body.nodes[-1].op_type == "Identity"
    ends = [("flag", again), *((kind, body.op("Identity", body.some(kind))) for kind in kinds)]
    scans = g.rng.randint(0, 2)
    ends += [("row", total(body, body.some("rows"))) for _ in range(scans)]
    graph = body.graph("body", [("number", turn), ("flag", going), *zip(kinds, carried)], ends)
    turns = g.op("Squeeze", g.some("count"), INT([0])) if g.rng.random() < .7 else INT(g.rng.randint(0, 3))
    condition = g.some("flag") if g.rng.random() < .3 else None
    results = g.op("Loop", turns if by_turns else None, condition, *starts, n=len(kinds) + scans, body=graph)
    results = [results] if len(kinds) + scans == 1 else results
    for kind, name in zip([*kinds, *["rows"] * scans], results):
        g.put(kind, name)


def scan(g: Scope):
    """Along either axis of transposed rows, from either end, with one or two states."""
    x, columns, back = g.some("rows"), g.rng.random() < .5, g.rng.randrange(2)
    states = g.rng.randint(1, 2)
    starts = [total(g, g.some("rows")) for _ in range(states)]
    body = g.inner()
    before, slices = [body.name() for _ in starts], [body.name(), body.name()]
    body.put("rows", body.op("Unsqueeze", slices[0], INT([0])))
    body.grow(g.rng.randint(0, 2))
    ends = [small(body, body.op("Add", name, slices[i % 2])) for i, name in enumerate(before)]
    outs = [total(body, body.some("rows")), body.op("Sub", ends[0], slices[1])]
    graph = body.graph("step", [("row", name) for name in [*before, *slices]], [("row", n) for n in [*ends, *outs]])
    sides = [g.op("Transpose", x, perm=[1, 0]) if columns else x, x]
    results = g.op("Scan", *starts, *sides, n=states + 2, body=graph, num_scan_inputs=2,
                   scan_input_axes=[int(columns), 0], scan_input_directions=[back, g.rng.randrange(2)],
                   scan_output_axes=[0, g.rng.choice((0, -2))], scan_output_directions=[g.rng.randrange(2), back])
    for name in results[:states]:
        g.put("rows", g.op("Unsqueeze", name, INT([0])))
    for name in results[states:]:
        g.put("rows", name)


def map_(g: Scope):
    body = g.inner()
    one, other = body.name(), body.name()
    body.put("rows", one)
    body.put("rows", other)
    body.grow(g.rng.randint(0, 2))
    graph = body.graph("each", [("rows", one), ("rows", other)], [("rows", body.op("Relu", body.some("rows")))])
    x = g.some("list")
    g.put("list", g.op("SequenceMap", x, g.rng.choice((x, g.some("rows"))), body=graph))


NESTED = (if_, loop, scan, map_)
STEPS = (image, rows_of_image, rows, rows, rows, rows, count, flag, list_, list_, rows_of_list, maybe, rows_of_maybe,
         if_, if_, loop, loop, scan, map_)


def random_model(seed: int, steps: int = 9, lists: bool = True, again: bool = True) -> bytes:
    """lists : whether a list and what may be missing are among the inputs; again : whether graphs share names"""
    rng = Random(seed)
    inputs = {"image": "x", "rows": "r", "count": "k", "flag": "f", "list": "l", "maybe": "m"}
    g = Scope(rng, {kind: [name] for kind, name in inputs.items()}, depth=2, numbers=counting(1), again=again)
    if not lists:
        g.values["list"], g.values["maybe"] = [g.op("SequenceConstruct", "r", "r")], [g.op("Optional", "r")]
    g.grow(steps)
    outputs = [(kind, name) for kind in LASTING for name in g.values[kind][-2:]]
    fed = [(kind, name) for kind, name in inputs.items() if lists or kind not in ("list", "maybe")]
    outputs = [(kind, name) for kind, name in outputs if (kind, name) not in fed or rng.random() < .3]
    graph = g.graph("g", fed, outputs or [("rows", g.values["rows"][-1])])
    model = helper.make_model(graph, ir_version=9, opset_imports=[helper.make_opsetid("", 18)])
    return model.SerializeToString()


def random_feeds(seed: int, lists: bool = True) -> dict:
    rng = np.random.default_rng(seed)

    def array(*shape):
        return rng.integers(-4, 5, shape).astype(np.float32)
    h, w, n = rng.integers(1, 7, 3)
    n = int(rng.choice((0, n)))
    feeds = {"x": array(1, 3, h, w), "r": array(n, 4) * int(rng.integers(0, 2)), "k": rng.integers(0, 4, 1),
             "f": np.array(rng.random() < .5)}
    if lists:
        feeds["l"] = [array(int(rng.integers(0, 4)), 4) for _ in range(rng.integers(0, 4))]
        feeds["m"] = array(2, 4) if rng.random() < .5 else None
    return feeds

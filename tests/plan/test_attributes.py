"""Every operator that has a kernel, with every attribute it has in any opset, means what NumPy says.

The operators come from the planner, their attributes from the registry: an attribute that has no values to be
tried in VALUES fails a test, and so does an operator without inputs in `arguments`.
"""
from __future__ import annotations

from functools import cache
from itertools import product
from random import Random

import numpy as np
import pytest

import cinfer
from cinfer import _ops
from cinfer.model.graph import Node
from cinfer.ops import registry
from cinfer.ops.facts import Fact

from evaluated_graph import REFUSALS, Graph
from watched import bits, hold, run_watched, watching

F32, I64 = np.float32, np.int64
LEVELS = _ops.usable_levels()
NEWEST = 28
ATTEMPTS = 6                        # to find inputs that an attribute's value goes with
MORE, MOST = 8, 14                  # graphs of an operator that has few attributes, and of one of many inputs
MANY = 30
TYPES = ("float64", "float16", "int32", "int64", "int8", "uint8", "bool", "uint16")
# passes remove or rewrite these before anybody looks at shapes and types
LENIENT = {"Dropout", "Sum", "Max", "Min", "PRelu", "Add", "Sub", "Mul", "Div"}
# of the operators cinfer makes itself: no file has them
INTERNAL = {("cinfer", "QuantizeDequantize"), ("cinfer", "DynamicStateLSTM"), ("cinfer", "NonZero"),
            ("cinfer", "FusedAttention"), ("cinfer", "LookUp"), ("cinfer", "NarrowMatMul"),
            ("cinfer", "QGemm"), ("cinfer", "QLinearAdd"), ("cinfer", "QLinearConv"),
            ("cinfer", "QLinearConvTranspose"), ("cinfer", "QLinearResize"), ("cinfer", "ScaledMatMulInteger"),
            ("cinfer", "DynamicScale"), ("cinfer", "ScaledConvInteger"), ("cinfer", "GridConv"),
            ("cinfer", "GridConvTranspose"), ("cinfer", "GridGemm"), ("cinfer", "GridMatMul")}


def kernel_operators() -> list[tuple[str, str]]:
    """(domain, name) of the operators that the planner has kernels for."""
    from cinfer.plan import kernels
    from cinfer.plan.candidate import KERNELS
    from cinfer.plan.kernels.activations import as_named, named
    kernels.enter_all()
    functions = _ops.table().unary          # what may be one is entered; these are
    return sorted((domain, name) for (domain, name), kernel in KERNELS.items()
                  if kernel is not None and kernel.unary is not as_named or named(name) in functions)


def versions(domain: str, name: str) -> list[tuple[registry.Operator, int]]:
    """Each meaning of an operator, at the first and the last opset that have it."""
    found: dict[int, list] = {}
    for opset in range(1, (1 if domain else NEWEST) + 1):
        operator = registry.find(Node(name, [], [], {}, domain, opset))
        if operator is not None:
            found.setdefault(operator.since, []).append((operator, opset))
    return [pair for each in found.values() for pair in (each[:1] + each[1:][-1:])]


CASES = [(d, n, operator, opset) for d, n in kernel_operators() if (d, n) not in INTERNAL
         for operator, opset in versions(d, n)]

CASES_OF_NOW = [c for c in CASES if c[0] or c[3] == NEWEST]


def case_name(case) -> str:
    return f"{case[1]}-{case[3]}"


# ---- attribute -> values worth trying, of the shape of the first input; (operator, attribute) goes first

def axes_of(shape):
    return list(range(-len(shape), len(shape)))


def some_axes(shape):
    rank = len(shape)
    pairs = [[2, 3], [1, 2], [-1, -2]] if rank == 4 else []
    return [None, [0], [-1], [rank - 1, 0], list(range(rank)), [rank], *pairs]


def spatial(*values):
    """Each of these numbers for all spatial axes, and different ones along each."""
    def of(shape):
        rank = max(0, len(shape) - 2)
        return [None] + [[v] * rank for v in values] + [[values[i % len(values)] for i in range(rank)]]
    return of


def around(*values):
    """The same for pads, two an axis."""
    return lambda shape: spatial(*values)((*shape[:2], *2 * shape[2:]))


DTYPES = [1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13]
VALUES = {
    "allowzero": [0, 1], "alpha": [0.0, 0.5, 1.0, 2.0], "antialias": [0, 1], "approximate": ["none", "tanh"],
    "auto_pad": ["NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"], "axes": some_axes, "axis": axes_of,
    "beta": [0.0, 0.5, 1.0, 2.0], "bias": [1.0, 2.0], "block_size": [0, 2], "blocksize": [1, 2, 3],
    "broadcast": [0, 1], "ceil_mode": [0, 1], "consumed_inputs": [[0], [0, 0]],
    "coordinate_transformation_mode": ["half_pixel", "half_pixel_symmetric", "pytorch_half_pixel",
                                       "align_corners",
                                       "asymmetric", "tf_half_pixel_for_nn", "tf_crop_and_resize"],
    "count_include_pad": [0, 1], "cubic_coeff_a": [-0.75, -0.5], "dilations": spatial(1, 2),
    "epsilon": [1e-5, 0.5], "exclude_outside": [0, 1], "exclusive": [0, 1], "reverse": [0, 1],
    "extrapolation_value": [0.0, 2.0],
    "gamma": [0.5, 1.0507], "group": [1, 2, 3, 4], "height_scale": [1.0, 2.0, 1.5], "is_test": [0, 1],
    "k": [1, 2, 3],
    "keep_aspect_ratio_policy": ["stretch", "not_larger", "not_smaller"], "keepdims": [0, 1],
    "kernel_shape": spatial(1, 2, 3), "largest": [0, 1], "max": [-0.5, 1.0], "min": [-1.0, 0.5],
    "mode": ["constant", "reflect", "edge", "wrap"], "momentum": [0.9, 0.5],
    "nearest_mode": ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"],
    "noop_with_empty_axes": [0, 1],
    "num_groups": [1, 2, 4], "num_outputs": [1, 2, 3], "output_dtype": [0, 1, 2, 3, 10],
    "output_padding": spatial(0, 1),
    "output_shape": spatial(5, 8),
    "paddings": None, "pads": around(0, 1, 2), "perm": lambda shape: [None, list(range(len(shape)))[::-1],
                                                                      list(np.roll(range(len(shape)), 1))],
    "precision": [0, 1], "ratio": [0.0, 0.5], "round_mode": ["up", "down", "nearest"], "saturate": [0, 1],
    "scales": None, "seed": [1], "select_last_index": [0, 1], "shape": None, "size": [1, 2, 3, 5],
    "sorted": [0, 1],
    "spatial": [0, 1], "split": None, "starts": None, "ends": None, "stash_type": [1, 10, 11],
    "storage_order": [0, 1], "strides": spatial(1, 2, 3), "to": DTYPES, "training_mode": [0, 1],
    "transA": [0, 1],
    "transB": [0, 1], "transBatchA": [0, 1], "transBatchB": [0, 1], "value": [0.0, 1.5],
    "width_scale": [1.0, 3.0],
    "activation_alpha": [[0.3]], "activation_beta": [[0.6]], "clip": [0.5], "direction": ["reverse"],
    "hidden_size": [7], "input_forget": [0, 1], "layout": [0], "linear_before_reset": [0, 1],
    "output_sequence": [0, 1], "activations": [["Relu"], ["HardSigmoid", "Elu"], ["Affine", "Tanh", "LeakyRelu"]],
    "batch_dims": [0], "fmod": [0, 1], "output_height": [1, 2], "output_width": [1, 3], "sampling_ratio": [0, 2],
    "spatial_scale": [1.0, 0.5], "reduction": ["none", "add", "mul", "max", "min"],
    "align_corners": [0, 1], "channels_last": [0, 1], "padding_mode": ["zeros", "border", "reflection"],
    ("GridSample", "mode"): ["nearest", "linear", "cubic"],
    "pooled_shape": [[1, 2], [3, 1]],
    ("RoiAlign", "mode"): ["avg", "max"],
    ("RoiAlign", "coordinate_transformation_mode"): ["half_pixel", "output_half_pixel"],
    # pairs that belong together are in `arguments`, as None above
    ("Pad", "pads"): None, ("Split", "num_outputs"): None,
    ("DepthToSpace", "mode"): ["DCR", "CRD"], ("SpaceToDepth", "mode"): ["DCR", "CRD"],
    ("Resize", "mode"): ["nearest", "linear", "cubic"],
    ("Upsample", "mode"): ["nearest", "linear", "bilinear"],
    ("Resize", "axes"): None, ("Slice", "axes"): None, ("Unsqueeze", "axes"): None,
}


def tried(name: str, attribute: str, shape) -> list:
    values = VALUES[name, attribute] if (name, attribute) in VALUES else VALUES[attribute]
    values = values(shape) if callable(values) else values or []
    return [v for v in values if v is not None]


@pytest.mark.parametrize("case", CASES, ids=case_name)
def test_every_attribute_has_values_to_be_tried(case):
    _, name, operator, _ = case
    missing = [a for a in operator.attributes if a not in VALUES and (name, a) not in VALUES]
    assert not missing, f"add values for {missing} of {name} to VALUES"


# ---- inputs

SHAPES = [(2, 17, 3, 5), (1, 16, 4, 4), (1, 3, 6, 4), (2, 8, 6), (2, 4, 3, 2, 5), (3, 5), (7,), (),
          (2, 3, 2, 3, 2, 3),
          (2, 3, 2, 2, 3, 2, 2), (2, 2, 3, 2, 2, 3, 2, 2), (2, 0, 3), (1, 4, 1, 1)]
PICTURES = [(2, 17, 3, 5), (1, 16, 4, 4), (1, 3, 6, 4), (2, 8, 6), (1, 4, 3, 2, 5), (1, 36, 1, 1),
            (1, 4, 6, 6),
            (0, 4, 4, 4)]
MATRICES = [(4, 6), (3, 17), (1, 5), (33, 16), (0, 3)]
RECURRENT = {"RNN", "GRU", "LSTM"}
UNARY = {"Abs", "Ceil", "Celu", "Cos", "Elu", "Erf", "Exp", "Floor", "Gelu", "HardSigmoid", "HardSwish",
         "Identity",
         "LeakyRelu", "Log", "Mish", "Neg", "Reciprocal", "Relu", "Round", "Selu", "Sigmoid", "Sign", "Sin",
         "Softmax", "LogSoftmax", "Softplus", "Softsign", "Sqrt", "Swish", "Tanh", "ThresholdedRelu",
         "Flatten",
         "Transpose", "ArgMax", "ArgMin", "Not", "BitwiseNot"}
BINARY = {"Add", "Sub", "Mul", "Div", "Pow", "And", "Or", "Xor", "Equal", "Greater", "Less", "GreaterOrEqual",
          "LessOrEqual", "Mod", "BitwiseAnd", "BitwiseOr", "BitwiseXor"}
OF_PICTURES = {"GlobalAveragePool", "GlobalMaxPool", "LRN", "DepthToSpace", "SpaceToDepth"}
OF_BOOL = {"And", "Or", "Xor", "Not"}
OF_BYTES = {"MatMulInteger", "QLinearMatMul", "QGemm"}
OUTPUTS = {"Dropout": (1, 2), "MaxPool": (1, 2), "LayerNormalization": (1, 2, 3), "TopK": (2,),
           "DynamicQuantizeLinear": (3,)}


def arguments(g: Graph, name: str, operator: registry.Operator, opset: int):
    """[(shape of the first input, further inputs, attributes that go with them, number of outputs)]"""
    since, rng, vector = operator.since, g.rng, g.array
    if name in UNARY:
        return [(s, [], {}, 1) for s in SHAPES]
    if name in OF_PICTURES:
        return [(s, [], dict(size=3) if name == "LRN" else dict(blocksize=2) if "Space" in name else {}, 1)
                for s in PICTURES]
    if name in BINARY:
        kind = bool if name in OF_BOOL else F32

        def other(*shape):
            b = vector(shape, kind)
            return b if kind is bool or name not in ("Div", "Mod") else np.where(b == 0, F32(0.5), b).astype(F32)
        if since < 7:
            s = (2, 3, 4, 5)
            return [(s, [other(*b)], dict(broadcast=1, **({} if axis is None else dict(axis=axis))), 1)
                    for b, axis in [((5,), None), ((4, 5), None), ((3,), 1), ((3, 4), 1), ((2,), 0),
                                    ((), None), ((3,), -3)]] \
                + [((5, 5), [other(5)], dict(axis=a, broadcast=1), 1) for a in (0, 1)] \
                + [(s, [other(*s)], {}, 1), (s, [other(5)], {}, 1), (s, [other(5, 1)], dict(broadcast=1), 1),
                   ((3, 3, 3, 3), [other(3)], dict(axis=1, broadcast=1), 1),
                   ((3, 3, 3, 3), [other(3)], dict(axis=2, broadcast=1), 1)]
        return [(s, [other(*b)], {}, 1) for s in SHAPES for b in {s, s[-1:], s[1:2] + (1,) * (len(s) - 2),
                                                                  (1,), ()}
                if np.broadcast_shapes(s, b) == s] + [((3, 1), [other(2, 1, 5)], {}, 1),
                                                      ((1, 1, 4), [other(2, 16, 1, 1)], {}, 1)]
    if name in ("Sum", "Max", "Min", "Mean"):
        if opset < 8:
            return [(s, [vector(s)] * n, {}, 1) for s in SHAPES for n in (0, 1, 2)]
        return [(s, [vector(s), vector(s[-1:])][:n], {}, 1) for s in SHAPES for n in (0, 1, 2)]
    if name == "PRelu":
        return [(s, [vector(b)], {}, 1) for s in SHAPES for b in
                {s, (1,), s[1:2], s[1:2] + (1,) * (len(s) - 2), s[-1:], ()}]
    if name == "Where":
        return [(s, [vector(s), vector(b)], {}, 1) for s in SHAPES for b in {s, s[-1:], ()}]
    if name == "Clip":
        if since < 11:
            return [(s, [], {}, 1) for s in SHAPES]
        return [(s, list(limits), {}, 1) for s in SHAPES[:6] for limits in
                [(F32(-1), F32(1)), (F32(0),), (None, F32(1)), (F32(1), F32(-1)), (np.array([-1], F32),), ()]]
    if name in ("Cast", "CastLike"):
        if name == "CastLike":
            return [(s, [np.zeros(1, k)], {}, 1) for s in SHAPES[:6] for k in (F32, np.int8, np.float64, bool,
                                                                               np.uint8)]
        to = "FLOAT" if since < 6 else 6
        return [(s, [], dict(to=to), 1) for s in SHAPES]
    if name == "Dropout":
        more = [] if since < 12 else [F32(0.5)]
        return [(s, list(m), {}, n) for s in SHAPES for m in ([], more,
            [*more, np.array(False)] if more else []) for n in (1, 2)]
    if name in ("Conv", "ConvTranspose"):
        found = []
        for s in PICTURES:
            for k, group, m in product((1, 2, 3), (1, 2, 3, 4, s[1]), (1, 2, 17)):
                c = s[1]
                if c % group == 0:
                    kernel = [k, 3, 1][:len(s) - 2]
                    w = (m * group, c // group, *kernel) if name == "Conv" else (c, m, *kernel)
                    b = [] if k == 1 else [vector((m * group,))]
                    found.append((s, [vector(w), *b], dict(group=group), 1))
        return rng.sample(found, 30)
    if name in ("AveragePool", "MaxPool"):
        return [(s, [], dict(kernel_shape=[k, 3, 2][:len(s) - 2]), n) for s in PICTURES for k in (1, 2, 3)
                for n in OUTPUTS.get(name, (1,))]
    if name == "BatchNormalization":
        found = []
        for s in [s for s in SHAPES if len(s) > 1 and s[1]] + [(7,)]:
            c = s[1:2] or (1,)
            norm = [vector(c), vector(c), vector(c), np.abs(vector(c)) + F32(0.5)]
            more = (1, 3) if since >= 14 else (1, 5)
            found += [(s, norm, more_attributes, n) for n in more
                      for more_attributes in ({}, dict(training_mode=1) if since >= 14 else dict(is_test=1))]
            if since < 14 and len(s) > 1:
                full = [vector(s[1:]), vector(s[1:]), vector(s[1:]), np.abs(vector(s[1:])) + F32(0.5)]
                found.append((s, full, dict(spatial=0), 1))
        return found
    if name in RECURRENT:
        g = {"RNN": 1, "GRU": 3, "LSTM": 4}[name] * 7
        return [(s, [vector((count, g, s[2])), vector((count, g, 7)), vector((count, 2 * g)), lens, vector(h)], how, n)
                for s, h, count, how in [((3, 2, 5), (1, 2, 7), 1, {}), ((1, 1, 16), (1, 1, 7), 1, {}),
                                         ((3, 2, 5), (2, 2, 7), 2, dict(direction="bidirectional"))]
                + ([((2, 3, 5), (2, 1, 7), 1, dict(layout=1))] if since >= 14 else [])
                for lens in (None, np.array([2] + [0] * (s[how.get("layout", 0) == 0] - 1), np.int32)) for n in (1, 2)]
    if name == "InstanceNormalization":
        return [(s, [vector(s[1:2]), vector(s[1:2])], {}, 1) for s in PICTURES if np.prod(s[2:]) > 2]
    if name == "GroupNormalization":
        return [(s, [vector((c,)), vector((c,))], dict(num_groups=g), 1)
                for s in PICTURES if np.prod(s[2:]) > 2 for g in {1, 2, s[1] // 2, s[1]} if g and s[1] % g == 0
                for c in [g if since < 21 else s[1]]]
    if name == "RMSNormalization":
        return [((2, 3, 4, 5), [vector(s)], dict(axis=a), 1) for s, a in
                [((4, 5), 2), ((3, 4, 5), 1), ((1, 5), 3), ((4, 5), 3), ((2, 3, 4, 5), -1)]] + \
            [(s, [vector(s[-1:])], {}, 1) for s in SHAPES if len(s) > 1]
    if name == "LayerNormalization":
        return [((2, 3, 4, 5), [vector(s), vector(s)], dict(axis=a), 1) for s, a in
                [((4, 5), 2), ((3, 4, 5), 1), ((5,), 2), ((1, 5), 3), ((4, 5), 3), ((1, 1, 4, 5), 2),
                 ((2, 3, 4, 5), -1)]] + \
            [(s, [vector(s[-1:]), vector(s[-1:])][:n], {}, outputs) for s in SHAPES if len(s) > 1
             for n in (1, 2) for outputs in (1, 3)]
    if name == "Gemm":
        found = []
        for (m, k), n, ta, tb in product(MATRICES, (1, 5, 17), (0, 1), (0, 1)):
            a, b = ((k, m) if ta else (m, k)), ((n, k) if tb else (k, n))
            for c in (None, (n,), (m, n), (m, 1), (), (1, n), (1,)):
                if c is None and opset < 11:
                    continue
                found.append((a, [vector(b)] + ([] if c is None else [vector(c)]), dict(transA=ta, transB=tb),
                              1))
        return rng.sample(found, 40)
    if name in ("MatMul", "FusedMatMul"):
        pairs = [((4, 6), (6, 5)), ((1, 6), (6, 17)), ((6,), (6, 5)), ((3, 6), (6,)), ((6,), (6,)),
                 ((2, 3, 4, 6), (6, 5)),
                 ((2, 3, 4, 6), (2, 3, 6, 5)), ((2, 1, 4, 6), (3, 6, 5)), ((2, 3, 2, 4, 6), (2, 1, 2, 6, 5)),
                 ((5, 5), (5, 5)),
                 ((3, 2, 5, 5), (3, 2, 5, 5)), ((6, 1), (1, 6)), ((2, 0), (0, 3))]
        return [(a, [vector(b)], {}, 1) for a, b in pairs]
    if name == "Concat":
        return [(s, [vector(s)] * n, dict(axis=len(s) - 1), 1) for s in SHAPES if s for n in (0, 1, 3)]
    if name == "Split":
        found = []
        for s in SHAPES:
            for axis, d in enumerate(s):
                parts = [[d]] + [[1, d - 1]] * (d > 1) + [[1, 1, d - 2]] * (d > 2)
                for p in parts:
                    where = dict(axis=rng.choice((axis, axis - len(s))))
                    if since < 13:
                        found.append((s, [], dict(split=p, **where), len(p)))
                    else:
                        found.append((s, [np.array(p)], where, len(p)))
                if d and d % 2 == 0:
                    found.append((s, [], where, 2))
                if since >= 18 and d > 2:
                    found += [(s, [], dict(num_outputs=n, **where), n) for n in (2, 3)]
        return rng.sample(found, 30)
    if name == "Slice":
        found = []
        for s in [s for s in SHAPES if s]:
            for _ in range(4):
                axes = rng.sample(range(len(s)), rng.randint(1, len(s)))
                starts = [rng.randint(-s[a] - 1, s[a]) for a in axes]
                ends = [rng.choice((rng.randint(-s[a] - 1, s[a] + 1), 1 << 31)) for a in axes]
                steps = [rng.choice((1, 1, 2, -1, -2)) for _ in axes]
                axes = [rng.choice((a, a - len(s))) for a in axes]
                if since < 10:
                    found.append((s, [], dict(starts=starts, ends=ends, axes=axes), 1))
                else:
                    found.append((s, [np.array(v) for v in (starts, ends, axes, steps)], {}, 1))
            few = [0], [1]
            found.append((s, [], dict(starts=few[0], ends=few[1]), 1) if since < 10 else (s,
                [np.array(v) for v in few], {}, 1))
        return rng.sample(found, 30)
    if name == "Pad":
        found = []
        for s in SHAPES:
            for how in range(4):
                pads = [rng.choice(((0, 1), (0, 0, 2), (0, -1, 1), (1, 7))[how]) for _ in s * 2]
                mode = rng.choice(("constant", "constant", "reflect", "edge"))
                value = rng.choice((None, 1.5))
                if since < 11:
                    where = {"paddings" if since == 1 else "pads": pads, "mode": mode}
                    found.append((s, [], where | ({} if value is None else dict(value=value)), 1))
                else:
                    more = [] if value is None or mode != "constant" else [F32(value)]
                    found.append((s, [np.array(pads, I64), *more], dict(mode=mode), 1))
                    if opset >= 18 and s:
                        axis = rng.randrange(-len(s), len(s))
                        found.append((s, [np.array([1, 2]), None, np.array([axis])], dict(mode=mode), 1))
        return found
    if name in ("Reshape", "Expand"):
        targets = [((2, 6), (3, 4)), ((2, 3, 4), (0, -1)), ((2, 3, 4), (4, 0, -1)),
                   ((1, 17, 3, 5), (1, 17, 15)), ((2, 0, 3), (0, 0)),
                   ((2, 0, 3), (3, 0)), ((2, 3, 4), (24,)), ((1,), ()), ((), (1, 1)),
                   ((2, 16, 3, 2), (2, 2, 8, 3, 2)),
                   ((2, 16, 3, 2), (32, 6))]
        if name == "Expand":
            targets = [(s, t) for s in SHAPES for t in (s, (2, *s), (1,),
                                                        tuple(3 if d == 1 else d for d in s))]
        if since == 1:
            return [(s, [], dict(shape=list(t)), 1) for s, t in targets]
        return [(s, [np.array(t, I64)], {}, 1) for s, t in targets]
    if name in ("Squeeze", "Unsqueeze"):
        found = []
        for s in SHAPES[:8]:
            ones = [i for i, d in enumerate(s) if d == 1]
            choices = [None, ones, [a - len(s) for a in ones[:1]]] if name == "Squeeze" else [[0], [-1],
                [len(s), 0], [1, 2]]
            for axes in choices:
                if axes is None or since < 13:
                    found.append((s, [], {} if axes is None else dict(axes=axes), 1))
                else:
                    found.append((s, [np.array(axes, I64)], {}, 1))
        return found
    if name == "Gather":
        return [(s, [np.array(i)], dict(axis=a), 1) for s in SHAPES if s and 0 not in s for a in (0, 1, -1)
                if -len(s) <= a < len(s)
                for i in (0, -1, [0], [s[a] - 1, 0], [[0, -1]], [0, 0, 0], [])
                if i != []] + [((3, 4), [np.array([], I64)], {}, 1)]
    if name in ("GatherElements", "Scatter", "ScatterElements"):
        found = []
        for s in [s for s in SHAPES if s and 0 not in s]:
            for axis in {0, -1, len(s) - 1}:
                index = np.argsort(vector(s), axis)               # each place once
                index = np.where(index % 2, index, index - s[axis])
                found.append((s, [index, vector(s)][:1 + (name != "GatherElements")], dict(axis=axis), 1))
        return found
    if name in ("GatherND", "ScatterND"):
        found = []
        for s in [s for s in SHAPES if s and 0 not in s]:
            for k in range(1, len(s) + 1):
                places = list(np.ndindex(*s[:k]))
                index = np.array(rng.sample(places, min(len(places), 5)), I64)
                found.append((s, [index, vector((len(index), *s[k:]))][:1 + (name == "ScatterND")], {}, 1))
        return found
    if name == "GridSample":
        return [(s, [np.linspace(-1.2, 1.3, s[0] * 6 * len(s[2:]), dtype=F32).reshape(
            s[0], *[1] * (len(s) - 3), 6, len(s[2:]))], {}, 1) for s in PICTURES]
    if name == "RoiAlign":
        return [(s, [np.array([[0, 0, 4, 4], [1, -1, 3, 9], [2, 2, 2, 2]][:r], F32).reshape(r, 4),
                     np.array([0, s[0] - 1, 0][:r], I64)], dict(output_height=h, output_width=2), 1)
                for s in [(2, 17, 3, 5), (1, 16, 4, 4), (1, 3, 6, 4)] for r in (1, 3) for h in (1, 3)]
    if name == "MaxRoiPool":
        return [(s, [np.array([[0, 0, 0, 4, 4], [s[0] - 1, 1, -1, 3, 9], [0, 2, 2, 2, 2]][:r], F32).reshape(r, 5)],
                 dict(pooled_shape=[h, 2]), 1) for s in [(2, 17, 3, 5), (1, 16, 4, 4), (1, 3, 6, 4)] for r in (1, 3)
                for h in (1, 3)]
    if name == "TopK":
        found = []
        for s in [s for s in SHAPES if s and 0 not in s]:
            for axis in range(-len(s), len(s)):
                for k in {1, s[axis], max(1, s[axis] // 2)}:
                    found.append((s, [], dict(axis=axis, k=k), 2) if since < 10 else (s, [np.array([k])],
                                                                                      dict(axis=axis), 2))
        return rng.sample(found, 40)
    if name in ("CumSum", "CumProd"):
        return [(s, [np.array(a)], {}, 1) for s in SHAPES for a in axes_of(s)]
    if name == "OneHot":
        return [(s, [np.array(d), vector((2,), kind)], {}, 1) for s in SHAPES for d in (1, 5)
                for kind in (F32, I64, bool)]
    if name == "Tile":
        if since == 1:
            return [(s, [F32(n), F32(a)], {}, 1) for s in SHAPES for a in range(len(s)) for n in (1, 3)]
        return [(s, [np.array([rng.choice(some) for _ in s], I64)], {}, 1) for s in SHAPES
                for some in ((1,), (1, 2), (1, 3, 0), (2, 3))]
    if name.startswith("Reduce"):
        found = [(s, [], {}, 1) for s in SHAPES]
        if "axes" not in operator.attributes:
            found += [(s, [np.array(a, I64)], {}, 1) for s in SHAPES for a in some_axes(s) + [[]]
                      if a is not None]
        return found
    if name in ("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear"):
        if name.startswith("Dynamic"):
            return [(s, [], {}, 3) for s in SHAPES]
        found = []
        for s in SHAPES:
            for kind in (np.uint8, np.int8):
                found.append((s, [F32(0.25), np.array(3, kind)], {}, 1))
                for axis in range(len(s)):
                    scale = F32(2.0) ** np.arange(-s[axis] // 2, -s[axis] // 2 + s[axis]).clip(-3,
                                                                                               2).astype(F32)
                    found.append((s, [scale, vector((s[axis],), kind)],
                                  dict(axis=rng.choice((axis, axis - len(s)))), 1))
            found.append((s, [F32(0.5)], {}, 1))
        return rng.sample(found, 40)
    if name.startswith("QLinear"):
        return quantised_arguments(g, name)
    if name in ("Resize", "Upsample"):
        found = []
        for s in PICTURES:
            for f in (1, 2, 0.5, 3, 1.5):
                scales = [1.0, 1.0] + [f if i % 2 == 0 else 2.0 for i in range(len(s) - 2)]
                if name == "Upsample" and since == 1:
                    found.append((s, [], dict(height_scale=float(f), width_scale=2.0), 1))
                elif name == "Upsample" and since == 7:
                    found.append((s, [], dict(scales=scales), 1))
                elif since in (9, 10):
                    found.append((s, [np.array(scales, F32)], {}, 1))
                else:
                    rank = len(s)
                    roi = np.array([0, 0] + [0.25] * (rank - 2) + [1, 1] + [0.75] * (rank - 2), F32)
                    found += [(s, [rng.choice((roi, None)), np.array(scales, F32)], {}, 1),
                              (s, [roi, None, np.array([*s[:2], *(max(1, int(d * f)) for d in s[2:])])], {},
                               1)]
                    if opset >= 18:
                        axes = [2, rank - 1][:rank - 2]
                        found.append((s, [roi[[*axes, *(a + rank for a in axes)]], None,
                                          np.array([3, 4][:len(axes)])], dict(axes=axes), 1))
        return found
    if name in OF_BYTES:
        found = []
        shapes = [*(s for s in MATRICES if s[0]), (2, 8, 6), (2, 17, 3, 5), (7,), (2, 3, 2, 3, 2, 3)]
        for s, n in product(shapes, (1, 17)):
            w = vector((s[-1], n), np.int8)
            zeros, scales = vector((n,), np.int8), (2.0 ** -np.arange(n).clip(3, 9)).astype(F32)
            if name == "MatMulInteger":
                found += [(s, more, {}, 1) for more in ([w], [w, np.uint8(3)], [w, np.uint8(200), zeros])]
                continue
            ends = [np.array(2, F32), np.array(100, np.uint8)]
            for of_w in ([np.array(0.25, F32), np.array(3, np.int8)], [scales, zeros]):
                more = [np.array(0.5, F32), np.array(7, np.uint8), w, *of_w]
                found.append((s, more + ([None] if name == "QGemm" else []) + ends, {}, 1))
        return found
    raise AssertionError(f"add inputs for {name} to `arguments`")


def quantised_arguments(g: Graph, name: str):
    """As `arguments`, of QLinear operators."""
    rng, found = g.rng, []

    def grid(kind=np.uint8):
        info = np.iinfo(kind)
        return F32(2.0 ** -rng.choice((1, 3, 6))), kind(rng.choice((info.min, 3, info.max)))
    for s in PICTURES:
        for kind in (np.uint8, np.int8):
            x = grid(kind)
            if name == "QLinearConv":
                for k, group, m in product((1, 3), (1, 2, s[1]), (2, 17)):
                    if s[1] % group == 0:
                        w = g.array((m * group, s[1] // group, *[k, 3, 1][:len(s) - 2]),
                                    rng.choice((np.int8, np.uint8)))
                        scale = g.array((m * group,), np.uint8).astype(F32) / F32(256) + F32(0.01)
                        zero = g.array((m * group,), w.dtype) if rng.random() < 0.5 else np.zeros(m * group, w.dtype)
                        bias = [g.array((m * group,), np.int32)] if k == 1 else []
                        found.append((s, [*x, w, scale, zero, F32(4), kind(3), *bias], dict(group=group), 1))
            elif name in ("QLinearAdd", "QLinearMul"):
                for other in {s, (*s[:2], *(1,) * (len(s) - 2)), (1, 1, *s[2:]), (1,) * len(s), s[-1:]}:
                    found.append((s, [*x, g.array(other, kind), *grid(kind), *grid(kind)], {}, 1))
            else:
                more = dict(kernel_shape=[2, 3, 1][:len(s) - 2]) if name == "QLinearAveragePool" else {}
                found.append((s, [*x, *grid(kind)], more, 1))
    return rng.sample(found, min(len(found), 40))


# ---- graphs

DATA = {"Add", "Sub", "Mul", "Div", "Max", "Min", "Sum", "PRelu", "Where", "Clip", "MatMul", "FusedMatMul",
        "Gemm", "Conv",
        "BatchNormalization", "InstanceNormalization", "LayerNormalization", "GroupNormalization",
        "RMSNormalization", "QuantizeLinear",
        "DequantizeLinear", "Equal",
        "Greater", "Less", "And", "Or", "Gather", "GatherElements", "GatherND", "ScatterElements", "ScatterND", "Mod",
        "Concat"}      # whose further inputs may be known only in the run


def first_input(g: Graph, name: str, shape, rest, before: str, dtype=None) -> str | None:
    """The first input, made by what stands before the operator."""
    if dtype is None:
        dtype = bool if name in OF_BOOL or name == "Where" else F32
        if name in OF_BYTES:
            dtype = np.uint8
        if name == "DequantizeLinear":
            dtype = rest[1].dtype if len(rest) > 1 else np.uint8
        elif name.startswith("QLinear"):
            dtype = rest[1].dtype
    dtype = np.dtype(dtype)
    if before in ("transpose", "reversed") and len(shape) > 1:
        perm = list(range(len(shape)))[::-1]
        if before == "transpose":
            g.rng.shuffle(perm)
        back = [perm.index(i) for i in range(len(shape))]
        return g.add("Transpose", g.input(*(shape[a] for a in perm), dtype=dtype), perm=back, keeps=True)
    if before == "conv" and len(shape) > 2 and dtype == F32 and 0 not in shape:
        return g.add("Conv", g.input(shape[0], 3, *shape[2:]),
                     g.array((shape[1], 3, *[1] * (len(shape) - 2))))
    if before == "matmul" and len(shape) > 1 and dtype == F32:
        return g.add("MatMul", g.input(*shape[:-1], 4), g.array((4, shape[-1])))
    if before == "relu" and dtype == F32:
        return g.add("Relu", g.input(*shape))
    return g.input(*shape, dtype=dtype)


def append(g: Graph, y: str, behind: str) -> None:
    """What may be fused into the operator."""
    a = g.values[y]
    if a.dtype != F32 or behind == "nothing":
        return
    if behind == "relu":
        g.add("Relu", y)
    elif behind == "add":
        z = g.add("Add", y, g.input(*a.shape))
        z and g.add("Relu", z)
    elif behind == "channels" and a.ndim > 1 and g.opset >= 7:
        g.add("Add", y, g.array((a.shape[1], *[1] * (a.ndim - 2))))
    elif behind == "clip":
        g.add("Clip", y, F32(-1), F32(1)) if g.opset >= 11 else g.add("Clip", y, min=-1.0, max=1.0)
    elif behind == "conv" and a.ndim in (3, 4) and a.size:
        g.add("Conv", y, g.array((16, a.shape[1], *[1] * (a.ndim - 2))))


BEFORE, BEHIND = ("nothing", "transpose", "conv", "matmul", "relu"), ("nothing", "relu", "add", "channels",
                                                                      "clip", "conv")


def pairs(case) -> list[tuple[str, int]]:
    """(attribute, number of a value): each is tried at least once."""
    _, name, operator, _ = case
    return [(a, i) for a in operator.attributes for i in range(len(tried(name, a, (2, 17, 3, 5))))]


def variants(rng: Random, case, seed: int, shape, base: dict) -> dict:
    """`base`, with one attribute changed, or several."""
    _, name, operator, _ = case
    free = [a for a in operator.attributes if tried(name, a, shape)]
    others = rng.sample(free, min(len(free), rng.choice((0, 0, 0, 1, 2))))
    found = {a: rng.choice(tried(name, a, shape)) for a in others}
    if (listed := pairs(case)) and seed < 2 * len(listed):
        attribute, i = listed[seed % len(listed)]
        if values := tried(name, attribute, shape):
            found[attribute] = values[i % len(values)]
    return {**base, **found}


@cache
def all_arguments(domain: str, name: str, opset: int) -> list:
    operator = registry.find(Node(name, [], [], {}, domain, opset))
    return arguments(Graph(Random(f"{name} {opset}")), name, operator, opset)


def build(case, seed: int, dtype=None, attempt: int = 0):
    """(graph, "" or when NumPy refuses it)"""
    domain, name, operator, opset = case
    rng = Random(f"{name} {opset} {seed} {dtype} {attempt}")
    given = all_arguments(domain, name, opset)
    recipe = rng.choice(given) if attempt or dtype else given[seed % len(given)]
    shape, _, base, _ = recipe
    attributes = base if dtype else variants(rng, case, seed, shape, base)
    return assemble(case, rng, recipe, attributes, rng.choice(BEFORE), rng.choice(BEHIND), dtype)


def assemble(case, rng: Random, recipe, attributes: dict, before: str, behind: str, dtype=None):
    """As `build`, of these arguments and neighbours."""
    domain, name, operator, opset = case
    g = Graph(rng, opset if not domain else 17, tame=False)
    shape, rest, _, n = recipe
    if dtype and rest:
        rest = [r if r is None or r.dtype != F32 or name in ("QuantizeLinear", "DequantizeLinear", "Resize",
                                                             "Upsample")
                else r.astype(dtype) for r in rest]
    inputs = list(rest)
    if name in DATA and rng.random() < 0.3:
        inputs = [r if r is None or rng.random() < 0.5 else g.input(*r.shape, array=r) for r in rest]
    if rng.random() < 0.1 and len(inputs) == 1 and name in BINARY | {"MatMul"} and not isinstance(inputs[0],
                                                                                                  str):
        first, inputs = g.constant(g.array(shape, inputs[0].dtype)), [g.input(*inputs[0].shape,
                                                                              array=inputs[0])]
    else:
        first = first_input(g, name, shape, rest, before, dtype)
    y = g.add(name, first, *inputs, n=n, domain=domain, **attributes)
    if y is None:
        outputs = [f"y{i}" for i in range(n)]
        names = [first] + [i if isinstance(i, str) else "" if i is None else g.constant(i) for i in inputs]
        node = Node(name, names, outputs, attributes, domain, opset, "refused")
        g.nodes.append(node)
        for output in outputs:
            g.values[output] = np.zeros((), g.values[first].dtype)
        g.outputs = outputs
        return g, refuses(operator, node, [g.values[i] if i else None for i in names])
    append(g, y if isinstance(y, str) else y[0], behind)
    return g.finish(0), ""


def refuses(operator, node, given) -> str:
    """"before" the run, for the sizes and types of inputs, or in the "run"."""
    specs = [None if a is None else Fact.of(a) for a in given]
    try:
        operator.infer and registry.infer(operator, node, specs)
    except REFUSALS:
        return "before"
    return "run" if operator.infer else "before"


def check(case, seed: int, dtype=None) -> None:
    for attempt in range(ATTEMPTS):             # most with what the operator takes
        graph, refused = build(case, seed, dtype, attempt)
        if not refused:
            break
    isa = LEVELS[-1 - seed % len(LEVELS)]
    where = f"{case_name(case)} seed {seed}" + (f" {dtype}" if dtype else "")
    if not refused:
        return hold(graph, where, isa)
    with watching(0, spaced=False):
        try:
            cinfer.load(graph.bytes(), threads=1, isa=isa).run(None, graph.feeds())
        except cinfer.Error:
            return
        except Exception as error:
            what = f"{type(error).__name__}, not cinfer.Error: {error}"
            raise AssertionError(f"{where}: {what}\n{graph}") from error
    assert refused == "run" or case[1] in LENIENT, f"{where}: runs what NumPy refuses\n{graph}"


def checked(case, seeds, dtypes=(None,)) -> None:
    """All of them, so that one failure does not hide the next."""
    failures = []
    for seed in seeds:
        try:
            check(case, seed, dtypes[seed % len(dtypes)])
        except AssertionError as error:
            failures.append(str(error))
    assert not failures, "\n\n".join(failures)


@pytest.mark.parametrize("case", CASES, ids=case_name)
def test_attributes_mean_what_numpy_says(case):
    listed = len(pairs(case))
    given = len(all_arguments(case[0], case[1], case[3]))
    checked(case, range(max(MORE, min(listed, MANY) if listed > MORE else 2 * listed, min(given, MOST))))


@pytest.mark.parametrize("case", CASES, ids=case_name)
def test_scalars_and_vectors_mean_what_numpy_says(case):
    """With what the operator has by default."""
    given = [r for r in all_arguments(*case[:2], case[3]) if len(r[0]) < 2]
    for i, recipe in enumerate(given[::max(1, len(given) // 3)]):
        graph, refused = assemble(case, Random(f"{case[1:]} {i}"), recipe, recipe[2], "nothing",
                                  ("nothing", "relu")[i % 2])
        refused or hold(graph, f"{case_name(case)} recipe {i}", LEVELS[-1])


@pytest.mark.parametrize("case", CASES_OF_NOW, ids=case_name)
def test_turned_tensors_of_many_axes_mean_what_numpy_says(case):
    """None of whose axes merge: more than kernels walk. What follows is not lost where a kernel declines."""
    given = [r for r in all_arguments(*case[:2], case[3]) if len(r[0]) > 5 and 0 not in r[0]]
    failures = []
    for i, recipe in enumerate(given[::max(1, len(given) // 4)]):
        for dtype in (None, "int64") if case[1] not in OF_BOOL else (None,):
            graph, refused = assemble(case, Random(f"{case[1:]} {i}"), recipe, recipe[2], "reversed",
                                      ("relu", "add", "clip")[i % 3], dtype)
            try:
                refused or hold(graph, f"{case_name(case)} recipe {i} {dtype or ''}", LEVELS[-1])
            except AssertionError as error:
                failures.append(str(error))
    assert not failures, "\n\n".join(failures)


@pytest.mark.parametrize("case", CASES_OF_NOW, ids=case_name)
def test_other_element_types_mean_what_numpy_says(case):
    checked(case, range(len(TYPES)), TYPES)


@pytest.mark.parametrize("axis", [0, 1, 2, 3, -2])
@pytest.mark.parametrize("before",
                         ["Conv", "ConvTranspose", "MatMul", "Gemm", "BatchNormalization", "Add", "MaxPool"])
def test_broadcasting_along_an_axis_before_opset_7_is_not_fused_as_if_along_the_last(before, axis):
    """All axes are equally long, so that any axis would fit."""
    for op, operand in product(("Add", "Sub", "Mul", "Div"), ("constant", "input")):
        g = Graph(Random(f"{before} {op} {axis}"), 6)
        x, v = g.input(*(5, 5) if before == "Gemm" else (5, 5, 5, 5)), np.abs(g.array((5,))) + F32(0.5)
        more = {"Conv": [g.array((5, 5, 1, 1))], "ConvTranspose": [g.array((5, 5, 1, 1))],
                "MatMul": [g.array((5, 5))],
                "Gemm": [g.array((5, 5)), g.array((5,))], "BatchNormalization": [v, v, v, v],
                "Add": [g.array((5, 5, 5, 5))],
                "MaxPool": []}[before]
        where = {"MaxPool": dict(kernel_shape=[1, 1]), "Gemm": dict(broadcast=1)}.get(before, {})
        y = g.add(before, x, *more, **where)
        z = g.add(op, y, v if operand == "constant" else g.input(5, array=v), axis=axis, broadcast=1)
        if z:                                       # not so where there are fewer axes
            hold(g.finish(0), f"{before} {op} axis={axis} {operand}", LEVELS[-1])


def test_pow_of_several_exponents_has_the_same_bits_on_any_number_of_threads():
    """Some have a short cut, which must not depend on what of them lies in one tile."""
    g = Graph(Random(0), 17, tame=False)
    exponents = np.tile(np.array([0.5, 2, 3, 1.5], F32), 6).reshape(24, 1, 1)
    x = g.input(1, 24, 32, 64, array=np.random.default_rng(0).random((1, 24, 32, 64)).astype(F32) * 3)
    g.add("Pow", x, exponents)
    g.finish(0)
    for isa in LEVELS:
        found = {threads: bits(run_watched(g.bytes(), g.feeds(), threads=threads, isa=isa, fill=0))
                 for threads in (1, 2, 3, 4, 8)}
        others = [threads for threads in found if found[threads] != found[1]]
        assert not others, f"{isa}: other bits by {others} threads than by one"

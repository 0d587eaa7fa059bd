"""Random float networks, quantised: each layer of the file gives in cinfer what onnxruntime, not optimised, makes of
the bytes that the layer was given, but for one unit of rounding.

`CINFER_QUANTIZED_NETWORKS=0:5000 pytest tests/quantize/test_random_networks.py` runs as many seeds as asked for.
"""
import os
from random import Random

import numpy as np
import onnx
import pytest
from onnx import helper
from random_networks import LEVELS, Declined, RandomNetwork, session, severed

import cinfer
from cinfer.quantize.quantizer import quantize

FIRST, LAST = map(int, os.environ.get("CINFER_QUANTIZED_NETWORKS", "0:10").split(":"))
FLOATS = 2e-5                           # of the largest number: float32 sums in another order
NOTHING = "nothing in it can be quantised"


def settings_of(seed: int) -> dict:
    rng = Random(seed)
    return dict(target=rng.choice((1.0, 1.0, .1, .03)), activations=rng.choice(("u8", "u8", "s8")),
                weights=rng.choice(("u8", "s8", "s7")), exact=rng.random() < .3,
                ranges=rng.choice((None, "min-max", "mse")))


def hold(seed: int) -> int:
    """How many layers are in integers. AssertionError where an answer is wrong."""
    net = RandomNetwork(seed)
    if not net.nodes:
        return 0
    settings, feeds = settings_of(seed), net.feeds(0)
    try:
        made = quantize(net.bytes(), [net.feeds(i) for i in range(5)], threads=1, **settings)
    except cinfer.UnsupportedError as error:
        assert NOTHING in str(error)
        return 0
    content = made.encoded()
    file = onnx.load_from_string(content)
    stored = [each.output[0] for each in file.graph.node if each.op_type == "QuantizeLinear"]
    wide = onnx.ModelProto()
    wide.CopyFrom(file)
    wide.graph.output.extend(map(helper.make_empty_tensor_value_info, stored))
    names = [*net.outputs, *stored]
    ours = dict(zip(names, cinfer.load(wide.SerializeToString(), threads=1).run(None, feeds)))
    given = {name: ours[name] for name in stored}
    theirs = dict(zip(names, session(severed(file, net.outputs, given)).run(
        names, {**feeds, **{f"{name}__cut": array for name, array in given.items()}})))
    where = f"seed {seed} {settings}"
    for name in names:
        a, b = (each[name].astype(np.float64) for each in (ours, theirs))
        assert a.shape == b.shape, f"{where}: {name} is of shape {a.shape}, right is {b.shape}"
        off, most = np.abs(a - b).max(initial=0), 1 if name in given else FLOATS * np.abs(b).max(initial=1)
        assert off <= most, f"{where}: {name} is off by {off:.3g}"
    alone, two = (cinfer.load(content, threads=count).run(None, feeds) for count in (1, 2))
    assert all(map(np.array_equal, alone, two)), f"{where}: other bits by two threads"
    if settings["activations"] == "u8":                 # else some versions refuse their own optimised graph
        session(content, LEVELS.ORT_ENABLE_ALL).run(None, feeds)
    return made.report.layers[0]


@pytest.mark.parametrize("first", range(FIRST, LAST, 10))
def test_each_layer_is_off_by_one_unit_at_most(first):
    assert sum(map(hold, range(first, min(first + 10, LAST)))) > 0


def test_what_is_declined_leaves_nothing_behind():
    net = RandomNetwork(FIRST)
    before = [len(net.nodes), [*net.values]]

    def adder(n, x):
        n.Relu(n.Relu(x))
        raise Declined("no")
    net.attempt(adder)
    assert before == [len(net.nodes), [*net.values]]

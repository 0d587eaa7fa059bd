"""Random networks whose inputs and outputs are int8 give what they give of uint8, in integers where these do."""
import numpy as np
import pytest

import cinfer
from cinfer import _ops
from cinfer.model.graph import Model
from cinfer.model.writer import encoded
from handmade import Builder
from quantised import KINDS, S8, U8, Y, as_int8, grid, numbers, stored

LEVELS = _ops.usable_levels()


def anything(seed: int):
    """Of bytes, with outputs that are read on."""
    rng, b = np.random.default_rng(seed), Builder()

    def applied(x: str, z: str) -> str:
        y = KINDS[rng.choice(list(KINDS))](b, x, z)
        return stored(b, y, [Y, grid(.25, -3, S8)][rng.integers(2)]) if rng.random() < .8 else y
    values = [b.DequantizeLinear(b.input(name, 1, 4, 6, 6, dtype=U8), *Y) for name in "xz"]
    for _ in range(rng.integers(1, 6)):
        values.append(applied(*map(str, rng.choice(values, 2))))
    outputs = []
    for _ in range(rng.integers(1, 4)):
        at = grid(rng.uniform(.1, .4), rng.integers(256))
        outputs.append(b.QuantizeLinear(str(rng.choice(values[2:])), *at))
        values.append(applied(b.DequantizeLinear(outputs[-1], *at), values[0]))
    outputs.append(b.QuantizeLinear(values[-1], *Y))
    return b.output(*outputs)


@pytest.mark.parametrize("part", range(4))
def test_int8_is_computed_as_uint8(part):
    """Bit by bit, at all levels; as many nodes stay in float."""
    for seed in range(8 * part, 8 * part + 8):
        graph = anything(seed)
        signed, feeds = as_int8(graph), numbers(graph, seed)
        for isa in LEVELS:
            pair = [cinfer.load(encoded(Model(each, {"": 17})), threads=2, isa=isa) for each in (graph, signed)]
            feeds = {each.name: feeds[each.name] for each in pair[0].inputs}
            wanted = pair[0].run(None, feeds)
            of_int8 = pair[1].run(None, {name: (x ^ 128).view(S8) for name, x in feeds.items()})
            for x, y in zip(wanted, of_int8):
                assert y.dtype == S8
                np.testing.assert_array_equal(y.view(U8) ^ 128, x, f"seed {seed} {isa}")
            floats = [[group["nodes"] for group in each.integers()["in_float"]] for each in pair]
            assert floats[0] == floats[1], f"seed {seed}"

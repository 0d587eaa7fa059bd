"""Reading arithmetic that exporters spell out with elementary operators and scalar constants."""
from __future__ import annotations

from math import inf

import numpy as np

from ..model.graph import Node
from .pattern import Rewriter, has

_DEEPEST = 6            # nested operators in the polynomials that exporters write


class Spelling:
    """One attempt to read a piece of graph; remembers which nodes it went through.

    inside : the nodes read, whose values a match makes superfluous
    tolerance : relative; how far constants may be from the formula's, by the coarsest type among them
    """

    def __init__(self, at: Rewriter):
        self.at = at
        self.inside: list[Node] = []
        self.tolerance = 2e-6
        self.dtype: np.dtype | None = None

    def near(self, value: float, wanted: float) -> bool:
        """Is a constant, or a product of some, the one of the formula, but for rounding?"""
        return abs(value - wanted) <= self.tolerance * abs(wanted)

    def scalar(self, name: str, beside: str) -> float | None:
        """The value of a scalar floating-point constant, see Rewriter.scalar."""
        value = self.at.scalar(name, beside)
        if value is not None:
            self.dtype = self.at.graph.constants[name].dtype
            if self.dtype.itemsize < 4 or name in self.at.coarse:
                self.tolerance = 2e-3           # two roundings to float16
        return value

    def maker(self, name: str, *op_types: str) -> Node | None:
        """The node that makes a value, taken as read, if it is one of these."""
        node = self.at.maker(name, *op_types)
        if node is not None:
            self.inside.append(node)
        return node

    def step(self, name: str) -> tuple[str, float, float] | None:
        """y = a * x + b in one operator with a scalar: (x, a, b)."""
        node = self.at.maker(name, "Add", "Sub", "Mul", "Div", "Neg")
        if node is None or node.attributes:         # `axis` and `broadcast` before opset 7
            return None
        if node.op_type == "Neg":
            self.inside.append(node)
            return node.inputs[0], -1.0, 0.0
        left, right = node.inputs
        value = self.scalar(right, left)
        x = left
        if value is None and node.op_type in ("Add", "Mul", "Sub"):
            value, x = self.scalar(left, right), right
        if value is None or (node.op_type == "Div" and value == 0):
            return None
        self.inside.append(node)
        if node.op_type == "Add":
            return x, 1.0, value
        if node.op_type == "Sub":
            return (x, 1.0, -value) if x == left else (x, -1.0, value)
        return x, value if node.op_type == "Mul" else 1 / value, 0.0

    def affine(self, name: str) -> tuple[str, float, float]:
        """y = a * x + b in up to two operators that nothing else reads: (x, a, b); (y, 1, 0) at least."""
        x, a, b = name, 1.0, 0.0
        for _ in range(2):
            one = self.step(x) if self.at.only_reader(x) else None
            if one is None:
                break
            x, a, b = one[0], a * one[1], a * one[2] + b
        return x, a, b

    def polynomial(self, name: str, x: str, depth: int = 0) -> dict[int, float] | None:
        """The value as a polynomial in x: degree -> coefficient; None when it is none."""
        if name == x:
            return {1: 1.0}
        value = self.scalar(name, x)
        if value is not None:
            return {0: value}
        node = self.at.maker(name, "Add", "Sub", "Mul", "Div", "Neg", "Pow")
        if node is None or node.attributes or depth == _DEEPEST:
            return None
        self.inside.append(node)
        left = self.polynomial(node.inputs[0], x, depth + 1)
        if left and node.op_type == "Neg":
            return {k: -c for k, c in left.items()}
        if left and node.op_type == "Pow":
            exponent = self.at.array(node.inputs[1])        # may be an integer
            return _power(left, exponent.item()) if exponent is not None and exponent.size == 1 else None
        right = left and self.polynomial(node.inputs[1], x, depth + 1)
        if not right:
            return None
        if node.op_type in ("Add", "Sub"):
            sign = 1 if node.op_type == "Add" else -1
            return {k: left.get(k, 0.0) + sign * right.get(k, 0.0) for k in left.keys() | right.keys()}
        if node.op_type == "Mul":
            return _times(left, right)
        if set(right) != {0}:
            return None
        return {k: c / right[0] for k, c in left.items()} if right[0] else None

    def clamp(self, name: str) -> tuple[str, float, float] | None:
        """y = min(max(x, low), high) in one or more operators: (x, low, high)."""
        low, high = -inf, inf
        x = name
        while x == name or self.at.only_reader(x):
            node = self.at.maker(x, "Relu", "Clip", "Min", "Max")
            one = node and self.limits(node)
            if not one or not (one[1] <= high and low <= one[2]):
                break
            self.inside.append(node)
            x, low, high = one[0], max(low, one[1]), min(high, one[2])
        return None if x == name else (x, low, high)

    def limits(self, node: Node) -> tuple[str, float, float] | None:
        """y = min(max(x, low), high) in this operator: (x, low, high). Not what leaves an infinity alone: as a limit,
        it would be none."""
        found = self._limits(node)
        return found if found and found[1] < inf and found[2] > -inf else None

    def _limits(self, node: Node) -> tuple[str, float, float] | None:
        inputs = node.inputs
        if node.op_type == "Relu":
            return inputs[0], 0.0, inf
        if node.op_type == "Clip":
            if node.opset < 11:
                get = node.attributes.get
                return inputs[0], _limit(get("min", -inf)), _limit(get("max", inf))
            limits = [self.scalar(inputs[i], inputs[0]) if has(node, i) else default
                      for i, default in ((1, -inf), (2, inf))]
            return None if None in limits or limits[0] > limits[1] else (inputs[0], *limits)
        if len(inputs) != 2:
            return None
        for constant, x in (inputs[::-1], inputs):
            value = self.scalar(constant, x)
            if value is not None:
                return (x, value, inf) if node.op_type == "Max" else (x, -inf, value)
        return None

    def product(self, root: Node) -> tuple[float, list[str]] | None:
        """y = c * f * g in Mul and Div, in any order: (c, [f] or [f, g]); None when there are more
        factors."""
        if root.attributes:
            return None
        scale, factors, waiting = 1.0, [], [root]
        while waiting:
            node = waiting.pop()
            for position, name in enumerate(node.inputs):
                divisor = node.op_type == "Div" and position == 1
                value = self.scalar(name, node.inputs[1 - position])
                if value is not None and not (divisor and value == 0):
                    scale = scale / value if divisor else scale * value
                    continue
                if divisor:
                    return None
                inner = self.at.maker(name, "Mul", "Div")
                if inner is not None and not inner.attributes and self.at.only_reader(name):
                    self.inside.append(inner)
                    waiting.append(inner)
                elif len(factors) == 2:
                    return None
                else:
                    factors.append(name)
        return scale, factors


def _limit(value: float) -> float:
    """Before opset 11 'no limit' was written as the largest float32."""
    return value if abs(value) < 3.4e38 else inf if value > 0 else -inf


def _power(base: dict[int, float], exponent: float) -> dict[int, float] | None:
    if exponent not in (2, 3):
        return None
    square = _times(base, base)
    return square if exponent == 2 else square and _times(square, base)


def _times(left: dict[int, float], right: dict[int, float]) -> dict[int, float] | None:
    result: dict[int, float] = {}
    for i, a in left.items():
        for j, b in right.items():
            if i + j > 3:
                return None
            result[i + j] = result.get(i + j, 0.0) + a * b
    return result

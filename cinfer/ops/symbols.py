"""Sizes that are not known yet: whole-number expressions in free sizes, in a normal form.

    sizes = Sizes()
    n, h = sizes.free("n"), sizes.free("h")
    n * h * 64 // (n * h)           is 64
    ((h + 1) // 2 + 1) // 2         is (h + 3) // 4

An expression is a polynomial with whole coefficients. Its atoms are the free sizes and those quotients that
do not come out, rounded down. Equal expressions are one object. What comes out as a number is an int.

Comparisons hold for all values that the free sizes can take, each at least its `least`; where some values say
yes and others no, the question raises Undecided, as does any use as a number. While an example is supposed
(`Sizes.supposing`), such a question is answered for it, and the answer noted as a condition.
"""
from __future__ import annotations

from contextlib import contextmanager
from math import gcd, prod
from operator import eq, ge, gt, le, lt, ne


OPPOSITE = {eq: ne, lt: ge, ge: lt, le: gt}         # of the relations that conditions have


class Undecided(Exception):
    """The answer is not the same for all sizes."""


class Atom:
    """A free size, or a quotient rounded down.

    least : no value of it is smaller; None: not known
    quotient : (numerator, denominator) of a quotient, ints or Symbols
    """
    __slots__ = ("serial", "name", "least", "quotient")

    def __init__(self, serial: int, name: str, least: int | None, quotient: tuple | None = None):
        self.serial, self.name, self.least, self.quotient = serial, name, least, quotient


class Sizes:
    """The expressions of one graph.

    assumed : None, or conditions: what `differ` and `below` could not tell, and what was supposed, as
        (relation, a, b), a relation being one of `operator`, as eq
    """

    def __init__(self, *, recording: bool = False):
        self.assumed: dict[tuple, None] | None = {} if recording else None
        self.pinning = False                # while an example is supposed, a use as a number is a condition too
        self._example: dict[Symbol, int] | None = None
        self._symbols: dict[tuple, Symbol] = {}
        self._quotients: dict[tuple, Symbol] = {}
        self._done: dict[tuple, Symbol | int] = {}          # (operation, its operands) -> the result
        self._serial = 0

    def free(self, name: str = "?", least: int = 1) -> Symbol:
        """A size of its own."""
        return self._alone(Atom(self._next(), name, least))

    @contextmanager
    def supposing(self, example: dict, pinning: bool = False):
        """While it lasts, questions that not all sizes answer alike are answered for these, free size ->
        number. The answers are conditions: `assumed` has those of this time alone. pinning : a size may be used as a
        number too, which it then has to have"""
        self._example, self.assumed, self.pinning = dict(example), {}, pinning
        try:
            yield self.assumed
        finally:
            self._example, self.pinning = None, False

    def exemplify(self, symbol: Symbol, value: int) -> None:
        """A free size that has come up while an example is supposed: its value there."""
        self._example[symbol] = value

    def exemplary(self, size: int | Symbol) -> int:
        """The value of a size for the example that is supposed."""
        return value_at(size, self._example)

    def suppose(self, relation, a: Symbol, b) -> bool:
        """The answer for the example; Undecided without one."""
        if self._example is None:
            raise Undecided
        if type(b) is not Symbol:
            b = int(b)                          # of NumPy
        holds = relation(a.at(self._example), value_at(b, self._example))
        self.assumed[relation if holds else OPPOSITE[relation], a, b] = None
        return holds

    @property
    def is_used(self) -> bool:
        """Has any expression been made?"""
        return bool(self._symbols)

    def _next(self) -> int:
        self._serial += 1
        return self._serial

    def _alone(self, atom: Atom) -> Symbol:
        return self.make({((atom.serial, atom),): 1})

    def make(self, terms: dict) -> Symbol | int:
        """The expression of these terms, product of atoms -> factor; an int where there is no atom."""
        key = tuple(sorted((item for item in terms.items() if item[1]), key=_order))
        if not key:
            return 0
        if len(key) == 1 and not key[0][0]:
            return key[0][1]
        symbol = self._symbols.get(key)
        if symbol is None:
            symbol = self._symbols[key] = Symbol(self, key)
        return symbol

    def quotient(self, a, b) -> Symbol | int:
        """a // b for a b that is not 0."""
        if type(b) is int and b < 0:
            a, b = -a, -b
        if b == 1 if type(b) is int else a is b:
            return a if type(b) is int else 1
        whole = _divided(self, a, b)
        if whole is not None:
            return whole
        if type(b) is not int:
            return self._quotient(a, b)
        out, rest = {}, {}
        for product, factor in _terms(a):
            whole, left = divmod(factor, b)
            out[product], rest[product] = whole, left
        rest, out = self.make(rest), self.make(out)
        if type(rest) is int:
            return out + rest // b
        common = gcd(b, *(factor for product, factor in rest.terms if product))
        if common > 1:                              # (4h + 3) // 6 is (2h + 1) // 3
            rest = self.make({p: f // common for p, f in rest.terms})
            return out + self.quotient(rest, b // common)
        inner = rest.single_quotient()
        if inner is not None:                       # (x // c + r) // b is (x + r * c) // (b * c)
            (x, c), r = inner
            return out + self.quotient(x + r * c, b * c)
        return out + self._quotient(rest, b)

    def _quotient(self, a, b) -> Symbol:
        symbol = self._quotients.get((a, b))
        if symbol is None:
            low, divisor = (v if type(v) is int else v.least() for v in (a, b))
            least = None
            if low is not None and divisor is not None and divisor > 0:
                least = low // divisor if type(b) is int else 0 if low >= 0 else None
            atom = Atom(self._next(), f"({a} // {b})", least, (a, b))
            symbol = self._quotients[a, b] = self._alone(atom)
        return symbol


def _order(item):
    return len(item[0]), [serial for serial, _ in item[0]]


def _terms(a):
    return a.terms if isinstance(a, Symbol) else (((), a),) if a else ()


def _divided(sizes: Sizes, a, b) -> Symbol | int | None:
    """a / b where it comes out for all sizes, by long division of polynomials; else None."""
    lead, by = _terms(b)[-1]
    whole: dict = {}
    rest = dict(_terms(a))
    for _ in range(16):
        rest = {p: f for p, f in rest.items() if f}
        if not rest:
            return sizes.make(whole)
        product = max(rest, key=lambda p: _order((p,)))
        left = list(product)
        for atom in lead:
            if atom not in left:
                return None
            left.remove(atom)
        factor, more = divmod(rest[product], by)
        if more:
            return None
        left = tuple(left)
        whole[left] = whole.get(left, 0) + factor
        for p, f in _terms(b):
            both = tuple(sorted(p + left, key=lambda atom: atom[0]))
            rest[both] = rest.get(both, 0) - f * factor
    return None


class Symbol:
    """terms : ((product of atoms, factor), ...), a product being a sorted tuple of (serial, Atom)"""
    __slots__ = ("sizes", "terms", "_least")

    def __init__(self, sizes: Sizes, terms: tuple):
        self.sizes, self.terms, self._least = sizes, terms, False

    # arithmetic

    def _plus(self, other, sign: int):
        if not isinstance(other, (int, Symbol)):
            return _as_int(other, self._plus, sign)
        done = self.sizes._done
        key = sign, self, other
        result = done.get(key)
        if result is None:
            terms = dict(self.terms)
            for product, factor in _terms(other):
                terms[product] = terms.get(product, 0) + sign * factor
            result = done[key] = self.sizes.make(terms)
        return result

    def __add__(self, other):
        return self._plus(other, 1)

    __radd__ = __add__

    def __sub__(self, other):
        return self._plus(other, -1)

    def __rsub__(self, other):
        return (-self) + other

    def __neg__(self):
        return self.sizes.make({product: -factor for product, factor in self.terms})

    def __mul__(self, other):
        if not isinstance(other, (int, Symbol)):
            return _as_int(other, self.__mul__)
        done = self.sizes._done
        key = "*", self, other
        result = done.get(key)
        if result is None:
            result = done[key] = self._times(other)
        return result

    def _times(self, other):
        terms: dict = {}
        for p, f in self.terms:
            for q, g in _terms(other):
                both = tuple(sorted(p + q, key=lambda atom: atom[0])) if p and q else p or q
                terms[both] = terms.get(both, 0) + f * g
        return self.sizes.make(terms)

    __rmul__ = __mul__

    def __floordiv__(self, other):
        if not isinstance(other, (int, Symbol)):
            return _as_int(other, self.__floordiv__)
        if other == 0:
            raise ZeroDivisionError("division by a size of 0")
        done = self.sizes._done
        key = "/", self, other
        result = done.get(key)
        if result is None:
            result = done[key] = self.sizes.quotient(self, other)
        return result

    def __rfloordiv__(self, other):
        if self == 0:
            raise ZeroDivisionError("division by a size of 0")
        return self.sizes.quotient(int(other), self)

    def __mod__(self, other):
        return self - self // other * other

    def __rmod__(self, other):
        return other - other // self * self

    def __pow__(self, other):
        if type(other) is not int or not 0 <= other < 8:
            raise Undecided
        return self * self**(other - 1) if other else 1

    # comparing

    def least(self) -> int | None:
        """No value is smaller; None: no such number is known."""
        if self._least is False:
            self._least = self._bound()
        return self._least

    def _bound(self) -> int | None:
        """With each atom written as its least value and something not negative: the constant, if no other
        factor is negative."""
        total: dict = {}
        for product, factor in self.terms:
            parts = {(): factor}
            for key in product:
                low = key[1].least
                if low is None:
                    return None
                more: dict = {}
                for p, f in parts.items():
                    more[p] = more.get(p, 0) + f * low
                    q = tuple(sorted((*p, key[0])))
                    more[q] = more.get(q, 0) + f
                parts = more
            for p, f in parts.items():
                total[p] = total.get(p, 0) + f
        constant = total.pop((), 0)
        return constant if all(f >= 0 for f in total.values()) else None

    def _sign(self, other) -> int | None:
        """Of self - other: -1, 0, 1, or None where not all sizes agree; 2 and -2: at least and at most 0."""
        if type(other) is int:
            low = self.least()
            if low is not None and low >= other:
                return 1 if low > other else 2
        difference = self - other
        if type(difference) is int:
            return (difference > 0) - (difference < 0)
        low = difference.least()
        if low is not None and low >= 0:
            return 1 if low > 0 else 2
        high = (-difference).least()
        if high is not None and high >= 0:
            return -1 if high > 0 else -2
        return None

    def _decide(self, other, yes: tuple, no: tuple, relation) -> bool:
        sign = self._sign(other)
        if sign in yes:
            return True
        if sign in no:
            return False
        return self.sizes.suppose(relation, self, other)

    def __eq__(self, other):
        if self is other:
            return True
        if not _is_number(other):
            return NotImplemented
        return self._decide(other, (0,), (-1, 1), eq)

    def __ne__(self, other):
        if self is other:
            return False
        if not _is_number(other):
            return NotImplemented
        return not self._decide(other, (0,), (-1, 1), eq)

    def __lt__(self, other):
        return self._decide(other, (-1,), (0, 1, 2), lt)

    def __gt__(self, other):
        return not self <= other

    def __le__(self, other):
        return self._decide(other, (0, -1, -2), (1,), le)

    def __ge__(self, other):
        return self._decide(other, (0, 1, 2), (-1,), ge)

    __hash__ = object.__hash__

    def __bool__(self):
        return self != 0

    def _as_number(self) -> int:
        sizes = self.sizes
        if not sizes.pinning:
            raise Undecided
        value = self.at(sizes._example)
        sizes.assumed[eq, self, value] = None
        return value

    def _no_number(self):
        raise Undecided

    __int__ = __index__ = _as_number
    __float__ = _no_number

    def __truediv__(self, other):
        raise Undecided

    __rtruediv__ = __truediv__

    # looking

    def single_quotient(self) -> tuple | None:
        """((x, c), r) where the expression is x // c + r for whole numbers c and r; else None."""
        product, factor = self.terms[-1]
        alone = len(self.terms) == 1 or len(self.terms) == 2 and not self.terms[0][0]
        if not alone or factor != 1 or len(product) != 1:
            return None
        inner = product[0][1].quotient
        if inner is None or type(inner[1]) is not int:
            return None
        return inner, self.terms[0][1] if len(self.terms) == 2 else 0

    def at(self, values: dict) -> int:
        """The number for these values of the free sizes, Symbol -> int."""
        total = 0
        for product, factor in self.terms:
            for key in product:
                factor *= self._atom_at(key, values)
            total += factor
        return total

    def _atom_at(self, key: tuple, values: dict) -> int:
        quotient = key[1].quotient
        if quotient is None:
            return values[self.sizes.make({(key,): 1})]
        a, b = (value_at(v, values) for v in quotient)
        return a // b

    def __repr__(self):
        def text(product, factor):
            names = "*".join(key[1].name for key in product)
            return str(factor) if not names else names if factor == 1 else f"{factor}*{names}"
        return " + ".join(text(*term) for term in reversed(self.terms))


def value_at(size, values: dict) -> int:
    """A size, int or Symbol, for these values of the free sizes."""
    return size.at(values) if isinstance(size, Symbol) else size


def _is_number(other) -> bool:
    return isinstance(other, (int, Symbol)) or hasattr(other, "__index__") or isinstance(other, float)


def _as_int(other, then, *more):
    """The operation with a number that is whole (of NumPy, or a float)."""
    try:
        whole = int(other)
    except (TypeError, ValueError, OverflowError):
        return NotImplemented
    if whole != other:
        raise Undecided
    return then(whole, *more)


# Questions that an operator asks in order to refuse: where sizes cannot tell yet, it does not; the plan asks
# again, with numbers.

def differ(a, b) -> bool:
    """Are two sizes, or shapes, not the same?"""
    try:
        return a != b
    except Undecided:
        if type(a) is not tuple:
            return _assume(eq, a, b)
        return len(a) != len(b) or any(map(differ, a, b))


def below(a, b) -> bool:
    """Is a size smaller?"""
    try:
        return a < b
    except Undecided:
        return _assume(ge, a, b)


def _assume(relation, a, b) -> bool:
    """It is not refused, so it has to hold when the sizes are known."""
    assumed = (a if isinstance(a, Symbol) else b).sizes.assumed
    if assumed is not None:
        assumed[relation, a, b] = None
    return False


def assume_at_most(most: int, shape: tuple, unit: int) -> None:
    """The product of the sizes, some of them free, and the unit is not above `most`."""
    sizes = next(d for d in shape if type(d) is Symbol).sizes
    if sizes.assumed is not None:
        sizes.assumed[ge, most, prod(shape, start=unit)] = None


def distinct(a, b) -> bool:
    """Are two sizes never the same?"""
    try:
        return a != b
    except Undecided:
        return False


def divided(a, b):
    """a // b, b being not 0."""
    known = type(a) is int and type(b) is int
    return a // b if known else (a if isinstance(a, Symbol) else b).sizes.quotient(a, b)


def same(a, b) -> bool:
    """Are two sizes, or shapes, the same for all values of the free sizes?"""
    try:
        return a == b
    except Undecided:
        return False


class Unsettled:
    """Stands for a number that is not the same for all sizes and no expression. Who uses it gets Undecided."""
    __slots__ = ()

    def _refuse(self, *_):
        raise Undecided

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __floordiv__ = __rfloordiv__ = __mod__ = _refuse
    __neg__ = __lt__ = __le__ = __gt__ = __ge__ = __eq__ = __ne__ = __bool__ = __int__ = __index__ = _refuse
    __hash__ = object.__hash__


UNSETTLED = Unsettled()

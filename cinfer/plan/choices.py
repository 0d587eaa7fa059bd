"""What was chosen for some sizes, kept for others.

Candidates say nothing of sizes, but which there are, and how values then lie, may depend on them. So a choice
is made once with sizes that are expressions (`Formulas.symbolic`): every question that not all sizes answer
alike is answered for the sizes at hand, and the answer becomes a condition. For sizes that meet all
conditions the same choice would be made again: it is taken as it is.
"""
from __future__ import annotations

from ..ops.symbols import Symbol, Undecided
from .bind import Bound
from .candidate import Candidate
from .formulas import Conditions, Formulas
from .placement import Placement
from .store import Store
from .views import ABSOLUTE, Buffer, Plain, row_major

MOST_CHOICES = 4        # that are kept for a graph; with none that holds, one is made for these sizes alone


class Choices:
    """chosen : (group, its candidates) in the order of the run; conditions : on the sizes"""
    __slots__ = ("chosen", "conditions")

    def __init__(self, chosen: list[tuple], conditions: Conditions):
        self.chosen, self.conditions = chosen, conditions


class Tracing(Placement):
    """A choice among sizes that are expressions."""

    def enter(self, group, candidates) -> None:
        first = candidates[0]
        if any((c.reads, c.writes, c.view, c.pieces, c.order, c.parts) != (
                first.reads, first.writes, first.view, first.pieces, first.order, first.parts)
               for c in candidates[1:]):
            raise Undecided             # which one is cheaper decides how values lie
        for _, channel in (*first.pieces, *first.parts):
            if type(channel) is Symbol:
                raise Undecided
        self.traced.append((group, candidates))
        super().enter(group, candidates)

    def cheapest(self, candidates) -> Candidate:
        return candidates[0]            # what it costs is a matter of sizes

    def constant_view(self, name: str, value) -> Plain:
        fact = self.facts[name]                 # the value may be made of expressions, or UNSEEN
        return Plain(Buffer(0, ABSOLUTE), 0, fact.shape, row_major(fact.shape), fact.dtype)

    def choose(self) -> list[tuple]:
        """(group, its candidates) in the order of the run."""
        self.traced = []
        super().choose()
        return self.traced


def place(bound: Bound, table, tiles, store: Store, choices: Choices | None = None) -> Placement:
    """Choose and place everything that a bound graph computes. choices : that hold for its sizes, see `fitting`"""
    placement = Placement(bound, table, tiles, store)
    if choices is None:
        placement.choose()
    else:
        for group, candidates in choices.chosen:
            placement.enter(group, candidates)
    placement.settle()
    placement.freeze()
    return placement


def fitting(bound: Bound, table, tiles, store: Store) -> Choices | None:
    """A choice that holds for these sizes, made now unless there is one; None where it cannot be made."""
    formulas = bound.formulas
    known = None if formulas is None else store.choices.setdefault(formulas, [])
    if known is None:
        return None
    for choices in known:
        if choices.conditions.hold(bound.slots):
            return choices
    if len(known) >= MOST_CHOICES:
        return None
    choices = traced(formulas, bound, table, tiles, store)
    if choices is None:
        store.choices[formulas] = None          # nor will it be for other sizes
    else:
        known.append(choices)
    return choices


def traced(formulas: Formulas, bound: Bound, table, tiles, store: Store) -> Choices | None:
    """The choice for the sizes in `bound.slots`."""
    symbolic = Bound(bound.nodes, formulas.symbolic, bound.inputs, bound.outputs, bound.index)
    with formulas.program.sizes.supposing(formulas.example(bound.slots)) as assumed:
        try:
            alike = Store(table, tiles.threads, store.any_size, store.bf16_rate)
            chosen = Tracing(symbolic, table, tiles, alike).choose()
        except Undecided:
            return None
    return Choices(chosen, Conditions(formulas.program, assumed))

"""What a detector finds, before and after: objects count, more than numbers of its outputs."""
from __future__ import annotations

from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass

MOST_PICTURES = 25
OVERLAP = .5                        # of boxes, over their union, that are of one object


@dataclass(frozen=True, slots=True)
class Objects:
    """Found on some pictures: before by the float network, same by both, more by the other one alone.

    score, largest : how much the scores of the same ones differ, on average, and at most
    """
    before: int
    same: int
    more: int
    score: float
    largest: float

    def __str__(self):
        text = f"{self.same} of {self.before} objects found again, {self.more} more"
        return f"{text}; scores differ by {self.score:.3f}, at most {self.largest:.3f}" if self.same else text


def objects(reader, session, pictures: Iterable) -> Objects | None:
    """Of pictures, by name, for a Reader's session and another one; None where it answers with something else."""
    other = copy(reader)
    other.session = session
    before = same = more = 0
    changes: list[float] = []
    for picture in list(pictures)[:MOST_PICTURES]:
        ready = reader.prepare(reader.opened(picture))
        ours, theirs = (found_by(each.finish(ready).answer) for each in (reader, other))
        if ours is None or theirs is None or any(each.box is None or each.score is None for each in (*ours, *theirs)):
            return None
        pairs = matched(ours, theirs)
        before, same, more = before + len(ours), same + len(pairs), more + len(theirs) - len(pairs)
        changes += [abs(a.score - b.score) for a, b in pairs]
    if not before:
        return None
    return Objects(before, same, more, sum(changes) / max(len(changes), 1), max(changes, default=0.0))


def found_by(answer) -> list | None:
    from ..vision.answers.objects import Objects as Answer
    return answer.found if isinstance(answer, Answer) else None


def matched(ours: list, theirs: list) -> list[tuple]:
    """Pairs of one class that overlap, the best of ours first, each with the one that overlaps most."""
    left, pairs = list(theirs), []
    for one in sorted(ours, key=lambda each: -each.score):
        near = [(overlap(one.box, other.box), place) for place, other in enumerate(left) if other.index == one.index]
        share, place = max(near, default=(0.0, -1))
        if share >= OVERLAP:
            pairs.append((one, left.pop(place)))
    return pairs


def overlap(a, b) -> float:
    """Of two boxes, over their union."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    inside = max(width, 0) * max(height, 0)
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inside
    return inside / union if union > 0 else 0.0

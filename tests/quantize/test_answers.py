"""Objects before and after, held beside each other."""
import pytest

from cinfer.quantize.answers import Objects, matched, objects, overlap
from cinfer.vision.answers.classes import Class, Classes
from cinfer.vision.answers.objects import Object
from cinfer.vision.answers.objects import Objects as Answer

A, B, C = (0, 0, 10, 10), (2, 0, 12, 10), (40, 40, 50, 60)


class Reader:
    """Answers by its session, a dict: picture -> objects."""

    def __init__(self, session):
        self.session = session

    def opened(self, picture):
        return picture

    def prepare(self, picture):
        return picture

    def finish(self, picture):
        class Reading:
            answer = self.session[picture]
        return Reading


def answer(*found):
    return Answer([Object(index, None, score, box) for index, score, box in found])


@pytest.mark.parametrize("a, b, share", [(A, A, 1), (A, B, 80 / 120), (A, C, 0), (A, (3, 3, 3, 3), 0),
                                         (A, (0, 0, 5, 20), 1 / 3)])
def test_overlap(a, b, share):
    assert overlap(a, b) == overlap(b, a) == pytest.approx(share)


def test_each_object_is_found_once_by_the_nearest_of_its_class():
    ours = answer((1, .9, A), (1, .5, B), (2, .7, C)).found
    theirs = answer((1, .6, B), (1, .8, A), (3, .7, C)).found
    assert [(one.box, other.box) for one, other in matched(ours, theirs)] == [(A, A), (B, B)]
    assert matched(ours, theirs[:1]) == [(ours[0], theirs[0])]


def test_what_is_counted():
    before = {"p": answer((1, .9, A), (2, .7, C)), "q": answer((1, .5, A))}
    after = {"p": answer((1, .8, B), (2, .67, C), (2, .4, A)), "q": answer()}
    found = objects(Reader(before), after, ["p", "q"])
    assert (found.before, found.same, found.more) == (3, 2, 1)
    assert (found.score, found.largest) == pytest.approx((.065, .1))
    assert str(found) == "2 of 3 objects found again, 1 more; scores differ by 0.065, at most 0.100"
    assert str(Objects(3, 0, 1, 0.0, 0.0)) == "0 of 3 objects found again, 1 more"


def test_other_networks_have_no_objects():
    seen = {"p": Classes([Class(1, None, .5)])}
    assert objects(Reader(seen), seen, ["p"]) is None
    assert objects(Reader({"p": answer()}), {"p": answer()}, ["p"]) is None
    points = {"p": Answer([Object(0, None)])}
    assert objects(Reader(points), points, ["p"]) is None

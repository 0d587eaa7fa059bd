"""Nearly the same pictures are found and stay in one fold; classes are spread over the folds."""

import numpy as np
import pytest

from cinfer.adapt.folds import alike, folds_of


def rows_with_twins():
    """60 rows of 3 classes; 1 is as 0, 2 as 1, and 40, of another class, as 41."""
    rng = np.random.default_rng(0)
    rows, classes = rng.normal(size=(60, 50)) + 5, np.repeat([0, 1, 2], 20)
    rows[1], rows[2] = rows[0] + .05 * rng.normal(size=(2, 50))
    rows[39] = rows[40]
    return rows.astype(np.float32), classes


def test_twins_are_found():
    found = alike(*rows_with_twins())
    assert found.counts == (3, 1) and [(p.one, p.other) for p in found.across] == [(39, 40)]
    assert {(p.one, p.other) for p in found.within} == {(0, 1), (0, 2), (1, 2)}
    assert found.across[0].cosine == pytest.approx(1, abs=1e-6) and all(p.cosine > .98 for p in found.within)
    assert len(np.unique(found.groups)) == 57 and len(set(found.groups[[0, 1, 2]])) == 1


def test_what_all_have_in_common_makes_no_twins():
    """Features that are never negative point the same way; from their mean they do not."""
    rng = np.random.default_rng(1)
    rows = np.abs(100 + rng.normal(size=(30, 50)))
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    assert (unit @ unit.T).min() > .98 and alike(rows, np.zeros(30, int)).counts == (0, 0)


def test_many_are_compared_in_blocks(monkeypatch):
    rows, classes = rows_with_twins()
    whole = alike(rows, classes)
    monkeypatch.setattr("cinfer.adapt.folds.ROWS", 7)
    blocks = alike(rows, classes)
    assert (whole.groups == blocks.groups).all() and blocks.counts == whole.counts
    assert [each.cosine for each in blocks.within] == pytest.approx([each.cosine for each in whole.within], abs=1e-5)
    monkeypatch.setattr("cinfer.adapt.folds.MOST_COMPARED", 10)
    assert alike(rows, classes).counts == whole.counts      # those that are near each other in the list


def test_groups_stay_whole_and_classes_are_spread():
    rows, classes = rows_with_twins()
    found = alike(rows, classes)
    folds, torn = folds_of(found.groups, classes)
    assert not torn and set(folds) == set(range(5))
    assert all(len(set(folds[found.groups == group])) == 1 for group in found.groups)
    for number in range(3):
        counts = np.bincount(folds[classes == number], minlength=5)
        assert counts.min() >= 2 and counts.max() <= 6
    assert (folds == folds_of(found.groups, classes)[0]).all()


@pytest.mark.parametrize("count, folds", [(2, 2), (3, 3), (5, 5), (9, 5)])
def test_folds_adapt_to_few_pictures(count, folds):
    classes = np.repeat([0, 1], count)
    found, _ = folds_of(np.arange(2 * count), classes)
    assert found.max() + 1 == folds
    for fold in range(folds):                           # each class is left to learn from
        assert set(classes[found != fold]) == {0, 1} and (found == fold).any()


def test_a_class_of_one_picture_taken_often_is_torn():
    classes = np.repeat([0, 1], 6)
    groups = np.r_[np.zeros(6, int), np.arange(6, 12)]
    folds, torn = folds_of(groups, classes)
    assert torn == [0] and all(set(classes[folds != fold]) == {0, 1} for fold in range(5))

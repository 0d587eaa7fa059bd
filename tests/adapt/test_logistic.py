"""The answer is where the gradient of the loss is zero, and no other program finds a better one."""

import numpy as np
import pytest

from cinfer.adapt.learn import learn, smoothed, softmax, temperature_of, wilson
from cinfer.adapt.logistic import Axes, least


def rows_of(n, d, count, seed=0):
    """Rows of features that go together, as those of networks; some are always 0, some never vary."""
    rng = np.random.default_rng(seed)
    classes = np.arange(n) % count
    x = rng.normal(size=(n, 8)) @ rng.normal(size=(8, d)) + .3 * rng.normal(size=(n, d))
    x[:, :5] += 2 * np.eye(count, 5)[classes]
    x[:, -2:] = 0, 7
    return np.maximum(x, 0), classes


def gradient(fit, x, classes, penalty):
    z = (x - fit.mean) / fit.scale
    error = (softmax(fit.logits(x)) - (classes[:, None] == np.arange(classes.max() + 1))) / len(x)
    return z.T @ error + penalty * fit.weights, error.sum(0)


@pytest.mark.parametrize("n, d, count", [(12, 60, 2), (60, 200, 3), (300, 30, 5)])
@pytest.mark.parametrize("penalty", [10., .1, .001])
def test_the_gradient_is_zero(n, d, count, penalty):
    x, classes = rows_of(n, d, count)
    fit = Axes(x, classes, count).fit(penalty)
    of_weights, of_biases = gradient(fit, x, classes, penalty)
    assert np.abs(of_weights).max() < 1e-7 and np.abs(of_biases).max() < 1e-7
    assert np.abs(fit.weights).max() > 1e-3


def test_the_oracle_can_fail():
    x, classes = rows_of(60, 20, 3)
    fit = Axes(x, classes, 3).fit(.01, tolerance=1e-2)
    assert np.abs(gradient(fit, x, classes, .01)[0]).max() > 1e-5


@pytest.mark.parametrize("n, d", [(40, 100), (200, 20)])
def test_as_scikit_learn(n, d):
    linear = pytest.importorskip("sklearn.linear_model")
    x, classes = rows_of(n, d, 4)
    for penalty in (1., .01):
        fit = Axes(x, classes, 4).fit(penalty)
        z = (x - fit.mean) / fit.scale
        theirs = linear.LogisticRegression(C=1 / (n * penalty), tol=1e-9, max_iter=5000).fit(z, classes)
        assert np.abs(theirs.predict_proba(z) - softmax(fit.logits(x))).max() < 1e-5


def test_where_it_begins_does_not_matter():
    x, classes = rows_of(50, 30, 3)
    axes = Axes(x, classes, 3)
    warm = axes.fit(.01, axes.fit(1.))
    assert np.allclose(warm.weights, axes.fit(.01).weights, atol=1e-5)


def test_folded_weights_give_the_same_logits():
    x, classes = rows_of(50, 30, 3)
    fit = Axes(x, classes, 3).fit(.1)
    weights, biases = fit.folded(2.0)
    differ = x @ weights.T + biases - fit.logits(x) / 2
    assert np.abs(differ - differ.mean(1, keepdims=True)).max() < 1e-9      # but for a number that softmax drops
    assert not weights[:, -2:].any()


def test_a_class_without_a_row_is_never_said():
    x, classes = rows_of(40, 10, 2)
    fit = Axes(x, classes * 2, 3).fit(.1)               # 0 and 2 of three
    assert set(fit.logits(x).argmax(1)) == {0, 2} and softmax(fit.logits(x))[:, 1].max() < 1e-3


def test_least_of_a_quadratic():
    rng = np.random.default_rng(1)
    a = np.diag(np.logspace(0, 4, 20))
    b = rng.normal(size=(20, 1))
    found = least(lambda v: (float((v.T @ a @ v / 2 - b.T @ v)[0, 0]), a @ v - b), np.zeros((20, 1)), 1e-9)
    assert np.allclose(found, np.linalg.solve(a, b), rtol=1e-4, atol=1e-6)


def test_the_temperature_is_the_best_of_many():
    rng = np.random.default_rng(0)
    logits, classes = 6 * rng.normal(size=(80, 4)), np.arange(80) % 4
    logits[np.arange(80), classes] += 5
    t = temperature_of(logits, classes)
    losses = {each: smoothed(logits / each, classes) for each in np.linspace(.1, 15, 300)}
    assert smoothed(logits / t, classes) <= min(losses.values()) + 1e-6 and 1 < t < 10


def test_all_right_is_no_certainty():
    """The fewer pictures, the less sure."""
    sure = []
    for n in (6, 60, 600):
        classes = np.arange(n) % 3
        logits = 4.0 * np.eye(3)[classes]
        sure.append(softmax(logits / temperature_of(logits, classes)).max(1).mean())
    assert sure == pytest.approx([7 / 8, 61 / 62, 601 / 602], abs=1e-3)


def test_wilson():
    """The numbers of Brown, Cai and DasGupta 2001, and the ends."""
    assert wilson(.5, 10) == pytest.approx((.2366, .7634), abs=1e-4)
    assert wilson(1, 20) == pytest.approx((.8389, 1), abs=1e-4)
    assert wilson(0, 20)[0] == pytest.approx(0)


def test_held_out_answers_did_not_see_the_picture():
    """Of labels that are drawn, no more than chance is right; fits that had seen them would be right on all."""
    rng = np.random.default_rng(3)
    x, classes = rng.normal(size=(200, 300)), rng.integers(0, 4, 200)
    folds = np.arange(200) % 5
    learned = learn(x, classes, 4, folds, lambda *_: None)
    assert (learned.held.argmax(1) == classes).mean() < .4
    assert learned.held.max(1).mean() < .4              # and that is what the answers say
    assert len(learned.penalties) == 5 and set(learned.losses) >= {learned.penalty}

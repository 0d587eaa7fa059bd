"""Whatever the scores are, other programs can read what is written."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from cinfer.vision.answers import formats
from cinfer.vision.answers.objects import Object, Objects


@pytest.mark.parametrize("score", [np.nan, np.inf, None, .5])
def test_label_studio_of_any_score(score):
    found = Objects([Object(0, "a", score, (1., 2., 3., 4.))])
    reading = SimpleNamespace(answer=found, frame=SimpleNamespace(width=10, height=10))
    written = json.loads(formats.dumped(formats.labelstudio("a.jpg", reading)))
    assert written["predictions"][0]["score"] == (score if score == .5 else 0)

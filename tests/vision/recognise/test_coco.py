"""The names of COCO's classes, and whether a network has so many."""

import numpy as np
import pytest

from cinfer.vision.recognise.coco import coco_80, coco_91, has_classes


def test_both_numberings():
    few, many = coco_80(), coco_91()
    assert len(few) == 80 and len(many) == 91 and [name for name in many if name != "N/A"] == few
    assert (few[0], few[11], few[79]) == ("person", "stop sign", "toothbrush")
    assert (many[1], many[12], many[13], many[90]) == ("person", "N/A", "stop sign", "toothbrush")


@pytest.mark.parametrize("shape, wanted", [((91,), True), ((546, 672, 1, 1), True), ((256, 91), True), ((3,), False)])
def test_weights_speak_against_other_counts(shape, wanted):
    weights = {str(i): np.zeros((2, 2)) for i in range(10)}
    assert has_classes(weights | {"head": np.zeros(shape, np.int8)}, 91) is wanted
    assert has_classes({"head": np.zeros(shape, np.int8)}, 91)

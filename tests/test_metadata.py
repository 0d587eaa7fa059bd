"""Labels, whichever way a model's metadata write them."""
import pytest

from cinfer.metadata import labels_of


@pytest.mark.parametrize("metadata, labels", [
    ({}, None),
    ({"cinfer.labels": "cat\ndog"}, ["cat", "dog"]),
    ({"names": "['cat', 'sea  lion\\n']"}, ["cat", "sea lion"]),
    ({"names": "{0: 'cat', 2: 'dog'}"}, ["cat", "1", "dog"]),
    ({"names": '{"0": "cat", "1": "dog"}'}, ["cat", "dog"]),
    ({"names": '{"a": "cat"}'}, None), ({"names": '{"%s": "cat"}' % ("9" * 5000)}, None),
    ({"names": "{[]: 'cat'}"}, None), ({"names": "{{}}"}, None),
    ({"cinfer.labels": "cat", "names": "['dog']"}, ["cat"]),
    ({"names": "cat, dog"}, None),
    ({"names": "{}"}, None),
    ({"names": "{-1: 'cat'}"}, None),
])
def test_labels(metadata, labels):
    assert labels_of(metadata) == labels


def test_a_literal_of_any_length_takes_no_time():
    from cinfer.metadata import MOST_LITERAL, literal
    assert literal("{%s}" % ",".join(f"{i}:'n'" for i in range(MOST_LITERAL // 8)), (dict,)) is None
    assert literal("{0: 'a'}", (dict,)) == {0: "a"}

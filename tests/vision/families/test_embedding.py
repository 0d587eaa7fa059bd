"""Vectors of pictures: which output, how it is pooled, that it is of length 1."""

import numpy as np
import pytest
from fake_session import view
from folder import model_in, words_of

from cinfer.errors import InputError
from cinfer.vision.families import embedding

RNG = np.random.default_rng(8)
TOKENS = RNG.normal(size=(1, 50, 12)).astype(np.float32)


def vector(outputs, **words):
    return embedding.decode(view(outputs, **words)).vector


@pytest.mark.parametrize("outputs, words, expected", [
    ({"image_embeds": TOKENS[:, 3]}, {}, TOKENS[0, 3]),
    ({"last_hidden_state": TOKENS, "pooler_output": TOKENS[:, 7]}, {}, TOKENS[0, 7]),
    ({"last_hidden_state": TOKENS, "image_embeds": TOKENS[:, 7], "pooler_output": TOKENS[:, 1]}, {}, TOKENS[0, 7]),
    ({"last_hidden_state": TOKENS}, {}, TOKENS[0, 0]),                              # 49 + 1 of the whole
    ({"last_hidden_state": TOKENS[:, :49]}, {}, TOKENS[0, :49].mean(0)),            # 7 x 7
    ({"last_hidden_state": TOKENS[:, :49]}, {"output_pooling": "first"}, TOKENS[0, 0]),
    ({"last_hidden_state": TOKENS}, {"output_pooling": "mean"}, TOKENS[0].mean(0)),
    ({"last_hidden_state": TOKENS.reshape(1, 12, 10, 5)}, {}, TOKENS.reshape(12, 50).mean(1)),
    ({"y": TOKENS[:, :, 0]}, {}, TOKENS[0, :, 0]),
    ({"y": TOKENS[:, :, 0].reshape(1, 50, 1, 1)}, {}, TOKENS[0, :, 0]),
    ({"a": TOKENS, "y": TOKENS[0, 5]}, {"output_name": "y"}, TOKENS[0, 5]),
])
def test_vector(outputs, words, expected):
    found = vector(outputs, **words)
    assert np.allclose(found, expected / np.linalg.norm(expected.astype(float)), atol=1e-6)
    assert abs(np.linalg.norm(found) - 1) < 1e-9


def test_answer():
    answer = embedding.decode(view({"y": np.array([[3, 4]], np.float32)}))
    assert answer.task == "embedding" and np.allclose(answer.data()["embedding"], [0.6, 0.8])


@pytest.mark.parametrize("values", [[0.0, 0.0], [np.nan, 1.0], [np.inf, 1.0]])
def test_without_a_length_it_stays_as_it_is(values):
    assert np.array_equal(vector({"y": np.array([values])}), values, equal_nan=True)


@pytest.mark.parametrize("values", [np.zeros((0, 5)), np.array(["a"]), np.float32(3)])
def test_what_is_no_vector_is_refused(values):
    with pytest.raises(InputError, match="an embedding is of numbers"):
        vector({"y": values})


@pytest.mark.parametrize("name, mean", [
    ("image_embeds", "122.7709383"), ("last_hidden_state", "123.675"), ("embedding", "123.675")])
def test_told_by_the_name_of_an_output(tmp_path, name, mean):
    words = words_of(model_in(tmp_path, {}, {"other": (1, 3, 4), name: ("b", 512)}, ("b", 3, "h", "w")))
    assert (words.task, words.text("output.name"), words.text("input.size")) == ("embedding", name, "224x224")
    assert words.text("input.mean").startswith(mean) and f"its output {name}, fed as is the habit of" in words.origin()


def test_not_told_where_there_are_logits(tmp_path):
    made = model_in(tmp_path, {}, {"last_hidden_state": (1, 50, 8), "logits": (1, 9)})
    assert words_of(made).task == "classification"

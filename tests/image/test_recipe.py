"""Words become a recipe, or an error that names the flag or the key and says what is right."""

import numpy as np
import pytest
from fake_session import port, session

from cinfer.errors import InputError, LimitError
from cinfer.image.recipe import recipe_for, target_size

WHOLE = {
    "cinfer.recipe": "1",
    "cinfer.input.name": "input",
    "cinfer.input.layout": "NHWC",
    "cinfer.input.channels": "BGR",
    "cinfer.input.size": "48x96",
    "cinfer.input.resize": "letterbox:7",
    "cinfer.input.filter": "bicubic",
    "cinfer.input.mean": "1,2,3",
    "cinfer.input.std": "0.5",
}


def test_keys_of_the_metadata_become_the_recipe():
    recipe = recipe_for(session(WHOLE))
    assert (recipe.input, recipe.dtype, recipe.size, recipe.layout) == ("input", np.float32, (48, 96), "NHWC")
    assert (recipe.channels, recipe.resize, recipe.filter) == ("BGR", ("letterbox", 7), "bicubic")
    assert (recipe.mean, recipe.std) == ((1, 2, 3), (0.5,))
    assert str(recipe) == "48x96 BGR NHWC, letterbox:7 bicubic, mean 1,2,3, std 0.5"


def test_defaults_are_those_of_the_document():
    recipe = recipe_for(session({"cinfer.recipe": "1"}))
    assert str(recipe) == "any RGB NCHW, stretch bilinear, mean 0, std 1"


def test_flags_win_over_metadata_and_are_named():
    recipe = recipe_for(session(WHOLE), flags={"size": "224", "layout": "nchw", "mean": "0"})
    assert (recipe.size, recipe.layout, recipe.mean, recipe.channels) == ((224, 224), "NCHW", (0,), "BGR")
    assert recipe.origin == "the model's metadata; as given: size, layout, mean"


@pytest.mark.parametrize(
    "key, text",
    [
        ("size", ""),
        ("size", "0x5"),
        ("size", "5x"),
        ("size", "axb"),
        ("size", "-5x5"),
        ("size", "5x5x5"),
        ("size", "multiple:0"),
        ("size", "multiple:"),
        ("size", "1e3x5"),
        ("size", "9999999x5"),
        ("size", "²x5"),
        ("size", "Wx48"),
        ("layout", "CHWN"),
        ("channels", "RGBA"),
        ("resize", "fill"),
        ("resize", "crop"),
        ("resize", "crop:0"),
        ("resize", "crop:1.5"),
        ("resize", "crop:nan"),
        ("resize", "letterbox:256"),
        ("resize", "letterbox:-1"),
        ("resize", "letterbox:x"),
        ("resize", "stretch:1"),
        ("filter", "lanczos"),
        ("mean", ""),
        ("mean", "1,2"),
        ("mean", "1,,3"),
        ("mean", "nan"),
        ("mean", "inf"),
        ("mean", "1,2,3,4"),
        ("std", "0"),
        ("std", "1,0,1"),
        ("std", "x"),
    ],
)
def test_wrong_words_are_refused_by_flag_and_by_key(key, text):
    with pytest.raises(InputError) as by_flag:
        recipe_for(session(), flags={key: text})
    assert str(by_flag.value).startswith(f"--{key} is {text!r}; right is ")
    with pytest.raises(InputError) as by_key:
        recipe_for(session({"cinfer.recipe": "1", f"cinfer.input.{key}": text}))
    assert str(by_key.value).startswith(f"cinfer.input.{key} is {text!r}; right is ")


def test_one_number_per_channel_means_the_channels_fed():
    assert recipe_for(session(), flags={"channels": "GRAY", "mean": "5", "std": "2"}).mean == (5,)
    with pytest.raises(InputError, match="right is one number$"):
        recipe_for(session(), flags={"channels": "GRAY", "mean": "1,2,3", "std": "1"})
    assert recipe_for(session(), flags={"channels": "RGB+1", "mean": "1,2,3"}).mean == (1, 2, 3)


def test_model_that_needs_more_than_a_picture_is_refused():
    model = session()
    model.inputs.append(port("scale", np.float32, (2,)))
    with pytest.raises(InputError, match="also takes 'scale'"):
        recipe_for(model)


def test_input_that_is_not_there_and_inputs_of_no_numbers_are_refused():
    with pytest.raises(InputError, match="cinfer.input.name is 'x'; the model's inputs are 'input'"):
        recipe_for(session({"cinfer.recipe": "1", "cinfer.input.name": "x"}))
    for dtype in (None, bool, object):
        with pytest.raises(InputError, match="a picture is float or integers"):
            recipe_for(session(dtype=dtype))


@pytest.mark.parametrize(
    "size, picture, expected",
    [
        ("any", (641, 479), (641, 479)),
        ("96x64", (10, 10), (64, 96)),
        ("48xW", (200, 100), (96, 48)),
        ("48xW", (1, 1000), (1, 48)),
        ("multiple:32", (641, 479), (640, 480)),
        ("multiple:32", (3, 47), (32, 32)),
        ("multiple:32", (49, 100), (64, 96)),
    ],
)
def test_target_size(size, picture, expected):
    assert target_size(recipe_for(session(), flags={"size": size}), *picture) == expected


def test_target_beyond_any_picture_is_refused():
    with pytest.raises(LimitError, match="100 million"):
        target_size(recipe_for(session(), flags={"size": "999xW"}), 500_000, 1)

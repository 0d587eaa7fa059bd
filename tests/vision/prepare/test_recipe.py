"""Words become a recipe, or an error that names the flag or the key and says what is right."""

import numpy as np
import pytest
from fake_session import known, recipe_of, session

from cinfer.errors import InputError, LimitError
from cinfer.vision.prepare.recipe import target_size

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
    recipe = recipe_of(session(WHOLE))
    assert (recipe.input, recipe.dtype, recipe.size.numbers, recipe.layout) == ("input", np.float32, (48, 96), "NHWC")
    assert (recipe.channels, recipe.resize, recipe.filter) == ("BGR", ("letterbox", 7), "bicubic")
    assert (recipe.mean, recipe.std) == ((1, 2, 3), (0.5,))
    assert str(recipe) == "48x96 BGR NHWC, letterbox:7 bicubic, mean 1,2,3, std 0.5"


def test_defaults_are_those_of_the_document():
    recipe = recipe_of(session({"cinfer.recipe": "1"}))
    assert str(recipe) == "any RGB NCHW, stretch bilinear, mean 0, std 1"


def test_flags_win_over_metadata_and_are_named():
    recipe = recipe_of(session(WHOLE), flags={"size": "224", "layout": "nchw", "mean": "0"})
    assert (recipe.size.numbers, recipe.layout, recipe.mean, recipe.channels) == ((224, 224), "NCHW", (0,), "BGR")
    said = known(session(WHOLE), **{"input.size": "224", "input.mean": "0"}).origin()
    assert said == "as given: --input.size, --input.mean; the model's metadata; a guess by its output, 1000 numbers"


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
        ("resize", "letterbox:" + "1" * 5000),
        ("resize", "letterbox:-1"),
        ("resize", "letterbox:x"),
        ("resize", "stretch:1"),
        ("filter", "area"),
        ("size", "short:0"),
        ("size", "short:800:1333:2"),
        ("size", "least:736"),
        ("size", "least:736:32:x"),
        ("size", "48xW:"),
        ("size", "48xW:320:1"),
        ("size", "48x48:320"),
        ("size", "within:640:x"),
        ("resize", "pad:1000"),
        ("resize", "cut:mean"),
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
        recipe_of(session(), flags={key: text})
    assert str(by_flag.value).startswith(f"--{key} is {text!r}; right is ")
    with pytest.raises(InputError) as by_key:
        recipe_of(session({"cinfer.recipe": "1", f"cinfer.input.{key}": text}))
    assert str(by_key.value).startswith(f"cinfer.input.{key} is {text!r}; right is ")


def test_one_number_per_channel_means_the_channels_fed():
    assert recipe_of(session(), flags={"channels": "GRAY", "mean": "5", "std": "2"}).mean == (5,)
    with pytest.raises(InputError, match="right is one number$"):
        recipe_of(session(), flags={"channels": "GRAY", "mean": "1,2,3", "std": "1"})
    assert recipe_of(session(), flags={"channels": "RGB+1", "mean": "1,2,3"}).mean == (1, 2, 3)


def test_input_that_is_not_there_and_inputs_of_no_numbers_are_refused():
    with pytest.raises(InputError, match="cinfer.input.name is 'x'; the model's inputs are 'input'"):
        recipe_of(session({"cinfer.recipe": "1", "cinfer.input.name": "x"}))
    for dtype in (None, bool, object):
        with pytest.raises(InputError, match="a picture is float or integers"):
            recipe_of(session(dtype=dtype))


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
        ("up:32", (641, 479), (672, 480)),
        ("up:32", (640, 1), (640, 32)),
        ("short:224", (768, 576), (298, 224)),
        ("short:224", (576, 768), (224, 298)),
        ("short:800:1333", (1200, 800), (1200, 800)),
        ("short:800:1333", (3000, 1000), (1333, 444)),
        ("long:1024", (2000, 1000), (1024, 512)),
        ("long:1024", (500, 1000), (512, 1024)),
        ("least:736:32", (1000, 800), (992, 800)),
        ("least:736:32", (300, 400), (736, 992)),
        ("least:736:32:2000", (300, 400), (736, 992)),
        ("least:736:32:2000", (4000, 3000), (1984, 1504)),
        ("least:736:32:2000", (3000, 30), (1984, 32)),
        ("48xW", (100, 24), (200, 48)),
        ("48xW:320", (100, 24), (320, 48)),
        ("48xW:320", (500, 24), (1000, 48)),
        ("within:640:32", (768, 512), (640, 448)),
        ("within:640:32", (1, 1), (640, 640)),
        ("fit:518:14", (576, 768), (518, 686)),
    ],
)
def test_target_size(size, picture, expected):
    assert target_size(recipe_of(session(), flags={"size": size}).size, *picture) == expected


def test_target_beyond_any_picture_is_refused():
    with pytest.raises(LimitError, match="100 million"):
        target_size(recipe_of(session(), flags={"size": "999xW"}).size, 500_000, 1)


@pytest.mark.parametrize("text", ["down:32", "inside:60:90", "fit:10:20:5", "short:1:2"])
def test_sizes_are_written_as_they_are_read(text):
    assert str(recipe_of(session(), flags={"size": text}).size) == text


@pytest.mark.parametrize("text", ["down", "inside:6", "fit:1", "fit:1:2:3:4", "short:0", "long:1:2"])
def test_sizes_with_other_counts_of_numbers_are_refused(text):
    with pytest.raises(InputError, match="--size is .*right is"):
        recipe_of(session(), flags={"size": text})


@pytest.mark.parametrize("size, picture, expected", [
    ("down:32", (100, 31), (96, 32)), ("inside:60:90", (150, 100), (90, 60)), ("inside:60:90", (1, 1000), (1, 60)),
    ("fit:64:32:8", (100, 100), (64, 64)), ("fit:8:200:8", (100, 90), (8, 8))])
def test_more_target_sizes(size, picture, expected):
    assert target_size(recipe_of(session(), flags={"size": size}).size, *picture) == expected

"""Picture -> tensor -> answer. Pillow is imported when the first picture is opened, not before.

    described = describe(session)                   what the model says of itself, or a guess (described.py)
    recipe = recipe_for(session, described)         how a picture becomes its input (recipe.py)
    x = prepare(decode("dog.jpg"), recipe)          decode.py, prepare.py
    answer(described, outputs)                      classes, a picture, or a summary (answer.py)
    encode(pixels, file, format_of("out.png"))     a picture file (encode.py)
"""
from .answer import answer
from .decode import decode
from .described import Described, describe
from .encode import encode, format_of
from .prepare import prepare
from .recipe import Recipe, recipe_for

__all__ = [
    "Described", "Recipe", "answer", "decode", "describe", "encode", "format_of", "prepare", "recipe_for",
]

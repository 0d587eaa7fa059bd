"""Picture -> tensor -> answer. Pillow is imported when the first picture is opened, not before.

    described = describe(session)                   described.py: what the model says of itself, or a guess
    recipe = recipe_for(session, described)         recipe.py: how a picture becomes its input
    x = prepare(decode("dog.jpg"), recipe)          decode.py, prepare.py
    answer(described, outputs)                      answer.py: classes, a picture, or a summary
    encode(pixels, file, format_of("out.png"))      encode.py
"""

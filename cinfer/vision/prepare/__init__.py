"""A picture becomes the input of a network (docs/metadata.md): recipe.py reads the words, fit.py says what goes where,
pixels.py has the pixels, resample.py (or inside.py) scales them, prepare.py joins these, and geometry.py finds the way
back."""

"""A picture becomes the input of a network (docs/metadata.md): recipe.py reads the words, fit.py resizes, prepare.py
feeds, and geometry.py finds the way back."""

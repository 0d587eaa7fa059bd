"""What is said of a picture (types.py), drawn on it (draw.py), and written as a file (encode.py)."""

"""What is said of a picture (answer.py and a file for each kind), drawn on it (draw.py), and written as a file
(encode.py)."""

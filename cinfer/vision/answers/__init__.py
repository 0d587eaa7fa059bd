"""What is said of a picture: answer.py and a file for each kind. Drawn on it (draw.py, with labels.py and colours.py),
shown in a terminal (terminal.py), and written: pictures (encode.py), videos (film.py), other programs' forms
(formats.py)."""

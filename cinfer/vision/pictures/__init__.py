"""What is a picture becomes a Frame (frames.py): files upright 8-bit pixels (decode.py), the frames of videos and
cameras (video.py), pictures through a pipe (stream.py); names become pictures (listed.py)."""

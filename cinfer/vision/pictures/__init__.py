"""What is a picture becomes upright 8-bit pixels."""

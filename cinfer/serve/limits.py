"""What a request may take."""
from __future__ import annotations

from typing import NamedTuple

MEGABYTE = 1_000_000


class Limits(NamedTuple):
    """body : bytes; pixels : of a picture; seconds : from a whole request to its answer"""
    body: int = 32 * MEGABYTE
    pixels: int = 25_000_000
    seconds: float = 30.0

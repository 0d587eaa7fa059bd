"""Colours: one for each class, and a table from dark to light for numbers."""
from __future__ import annotations

from functools import lru_cache
from math import cos, pi, sin

import numpy as np

GOLDEN = pi * (3 - 5 ** .5)             # turns hues so that any few in a row are far apart
LIGHT = (.70, .58, .82)                 # three lightnesses in turn keep neighbours of a hue apart
CHROMA = .17
# red, green, blue of t from 0 to 1, the coefficient of t^0 first: a fit of matplotlib's table "inferno", both in the
# public domain (CC0), the fit by Matt Zucker
INFERNO = ((.0002189, .1065134, 11.602493, -41.703996, 77.162936, -71.319428, 25.131126),
           (.0016510, .5639564, -3.972854, 17.436399, -33.402359, 32.626064, -12.242669),
           (-.0194809, 3.9327124, -15.942394, 44.354145, -81.807309, 73.209520, -23.070325))


@lru_cache(4096)
def colour(index: int) -> tuple[int, int, int]:
    """RGB of a class: equally strong hues of OKLab (B. Ottosson, 2020), golden angle by golden angle."""
    hue, light = index * GOLDEN + .5, LIGHT[index % len(LIGHT)]
    a, b = CHROMA * cos(hue), CHROMA * sin(hue)
    l, m, s = ((light + p * a + q * b) ** 3 for p, q in ((.3963377774, .2158037573), (-.1055613458, -.0638541728),
                                                          (-.0894841775, -1.2914855480)))
    linear = (4.0767416621 * l - 3.3077115913 * m + .2309699292 * s,
              -1.2684380046 * l + 2.6097574011 * m - .3413193965 * s,
              -.0041960863 * l - .7034186147 * m + 1.7076147010 * s)
    return tuple(round(255 * (12.92 * v if v <= .0031308 else 1.055 * v ** (1 / 2.4) - .055))
                 for v in (min(1., max(0., v)) for v in linear))


def black_or_white(rgb: tuple[int, int, int]) -> tuple[int, int, int]:
    """What is read more easily on this colour."""
    r, g, b = ((v / 255) ** 2.2 for v in rgb)
    return (0, 0, 0) if .2126 * r + .7152 * g + .0722 * b > .18 else (255, 255, 255)


@lru_cache(1)
def inferno() -> np.ndarray:
    """(256, 3) uint8: black, purple, orange, pale yellow"""
    powers = (np.arange(256) / 255)[:, None] ** np.arange(7)
    return np.rint((powers @ np.array(INFERNO).T).clip(0, 1) * 255).astype(np.uint8)

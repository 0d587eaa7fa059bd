"""How far every pixel is, or how near: networks differ, and the numbers are theirs.

Words: output.filter: bicubic (post_process_depth_estimation of transformers), bilinear, or corners: bilinear with
the corner pixels upon each other (Ultralytics, which stretches the picture); output.unit, for people.
"""
from __future__ import annotations

from ..answers.map import Map
from . import maps

FILTERS = ("bilinear", "bicubic", "corners")


def decode(view) -> Map:
    array = view.output(default="predicted_depth" if "predicted_depth" in view.outputs else None)
    plane = maps.one_plane(array, maps.layout_of(view, array), "the output of depth")
    filter = view.words.one_of("output.filter", FILTERS, "bilinear")
    found = maps.smooth(plane, view.where, "bicubic" if filter == "bicubic" else "bilinear", filter == "corners")
    return Map(found, "depth", unit=view.words.text("output.unit"))

"""From a model and pictures to a model in integers, and a report."""
from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from ..errors import InputError, is_real, wrong
from ..model import read
from ..model.source import Source
from ..model.writer import Written, encoded
from ..ops.numeric import is_float
from ..session import Session, load
from ..version import __version__
from ..vision.arguments import flags_of
from ..vision.inputs import classes_of, feeds, is_arrays, named, reader_of
from .answers import objects
from .measure import Judge
from .ranges import METHODS
from .report import Report, report_of
from .search import Search, Settings
from .standard import standard
from .timing import timed
from .trial import Trial
from .weights import GRIDS

ACTIVATIONS = {"u8": np.dtype(np.uint8), "s8": np.dtype(np.int8)}
HELD_OUT = 5                            # one picture in so many is not calibrated with
MOST_PICTURES = 100                     # more say no more; they are held in memory, prepared


@dataclass(slots=True)
class Quantized(Written):
    """model : what is written; report : docs/quantize.md says what is in it"""
    report: Report


def quantize(model, pictures, *, check=None, target: float = .02, activations: str = "u8", ranges: str | None = None,
             weights: str = "u8", exact: bool = False, threads: int | None = None, task: str | None = None,
             recipe: dict | None = None, recursive: bool = False, show=None) -> Quantized:
    """A network with its convolutions and products in integers of 8 bits, as far as its answers stay what they are.

    Parameters
    ----------
    model : path, bytes or binary file object of an ONNX model in floats; int8 or float16 weights are taken as such
    pictures : a path, or an iterable of them: pictures, folders, patterns, lists, arrays in .npy or .npz; or feeds,
        dicts of input name -> array. Some 20 to 100 that look like those to come are right
    check : the same, of pictures that calibration does not see; by default every fifth of `pictures`
    target : the largest error of a picture, over the scale of an output, that may be, on average of the pictures
    activations : "u8" or "s8", which is the same in other bytes
    ranges : "min-max", "percentile", "mse", "middle" or "entropy"; by default the one that gives the least error
    weights : "u8" or "s8", the same numbers in other bytes; "s7", of half the numbers (docs/quantize.md)
    exact : scales of few bits: engines that run node by node in floats give the same bytes (docs/quantize.md)
    threads : as of `load`
    task, recipe : as of `cinfer.vision.read`: how pictures are prepared
    recursive : also what is below folders
    show : called with (what, number, total or None) at each step

    Raises
    ------
    cinfer.Error : the model is quantised already or has nothing to quantise, a picture cannot be read, an argument is
        wrong
    """
    return quantize_by(model, pictures, check, flags_of(task, recipe), target=target, activations=activations,
                       ranges=ranges, weights=weights, exact=exact, threads=threads, recursive=recursive, show=show)


def quantize_by(model, pictures, check, flags: dict[str, tuple[str, str]], *, target, activations, ranges, weights,
                exact, threads, recursive, show) -> Quantized:
    """As `quantize`. flags : word -> (text, the flag as typed), as `recognise` takes them"""
    settings = settings_of(target, activations, ranges, weights, exact)
    tried = partial(Trial, threads=threads)
    source = model if isinstance(model, Source) else Source(model)
    session = Session(source, threads=threads)
    where = os.path.basename(source.path or "") or "model"
    show = show or (lambda what, number, total: None)
    calibrating, checking = split(named(pictures, recursive, "pictures"),
                                  None if check is None else named(check, recursive, "check"))
    reader = reader_of(session, flags, [*calibrating, *checking])
    begin = time.perf_counter()
    classes = classes_of(session, reader)
    start = standard(read(source), where)
    prepared = []
    for number, each in enumerate(feeds(session, [*calibrating, *checking], reader), 1):
        show("preparing picture", number, len(calibrating) + len(checking))
        refuse_no_numbers(each, [*calibrating, *checking][number - 1])
        prepared.append(each)
    search = Search(start, prepared[:len(calibrating)], tried, settings, classes, show)
    found = search.run()
    made = replace(start, graph=found.graph, producer=f"cinfer {__version__}")
    held = prepared[len(calibrating):]
    outcome = Judge(start, held, tried, classes, search.judge.scales).outcome(found.graph) if held else None
    data = encoded(made)
    after = load(data, threads=threads)
    by_name = [each for each in checking if not isinstance(each, dict) and not is_arrays(each)]
    seen = objects(reader, after, by_name) if by_name else None
    times = timed(*(partial(each.run, None, prepared[-1]) for each in (session, after)))
    report = report_of(search, found, where, counts=(len(calibrating), len(held)), held_out=outcome, objects=seen,
                       sizes=(len(source.data), len(data)), times=times,
                       seconds=time.perf_counter() - begin)
    return Quantized(made, report)


def refuse_no_numbers(given: dict, name) -> None:
    """Ranges of NaN or infinity are none."""
    for key, array in given.items():
        if isinstance(array, np.ndarray) and is_float(array.dtype) and not np.isfinite(array).all():
            where = "the feeds" if isinstance(name, dict) else os.fspath(name)
            raise InputError(f"{where}: input {key!r} has NaN or infinite numbers; ranges are found by finite ones")


def settings_of(target, activations, ranges, weights, exact) -> Settings:
    if not (is_real(target) and 0 < target <= 1):
        raise wrong("target", target, "a number above 0 and up to 1, such as 0.02")
    for name, value, known in (("activations", activations, ACTIVATIONS), ("weights", weights, GRIDS),
                               ("ranges", ranges, {None: None, **METHODS})):
        if isinstance(value, (list, dict, set)) or isinstance(value, np.ndarray) or value not in known:
            raise wrong(name, value, " or ".join(repr(each) for each in known if each is not None))
    if not isinstance(exact, bool):
        raise wrong("exact", exact, "True or False")
    return Settings(float(target), ACTIVATIONS[activations], ranges, replace(GRIDS[weights], is_exact=exact))


def split(pictures: list, check: list | None) -> tuple[list, list]:
    """(those to calibrate with, those to check by), at most MOST_PICTURES of each, from the first to the last."""
    if check is None:
        step = HELD_OUT if len(pictures) >= HELD_OUT else max(len(pictures), 2)
        check = pictures[step // 2::step]
        pictures = [each for place, each in enumerate(pictures) if place % step != step // 2]
    return few(pictures), few(check)


def few(pictures: list) -> list:
    count = min(len(pictures), MOST_PICTURES)
    return [pictures[i * len(pictures) // count] for i in range(count)]

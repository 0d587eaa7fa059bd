"""From two sides and inputs to a Comparison."""
from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import ExitStack

from ..errors import InputError, is_real, wrong
from ..feeds import checked_sizes
from ..model.graph import Graph
from ..stored import is_stored
from ..vision.arguments import flags_of
from ..vision.inputs import classes_of, is_arrays, named, reader_of
from ..vision.pictures.listed import ENDINGS
from .difference import TOLERANCE, Difference
from .fed import fed
from .inner import bytes_of, groups, values_of
from .report import Comparison, row_of
from .run import Classes, Pair, Run
from .sides import Arrays, Network, matched_inputs, matched_outputs


def compare(model, reference=None, inputs=None, *, precision: str = "fp32", every_value: bool = False,
            tolerance: float | None = None, shapes: dict | None = None, threads: int | None = None,
            task: str | None = None, recipe: dict | None = None, recursive: bool = False, show=None) -> Comparison:
    """How far the outputs of a model are from those of another one, or from values that were saved.

    Parameters
    ----------
    model : path, bytes or binary file object of an ONNX model
    reference : the same, of the model that is held to be right; or the path of a .npz or .npy file with its values, or
        a dict of name -> array; by default the model itself in fp32, which needs another precision
    precision : of the model, as of `load`; the reference has fp32
    inputs : a path, or an iterable of them: pictures, folders, patterns, lists, arrays in .npy or .npz; or feeds, dicts
        of input name -> array. By default those in the .npz file of the reference, if it has some, else random numbers,
        the same ones each time
    every_value : also inner values, which both have by the same name
    tolerance : of a difference, over the scale, which is the largest |number| of the reference; by default 1e-4 for
        floats, while integers, truth values and texts are to be the same
    shapes : sizes by input name, of random inputs, where the file leaves them free
    threads : as of `load`
    task, recipe : as of `cinfer.vision.read`: how pictures are prepared
    recursive : also what is below folders
    show : called with (what, number, total or None) at each step

    Returns
    -------
    Comparison: `agrees`, `outputs`, `values`, `first`; `lines()` for people, `data()` for programs

    Raises
    ------
    cinfer.Error : a file cannot be read or run, the two do not belong together, an input fits neither
    """
    ours = Network(model, "the model", threads, precision)
    given = None if inputs is None else named(inputs, recursive, "inputs")
    return compare_by(ours, reference, given, flags_of(task, recipe), precision=precision, every_value=every_value,
                      tolerance=tolerance, shapes=checked_sizes(ours.session._input_types, shapes), threads=threads,
                      show=show)


def compare_by(ours: Network, reference, inputs: list | None, flags: dict[str, tuple[str, str]], *, precision,
               every_value, tolerance, shapes: dict, threads, show=None, spelt=None) -> Comparison:
    """As `compare`.

    flags : word -> (text, the flag as typed), as `recognise` takes them
    spelt : as of `input_shapes`
    """
    if tolerance is not None and not (is_real(tolerance) and 0 <= tolerance < float("inf")):
        raise wrong("tolerance", tolerance, "a number of at least 0, such as 1e-4")
    if reference is None and precision == "fp32":
        raise InputError("there is no reference; another model, or values in a .npz or .npy file, are right, or "
                         "another precision: the model is compared with itself in fp32 then")
    with ExitStack() as stack:
        theirs = ours.exact() if reference is None else side_of(reference, ours, threads)
        stack.callback(theirs.close)
        names = matched_inputs(ours, theirs) if isinstance(theirs, Network) else {}
        outputs = [Pair(a, a, b, Difference(tolerance), True) for a, b in matched_outputs(ours, theirs)]
        graph = ours.file_graph() if every_value else Graph()
        makers = {name: str(node) for node in graph.nodes for name in node.outputs if name}
        values = inner_pairs(values_of(graph), theirs.values(), outputs, tolerance) if every_value else []
        if not outputs and not values:
            raise nothing_common(ours, theirs, every_value)
        reader = reader_of(ours.session, flags, inputs or [])
        found = fed(ours, theirs, inputs, reader, shapes, spelt)
        sizes = bytes_of(graph, found[0].feeds(), [pair.ours for pair in values]) if values else {}
        del graph
        values_in = groups(values, sizes, lambda pair: (ours.is_as_run(pair.ours), theirs.is_as_run(pair.theirs)))
        classes = Classes(classes_of(ours.session, reader) or "")
        Run(ours, theirs, names, found, outputs, values_in, classes, show or (lambda what, number, total: None)).go()
        used = TOLERANCE if tolerance is None else float(tolerance)
        only_ours, only_theirs = alone(ours, theirs, outputs)
        return Comparison(
            model=ours.name, precision=ours.session.precision_note, reference=theirs.name,
            inputs=[each.name for each in found], is_random=found[0].is_random,
            recipe=str(reader.recipe) if found[0].is_picture else None, tolerance=used,
            outputs=[row_of(pair, "", True) for pair in outputs],
            values=[row_of(pair, makers[pair.name], ours.is_as_run(pair.ours)) for pair in values if not pair.why],
            skipped={pair.name: pair.why for pair in values if pair.why}, alone=only_ours, reference_alone=only_theirs,
            order=list(makers), same_class=(classes.same, classes.rows) if classes.rows else None,
            classes=classes.both if classes.rows == 1 else None)


def side_of(reference, ours: Network, threads) -> Network | Arrays:
    if isinstance(reference, Mapping):
        return Arrays(reference, ours.outputs)
    if isinstance(reference, (str, os.PathLike)) and (
            is_arrays(reference) or is_stored(reference) and not os.fspath(reference).endswith(".onnx")):
        return Arrays(reference, ours.outputs)
    if isinstance(reference, (str, os.PathLike)) and os.path.splitext(reference)[1].lower() in ENDINGS:
        raise InputError(f"{os.fspath(reference)} is a picture, and stands where the reference does: a model, or "
                         "values in a .npz or .npy file")
    return Network(reference, "the reference", threads)


def inner_pairs(mine: dict[str, str], others: dict[str, str], outputs: list[Pair], tolerance) -> list[Pair]:
    """Values that both have by one name, but for outputs that are compared.

    mine, others : as of `values_of`. What is behind a rounding is taken where the other has no such value of its own.
    """
    done = {pair.name for pair in outputs}
    return [Pair(name, name if value in others else value, name if others[name] in mine else others[name],
                 Difference(tolerance)) for name, value in mine.items() if name in others and name not in done]


def alone(ours: Network, theirs, outputs: list[Pair]) -> tuple[list[str], list[str]]:
    """Outputs that only one of them has."""
    mine, others = {pair.ours for pair in outputs}, {pair.theirs for pair in outputs}
    return ([port.name for port in ours.outputs if port.name not in mine],
            [port.name for port in theirs.outputs if port.name not in others])


def nothing_common(ours: Network, theirs: Arrays, every_value: bool) -> InputError:
    more = "" if every_value else "; --every-value compares inner values too"
    return InputError(f"{theirs.name} has no value by the name of an output of {ours.name}{more}: it has "
                      f"{', '.join(map(repr, theirs.names[:10])) or 'no arrays'}; right is "
                      f"{', '.join(repr(port.name) for port in ours.outputs[:10])}")

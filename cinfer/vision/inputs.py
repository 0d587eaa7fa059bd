"""What a network is fed with by those who look at its numbers, not at answers: pictures, prepared as `cinfer run` does
it, arrays that NumPy has saved, or random numbers."""
from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator

import numpy as np

from ..errors import InputError, LimitError, wrong
from ..feeds import check_shape, described, in_python
from ..ops.numeric import is_float
from ..stored import Stored
from ..table import dims
from .reader import Reader

ARRAYS = ".npy", ".npz"
NUMBERED = re.compile(r"in(\d{1,6}):(.*)", re.DOTALL)      # an input in a file of several


def is_arrays(name) -> bool:
    return os.path.splitext(os.fspath(name))[1].lower() in ARRAYS


def files_of(names: Iterable, recursive: bool = False) -> list:
    """The files that names stand for; a folder of arrays is one of .npy and .npz files. InputError for none."""
    from .pictures.listed import pictures_of
    found: list = []
    for name in names:
        arrays = arrays_in(name, recursive) if isinstance(name, (str, os.PathLike)) and os.path.isdir(name) else []
        found += arrays or pictures_of([os.fspath(name)], recursive)
    return found


def arrays_in(folder, recursive: bool) -> list[str]:
    found: list[str] = []
    for path, folders, files in os.walk(folder):
        folders[:] = sorted(folders) if recursive else []
        found += [os.path.join(path, file) for file in sorted(files) if is_arrays(file)]
    return found


def named(given, recursive: bool, what: str) -> list:
    """What a program passes, a picture, file of arrays or dict of feeds each. what : the argument is called"""
    if isinstance(given, (str, os.PathLike, dict)):
        given = [given]
    if not isinstance(given, Iterable) or isinstance(given, (bytes, np.ndarray)):
        raise wrong(what, given, "a path, or a list of paths or of feeds")
    found: list = []
    for number, each in enumerate(given):
        if not isinstance(each, (str, os.PathLike, dict)):
            raise wrong(f"{what}[{number}]", each, "a path, or a feed, which is a dict of input name -> array")
        found += [each] if isinstance(each, dict) else files_of([each], recursive)
    if not found:
        raise InputError(f"{what} is empty; right is a path, or a list of paths or of feeds")
    return found


def array_feeds(path, ports, number: int = 0) -> dict[str, np.ndarray]:
    """The inputs in a file: .npz by their names, .npy of the only one, without its batch too.

    number : of several inputs in one .npz file, in0:NAME, in1:NAME, ...
    """
    with Stored(path) as stored:
        return stored_feeds(stored, ports, number)


def inputs_in(names: list[str], ports) -> list[int]:
    """The numbers of the inputs that are among the arrays of a file; [0] where those have the inputs' names alone."""
    numbers = {int(found[1]) for name in names if (found := NUMBERED.fullmatch(name))}
    return sorted(numbers) or [0] * all(port.name in names for port in ports)


def stored_feeds(stored: Stored, ports, number: int) -> dict[str, np.ndarray]:
    if stored.names == [""]:
        if len(ports) != 1:
            names = ", ".join(port.name for port in ports)
            raise InputError(f"{stored.path}: the model has {len(ports)} inputs, {names}; right is a .npz file with an "
                             "array by each name")
        return {ports[0].name: fitted(stored, "", ports[0])}
    arrays = {name: name for name in stored.names} if number == 0 else {}
    arrays |= {bare: name for name in stored.names if (bare := of_number(name, number)) is not None}
    missing = [port.name for port in ports if port.name not in arrays]
    if missing and len(ports) == len(stored.names) == 1:
        arrays = {ports[0].name: stored.names[0]}
    elif missing:
        raise InputError(f"{stored.path} has no array {missing[0]!r}, the input; it has "
                         f"{', '.join(stored.names[:20]) or 'none'}")
    return {port.name: fitted(stored, arrays[port.name], port) for port in ports}


def of_number(name: str, number: int) -> str | None:
    """The name of an input, if an array is that one of the inputs with this number."""
    found = NUMBERED.fullmatch(name)
    return found[2] if found and int(found[1]) == number else None


def fitted(stored: Stored, name: str, port) -> np.ndarray:
    """An array as an input takes it, with a batch of one where that is missing. What does not fit is not read."""
    dtype, shape = stored.facts(name)
    batched = (1, *shape) if port.shape is not None and len(shape) == len(port.shape) - 1 else shape
    is_text = port.dtype is not None and port.dtype.hasobject and dtype.kind == "U"
    are_bits = port.dtype is not None and dtype.kind == "V" and dtype.itemsize == port.dtype.itemsize
    try:
        if port.dtype is not None and dtype != port.dtype and not (is_text or are_bits):
            raise InputError(f"input {port.name!r}: got {dtype}, the model takes {described(port)}; save it as such, "
                             f"x.astype({in_python(port.dtype)})")
        check_shape(port.name, batched, port)
    except InputError as error:
        raise InputError(f"{stored.path}: {error}") from None
    array = stored.read(name).reshape(batched)
    return array.astype(object) if is_text else array.view(port.dtype) if are_bits else array


def feeds(session, names: Iterable, reader=None) -> Iterator[dict[str, np.ndarray]]:
    """The feeds of each file or picture. reader : prepares pictures; of arrays none is needed"""
    for name in names:
        if isinstance(name, dict):
            yield name
        elif isinstance(name, (str, os.PathLike)) and is_arrays(name):
            yield array_feeds(name, session.inputs)
        else:
            yield reader.prepare(reader.opened(name)).feeds


def reader_of(session, flags: dict, pictures: list) -> Reader | None:
    """Who prepares pictures; None where there are arrays alone, and the model takes no pictures."""
    try:
        return Reader(session, flags)
    except InputError:
        if flags or any(not isinstance(each, dict) and not is_arrays(each) for each in pictures):
            raise
    return None


def classes_of(session, reader: Reader | None) -> str | None:
    """The output that has a classifier's numbers."""
    if reader is None or not reader.family.__name__.endswith(".classify"):
        return None
    return reader.words.text("output.name") or session.outputs[0].name


def likeliest(numbers: np.ndarray) -> np.ndarray:
    """The likeliest class of each row of a classifier's numbers, shape (n, classes), (n, classes, 1, 1) or (classes,);
    -1 of a row that has NaN, whose classes have no order."""
    rows = numbers.reshape(len(numbers), -1) if numbers.ndim > 1 else numbers.reshape(1, -1)
    rows = rows.astype(np.float64)
    return np.where(np.isnan(rows).any(1), -1, rows.argmax(1))


def input_shapes(session, given: dict, spelt) -> dict[str, tuple[int, ...]]:
    """Sizes of each input: as given, else the model's; a free batch is 1, a free picture as its recipe.

    spelt : (name of an input, sizes) -> how one says its sizes
    Raises InputError where none are known, or the input takes no numbers.
    """
    shapes = {}
    for port in session.inputs:
        sizes = given.get(port.name) or port.shape
        if port.name not in given and sizes and not all(isinstance(d, int) for d in sizes):
            sizes = (sizes[0] if isinstance(sizes[0], int) else 1, *sizes[1:])
            sizes = of_recipe(session, port) or sizes
        if port.dtype is None or not (port.dtype.kind in "iub" or is_float(port.dtype)):
            raise InputError(f"input {port.name!r} takes {port.dtype or 'no tensor'}; only numbers are made up")
        if sizes is None or not all(isinstance(d, int) for d in sizes):
            raise InputError(f"input {port.name!r} is {dims(port.shape)}: some sizes are free; "
                             f"say them with {spelt(port.name, likely(port.shape))}")
        shapes[port.name] = tuple(sizes)
    return shapes


def likely(shape) -> tuple[int, ...]:
    """Sizes that a network might take, for an example."""
    usual = (1, 3, 224, 224) if len(shape or ()) in (0, 4) else (1,) * len(shape)
    return tuple(d if isinstance(d, int) else usual[axis] for axis, d in enumerate(shape or usual))


def of_recipe(session, port) -> tuple[int, ...] | None:
    """The shape of a picture input by the model's recipe; None where that leaves the size to the picture."""
    try:
        recipe = Reader(session).recipe
    except InputError:
        return None
    if recipe.input != port.name or len(port.shape) != 4 or recipe.size.rule != "fixed":
        return None
    channels, sizes = {"GRAY": 1, "RGB+1": 4}.get(recipe.channels, 3), recipe.size.numbers
    return (1, channels, *sizes) if recipe.layout == "NCHW" else (1, *sizes, channels)


def made_up(port, sizes: tuple[int, ...]) -> np.ndarray:
    """An input of random numbers, the same ones each time. Wide integers may be indices, so they are zeros."""
    try:
        if is_float(port.dtype):
            return np.random.default_rng(0).standard_normal(sizes, np.float32).astype(port.dtype)
        if port.dtype.itemsize == 1 and port.dtype.kind in "iu":
            return np.random.default_rng(0).integers(0, 128, sizes, port.dtype)
        return np.zeros(sizes, port.dtype)
    except (MemoryError, ValueError):
        raise LimitError(f"input {port.name!r} of {dims(sizes)}: that is more than the memory holds") from None

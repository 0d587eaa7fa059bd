"""What a network is calibrated with and tried on: pictures, prepared as `cinfer run` does it, or arrays."""
from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

import numpy as np

from ..errors import InputError

ARRAYS = ".npy", ".npz"


def is_arrays(name) -> bool:
    return os.path.splitext(os.fspath(name))[1].lower() in ARRAYS


def files_of(names: Iterable, recursive: bool = False) -> list:
    """The files that names stand for; a folder of arrays is one of .npy and .npz files. InputError for none."""
    from ..vision.pictures.listed import pictures_of
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


def array_feeds(path, ports) -> dict[str, np.ndarray]:
    """The inputs in a file: .npz by their names (also `in0:NAME`), .npy of the only one, without its batch too."""
    name = os.fspath(path)
    try:
        content = np.load(name, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{name} cannot be read: {getattr(error, 'strerror', None) or error}; right is an array that "
                         "NumPy has saved") from None
    wanted = {port.name: port for port in ports}
    if isinstance(content, np.ndarray):
        if len(ports) != 1:
            raise InputError(f"{name}: the model has {len(ports)} inputs, {', '.join(wanted)}; right is a .npz file "
                             "with an array by each name")
        return {ports[0].name: fitted(content, ports[0])}
    with content:
        arrays = {key.partition(":")[2] if key.startswith("in0:") else key: key for key in content.files}
        missing = [each for each in wanted if each not in arrays]
        if missing and len(wanted) == len(content.files) == 1:
            arrays = {next(iter(wanted)): content.files[0]}
        elif missing:
            raise InputError(f"{name} has no array {missing[0]!r}, the input; it has "
                             f"{', '.join(content.files) or 'none'}")
        return {each: fitted(content[arrays[each]], port) for each, port in wanted.items()}


def fitted(array: np.ndarray, port) -> np.ndarray:
    """With a batch of one where that is missing."""
    return array[None] if port.shape is not None and array.ndim == len(port.shape) - 1 else array


def feeds(session, names: Iterable, reader=None) -> Iterator[dict[str, np.ndarray]]:
    """The feeds of each file or picture. reader : prepares pictures; of arrays none is needed"""
    for name in names:
        if isinstance(name, dict):
            yield name
        elif isinstance(name, (str, os.PathLike)) and is_arrays(name):
            yield array_feeds(name, session.inputs)
        else:
            yield reader.prepare(reader.opened(name)).feeds

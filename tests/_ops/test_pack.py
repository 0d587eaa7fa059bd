"""Parameters packed by name lie where the kernels' structs have them."""
import struct
from types import SimpleNamespace

import numpy as np
import pytest

from cinfer import _ops

TABLE = _ops.table()
NUMBERS = {"B": lambda i: (i % 3, 1000 + i), "I": lambda i: -i, "F": lambda i: i + 0.5}


def by_hand(name, values):
    """The struct, written field by field in the order in which it is declared."""
    packed = b""
    for kind, field in TABLE.fields(name):
        value = values.get(field)
        if kind == "B":
            packed += struct.pack("=2q", *(value or (0, 0)))
        elif kind == "F":
            packed += struct.pack("=d", value or 0)
        else:
            n = int(kind[1:] or 1)
            numbers = value if isinstance(value, list) else [value or 0]
            packed += struct.pack(f"={n}q", *numbers, *[0] * (n - len(numbers)))
    return packed


def filled(name, keep=lambda i: True):
    values = {}
    for i, (kind, field) in enumerate(TABLE.fields(name)):
        if keep(i):
            values[field] = [i, -i] if kind[0] == "A" else NUMBERS[kind](i)
    return values


@pytest.mark.parametrize("name", TABLE.index)
def test_each_field_is_in_its_place(name):
    for keep in (lambda i: True, lambda i: i % 2, lambda i: False):
        values = filled(name, keep)
        assert TABLE.pack(name, **dict(reversed(values.items()))) == by_hand(name, values), name


def test_a_reference_is_its_buffer_and_an_offset():
    buffer = SimpleNamespace(base=3, offset=640)
    packed = TABLE.pack("softmax", x=SimpleNamespace(buffer=buffer, offset=64), y=None, n=np.int64(5))
    assert packed == TABLE.pack("softmax", x=(3, 704), n=5)


@pytest.mark.parametrize("values, error", [
    (dict(padding=1), "kernel zip has no parameter padding; it has a, b, y, "),
    (dict(dims=[1] * 7), "kernel zip: dims has 7 numbers, 6 are most"),
])
def test_names_what_does_not_fit(values, error):
    with pytest.raises((TypeError, ValueError)) as caught:
        TABLE.pack("zip", **values)
    assert str(caught.value).startswith(error)


def test_addresses_of_arrays_of_any_type():
    ml_dtypes = pytest.importorskip("ml_dtypes")
    arrays = [np.zeros((3, 4), np.float32), np.zeros((), np.int64), np.zeros((2, 0)), np.ones(3, np.float16),
              np.ones(5, ml_dtypes.bfloat16), np.frombuffer(b"read only", np.uint8)[1:]]
    assert _ops.executor().addresses_of(arrays) == [a.ctypes.data for a in arrays]

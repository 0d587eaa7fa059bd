"""Feeds of tensors, sequences and optionals, held against what a model declares."""
import numpy as np
import pytest

from cinfer.errors import InputError, UnsupportedError
from cinfer.feeds import check_shape, checked, checked_sizes, is_fixed
from cinfer.model.graph import OptionalType, SequenceType, TensorType

ROWS = TensorType(np.dtype(np.float32), ("n", 4))
LIST = SequenceType(ROWS)
TYPES = {"x": ROWS, "s": LIST, "o": OptionalType(ROWS), "p": OptionalType(LIST)}
X = np.zeros((3, 4), np.float32)


def feeds(**others) -> dict:
    return {"x": X, "s": [X, X[:0]], "o": X, "p": None, **others}


def test_values_come_in_the_order_of_the_inputs():
    x, s, o, p = checked(TYPES, {"p": [X], "o": None, "s": (X, X), "x": X})
    assert x is X and o is None and isinstance(s, list) and s[0] is X and p[0] is X and len(p) == 1
    assert checked(TYPES, feeds())[3] is None and checked(TYPES, feeds(s=[]))[1] == []


def test_optionals_may_be_left_out():
    assert checked(TYPES, {"x": X, "s": []})[2:] == [None, None]
    for missing in ("x", "s"):
        given = feeds()
        del given[missing]
        with pytest.raises(InputError, match=f"no feed for input '{missing}'; the model takes 'x', 's', 'o', 'p'"):
            checked(TYPES, given)


TEXTS = TensorType(np.dtype(object), ("n",))


@pytest.mark.parametrize("value, declared, words", [
    (np.array(["a"]), ROWS, "got <U1, the model takes float32; pass numbers, not text"),
    (np.array([b"a"]), ROWS, "got |S1, the model takes float32; pass numbers, not text"),
    (np.array(["a", 1], object), ROWS, "got object, the model takes float32; pass numbers, not text"),
    (np.array([1, 2.5], object), ROWS, "got object, the model takes float32; pass x.astype(np.float32)"),
    (np.array(["a"]), TEXTS, "got <U1, the model takes object; pass strings: x.astype(object)"),
    (np.array([b"a"]), TEXTS, "got |S1, the model takes object; pass strings: x.astype(str).astype(object)"),
    (X, TEXTS, "got float32, the model takes object; pass strings: x.astype(str).astype(object)")])
def test_advice_that_leads_somewhere(value, declared, words):
    with pytest.raises(InputError) as caught:
        checked({"x": declared}, {"x": value})
    assert str(caught.value) == f"input 'x': {words}"


def test_elements_are_made_contiguous():
    turned = np.zeros((4, 3), np.float32).T
    (x, s, o, p) = checked(TYPES, feeds(x=turned, s=[turned], o=turned, p=[turned]))
    for each in (x, *s, o, *p):
        assert each.flags.c_contiguous and each.shape == (3, 4) and each is not turned


@pytest.mark.parametrize("given, message", [
    ({"s": X}, "input 's': got an ndarray, the model takes a list of numpy arrays"),
    ({"s": None}, "input 's': got a NoneType, the model takes a list of numpy arrays"),
    ({"p": X}, "input 'p': got an ndarray, the model takes a list of numpy arrays"),
    ({"s": [X, X.astype(np.float64)]},
     "input 's[1]': got float64, the model takes float32; pass s[1].astype(np.float32)"),
    ({"s": [X[0]]}, "input 's[0]': got shape (4,); is the batch axis missing? pass x[np.newaxis]; "
                    "the model takes float32, shape ('n', 4)"),
    ({"p": [X, X[:, :3]]}, "input 'p[1]': axis 1 is 3, the model takes 4 (float32, shape ('n', 4))"),
    ({"s": [X, None]}, "input 's[1]': got a NoneType, the model takes a numpy array of float32, shape ('n', 4)"),
    ({"s": [[X]]}, "input 's[0]': got a list, the model takes a numpy array of float32, shape ('n', 4)"),
    ({"o": [X]}, "input 'o': got a list, the model takes a numpy array of float32, shape ('n', 4)"),
    ({"x": None}, "input 'x': got a NoneType, the model takes a numpy array of float32, shape ('n', 4)"),
    ({"z": X}, "no input 'z'; the model has 'x', 's', 'o', 'p'"),
])
def test_refuses_in_one_line(given, message):
    with pytest.raises(InputError) as caught:
        checked(TYPES, feeds(**given))
    assert str(caught.value) == message


def test_what_is_no_dict():
    with pytest.raises(InputError, match="feeds is a list; pass a dict such as {'x': array}"):
        checked(TYPES, [X])


def test_of_a_map_nothing_is_taken():
    with pytest.raises(UnsupportedError, match="input 'm' is no tensor, sequence or optional"):
        checked({"m": TensorType()}, {"m": X})


def test_which_inputs_have_all_sizes():
    assert is_fixed(TensorType(np.dtype(np.float32), (1, 4))) and is_fixed(TensorType(np.dtype(np.float32), ()))
    for declared in (ROWS, LIST, TYPES["o"], TensorType(), TensorType(np.dtype(np.float32)),
                     TensorType(None, (1,)), TensorType(np.dtype(np.float32), (1, None))):
        assert not is_fixed(declared)


def test_sizes_that_a_caller_says():
    assert checked_sizes(TYPES, None) == {} and checked_sizes(TYPES, {"x": [np.int64(2), 4]}) == {"x": (2, 4)}
    for shapes, message in (([1], "shapes is a list"), ({"y": (1,)}, "no input 'y'"), ({"x": 3}, "is no shape"),
                            ({"x": (-1, 4)}, "is no shape"), ({"x": (1.5, 4)}, "is no shape")):
        with pytest.raises(InputError, match=message):
            checked_sizes(TYPES, shapes)
    check_shape("x", (2, 4), TensorType(np.dtype(np.float32)))

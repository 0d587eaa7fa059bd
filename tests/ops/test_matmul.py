"""Products of matrices against the standard's cases and NumPy."""
import backend_cases
import numpy as np
import pytest
from hypothesis import given, strategies as st
from one_node import agrees_with_onnxruntime, infer, refuses, run, spec

from cinfer.errors import LimitError


def numbers(*shape, dtype=np.float64) -> np.ndarray:
    return np.random.default_rng(sum(shape)).integers(-4, 5, shape).astype(dtype)


@pytest.mark.parametrize("case", backend_cases.of("MatMul", "Gemm", "Einsum"))
def test_backend_case(case):
    backend_cases.check(case)


sizes = st.integers(0, 3)


@given(st.lists(sizes, max_size=4), st.lists(sizes, max_size=4))
def test_matmul_has_the_shapes_of_numpy(left, right):
    a, b = numbers(*left), numbers(*right)
    try:
        expected = np.matmul(a, b)
    except ValueError:
        return refuses("", "MatMul", a, b)
    np.testing.assert_array_equal(run("MatMul", a, b), expected)


def test_matmul_says_what_does_not_fit():
    refuses("3 columns meet 4 rows", "MatMul", numbers(2, 3), numbers(4, 2))
    refuses("do not broadcast", "MatMul", numbers(2, 2, 3), numbers(3, 3, 2))
    refuses("have to have an axis", "MatMul", np.asarray(1.0), numbers(3))
    refuses("a and b are float64 and float32", "MatMul", numbers(2, 3), numbers(3, 2, dtype=np.float32))
    with pytest.raises(LimitError):
        infer("MatMul", spec(2**40, 1), spec(1, 2**40))


def test_float16_is_rounded_once():
    # 2048 + 64 * 1; adding one by one in float16 would stay at 2048
    a = np.concatenate([[2048], np.ones(64)]).astype(np.float16)
    y = run("MatMul", a[None], np.ones((65, 1), np.float16))
    assert y.dtype == np.float16 and y.tolist() == [[2112]]
    assert run("Gemm", a[None], np.ones((65, 1), np.float16), opset=13).tolist() == [[2112]]


def test_large_integers_are_exact():
    a = np.int64([[2**53 + 1, -1]])
    assert run("MatMul", a, np.int64([[1], [2]])).tolist() == [[2**53 - 1]]


@pytest.mark.parametrize("transA", [0, 1])
@pytest.mark.parametrize("transB", [0, 1])
@pytest.mark.parametrize("c", [None, (), (1,), (4,), (3, 1), (3, 4)])
@pytest.mark.parametrize("opset", [6, 13])
def test_gemm(transA, transB, c, opset):
    a, b = numbers(3, 5), numbers(5, 4)
    c = None if c is None else np.asarray(numbers(*c))
    if opset < 7 and c is None:
        return
    expected = 0.5 * a @ b + (0 if c is None else 3 * c)
    y = run("Gemm", a.T if transA else a, b.T if transB else b, c, transA=transA, transB=transB, alpha=0.5,
            beta=3.0, opset=opset, **(dict(broadcast=1) if opset < 7 else {}))
    np.testing.assert_array_equal(y, expected)


def test_gemm_refuses_what_does_not_fit():
    refuses("a has 3 axes, b 2", "Gemm", numbers(1, 2, 3), numbers(3, 2))
    refuses("3 columns meet 2 rows", "Gemm", numbers(2, 3), numbers(3, 2), transB=1)
    refuses("c of shape [2] does not broadcast to [2, 4]", "Gemm", numbers(2, 3), numbers(3, 4), numbers(2))
    refuses("c of shape [1, 1, 4] does not", "Gemm", numbers(2, 3), numbers(3, 4), numbers(1, 1, 4))


def test_gemm_with_beta_0_does_not_read_c():
    assert run("Gemm", numbers(1, 2), numbers(2, 1), np.float64([np.nan]), beta=0.0).tolist() == \
        (numbers(1, 2) @ numbers(2, 1)).tolist()


@pytest.mark.parametrize("equation, shapes", [
    ("ij,jk->ik", [(2, 3), (3, 4)]), ("ij,jk", [(2, 3), (3, 4)]),
    (" b i j , b j k -> b i k", [(2, 2, 3), (2, 3, 4)]), ("...ij,...jk->...ik", [(5, 2, 3), (1, 3, 4)]),
    ("...ij,...jk", [(4, 5, 2, 3), (1, 5, 3, 4)]), ("ii->i", [(3, 3)]), ("ii", [(3, 3)]), ("ij->", [(2, 3)]),
    ("...->...", [(2, 3)]), ("i,j,k->kji", [(2,), (3,), (4,)]), ("ba", [(2, 3)]), ("b...->...b", [(2, 3, 4)]),
    ("aB,Bc->ca", [(2, 3), (3, 4)]), ("i,->i", [(3,), ()]), ("ij,ij->i", [(2, 0), (2, 0)])])
def test_einsum(equation, shapes):
    inputs = [np.asarray(numbers(*shape)) for shape in shapes]
    expected = np.asarray(np.einsum(equation.replace(" ", ""), *inputs))
    np.testing.assert_array_equal(run("Einsum", *inputs, equation=equation), expected)
    if equation.lower() == equation and 0 not in expected.shape and "ij,ij" not in equation:
        agrees_with_onnxruntime("Einsum", *(x.astype(np.float32) for x in inputs), opset=12,
                                equation=equation, atol=0)


@pytest.mark.parametrize("equation, shapes, message", [
    ("ij,jk->ik", [(2, 3)], "2 terms for 1 inputs"),
    ("ijk->i", [(2, 3)], "'ijk' is no term for an input of 2 axes"),
    ("ij->ik", [(2, 3)], "'ik' has to name axes"), ("ij->ii", [(2, 2)], "each once"),
    ("i1->i", [(2, 3)], "no term"), ("ij,jk->ik", [(2, 3), (4, 5)], "an axis of 4 meets one of 3"),
    ("ii->i", [(2, 3)], "an axis of 3 meets one of 2"), ("i......j->ij", [(2, 3)], "no term"),
    ("ij,jk->ik->i", [(2, 3), (3, 2)], "has to name axes"), ("", [(2,)], "no term"),
    ("...i,...i->...", [(2, 3), (4, 3)], "an axis of 4 meets one of 2"), ("i\xe9->i", [(2, 3)], "no term"),
    ("ij,kj->ik", [(2, 1), (2, 3)], "an axis of 3 meets one of 1")])
def test_einsum_refuses_equations_that_do_not_fit(equation, shapes, message):
    refuses(message, "Einsum", *(numbers(*shape) for shape in shapes), equation=equation)

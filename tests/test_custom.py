"""Operators of one's own."""
import numpy as np
import pytest

import cinfer
from cinfer.ops import registry

helper = pytest.importorskip("onnx").helper


@pytest.fixture(autouse=True)
def table(monkeypatch):
    registry.load_all()
    monkeypatch.setattr(registry, "_table", {key: list(found) for key, found in registry._table.items()})
    monkeypatch.setattr(registry, "_whole", set(registry._whole))


def model(*nodes, domain="my.domain", kind=1, outputs=("y",)):
    graph = helper.make_graph(list(nodes), "g", [helper.make_tensor_value_info("x", kind, ["n", 4])],
                              [helper.make_tensor_value_info(name, kind, None) for name in outputs])
    return helper.make_model(graph, ir_version=9, opset_imports=[
        helper.make_opsetid("", 18), helper.make_opsetid(domain, 1)]).SerializeToString()


def scaled(**attributes):
    return model(helper.make_node("Relu", ["x"], ["a"]),
                 helper.make_node("Scale", ["a"], ["b"], domain="my.domain", name="mine", **attributes),
                 helper.make_node("Neg", ["b"], ["y"]))


X = np.random.default_rng(0).standard_normal((3, 4)).astype(np.float32)


@pytest.mark.parametrize("infer", [None, lambda x, offset=None, *, factor=1.0: x.like()])
def test_one_decorated_function(infer):
    @cinfer.register_op("my.domain", "Scale", infer=infer)
    def scale(x, offset=None, *, factor=1.0):
        return x * np.float32(factor)
    session = cinfer.load(scaled(factor=2.0), threads=1)
    for n in (1, 3, 0, 3):
        np.testing.assert_array_equal(session(X[:n]), -2 * np.maximum(X[:n], 0))
    assert scale(X)[0, 0] == X[0, 0]                # the function stays what it was


def test_what_nobody_knows_is_named_all_at_once():
    with pytest.raises(cinfer.UnsupportedError) as caught:
        cinfer.load(scaled())
    assert "cannot run 1 of 3 nodes: my.domain.Scale 'mine'" in str(caught.value)
    assert "register_op" in str(caught.value)


def test_its_errors():
    @cinfer.register_op("my.domain", "Scale")
    def scale(x, *, factor=1.0):
        if factor > 5:
            raise KeyError("mine")
        raise ValueError("no such factor")
    with pytest.raises(cinfer.InputError, match="Scale 'mine': no such factor"):
        cinfer.load(scaled())(X)
    with pytest.raises(KeyError, match="mine"):
        cinfer.load(scaled(factor=6.0))(X)
    with pytest.raises(cinfer.UnsupportedError, match="unknown attribute 'other'; Scale of opset 1 has factor"):
        cinfer.load(scaled(other=1.0))(X)


@pytest.mark.parametrize("call, words", [
    (lambda: cinfer.register_op(5, "Scale"), "domain=5: the domain of an operator is a str"),
    (lambda: cinfer.register_op("my.domain", ""), "name='': the name of an operator is a str"),
    (lambda: cinfer.register_op("my.domain", "Scale", since=0), "since=0: an opset is an int of at least 1"),
    (lambda: cinfer.register_op("my.domain", "Scale", infer=3), "infer=3: it is a function, or None"),
    (lambda: cinfer.register_op("", "Relu"), "cinfer has Relu of domain 'ai.onnx'; register yours in a domain"),
    (lambda: cinfer.register_op("ai.onnx", "NonZero", since=99), "cinfer has NonZero of domain 'ai.onnx'"),
    (lambda: cinfer.register_op("com.microsoft", "Gelu"), "cinfer has Gelu of domain 'com.microsoft'; "),
    (lambda: cinfer.register_op("my.domain", "Scale")(np.sin), "is no Python function; decorate one")])
def test_wrong_arguments(call, words):
    with pytest.raises(cinfer.InputError, match=words):
        call()


def test_a_name_that_cinfer_does_not_have_yet():
    for factor in (2, 3):                           # the second takes the first one's place
        @cinfer.register_op("", "Scale2030")
        def scale(x):
            return x * np.float32(factor)
    assert cinfer.load(model(helper.make_node("Scale2030", ["x"], ["y"])))(X).tolist() == (X * 3).tolist()


LIKE = [None, lambda x, offset=None: x.like()]


def alone(outputs=("y",)):
    return model(helper.make_node("Scale", ["x"], list(outputs), domain="my.domain", name="mine"), outputs=outputs)


@pytest.mark.parametrize("source", [alone(), scaled(), model(
    helper.make_node("Constant", [], ["c"], value=helper.make_tensor("c", 1, [3, 4], np.ones(12))),
    helper.make_node("Scale", ["x", "c"], ["y"], domain="my.domain"))])
@pytest.mark.parametrize("infer", LIKE)
def test_inputs_are_read_only(source, infer):
    @cinfer.register_op("my.domain", "Scale", infer=infer)
    def scale(x, offset=None):
        (x if offset is None else offset)[:] = 7
        return x
    session, x = cinfer.load(source), X.copy()
    with pytest.raises(cinfer.InputError, match="Scale .*: assignment destination is read-only"):
        session(x)
    assert x.tobytes() == X.tobytes() and x.flags.writeable


@pytest.mark.parametrize("infer", LIKE)
def test_what_it_returns_is_the_runs_own(infer):
    """It may hand on its input, or use one array for all its calls."""
    kept = np.empty_like(X)

    @cinfer.register_op("my.domain", "Scale", infer=infer)
    def scale(x, offset=None):
        return x if x[0, 0] == 0 else np.multiply(x, 2, out=kept)
    twice = cinfer.load(model(helper.make_node("Scale", ["x"], ["a"], domain="my.domain"),
                              helper.make_node("Neg", ["x"], ["b"]),
                              helper.make_node("Scale", ["b"], ["y"], domain="my.domain"), outputs=("a", "y")))
    a, y = twice.run(None, {"x": X})
    assert a.tolist() == (2 * X).tolist() and y.tolist() == (-2 * X).tolist()
    twice.run(None, {"x": 3 * X})
    assert a.tolist() == (2 * X).tolist() and y.flags.writeable and y is not kept
    zeros = np.zeros_like(X)
    y = cinfer.load(alone())(zeros)
    y += 1
    assert not zeros.any()


@pytest.mark.parametrize("infer", LIKE)
@pytest.mark.parametrize("result, words", [
    (lambda x: x.tolist(), "returned a list; it returns an array, or a tuple of arrays, one for each output"),
    (lambda x: None, "returned None; it returns an array, or a tuple"),
    (lambda x: (None,), "output 0 ('y') is asked for; Scale does not make it here"),
    (lambda x: {"y": x}, "returned a dict; "),
    (lambda x: "y", "returned a str; "),
    (lambda x: (x.tolist(),), "returned a list in a tuple; "),
    (lambda x: (x, x), "returned a tuple of 2; the node has 1 output"),
    (lambda x: np.array([x, "y"], object), "returned an array of object, which is no type of a tensor"),
    (lambda x: x.astype(">f4"), "returned an array of >f4, which is no type of a tensor"),
    (lambda x: np.array(["y"]), "returned an array of <U1, which is no type of a tensor; strings are str in an array"),
    (lambda x: np.ma.masked_less(x, 0), "returned a MaskedArray")])
def test_what_is_no_result(infer, result, words):
    @cinfer.register_op("my.domain", "Scale", infer=infer)
    def scale(x, offset=None):
        return result(x)
    for source in (alone(), scaled()):
        with pytest.raises(cinfer.InputError) as caught:
            cinfer.load(source)(X)
        text = str(caught.value).replace("output 0 ('b')", "output 0 ('y')")
        assert "Scale 'mine': " in text and words in text and "\n" not in text
        assert "scale() returned" in text or "asked for" in words


@pytest.mark.parametrize("result, words", [
    (lambda x: x.astype(np.float64), "scale() returned float64 of shape (3, 4); infer said float32 of shape (3, 4)"),
    (lambda x: x[:2], "scale() returned float32 of shape (2, 4); infer said float32 of shape (3, 4)"),
    (lambda x: x[:1, :1], "scale() returned float32 of shape (1, 1); infer said"),
    (lambda x: x.sum(), "scale() returned float32 of shape (); infer said"),
    (lambda x: (3,), "scale() returned int64 of shape () as output 0; infer said float32 of shape (3, 4)")])
def test_keeps_what_infer_promised(result, words):
    @cinfer.register_op("my.domain", "Scale", infer=lambda x: x.like())
    def scale(x):
        return result(x)
    for source in (alone(), scaled()):
        with pytest.raises(cinfer.InputError) as caught:
            cinfer.load(source)(X)
        assert f"Scale 'mine': {words}" in str(caught.value)


@pytest.mark.parametrize("told, words", [
    (lambda x: None, "infer returned a NoneType; it returns x.like(shape, dtype)"),
    (lambda x: x.shape, "infer returned a tuple of 2; the node has 1 output"),
    (lambda x: (x.like(), x.like()), "infer returned a tuple of 2; the node has 1 output")])
def test_what_infer_may_not_tell(told, words):
    @cinfer.register_op("my.domain", "Scale", infer=told)
    def scale(x):
        return x
    for source in (alone(), scaled()):
        with pytest.raises(cinfer.Error) as caught:
            cinfer.load(source)(X)
        assert words in str(caught.value) and "Scale 'mine'" in str(caught.value)


def test_infer_is_asked_again_where_it_takes_numbers_only():
    @cinfer.register_op("my.domain", "Scale", infer=lambda x: x.like((divmod(x.shape[0], 2)[0], 4)))
    def scale(x):
        return x[:len(x) // 2]
    assert cinfer.load(scaled())(X).shape == (1, 4)


@pytest.mark.parametrize("result, dtype", [(2.5, np.float64), (7, np.int64), (True, bool), (np.float16(2), np.float16)])
def test_numbers_are_arrays(result, dtype):
    @cinfer.register_op("my.domain", "Scale")
    def scale(x):
        return result
    for _ in range(2):
        y = cinfer.load(alone())(X)
        assert y.shape == () and y.dtype == dtype and y == result


def test_several_outputs():
    @cinfer.register_op("my.domain", "Scale", infer=lambda x, *, n_outputs:
                        (x.like(), x.like((1,)))[:n_outputs])
    def scale(x, *, n_outputs):
        return (x, np.array([n_outputs], np.float32))[:n_outputs]
    assert [a.tolist() for a in cinfer.load(alone(("y", "z"))).run(None, {"x": X})] == [X.tolist(), [2]]
    assert cinfer.load(alone())(X).tolist() == X.tolist()


@pytest.mark.parametrize("infer", [None, lambda x: x.like(dtype=np.float64)])
def test_its_type_is_not_taken_for_that_of_its_input(infer):
    @cinfer.register_op("my.domain", "Scale", infer=infer)
    def scale(x):
        return x.astype(np.float64)
    cast = helper.make_node("Cast", ["b"], ["y"], to=1)
    y = cinfer.load(model(helper.make_node("Scale", ["x"], ["b"], domain="my.domain"), cast))(X)
    assert y.dtype == np.float32


@pytest.mark.parametrize("infer", [None, lambda x: x.like()])
def test_takes_and_gives_float16_where_the_file_does(infer):
    seen = []

    @cinfer.register_op("my.domain", "Scale", infer=infer)
    def scale(x):
        seen.append(x.dtype)
        return x * x.dtype.type(2)
    source = model(helper.make_node("Relu", ["x"], ["a"]), helper.make_node("Scale", ["a"], ["b"], domain="my.domain"),
                   helper.make_node("Sqrt", ["b"], ["y"]), kind=10)
    y = cinfer.load(source)(X.astype(np.float16))
    assert y.dtype == np.float16 and set(seen) == {np.dtype(np.float16)}
    np.testing.assert_allclose(y, np.sqrt(2 * np.maximum(X, 0)), atol=2e-3)


def test_an_input_that_is_kept_may_be_read_later():
    kept = []

    @cinfer.register_op("my.domain", "Scale", infer=lambda x: x.like())
    def scale(x):
        kept.append(x)
        return x
    session = cinfer.load(scaled())
    session(np.ones((100000, 4), np.float32))
    session.close()
    kept[0].sum()


def test_what_a_function_raises_is_named():
    @cinfer.register_op("my.domain", "Scale")
    def scale(x):
        return 1 // 0
    with pytest.raises(cinfer.InputError, match=r"scale\(\) raised ZeroDivisionError: "):
        cinfer.load(scaled())(X)

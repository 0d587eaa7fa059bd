"""OrtValue, IOBinding, OrtDevice beside onnxruntime's."""
import pickle

import numpy as np
import pytest
from onnx import helper

import cinfer.onnxruntime as ours

from both import X, Y, added, model, plain, same, sequence, tensor, value


def made(ort, array=X):
    return ort.OrtValue.ortvalue_from_numpy(array)


@pytest.mark.parametrize("method", ["device_name", "shape", "data_type", "element_type", "is_tensor",
                                    "has_value",
                                    "is_sparse_tensor", "is_tensor_sequence", "numpy", "tensor_size_in_bytes",
                                    "__dlpack_device__", "__array__"])
def test_what_a_value_says(method):
    for array in (X, np.array([True, False]), np.float16([1, 2]), np.zeros((0, 3), np.int8), X.T,
                  np.array(3)):
        same(lambda ort: getattr(made(ort, array), method)())


def test_a_value_shares_memory():
    def use(ort):
        array = X.copy()
        given = made(ort, array)
        array[0, 0] = 99
        given.numpy()[0, 1] = 55
        given.update_inplace(np.stack([array[1], array[0]]))
        return array, given.data_ptr() == array.ctypes.data, np.asarray(given, np.float64)
    same(use)


def test_ways_to_make_a_value():
    of = ours.OrtValue
    for use in (lambda v: v.ortvalue_from_numpy([1, 2]), lambda v: v.ortvalue_from_numpy(np.array(["a"])),
                lambda v: v.ortvalue_from_numpy(X, "cuda", 0), lambda v: v.ortvalue_from_numpy(X, "foo", 0),
                lambda v: v.ortvalue_from_shape_and_type([2, 3], np.float32).shape(),
                lambda v: v.ortvalue_from_shape_and_type((2,), "float32").data_type(),
                lambda v: v.ortvalue_from_shape_and_type((2,), np.dtype("int64")).data_type(),
                lambda v: v.ortvalue_from_shape_and_type([2], 16).data_type(),
                lambda v: v.ortvalue_from_shape_and_type([2], 16).numpy(),
                lambda v: v.ortvalue_from_shape_and_type([-2], np.float32),
                lambda v: v.ortvalue_from_numpy_with_onnx_type(np.zeros(2, np.uint16), 16).data_type(),
                lambda v: v.from_dlpack(np.ones(3, np.float32)).numpy(),
                lambda v: v.from_dlpack(np.ones(3, np.float32).__dlpack__()).numpy(),
                lambda v: v.from_dlpack(np.ones(3, bool)).data_type(), lambda v: v.from_dlpack(5),
                lambda v: v(5),
                lambda v: np.from_dlpack(v.ortvalue_from_numpy(X.copy()))):
        same(lambda ort: use(ort.OrtValue))
    for data in (np.zeros((3, 3), np.float32), [1]):
        same(lambda ort: made(ort, X.copy()).update_inplace(data))
    assert plain(pickle.loads(pickle.dumps(of.ortvalue_from_numpy(X))).numpy()) == plain(X)


def test_runs_from_and_to_values():
    for feeds in (lambda o: {"x": made(o), "y": made(o, Y)}, lambda o: {"x": made(o)},
                  lambda o: {"x": made(o, X.astype(int)), "y": made(o, Y)}, lambda o: {"x": X, "y": Y}):
        same(lambda ort: [v.numpy() for v in ort.InferenceSession(added()).run_with_ort_values(None,
                                                                                               feeds(ort))])
    same(lambda ort: ort.InferenceSession(added()).run(["z"], {"x": made(ort), "y": Y}))
    content = model([helper.make_node("SequenceConstruct", ["x", "x"], ["z"])], [tensor("x", shape=[None])],
                    [value("z", sequence())])
    same(lambda ort: [(v.data_type(), v.is_tensor(), v.is_tensor_sequence())
                      for v in ort.InferenceSession(content).run_with_ort_values(["z"], {"x": made(ort, Y)})])


def bound(ort, *, output=lambda ort, binding: binding.bind_output("z"), x=X, y=Y):
    session = ort.InferenceSession(added())
    binding = session.io_binding()
    binding.bind_cpu_input("x", x)
    binding.bind_input("y", "cpu", 0, np.float32, y.shape, y.ctypes.data)
    output(ort, binding)
    session.run_with_iobinding(binding)
    return binding.copy_outputs_to_cpu(), [v.numpy() for v in binding.get_outputs()]


def test_binding():
    assert same(bound)[0] == "tuple"
    target = np.zeros((2, 3), np.float32)

    def to_address(ort, binding):
        target[:] = 0
        binding.bind_output("z", "cpu", 0, np.float32, target.shape, target.ctypes.data)
    same(lambda ort: [*bound(ort, output=to_address), target.copy()])

    def to_value(shape=(2, 3), dtype=np.float32):
        def output(ort, binding):
            made_value = ort.OrtValue.ortvalue_from_shape_and_type(shape, dtype)
            binding.bind_ortvalue_output("z", made_value)
        return output
    assert same(lambda ort: bound(ort, output=to_value()))[0] == "tuple"
    assert same(lambda ort: bound(ort, output=to_value((2, 2))))[0] == "raises"
    assert same(lambda ort: bound(ort, output=to_value(dtype=np.int64)))[0] == "raises"
    same(lambda ort: bound(ort, output=lambda o, b: None))
    same(lambda ort: bound(ort, output=lambda o, b: b.bind_output("q")))
    same(lambda ort: bound(ort, output=lambda o, b: b.bind_output("z", "cuda")))
    same(lambda ort: bound(ort, output=lambda o, b: b.bind_output("z", "cpu", 0, np.float32, None, 5)))
    same(lambda ort: bound(ort, x=X.astype(int)))
    same(lambda ort: bound(ort, x=X[0]))


def test_binding_and_its_session():
    def use(ort, what):
        session = ort.InferenceSession(added())
        binding = ort.IOBinding(session)
        return what(ort, session, binding)

    def cleared(ort, session, binding):
        binding.bind_ortvalue_input("x", made(ort))
        binding.bind_ortvalue_input("y", made(ort, Y))
        binding.bind_output("z")
        binding.synchronize_inputs()
        session.run_with_iobinding(binding)
        binding.synchronize_outputs()
        found = binding.copy_outputs_to_cpu()
        binding.clear_binding_outputs()
        empty = binding.get_outputs()
        binding.bind_output("z")
        binding.clear_binding_inputs()
        try:
            session.run_with_iobinding(binding)
        except RuntimeError:
            return found, empty
    assert same(lambda ort: use(ort, cleared))[0] == "tuple"
    same(lambda ort: use(ort, lambda o, s, b: b.bind_cpu_input("q", X)))
    same(lambda ort: use(ort, lambda o, s, b: b.bind_cpu_input("x", [1.0])))
    same(lambda ort: use(ort, lambda o, s, b: o.InferenceSession(added()).run_with_iobinding(b)))


def test_a_bound_input_is_read_in_each_run():
    session = ours.InferenceSession(added())
    binding, x = session.io_binding(), X.copy()
    binding.bind_cpu_input("x", x)
    binding.bind_cpu_input("y", Y)
    binding.bind_output("z")
    for _ in range(2):
        x += 1
        session.run_with_iobinding(binding)
        np.testing.assert_array_equal(binding.copy_outputs_to_cpu()[0], x + Y)


def test_devices_and_memory():
    same(lambda ort: [(d.device_id(), d.device_type(), d.device_mem_type())
                      for d in [ort.OrtDevice.make("cpu", 0)]])
    same(lambda ort: ort.OrtDevice.make("cuda", 1).device_type())
    same(lambda ort: ort.OrtDevice.make("foo", 1))
    same(lambda ort: [(m.device_id, str(m.mem_type), str(m.allocator_type))
                      for m in ort.InferenceSession(added()).get_input_memory_infos()])
    same(lambda ort: ort.OrtArenaCfg({"max_mem": 3}).max_mem)
    same(lambda ort: ort.OrtArenaCfg({"other": 3}))

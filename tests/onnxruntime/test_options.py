"""SessionOptions and RunOptions beside onnxruntime's: attributes, entries, and what they change."""
import copy
import json
import logging
import os
from pathlib import Path

import numpy as np
import pytest
from onnx import external_data_helper, helper, load_model, numpy_helper, save_model

import cinfer.onnxruntime as ours

from both import FLOAT, X, Y, added, defaulted, model, same, tensor


def attributes(options):
    found = {name: getattr(options, name) for name in dir(options) if not name.startswith("_")}
    return {name: given if type(given) in (bool, int, str) else str(given)
            for name, given in found.items() if not callable(given)}


def test_attributes_and_their_values():
    assert same(lambda ort: attributes(ort.SessionOptions()))
    assert same(lambda ort: attributes(ort.RunOptions()))


@pytest.mark.parametrize("name, given", [
    ("intra_op_num_threads", -1), ("intra_op_num_threads", "a"), ("intra_op_num_threads", 2.0),
    ("intra_op_num_threads", True), ("inter_op_num_threads", np.int64(2)), ("graph_optimization_level", 99),
    ("execution_mode", 1), ("foo", 1), ("log_severity_level", 9), ("log_severity_level", None),
    ("optimized_model_filepath", Path("x")), ("optimized_model_filepath", "x"), ("logid", 5), ("logid", "a"),
    ("enable_profiling", "x"), ("enable_profiling", 1), ("enable_cpu_mem_arena", None),
    ("enable_mem_pattern", 0),
    ("profile_file_prefix", None)])
def test_setting_an_attribute(name, given):
    same(lambda ort: [setattr(o := ort.SessionOptions(), name, given), getattr(o, name)][1])


@pytest.mark.parametrize("name, given", [("terminate", 1), ("terminate", "x"), ("foo", 1), ("logid", "a"),
                                         ("log_severity_level", "2"), ("only_execute_path_to_fetches", True)])
def test_setting_an_attribute_of_a_run(name, given):
    same(lambda ort: [setattr(o := ort.RunOptions(), name, given), getattr(o, name)][1])


def test_enumerations():
    for kind in ("GraphOptimizationLevel", "ExecutionMode", "ExecutionOrder", "OrtAllocatorType",
                 "OrtMemType",
                 "OrtMemoryInfoDeviceType", "OrtDeviceMemoryType", "OrtHardwareDeviceType", "OrtSparseFormat",
                 "OrtCompileApiFlags", "OrtExecutionProviderDevicePolicy"):
        assert same(lambda ort: {k: (int(v), str(v), repr(v), f"{v}", v.name) for k,
                                 v in getattr(ort, kind).__members__.items()})
    same(lambda ort: [setattr(o := ort.SessionOptions(), "graph_optimization_level",
                              ort.GraphOptimizationLevel.ORT_ENABLE_BASIC), str(o.graph_optimization_level)])


def test_entries():
    for key, given in (("a", "b"), ("a", 1), ("", "1"), ("a" * 2000, "1")):
        same(lambda ort: [(o := ort.SessionOptions()).add_session_config_entry(key, given),
                          o.get_session_config_entry(key)])
        same(lambda ort: [(o := ort.RunOptions()).add_run_config_entry(key, given),
                          o.get_run_config_entry(key)])
    same(lambda ort: ort.SessionOptions().get_session_config_entry("a"))
    same(lambda ort: ort.RunOptions().get_run_config_entry("a"))


def test_a_session_keeps_options_of_its_own():
    def use(ort):
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        session = ort.InferenceSession(added(), options)
        options.intra_op_num_threads = 2
        kept = session.get_session_options()
        return kept is options, kept.intra_op_num_threads
    same(use)
    options = ours.SessionOptions()
    options.intra_op_num_threads = 1
    assert copy.deepcopy(options).intra_op_num_threads == 1


def test_threads():
    options = ours.SessionOptions()
    for asked, have in ((1, 1), (2, 2), (100_000, 256)):
        options.intra_op_num_threads = asked
        assert ours.InferenceSession(added(), options)._sess.threads == have
    default = ours.InferenceSession(added())._sess.threads
    options.intra_op_num_threads = 0
    assert ours.InferenceSession(added(), options)._sess.threads == default
    options.use_per_session_threads = False
    ours.set_global_thread_pool_sizes(2, 1)
    try:
        assert ours.InferenceSession(added(), options)._sess.threads == 2
    finally:
        ours.set_global_thread_pool_sizes()


def test_what_means_nothing_is_said_in_a_debug_log(caplog):
    caplog.set_level(logging.DEBUG, "cinfer.onnxruntime")
    options = ours.SessionOptions()
    options.enable_cpu_mem_arena = False
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.intra_op_num_threads = 1
    assert [r.getMessage().split(":")[0] for r in caplog.records] == [
        "SessionOptions.enable_cpu_mem_arena = False",
        "SessionOptions 'session.intra_op.allow_spinning' = '0'"]


def test_free_sizes_by_name():
    def use(ort, feeds):
        options = ort.SessionOptions()
        options.add_free_dimension_override_by_name("N", 4)
        session = ort.InferenceSession(added(), options)
        return session.get_inputs()[0].shape, session.get_outputs()[0].shape, session.run(None, feeds)
    assert same(lambda ort: use(ort, {"x": np.tile(X, (2, 1)), "y": Y}))[0] == "tuple"
    assert same(lambda ort: use(ort, {"x": X, "y": Y}))[0] == "raises"


def test_free_sizes_by_meaning():
    x = tensor("x", shape=[None, 3])
    x.type.tensor_type.shape.dim[0].denotation = "DATA_BATCH"
    content = model([helper.make_node("Relu", ["x"], ["z"])], [x], [tensor("z", shape=[None, 3])])

    def use(ort):
        options = ort.SessionOptions()
        options.add_free_dimension_override_by_denotation("DATA_BATCH", 2)
        session = ort.InferenceSession(content, options)
        return session.get_inputs()[0].shape, session.get_outputs()[0].shape, session.run(None, {"x": X})
    assert same(use)[0] == "tuple"


def test_constants_from_memory(tmp_path):
    def use(ort, content, method, given=7):
        value = ort.OrtValue.ortvalue_from_numpy(np.full(3, given, np.float32))
        options = ort.SessionOptions()
        getattr(options, method)(*(("y", value) if method == "add_initializer" else (["y"], [value])))
        return ort.InferenceSession(content, options).run(None, {"x": X})
    assert same(lambda ort: use(ort, defaulted(), "add_initializer"))[0] == "list"
    constant = model([helper.make_node("Add", ["x", "y"], ["z"])], [tensor("x", shape=["N", 3])],
                     [tensor("z", shape=["N", 3])], [numpy_helper.from_array(np.ones(3, np.float32), "y")])
    assert same(lambda ort: use(ort, constant, "add_initializer"))[0] == "list"
    path = tmp_path / "m.onnx"
    path.write_bytes(constant)
    save_model(load_model(path), path, save_as_external_data=True, location="w.bin", size_threshold=0)
    content = path.read_bytes()
    os.remove(tmp_path / "w.bin")
    assert external_data_helper.uses_external_data(load_model(path,
                                                              load_external_data=False).graph.initializer[0])
    assert same(lambda ort: use(ort, content, "add_external_initializers"))[0] == "list"
    with pytest.raises(ours.capi._pybind_state.InvalidArgument, match="initializer 'y'"):
        value = ours.OrtValue.ortvalue_from_numpy(np.ones(4, np.float32))
        options = ours.SessionOptions()
        options.add_initializer("y", value)
        ours.InferenceSession(constant, options)


def test_the_optimized_model_is_the_file_itself(tmp_path):
    def use(ort):
        options = ort.SessionOptions()
        options.optimized_model_filepath = str(tmp_path / f"{ort.__name__}.onnx")
        ort.InferenceSession(added(), options)
        return ort.InferenceSession(options.optimized_model_filepath).run(None, {"x": X, "y": Y})
    assert same(use)[0] == "list"
    same(lambda ort: [setattr(o := ort.SessionOptions(), "optimized_model_filepath",
                              str(tmp_path / "no" / "m.onnx")),
                      ort.InferenceSession(added(), o)])


def test_external_data_goes_with_the_optimized_model(tmp_path):
    w = numpy_helper.from_array(np.ones(3, np.float32), "y")
    content = model([helper.make_node("Add", ["x", "y"], ["z"])], [tensor("x", FLOAT, ["N", 3])],
                    [tensor("z")], [w])
    path, elsewhere = tmp_path / "m.onnx", tmp_path / "elsewhere"
    path.write_bytes(content)
    save_model(load_model(path), path, save_as_external_data=True, location="w.bin", size_threshold=0)
    elsewhere.mkdir()
    options = ours.SessionOptions()
    options.optimized_model_filepath = str(elsewhere / "o.onnx")
    ours.InferenceSession(path, options)
    np.testing.assert_array_equal(ours.InferenceSession(elsewhere / "o.onnx").run(None, {"x": X})[0], X + 1)


def test_profiling(tmp_path):
    def use(ort):
        options = ort.SessionOptions()
        options.enable_profiling, options.profile_file_prefix = True, str(tmp_path / ort.__name__)
        session = ort.InferenceSession(added(), options)
        session.run(None, {"x": X, "y": Y})
        path = session.end_profiling()
        events = json.loads(Path(path).read_text())
        names = [e["name"] for e in events if e["cat"] == "Session"]
        return {"session_initialization",
                "model_run"} <= set(names), session.get_profiling_start_time_ns() > 0
    assert same(use)
    assert ours.InferenceSession(added()).end_profiling() == ""


def test_what_cinfer_does_not_do_is_one_error(tmp_path):
    refused = ours.capi.onnxruntime_pybind11_state.NotImplemented
    ort_format = tmp_path / "m.ort"
    ort_format.write_bytes(b"\x20\0\0\0ORTM" + bytes(100))
    for use in (lambda: ours.SessionOptions().register_custom_ops_library("libx.so"),
                lambda: ours.InferenceSession(ort_format),
                lambda: ours.InferenceSession(ort_format.read_bytes()),
                lambda: ours.ModelCompiler(ours.SessionOptions(), added()),
                lambda: ours.LoraAdapter(),
                lambda: ours.SparseTensor.sparse_coo_from_numpy([2], Y, Y, None),
                lambda: ours.register_execution_provider_library("a", "b.so")):
        with pytest.raises(refused, match="NOT_IMPLEMENTED"):
            use()

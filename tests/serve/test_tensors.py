"""KServe's v2 protocol: what its clients send, and what is wrong with it."""

import json
import struct

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from serving import application, ask, form, models  # noqa: F401 (fixtures)
from small_models import write

X = np.random.default_rng(3).random((1, 3, 5, 4), np.float32)
PATH, HEADER = "/v2/models/tensors/infer", "Inference-Header-Content-Length"


def infer(app, asked, tail=b"", path=PATH, **more):
    text = asked if isinstance(asked, bytes) else json.dumps(asked).encode()
    more = {"inference_header_content_length": str(len(text)), **more} if tail else more
    return ask(app, path, text + tail, "application/json", **more)


def fed(data=None, name="x", datatype="FP32", shape=(1, 3, 5, 4), **more):
    more = more if data is None else {"data": data, **more}
    return {"name": name, "datatype": datatype, "shape": list(shape), **more}


def test_server_and_model_say_what_they_are(application):  # noqa: F811
    assert ask(application, "/v2").data["extensions"] == ["binary_tensor_data"]
    for path in ("/v2/health/live", "/v2/health/ready", "/v2/models/tensors/ready",
                 "/v2/models/tensors/versions/1/ready"):
        assert ask(application, path).status == 200
    for path in ("/v2/models/tensors", "/v2/models/tensors/versions/1"):
        assert ask(application, path).data == {
            "name": "tensors", "versions": ["1"], "platform": "onnx_cinfer",
            "inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 3, -1, -1]}],
            "outputs": [{"name": "picture", "datatype": "FP32", "shape": [1, 3, -1, -1]},
                        {"name": "top", "datatype": "FP32", "shape": [1, 3, 1, 1]}]}
    assert ask(application, "/v2/models/none").status == 404 == ask(application, "/v2/models/tensors/versions/2").status


@pytest.mark.parametrize("data", [X.tolist(), X.reshape(-1).tolist()], ids=["nested", "flat"])
def test_numbers_in_json(application, data):  # noqa: F811
    done = infer(application, {"id": "7", "inputs": [fed(data)]})
    assert done.status == 200 and done.data["model_name"] == "tensors" and done.data["id"] == "7"
    picture, top = done.data["outputs"]
    assert picture["name"] == "picture" and picture["datatype"] == "FP32" and picture["shape"] == [1, 3, 5, 4]
    assert (np.float32(picture["data"]) == X.reshape(-1)).all()
    assert (np.float32(top["data"]) == X.max(axis=(2, 3)).reshape(-1)).all()


def test_numbers_in_bytes(application):  # noqa: F811
    whole = fed(parameters={"binary_data_size": X.nbytes})
    done = infer(application, {"inputs": [whole], "parameters": {"binary_data_output": True}}, X.tobytes())
    size = int(done.headers[HEADER])
    head, tail = json.loads(done.body[:size]), done.body[size:]
    assert done.status == 200 and done.headers["Content-Type"] == "application/octet-stream"
    sizes = [each["parameters"]["binary_data_size"] for each in head["outputs"]]
    assert sizes == [X.nbytes, 12] and tail == X.tobytes() + X.max(axis=(2, 3)).tobytes()
    mixed = [{"name": "top", "parameters": {"binary_data": True}}, {"name": "picture"}]
    done = infer(application, {"inputs": [whole], "outputs": mixed}, X.tobytes())
    head = json.loads(done.body[:int(done.headers[HEADER])])
    assert [each["name"] for each in head["outputs"]] == ["top", "picture"] and "data" in head["outputs"][1]
    assert len(infer(application, {"inputs": [fed(X.tolist())], "outputs": [{"name": "top"}]}).data["outputs"]) == 1


def echo(path):
    """Each type as it is."""
    types = {"b": TensorProto.BOOL, "i": TensorProto.INT64, "u": TensorProto.UINT8, "h": TensorProto.FLOAT16,
             "s": TensorProto.STRING}
    nodes = [helper.make_node("Identity", [name], [name + "_"]) for name in types]
    free = {name: (kind, ("n",)) for name, kind in types.items()}
    return write(path, nodes, free, {name + "_": each for name, each in free.items()})


def test_each_type(tmp_path):
    from cinfer.serve import Application
    app = Application([echo(tmp_path / "echo.onnx")], threads=1)
    values = {"b": [True, False], "i": [-2**63, 2**63 - 1], "u": [0, 255], "h": [.5, -65504.0], "s": ["\u00e9", ""]}
    names = dict(zip(values, ("BOOL", "INT64", "UINT8", "FP16", "BYTES")))
    inputs = [fed(data, name, names[name], [2]) for name, data in values.items()]
    done = infer(app, {"inputs": inputs}, path="/v2/models/echo/infer")
    assert {each["name"]: each["data"] for each in done.data["outputs"]} == {
        name + "_": data for name, data in values.items()}
    tails = [np.array(data, dtype).tobytes() for data, dtype in zip(list(values.values())[:4], "?qBe")]
    tails.append(b"".join(struct.pack("<I", len(text.encode())) + text.encode() for text in values["s"]))
    inputs = [fed(None, name, names[name], [2], parameters={"binary_data_size": len(tail)})
              for name, tail in zip(values, tails)]
    asked = {"inputs": inputs, "parameters": {"binary_data_output": True}}
    done = infer(app, asked, b"".join(tails), path="/v2/models/echo/infer")
    assert done.body[int(done.headers[HEADER]):] == b"".join(tails)
    for name, wrong in (("b", [1, 0]), ("i", [2**63, 0]), ("i", [.5, 1]), ("u", [256, 0]), ("u", [-1, 0]),
                        ("h", [1e6, 0]), ("s", [1, 2]), ("i", ["1", "2"]), ("i", [None, 1]), ("i", [True, False])):
        changed = [fed(wrong if each == name else data, each, names[each], [2]) for each, data in values.items()]
        done = infer(app, {"inputs": changed}, path="/v2/models/echo/infer")
        assert done.status == 400 and f"input '{name}'" in done.data["error"], (name, wrong, done.data)
    cut = infer(app, asked, b"".join(tails)[:-1] + b"", path="/v2/models/echo/infer")
    assert cut.status == 400 and "input 's'" in cut.data["error"]


@pytest.mark.parametrize("asked, words", [
    ([], "no request of KServe v2"), ({}, "no request of KServe v2"), ({"inputs": {}}, "no request of KServe v2"),
    (b"null", "no request of KServe v2"), (b'"x"', "no request"), (b"{", "no JSON"), (b"[" * 9999, "nested too deeply"),
    ({"inputs": []}, "no feed for input 'x'"), ({"inputs": [None]}, "an input has no name"),
    ({"inputs": [{"name": 3}]}, "an input has no name"),
    ({"inputs": [fed([], "y")]}, "no input 'y'; the model has 'x'"),
    ({"inputs": [fed(X.tolist()), fed(X.tolist())]}, "input 'x' is there twice"),
    ({"inputs": [fed([], datatype="FP64")]}, "datatype is 'FP64', the model takes FP32"),
    ({"inputs": [fed([], datatype=None)]}, "datatype is 'None'"),
    ({"inputs": [fed([], shape=[-1])]}, "shape is a list"), ({"inputs": [fed([], shape=[2**80])]}, "shape is a list"),
    ({"inputs": [fed([], shape=[True])]}, "shape is a list"),
    ({"inputs": [fed([], shape=[1] * 40)]}, "shape is a list"),
    ({"inputs": [{"name": "x", "datatype": "FP32", "shape": 3}]}, "shape is a list"),
    ({"inputs": [fed([1, 2])]}, "data has 2 elements, shape [1, 3, 5, 4] has 60"),
    ({"inputs": [fed([], shape=[2**39, 2**39])]}, "data has 0 elements"),
    ({"inputs": [fed([1.0] * 4, shape=[4])]}, "input 'x': got shape (4,)"),
    ({"inputs": [fed([[1], [1, 2]])]}, "data is no list of FP32"), ({"inputs": [fed("abc")]}, "data is a list"),
    ({"inputs": [fed()]}, "data is a list"), ({"inputs": [fed([{}] * 60)]}, "data is no list of FP32"),
    ({"inputs": [fed(["1"] * 60)]}, "data is no list of FP32"), ({"inputs": [fed([1e300] * 60)]}, "does not fit FP32"),
    ({"inputs": [fed([10**400] * 60)]}, "data is no list of FP32"),
    (b'{"inputs":[{"name":"x","datatype":"FP32","shape":[1],"data":[NaN]}]}', "NaN is no number"),
    (b'{"inputs":[{"name":"x","datatype":"FP32","shape":[1],"data":[1e999]}]}', "does not fit FP32"),
    ({"inputs": [fed(X.tolist())], "outputs": [{"name": "z"}]}, "the model has 'picture', 'top'"),
    ({"inputs": [fed(X.tolist())], "outputs": "top"}, "outputs is a list"),
    ({"inputs": [fed(X.tolist())], "outputs": [{"name": []}]}, "outputs is a list"),
    ({"inputs": [fed(parameters={"binary_data_size": 4})]}, "binary_data_size is no number of bytes that are there"),
    ({"inputs": [fed(parameters={"binary_data_size": -4})]}, "binary_data_size is no number"),
    ({"inputs": [fed(parameters={"binary_data_size": "4"})]}, "binary_data_size is no number"),
    ({"inputs": [fed(parameters={"binary_data_size": True})]}, "binary_data_size is no number"),
    ({"inputs": [fed(X.tolist(), parameters={"binary_data_size": 0})]}, "input 'x' has both data and binary_data_size"),
])  # fmt: skip
def test_what_is_wrong_is_one_line(application, asked, words):  # noqa: F811
    done = infer(application, asked)
    assert done.status == 400 and words in done.data["error"] and done.data["success"] is False


def test_bytes_that_do_not_belong(application):  # noqa: F811
    asked = {"inputs": [fed(parameters={"binary_data_size": X.nbytes})]}
    for tail, words in ((X.tobytes() + b"x", "1 bytes behind the JSON are of no tensor"),
                        (X.tobytes()[:-1], "239 are left")):
        assert words in infer(application, asked, tail).data["error"]
    both = {"inputs": [fed(X.tolist(), parameters={"binary_data_size": X.nbytes})]}
    assert "has both data and binary_data_size" in infer(application, both, X.tobytes()).data["error"]
    for length in ("99999", "-1", "x", "", "\u0663"):
        done = infer(application, asked, X.tobytes(), inference_header_content_length=length)
        assert done.status == 400, length
    odd = {"inputs": [fed(parameters={"binary_data_size": 239})]}
    assert "no whole number of FP32" in infer(application, odd, X.tobytes()[:-1]).data["error"]
    assert infer(application, asked, X.tobytes(), path="/v2/models/none/infer").status == 404
    body, kind = form({"image": b"1"})
    assert ask(application, PATH, body, kind).status == 400


def test_a_run_that_takes_too_much_is_refused(tmp_path):
    from cinfer.serve import Application
    free = (TensorProto.FLOAT, ("n",))
    size = helper.make_tensor("size", TensorProto.INT64, [1], [10_000])
    nodes = [helper.make_node("Tile", ["x", "size"], ["t"]), helper.make_node("ReduceMax", ["t"], ["y"], keepdims=0)]
    path = write(tmp_path / "tile.onnx", nodes, {"x": free}, {"y": (TensorProto.FLOAT, ())}, None, [size])
    onnx.checker.check_model(path)
    app = Application([path], threads=1, max_memory=1_000_000)
    for count, status in ((10, 200), (1000, 413)):
        done = infer(app, {"inputs": [fed([1.0] * count, shape=[count])]}, path="/v2/models/tile/infer")
        assert done.status == status, done.data

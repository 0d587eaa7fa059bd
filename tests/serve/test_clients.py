"""Clients as they are: the bytes that each sends, and what it reads from the answer.

What they send is told by their own sources, as of 2026: frigate/detectors/plugins/deepstack.py of Frigate 0.18,
deepstack-python 0.8 (Home Assistant's components by robmarkcole, Viseron), codeproject-ai-api 0.1 (Viseron),
node-red-contrib-deepstack 0.3, DeepStack's examples for .NET, tritonclient 2.73, OpenVINO Model Server's documents.
"""

import json
import socket

import numpy as np
import pytest
from program import DATA
from serving import models, running  # noqa: F401 (fixtures)

HORSES = (DATA / "horses.jpg").read_bytes()
BOUNDARY = "0123456789abcdef0123456789abcdef"


@pytest.fixture(scope="module")
def server(models):  # noqa: F811
    detector = f"ipcam-general={DATA}/nanodet_g_416_w8.onnx"
    with running(detector, models / "colours.onnx", f"tensors={models}/halves.onnx", "--max-det", "20") as found:
        yield found


def asked(server, head: list[str], body: bytes, turns=1, wait_for_100=False) -> list:
    """(status, headers, body) of each of several such requests over one connection."""
    found = []
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        file = connection.makefile("rb")
        for _ in range(turns):
            lines = [line.replace("PORT", str(server.port)) for line in head]
            connection.sendall("\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode())
            if wait_for_100:
                assert [file.readline(), file.readline()] == [b"HTTP/1.1 100 Continue\r\n", b"\r\n"]
            connection.sendall(body)
            status = int(file.readline().split()[1])
            headers = {}
            while (line := file.readline()) != b"\r\n":
                name, _, value = line.decode().partition(":")
                headers[name] = value.strip()
            found.append((status, headers, file.read(int(headers["Content-Length"]))))
    return found


def by_requests(path: str, picture: bytes, **texts) -> tuple[list[str], bytes]:
    """As the Python library requests sends data={...}, files={"image": bytes}: texts first; the file is called as its
    field and has no type."""
    parts = [f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n'.encode()
             for name, text in texts.items()]
    parts.append(f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="image"; filename="image"\r\n\r\n'.encode()
                 + picture + f"\r\n--{BOUNDARY}--\r\n".encode())
    head = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1:PORT", "User-Agent: python-requests/2.32.3",
            "Accept-Encoding: gzip, deflate", "Accept: */*", "Connection: keep-alive",
            f"Content-Type: multipart/form-data; boundary={BOUNDARY}"]
    return head, b"".join(parts)


def as_deepstack(status: int, body: bytes) -> list[dict]:
    """What clients of DeepStack read: the predictions, each with these keys."""
    data = json.loads(body)
    assert status == 200 and data["success"] is True and isinstance(data["predictions"], list)
    for each in data["predictions"]:
        assert isinstance(each["label"], str) and 0 <= each["confidence"] <= 1
        assert all(type(each[key]) is int for key in ("x_min", "y_min", "x_max", "y_max"))
    return data["predictions"]


def test_frigates_deepstack(server):
    """One session for all frames, an api_key that may be empty, no least score; rows of an array of 20."""
    rows = np.zeros((20, 6), np.float32)
    for status, headers, body in asked(server, *by_requests("/v1/vision/detection", HORSES, api_key=""), turns=3):
        assert "Connection" not in headers
        for i, each in enumerate(as_deepstack(status, body)):
            if each["confidence"] < .4:
                break
            rows[i] = 17 if each["label"] == "horse" else 16, each["confidence"], 0, 0, 0, 0
    assert (rows[:3, 0] == 17).all() and rows[3:, 1].max() < rows[2, 1]


@pytest.mark.parametrize("path, more", [
    ("/v1/vision/detection", {"api_key": "", "min_confidence": .1}),            # Home Assistant
    ("/v1/vision/custom/ipcam-general", {"api_key": "", "min_confidence": .1}),
    ("/v1/vision/detection", {"min_confidence": .8}),                           # Viseron, without a key
    ("/v1/vision/custom/ipcam-general", {"min_confidence": .8}),                # its codeprojectai, by default
])
def test_deepstacks_python_client(server, path, more):
    (status, _, body), = asked(server, *by_requests(path, HORSES, **more))
    found = as_deepstack(status, body)
    assert all(each["confidence"] >= more["min_confidence"] for each in found) and len(found) <= 20
    assert (len(found) == 20) == (more["min_confidence"] == .1)


def test_home_assistants_scenes(server):
    """All but `success` becomes the attributes of an entity, `label` its state."""
    (status, _, body), = asked(server, *by_requests("/v1/vision/scene", HORSES, api_key="", min_confidence=.45))
    data = json.loads(body)
    assert status == 200 and data.pop("success") is True and data["label"] in "abc" and 0 <= data["confidence"] <= 1


def test_an_error_is_json_with_its_status(server):
    """Frigate looks for `predictions`, the Python client for the status."""
    (status, _, body), = asked(server, *by_requests("/v1/vision/detection", b"no picture", api_key=""))
    assert status == 400 and json.loads(body).get("predictions") is None


def test_node_reds_form(server):
    """By the library form-data: the file first, with name and type; a boundary of many dashes."""
    boundary = "-" * 26 + "123456789012345678901234"
    body = (f'--{boundary}\r\nContent-Disposition: form-data; name="image"; filename="image.jpg"\r\n'
            "Content-Type: image/jpeg\r\n\r\n").encode() + HORSES + (
        f'\r\n--{boundary}\r\nContent-Disposition: form-data; name="min_confidence"\r\n\r\n0.45\r\n'
        f'--{boundary}\r\nContent-Disposition: form-data; name="admin_key"\r\n\r\nx\r\n--{boundary}--\r\n').encode()
    head = ["POST /v1/vision/detection HTTP/1.1",
            "user-agent: got (https://github.com/sindresorhus/got)",
            f"content-type: multipart/form-data; boundary={boundary}", "accept-encoding: gzip, deflate, br",
            "Host: 127.0.0.1:PORT", "Connection: close"]
    (status, headers, body), = asked(server, head, body)
    assert len(as_deepstack(status, body)) >= 3 and headers["Connection"] == "close"


@pytest.mark.parametrize("wait", [False, True])
def test_dot_nets_form(server, wait):
    """MultipartFormDataContent: the boundary in quotes, names without; older ones ask before they send the body."""
    boundary = "6b2f1a52-6ad1-4d9c-a3f5-5c2f3f3b2a10"
    body = (f"--{boundary}\r\nContent-Disposition: form-data; name=image; filename=front.jpg; "
            f"filename*=utf-8''front.jpg\r\n\r\n").encode() + HORSES + (
        f"\r\n--{boundary}\r\nContent-Type: text/plain; charset=utf-8\r\n"
        f"Content-Disposition: form-data; name=min_confidence\r\n\r\n0.4\r\n--{boundary}--\r\n").encode()
    head = ["POST /v1/vision/detection HTTP/1.1", "Host: 127.0.0.1:PORT",
            f'Content-Type: multipart/form-data; boundary="{boundary}"', *["Expect: 100-continue"] * wait]
    (status, _, body), = asked(server, head, body, wait_for_100=wait)
    assert [each["label"] for each in as_deepstack(status, body)][:3] == ["horse"] * 3


def test_blue_iris_asks_for_the_models(server):
    """An empty POST; the names are those of `custom`."""
    (status, _, body), = asked(server, ["POST /v1/vision/custom/list HTTP/1.1", "Host: 127.0.0.1:PORT"], b"")
    assert status == 200 and json.loads(body) == {"success": True, "models": ["ipcam-general", "colours"]}


def test_triton(server):
    """Health, readiness and metadata, then tensors behind JSON, whose length a header says; no content type."""
    for path in ("health/live", "health/ready", "models/tensors/ready", "models/tensors/versions/1/ready"):
        head = [f"GET /v2/{path} HTTP/1.1", "User-Agent: python/gevent-http-client-2.3.3", "Connection: keep-alive",
                "Host: 127.0.0.1:PORT"]
        assert asked(server, head, b"")[0][0] == 200
    (_, _, body), = asked(server, ["GET /v2/models/tensors HTTP/1.1", "Host: 127.0.0.1:PORT"], b"")
    assert json.loads(body)["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [1, 3, -1, -1]}]
    x = np.arange(-6, 6, dtype=np.float32).reshape(1, 3, 2, 2)
    text = ('{"id":"1","inputs":[{"name":"x","shape":[1,3,2,2],"datatype":"FP32",'
            '"parameters":{"binary_data_size":48}}],"parameters":{"binary_data_output":true}}').encode()
    head = ["POST /v2/models/tensors/infer HTTP/1.1", f"Inference-Header-Content-Length: {len(text)}",
            "User-Agent: python/gevent-http-client-2.3.3", "Connection: keep-alive", "Host: 127.0.0.1:PORT"]
    for status, headers, body in asked(server, head, text + x.tobytes(), turns=2):
        size = int(headers["Inference-Header-Content-Length"])
        data = json.loads(body[:size])
        assert status == 200 and data["id"] == "1"
        sizes = [each["parameters"]["binary_data_size"] for each in data["outputs"]]
        first = np.frombuffer(body[size:size + sizes[0]], np.float32).reshape(data["outputs"][0]["shape"])
        assert (first == np.maximum(x, 0)).all() and len(body) == size + sum(sizes)


def test_openvino_model_servers_short_form(server):
    """Of one input alone, whose bytes are all that is behind the JSON, no size need be said; nor for JSON a header."""
    x = np.ones((1, 3, 2, 2), np.float32)
    text = b'{"model_name": "tensors", "inputs": [{"name": "x", "shape": [1, 3, 2, 2], "datatype": "FP32"}]}'
    head = ["POST /v2/models/tensors/infer HTTP/1.1", "Host: 127.0.0.1:PORT", "Content-Type: application/octet-stream",
            f"Inference-Header-Content-Length: {len(text)}"]
    (status, _, body), = asked(server, head, text + x.tobytes())
    assert status == 200 and json.loads(body)["outputs"][0]["data"] == [1] * 12
    (status, _, body), = asked(server, head, text + x.tobytes()[:-4])
    assert status == 400 and "data has 11 elements" in json.loads(body)["error"]

"""Frigate's detector over ZeroMQ, asked as its plugin asks."""

import json

import numpy as np
import pytest
from PIL import Image
from program import DATA
from serving import application, ended, models, pixels, running  # noqa: F401 (fixtures)

HORSE = 17                              # of COCO's 80 classes


@pytest.fixture
def detector(application):  # noqa: F811
    pytest.importorskip("zmq")
    from cinfer.serve.frigate import Detector
    with Detector(application, "inproc://frigate") as found:
        yield found


def message(x, **more) -> list[bytes]:
    return [json.dumps({"shape": list(x.shape), "dtype": x.dtype.name, "model_type": "yologeneric", **more}).encode(),
            x.tobytes()]


def rows(frames) -> np.ndarray:
    """As the plugin reads them."""
    header = json.loads(frames[0])
    assert len(frames) == 2 and header["shape"] == [20, 6] and header["dtype"] == "float32"
    return np.frombuffer(frames[1], header["dtype"]).reshape(header["shape"])


def horses(x, scale=1.0) -> None:
    """Three of them, the surest first, each at its place, from 0 to 1."""
    x = x[x[:, 1] >= .5]
    assert x[:, 0].tolist() == [HORSE] * 3 and (np.diff(x[:, 1]) <= 0).all()
    right = np.array([[237, 579, 561, 901], [214, 124, 563, 392], [230, 327, 531, 565]]) / (664, 1024, 664, 1024)
    right = right[np.argsort(right[:, 1])]
    assert np.abs(x[np.argsort(x[:, 3]), 2:] - right).max() < .03


def test_a_picture_is_prepared_as_all_are(detector):
    x = np.asarray(Image.fromarray(pixels("horses.jpg")).resize((416, 416)))
    for shaped in (x[None], x, np.ascontiguousarray(x.transpose(2, 0, 1))[None]):
        status, frames = detector.answered(message(shaped))
        assert status == 200
        horses(rows(frames))
    assert not rows(detector.answered(message(np.zeros((1, 320, 320, 3), np.uint8)))[1]).any()


def test_a_tensor_is_the_models_input(detector, application):  # noqa: F811
    reader = application.models["objects"].reader
    x = reader.prepare(str(DATA / "horses.jpg")).feeds[reader.recipe.input]
    status, frames = detector.answered(message(x))
    assert status == 200
    horses(rows(frames))


def test_its_model_is_the_one_that_is_served(detector):
    status, frames = detector.answered([json.dumps({"model_request": True, "model_name": "yolo.onnx"}).encode()])
    assert status == 200 and len(frames) == 1
    assert json.loads(frames[0]) == {"model_available": True, "model_loaded": True}
    sent = [json.dumps({"model_data": True, "model_name": "../../x"}).encode(), b"x" * 100]
    found = json.loads(detector.answered(sent)[1][0])
    assert not found["model_saved"] and not found["model_loaded"] and "not taken from the network" in found["error"]


X = np.zeros((1, 320, 320, 3), np.uint8)


@pytest.mark.parametrize("frames, words", [
    ([b""], "the first frame is no JSON object"), ([b"[1]"], "no JSON object"), ([b"[" * 9999], "no JSON object"),
    ([b"\xff"], "no JSON object"), ([b"{" + b" " * 20_000 + b"}"], "no JSON object"), ([b"{}"], "two frames"),
    (message(X)[:1], "two frames"), ([*message(X), b""], "two frames"), ([message(X)[0], b"x"], "no array of uint8"),
    (message(X.astype(np.int64)), "dtype is uint8 or float32"), (message(X, dtype=["uint8"]), "dtype is uint8"),
    (message(X, shape="x"), "two frames"), (message(X, shape=[1, 2**70, 3]), "two frames"),
    (message(X, shape=[-1, 320, 3]), "two frames"), (message(X, shape=[320 * 320, 1, 3, 1]), "is no picture"),
    (message(X, shape=[2, 160, 320, 3]), "is no picture"),
    (message(np.zeros((1, 3, 32, 32), np.float32)), "axis 2 is 32, the model takes 416"),
])  # fmt: skip
def test_whatever_comes_is_answered_by_zeros(detector, frames, words):
    status, answer = detector.answered(frames)
    assert status == 400 and not rows(answer).any() and words in json.loads(answer[0])["error"]


def test_over_a_socket(models):  # noqa: F811
    """What is no request, too large, or comes from someone who goes away does not end it."""
    zmq = pytest.importorskip("zmq")
    import socket
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"tcp://127.0.0.1:{port}"
    with running(DATA / "nanodet_g_416_w8.onnx", "--zmq", address, "--max-body", "2") as server:
        assert f"Frigate's detector at {address}" in server.said[1]
        context = zmq.Context()
        try:
            def asked(frames, seconds=20):
                one = context.socket(zmq.REQ)
                one.setsockopt(zmq.LINGER, 0)
                one.connect(address)
                try:
                    one.send_multipart(frames)
                    return one.recv_multipart() if one.poll(1000 * seconds) else None
                finally:
                    one.close()
            with socket.create_connection(("127.0.0.1", port)) as stranger:
                stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert asked(message(np.zeros((1, 1000, 1000, 3), np.uint8)), seconds=1) is None       # over --max-body
            assert asked([b"x"] * 1000) and asked(message(X), seconds=0) is None
            x = np.asarray(Image.fromarray(pixels("horses.jpg")).resize((416, 416)))[None]
            horses(rows(asked(message(x))))
            text = server.ask("/metrics").body.decode()
            assert 'cinfer_requests_total{route="zmq",status="200"} ' in text
        finally:
            context.destroy(linger=0)
        assert ended(server) == (0, "cinfer: ended\n")

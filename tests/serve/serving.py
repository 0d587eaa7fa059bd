"""A server in a process of its own, and requests to it or to the application alone; the tests here import it."""

import io
import json
import re
import signal
import socket
from contextlib import contextmanager
from http.client import HTTPConnection
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from program import DATA, start
from small_models import classifier, halves

CLASSES = {"cinfer.recipe": "1", "cinfer.task": "classification", "cinfer.input.size": "8x8",
           "cinfer.labels": "a\nb\nc", "cinfer.input.std": "255"}  # fmt: skip
DETECTOR = DATA / "nanodet_g_416_w8.onnx"


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A classifier of the mean colour, and a model of any size that takes no picture."""
    folder = tmp_path_factory.mktemp("models")
    classifier(folder / "colours.onnx", CLASSES)
    halves(folder / "halves.onnx", {"cinfer.recipe": "1", "cinfer.input.name": "none"})
    return folder


@pytest.fixture(scope="module")
def application(models):
    pytest.importorskip("waitress")
    from cinfer.serve import Application
    return Application([str(models / "colours.onnx"), f"tensors={models}/halves.onnx", f"objects={DETECTOR}"],
                       threads=2)


def picture(colour=(255, 0, 0), size=(12, 8), kind="PNG") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, kind)
    return file.getvalue()


def form(files=None, boundary="XyZ", **texts) -> tuple[bytes, str]:
    """(the body, its content type) of multipart/form-data."""
    parts = [f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n'.encode()
             for name, text in texts.items()]
    for name, content in (files or {}).items():
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{name}"\r\n'
        parts.append(head.encode() + b"Content-Type: image/png\r\n\r\n" + content + b"\r\n")
    return b"".join([*parts, f"--{boundary}--\r\n".encode()]), f"multipart/form-data; boundary={boundary}"


def ask(application, path, body=None, kind="", method=None, query="", **headers):
    """What the application answers: status, data (JSON) or text, headers. body : None for GET"""
    environ = {"REQUEST_METHOD": method or ("GET" if body is None else "POST"), "PATH_INFO": path,
               "QUERY_STRING": query, "CONTENT_TYPE": kind, "CONTENT_LENGTH": "" if body is None else str(len(body)),
               "wsgi.input": io.BytesIO(body or b""),
               **{"HTTP_" + name.upper(): value for name, value in headers.items()}}
    environ["CONTENT_LENGTH"] = headers.get("length", environ["CONTENT_LENGTH"])
    told = {}
    chunks = application(environ, lambda status, given: told.update(status=status, headers=dict(given)))
    return answer(int(told["status"].split()[0]), told["headers"], b"".join(chunks))


def answer(status, headers, body):
    is_json = headers.get("Content-Type") == "application/json"
    if is_json and body:
        assert body.endswith(b"\n") and body.count(b"\n") == 1
    data = json.loads(body) if is_json and body else None
    return SimpleNamespace(status=status, headers=headers, body=body, data=data)


@contextmanager
def running(*arguments, **more):
    """`cinfer serve ARGUMENTS` at a free port: url, port, process, and ask(path, body, kind, ...). more : of start"""
    pytest.importorskip("waitress")
    process = start("serve", *arguments, "--port", "0", **more)
    try:
        said = []
        for line in process.stderr:
            said.append(line.decode())
            found = re.search(r"serving at http://(\S+):(\d+)", said[-1])
            if found:
                break
        else:
            raise AssertionError("".join(said))
        port = int(found[2])
        yield SimpleNamespace(process=process, port=port, said=said, url=f"http://127.0.0.1:{port}",
                              ask=lambda *args, **more: over_http(port, *args, **more),
                              raw=lambda data, **more: raw(port, data, **more))
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(10)
        process.stderr.close()
        process.stdout.close()


def over_http(port, path, body=None, kind="", method=None, **headers):
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method or ("GET" if body is None else "POST"), path, body,
                           {"Content-Type": kind, **given} if kind else given)
        reply = connection.getresponse()
        return answer(reply.status, dict(reply.headers), reply.read())
    finally:
        connection.close()


def raw(port, data: bytes, seconds=20.0, shut=False) -> bytes:
    """All that comes back for these bytes. shut : is that the end of what is sent?"""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
        connection.sendall(data)
        if shut:
            connection.shutdown(socket.SHUT_WR)
        found = b""
        try:
            while chunk := connection.recv(65536):
                found += chunk
        except TimeoutError:
            pass
        return found


def ended(server, number=signal.SIGTERM) -> tuple[int, str]:
    """(exit status, what was said last) after a signal."""
    server.process.send_signal(number)
    _, err = server.process.communicate(timeout=30)
    return server.process.returncode, err.decode()


def pixels(name: str) -> np.ndarray:
    return np.asarray(Image.open(DATA / name).convert("RGB"))

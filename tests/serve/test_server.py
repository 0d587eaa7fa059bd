"""The program `cinfer serve` under load, faults and signals. All traffic is on this machine."""

import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest
from program import DATA, ROOT, cinfer  # noqa: F401 (fixtures)
from serving import ask, ended, form, models, over_http, picture, running  # noqa: F401 (fixtures)

BODY, KIND = form({"image": picture()})
HEAD = f"POST /v1/vision/scene HTTP/1.1\r\nHost: x\r\nContent-Type: {KIND}\r\nContent-Length: "
WHOLE = f"{HEAD}{len(BODY)}\r\n\r\n".encode() + BODY


@pytest.fixture(scope="module")
def server(models):  # noqa: F811
    limits = "--max-body", "1", "--timeout", "2", "--threads", "2", "--max-connections", "40"
    with running(models / "colours.onnx", f"tensors={models}/halves.onnx", *limits) as found:
        yield found
        assert found.process.poll() is None             # whatever it was fed
        assert found.ask("/v1/vision/scene", BODY, KIND).data["label"] == "a"
        resident = int(over_http(found.port, "/metrics").body.split(b"process_resident_memory_bytes ")[-1].split()[0])
        assert resident < 300e6
        status, said = ended(found)
        assert status == 0 and said == "cinfer: ended\n"


def statuses(reply: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"^HTTP/1\.\d (\d+) ", reply, re.MULTILINE)]


def test_it_says_what_it_serves(server):
    assert [line.split(":")[1].strip() for line in server.said] == ["colours", "tensors", "serving at http"]
    assert "tensors only, for" in server.said[1] and ", 2 threads, no API key; Ctrl-C ends it" in server.said[2]


def test_a_few_hundred_requests_from_many_clients(server):
    from http.client import HTTPConnection
    colours = {"a": (255, 0, 0), "b": (0, 255, 0), "c": (0, 0, 255)}
    bodies = {label: form({"image": picture(colour)}) for label, colour in colours.items()}
    found, failed = [], []

    def client(number: int) -> None:
        connection = HTTPConnection("127.0.0.1", server.port, timeout=30)
        for turn in range(25):
            label = "abc"[(number + turn) % 3]
            try:
                connection.request("POST", "/v1/vision/scene", bodies[label][0], {"Content-Type": bodies[label][1]})
                reply = connection.getresponse()
                found.append((reply.status, json.loads(reply.read())["label"], label))
            except Exception as error:
                failed.append(error)
    before = counted(server)
    threads = [threading.Thread(target=client, args=(i,)) for i in range(16)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert not failed and len(found) == 400 and all(status == 200 and said == label for status, said, label in found)
    assert counted(server) - before == 400


def counted(server) -> int:
    text = server.ask("/metrics").body.decode()
    begin = 'cinfer_requests_total{route="/v1/vision/scene",'
    lines = [line for line in text.splitlines() if line.startswith(begin)]
    return sum(int(line.split()[-1]) for line in lines)


@pytest.mark.parametrize("data, status", [
    (b"GET / HTTP/1.0\r\n\r\n", 200), (b"HEAD / HTTP/1.0\r\n\r\n", 200), (b"GET / HTTP/9.9\r\n\r\n", 200),
    (b"rubbish\r\n\r\n", 400), (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", 400), (b"get / HTTP/1.1\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nbad header\r\n\r\n", 400), (b"GET / HTTP/1.1\r\nA: b\n\r\n\r\n", 400),
    (b"POST /v1/read HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
    (b"POST /v1/read HTTP/1.1\r\nContent-Length: 1, 2\r\n\r\n", 400),
    (b"POST /v1/read HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
    (b"POST /v1/read HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
    (b"POST /v1/read HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + b"f" * 16 + b"\r\nx", 413),
    (b"POST /v1/read HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5;" + b"a" * 50_000, 400),
    (b"POST /v1/read HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"a: b\r\n" * 10_000, 400),
    (b"POST /v1/vision/custom/list HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 0\r\n"
     b"Connection: close\r\n\r\n", 200),
    (b"GET /v2 HTTP/1.1\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n", 200),
    (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 10_000 + b"\r\n", 431), (b"GET /" + b"a" * 50_000, 431),
    (b"GET /..%2f..%2f%00 HTTP/1.0\r\n\r\n", 404), (b"GET http://other/metrics HTTP/1.0\r\n\r\n", 200),
    (b"GET //etc/passwd HTTP/1.0\r\n\r\n", 404), (b"OPTIONS * HTTP/1.0\r\n\r\n", 404),
    (b"POST /v1/read HTTP/1.1\r\nContent-Length: 2147483648\r\n\r\n" + b"x" * 100_000, 413),
    (b"POST /v1/read HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2147483648\r\n\r\n", 413),
    (b"POST /v1/read HTTP/1.1\r\nContent-Length: " + b"9" * 30 + b"\r\n\r\n", 413),
], ids=lambda each: each[:30].decode("latin-1") if isinstance(each, bytes) else str(each))  # fmt: skip
def test_one_answer_whatever_comes(server, data, status):
    reply = server.raw(data, shut=status < 400)
    assert statuses(reply) == [status]
    head, _, body = reply.partition(b"\r\n\r\n")
    if status >= 400:
        assert b"Content-Type: application/json" in head
        assert body.count(b"\n") == 1 and json.loads(body)["success"] is False
    if status == 413:
        assert b"larger than 1 MB, the limit of this server (--max-body)" in body


def test_a_body_that_is_too_large_in_chunks(server):
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    data = b"POST /v1/read HTTP/1.1\r\nContent-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk * 40
    assert statuses(server.raw(data)) == [413]


def test_chunks_are_a_body_too(server):
    chunks = b"".join(b"%x\r\n" % len(BODY[i:i + 50]) + BODY[i:i + 50] + b"\r\n" for i in range(0, len(BODY), 50))
    data = f"{HEAD.split('Content-Length')[0]}Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    reply = server.raw(data + chunks + b"0\r\n\r\n")
    assert statuses(reply) == [200] and b'"label":"a"' in reply


def test_requests_behind_each_other_are_answered_in_order(server):
    data = WHOLE + b"GET /v2/health/live HTTP/1.1\r\n\r\n" + b"GET /no HTTP/1.1\r\n\r\n" + WHOLE.replace(
        b"Host: x", b"Connection: close")
    assert statuses(server.raw(data)) == [200, 200, 404, 200]


@pytest.mark.parametrize("sent", [b"", b"GET / HT", WHOLE[:40], WHOLE[:-20], HEAD.encode() + b"900000\r\n\r\n"],
                         ids=["nothing", "half a line", "half a head", "half a body", "no body"])
def test_who_goes_away_is_forgotten(server, sent):
    assert server.raw(sent, shut=True, seconds=5) == b""


@pytest.mark.parametrize("sent", [b"GET / HT", WHOLE[:-20]], ids=["head", "body"])
def test_who_is_too_slow_is_told(server, sent):
    """A byte now and then keeps no connection: the request as a whole has its time."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(sent)
        connection.settimeout(.3)
        reply, until = b"", time.time() + 15
        while not reply and time.time() < until:
            try:
                reply = connection.recv(4096)
            except TimeoutError:
                connection.sendall(b"x")
        connection.settimeout(20)
        while chunk := connection.recv(4096):           # to the end: the server drops what else was sent
            reply += chunk
    assert statuses(reply) == [408] and b"took longer than 2 s to come" in reply


def test_more_connections_than_there_may_be_wait(server):
    """Those over the limit are answered when others have ended."""
    idle = [socket.create_connection(("127.0.0.1", server.port), timeout=20) for _ in range(60)]
    time.sleep(.2)
    for each in idle:
        each.close()
    assert server.ask("/v2/health/ready").status == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_is_under_way_is_answered_at_the_end(models, number):  # noqa: F811
    """One request waits for its last bytes, eight for their turn; an idle connection is closed."""
    with running(models / "colours.onnx", "--threads", "1") as server:
        idle = socket.create_connection(("127.0.0.1", server.port), timeout=20)
        late = socket.create_connection(("127.0.0.1", server.port), timeout=20)
        late.sendall(WHOLE[:-10])
        with_body = [socket.create_connection(("127.0.0.1", server.port), timeout=20) for _ in range(8)]
        for each in with_body:
            each.sendall(WHOLE)
        time.sleep(.3)
        server.process.send_signal(number)
        assert idle.recv(100) == b""
        with pytest.raises(OSError):                    # nobody new
            socket.create_connection(("127.0.0.1", server.port), timeout=5).recv(1)
            raise OSError
        late.sendall(WHOLE[-10:])
        assert all(statuses(each.recv(4096)) == [200] for each in (late, *with_body))
        server.process.wait(20)
        assert server.process.returncode == 0 and server.process.stderr.read() == b"cinfer: ended\n"


def test_who_is_too_slow_does_not_hold_the_end_up(models):  # noqa: F811
    with running(models / "colours.onnx", "--timeout", "2") as server:
        late = socket.create_connection(("127.0.0.1", server.port), timeout=20)
        late.sendall(WHOLE[:-10])
        time.sleep(.3)
        server.process.send_signal(signal.SIGTERM)
        assert statuses(late.recv(4096)) == [408]
        late.close()
        assert server.process.wait(10) == 0


def test_a_second_signal_does_not_wait(models):  # noqa: F811
    with running(models / "colours.onnx", "--threads", "1") as server:
        late = socket.create_connection(("127.0.0.1", server.port), timeout=20)
        late.sendall(WHOLE[:-10])
        time.sleep(.3)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(1)
        assert server.process.poll() is None
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(10) == -signal.SIGTERM


def test_a_port_in_use_is_one_line(server, cinfer, models):  # noqa: F811
    begin = time.time()
    done = cinfer("serve", DATA / "nanodet_g_416_w8.onnx", "--port", str(server.port))
    assert done.status == 2 and len(done.errors) == 1 and time.time() - begin < 20
    assert f"--port {server.port}: address already in use; is another server running?" in done.err


@pytest.mark.parametrize("arguments, words", [
    (["none.onnx"], "none.onnx: no such file; name an ONNX model"), (["a=none.onnx"], "none.onnx: no such file"),
    ([], "required: MODEL"), (["colours.onnx", "colours.onnx"], "two models are called 'colours'"),
    (["a/b=colours.onnx"], "'a/b' cannot be a model's name"),
    (["colours.onnx", "--port", "70000"], "'70000' is no whole"),
    (["colours.onnx", "--host", "999.1.1.1"], "--host 999.1.1.1"),
    (["colours.onnx", "--host", "192.0.2.1"], "--host 192.0.2.1 --port 0: cannot assign requested address\n"),
    (["colours.onnx", "--api-key", " x"], "--api-key: a key is one word"),
    (["colours.onnx", "--timeout", "0"], "'0' is no number of seconds"),
    (["halves.onnx", "--size", "8x8"], "halves: cinfer.input.name is 'none'"),
    (["list=colours.onnx"], "a model cannot be called 'list'"),
    (["colours.onnx", "--classes", "a,z"], "colours: the model has no class 'z'"),
    (["colours.onnx", "--zmq", "tcp://127.0.0.1:5555"], "--zmq: no model that is served finds objects"),
    (["colours.onnx", "--prot", "1"], "unknown flag '--prot'; do you mean --port?"),
])  # fmt: skip
def test_mistakes_are_one_line(cinfer, models, monkeypatch, arguments, words):  # noqa: F811
    pytest.importorskip("zmq")
    monkeypatch.chdir(models)
    port = [] if "--port" in arguments else ["--port", "0"]
    done = cinfer("serve", *arguments, *port)
    assert done.status == 2 and len(done.errors) == 1 and words in done.err, done.err


def test_what_a_library_says_of_a_picture_is_not_for_the_servers_output(models):  # noqa: F811
    from PIL import Image
    file = io.BytesIO()
    Image.new("RGB", (300, 200), (9, 9, 200)).save(file, "TIFF", compression="jpeg")
    damaged = bytearray(file.getvalue())
    damaged[len(damaged) // 2:len(damaged) // 2 + 40] = b"\xff" * 40      # libjpeg warns of it, through libtiff
    with running(models / "colours.onnx") as server:
        assert server.ask("/v1/vision/scene", bytes(damaged), "image/tiff").status in (200, 400)
        assert server.ask("/v1/vision/scene", b"II*\0 is no picture", "image/tiff").status == 400
        assert ended(server) == (0, "cinfer: ended\n")


def test_without_waitress_it_says_what_to_install(cinfer, models, monkeypatch):  # noqa: F811
    import importlib.util
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    done = cinfer("serve", models / "colours.onnx")
    assert done.status == 2 and done.errors == ["cinfer: waitress is not installed; pip install 'cinfer[serve]'"]


def test_waiting_for_a_thread_counts(models):  # noqa: F811
    """With one CPU and many clients some wait before the application knows of them."""
    from cinfer.serve import Application
    app = Application([str(models / "colours.onnx")], threads=1)
    environ = {"cinfer.came": time.monotonic() - 100}
    told = []
    app({**environ, "REQUEST_METHOD": "POST", "PATH_INFO": "/v1/vision/scene", "CONTENT_TYPE": "image/png",
         "CONTENT_LENGTH": str(len(picture())), "wsgi.input": io.BytesIO(picture())},
        lambda status, headers: told.append(status))
    assert told == ["503 Service Unavailable"]
    assert ask(app, "/v1/vision/scene", picture(), "image/png").status == 200


def test_from_python(models):  # noqa: F811
    code = "import sys, cinfer; cinfer.serve(sys.argv[1:], port=0, ready=lambda app, url: print(url, flush=True))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([sys.executable, "-c", code, str(models / "colours.onnx")], env=environment,
                               stdout=subprocess.PIPE)
    try:
        port = int(process.stdout.readline().rpartition(b":")[2])
        assert over_http(port, "/v1/vision/scene", BODY, KIND).data["label"] == "a"
        process.terminate()
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.stdout.close()


def test_a_key_from_the_environment(models, monkeypatch):  # noqa: F811
    monkeypatch.setenv("CINFER_API_KEY", "secret")
    with running(models / "colours.onnx") as server:
        assert "no API key" not in server.said[-1]
        assert server.ask("/v1/vision/scene", BODY, KIND).status == 401
        assert server.ask("/v1/vision/scene", BODY, KIND, Authorization="Bearer secret").status == 200

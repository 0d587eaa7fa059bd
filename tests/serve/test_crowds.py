"""Many clients, busy threads, few files: who is answered, and who waits."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from program import ROOT, start
from serving import ended, form, models, over_http, picture, running  # noqa: F401 (fixtures)

BODY, KIND = form({"image": picture()})
HEAD = f"POST /v1/vision/scene HTTP/1.1\r\nHost: x\r\nContent-Type: {KIND}\r\nContent-Length: "
WHOLE = f"{HEAD}{len(BODY)}\r\n\r\n".encode() + BODY
PROBES = "/v2/health/live", "/v2/health/ready", "/metrics", "/", "/v2", "/v2/models", "/v2/models/colours", \
    "/v2/models/colours/ready"


@contextmanager
def served(models, connections=40):  # noqa: F811
    """A server within this process: app, port, raw."""
    pytest.importorskip("waitress")
    from cinfer.serve import Application
    from cinfer.serve.server import Server, bound
    app = Application([str(models / "colours.onnx"), f"tensors={models}/halves.onnx"], threads=1)
    sockets = bound("127.0.0.1", 0)
    server = Server(app, sockets, connections)
    thread = threading.Thread(target=server.run)
    thread.start()
    port = sockets[0].getsockname()[1]
    try:
        yield SimpleNamespace(app=app, port=port, server=server)
    finally:
        server.stop()
        thread.join()
        server.close()


def connected(port, data=b"") -> socket.socket:
    found = socket.create_connection(("127.0.0.1", port), timeout=20)
    found.sendall(data)
    return found


def until(condition, seconds=20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(.01)


def count(app, status) -> int:
    begin = f'cinfer_requests_total{{route="/v1/vision/scene",status="{status}"}} '
    return sum(int(line.split()[-1]) for line in app.metrics.text([], app.turns).splitlines() if line.startswith(begin))


def test_a_busy_server_is_alive(models):  # noqa: F811
    """Every thread for pictures waits for its turn; whoever asks how the server is does not wait with them."""
    with served(models) as one:
        with one.app.turns.turn(time.monotonic() + 60):
            waiting = [connected(one.port, WHOLE) for _ in range(12)]
            until(lambda: one.app.turns.waiting == 5)
            for path in PROBES:
                assert over_http(one.port, path).status == 200, path
                assert over_http(one.port, path, method="HEAD").status == 200
            assert over_http(one.port, "/nothing").status == 404
            assert b"cinfer_requests_waiting 5" in over_http(one.port, "/metrics").body
            assert one.app.turns.waiting == 5
        assert all(each.recv(100).startswith(b"HTTP/1.1 200 ") for each in waiting)


def test_nothing_that_is_got_is_computed(models):  # noqa: F811
    """What ports.py takes for prompt: no GET may ask for a turn."""
    from cinfer.serve import app
    assert {route for _, method, route, *_ in app.ROUTES if method == "GET"} == {
        "/v2/models/NAME" if path == "/v2/models/colours" else "/v2/models/NAME/ready" if path.endswith("colours/ready")
        else path for path in PROBES}


def test_who_goes_away_while_waiting_is_left_out(models):  # noqa: F811
    """A camera that gives up after its timeout and asks again would else fill the queue with what nobody wants."""
    with served(models) as one:
        with one.app.turns.turn(time.monotonic() + 60):
            stays, *gone = (connected(one.port, WHOLE) for _ in range(4))
            until(lambda: one.app.turns.waiting == 4)
            for each in gone:
                each.close()
            time.sleep(.2)
        assert stays.recv(100).startswith(b"HTTP/1.1 200 ")
        until(lambda: count(one.app, 200) == 1 and count(one.app, 503) == 3)


def test_who_only_ends_sending_has_an_answer(models):  # noqa: F811
    with served(models) as one:
        with connected(one.port, WHOLE) as half:
            half.shutdown(socket.SHUT_WR)
            assert half.recv(100).startswith(b"HTTP/1.1 200 ")
            while half.recv(4096):                      # and then the connection ends
                pass


def test_connections_that_are_left_keep_nobody_out(models):  # noqa: F811
    """Of those that ask nothing the oldest goes when another one comes; one with half a body stays."""
    with served(models) as one:
        half = connected(one.port, WHOLE[:-10])
        left = [connected(one.port) for _ in range(300)]
        for path in PROBES[:2]:
            assert over_http(one.port, path).status == 200
        assert over_http(one.port, "/v1/vision/scene", BODY, KIND).data["label"] == "a"
        half.sendall(WHOLE[-10:])
        assert half.recv(100).startswith(b"HTTP/1.1 200 ")
        for each in left:
            each.close()


def test_first_lines_that_do_not_end_keep_nobody_out(models):  # noqa: F811
    with served(models) as one:
        left = [connected(one.port, b"GET / HTTP/1.1\r\nA: ") for _ in range(60)]
        assert over_http(one.port, "/v2/health/live").status == 200
        for each in left:
            each.close()


def test_connections_in_use_end_with_their_answers_where_others_wait(models):  # noqa: F811
    """Twice as many busy clients as there may be connections: each has its answers, a probe as well."""
    answers, failed, ends = [], [], []

    def client(port) -> None:
        connection = HTTPConnection("127.0.0.1", port, timeout=60)
        for _ in range(10):
            try:
                connection.request("POST", "/v1/vision/scene", BODY, {"Content-Type": KIND})
                reply = connection.getresponse()
                reply.read()
                answers.append(reply.status)
                ends.append(reply.headers.get("Connection") == "close")
            except Exception as error:
                failed.append(error)
    with served(models, connections=5) as one:
        threads = [threading.Thread(target=client, args=(one.port,)) for _ in range(10)]
        for each in threads:
            each.start()
        assert over_http(one.port, "/v2/health/live").status == 200
        for each in threads:
            each.join()
    assert not failed and answers == [200] * 100 and any(ends)


def test_an_answer_that_nobody_takes_holds_no_thread(models, monkeypatch):  # noqa: F811
    """Two large answers to one client, which reads neither: the second one has to wait for room."""
    from cinfer.serve import server
    monkeypatch.setattr(server, "IDLE_SECONDS", 3.0)
    x = np.zeros((1, 3, 1200, 1600), np.float32)
    asked = {"inputs": [{"name": "x", "shape": x.shape, "datatype": "FP32",
                         "parameters": {"binary_data_size": x.nbytes}}], "parameters": {"binary_data_output": True}}
    text = json.dumps(asked).encode()
    head = (f"POST /v2/models/tensors/infer HTTP/1.1\r\nInference-Header-Content-Length: {len(text)}\r\n"
            f"Content-Length: {len(text) + x.nbytes}\r\n\r\n").encode()
    with served(models) as one:
        workers = one.server._dispatchers[0]
        until(lambda: workers.active_count == 0)
        with connected(one.port) as client:
            client.sendall((head + text + x.tobytes()) * 2)
            until(lambda: workers.active_count == 1)
            until(lambda: workers.active_count == 0)
            client.settimeout(5)
            with pytest.raises(OSError):
                while client.recv(1 << 20):
                    pass
                raise OSError


@contextmanager
def limited(models, limits, *arguments):  # noqa: F811
    """`cinfer serve` with limits as of resource.setrlimit, name -> number."""
    resource = pytest.importorskip("resource")

    def limit() -> None:
        for name, most in limits.items():
            resource.setrlimit(getattr(resource, name), (most, most))
    with running(models / "colours.onnx", *arguments, preexec_fn=limit) as found:
        yield found
        assert over_http(found.port, "/v1/vision/scene", BODY, KIND).data["label"] == "a"
        assert ended(found)[0] == 0


def test_as_many_connections_as_there_may_be_files(models):  # noqa: F811
    with limited(models, {"RLIMIT_NOFILE": 64}) as server:
        assert " connections at once, for this process may not have more files open (ulimit -n)" in server.said[0]
        assert 1 <= int(server.said[0].split()[1]) <= 24
        left = [connected(server.port) for _ in range(100)]
        half = [connected(server.port, HEAD.encode() + b"3000000\r\n\r\n" + bytes(2_500_000)) for _ in range(5)]
        assert server.ask("/v2/health/live").status == 200
        for each in (*left, *half):
            each.close()


def test_too_few_files_is_one_line(models):  # noqa: F811
    resource = pytest.importorskip("resource")
    pytest.importorskip("waitress")
    process = start("serve", models / "colours.onnx", "--port", "0",
                    preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (21, 21)))
    said = process.communicate(timeout=60)[1].decode()
    assert process.returncode == 2 and said.count("\n") == 1 and "21 files open" in said


def test_large_bodies_where_no_file_can_be_written(models):  # noqa: F811
    """As on a disk that is full: a few are kept in memory, one more is told so."""
    with limited(models, {"RLIMIT_FSIZE": 0}, "--max-connections", "40") as server:
        large = picture(size=(1000, 1000), kind="BMP")
        assert len(large) > 3_000_000
        assert server.ask("/v1/vision/scene", large, "image/bmp").data["label"] == "a"
        head = f"POST /v1/vision/scene HTTP/1.1\r\nContent-Type: image/bmp\r\nContent-Length: {len(large)}\r\n\r\n"
        half = [connected(server.port, head.encode() + large[:-10]) for _ in range(8)]
        time.sleep(.5)
        reply = server.ask("/v1/vision/scene", large, "image/bmp")
        assert reply.status == 507 and "there is no room for a body as large as this one" in reply.data["error"]
        for each in half:
            each.sendall(large[-10:])
            assert each.recv(100).startswith(b"HTTP/1.1 200 ")
            each.close()
        assert server.ask("/v1/vision/scene", large, "image/bmp").status == 200


def test_the_first_process_of_a_container_ends_too(models):  # noqa: F811
    """To process 1 the system delivers no signal without a handler: neither the first nor the second may need it."""
    if not shutil.which("unshare"):
        pytest.skip("the program unshare is not there")
    code = "import sys; from cinfer.__main__ import main; sys.exit(main())"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(["unshare", "--pid", "--fork", "--kill-child", sys.executable, "-c", code, "serve",
                                str(models / "colours.onnx"), "--port", "0"], env=environment, stderr=subprocess.PIPE)
    try:
        said = [process.stderr.readline().decode()]
        if said[0].startswith("unshare"):
            pytest.skip(said[0])
        while "serving at" not in said[-1]:
            assert said[-1]
            said.append(process.stderr.readline().decode())
        port = int(re.search(r":(\d+),", said[-1])[1])
        first, = map(int, Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split())
        half = connected(port, WHOLE[:-10])
        time.sleep(.3)
        os.kill(first, signal.SIGTERM)
        time.sleep(.5)
        assert process.poll() is None
        os.kill(first, signal.SIGTERM)
        assert process.wait(10) == 128 + signal.SIGTERM
        half.close()
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def test_closed_standard_files_become_no_connections(models):  # noqa: F811
    """Else what a library prints there would go to a client."""
    with running(models / "colours.onnx", preexec_fn=lambda: (os.close(0), os.close(1))) as server:
        for number in (0, 1):
            assert os.readlink(f"/proc/{server.process.pid}/fd/{number}") == os.devnull
        assert server.ask("/v1/vision/scene", BODY, KIND).data["label"] == "a"
        assert ended(server)[0] == 0

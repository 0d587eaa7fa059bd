"""`cinfer serve` under load: is nothing lost, and does memory stay flat? Beside it a minimal server of FastAPI and
onnxruntime, which decodes, prepares and answers the same pictures, block by block in turns, so that both meet the same
neighbours on the machine.

    pip install fastapi uvicorn python-multipart onnxruntime
    python tools/load_serve.py [--requests 10000] [--clients 16] [--block 500] [--alone]

All traffic is between processes of this machine. Exit status 1 where an answer is lost or wrong, or memory grows.
Ctrl-C ends it after the block at work, with what there is until then. The time to start is that of a process whose
modules are compiled, as they are where a package is installed.
"""
from __future__ import annotations

import argparse
import compileall
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from http.client import HTTPConnection
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "tests" / "data"
MODEL, PICTURE, LABEL = DATA / "efficientnet_lite0_w8.onnx", DATA / "dog.jpg", "German shepherd"
BOUNDARY = "cinferLoad"
GROWTH = 1.1                        # of memory between the first tenth of the requests and the last one
OTHER = '''
import io, sys
import numpy as np, onnxruntime, uvicorn
from fastapi import FastAPI, UploadFile
from PIL import Image
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
labels = session.get_modelmeta().custom_metadata_map["cinfer.labels"].split("\\n")
app = FastAPI()

@app.get("/ready")
def ready():
    return {}

@app.post("/classify")
def classify(image: UploadFile):
    picture = Image.open(io.BytesIO(image.file.read())).convert("RGB")
    scale = 256 / min(picture.size)
    picture = picture.resize([round(side * scale) for side in picture.size], Image.BICUBIC)
    left, top = (picture.width - 224) // 2, (picture.height - 224) // 2
    x = np.asarray(picture.crop((left, top, left + 224, top + 224)), np.float32)
    x = np.ascontiguousarray(((x - 127) / 128).transpose(2, 0, 1))[None]
    scores = session.run(None, {session.get_inputs()[0].name: x})[0][0]
    best = np.argsort(-scores)[:5]
    return {"label": labels[best[0]], "predictions": [
        {"label": labels[i], "confidence": float(scores[i])} for i in best]}

uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="error")
'''


class Server:
    """A process that answers at a port of this machine. started : seconds until it did"""

    def __init__(self, name: str, command: list[str], port: int, ready: str, path: str):
        self.name, self.port, self.path = name, port, path
        self.latencies: list[float] = []
        self.seconds, self.memory, self.wrong = 0.0, [], []
        begin = time.perf_counter()
        self.process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL, start_new_session=True)
        while not self._answers(ready):
            if self.process.poll() is not None or time.perf_counter() - begin > 120:
                raise SystemExit(f"{name} does not start: {' '.join(command[:4])}")
            time.sleep(.005)
        self.started = time.perf_counter() - begin

    def _answers(self, path: str) -> bool:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("GET", path)
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def resident(self) -> int:
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return 1024 * int(re.search(r"VmRSS:\s+(\d+)", text)[1])

    def load(self, body: bytes, count: int, clients: int) -> None:
        """So many requests, by clients that send the next one when they have the answer."""
        left, lock = iter(range(count)), threading.Lock()

        def client() -> None:
            connection = HTTPConnection("127.0.0.1", self.port, timeout=120)
            while True:
                with lock:
                    if next(left, None) is None:
                        return
                begin = time.perf_counter()
                try:
                    connection.request("POST", self.path, body,
                                       {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"})
                    reply = connection.getresponse()
                    said = json.loads(reply.read())
                    problem = None if reply.status == 200 and said["label"] == LABEL else f"{reply.status} {said}"
                except Exception as error:
                    problem = f"{type(error).__name__}: {error}"
                    connection.close()
                with lock:
                    self.latencies.append(time.perf_counter() - begin)
                    if problem:
                        self.wrong.append(problem)
        threads = [threading.Thread(target=client) for _ in range(clients)]
        begin = time.perf_counter()
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        self.seconds += time.perf_counter() - begin
        self.memory.append(self.resident())

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def row(self) -> str:
        ordered = sorted(self.latencies)
        p50, p99 = (1e3 * ordered[min(len(ordered) - 1, int(share * len(ordered)))] for share in (.5, .99))
        return (f"{self.name:22} {len(ordered):8} {len(self.wrong):5} {len(ordered) / self.seconds:9.1f} {p50:8.1f} "
                f"{p99:8.1f} {self.memory[0] / 1e6:9.1f} {self.memory[-1] / 1e6:8.1f} {self.started:8.2f}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--block", type=int, default=500, help="requests to one server before the other has its turn")
    parser.add_argument("--alone", action="store_true", help="without the other server")
    asked = parser.parse_args()
    head = (f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"\r\n'
            "Content-Type: image/jpeg\r\n\r\n")
    body = head.encode() + PICTURE.read_bytes() + f"\r\n--{BOUNDARY}--\r\n".encode()
    compileall.compile_dir(ROOT / "cinfer", quiet=2)
    servers: list[Server] = []
    ended = threading.Event()
    signal.signal(signal.SIGINT, lambda *_: ended.set())
    asked_for = 0
    with tempfile.TemporaryDirectory() as folder:
        try:
            port = free_port()
            command = [sys.executable, "-m", "cinfer", "serve", str(MODEL), "--port", str(port)]
            servers.append(Server("cinfer serve", command, port, "/v2/health/ready", "/v1/vision/scene"))
            if not asked.alone:
                program, port = os.path.join(folder, "other.py"), free_port()
                Path(program).write_text(OTHER)
                servers.append(Server("FastAPI + onnxruntime", [sys.executable, program, str(MODEL), str(port)], port,
                                      "/ready", "/classify"))
            for begin in range(0, asked.requests, asked.block):
                if ended.is_set():
                    break
                count = min(asked.block, asked.requests - begin)
                asked_for += count
                for each in servers:
                    each.load(body, count, asked.clients)
            status = servers[0].end()
        finally:
            for each in servers:
                if each.process.poll() is None:
                    each.process.kill()
    print(f"{'':22} requests wrong  a second   p50 ms   p99 ms  MB first     last  start s")
    for each in servers:
        print(each.row())
    ours = servers[0]
    for problem in ours.wrong[:5]:
        print(f"wrong: {problem}")
    grown = ours.memory[-1] > GROWTH * ours.memory[len(ours.memory) // 10]
    if grown:
        print("memory grows")
    lost = asked_for - len(ours.latencies)
    print(f"lost: {lost}; exit status at SIGTERM: {status}")
    return int(bool(ours.wrong or lost or grown or status))


if __name__ == "__main__":
    raise SystemExit(main())

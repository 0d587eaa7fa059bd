"""Frigate's detector over ZeroMQ: what its plugin `zmq` (frigate/detectors/plugins/zmq_ipc.py) asks.

A request is [JSON {"shape", "dtype", "model_type"}, the bytes of an array]; the answer is [JSON {"shape": [20, 6],
"dtype": "float32"}, the bytes]: rows [class, score, y1, x1, y2, x2], the surest first, places from 0 to 1, zeros where
there are no more. Before the first one it asks for a model by name, [JSON {"model_request": true, "model_name"}], and
would send one, [JSON {"model_data": true, ...}, bytes], where there is none: here is always the one that is served.
"""
from __future__ import annotations

import json
import threading
import time

import numpy as np

from ..errors import Error, InputError
from ..vision.answers.objects import Objects
from ..vision.reader import opener
from .pictures import sure
from .replies import Refused
from .turns import left_of

ROWS = 20
MOST_FRAMES, MOST_HEADER = 2, 10_000
POLL_MS = 200                       # between two looks at whether it is to end


class Detector:
    """A thread that answers. `with Detector(application, "tcp://127.0.0.1:5555"):`"""

    def __init__(self, app, address: str):
        """Raises InputError where the address cannot be bound, or no model finds objects."""
        import zmq
        self._zmq, self._app, self.address = zmq, app, address
        try:
            self._served = app.model_of(None, "detection", "finds objects")
        except Refused:
            raise InputError("--zmq: no model that is served finds objects") from None
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.REP)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.MAXMSGSIZE, app.limits.body)        # a peer that sends more is cut off
        try:
            self._socket.bind(address)
        except zmq.ZMQError as error:
            self._context.destroy(linger=0)
            raise InputError(f"--zmq {address}: {str(error).lower()}; right is an address such as "
                             "tcp://127.0.0.1:5555 or ipc:///tmp/cinfer") from None
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, name="cinfer-zmq", daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ends.set()
        self._thread.join()
        self._context.destroy(linger=0)

    def _run(self) -> None:
        while not self._ends.is_set():
            if self._socket.poll(POLL_MS):
                frames = self._received()
                begin = time.monotonic()
                status, answer = self.answered(frames)
                self._app.metrics.add("zmq", status, time.monotonic() - begin)
                self._socket.send_multipart(answer)

    def _received(self) -> list[bytes]:
        """The frames of one message; of more than there may be the rest is dropped."""
        frames = [self._socket.recv()]
        while self._socket.getsockopt(self._zmq.RCVMORE):
            further = self._socket.recv()
            if len(frames) <= MOST_FRAMES:
                frames.append(further)
        return frames

    def answered(self, frames: list[bytes]) -> tuple[int, list[bytes]]:
        """(a status as of HTTP, the frames of the answer): whatever comes, there is one."""
        header: dict = {}
        try:
            header = header_of(frames)
            if header.get("model_request") or header.get("model_data"):
                return 200, [model_reply(header)]
            return 200, rows_reply(self._rows(*tensor_of(header, frames)))
        except Refused as refused:
            return refused.status, rows_reply(None, str(refused))
        except Error as error:
            return 400, rows_reply(None, str(error))
        except MemoryError:
            return 503, rows_reply(None, "there is not enough memory for this request")
        except Exception as error:
            from ..cli.text import say
            say(f"internal error, please report it: {type(error).__name__}: {error}")
            return 500, rows_reply(None, "internal error")

    def _rows(self, x: np.ndarray) -> np.ndarray:
        """(ROWS, 6) of a picture, uint8, (height, width, 3), which is prepared as all pictures are; or of the model's
        input as Frigate has prepared it, float32."""
        deadline = time.monotonic() + self._app.limits.seconds
        with self._app.turns.turn(deadline):
            reader = self._served.reads(None, whole=True)
            is_picture = x.dtype == np.uint8
            if not (is_picture or hasattr(reader, "fed")):
                raise Refused(400, "what is served are several models, which take a picture: Frigate's input_dtype int")
            ready = reader.prepare(opener(reader)(as_picture(x))) if is_picture else reader.fed(x)
            return rows_of(reader.finish(ready, self._app.turns.share(), left_of(deadline)))


def header_of(frames: list[bytes]) -> dict:
    try:
        if len(frames[0]) > MOST_HEADER:
            raise ValueError
        header = json.loads(frames[0].decode())
    except (ValueError, RecursionError):
        header = None
    if not isinstance(header, dict):
        raise Refused(400, "the first frame is no JSON object {shape, dtype, model_type}")
    return header


def tensor_of(header: dict, frames: list[bytes]) -> tuple[np.ndarray]:
    shape, dtype = header.get("shape"), header.get("dtype", "uint8")
    if dtype not in ("uint8", "float32"):
        raise Refused(400, "dtype is uint8 or float32: Frigate's input_dtype int, float or float_denorm")
    if len(frames) != MOST_FRAMES or not isinstance(shape, list) or not 3 <= len(shape) <= 4 or not all(
            type(size) is int and 0 < size < 1 << 20 for size in shape):
        raise Refused(400, "a request is two frames: a header with a shape of 3 or 4 sizes, and the bytes")
    count = 1
    for size in shape:
        count *= size
    if len(frames[1]) != count * np.dtype(dtype).itemsize:
        raise Refused(400, f"{len(frames[1])} bytes are no array of {dtype} of shape {shape}")
    return (np.frombuffer(frames[1], dtype).reshape(shape),)


def as_picture(x: np.ndarray) -> np.ndarray:
    """(height, width, 3) of one picture with or without an axis for the batch, its channels last or first."""
    one = x[0] if x.ndim == 4 and x.shape[0] == 1 else x
    if one.ndim == 3 and one.shape[2] not in (1, 3) and one.shape[0] in (1, 3):
        one = np.ascontiguousarray(one.transpose(1, 2, 0))
    if one.ndim != 3 or one.shape[2] not in (1, 3):
        raise Refused(400, f"shape {list(x.shape)} is no picture; right is [1, height, width, 3]")
    return one


def rows_of(reading) -> np.ndarray:
    """(ROWS, 6) of a Reading whose answer is Objects."""
    answer, (width, height) = reading.answer, (reading.frame.width, reading.frame.height)
    rows = np.zeros((ROWS, 6), np.float32)
    if not isinstance(answer, Objects):
        raise Refused(400, "the model finds no objects")
    found = sorted((each for each in answer.found if each.box is not None), key=lambda each: -sure(each.score))
    for row, each in zip(rows, found):
        x1, y1, x2, y2 = each.box
        row[:] = each.index, sure(each.score), y1 / height, x1 / width, y2 / height, x2 / width
    return rows


def rows_reply(rows: np.ndarray | None, error: str | None = None) -> list[bytes]:
    """rows : None for zeros"""
    header = {"shape": [ROWS, 6], "dtype": "float32", **({"error": error} if error else {})}
    rows = np.zeros((ROWS, 6), np.float32) if rows is None else rows
    return [json.dumps(header).encode(), rows.tobytes()]


def model_reply(header: dict) -> bytes:
    """Frigate's model is the one that is served, whatever its name; one that is sent is not taken."""
    if header.get("model_request"):
        return json.dumps({"model_available": True, "model_loaded": True}).encode()
    return json.dumps({"model_saved": False, "model_loaded": False,
                       "error": "models are not taken from the network; name them to cinfer serve"}).encode()

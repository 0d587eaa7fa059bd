"""What waitress leaves open: a client may be slow as a whole, not only fall silent; a body that is refused is not read;
and what waitress itself refuses is one line of JSON too."""
from __future__ import annotations

import socket
import time

from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.task import ErrorTask, WSGITask
from waitress.utilities import BadRequest

from .replies import failure, line_of

DRAIN_SECONDS = 2.0                 # that a client has to read a refusal while what it still sends is dropped
DRAIN_BYTES = 65_536
TEXTS = {413: "the body is larger than this server takes (--max-body)",
         431: "the request's head is larger than this server takes",
         500: "internal error; the server's own output says more",
         501: "this transfer encoding is not taken; chunked is"}


class TooSlow(BadRequest):
    code, reason = 408, "Request Timeout"


class Parser(HTTPRequestParser):
    def received(self, data):
        consumed = super().received(data)
        if self.error is not None:                      # else whoever sent Expect: 100-continue would be asked to go on
            self.expect_continue = False
        return consumed


class Answer(WSGITask):
    """What the application is asked; it learns when the request came, for it may have waited for a thread."""

    def get_environment(self):
        environ = super().get_environment()
        environ["cinfer.came"] = self.channel.came
        return environ


class Refusal(ErrorTask):
    """An error of waitress's own."""

    def execute(self):
        error = self.request.error
        reply = failure(error.code, TEXTS.get(error.code) or f"{error.reason.lower()}: {error.body}"[:300])
        self.status = line_of(error.code) if error.code != 413 else "413 Payload Too Large"
        self.response_headers.append(("Content-Type", reply.kind))
        self.set_close_on_finish()
        self.content_length = len(reply.body)
        self.channel.drains = True
        self.channel.server.metrics.add("refused", error.code, max(0.0, time.time() - self.channel.began))
        self.write(b"" if getattr(self.request, "command", "") == "HEAD" else reply.body)


class Channel(HTTPChannel):
    """A connection.

    began : when its present request did; came : when that was whole, as of time.monotonic()
    drains : is what still comes to be dropped before the end? A socket that is closed with unread bytes makes the
        system reset the connection, and the answer may be lost on the way
    """
    parser_class, task_class, error_task_class = Parser, Answer, Refusal
    began, came, drains, drained_until = 0.0, 0.0, False, 0.0

    def received(self, data):
        """More of a request; of several, one behind the other, all count from when the last one came."""
        if self.request is None:
            self.began = time.time()
        self.came = time.monotonic()
        return super().received(data)

    def handle_write(self):
        if not (self.close_when_flushed and self.drains):
            return super().handle_write()
        self._flush_exception(self._flush_some)
        if self.will_close:
            self.handle_close()
        elif not self.total_outbufs_len:
            self.close_when_flushed = False
            self.drained_until = time.time() + DRAIN_SECONDS
            try:
                self.socket.shutdown(socket.SHUT_WR)
            except OSError:
                self.handle_close()

    def readable(self):
        return bool(self.drained_until) or super().readable()

    def writable(self):
        return not self.drained_until and super().writable()

    def handle_read(self):
        if not self.drained_until:
            return super().handle_read()
        try:
            self.recv(DRAIN_BYTES)                      # which closes at the end of what comes
        except OSError:
            self.handle_close()

    def keep_time(self, now: float, request_seconds: float, idle_seconds: float) -> None:
        """Called about once a second, by the thread that reads."""
        if self.drained_until:
            if now > self.drained_until:
                self.handle_close()
        elif self.request is not None and now - self.began > request_seconds and not self.requests:
            self._too_slow(request_seconds)
        elif not self.requests and self.total_outbufs_len and now - self.last_activity > idle_seconds:
            self.handle_close()                         # it does not take its answer

    def _too_slow(self, seconds: float) -> None:
        with self.requests_lock:
            request, self.request = self.request, None
            if not request.headers_finished:
                request.parse_header(b"GET / HTTP/1.0\r\n")
            request.error = TooSlow(f"the request took longer than {seconds:g} s to come")
            request.completed, request.expect_continue = True, False
            self.requests.append(request)
        self.server.add_task(self)

    @property
    def is_idle(self) -> bool:
        """Is nothing to be answered, and nothing on its way?"""
        return not (self.requests or self.request is not None or self.total_outbufs_len or self.drained_until)

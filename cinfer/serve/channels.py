"""What waitress leaves open: a client may be slow as a whole, not only fall silent; it may be gone before its turn
comes; a body that is refused is not read; one that is large wants a file, and there may be no room for any; and what
waitress itself refuses is one line of JSON too."""
from __future__ import annotations

import socket
import sys
import threading
import time

from waitress.buffers import OverflowableBuffer
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.task import ErrorTask, WSGITask
from waitress.utilities import BadRequest, RequestEntityTooLarge

from .replies import failure, line_of, too_large

DRAIN_SECONDS = 2.0                 # that a client has to read a refusal while what it still sends is dropped
DRAIN_BYTES = 65_536
MOST_IN_MEMORY = 8                  # large bodies at once that are kept in memory where files cannot be had
HEAD_SECONDS = 0.25                 # that a request's first lines may take where others wait for a connection
USED_SECONDS = 1.0                  # that a connection may be idle between two requests there
TEXTS = {431: "the request's head is larger than this server takes",
         500: "internal error; the server's own output says more",
         501: "this transfer encoding is not taken; chunked is",
         507: "there is no room for a body as large as this one; the server's folder for temporary files is full"}


class TooSlow(BadRequest):
    code, reason = 408, "Request Timeout"


class NoRoom(BadRequest):
    code, reason = 507, "Insufficient Storage"


class Body(OverflowableBuffer):
    """A body in memory, or a large one in a file without a name; where there can be none, a few also in memory."""
    _slots = threading.BoundedSemaphore(MOST_IN_MEMORY)
    _has_slot = False

    def _set_large_buffer(self):
        try:
            super()._set_large_buffer()
        except OSError:                                 # the disk is full, or no folder can be written to
            if not self._slots.acquire(blocking=False):
                raise
            self._has_slot, self.overflow = True, sys.maxsize

    def close(self):
        if self._has_slot:
            self._has_slot = False
            self._slots.release()
        try:
            super().close()
        except OSError:                                 # of what could not be written
            pass


class Parser(HTTPRequestParser):
    def parse_header(self, header_plus):
        super().parse_header(header_plus)
        if self.body_rcv is not None:
            self.body_rcv.buf = Body(self.adj.inbuf_overflow)

    def received(self, data):
        try:
            consumed = super().received(data)
        except OSError as error:                        # of a file for a body
            self.error, self.completed, consumed = NoRoom(str(error)), True, len(data)
        if self.chunked and not self.completed:
            self._check_chunks()
        if self.completed:                              # else whoever sent Expect: 100-continue would be asked to go on
            self.expect_continue = False
        return consumed

    def _check_chunks(self) -> None:
        """waitress keeps a chunk's first line, and what comes behind the last chunk, however long they are, and looks
        at all of it again with each piece that comes."""
        chunks = self.body_rcv
        if len(chunks.control_line) + len(chunks.trailer) > self.adj.max_request_header_size:
            self.error, self.completed = BadRequest("a chunk's size, or the trailer, is too long"), True
        elif chunks.chunk_remainder > self.adj.max_request_body_size:
            self.error, self.completed = RequestEntityTooLarge("a chunk is"), True


class Answer(WSGITask):
    """What the application is asked; it learns when the request came, for it may have waited for a thread, and whether
    the client seems to be gone."""

    def execute(self):
        if self.channel.server.is_crowded:              # somebody waits for a connection
            self.set_close_on_finish()
        super().execute()

    def get_environment(self):
        environ = super().get_environment()
        environ["cinfer.came"], environ["cinfer.gone"] = self.channel.came, self.channel.is_gone
        return environ


class Refusal(ErrorTask):
    """An error of waitress's own."""

    def execute(self):
        error = self.request.error
        if error.code == 413:
            reply = too_large(self.channel.adj.max_request_body_size - 1).reply()
        else:
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
    at_end : has the client said that nothing more comes? It is gone, or waits for its answer, which nobody can tell:
        it gets one, unless it would have to wait for its turn
    used : was there a request?
    """
    parser_class, task_class, error_task_class = Parser, Answer, Refusal
    began, came, drains, drained_until, at_end, used = 0.0, 0.0, False, 0.0, False, False

    def received(self, data):
        """More of a request; of several, one behind the other, all count from when the last one came."""
        if self.request is None:
            self.began = time.time()
        self.came, self.used = time.monotonic(), True
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
        return bool(self.drained_until) or not (self.at_end and self.requests) and super().readable()

    def writable(self):
        return not self.drained_until and super().writable()

    def handle_read(self):
        try:
            if self.drained_until:
                self.recv(DRAIN_BYTES)                  # which closes at the end of what comes
            elif not self.requests:
                super().handle_read()
            elif data := self.socket.recv(self.adj.recv_bytes):
                self.last_activity = time.time()
                self.received(data)
            else:
                self.at_end = True
        except BlockingIOError:
            pass
        except OSError:
            self.handle_close()

    def is_gone(self) -> bool:
        """Does the client seem to be?"""
        return self.at_end or not self.connected

    def keep_time(self, now: float, request_seconds: float, idle_seconds: float) -> None:
        """Called about once a second, by the thread that reads."""
        if self.drained_until:
            if now > self.drained_until:
                self.handle_close()
        elif self.request is not None and now - self.began > request_seconds and not self.requests:
            self._too_slow(request_seconds)
        elif (self.total_outbufs_len or self.is_idle) and now - self.last_activity > idle_seconds:
            self.handle_close()                         # it does not take its answer, or asks nothing

    def dispensable(self, now: float) -> tuple[int, float] | None:
        """Whether this connection may be closed for another one, that of the least value first: one that has never
        asked anything; an idle one; one whose first lines do not come to an end. None: it is needed."""
        if self.is_idle:
            if now - self.last_activity > (USED_SECONDS if self.used else HEAD_SECONDS):
                return int(self.used), self.last_activity
        elif self.request is not None and not (self.request.headers_finished or self.requests):
            if now - self.began > HEAD_SECONDS:
                return 2, self.began
        return None

    def has_sent(self) -> bool:
        """Is there something that has not been read?"""
        try:
            return bool(self.socket.recv(1, socket.MSG_PEEK))
        except OSError:
            return False

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

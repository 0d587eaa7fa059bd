"""A port: who is let in where many come, and which thread answers.

waitress takes connections until it has as many as it may, and then none until one ends. Here one that is of no use is
closed for who comes next, and where all are in use their answers say that they end: a supervisor who asks whether the
server lives must not wait behind connections on which nothing happens. Nor behind pictures: what costs nothing is
answered by a thread of its own, however many requests wait for the others.
"""
from __future__ import annotations

import errno
import time

from waitress.server import TcpWSGIServer

from .channels import Channel

REST_SECONDS = 0.1                  # between two looks at whether there is room for who waits
CROWDED_SECONDS = 1.0               # after such a look, for which connections end with their answers
NO_ROOM = errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM
PROMPT = "GET", "HEAD"              # no path computes anything for these (tests/serve)


class Port(TcpWSGIServer):
    channel_class = Channel

    def __init__(self, application, sock, adj, map, workers, prompt, channels):
        """workers, prompt : dispatchers, whose threads answer; channels : function that lists those of all ports"""
        self.metrics, self._prompt, self._channels = application.metrics, prompt, channels
        self._rests_until = self._crowded_until = 0.0
        super().__init__(application, map, _sock=sock, dispatcher=workers, adj=adj, bind_socket=False,
                         sockinfo=(sock.family, sock.type, sock.proto, sock.getsockname()))

    def add_task(self, channel) -> None:
        request = channel.requests[0]
        is_prompt = request.error is not None or request.command in PROMPT
        (self._prompt if is_prompt else self.task_dispatcher).add_task(channel)

    @property
    def rests(self) -> bool:
        """Is nobody let in for a moment?"""
        return time.time() < self._rests_until

    @property
    def is_crowded(self) -> bool:
        """Does somebody wait to be let in?"""
        return time.time() < self._crowded_until

    def readable(self) -> bool:
        return self.accepting and (not self.rests or len(self._channels()) < self.adj.connection_limit)

    def handle_accept(self) -> None:
        if len(self._channels()) >= self.adj.connection_limit and not self._makes_room():
            self._wait()
            return
        try:
            accepted = self.accept()
            if accepted is not None:
                self.set_socket_options(accepted[0])
        except OSError as error:                        # who came is gone; or there is nothing left to take it with
            if error.errno in NO_ROOM and not self._makes_room():
                self._wait()
            return
        if accepted is not None:
            self.channel_class(self, accepted[0], accepted[1], self.adj, map=self._map)

    def _wait(self) -> None:
        now = time.time()
        self._rests_until, self._crowded_until = now + REST_SECONDS, now + CROWDED_SECONDS

    def _makes_room(self) -> bool:
        """Close the connection that is of the least use, if one is of none."""
        now, channels = time.time(), self._channels()
        found = sorted((value, number) for number, each in enumerate(channels)
                       if (value := each.dispensable(now)) is not None)
        for _, number in found:
            if not channels[number].has_sent():
                channels[number].handle_close()
                return True
        return False

"""The application under waitress, which waits for slow clients in one thread, and ends with no request unanswered."""
from __future__ import annotations

import errno
import gc
import logging
import os
import signal
import socket
import threading
import time
import warnings
from contextlib import ExitStack, contextmanager

from ..errors import InputError
from .limits import Limits

HOST, PORT, CONNECTIONS = "127.0.0.1", 8000, 100
MOST_HEAD = 32_768                  # bytes of a request's first line and headers
IN_MEMORY = 2_000_000               # bytes of a body; a larger one waits in a file without a name
ANSWER_IN_MEMORY = 64_000_000       # bytes of an answer, which was there anyway, while it is taken
BACKLOG = 1024                      # connections that the system holds until they are taken
IDLE_SECONDS = 30.0                 # after which a connection on which nothing moves is closed
AT_ONCE_SECONDS = 0.1               # within which two signals are one: timeout(1) sends it to the group as well
GRACE_SECONDS = 20.0                # that requests have which are under way when the server is to end
SPARE_THREADS = 4                   # for requests that need no turn at the CPU, or wait for theirs
OTHER_FILES = 16                    # that the process may have open at once beside what it has at the start


def serve(models, *, host: str = HOST, port: int = PORT, zmq: str | None = None, connections: int = CONNECTIONS,
          ready=None, limits: Limits = Limits(), **options) -> None:
    """Serve models over HTTP until SIGTERM or SIGINT.

    Parameters
    ----------
    models : a list of paths or of NAME=path, also of chains, A.onnx+B.onnx; or a dict of name -> path, bytes or
        Session, or a list of them, one after the other
    host, port : where; port 0: one that is free. By default this machine alone is served
    zmq : an address such as tcp://127.0.0.1:5555, for Frigate's detector (frigate.py), or None
    connections : at once; fewer where the process may not have so many files open
    ready : called with the Application and the URL, when requests are answered
    limits : Limits of requests
    options : of Application: api_key, threads, max_memory, precision; labels, and options, a dict such as
        {"conf": .5, "max_det": 20}

    Raises
    ------
    InputError : the port is in use, a model cannot be served, waitress or pyzmq is not installed
    """
    needed("waitress", "serve")
    sockets = bound(host, port)                         # what is in use is said before models are loaded
    with ExitStack() as stack:
        for each in sockets:
            stack.callback(each.close)
        if zmq:
            needed("zmq", "frigate")
        from .app import Application
        application = Application(models, limits=limits, **options)
        with quiet(limits):
            may_be = affordable(connections)
            if may_be < connections:
                from ..cli.text import say
                say(f"{may_be} connections at once, for this process may not have more files open (ulimit -n)")
            server = Server(application, sockets, may_be)
            stack.callback(server.close)
            with server.ended_by_signals():
                if zmq:
                    from .frigate import Detector
                    stack.enter_context(Detector(application, zmq))
                gc.freeze()                             # what is there stays: Python need not look through it again
                if ready:
                    ready(application, server.url)
                server.run()


def needed(module: str, extra: str) -> None:
    from importlib.util import find_spec
    if find_spec(module) is None:
        name = {"zmq": "pyzmq"}.get(module, module)
        raise InputError(f"{name} is not installed; pip install 'cinfer[{extra}]'")


def bound(host: str, port: int) -> list[socket.socket]:
    """Sockets that have the port, of each address of the host. Raises InputError."""
    found: list[socket.socket] = []
    try:
        places = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise InputError(f"--host {host}: {getattr(error, 'strerror', None) or error}") from None
    for family, kind, protocol, _, place in dict.fromkeys(places):
        one = socket.socket(family, kind, protocol)
        try:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            if found and not port:                      # localhost has two addresses: one port for both
                place = (place[0], found[0].getsockname()[1], *place[2:])
            one.bind(place)
            one.listen(BACKLOG)                         # who comes before the models are loaded waits
        except OSError as error:
            one.close()
            if family == socket.AF_INET6 and found:     # a machine without IPv6
                continue
            for each in found:
                each.close()
            what = f"--port {port}" if host == HOST else f"--host {host} --port {port}"
            more = "; is another server running? --port 0 takes one that is free" * (error.errno == errno.EADDRINUSE)
            raise InputError(f"{what}: {(error.strerror or str(error)).lower()}{more}") from None
        found.append(one)
    return found


class Server:
    """waitress with its loop in our hands."""

    def __init__(self, application, sockets: list[socket.socket], connections: int):
        from waitress import wasyncore
        from waitress.adjustments import Adjustments
        from waitress.task import ThreadedTaskDispatcher

        from .ports import Port
        self._loop, self._map, self._limits = wasyncore, {}, application.limits
        self._stop, self._closed, self._checked = threading.Event(), False, 0.0
        self._dispatchers = workers, prompt = ThreadedTaskDispatcher(), ThreadedTaskDispatcher()
        workers.set_thread_count(application.turns.threads + SPARE_THREADS)
        prompt.set_thread_count(1)
        settings = Adjustments(
            ident="cinfer", sockets=sockets, connection_limit=connections, backlog=BACKLOG, log_socket_errors=False,
            max_request_header_size=MOST_HEAD, max_request_body_size=application.limits.body + 1,
            inbuf_overflow=IN_MEMORY, outbuf_overflow=ANSWER_IN_MEMORY,
            channel_request_lookahead=1)                # so that it is seen who goes away
        self._ports: list = []
        for each in sockets:
            self._ports.append(Port(application, each, settings, self._map, workers, prompt, self._channels))
        host, port = sockets[0].getsockname()[:2]
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{port}"

    def run(self) -> None:
        """Until `stop`; then what is under way is answered."""
        while not self._stop.is_set():
            self._loop.poll2(.1 if any(each.rests for each in self._ports) else 1.0, self._map)
            self._keep_time()
        self._finish()

    def _keep_time(self) -> None:
        """About once a second: who is too slow has its answer."""
        now = time.time()
        if now - self._checked >= 1:
            self._checked = now
            for channel in self._channels():
                channel.keep_time(now, self._limits.seconds, IDLE_SECONDS)

    def stop(self) -> None:
        """End soon; from any thread, or a signal's handler."""
        self._stop.set()
        for each in self._ports:
            each.pull_trigger()                         # the loop wakes up

    def _finish(self) -> None:
        """No new connections; those that there are end when they have their answers."""
        for _ in range(BACKLOG):                        # who has come already is let in, one a turn
            known = len(self._channels())
            self._loop.poll2(0.0, self._map)
            if len(self._channels()) == known:
                break
        for each in self._ports:
            self._loop.dispatcher.close(each)           # not its own close, which would take the trigger too
        deadline = time.time() + GRACE_SECONDS
        while time.time() < deadline:
            for channel in self._channels():
                if channel.is_idle:
                    channel.handle_close()
            if not self._channels():
                break
            self._loop.poll2(0.1, self._map)
            self._keep_time()

    def _channels(self) -> list:
        return [channel for each in self._ports for channel in list(each.active_channels.values())]

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            for each in self._dispatchers:
                each.shutdown(timeout=1)
            self._loop.close_all(self._map, ignore_all=True)

    @contextmanager
    def ended_by_signals(self):
        """SIGTERM and SIGINT end it, gracefully the first time. Only in the main thread, which gets signals."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        numbers = signal.SIGTERM, signal.SIGINT
        before, asked = {number: signal.getsignal(number) for number in numbers}, []

        def end(*args):
            if asked and time.monotonic() - asked[0] > AT_ONCE_SECONDS:
                killed(*args)
            asked.append(time.monotonic())
            self.stop()
        for number in numbers:
            signal.signal(number, end)
        try:
            yield
        finally:
            for number in numbers:
                signal.signal(number, before[number] if before[number] is not None else signal.SIG_DFL)


def killed(number: int, *_) -> None:
    """Of a signal, as if it had no handler; but the first process of a container, too, to which the system then would
    not deliver it."""
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    os._exit(128 + number)


def affordable(connections: int) -> int:
    """As many connections as there may be open files for: each may have one more, for a body or an answer. The limit of
    this process is raised where it may be. Raises InputError where there are too few files for any."""
    try:
        import resource
        open_now = len(os.listdir("/proc/self/fd"))
    except (ImportError, OSError):                      # a system that does not say
        return connections
    needed = open_now + OTHER_FILES + 2 * connections
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return connections
    if hard == resource.RLIM_INFINITY or hard > soft:
        more = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (more, hard))
            soft = more
        except (OSError, ValueError):
            pass
    found = min(connections, (soft - open_now - OTHER_FILES) // 2)
    if found < 1:
        raise InputError(f"this process may have {soft} files open, which is too few for connections; ulimit -n says "
                         "how many")
    return found


@contextmanager
def quiet(limits: Limits):
    """What libraries say of single requests is not for the server's own output, and Pillow refuses what is much larger
    than the limit by itself, in formats that tell their size late."""
    from PIL import Image
    loggers = [logging.getLogger(name) for name in ("waitress", "waitress.queue", "PIL")]
    before, most = [each.level for each in loggers], Image.MAX_IMAGE_PIXELS
    for each in loggers:
        each.setLevel(logging.CRITICAL)
    Image.MAX_IMAGE_PIXELS = max(1, limits.pixels // 2 + 1)         # twice of it is an error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = most
            for each, level in zip(loggers, before):
                each.setLevel(level)

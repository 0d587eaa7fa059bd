"""Debian's chromium without a window, by its DevTools protocol through a pipe; the tests here import it."""

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

SECONDS = 60
START = ("import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4); "
         "os.execv(sys.argv[3], sys.argv[3:])")


class Page:
    """A tab. evaluate : an expression of JavaScript; until : waits for one to become true"""

    def __init__(self, out: int, back: int):
        self._out, self._back, self._rest, self._number = out, back, b"", 0
        self.events: list[dict] = []
        self._session = None
        target = self.do("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.do("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "DOM", "Log", "Network"):
            self.do(f"{domain}.enable")

    def do(self, method: str, **parameters) -> dict:
        self._number += 1
        asked = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            asked["sessionId"] = self._session
        os.write(self._out, json.dumps(asked).encode() + b"\0")
        until = time.time() + SECONDS
        while True:
            while b"\0" not in self._rest:
                assert select.select([self._back], [], [], max(0, until - time.time()))[0], f"no answer to {method}"
                self._rest += os.read(self._back, 1 << 20)
            text, _, self._rest = self._rest.partition(b"\0")
            found = json.loads(text)
            if found.get("id") == self._number:
                assert "error" not in found, found
                return found["result"]
            self.events.append(found)

    def evaluate(self, expression: str):
        found = self.do("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def until(self, expression: str) -> None:
        end = time.time() + SECONDS
        while not self.evaluate(f"!!({expression})"):
            assert time.time() < end, (expression, self.evaluate("document.body.innerText"))
            time.sleep(.05)

    def press(self, key: str, code: int, text: str = "") -> None:
        for kind in ("keyDown", "keyUp"):
            self.do("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code,
                    text=text if kind == "keyDown" else "")

    def drop(self, path, x: int = 300, y: int = 150) -> None:
        data = {"items": [], "files": [str(path)], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            self.do("Input.dispatchDragEvent", type=kind, x=x, y=y, data=data)

    def screenshot(self) -> bytes:
        return base64.b64decode(self.do("Page.captureScreenshot", format="png", captureBeyondViewport=True)["data"])


@contextmanager
def opened(folder):
    """A Page. folder : for the browser's own files"""
    program = shutil.which("chromium")
    if not program:
        pytest.skip("the program chromium is not there; apt-get install chromium")
    (theirs, out), (back, answers) = os.pipe(), os.pipe()
    ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (theirs, answers)]       # 3 and 4 are to be free for them
    flags = ("--headless --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run --window-size=1000,800 "
             f"--remote-debugging-pipe --user-data-dir={folder} about:blank").split()
    process = subprocess.Popen([sys.executable, "-c", START, *map(str, ends), program, *flags], cwd=folder,
                               pass_fds=ends, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for end in (theirs, answers, *ends):
        os.close(end)
    try:
        yield Page(out, back)
    finally:
        process.terminate()
        process.wait(20)
        os.close(out), os.close(back)

"""A small program in the place of ffmpeg, which does what its input says: frames of given colours, complaints, silence.

A "video" is a file of JSON: {"frames": how many, "size": [w, h], "rate": ... (25), "delay": seconds before each frame
after the first `at_once`, "cut": bytes of the last frame that are missing or "all", "complaint": ..., "status": ...,
"silent": seconds, "old": does it know -fps_mode?}. Frame n is of colour (n, n, n). What it was called with is written,
a line of JSON each, to calls.txt beside it. As a writer it notes what it was given in the file it was to write."""

import json
import os
import sys
from pathlib import Path

import pytest

PROGRAM = r'''
import json, os, sys, time
here = os.path.dirname(os.path.abspath(__file__))
arguments = sys.argv[1:]
with open(os.path.join(here, "calls.txt"), "a") as file:
    file.write(json.dumps([os.getpid(), *arguments]) + "\n")
after = lambda flag: arguments[arguments.index(flag) + 1]
source = after("-i")
if source == "pipe:0":
    with open(os.path.join(here, "writer.json")) as file:
        plan = json.load(file)
    w, h = map(int, after("-s").split("x"))
    firsts = []
    while (data := sys.stdin.buffer.read(3 * w * h)) and len(firsts) != plan.get("most"):
        firsts.append(len(data) == 3 * w * h and data[-3])
    if plan.get("complaint"):
        sys.stderr.write(plan["complaint"] + "\n")
        sys.exit(plan["status"])
    with open(arguments[-1].removeprefix("file:"), "w") as file:
        json.dump({"size": [w, h], "rate": float(after("-r")), "format": arguments[-3], "frames": firsts}, file)
    sys.exit()
place = source.removeprefix("file:")
is_file = os.path.exists(place) and not place.startswith("/dev/")
with open(place if is_file else os.path.join(here, "live.json")) as file:
    plan = json.load(file)
if plan.get("old") and "-fps_mode" in arguments:
    sys.stderr.write("[error] Unrecognized option 'fps_mode'.\n[fatal] Error splitting the argument list\n")
    sys.exit(1)
w, h = plan.get("size", (8, 6))
if plan.get("rate", 25):
    sys.stderr.write(f"[info]   Stream #0:0[0x1]: Video: h264 (High), yuv420p, {w}x{h} [SAR 1:1], "
                     f"{plan.get('rate', 25)} fps, 30 tbr\n")
if "complaint" in plan:
    sys.stderr.write(plan["complaint"].replace("SOURCE", source) + "\n")
every = 1
if "-vf" in arguments:
    every = int(after("-vf").split(",")[1].rstrip(")"))
out = sys.stdout.buffer
for n in range(0, plan.get("frames", 0), every):
    if n >= plan.get("at_once", 0) and plan.get("delay"):
        time.sleep(plan["delay"])
    data = b"" if plan.get("cut") == "all" else bytes([n % 256]) * (3 * w * h)
    if data and plan.get("cut") and n + every >= plan["frames"]:
        data = data[:-plan["cut"]]
    out.write(b"P6\n%d %d\n255\n" % (w, h) + data)
    out.flush()
time.sleep(plan.get("silent", 0))
sys.exit(plan.get("status", 0))
'''


class Fake:
    def __init__(self, folder: Path):
        self.folder = folder
        program = folder / "ffmpeg"
        program.write_text(f"#!{sys.executable} -IS\n{PROGRAM}")
        program.chmod(0o755)
        self.writes()

    def video(self, path, **plan) -> str:
        Path(path).write_text(json.dumps(plan))
        return str(path)

    def live(self, **plan) -> None:
        """What cameras show."""
        self.video(self.folder / "live.json", **plan)

    def writes(self, **plan) -> None:
        """How it writes videos."""
        self.video(self.folder / "writer.json", **plan)

    def calls(self) -> list[list[str]]:
        path = self.folder / "calls.txt"
        return [json.loads(line)[1:] for line in path.read_text().splitlines()] if path.exists() else []

    def processes(self) -> list[int]:
        """Those that are there, also as zombies."""
        path = self.folder / "calls.txt"                # not there if it was ended before it began
        pids = [json.loads(line)[0] for line in path.read_text().splitlines()] if path.exists() else []
        return [pid for pid in pids if os.path.exists(f"/proc/{pid}")]


@pytest.fixture
def ffmpeg(tmp_path, monkeypatch):
    """The only program of its name. A test's own processes find it too."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return Fake(folder)

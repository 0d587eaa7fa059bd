"""What the programs of docs/scale.md answer a second, beside as many workers that run alone side by side, without any
engine: the same pictures, one run after the other in turns, so that all meet the same neighbours on the machine.

    pip install '.[dask,ray]'
    python tools/scale_throughput.py [--engines pool on_dask on_ray] [--workers 2] [--pictures 400] [--rounds 3]
                                     [--size 16] [--model MODEL.onnx] [--sources PICTURE ...]

A rate is counted from the moment when the last worker has its first picture done to the one when the first worker has
its last one done: what all of them do while all of them work. Beside it, the seconds until all work, and the time of
CPUs that a picture takes between these moments, in all processes of the engine: where workers are as many as CPUs,
nothing else can be lost, and other programs on the machine do not change it much. A ratio is that of an engine to the
mean of the runs alone before and behind it, of rates and of the time of CPUs; said is the median, and the range, of all
rounds. Ray's workers would get a lower priority than other programs; here they have the same.
"""
from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "tests" / "data"
NAMED = re.compile(r"`(\w+\.py)`(?:(?!```).)*?```python\n(.*?)```", re.DOTALL)
TIMED = '''

import time

plain = answer


def answer(name):
    return plain(name) | {"done": time.time(), "worker": os.getpid()}
'''
ALONE = '''
import sys
import job

model, folder, workers, path, number = *sys.argv[1:3], int(sys.argv[3]), *sys.argv[4:]
job.begin(job.loaded(model))
names = list(job.missing(folder, path))
job.write(map(job.answer, names[int(number)::workers]), f"{path}.{number}")
'''


def prepared(place: Path, model: Path, sources: list[Path], pictures: int, size: int) -> None:
    """A folder with the programs, whose workers say when they were done, the model, and pictures/."""
    for name, text in NAMED.findall((ROOT / "docs" / "scale.md").read_text()):
        (place / name).write_text(text.replace("size=16", f"size={size}") + TIMED * (name == "job.py"))
    (place / "alone.py").write_text(ALONE)
    shutil.copy(model, place / "model.onnx")
    (place / "pictures").mkdir()
    for number in range(pictures):
        source = sources[number % len(sources)]
        shutil.copy(source, place / "pictures" / f"{number:06}{source.suffix}")


class Spent:
    """The time of CPUs that some processes and all below them have taken, as of any moment."""

    def __init__(self, processes: list[int]):
        self._roots, self._ended, self._of = processes, threading.Event(), {}
        self._at, self._seconds = [], []
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def _watch(self) -> None:
        while not self._ended.wait(.2):
            parents, taken = {}, {}
            for name in filter(str.isdecimal, os.listdir("/proc")):
                try:
                    fields = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()
                except OSError:                         # it has ended meanwhile
                    continue
                parents[int(name)], taken[int(name)] = int(fields[1]), int(fields[11]) + int(fields[12])
            for process in taken:
                above = process
                while above not in self._roots and above in parents:
                    above = parents[above]
                if above in self._roots or process in self._of:         # also one that has lost its parent
                    self._of[process] = taken[process]
            self._at.append(time.time())
            self._seconds.append(sum(self._of.values()) / os.sysconf("SC_CLK_TCK"))

    def end(self) -> None:
        self._ended.set()
        self._thread.join()

    def between(self, first: float, last: float) -> float:
        import numpy as np
        begin, end = np.interp([first, last], self._at, self._seconds)
        return float(end - begin)


def run(place: Path, engine: str, workers: int, pictures: int) -> dict[str, float]:
    """rate : pictures a second while all work; cpu : milliseconds of CPUs for a picture; start : seconds until all
    work"""
    answers = place / "answers.jsonl"
    command = [sys.executable, f"{engine}.py", "model.onnx", "pictures", str(workers), answers.name]
    paths = [answers] if engine != "alone" else [place / f"{answers.name}.{number}" for number in range(workers)]
    begin = time.time()
    environment = os.environ | {"PYTHONPATH": f"{place}{os.pathsep}{ROOT}", "RAY_worker_niceness": "0"}
    processes = [subprocess.Popen([*command, path.suffix[1:]], cwd=place, env=environment, stderr=subprocess.PIPE,
                                  text=True) for path in paths]
    spent = Spent([process.pid for process in processes])
    said = [process.communicate()[1] for process in processes]
    spent.end()
    if any(process.returncode for process in processes):
        raise SystemExit(f"{engine}: {said[-1].splitlines()[-1:]}")
    records = [json.loads(line) for path in paths for line in path.read_text().splitlines()]
    for path in paths:
        path.unlink()
    names = sorted(each["image"] for each in records)
    if names != sorted(map(str, (place / "pictures").iterdir())):
        raise SystemExit(f"{engine}: answers are missing")
    times: dict[int, list[float]] = {}
    for each in records:
        times.setdefault(each["worker"], []).append(each["done"])
    if len(times) != workers:
        raise SystemExit(f"{engine}: {len(times)} workers did something, not {workers}")
    first, last = max(map(min, times.values())), min(map(max, times.values()))
    done = sum(first < each <= last for of in times.values() for each in of)
    return {"rate": done / (last - first), "cpu": 1e3 * spent.between(first, last) / done, "start": first - begin}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engines", nargs="+", default=["pool", "on_dask", "on_ray"])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--pictures", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--size", type=int, default=16, help="pictures of a task")
    parser.add_argument("--model", type=Path, default=DATA / "efficientnet_lite0_w8.onnx")
    parser.add_argument("--sources", type=Path, nargs="+", default=[DATA / "dog.jpg", DATA / "horses.jpg"])
    arguments = parser.parse_args()
    found: dict[str, list[dict]] = {engine: [] for engine in ("alone", *arguments.engines)}
    with tempfile.TemporaryDirectory() as place:
        place = Path(place)
        prepared(place, arguments.model, arguments.sources, arguments.pictures, arguments.size)
        found["alone"].append(run(place, "alone", arguments.workers, arguments.pictures))
        for number in range(arguments.rounds):
            for engine in arguments.engines:
                one = run(place, engine, arguments.workers, arguments.pictures)
                found["alone"].append(run(place, "alone", arguments.workers, arguments.pictures))
                before, after = found["alone"][-2:]
                one["of rates"] = 2 * one["rate"] / (before["rate"] + after["rate"])
                one["of CPUs"] = (before["cpu"] + after["cpu"]) / 2 / one["cpu"]
                found[engine].append(one)
                print(f"round {number + 1}: {engine} {one['of rates']:.3f} of the rate alone, "
                      f"{one['of CPUs']:.3f} by the time of CPUs", flush=True)
    for engine, runs in found.items():
        rate, cpu, start = (median(each[key] for each in runs) for key in ("rate", "cpu", "start"))
        print(f"{engine:8} {rate:6.1f} a second, {cpu:.2f} ms of CPUs each; all at work after {start:.1f} s")
        for key in ("of rates", "of CPUs") if engine != "alone" else ():
            values = sorted(each[key] for each in runs)
            print(f"         {key}: {median(values):.3f} of the workers alone ({values[0]:.3f} to {values[-1]:.3f})")


if __name__ == "__main__":
    main()

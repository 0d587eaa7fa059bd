"""What the programs of docs/scale.md answer a second, beside as many workers that run alone side by side, without any
engine: the same pictures, one run after the other in turns, so that all meet the same neighbours on the machine.

    pip install '.[dask,ray]'
    python tools/scale_throughput.py [--engines pool on_dask on_ray] [--workers 2] [--pictures 400] [--rounds 3]
                                     [--size 16] [--model MODEL.onnx] [--sources PICTURE ...]

A rate is counted from the moment when the last worker has its first picture done to the one when the first worker has
its last one done: what all of them do while all of them work. Beside it, the seconds until all work. A ratio is that of
an engine's rate to the mean of the rates alone before and behind it; said is the median, and the range, of all rounds.
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


def run(place: Path, engine: str, workers: int, pictures: int) -> tuple[float, float]:
    """(pictures a second while all work, seconds until all work)"""
    answers = place / "answers.jsonl"
    command = [sys.executable, f"{engine}.py", "model.onnx", "pictures", str(workers), answers.name]
    paths = [answers] if engine != "alone" else [place / f"{answers.name}.{number}" for number in range(workers)]
    begin = time.time()
    environment = os.environ | {"PYTHONPATH": f"{place}{os.pathsep}{ROOT}", "RAY_DEDUP_LOGS": "0"}
    processes = [subprocess.Popen([*command, path.suffix[1:]], cwd=place, env=environment, stderr=subprocess.PIPE,
                                  text=True) for path in paths]
    said = [process.communicate()[1] for process in processes]
    if any(process.returncode for process in processes):
        raise SystemExit(f"{engine}: {said[-1].splitlines()[-1:]}")
    records = [json.loads(line) for path in paths for line in path.read_text().splitlines()]
    for path in paths:
        path.unlink()
    if sorted({each["image"] for each in records}) != sorted(map(str, (place / "pictures").iterdir())) \
            or len(records) != pictures:
        raise SystemExit(f"{engine}: answers are missing")
    times: dict[int, list[float]] = {}
    for each in records:
        times.setdefault(each["worker"], []).append(each["done"])
    if len(times) != workers:
        raise SystemExit(f"{engine}: {len(times)} workers did something, not {workers}")
    first, last = max(map(min, times.values())), min(map(max, times.values()))
    return sum(first < each <= last for of in times.values() for each in of) / (last - first), first - begin


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
    rates, ratios, starts = {}, {}, {}
    with tempfile.TemporaryDirectory() as place:
        place = Path(place)
        prepared(place, arguments.model, arguments.sources, arguments.pictures, arguments.size)
        before, start = run(place, "alone", arguments.workers, arguments.pictures)
        rates["alone"], starts["alone"] = [before], [start]
        for number in range(arguments.rounds):
            for engine in arguments.engines:
                rate, start = run(place, engine, arguments.workers, arguments.pictures)
                after, alone_start = run(place, "alone", arguments.workers, arguments.pictures)
                ratio, before = 2 * rate / (before + after), after
                for table, value in ((rates, rate), (ratios, ratio), (starts, start)):
                    table.setdefault(engine, []).append(value)
                rates["alone"].append(after)
                starts["alone"].append(alone_start)
                print(f"round {number + 1}: {engine} {rate:.1f} a second, {ratio:.3f} of those alone", flush=True)
    for engine in rates:
        said = f"{engine:8} {median(rates[engine]):6.1f} a second, all at work after {median(starts[engine]):.1f} s"
        if engine in ratios:
            least, most = min(ratios[engine]), max(ratios[engine])
            said += f"; {median(ratios[engine]):.3f} of the workers alone ({least:.3f} to {most:.3f})"
        print(said)


if __name__ == "__main__":
    main()

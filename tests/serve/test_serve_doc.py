"""docs/serve.md: its commands do what it says."""

import json
import shlex
import shutil
import subprocess

import pytest
from program import DATA, ROOT
from serving import models, running  # noqa: F401 (fixtures)

DOCUMENT = (ROOT / "docs" / "serve.md").read_text()


def examples() -> list[str]:
    return [line.strip() for line in DOCUMENT.splitlines() if line.startswith("    curl ")]


def test_the_requests_are_answered(models):  # noqa: F811
    if not shutil.which("curl"):
        pytest.skip("the program curl is not there")
    served = DATA / "nanodet_g_416_w8.onnx", DATA / "efficientnet_lite0_w8.onnx", f"tensors={models}/halves.onnx"
    said = []
    with running(*served, "--api-key", "secret") as server:
        for line in examples():
            words = shlex.split(line.replace("127.0.0.1:8000", f"127.0.0.1:{server.port}"))
            if "Authorization" not in line:
                words += ["-H", "Authorization: Bearer secret"]
            done = subprocess.run([words[0], "-sS", "--fail-with-body", *words[1:]], cwd=DATA, capture_output=True,
                                  timeout=60, check=False)
            assert done.returncode == 0, (line, done.stderr, done.stdout[:500])
            said.append(done.stdout.decode())
    objects, sure, scene, drawn, classes, tensors, metrics = said
    first = json.loads(objects)["predictions"][0]
    shown = next(line for line in DOCUMENT.splitlines() if line.startswith('    {"success":true'))
    shown = json.loads(shown.strip().replace("}, ...]", "}]"))["predictions"][0]
    assert first["label"] == shown["label"] and first["confidence"] == pytest.approx(shown["confidence"], abs=.02)
    assert all(abs(first[key] - shown[key]) <= 3 for key in ("x_min", "y_min", "x_max", "y_max"))
    assert len(json.loads(objects)["predictions"]) > len(json.loads(sure)["predictions"]) > 0
    assert json.loads(scene)["label"] == "German shepherd" == json.loads(classes)["classes"][0]["label"]
    assert json.loads(drawn)["drawn"].startswith("data:image/jpeg;base64,")
    assert json.loads(tensors)["outputs"][0]["data"] == [1, 0, 3, 0, 5, 0]
    assert "cinfer_request_seconds_bucket" in metrics


def test_each_path_and_flag_is_told():
    from cinfer.cli import serve
    from cinfer.cli.parser import Parser
    from cinfer.serve.app import ROUTES
    table = DOCUMENT.partition("| path | what |")[2].partition("\n\n")[0]
    for pattern, method, route, *_ in ROUTES:
        assert f"`{method} " in table and (route.removesuffix("/ready") in table), route
    parser = Parser(prog="cinfer serve")
    serve.declare(parser)
    flags = {flag for action in parser._actions for flag in action.option_strings
             if flag.startswith("--max") and flag != "--max-det"}
    assert flags and all(f"`{flag} " in DOCUMENT for flag in flags)
    for action in parser._actions:
        if action.option_strings[-1:] and action.option_strings[0] in flags or action.dest == "timeout":
            row = next(line for line in DOCUMENT.splitlines() if line.startswith(f"| `{action.option_strings[0]} "))
            assert row.endswith(f"| {action.default:g} |")

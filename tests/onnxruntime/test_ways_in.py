"""cinfer in the place of onnxruntime: installed from within, and by `python -m cinfer.as_onnxruntime`."""
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import cinfer.onnxruntime as ours

ROOT = Path(ours.__file__).parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


def python(*args, cwd, **options):
    done = subprocess.run([sys.executable, *args], cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True,
                          timeout=300,
                          **options)
    return done.returncode, done.stdout, done.stderr


def says(text: str, folder) -> str:
    status, out, err = python("-c", textwrap.dedent(text), cwd=folder)
    assert status == 0, err
    return out


def test_cinfer_alone_does_not_import_it(tmp_path):
    assert says("""
        import sys, cinfer
        print([name for name in sys.modules if "onnxruntime" in name or name == "numpy"])""",
                tmp_path) == "[]\n"


def test_installed_from_within(tmp_path):
    assert says("""
        import cinfer
        cinfer.install_as_onnxruntime()
        cinfer.install_as_onnxruntime()
        import onnxruntime as ort, onnxruntime.capi._pybind_state as C
        import cinfer.onnxruntime, importlib.metadata
        from importlib.util import find_spec
        from onnxruntime.capi.onnxruntime_pybind11_state import InvalidProtobuf, SessionOptions
        from onnxruntime.capi.onnxruntime_inference_collection import InferenceSession
        assert ort is cinfer.onnxruntime and C.InvalidProtobuf is InvalidProtobuf
        assert issubclass(InvalidProtobuf, cinfer.Error) and SessionOptions is ort.SessionOptions
        assert InferenceSession is ort.InferenceSession
        assert find_spec("onnxruntime") and find_spec("onnxruntime.capi")
        assert importlib.metadata.version("onnxruntime") == ort.__version__ == ort.get_version_string()
        assert importlib.metadata.distribution("onnxruntime").metadata["Name"] == "onnxruntime"
        assert tuple(map(int, ort.__version__.split("."))) >= (1, 23)
        assert importlib.metadata.version("numpy")
        assert find_spec("onnxruntime.training") is None
        try:
            import onnxruntime.training
        except ImportError as error:
            print(error, "|", error.name)
        try:
            from onnxruntime import training
        except ImportError as error:
            print(error)""", tmp_path).splitlines() == [
        "No module named 'onnxruntime.training': cinfer stands in for onnxruntime here and has no such module"
        " | onnxruntime.training",
        f"cannot import name 'training' from 'cinfer.onnxruntime' ({ours.__file__})"]


def test_too_late_is_one_error(tmp_path):
    pytest.importorskip("onnxruntime")
    assert says("""
        import onnxruntime, cinfer
        try:
            cinfer.install_as_onnxruntime()
        except cinfer.Error as error:
            print(error)""", tmp_path).startswith("onnxruntime is imported already")


PROGRAM = '''
"""A program."""
import json
import os
import sys

import beside

mine = {name: repr(value) for name, value in sorted(globals().items()) if name.startswith("__")
        and name not in ("__loader__", "__spec__", "__builtins__")}
print(json.dumps([mine, sys.argv, sys.path[0], type(__loader__).__name__, getattr(__spec__, "name", None),
                  sys.modules["__main__"].__dict__ is globals(), __builtins__.__name__]))
sys.stdout.flush()


def fail():
    raise KeyError("x")


what = sys.argv[-1]
if what == "exit":
    sys.exit(7)
elif what == "text":
    sys.exit("bye")
elif what == "error":
    try:
        fail()
    except KeyError:
        raise ValueError("y")
elif what == "interrupt":
    raise KeyboardInterrupt
elif what == "hook":
    def hook(kind, error, trace):
        print("HOOK", kind.__name__, trace.tb_frame.f_code.co_name, file=sys.stderr)
    sys.excepthook = hook
    1 / 0
elif what == "fork":
    import multiprocessing
    with multiprocessing.get_context("fork").Pool(1) as pool:
        print(pool.map(beside.twice, [1, 2]))
'''


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    (tmp_path / "beside.py").write_text("def twice(x):\n    return 2 * x\n")
    (tmp_path / "wrong.py").write_text("x = (\n")
    for name in ("package", "folder"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__main__.py").write_text(PROGRAM)
        (tmp_path / name / "beside.py").write_text("from package import x\n" if name == "package" else "")
    (tmp_path / "package" / "__init__.py").write_text("x = 1\n")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "link.py").symlink_to("../program.py")
    return tmp_path


@pytest.mark.parametrize("args", [
    ["program.py"], ["program.py", "1", "2"], ["./program.py", "exit"], ["program.py", "text"],
    ["program.py", "error"],
    ["program.py", "interrupt"], ["program.py", "hook"], ["elsewhere/link.py"], ["-m", "program", "exit"],
    ["-m", "package", "a"], ["folder", "exit"], ["wrong.py"], ["program.py", "fork"]], ids=" ".join)
def test_runs_a_program_as_python_does(args, folder):
    plain, through = python(*args, cwd=folder), python("-m", "cinfer.as_onnxruntime", *args, cwd=folder)
    assert through == plain


@pytest.mark.parametrize("args, status", [(["nosuch.py"], 2), (["-m", "nosuch"], 1), (["-m", "os.nosuch"], 1),
                                          (["elsewhere"], 1), ([], 2), (["-m"], 2), (["-x"], 2)], ids=str)
def test_what_cannot_be_run_is_one_line(args, status, folder):
    code, out, err = python("-m", "cinfer.as_onnxruntime", *args, cwd=folder)
    assert code == status and not out and "Traceback" not in err and err.count("\n") <= 2


def test_a_program_that_imports_onnxruntime(folder):
    (folder / "uses.py").write_text(textwrap.dedent("""
        import onnxruntime as ort
        print(ort.__name__, ort.get_available_providers())
        ort.InferenceSession("nosuch.onnx")"""))
    status, out, err = python("-m", "cinfer.as_onnxruntime", "uses.py", cwd=folder)
    assert status == 1 and out == "cinfer.onnxruntime ['CPUExecutionProvider']\n"
    assert err.splitlines()[1] == f'  File "{folder}/uses.py", line 4, in <module>'
    assert "NoSuchFile: [ONNXRuntimeError] : 3 : NO_SUCHFILE" in err.splitlines()[-1]

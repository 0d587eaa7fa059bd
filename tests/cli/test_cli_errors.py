"""What the user can mend is one line on stderr and exit status 2; never a traceback."""

import os
import signal
import subprocess
import sys
import time

import pytest
from program import DATA, ROOT, cinfer, red, start  # noqa: F401 (fixtures)
from small_models import classifier

from cinfer import __version__

DEMO = DATA / "efficientnet_lite0_w8.onnx"


@pytest.mark.parametrize("arguments, words", [
    (["rnu"], "unknown command 'rnu'; do you mean run?"),
    (["--verison"], "unknown flag '--verison'; do you mean --version?"),
    (["run"], "MODEL, SOURCE; see cinfer run --help"),
    (["run", "none.onnx", "a.png"], "none.onnx: no such file; name an ONNX model"),
    (["run", "{demo}", "http://host/a.png"], "http://host/a.png: nothing is fetched from the web; name a picture file"),
    (["run", "https://host/m.onnx", "a.png"],
     "https://host/m.onnx: nothing is fetched from the web; name an ONNX model"),
    (["run", "{data}", "a.png"], "is a folder; name an ONNX model"),
    (["run", "{data}/README.md", "{data}/dog.jpg"], "README.md"),
    (["run", "{demo}", "{data}/none.jpg"], "none.jpg: no such file; name a picture file"),
    (["run", "{demo}", "{data}/README.md"], "README.md is no picture"),
    (["run", "{demo}", "{data}/dog.jpg", "--tpo", "3"], "unknown flag '--tpo'; do you mean --top?"),
    (["run", "{demo}", "{data}/dog.jpg", "--source=3"], "unknown flag '--source'; see"),
    (["run", "{demo}", "{data}/dog.jpg", "--threds=3"], "unknown flag '--threds'; do you mean --threads?"),
    (["run", "{demo}", "{data}/dog.jpg", "--top", "0"], "'0' is no whole number from 1 to 1000000"),
    (["run", "{demo}", "{data}/dog.jpg", "--top"], "--top"),
    (["run", "{demo}", "{data}/dog.jpg", "--threads", "many"], "'many' is no whole number from 1 to 256"),
    (["run", "{demo}", "{data}/dog.jpg", "--threads", "0"], "'0' is no whole number from 1 to 256"),
    (["run", "{demo}", "{data}/dog.jpg", "--precision", "fp16"],
     "argument --precision: invalid choice: 'fp16' (choose from "),
    (["bench", "{demo}", "--precision="], "argument --precision: invalid choice: '' (choose from "),
    (["info", "{demo}", "--precision", "int8"], "argument --precision: invalid choice: 'int8' (choose from "),
    (["run", "{demo}", "{data}/dog.jpg", "--size", "big"], "--size is 'big'; right is"),
    (["run", "{demo}", "{data}/dog.jpg", "--recipe", "family=cat"], "--recipe family is 'cat'; right is detr,"),
    (["run", "{demo}", "{data}/dog.jpg", "--labels", "none.txt"], "--labels none.txt: no such file"),
    (["run", "{demo}", "{data}/dog.jpg", "--labels", "/dev/null"],
     "--labels /dev/null is no regular file"),
    (["run", "{demo}", "{data}/dog.jpg", "--save", "x.npy"],
     "--save x.npy: all outputs go into a .npz file"),
    (["run", "{demo}", "{data}/dog.jpg", "--save", "{data}/dog.jpg"], "a .npz file"),
    (["run", "{demo}", "{data}/dog.jpg", "-o", "{data}/dog.jpg"], "that would overwrite what is read"),
    (["run", "{demo}", "{data}/dog.jpg", "--resize", "none"],
     "dog.jpg: the picture is 768x576, the recipe takes 224x224 only"),
    (["run", "{demo}", "{data}/dog.jpg", "--save", ""], "an argument is empty"),
    (["info", ""], "an argument is empty, as a variable that is not set; see cinfer info --help"),
    *[([command, "{demo}+{demo}", *more], "one model is right here; chains are for cinfer run and cinfer serve")
      for command, *more in (["info"], ["bench"], ["explain", "{data}/dog.jpg", "-o", "why.png"],
                             ["label", "-o", "m.onnx"], ["compare", "{demo}"])],
    (["info", "{demo}", "more"], "unknown argument 'more'"),
    (["info", "{demo}", "--shape", "x"], "'x' is no [NAME=]SIZES such as 1x3x224x224 or input=1x3x224x224"),
    (["info", "{demo}", "--shape", "x=1x3"], "--shape x: no such input; the model has 'input'"),
    (["info", "--shape", "x=1x3"], "--shape needs a model"),
    (["bench", "{demo}", "--runs", "x"], "'x' is no whole number"),
    (["bench", "{demo}", "--runs", "3", "--seconds", "3"], "not allowed with"),
    (["bench", "{demo}", "--seconds", "nan"], "'nan' is no number of seconds"),
    (["bench", "{demo}", "--seconds", "90000"], "'90000' is no number of seconds above 0 and up to 86400, a day"),
    (["info", "{demo}", "--shape", "1x3x224x224", "--shape", "input=1x3x224x224"], "says the sizes of 'input' twice"),
    (["bench", "{demo}", "--shape", "1,3"], "'1,3' is no [NAME=]SIZES"),
    (["bench", "{demo}", "--shape", "2x3x224x224"], "axis 0 is 2, the model takes 1"),
    (["bench", "{demo}", "--shape", "input:2x3x224x224"], "axis 0 is 2, the model takes 1"),
    (["bench", "{demo}", "--shape", "input=2x3x224x224"], "axis 0 is 2, the model takes 1"),
])  # fmt: skip
def test_one_line_and_status_2(cinfer, arguments, words):
    done = cinfer(*(a.format(demo=DEMO, data=DATA) for a in arguments))
    assert done.status == 2
    assert done.out == "" and len(done.errors) == 1 and done.err.startswith("cinfer: ")
    assert words in done.err
    assert "?" not in done.err.rstrip("?\n")            # what is asked ends the line


def test_model_that_is_damaged(cinfer, tmp_path):
    (tmp_path / "cut.onnx").write_bytes(DEMO.read_bytes()[:100_000])
    for command in (["run", tmp_path / "cut.onnx", DATA / "dog.jpg"], ["info", tmp_path / "cut.onnx"]):
        done = cinfer(*command)
        assert done.status == 2 and len(done.errors) == 1 and "cut.onnx" in done.err


def test_defect_of_cinfer_is_one_line_and_status_1(cinfer, monkeypatch):
    def broken(*_):
        raise KeyError("inside")

    monkeypatch.delenv("CINFER_DEBUG", raising=False)
    monkeypatch.setattr("cinfer.cli.dispatch", broken)
    done = cinfer("info")
    assert done.status == 1 and done.err == "cinfer: internal error, please report it: KeyError: 'inside'\n"


def test_lack_of_memory_is_one_line_and_status_2(cinfer, monkeypatch):
    def hungry(*_):
        raise MemoryError

    monkeypatch.setattr("cinfer.cli.dispatch", hungry)
    done = cinfer("info")
    assert done.status == 2 and "memory" in done.err and len(done.errors) == 1


def test_help_and_version(cinfer):
    assert cinfer("--version").out == f"cinfer {__version__}\n"
    for arguments in ((), ("--help",), ("-h",)):
        done = cinfer(*arguments)
        assert (
            done.status == 0 and all(word in done.out for word in ("run", "info", "bench")) and not done.err
        )
    for command, flag in (("run", "--mean"), ("info", "--shape"), ("bench", "--profile")):
        done = cinfer(command, "--help")
        assert done.status == 0 and flag in done.out and not done.err


def test_help_fits_a_screen(cinfer, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    lines = cinfer("run", "--help").lines
    assert len(lines) <= 50 and max(map(len, lines)) <= 80


def test_version_and_wrong_commands_load_nothing_heavy():
    code = "import sys; from cinfer.cli import main; main(sys.argv[1:]); print(*sys.modules)"
    for argument, status in (("--version", 0), ("--help", 0)):
        done = subprocess.run(
            [sys.executable, "-c", code, argument], capture_output=True, text=True, cwd=ROOT, check=True
        )
        assert done.returncode == status
        assert not {"numpy", "PIL", "argparse", "re"} & set(done.stdout.split()) - preloaded()


def preloaded():
    """Modules that Python itself loads here, for example for an editable install."""
    done = subprocess.run(
        [sys.executable, "-c", "import sys; print(*sys.modules)"], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "arguments", [["--help"], ["info", "--json"], ["run", DEMO, DATA / "dog.jpg", DATA / "dog.jpg"]]
)
def test_reader_that_goes_away_is_no_error(arguments):
    read_end, write_end = os.pipe()
    os.close(read_end)
    process = start(*arguments, stdout=write_end)
    os.close(write_end)
    errors = process.stderr.read().decode().splitlines()
    assert all(line.startswith("cinfer: classification: ") for line in errors)
    assert process.wait() == 141


def test_full_disk_is_one_line():
    with open("/dev/full", "w") as full:
        process = start("--help", stdout=full)
        errors = process.stderr.read().decode().splitlines()
        assert process.wait() == 2 and len(errors) == 1 and "No space left" in errors[0]


def test_ctrl_c_is_quiet_and_130(tmp_path):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:                                # a shell's background job ignores it, and so would a child of ours
        process = start("bench", classifier(tmp_path / "m.onnx"), "--seconds", "60")
    finally:
        signal.signal(signal.SIGINT, before)
    time.sleep(1.5)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (130, b"", b"")


def test_nothing_but_numbers_of_the_answer_where_stderr_is_no_terminal(cinfer, tmp_path, red):
    done = cinfer("run", classifier(tmp_path / "m.onnx"), *[red] * 3, "--top", "1")
    assert "\r" not in done.err + done.out and len(done.errors) == 2


def test_picture_from_standard_input(tmp_path, red):
    with open(red, "rb") as file:
        process = start("run", classifier(tmp_path / "m.onnx"), "-", stdin=file)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert out == b"logits  float32 1x3  min 0  mean 0.333333  max 1  [1 0 0]\n"


def test_standard_streams_that_are_closed_or_full(cinfer, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdin", None)
        done = cinfer("run", DEMO, "-")
        assert done.status == 2 and done.errors == ["cinfer: standard input is closed; name a picture file"]
    if os.path.exists("/dev/full"):
        with open("/dev/full", "w") as full:
            done = start("run", DEMO, DATA / "dog.jpg", "--top", "1", stdout=subprocess.PIPE, stderr=full)
            assert b"German shepherd" in done.communicate(timeout=60)[0] and done.returncode == 0
            done = start("run", "none.onnx", "a.png", stdout=subprocess.PIPE, stderr=full)
            done.communicate(timeout=60)
            assert done.returncode == 2


def test_info_says_on_stderr_why_a_model_cannot_run(cinfer, tmp_path):
    model = classifier(tmp_path / "free.onnx", shape=(1, 3, "height", "width"))
    done = cinfer("info", model, "--shape", "x=1x3x999999x999999")
    assert done.status == 2 and len(done.errors) == 1 and "11,175.8 GiB; at most" in done.err
    assert done.lines[0].startswith("model") and "GiB" not in done.out


def test_numbers_may_begin_with_a_minus(cinfer):
    done = cinfer("run", DEMO, DATA / "dog.jpg", "--mean", "-5,-5,-5")
    assert done.status == 0 and "mean -5,-5,-5" in done.err

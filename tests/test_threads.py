"""How many threads: what the user says, else what the system allows, read from trees of files made here."""
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import cinfer
from cinfer import threads
from cinfer.errors import InputError
from cinfer.threads import cgroup_cpus, checked, default_threads


def tree(tmp_path, own, **files):
    """(root, own) of control groups; files : path with __ for / and _DOT_ for a dot -> text."""
    (tmp_path / "own").write_text(own)
    for path, text in files.items():
        target = tmp_path / "fs" / path.replace("__", "/").replace("_DOT_", ".")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    return str(tmp_path / "fs"), str(tmp_path / "own")


@pytest.mark.parametrize("own, files, expected", [
    ("0::/\n", {"cpu_DOT_max": "150000 100000\n"}, 1.5),
    ("0::/\n", {"cpu_DOT_max": "max 100000\n"}, None),
    ("0::/\n", {}, None),
    ("0::/a/b\n", {"a__b__cpu_DOT_max": "max 100000", "a__cpu_DOT_max": "50000 100000"}, 0.5),
    ("0::/a/b\n", {"a__b__cpu_DOT_max": "400000 100000", "a__cpu_DOT_max": "300000 100000",
                   "cpu_DOT_max": "200000 100000"}, 2),
    ("0::/a/b\n", {"a__b__cpu_DOT_max": "100000 100000", "a__cpu_DOT_max": "300000 100000"}, 1),
    ("0::/../elsewhere\n", {"cpu_DOT_max": "200000 100000"}, 2),
    ("0::/\n", {"cpu_DOT_max": "rubbish"}, None),
    ("0::/\n", {"cpu_DOT_max": ""}, None),
    ("0::/\n", {"cpu_DOT_max": "100000 0"}, None),
    ("0::/\n", {"cpu_DOT_max": "-1 100000"}, None),
    ("nonsense\n\n", {"cpu_DOT_max": "100000 100000"}, None),
])
def test_cgroup_v2(tmp_path, own, files, expected):
    assert cgroup_cpus(*tree(tmp_path, own, **files)) == expected


def v1(folder, quota, period="100000\n"):
    return {f"{folder}__cpu_DOT_cfs_quota_us": quota, f"{folder}__cpu_DOT_cfs_period_us": period}


@pytest.mark.parametrize("own, files, expected", [
    ("4:cpu,cpuacct:/job\n3:memory:/job\n", v1("cpu__job", "250000\n"), 2.5),
    ("4:cpu,cpuacct:/job\n", v1("cpu,cpuacct__job", "100000\n"), 1),
    ("4:cpu:/job\n", v1("cpu__job", "-1\n"), None),
    ("4:cpu:/job/part\n", {**v1("cpu__job__part", "-1\n"), **v1("cpu__job", "50000\n")}, 0.5),
    ("4:cpu:/in/container\n", v1("cpu", "300000\n"), 3),
    ("4:cpuset:/job\n", v1("cpuset__job", "100000\n"), None),
    ("4:cpu:/job\n", v1("cpu__job", "100000\n", "0\n"), None),
    ("4:cpu:/job\n", {"cpu__job__cpu_DOT_cfs_quota_us": "100000\n"}, None),
])
def test_cgroup_v1(tmp_path, own, files, expected):
    assert cgroup_cpus(*tree(tmp_path, own, **files)) == expected


def test_both_versions_at_once_take_the_least(tmp_path):
    files = {**v1("cpu__job", "300000\n"), "job__cpu_DOT_max": "200000 100000\n"}
    assert cgroup_cpus(*tree(tmp_path, "1:cpu:/job\n0::/job\n", **files)) == 2


def test_no_control_groups_at_all(tmp_path):
    assert cgroup_cpus(str(tmp_path), str(tmp_path / "absent")) is None


@pytest.fixture
def unset(monkeypatch):
    monkeypatch.delenv("CINFER_THREADS", raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    return monkeypatch


@pytest.mark.parametrize("text", ["0", "-1", "257", "two", "1.5", "²", "0x2", "1 2"])
@pytest.mark.parametrize("variable", ["CINFER_THREADS", "OMP_NUM_THREADS"])
def test_refuses_a_bad_variable(unset, variable, text):
    unset.setenv(variable, text)
    with pytest.raises(InputError) as caught:
        default_threads()
    assert str(caught.value) == f"{variable}={text}: the number of threads is 1 to 256"


def test_refuses_more_digits_than_python_reads(unset):
    unset.setenv("CINFER_THREADS", "1" * 5000)
    with pytest.raises(InputError, match="the number of threads is 1 to 256"):
        default_threads()


@pytest.mark.parametrize("text, expected", [("1", 1), (" 3 ", 3), ("256", 256), ("2,4", 2)])
def test_reads_a_variable(unset, text, expected):
    unset.setenv("OMP_NUM_THREADS", text)
    assert default_threads() == (expected, "OMP_NUM_THREADS")
    unset.setenv("CINFER_THREADS", "5")
    assert default_threads() == (5, "CINFER_THREADS")


def test_an_empty_variable_is_none(unset):
    unset.setenv("CINFER_THREADS", "")
    unset.setenv("OMP_NUM_THREADS", "7")
    assert default_threads() == (7, "OMP_NUM_THREADS")


@pytest.mark.parametrize("cpus, quota, expected, why", [
    (8, None, 8, "8 CPUs this process may run on"),
    (1, None, 1, "1 CPU this process may run on"),
    (8, 2.5, 3, "cgroup quota of 2.5 CPUs"),
    (8, 0.25, 1, "cgroup quota of 0.25 CPUs"),
    (2, 2.0, 2, "2 CPUs this process may run on"),
    (2, 16.0, 2, "2 CPUs this process may run on"),
    (1000, None, 256, "1000 CPUs this process may run on"),
])
def test_the_least_of_affinity_and_quota(unset, cpus, quota, expected, why):
    unset.setattr(os, "sched_getaffinity", lambda pid: set(range(cpus)), raising=False)
    for name in threads.BINDING:
        unset.delenv(name, raising=False)
    unset.setattr(threads, "cgroup_cpus", lambda: quota)
    assert default_threads() == (expected, why)


@pytest.mark.parametrize("bad", [0, -1, 257, 1.0, "2", True])
def test_refuses_a_bad_argument(bad):
    with pytest.raises(InputError) as caught:
        checked(bad)
    assert str(caught.value) == f"threads={bad!r}: the number of threads is an int from 1 to 256"


def test_an_argument_goes_before_the_variables(unset):
    unset.setenv("CINFER_THREADS", "5")
    assert checked(2) == 2 and checked(None) == 5


# ---- bound threads, in processes of their own: OpenMP reads its settings once

BOUND = """
    import os, sys, threading
    import numpy as np
    import cinfer
    from cinfer.threads import default_threads
    first = os.sched_getaffinity(0)
    if sys.argv[2] == "bound":                          # as another OpenMP library has left it
        from cinfer import _ops
        _ops.executor()
        waiting = threading.Thread(target=threading.Event().wait, daemon=True)
        waiting.start()                                 # of the other library's team
        os.sched_setaffinity(0, list(first)[:1])
    if sys.argv[2] == "worker":
        os.sched_setaffinity(0, list(first)[:1])
    before = os.sched_getaffinity(0)
    seen = []
    for _ in range(3):
        session = cinfer.load(sys.argv[1])
        session(np.ones((1, 3, 96, 96), np.float32))
        seen.append(session.threads)
        assert os.sched_getaffinity(0) == before, "the caller's CPUs have changed"
    print(len(first), *seen)
"""


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="needs affinity")
@pytest.mark.parametrize("binding, how, expected", [
    ({}, "", "all"), ({}, "worker", 1),
    ({"OMP_PROC_BIND": "true"}, "", "all"), ({"OMP_PLACES": "cores"}, "", "all"),
    ({"OMP_PROC_BIND": "true"}, "bound", "all"), ({"OMP_PROC_BIND": "false"}, "worker", 1)], ids=str)
def test_bound_threads(tmp_path, binding, how, expected):
    """Runs leave the caller's CPUs as they are, whatever OpenMP was told, and each session counts the
    same."""
    from onnx_models import Model
    m = Model(seed=1)
    path = tmp_path / "m.onnx"
    path.write_bytes(m.outputs(m.Relu(m.conv(m.input("x", 1, 3, 96, 96), 3, 32, 3))).bytes())
    environment = {k: v for k, v in os.environ.items() if k not in threads.BINDING and "NUM_THREADS" not in k}
    environment |= {"PYTHONPATH": str(Path(cinfer.__file__).parents[1]), "OPENBLAS_NUM_THREADS": "1",
                    **binding}
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(BOUND), str(path), how], env=environment,
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    cpus, *seen = map(int, done.stdout.split())
    assert seen == [cpus if expected == "all" else expected] * 3

"""Run tests of the ISA level amx on a CPU that has AVX2 only, with its instructions in plain C (AMX_IN_C of amx.h):

    python tools/as_amx.py tests/_ops/test_conv_u8.py -k amx

The arguments are pytest's. The module is built anew, for AVX2, in a folder of its own: how it packs, gathers, arranges
and rounds is what runs on a CPU with AMX; vectors are shorter. Needs Cython and a C compiler. Its speed says nothing.
"""
import importlib.util
import os
import pathlib
import shlex
import subprocess
import sys
import sysconfig
import tempfile

import pytest

from cinfer import _ops

LEVEL, BELOW = "amx", "avx2"
MODULE = f"cinfer._ops._kernels_{LEVEL}"
OPS = pathlib.Path(_ops.__file__).parent
FLAGS = ["-O3", "-w", "-shared", "-fPIC", "-mavx2", "-mfma", "-mf16c", "-fno-math-errno", "-fno-trapping-math",
         "-fno-predictive-commoning", "-DAMX_IN_C"]


def built(folder: pathlib.Path):
    """The module of the level, imported."""
    source, library = folder / f"_kernels_{LEVEL}.c", folder / f"_kernels_{LEVEL}.so"
    subprocess.run([sys.executable, "-m", "cython", "--module-name", MODULE, "-I", OPS, OPS / f"kernels_{LEVEL}.pyx",
                    "-o", source], check=True)
    compiler = shlex.split(os.environ.get("CC") or "cc")
    includes = [f"-I{folder}" for folder in (sysconfig.get_path("include"), OPS, OPS / "isa")]
    subprocess.run([*compiler, *FLAGS, *includes, source, "-o", library], check=True)
    spec = importlib.util.spec_from_file_location(MODULE, library)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main():
    if BELOW not in _ops.usable_levels():
        sys.exit(f"as_amx: {BELOW} is not built, or this CPU does not have it")
    with tempfile.TemporaryDirectory() as folder:
        sys.modules[MODULE] = built(pathlib.Path(folder))
    _ops.ADDS_TO[LEVEL] = BELOW
    usable = [*(n for n in _ops.usable_levels() if n != LEVEL), LEVEL]
    _ops.usable_levels = lambda: usable
    return pytest.main(sys.argv[1:])


sys.exit(main())

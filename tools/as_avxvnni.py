"""Run tests of the ISA level avxvnni on a CPU that has AVX2 only, by trapping its instructions (as_avxvnni.c):

    python tools/as_avxvnni.py tests/_ops/test_conv_u8.py -k avxvnni

The arguments are pytest's. What runs is the module that was built, instruction for instruction; its speed says nothing.
"""
import ctypes
import pathlib
import subprocess
import sys
import tempfile

import pytest

from cinfer import _ops

LEVEL = "avxvnni"


def main():
    if _ops.executor().can_run(LEVEL):
        sys.exit(f"as_avxvnni: this CPU has {LEVEL}; run pytest as it is")
    if LEVEL not in _ops.built_levels() or not _ops.executor().can_run(_ops.ADDS_TO[LEVEL]):
        sys.exit(f"as_avxvnni: {LEVEL} is not built, or this CPU has no {_ops.ADDS_TO[LEVEL]}")
    with tempfile.TemporaryDirectory() as folder:
        library = pathlib.Path(folder, "as_avxvnni.so")
        source = pathlib.Path(__file__).with_suffix(".c")
        subprocess.run(["cc", "-O2", "-shared", "-fPIC", source, "-o", library], check=True)
        ctypes.CDLL(library).begin()
    usable = [*_ops.usable_levels(), LEVEL]
    _ops.usable_levels = lambda: usable
    return pytest.main(["-p", "no:faulthandler", *sys.argv[1:]])        # which would take the signal


sys.exit(main())

"""Run tests of ISA levels that this CPU lacks, on a CPU that Bochs emulates in this process (in_process.cc):

    tools/emulated/build.sh BOCHS/bochs OUT
    python tools/emulated/run.py OUT avx512,avx512vnni tests/_ops/test_conv_u8.py -k avx512
    python tools/emulated/run.py OUT avx512 program.py ARGUMENTS

What follows the levels are pytest's arguments, or a program outside of tests/. The modules of these levels and of those
that they add to are emulated, instruction for instruction; Python, NumPy and the executor run as ever. Not tested is
whether the CPU is recognised; processes that a test starts have only this CPU's levels.
"""
import ctypes
import os
import pathlib
import runpy
import sys
import tempfile
from importlib.util import find_spec

import pytest

CPU = "sapphire_rapids"
SETTINGS = """
cpu: model={cpu}, count=1
memory: guest=32, host=32
romimage: file={out}/BIOS-bochs-latest
vgaromimage: file={out}/VGABIOS-lgpl-latest.bin
display_library: nogui
panic: action=fatal
error: action=ignore
info: action=ignore
debug: action=ignore
log: /dev/null
"""


def begin(out, paths):
    """From now on the code of these shared libraries is emulated. The library, for more questions."""
    library = ctypes.CDLL(out / "libbochs.so")
    with tempfile.NamedTemporaryFile("w", suffix=".bochsrc") as settings:
        settings.write(SETTINGS.format(cpu=CPU, out=out))
        settings.flush()
        sys.stdout.flush()
        outputs, silent = (os.dup(1), os.dup(2)), os.open(os.devnull, os.O_WRONLY)
        os.dup2(silent, 1), os.dup2(silent, 2)              # for its banner
        failed = library.in_process_begin(settings.name.encode())
        ctypes.CDLL(None).fflush(None)
        os.dup2(outputs[0], 1), os.dup2(outputs[1], 2)
    if failed:
        sys.exit(f"emulated: Bochs does not start; are its two ROMs in {out}?")
    for path in paths:
        ctypes.CDLL(path)                                   # in memory, but nothing of it has run
        for line in pathlib.Path("/proc/self/maps").read_text().splitlines():
            span, rights, *rest = line.split()
            if rest[-1] == path and "x" in rights:
                library.in_process_add(*(ctypes.c_uint64(int(end, 16)) for end in span.split("-")))
    library.in_process_entered.restype = ctypes.c_uint64
    return library


def main():
    out, asked, *arguments = sys.argv[1:]
    sys.path.insert(0, "")
    from cinfer import _ops
    can_run, built = _ops.executor().can_run, _ops.built_levels()
    asked = set(asked.split(","))
    emulated = [n for n in built if n in asked or n in {_ops.ADDS_TO.get(a) for a in asked} and not can_run(n)]
    if not asked <= set(emulated):
        sys.exit(f"emulated: not built: {', '.join(sorted(asked - set(emulated)))}")
    library = begin(pathlib.Path(out).resolve(), [find_spec(f"cinfer._ops._kernels_{n}").origin for n in emulated])
    usable = [n for n in built if n in emulated or can_run(n)]
    _ops.usable_levels = lambda: usable
    print(f"emulated: {', '.join(emulated)}, by {CPU}", flush=True)
    if arguments[0].endswith(".py") and not arguments[0].startswith("tests"):
        sys.argv[:] = arguments
        status = runpy.run_path(arguments[0], run_name="__main__") and 0
    else:
        status = pytest.main(["-p", "no:faulthandler", *arguments])         # which would take the signal
    print(f"emulated: the code was entered {library.in_process_entered()} times", flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main())

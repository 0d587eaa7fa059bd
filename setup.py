"""Builds the executor once and the kernels once per ISA level; pyproject.toml has the rest.

Cython translates kernels.pyx once; each level compiles what comes out under a module name of its own, with its own
flags. Levels that bring something for bytes alone have kernels_bytes.pyx, those that bring products of int16 besides
kernels_vnni.pyx, of bfloat16 kernels_bf16.pyx, those of tiles kernels_amx.pyx, and the rest of the level that they add
to.
Compiler flags are probed: GCC and Clang know different ones, and a compiler without OpenMP gives a single-threaded
cinfer.
CINFER_BUILD_LEVELS=avx2,baseline builds only these levels (for development).
"""
import os
import pathlib
import platform
import re
import shlex
import subprocess
import sys
import sysconfig
import tempfile

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

HERE = pathlib.Path(__file__).parent
OPS = pathlib.Path("cinfer/_ops")
AVX2 = ["-mavx2", "-mfma", "-mf16c"]
AVX512 = [*AVX2, "-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl"]
# Levels in the order in which they are compiled: what takes longest first, that no core waits for it at the end.
LEVELS = {"baseline": []}
OF_BYTES, OF_VNNI, OF_BF16, OF_TILES = {}, {}, {}, {}       # levels of kernels_bytes.pyx, kernels_vnni.pyx, ...
if platform.machine() in ("x86_64", "AMD64"):
    LEVELS = {"avx512": AVX512, "avx2": AVX2, "baseline": []}
    OF_BYTES = {"sse41": ["-msse4.1"]}
    OF_VNNI = {"avx512vnni": [*AVX512, "-mavx512vnni"], "avxvnni": [*AVX2, "-mavxvnni"]}
    OF_BF16 = {"avx512bf16": [*AVX512, "-mavx512vnni", "-mavx512bf16"]}
    OF_TILES = {"amx": [*AVX512, "-mavx512vnni", "-mavx512bf16", "-mamx-tile", "-mamx-int8", "-mamx-bf16"]}
elif platform.machine() in ("aarch64", "arm64"):
    LEVELS = {"neon": []}
    OF_BYTES = {"dotprod": ["-march=armv8.2-a+dotprod"], "i8mm": ["-march=armv8.2-a+dotprod+i8mm"]}
    OF_BF16 = {"bf16": ["-march=armv8.2-a+dotprod+i8mm+bf16"]}
# Of -O3 what the kernels are faster by: constant loops are unrolled, others are vectorized. All of it takes a tenth
# longer to compile. Predictive commoning would keep broadcasts alive and spill the sums.
WANTED = ["-O2", "-fpeel-loops", "-ftree-loop-vectorize", "-ftree-slp-vectorize", "-fvect-cost-model=dynamic", "-g0",
          "-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math", "-fno-predictive-commoning",
          "-fvisibility=hidden"]
USES_PYTHON = "#include <Python.h>\nint main(void) { return 0; }"
USES_OPENMP = "#include <omp.h>\nint main(void) { return omp_get_max_threads() < 0; }"


def compiler():
    return shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")


def compiles(flags, text="int main(void) { return 0; }"):
    """Does the compiler build and link this program with these flags?"""
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder, "probe.c")
        source.write_text(text)
        try:
            done = subprocess.run([*compiler(), "-Werror", *flags, source, "-o", source.with_suffix(".out")],
                                  capture_output=True)
        except OSError:
            return False
        return done.returncode == 0


class BuildExt(build_ext):
    """Two compilers at a time on two cores; a missing compiler is one clear line."""

    def finalize_options(self):
        super().finalize_options()
        self.parallel = self.parallel or os.cpu_count()


def extensions():
    if not compiles([]):
        sys.exit(f"cinfer: no C compiler ({' '.join(compiler())} does not work); install one "
                 "(Debian, Ubuntu: apt install gcc libc6-dev python3-dev) and try again")
    include = sysconfig.get_path("include")
    if not compiles(["-w", f"-I{include}", *shlex.split(os.environ.get("CFLAGS", ""))], USES_PYTHON):
        sys.exit(f"cinfer: Python.h cannot be compiled (it belongs into {include}); install Python's "
                 "headers (Debian, Ubuntu: apt install python3-dev) and try again")
    flags = [f for f in WANTED if compiles([f])]
    strip = ["-s"] if compiles(["-s"]) else []
    openmp = ["-fopenmp"] if compiles(["-fopenmp"], USES_OPENMP) else []
    if not openmp:
        print("cinfer: this compiler has no OpenMP; cinfer will use one thread (GCC has it; for Clang "
              "install libomp-dev)", file=sys.stderr)
    chosen = os.environ.get("CINFER_BUILD_LEVELS")
    all_levels = LEVELS | OF_VNNI | OF_TILES | OF_BYTES | OF_BF16
    sources = {**dict.fromkeys(OF_BYTES, "kernels_bytes"), **dict.fromkeys(OF_VNNI, "kernels_vnni"),
               **dict.fromkeys(OF_BF16, "kernels_bf16"), **dict.fromkeys(OF_TILES, "kernels_amx")}
    unknown = set(chosen.split(",")) - all_levels.keys() if chosen else ()
    if unknown:
        sys.exit(f"CINFER_BUILD_LEVELS={chosen}: no level {', '.join(sorted(unknown))}; "
                 f"there are {', '.join(all_levels)}")
    levels = {k: v for k, v in all_levels.items() if compiles(v) and (not chosen or k in chosen.split(","))}
    for level, level_flags in levels.items():
        yield extension(f"_kernels_{level}", sources.get(level, "kernels"), [*flags, *level_flags], strip)
    yield extension("executor", "executor", ["-O2", "-g0", *openmp], [*strip, *openmp])


def extension(name, source, compile_flags, link_flags):
    headers = [str(p) for p in sorted([*OPS.glob("**/*.h"), *OPS.glob("*.pxi")])]
    return Extension(f"cinfer._ops.{name}", [str(OPS / f"{source}.pyx")], include_dirs=[str(OPS), str(OPS / "isa")],
                     depends=headers, extra_compile_args=compile_flags, extra_link_args=link_flags)


def translated(modules):
    """These modules in C, several translated at a time where the system has what processes need for that."""
    how = dict(include_path=[str(OPS)], build_dir="build")
    try:
        return cythonize(modules, nthreads=os.cpu_count(), **how)
    except (NotImplementedError, OSError):              # no semaphores
        return cythonize(modules, **how)


def fields(body):
    """The fields of a parameter struct as PARAMS of api.h has them, or None: what is in `body` is no such struct."""
    kinds, words = {"buf_t": "B", "int64_t": "I", "double": "F"}, []
    for line in body.splitlines():
        kind, _, names = line.partition("#")[0].strip().partition(" ")
        for name, count in re.findall(r"(\w+)(?:\[(\w+)\])?", names):
            if kind not in kinds:
                return None
            words.append(f"{'A' + count if count else kinds[kind]}:{name} ")
    return "".join(words)


def header_of_fields():
    """fields.h (entries.pxi): what parameter structs that are declared in Cython have."""
    structs = re.findall(r"^( *)(?:ctypedef|cdef) struct (\w+):\n((?:\1    .*\n|\n)+)",
                         "\n".join(path.read_text() for path in sorted(OPS.glob("*.pxi"))), re.M)
    entries = {name: fields(body) for _, name, body in structs}
    lines = [f'    {{"{name}", "{found}"}},' for name, found in entries.items() if found]
    return "\n".join([
        "#include <string.h>", "static const char *fields_of(const char *name)", "{",
        "    static const struct { const char *name, *fields; } structs[] = {", *lines, "    };",
        "    for (size_t i = 0; i < sizeof structs / sizeof *structs; i++)",
        "        if (!strcmp(structs[i].name, name)) return structs[i].fields;",
        '    PyErr_Format(PyExc_SystemError, "no parameter struct is called %s", name);', "    return NULL;", "}", ""])


def write(path, text):
    """Unless it is what the file has."""
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def compilable(made):
    """These extensions with sources in C: each .pyx is translated once, as a module of its own name, and where the
    extension has another, that is what its function of initialisation is called."""
    modules = {each.sources[0]: pathlib.Path(each.sources[0]).stem for each in made}
    found = translated([Extension(f"cinfer._ops.{name}", [source]) for source, name in modules.items()])
    in_c = {name: pathlib.Path(each.sources[0]) for name, each in zip(modules.values(), found)}
    write(in_c["executor"].with_name("fields.h"), header_of_fields())
    for each in made:
        module, name = modules[each.sources[0]], each.name.rpartition(".")[2]
        source = in_c[module]
        if name != module:
            each.depends.append(str(source))
            text = f'#define PyInit_{module} PyInit_{name}\n#include "{source.name}"\n'
            source = source.with_name(f"{name}.c")
            write(source, text)
        each.sources = [str(source)]
    return made


if __name__ == "__main__":                              # not in the processes that translate
    os.chdir(HERE)
    setup(cmdclass={"build_ext": BuildExt}, ext_modules=compilable(list(extensions())))

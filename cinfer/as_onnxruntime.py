"""cinfer in the place of onnxruntime, for a program that is not written for it.

    python -m cinfer.as_onnxruntime program.py ARGS     runs it as `python program.py ARGS` would
    python -m cinfer.as_onnxruntime -m module ARGS      as `python -m module ARGS`

`cinfer.install_as_onnxruntime()` does it from within, before the program imports onnxruntime.
"""
from __future__ import annotations

import importlib.machinery
import importlib.metadata
import importlib.util
import io
import os
import sys
import types

from .errors import Error

HERE, THERE = "cinfer.onnxruntime", "onnxruntime"
SUBMODULES = ("capi", "capi._pybind_state", "capi.onnxruntime_pybind11_state", "capi.onnxruntime_validation",
              "capi.onnxruntime_inference_collection")
USAGE = "usage: python -m cinfer.as_onnxruntime SCRIPT.py ARGS ... | -m MODULE ARGS ..."


def install_as_onnxruntime() -> None:
    """From now on `import onnxruntime` gives cinfer.onnxruntime, in this process.

    Raises cinfer.Error if the real one has been imported before.
    """
    import cinfer.onnxruntime as module
    there = sys.modules.get(THERE)
    if there is not None and there is not module:
        place = getattr(there, "__file__", None) or "unknown place"
        raise Error(f"onnxruntime is imported already ({place}); call "
                    "cinfer.install_as_onnxruntime() before the first import of it")
    sys.modules[THERE] = module
    for name in SUBMODULES:
        sys.modules[f"{THERE}.{name}"] = sys.modules[f"{HERE}.{name}"]
    if not any(isinstance(finder, Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, Finder())
        sys.meta_path.append(Last())


class Finder(importlib.metadata.DistributionFinder):
    """Finds the package onnxruntime for importlib.metadata, and no modules."""

    def find_spec(self, name, path=None, target=None):
        return None

    def find_distributions(self, context=importlib.metadata.DistributionFinder.Context()):
        return [Package()] if context.name == THERE else []


class Last:
    """Says of modules of onnxruntime that nobody has found why that is so."""

    def find_spec(self, name, path=None, target=None):
        if name.startswith(f"{THERE}.") and sys._getframe(2).f_code.co_name == "_find_and_load_unlocked":
            # an import; importlib.util.find_spec, by which programs ask what there is, gives None
            raise ModuleNotFoundError(f"No module named {name!r}: cinfer stands in for onnxruntime here and has no "
                                      "such module", name=name)
        return None


class Package(importlib.metadata.Distribution):
    """What importlib.metadata says of onnxruntime."""

    def read_text(self, filename: str) -> str | None:
        if filename != "METADATA":
            return None
        from cinfer.onnxruntime import __version__
        return f"Metadata-Version: 2.1\nName: {THERE}\nVersion: {__version__}\nSummary: cinfer in its place\n"

    def locate_file(self, path):
        return os.path.join(os.path.dirname(os.path.abspath(__file__)), path)


def main() -> None:
    """Run a program as the interpreter would. What follows does what `python` does, in its words."""
    args = sys.argv[1:]
    if not args or args[0] in ("-h", "--help"):
        print(USAGE, file=sys.stdout if args else sys.stderr)
        sys.exit(0 if args else 2)
    install_as_onnxruntime()
    if args[0] == "-m":
        if len(args) < 2:
            stop(USAGE, 2)
        code, attributes = code_of_module(args[1])
        sys.argv[:] = [attributes["__file__"], *args[2:]]
    else:
        if args[0].startswith("-"):
            stop(f"no option {args[0]}\n{USAGE}", 2)
        sys.argv[:] = args
        code, attributes = code_of_path(args[0])
    module = types.ModuleType("__main__")
    module.__dict__.update(attributes, __builtins__=sys.modules["builtins"])
    if sys.version_info < (3, 14):
        module.__annotations__ = {}
    sys.modules["__main__"] = module
    run(code, module.__dict__)


def run(code, namespace: dict) -> None:
    """Execute a program; a traceback of it begins in its own code."""
    try:
        exec(code() if callable(code) else code, namespace)
    except SystemExit:
        raise
    except BaseException as error:
        hide(error)
        raise


def hide(error: BaseException) -> None:
    """When this error is printed, leave out the frames through which the program was started."""
    hook = sys.excepthook

    def shown(kind, value, trace):
        here = trace
        while here is not None and here.tb_frame.f_code is not run.__code__:
            here = here.tb_next
        if here is not None:
            trace = here.tb_next
        while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
            trace = trace.tb_next
        if value is error:
            value.__traceback__ = trace
        hook(kind, value, trace)
    sys.excepthook = shown


def code_of_path(path: str):
    """(function that makes the code, attributes of __main__) of a script, or of a folder or archive with a
    __main__.py."""
    path = os.path.join(os.getcwd(), path)
    finder = None if os.path.isfile(path) and path.endswith(".py") else archive(path)
    if finder is not None:
        put_first(path)
        spec = finder.find_spec("__main__")
        if spec is None:
            stop(f"can't find '__main__' module in {path!r}", 1)
        return attributes_of(spec)
    try:
        with io.open_code(path) as file:
            content = file.read()
    except OSError as error:
        stop(f"can't open file {path!r}: [Errno {error.errno}] {error.strerror}", 2)
    put_first(os.path.dirname(os.path.realpath(path)))
    loader = importlib.machinery.SourceFileLoader("__main__", path)
    return (lambda: compile(content, path, "exec", dont_inherit=True),
            {"__file__": path, "__loader__": loader, "__spec__": None, "__package__": None,
             "__cached__": None})


def archive(path: str):
    """The finder of a folder or archive that may hold a __main__.py; None for a plain file."""
    import pkgutil
    finder = pkgutil.get_importer(path)
    is_plain = os.path.isfile(path) and isinstance(finder, importlib.machinery.FileFinder)
    return None if is_plain else finder


def code_of_module(name: str):
    """The same of a module, or of the __main__ of a package."""
    try:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.submodule_search_locations is not None:
            package, spec = name, importlib.util.find_spec(f"{name}.__main__")
            if spec is None:
                stop(f"No module named {package}.__main__; {package!r} is a package and cannot be directly "
                     "executed", 1)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise
        spec = None
    if spec is None or spec.loader is None:
        stop(f"No module named {name}", 1)
    return attributes_of(spec)


def attributes_of(spec):
    return (lambda: spec.loader.get_code(spec.name),
            {"__file__": spec.origin, "__loader__": spec.loader, "__spec__": spec, "__package__": spec.parent,
             "__cached__": spec.cached})


def put_first(folder: str) -> None:
    """Modules beside the program are found first, in place of those of the working folder, which `-m` has put
    there; unless Python was told to do neither (-P, -I)."""
    if not getattr(sys.flags, "safe_path", sys.flags.isolated):
        sys.path[0] = folder


def stop(text: str, status: int) -> None:
    print(f"{sys.executable} -m cinfer.as_onnxruntime: {text}", file=sys.stderr)
    sys.exit(status)


if __name__ == "__main__":
    import cinfer.as_onnxruntime                # under its own name: __main__ becomes the program's
    cinfer.as_onnxruntime.main()

"""The program `cinfer`: one module per subcommand, loaded when it is asked for.

What the user can mend is one line on stderr and exit status 2. An error of cinfer's own, the last resort, is
one line and exit status 1; with CINFER_DEBUG=1 its traceback follows.
"""
import os
import signal
import sys

from ..errors import Error, InputError

COMMANDS = {
    "run": "say what a model sees on pictures",
    "info": "describe a model, or this machine",
    "bench": "measure how fast a model runs",
    "compare": "say how far a model's values are from those of another one",
    "explain": "show what of a picture a model's answer comes from",
    "quantize": "make a model run in integers of 8 bits",
    "label": "write into a model how it is used",
    "adapt": "teach a classifier classes of your own",
    "serve": "answer requests over HTTP",
}
USAGE = """usage: cinfer COMMAND ...

{commands}

cinfer COMMAND --help says more; cinfer --version prints the version."""


def main(argv: list[str] | None = None) -> int:
    """Run the program and return its exit status. argv : without the program's name; sys.argv's by default"""
    argv = sys.argv[1:] if argv is None else list(argv)
    fill_standard_files()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):              # labels and file names in any script, on any terminal
            stream.reconfigure(errors="backslashreplace")
    try:
        status = dispatch(argv)
        if sys.stdout is not None:
            sys.stdout.flush()
        return status
    except Error as error:
        return complain(error)
    except KeyboardInterrupt:
        return 130                                      # as a shell counts: 128 + SIGINT
    except BrokenPipeError:
        drop_stdout()
        return 141                                      # 128 + SIGPIPE
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "PIL":
            return defect(error)
        return complain("pictures are read by Pillow, which is not installed; pip install pillow")
    except MemoryError:
        return complain("there is not enough memory for this; a smaller input or fewer threads need less")
    except OSError as error:                            # the disk is full, or the terminal is gone
        drop_stdout()
        return complain(f"{error.filename or 'standard output'}: {error.strerror or error}")
    except Exception as error:
        return 130 if interrupted(error) else defect(error)


def fill_standard_files() -> None:
    """Of those that are closed: else the next file or connection would be one of them, and libraries print there."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def defect(error: Exception) -> int:
    """An error of cinfer's own. Returns the exit status 1."""
    complain(f"internal error, please report it: {type(error).__name__}: {error}")
    if os.environ.get("CINFER_DEBUG") == "1":
        raise error
    return 1


def interrupted(error: BaseException | None) -> bool:
    """Whether an error came of Ctrl-C: some libraries raise others while it passes through them, and NumPy, while it
    is imported, one that says nothing of it."""
    if getattr(signal.getsignal(signal.SIGINT), "came", False):
        return True
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def dispatch(argv: list[str]) -> int:
    command = argv[0] if argv else "--help"
    if command in ("--version", "-V"):
        from ..version import __version__
        print(f"cinfer {__version__}")
        return 0
    if command in ("--help", "-h", "help"):
        print(USAGE.format(commands="\n".join(f"  {name:8} {text}" for name, text in COMMANDS.items())))
        return 0
    if command not in COMMANDS:
        from ..errors import nearest
        kind = "flag" if command.startswith("-") else "command"
        right = nearest(command, [*COMMANDS, "--help", "--version"]) or f"; the commands are {', '.join(COMMANDS)}"
        raise InputError(f"unknown {kind} {command!r}{right}")
    from importlib import import_module

    from .parser import parse
    module = import_module(f".{command}", __name__)
    arguments = parse(module, command, COMMANDS[command], argv[1:])
    return 0 if arguments is None else module.run(arguments)


def complain(error) -> int:
    """Print an error as one line. Returns the exit status 2."""
    from .text import say
    say(error)
    return 2


def drop_stdout() -> None:
    """What reads or stores our output is gone."""
    from .text import drop
    drop(sys.stdout)

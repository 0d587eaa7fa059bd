"""What onnxruntime says and sets for the whole process."""
from __future__ import annotations

from .errors import NotImplemented, RuntimeError, made
from .options import log, whole

OFFERED = "1.23.0"                      # the onnxruntime whose behaviour this is; programs ask


def get_version_string() -> str:
    return OFFERED


def get_build_info() -> str:
    from ..version import __version__
    return f"ORT Build Info: cinfer {__version__}, offering onnxruntime {OFFERED}"


def get_device() -> str:
    return "CPU"


def has_collective_ops() -> bool:
    return False


def get_ep_devices() -> list:
    return []


def get_default_session_options():
    from .options import SessionOptions
    return SessionOptions()


def set_default_logger_severity(severity: int) -> None:
    if not 0 <= whole(severity) <= 4:
        raise RuntimeError(f"Invalid logging severity {severity}. 0:Verbose, 1:Info, 2:Warning, 3:Error, "
                           "4:Fatal")
    log.debug("set_default_logger_severity(%s): accepted, cinfer logs by Python's logging only", severity)


def set_default_logger_verbosity(verbosity: int) -> None:
    log.debug("set_default_logger_verbosity(%s): accepted, it changes nothing in cinfer", whole(verbosity))


def set_default_logger_callback(callback, severity: int = 2) -> None:
    log.debug("set_default_logger_callback: accepted, cinfer logs by Python's logging only")


def set_seed(seed: int) -> None:
    log.debug("set_seed(%s): accepted, it changes nothing in cinfer", whole(seed))


def disable_telemetry_events() -> None:
    """There are none."""


def enable_telemetry_events() -> None:
    log.debug("enable_telemetry_events: accepted, cinfer sends nothing to anybody")


def preload_dlls(cuda: bool = True, cudnn: bool = True, msvc: bool = True, directory=None) -> None:
    """There are none."""


def print_debug_info() -> None:
    import platform
    print(f"{get_build_info()}\nplatform: {platform.platform()}")


def register_execution_provider_library(name: str, path) -> None:
    raise made(NotImplemented, f"provider {name!r} from {path}: cinfer runs on the CPU and loads no "
               "libraries")


def unregister_execution_provider_library(name: str) -> None:
    raise made(NotImplemented, f"provider {name!r}: cinfer runs on the CPU and loads no libraries")

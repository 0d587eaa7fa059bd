"""SessionOptions and RunOptions: all that onnxruntime's have. What means nothing here is kept, and a debug
log says so (logging.getLogger("cinfer.onnxruntime"))."""
from __future__ import annotations

import logging
from operator import index

from .enums import ExecutionMode, ExecutionOrder, GraphOptimizationLevel
from .errors import NotImplemented, RuntimeError, TypeError, made
from .providers import check as check_providers

log = logging.getLogger("cinfer.onnxruntime")
LONGEST_KEY, LONGEST_VALUE = 1024, 8192


class Setting:
    """An attribute of one type.

    default : its value before it is set, which also tells its type
    means : what cinfer does with it; "" : nothing
    """
    __slots__ = ("default", "means", "name", "slot")

    def __init__(self, default, means: str = ""):
        self.default, self.means = default, means

    def __set_name__(self, owner, name):
        self.name = name

    def __get__(self, options, owner=None):
        return self if options is None else options._settings.get(self.name, self.default)

    def __set__(self, options, value):
        options._settings[self.name] = found = self.checked(value)
        if not self.means and found != self.default:
            log.debug("%s.%s = %s: accepted, it changes nothing in cinfer", type(options).__name__,
                      self.name, found)

    def checked(self, value):
        kind = type(self.default)
        if kind is bool:
            if value is None or isinstance(value, (bool, int)) or type(value).__name__ in ("bool_", "bool"):
                return bool(value)
        elif kind is int:
            try:
                return index(value)
            except Exception:
                pass
        elif isinstance(value, kind):
            return value
        raise TypeError(f"{self.name}: incompatible function arguments: got {value!r}, it is {kind.__name__}")


class Entries:
    """Options that have attributes of their own, and entries of text by text."""
    __slots__ = ("_settings", "_entries")

    def __init__(self):
        self._settings: dict[str, object] = {}
        self._entries: dict[str, str] = {}

    def _enter(self, key, value) -> None:
        if not isinstance(key, str) or not isinstance(value, str):
            raise TypeError("incompatible function arguments: an entry is a str by a str, "
                            f"got {key!r}, {value!r}")
        if not 0 < len(key) <= LONGEST_KEY:
            raise RuntimeError(f"Config key is empty or longer than maximum length {LONGEST_KEY}")
        if len(value) > LONGEST_VALUE:
            raise RuntimeError(f"Config value is longer than maximum length {LONGEST_VALUE}")
        self._entries[key] = value
        if key not in UNDERSTOOD:
            log.debug("%s %r = %r: accepted, it changes nothing in cinfer", type(self).__name__, key, value)

    def _entry(self, key: str) -> str:
        try:
            return self._entries[key]
        except KeyError:
            raise RuntimeError(f"{type(self).__name__} does not have configuration with key: {key}") from None


UNDERSTOOD = {"session.load_model_format"}


class SessionOptions(Entries):
    """How a model is loaded and run."""
    __slots__ = ("_free_sizes", "_denoted", "_initializers", "_external", "_providers")

    intra_op_num_threads = Setting(0, "threads")
    optimized_model_filepath = Setting("", "a copy of the file")
    enable_profiling = Setting(False, "times of runs")
    profile_file_prefix = Setting("onnxruntime_profile_", "of the file of enable_profiling")
    use_per_session_threads = Setting(True, "False: as many as set_global_thread_pool_sizes says")
    enable_cpu_mem_arena = Setting(True)
    enable_mem_pattern = Setting(True)
    enable_mem_reuse = Setting(True)
    execution_mode = Setting(ExecutionMode.ORT_SEQUENTIAL)
    execution_order = Setting(ExecutionOrder.DEFAULT)
    graph_optimization_level = Setting(GraphOptimizationLevel.ORT_ENABLE_ALL)
    inter_op_num_threads = Setting(0)
    log_severity_level = Setting(-1)
    log_verbosity_level = Setting(0)
    logid = Setting("")
    use_deterministic_compute = Setting(False)

    def __init__(self):
        super().__init__()
        self._free_sizes: dict[str, int] = {}
        self._denoted: dict[str, int] = {}
        self._initializers: dict[str, object] = {}
        self._external: dict[str, object] = {}
        self._providers: list[tuple[str, dict]] = []

    def add_session_config_entry(self, key: str, value: str) -> None:
        self._enter(key, value)

    def get_session_config_entry(self, key: str) -> str:
        return self._entry(key)

    def add_free_dimension_override_by_name(self, name: str, size: int) -> None:
        """Sizes of inputs that the file calls so are this number."""
        self._free_sizes[text(name)] = whole(size)

    def add_free_dimension_override_by_denotation(self, denotation: str, size: int) -> None:
        """Sizes of inputs that the file says to mean this (DATA_BATCH) are this number."""
        self._denoted[text(denotation)] = whole(size)

    def add_initializer(self, name: str, value) -> None:
        """The constant of this name has this value, an OrtValue, instead of the file's."""
        self._initializers[text(name)] = tensor_of(value)

    def add_external_initializers(self, names, values) -> None:
        """Constants that the file keeps in other files have these values."""
        names, values = list(names), list(values)
        if len(names) != len(values):
            raise RuntimeError(f"Expecting names and values arguments of equal length, got {len(names)} and "
                               f"{len(values)}")
        self._external.update(zip(map(text, names), map(tensor_of, values)))

    def add_external_initializers_from_files_in_memory(self, *_) -> None:
        raise made(NotImplemented, "cinfer reads external data from files beside the model only")

    def register_custom_ops_library(self, path) -> None:
        raise made(NotImplemented, f"Failed to load library {path}: cinfer has no operators of libraries; "
                   "it runs those of ai.onnx, ai.onnx.ml and com.microsoft")

    def add_provider(self, name: str, options: dict) -> None:
        """As `providers` of InferenceSession."""
        check_providers([text(name)], None, stacklevel=3)
        self._providers.append((text(name), dict(options)))

    def add_provider_for_devices(self, devices, options: dict) -> None:
        raise made(NotImplemented, "cinfer has no devices but the CPU: get_ep_devices() is empty")

    def has_providers(self) -> bool:
        return bool(self._providers)

    def set_provider_selection_policy(self, policy) -> None:
        log.debug("set_provider_selection_policy(%s): accepted, there is but the CPU", policy)

    def set_provider_selection_policy_delegate(self, delegate) -> None:
        log.debug("set_provider_selection_policy_delegate: accepted, there is but the CPU")

    def set_load_cancellation_flag(self, value: bool) -> None:
        log.debug("set_load_cancellation_flag(%s): accepted, loading is not interrupted", value)

    def set_ep_context_data_read_func(self, function) -> None:
        log.debug("set_ep_context_data_read_func: accepted, there is but the CPU")

    def clear_ep_context_data_read_func(self) -> None:
        pass

    def _copy(self) -> SessionOptions:
        """What a session keeps: later changes are not its own."""
        twin = SessionOptions()
        for slot in ("_settings", "_entries", "_free_sizes", "_denoted", "_initializers", "_external",
                     "_providers"):
            setattr(twin, slot, type(getattr(self, slot))(getattr(self, slot)))
        return twin

    __copy__ = _copy

    def __deepcopy__(self, memo) -> SessionOptions:
        return self._copy()


class RunOptions(Entries):
    """How one run, or several, are done; another thread may end them by `terminate = True`."""
    __slots__ = ("_stops",)

    log_severity_level = Setting(-1)
    log_verbosity_level = Setting(0)
    logid = Setting("")
    only_execute_path_to_fetches = Setting(False)

    def __init__(self):
        super().__init__()
        self._stops: set = set()                # of the runs under way

    @property
    def terminate(self) -> bool:
        return self._settings.get("terminate", False)

    @terminate.setter
    def terminate(self, value) -> None:
        self._settings["terminate"] = Setting.checked(TERMINATE, value)
        if value:
            for stop in list(self._stops):
                stop.end()

    def add_run_config_entry(self, key: str, value: str) -> None:
        self._enter(key, value)

    def get_run_config_entry(self, key: str) -> str:
        return self._entry(key)

    def add_active_adapter(self, adapter) -> None:
        raise made(NotImplemented, "cinfer has no adapters (LoRA)")


TERMINATE = Setting(False)
TERMINATE.name = "terminate"


def text(value) -> str:
    if not isinstance(value, str):
        raise TypeError(f"incompatible function arguments: got {value!r}, it is str")
    return value


def whole(value) -> int:
    try:
        return index(value)
    except Exception:
        raise TypeError(f"incompatible function arguments: got {value!r}, it is int") from None


def tensor_of(value):
    if not getattr(value, "is_tensor", bool)():
        raise TypeError(f"incompatible function arguments: got {type(value).__name__}, it is an OrtValue "
                        "that holds a tensor")
    return value

"""InferenceSession: the class that programs load models with, over a cinfer session."""
from __future__ import annotations

import os
import shutil
import threading
import time

import numpy as np

from ..errors import Error
from ..model.described import described
from ..model.source import NOT_HERE, Source
from ..run.pool import Stop
from ..threads import MOST
from . import providers as execution
from .binding import IOBinding
from .described import ModelMetadata
from .devices import OrtMemoryInfo
from .engine import Engine
from .errors import (Fail, InvalidArgument, InvalidGraph, InvalidProtobuf, NoSuchFile, NotImplemented,
                     RuntimeError, TypeError, ValueError, made, of_loading)
from .external import with_values
from .feeds import converted, of_running
from .options import RunOptions, SessionOptions, log, whole
from .profiling import Profile
from .values import OrtValue, OrtValueVector

ORT_FORMAT = "it is in onnxruntime's own format (.ort), which cinfer does not read; give the ONNX file"
shared_threads = 0                      # set_global_thread_pool_sizes


class Session:
    """What an InferenceSession does once it has a model."""

    def __init__(self, enable_fallback: bool = True):
        self._sess: Engine | None = None
        self._enable_fallback = enable_fallback

    # ---- what the model says of itself

    def get_session_options(self) -> SessionOptions:
        return self._sess_options

    _sess_options_initial, _read_config_from_model = property(get_session_options), False

    def get_inputs(self) -> list:
        return self._inputs_meta

    def get_outputs(self) -> list:
        if self._outputs_told is None:                  # here, not at load: operators may have to be asked
            self._outputs_told = self._sess.outputs_told()
        return self._outputs_told

    _outputs_meta = property(get_outputs)

    def get_overridable_initializers(self) -> list:
        return self._overridable_initializers

    def get_modelmeta(self) -> ModelMetadata:
        if self._model_meta is None:
            self._model_meta = ModelMetadata(described(self._sess._source.data))
        return self._model_meta

    def get_input_memory_infos(self) -> list[OrtMemoryInfo]:
        return [OrtMemoryInfo() for _ in self._inputs_meta]

    def get_output_memory_infos(self) -> list[OrtMemoryInfo]:
        return [OrtMemoryInfo() for _ in self._sess.outputs]

    _input_meminfos, _output_meminfos = property(get_input_memory_infos), property(get_output_memory_infos)

    def get_input_epdevices(self) -> list:
        return [None] * len(self._inputs_meta)

    def get_provider_graph_assignment_info(self) -> list:
        return []

    # ---- providers

    def get_providers(self) -> list[str]:
        return self._providers

    def get_provider_options(self) -> dict[str, dict]:
        return self._provider_options

    def set_providers(self, providers=None, provider_options=None) -> None:
        """There is the CPU's: others are warned of."""
        execution.check(providers, provider_options, stacklevel=3)

    def disable_fallback(self) -> None:
        self._enable_fallback = False

    def enable_fallback(self) -> None:
        self._enable_fallback = True

    def set_ep_dynamic_options(self, options: dict) -> None:
        log.debug("set_ep_dynamic_options(%s): accepted, it changes nothing in cinfer", options)

    def get_tuning_results(self) -> list:
        return []

    def set_tuning_results(self, results, *, error_on_invalid: bool = False) -> None:
        log.debug("set_tuning_results: accepted, it changes nothing in cinfer")

    # ---- running

    def run(self, output_names, input_feed, run_options: RunOptions | None = None) -> list:
        """The outputs of these names (None: of all) as arrays, lists of arrays, or None.

        input_feed : dict of input name -> array, or what onnxruntime makes one of: a list of numbers
        """
        failed = None
        if type(input_feed) is dict:
            for value in input_feed.values():
                if type(value) is not np.ndarray:
                    break
            else:
                names = output_names
                if names is not None:
                    names = self._known_names.get(tuple(names)) if type(names) is list else None
                is_known = names is not None or output_names is None
                if is_known and run_options is None and self._profile is None:
                    try:
                        return self._sess.run(names, input_feed)
                    except Error as error:              # said below, in onnxruntime's words
                        failed = error
        return self._run(output_names, input_feed, run_options, failed)

    def _run(self, output_names, given, options: RunOptions | None = None,
             failed: Error | None = None) -> list:
        """As run. failed : what the session said of the feeds as they were given"""
        if options is not None and not isinstance(options, RunOptions):
            raise TypeError("run(): incompatible function arguments: run_options is "
                            f"{type(options).__name__}")
        sess = self._sess
        feeds = converted(sess._input_types, given, sess.model.defaults)
        names = self._names(output_names)
        began = time.monotonic_ns()
        stop = None
        try:
            if failed is not None and all(feeds[name] is given[name] for name in feeds):
                raise failed
            if options is not None:
                stop = Stop()
                options._stops.add(stop)
                if options.terminate:                   # asked behind: whoever sets it later finds `stop`
                    raise made(Fail, "Exiting due to terminate flag being set to true.")
            return sess._run_until(stop, names, feeds)
        except Fail:
            raise
        except Error as error:
            raise of_running(error, {**sess.model.defaults, **sess._input_types}, feeds) from error
        finally:
            if stop is not None:
                options._stops.discard(stop)
            if self._profile is not None:
                self._profile.add("model_run", began)

    def _names(self, output_names) -> tuple[str, ...] | None:
        """The names of outputs as a session takes them."""
        if output_names is None:
            return None
        if isinstance(output_names, (str, bytes)) or not hasattr(output_names, "__iter__"):
            raise TypeError("run(): incompatible function arguments: output_names is "
                            f"{output_names!r}; pass a list of names, or None for all outputs")
        names = tuple(output_names)
        if not names:
            return None
        known = self._sess._output_names
        names = tuple([n.decode(errors="replace") if isinstance(n, bytes) else n for n in names])
        for name in names:
            if not isinstance(name, str):
                raise TypeError(f"run(): incompatible function arguments: the name of an output is {name!r}")
            if name not in known:
                raise made(InvalidArgument, f"Invalid output name:{name}; the outputs are "
                           f"{', '.join(map(repr, known))}")
        names = tuple(map(str, names))
        if len(self._known_names) < 100:
            self._known_names[names] = names
        return names

    def run_async(self, output_names, input_feed, callback, user_data,
                  run_options: RunOptions | None = None) -> None:
        """Run in a thread of its own, which calls `callback(results, user_data, error text or "")`."""
        feeds = converted(self._sess._input_types, input_feed, self._sess.model.defaults)
        self._names(output_names)

        def work():
            try:
                results, text = self._run(output_names, feeds, run_options), ""
            except Exception as error:
                results, text = [], str(error).split(" : ", 3)[-1]
            callback(results, user_data, text)
        threading.Thread(target=work, name="cinfer.run_async", daemon=True).start()

    def run_with_ort_values(self, output_names, input_dict_ort_values, run_options=None) -> list[OrtValue]:
        """As run, from and to OrtValues."""
        feeds = {name: value._get_c_value() for name, value in input_dict_ort_values.items()}
        return [OrtValue._of(value) for value in self._run(output_names, feeds, run_options)]

    def run_with_ortvaluevector(self, run_options, feed_names, feeds, fetch_names, fetches,
                                fetch_devices) -> None:
        found = self.run_with_ort_values(fetch_names, dict(zip(feed_names, feeds)), run_options)
        fetches[:] = OrtValueVector(found)

    def io_binding(self) -> IOBinding:
        return IOBinding(self)

    def run_with_iobinding(self, iobinding: IOBinding, run_options: RunOptions | None = None) -> None:
        """Run from and to what is bound."""
        if iobinding._session is not self._sess:
            raise ValueError("IOBinding must be used with the session that created it.")
        try:
            iobinding._run(self, run_options)
        except RuntimeError:
            raise
        except Error as error:
            raise RuntimeError(f"Error in execution: {str(error).split(' : ', 3)[-1]}") from error

    def create_ortvalue_from_shape_and_type(self, shape, element_type, device_type: str, device_id: int = 0,
                                            vendor_id: int = -1) -> OrtValue:
        return OrtValue.ortvalue_from_shape_and_type(shape, element_type, device_type, device_id, vendor_id)

    def release_captured_graph(self, graph_annotation_id: int = 0) -> None:
        pass

    # ---- profiling

    def end_profiling(self) -> str:
        """The file with the times of loading and of all runs since; "" without enable_profiling."""
        profile, self._profile = self._profile, None
        return "" if profile is None else profile.write()

    def get_profiling_start_time_ns(self) -> int:
        return self._profiling_start_time_ns


class InferenceSession(Session):
    """A loaded model.

        session = InferenceSession("model.onnx", providers=["CPUExecutionProvider"])
        scores, = session.run(None, {"input": x})

    path_or_bytes : str, Path or bytes
    sess_options : SessionOptions
    providers : names, or (name, options) pairs
    """

    def __init__(self, path_or_bytes, sess_options: SessionOptions | None = None, providers=None,
                 provider_options=None, **kwargs) -> None:
        super().__init__(enable_fallback=int(kwargs.get("enable_fallback", 1)) == 1)
        self._model_path = self._model_bytes = None
        if isinstance(path_or_bytes, (str, os.PathLike)):
            self._model_path = os.fspath(path_or_bytes)
        elif isinstance(path_or_bytes, bytes):
            self._model_bytes = path_or_bytes
        else:
            raise TypeError(f"Unable to load from type '{type(path_or_bytes)}'")
        if sess_options and not isinstance(sess_options, SessionOptions):
            raise TypeError("incompatible constructor arguments: sess_options is "
                            f"{type(sess_options).__name__}; pass a SessionOptions")
        self._fallback_providers = [execution.CPU]
        try:
            execution.check(providers, provider_options, stacklevel=3)
        except (RuntimeError, ValueError) as error:
            if not self._enable_fallback:
                raise
            print(f"*************** EP Error ***************\nEP Error {error} when using {providers}\n"
                  f"Falling back to {self._fallback_providers} and retrying.\n{'*' * 40}")
            self.disable_fallback()
        self._load(sess_options._copy() if sess_options else SessionOptions())

    def _load(self, options: SessionOptions, identity: tuple | None = None) -> None:
        """identity : of the Source of the session that was pickled; None: this one is loaded by the program"""
        profile = Profile(options.profile_file_prefix) if options.enable_profiling else None
        began = time.monotonic_ns()
        engine = loaded(self._model_path, self._model_bytes, options, identity)
        if profile is not None:
            profile.add("session_initialization", began)
        self._sess, self._sess_options, self._profile = engine, options, profile
        self._inputs_meta, self._overridable_initializers = engine.inputs_told(), engine.defaults_told()
        self._known_names: dict[tuple, tuple] = {}
        self._outputs_told = self._model_meta = None
        self._providers, self._provider_options = [execution.CPU], {execution.CPU: {}}
        self._profiling_start_time_ns = 0 if profile is None else profile.start_ns
        if options.optimized_model_filepath:
            keep_copy(engine._source, options.optimized_model_filepath)

    def __getstate__(self) -> dict:
        """A session can be pickled: by its path and what its files are told by, or with its bytes."""
        source = self._sess._source
        try:
            identity = source.identity()
        except Error as error:                          # the file has been written over since
            raise of_loading(error, self._model_path, is_read=True) from error
        return {name: value for name, value in self.__dict__.items() if name not in NOT_PICKLED} | {
            "_model_path": None if self._model_path is None else source.origin, "_identity": identity}

    def __setstate__(self, state: dict) -> None:
        identity = state.pop("_identity")
        self.__dict__.update(state)
        self._load(self._sess_options, identity)


NOT_PICKLED = {"_sess", "_profile", "_inputs_meta", "_outputs_told", "_overridable_initializers",
               "_model_meta", "_known_names"}


def loaded(path: str | None, content: bytes | None, options: SessionOptions, identity: tuple | None = None) -> Engine:
    """The session of a file or of bytes, or what onnxruntime raises. identity : as of `_load`"""
    asked = options._entries.get("session.load_model_format", "").upper()
    if path is not None:
        if not path:
            raise TypeError("incompatible constructor arguments: the path of the model is empty")
        if not os.path.lexists(path):
            raise made(NoSuchFile, f"Load model from {path} failed:Load model {path} failed. File doesn't exist"
                       + ("" if identity is None else f": {NOT_HERE}"))
        if os.path.isdir(path):
            raise made(InvalidProtobuf,
                       f"Load model from {path} failed:Protobuf parsing failed. It is a folder")
    if asked == "ORT" or (path is not None and path.endswith(".ort") and asked != "ONNX"):
        raise made(NotImplemented, f"Load model from {path} failed:{ORT_FORMAT}")
    engine = object.__new__(Engine)
    try:
        source = Source(content if path is None else path, identity or ())
        if bytes(source.data[4:8]) == b"ORTM":
            raise made(NotImplemented, f"Load model from {path} failed:{ORT_FORMAT}")
        if options._external:
            source.data = with_values(source.data, {n: v._typed() for n, v in options._external.items()})
        engine.__init__(source, options, threads_of(options))
    except (NotImplemented, InvalidArgument, InvalidGraph):
        raise
    except Error as error:
        is_read = identity is not None or getattr(engine, "is_read", False)     # what was pickled had been read
        raise of_loading(error, path, is_read) from error
    return engine


def threads_of(options: SessionOptions) -> int | None:
    number = options.intra_op_num_threads if options.use_per_session_threads else shared_threads
    return min(number, MOST) if number > 0 else None


def set_global_thread_pool_sizes(intra_op_num_threads: int = 0, inter_op_num_threads: int = 0) -> None:
    """Threads of the sessions whose options say use_per_session_threads = False."""
    global shared_threads
    shared_threads = whole(intra_op_num_threads)


def keep_copy(source: Source, path: str) -> None:
    """The model and the files of its external data, at another place, from which it can be loaded."""
    if source.path is not None and os.path.exists(path) and os.path.samefile(source.path, path):
        return
    beside = f"{path}.{os.getpid()}.part"
    try:
        with open(beside, "wb") as file:
            file.write(source.data)
        os.replace(beside, path)
        if source.path is None:
            return
        here, there = os.path.dirname(os.path.abspath(source.path)), os.path.dirname(os.path.abspath(path))
        for location in source.beside.locations() if here != there else ():
            target = os.path.join(there, location)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            shutil.copyfile(os.path.join(here, location), target)
    except OSError as error:
        raise made(InvalidArgument, f"SystemError : {error.errno}: the optimized model cannot be written "
                   f"to {path}: {error.strerror}") from None

"""A loaded model, ready to run: checks feeds, finds or makes the plan for their shapes, and runs it."""
from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from math import prod

import numpy as np

from . import _ops, passes
from .errors import InputError, UnsupportedError
from .metadata import labels_of
from .model import read
from .model.graph import Graph, Model, TensorType, subgraphs
from .model.source import Source
from .ops import registry
from .ops.registry import TensorSpec
from .plan.plan import Plan, make_plan
from .threads import checked, default_threads

MOST_PLANS = 16                 # plans a session keeps, the least recently used one goes first


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output. shape : sizes, names of free sizes, or None; dtype : numpy dtype or None."""
    name: str
    dtype: np.dtype | None
    shape: tuple[int | str | None, ...] | None


def load(source, *, threads: int | None = None, isa: str | None = None) -> Session:
    """Load an ONNX model.

    Parameters
    ----------
    source : path, bytes, or binary file object
    threads : threads of a run, 1 to 256; what this process may really use by default
    isa : level of the kernels ('baseline', 'avx2', 'avx512', ...); the best one this CPU has by default

    Raises
    ------
    cinfer.Error : the file is missing or no model, uses what cinfer does not run, or an argument is wrong
    """
    return Session(source, threads=threads, isa=isa)


class Session:
    """A loaded model. Any number of Python threads may run it at once.

        session = cinfer.load("model.onnx")
        scores, = session.run(None, {"input": x})
    """

    def __init__(self, source, *, threads: int | None = None, isa: str | None = None,
                 _fed: tuple[str, ...] = ()):
        self.threads = checked(threads)
        self._asked_isa = isa
        self._table = _ops.table(isa)
        self._source = source if isinstance(source, Source) else Source(source)
        self._fed = _fed
        self._feeding: dict[tuple[str, ...], Session] = {}
        self.model: Model = self._read()
        self._graph = self.model.graph
        self._where = os.path.basename(self.model.path or "") or "model"
        self._input_types = dict(self._graph.inputs)
        self._output_names = tuple(self._graph.outputs)
        self._raw: Graph | None = None
        self._packed: dict = {}
        self._plans: dict = {}
        self._making = threading.Lock()
        self._refuse_unknown_operators()
        passes.run(self._graph)
        self.inputs = [Port(n, t.dtype, t.shape) for n, t in self._input_types.items()]
        self.outputs = [Port(n, t.dtype, t.shape) for n, t in self._graph.outputs.items()]
        if all(is_fixed(t) for t in self._input_types.values()):
            self._plan({n: TensorSpec(t.dtype, t.shape) for n, t in self._input_types.items()},
                       self._output_names)

    # ---- what the model says of itself

    @property
    def isa(self) -> str:
        """The ISA level of the kernels in use."""
        return self._table.level

    @property
    def metadata(self) -> dict[str, str]:
        return self.model.metadata

    @property
    def labels(self) -> list[str] | None:
        """Class names from the keys `cinfer.labels` or `names` (Ultralytics), index = class; None without."""
        return labels_of(self.model.metadata)

    # ---- running

    def run(self, output_names, feeds: dict) -> list[np.ndarray]:
        """Run the model once.

        Parameters
        ----------
        output_names : names of outputs, or of any values inside the graph; None for all outputs
        feeds : dict of input name -> array of the input's dtype and shape; inputs to which the file gives a
            default may be among them

        Returns
        -------
        list of arrays, in the order of output_names

        Raises
        ------
        InputError : a name, dtype or shape does not fit; nothing is cast
        """
        defaults = self.model.defaults
        if defaults and isinstance(feeds, dict) and not defaults.keys().isdisjoint(feeds):
            return self._that_takes(tuple(n for n in defaults if n in feeds)).run(output_names, feeds)
        arrays = self._checked(feeds)
        outputs = self._output_names if output_names is None else self._wanted(output_names)
        if len(set(outputs)) < len(outputs):
            once = tuple(dict.fromkeys(outputs))
            found = dict(zip(once, self.run(once, feeds)))
            return [found[name].copy() if name in outputs[i + 1:] else found[name]
                    for i, name in enumerate(outputs)]
        key = outputs, tuple([a.shape for a in arrays])
        self._source.check()                                    # else weights are read that are others now
        plan = self._plans.get(key)
        if plan is None:
            plan = self._plan({n: TensorSpec(a.dtype, a.shape) for n, a in zip(self._input_types, arrays)},
                              outputs)
        elif len(self._plans) > 1:
            self._plans[key] = self._plans.pop(key, plan)       # the last one used goes last
        result = plan.run(arrays)
        self._source.check()
        return result

    def __call__(self, x) -> np.ndarray | list[np.ndarray]:
        """Run a model of one input; its output, or the list of them where it has several."""
        if len(self._input_types) != 1:
            raise InputError(f"the model has {len(self._input_types)} inputs "
                             f"({', '.join(self._input_types)}); call run(None, {{name: array, ...}})")
        result = self.run(None, {next(iter(self._input_types)): x})
        return result[0] if len(result) == 1 else result

    def memory(self, shapes: dict | None = None) -> int:
        """Bytes that a run needs beside weights, inputs and outputs. shapes : sizes by input name"""
        return self._plan_for(shapes).arena_bytes

    def profile(self, feeds: dict | None = None, runs: int = 10):
        """Time per step: a `cinfer.profile.Profile`. feeds : as for run; zeros by default, free sizes 1."""
        from .profile import profile
        return profile(self, feeds, runs)

    def summary(self, shapes: dict | None = None) -> dict | None:
        """{'macs', 'planned_bytes', 'kernels': {name: steps}} for these shapes; None while sizes are free."""
        if shapes is None and not all(is_fixed(t) for t in self._input_types.values()):
            return None
        plan = self._plan_for(shapes)
        kernels: dict[str, int] = {}
        for step in plan.steps:
            kernels[step.label] = kernels.get(step.label, 0) + 1
        return {"macs": sum(s.flops for s in plan.steps) // 2, "planned_bytes": plan.arena_bytes,
                "kernels": kernels}

    # ---- inside

    def _read(self) -> Model:
        """The file's model; of the inputs that have a default, those in `_fed` are inputs, else constants."""
        model = read(self._source)
        for name in self._fed:
            model.graph.inputs[name] = model.defaults.pop(name)
            del model.graph.constants[name]
        return model

    def _that_takes(self, names: tuple[str, ...]) -> Session:
        """The session that is fed these inputs too, instead of using their defaults."""
        session = self._feeding.get(names)
        if session is None:
            session = Session(self._source, threads=self.threads, isa=self._asked_isa, _fed=names)
            self._feeding.clear()                               # one is kept: it holds weights of its own
            self._feeding[names] = session
        return session

    def _checked(self, feeds) -> list[np.ndarray]:
        """The feeds as C-contiguous arrays in the order of the inputs."""
        types = self._input_types
        if not isinstance(feeds, dict):
            raise InputError(f"feeds is a {type(feeds).__name__}; pass a dict such as "
                             f"{{{next(iter(types), 'name')!r}: array}}")
        arrays = []
        for name, declared in types.items():
            try:
                value = feeds[name]
            except KeyError:
                raise InputError(f"no feed for input {name!r}; the model takes "
                                 f"{', '.join(map(repr, types))}") from None
            if type(value) is not np.ndarray:
                if not isinstance(value, (np.ndarray, np.generic)):
                    raise InputError(f"input {name!r}: got a {type(value).__name__}, the model takes a numpy "
                                     f"array of {describe(declared)}")
                value = np.asarray(value)
            if value.dtype != declared.dtype:
                if declared.dtype is None:
                    raise UnsupportedError(f"input {name!r} is no tensor; cinfer runs models whose inputs "
                                           "are tensors")
                raise InputError(f"input {name!r}: got {value.dtype}, the model takes {declared.dtype}; "
                                 f"pass {name}.astype({in_python(declared.dtype)})")
            if declared.shape is not None and value.shape != declared.shape:
                check_shape(name, value.shape, declared)
            if not value.flags.c_contiguous:
                value = np.ascontiguousarray(value)
            arrays.append(value)
        if len(feeds) != len(types):
            unknown = next(n for n in feeds if n not in types)
            raise InputError(f"no input {unknown!r}; the model has {', '.join(map(repr, types))}")
        return arrays

    def _wanted(self, names) -> tuple[str, ...]:
        if isinstance(names, str):
            raise InputError(f"output_names is the string {names!r}; pass a list: [{names!r}]")
        return tuple(names)

    def _graph_with(self, outputs: tuple[str, ...]) -> Graph:
        """A graph with these outputs: the rewritten one, or the file's own where that has lost a value."""
        known = {*self._graph.inputs, *self._graph.constants}.union(*(n.outputs for n in self._graph.nodes))
        if known.issuperset(outputs):
            return self._graph
        if self._raw is None:
            self._raw = self._read().graph
        raw = self._raw
        known = {*raw.inputs, *raw.constants}.union(*(n.outputs for n in raw.nodes))
        for name in outputs:
            if name not in known:
                raise InputError(f"no output or inner value {name!r}; the outputs are "
                                 f"{', '.join(map(repr, self._output_names))}")
        return raw

    def _plan(self, specs: dict[str, TensorSpec], outputs: tuple[str, ...]) -> Plan:
        key = outputs, tuple([s.shape for s in specs.values()])
        with self._making:
            plan = self._plans.get(key)
            if plan is None:
                self._source.check()
                plan = make_plan(self._table, self._graph_with(outputs), specs, outputs, self.threads,
                                 self._packed)
                while len(self._plans) >= MOST_PLANS:
                    self._plans.pop(list(self._plans)[0], None)
                self._plans[key] = plan
        return plan

    def _plan_for(self, shapes: dict | None) -> Plan:
        specs = {}
        for name, declared in self._input_types.items():
            shape = tuple(shapes[name]) if shapes and name in shapes else tuple(
                d if isinstance(d, int) else 1 for d in declared.shape or ())
            check_shape(name, shape, declared)
            specs[name] = TensorSpec(declared.dtype, shape)
        return self._plan(specs, self._output_names)

    def _refuse_unknown_operators(self) -> None:
        """All nodes that cannot run, in one error."""
        unknown, total = [], 0
        graphs = [self._graph]
        while graphs:
            graph = graphs.pop()
            for node in graph.nodes:
                total += 1
                graphs.extend(subgraphs(node))
                if registry.find(node) is None:
                    unknown.append(str(node))
        if unknown:
            shown = "; ".join(unknown[:8]) + (f"; and {len(unknown) - 8} more" if len(unknown) > 8 else "")
            raise UnsupportedError(f"{self._where}: cannot run {len(unknown)} of {total} nodes: {shown}")

    def __reduce__(self):
        return _restore, (self._source.origin, self.threads, self._asked_isa)


def _restore(source, threads, isa):
    return Session(source, threads=threads, isa=isa)


def is_fixed(declared: TensorType) -> bool:
    sizes = declared.shape
    known = declared.dtype is not None and sizes is not None
    return known and all(isinstance(d, int) and d >= 0 for d in sizes)


def in_python(dtype: np.dtype) -> str:
    """How a dtype is spelt there: np.float32, object (strings), ml_dtypes.bfloat16."""
    return "object" if dtype.hasobject else f"{'np' if dtype.isbuiltin == 1 else 'ml_dtypes'}.{dtype}"


def describe(declared: TensorType) -> str:
    if declared.shape is None:
        return str(declared.dtype)
    return f"{declared.dtype}, shape ({', '.join('any' if d is None else repr(d) for d in declared.shape)})"


def check_shape(name: str, shape: tuple, declared: TensorType) -> None:
    """InputError unless a shape fits the declared one."""
    if declared.shape is None:
        return
    if len(shape) != len(declared.shape):
        hint = ""
        if len(declared.shape) == 4 and len(shape) == 3 and prod(shape) and shape[-1] in (1, 3, 4):
            hint = ", which looks like one picture of HWC pixels; transpose it and add the batch axis"
        elif len(declared.shape) == len(shape) + 1:
            hint = "; is the batch axis missing? pass x[np.newaxis]"
        raise InputError(f"input {name!r}: got shape {shape}{hint}; the model takes {describe(declared)}")
    for axis, (have, want) in enumerate(zip(shape, declared.shape)):
        if isinstance(want, int) and want >= 0 and have != want:
            raise InputError(f"input {name!r}: axis {axis} is {have}, the model takes {want} "
                             f"({describe(declared)})")


def system_info() -> dict:
    """What `cinfer info` shows without a model: version, ISA levels, threads and why."""
    from .version import __version__
    openmp = _ops.executor().have_openmp()
    threads, why = default_threads() if openmp else (1, "built without OpenMP")
    return {"version": __version__, "isa_built": _ops.built_levels(), "isa_usable": _ops.usable_levels(),
            "isa": _ops.table().level, "threads": threads, "threads_why": why, "openmp": openmp}

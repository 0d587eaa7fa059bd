"""A loaded model, ready to run: checks feeds, finds or makes the routine for their shapes, and runs it."""
from __future__ import annotations

import os
import time
import weakref
from copy import copy
from dataclasses import dataclass

import numpy as np

from . import _ops, passes
from .errors import Cancelled, Error, InputError, LimitError, ModelError, shown, whole
from .feeds import checked, is_fixed, is_of_any_size, listed, supposed
from .graphs.scopes import separate
from .metadata import labels_of
from .model import read
from .model.graph import Graph, Model, TensorType, all_graphs
from .model.source import NOT_HERE, Source
from .ops import registry
from .ops.facts import Fact
from .plan.plan import make_plan
from .plan.store import Store
from .run.course import Course
from .run.control import check_limit, deadline_ns
from .run.kept import Kept
from .run.pool import Pool, Stop
from .run.routine import Routine
from .table import dims, shortened, table
from .threads import checked as checked_threads, default_threads

PRECISIONS = FP32, BF16 = "fp32", "bf16"


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output. shape : sizes, names of free sizes, or None; dtype : numpy dtype or None."""
    name: str
    dtype: np.dtype | None
    shape: tuple[int | str | None, ...] | None


def load(source, *, threads: int | None = None, isa: str | None = None,
         max_memory: int | None = None, precision: str = FP32) -> Session:
    """Load an ONNX model.

    Parameters
    ----------
    source : path, bytes, or binary file object
    threads : threads of a run, 1 to 256; what this process may really use by default
    isa : level of the kernels ('baseline', 'avx2', 'avx512', ...); the best one this CPU has by default
    max_memory : bytes that a run may take: its workspace and its outputs, known before it begins. Not counted
        are weights, which all runs share, the caller's inputs, and what a step in NumPy takes for itself. Where
        sizes depend on data, what is known ahead counts ahead, and each later part when it is planned
    precision : 'fp32', or 'bf16': numbers are rounded to bfloat16 where the products of convolutions and matrices
        with constant weights are made, sums and all else are of float32. Faster and less exact; on a CPU without
        fast products of bfloat16 all is computed in fp32, and `session.precision` says so

    Raises
    ------
    cinfer.Error : the file is missing or no model, uses what cinfer does not run, or an argument is wrong
    LimitError : runs of these sizes, if they are fixed, would take more than max_memory
    """
    return Session(source, threads=threads, isa=isa, max_memory=max_memory, precision=precision)


def bf16_rate(table) -> int:
    """How many products of bfloat16 this level makes in the time of one of float32; 0: not worth it."""
    return table.bf16_rate


class Session:
    """A loaded model. Any number of Python threads may run it at once.

        session = cinfer.load("model.onnx")
        scores, = session.run(None, {"input": x})

    Attributes
    ----------
    inputs, outputs : lists of Port: name, dtype, and shape as the file declares it
    threads : of a run; isa : the level of the kernels; precision : 'fp32' or 'bf16', what is in use;
        precision_note : the same in words, and why it is not what was asked for
    metadata : what the file says of itself, key -> text; labels : class names, or None
    model : the graph as it runs; model.graph.nodes have the names of inner values

    Runs share one pool of workspaces, as large as the largest of their plans needs and as many as ran at once
    of late. `with cinfer.load("model.onnx") as session:` closes the session at the end.
    """

    _fed: tuple[str, ...] = ()                  # inputs with a default that are fed

    def __init__(self, source, *, threads: int | None = None, isa: str | None = None,
                 max_memory: int | None = None, precision: str = FP32):
        self.threads = checked_threads(threads)
        if isa is not None and not isinstance(isa, str):
            raise InputError(
                f"isa={shown(isa)}: the level is one of {', '.join(map(repr, _ops.usable_levels()))}")
        if max_memory is not None and ((number := whole(max_memory)) is None or number < 1):
            raise InputError(
                f"max_memory={shown(max_memory)}: the limit is an int of at least 1, in bytes, or None")
        if not isinstance(precision, str) or precision not in PRECISIONS:
            raise InputError(f"precision={shown(precision)}: it is one of {', '.join(map(repr, PRECISIONS))}")
        self._asked_threads = None if threads is None else self.threads
        self._asked_isa, self._max_memory = isa, None if max_memory is None else number
        self._asked_precision = precision
        self._table = _ops.table(isa)
        self._source = source if isinstance(source, Source) else Source(source)
        self._feeding: dict[tuple[str, ...], Session] = {}     # the one of late that is fed other inputs too
        self._fed_refs: list[weakref.ref] = []                  # to all that are still at work
        self.model: Model = self._read()
        self._graph = self.model.graph
        self._where = os.path.basename(self.model.path or "") or "model"
        self._input_types = dict(self._graph.inputs)
        self._has_tensors_only = all(type(t) is TensorType for t in self._input_types.values())
        self._output_names = tuple(self._graph.outputs)
        self._raw: Graph | None = None
        self._as_run: set[str] | None = None                    # the values of the rewritten graph
        self._draws = False                                     # random numbers, others in each run
        self._packed = Store(self._table, self.threads, any(map(is_of_any_size, self._input_types.values())),
                             bf16_rate(self._table) if precision == BF16 else 0)
        self._pool = Pool()
        self._plans = Kept(self._pool, self._forget)
        SESSIONS.add(self)
        self._refuse_unknown_operators()
        passes.run(self._graph)
        self.inputs = [Port(n, t.dtype, t.shape) for n, t in self._input_types.items()]
        self.outputs = [Port(n, t.dtype, t.shape) for n, t in self._graph.outputs.items()]
        if all(is_fixed(t) for t in self._input_types.values()):
            self._plan_for(None, pin=True)

    # ---- what the model says of itself

    @property
    def isa(self) -> str:
        """The ISA level of the kernels in use."""
        return self._table.level

    @property
    def precision(self) -> str:
        """'fp32' or 'bf16': that in which products are made."""
        return BF16 if self._packed.bf16_rate else FP32

    @property
    def precision_note(self) -> str | None:
        """What is to be said of the precision: what is in use, and why it is not what was asked for; None where nothing
        was asked for."""
        if self._asked_precision == FP32:
            return None
        if self.precision == BF16:
            return "bf16: products of bfloat16, sums and all else in float32"
        return f"fp32, not bf16: this CPU has no fast products of bfloat16 (level {self.isa})"

    @property
    def metadata(self) -> dict[str, str]:
        """What the file says of itself, key -> text."""
        return self.model.metadata

    def __repr__(self):
        threads = f"{self.threads} thread{'s' * (self.threads != 1)}"
        return f"<Session {self._where!r}: {'closed' if self._pool.closed else f'{threads}, {self.isa}'}>"

    def __str__(self):
        """What it is, in a few lines: file, inputs, outputs, labels, how it runs."""
        state = "closed" if self._pool.closed else f"{self.isa}, {self.threads} thread{'s' * (self.threads != 1)}"
        rows = [["model", self._where, state]]
        for kind, ports in (("input", self.inputs), ("output", self.outputs)):
            rows += [[kind, port.name, f"{port.dtype or 'no tensor'} {dims(port.shape)}"] for port in ports]
        if self.precision_note:
            rows.append(["precision", "", self.precision_note])
        labels = self.labels
        if labels:
            rows.append(["labels", str(len(labels)), shortened(", ".join(labels))])
        return "\n".join(table(rows))

    @property
    def labels(self) -> list[str] | None:
        """Class names from the keys `cinfer.labels` or `names` (Ultralytics), index = class; None without."""
        return labels_of(self.model.metadata)

    # ---- running

    def run(self, output_names, feeds: dict, *, timeout: float | None = None) -> list[np.ndarray]:
        """Run the model once.

        Parameters
        ----------
        output_names : names of outputs, or of any values inside the graph; None for all outputs. An inner value that
            the network as it runs does not have is computed a second time, as the file spells it: of what is quantised,
            in floats
        feeds : dict of input name -> array of the input's dtype and shape; inputs to which the file gives a
            default may be among them
        timeout : seconds that the run may take. Making the plan for new sizes counts, but is not interrupted,
            nor is a single step in NumPy

        Returns
        -------
        list of arrays, in the order of output_names

        Raises
        ------
        InputError : a name, dtype or shape does not fit, or the network cannot take such sizes; nothing is
            cast
        LimitError : the run would take more than max_memory, or than there is
        Cancelled : by `cancel`, or after `timeout`; the session can be used as before
        KeyboardInterrupt : within milliseconds of Ctrl-C, in the main thread, and likewise whatever another
            handler of a signal raises
        """
        return self._run_until(None, output_names, feeds, timeout)

    def _run_until(self, stop: Stop | None, output_names, feeds: dict, timeout: float | None = None) -> list:
        """As run; stop : ends this run alone."""
        self._pool.refuse_closed()
        pool = self._pool if stop is None else stop.on(self._pool)
        cancels = pool.cancels
        deadline = 0 if timeout is None else deadline_ns(timeout)
        defaults = self.model.defaults
        if defaults and isinstance(feeds, dict) and not defaults.keys().isdisjoint(feeds):
            fed = self._that_takes(tuple(n for n in defaults if n in feeds))
            return fed._run_until(stop, output_names, feeds, timeout)
        arrays = checked(self._input_types, feeds)
        outputs = self._output_names if output_names is None else self._wanted(output_names)
        if len(set(outputs)) < len(outputs):
            once = tuple(dict.fromkeys(outputs))
            found = dict(zip(once, self._run_until(stop, once, feeds, timeout)))
            return [copied(found[name]) if name in outputs[i + 1:] else found[name]
                    for i, name in enumerate(outputs)]
        if output_names is not None and (lost := self._lost(outputs)):
            return self._run_apart(stop, outputs, lost, feeds, timeout)
        check = self._source.check
        check()                                                 # else weights are read that are others now
        plan = key = None
        if self._has_tensors_only:
            key = outputs, tuple([a.shape for a in arrays])
            plan = self._plans.get(key)
            if plan is None:
                plan = self._plan({n: Fact(a.dtype, a.shape) for n, a in zip(self._input_types, arrays)}, outputs)
        try:
            if plan is not None and plan.rest is None:
                result = plan.run(arrays, pool, cancels=cancels, deadline_ns=deadline, timeout=timeout)
            else:
                course = Course(self._plans.get, self._routine, pool, cancels, deadline, timeout, self._max_memory,
                                first=key)
                values = dict(zip(self._input_types, arrays))
                with UnderWay(self):
                    result = self._through(course, plan, values, outputs)
        except Error as error:
            raise self._located(error) from None
        check()
        return result

    def _lost(self, outputs: tuple[str, ...]) -> frozenset[str]:
        """Of the values that are asked for, those that only the file's own graph has; none where it has all."""
        if self._as_run is None:
            self._as_run = self._graph.values()
            self._draws = any(registry.traits(n).random for each in all_graphs(self._graph) for n in each.nodes)
        lost = frozenset(outputs).difference(self._as_run)
        return frozenset() if len(lost) == len(outputs) or self._draws else lost

    def _run_apart(self, stop: Stop | None, outputs, lost: frozenset[str], feeds: dict, timeout) -> list:
        """What the network has by one run, so that it is what it always is, the rest by another one."""
        start, found = time.monotonic(), {}
        for part in ([n for n in outputs if n not in lost], [n for n in outputs if n in lost]):
            left = None if timeout is None else max(timeout - (time.monotonic() - start), 1e-9)
            found.update(zip(part, self._run_until(stop, part, feeds, left)))
        return [found[name] for name in outputs]

    def _through(self, course: Course, plan: Routine | None, values: dict, outputs: tuple[str, ...]) -> list:
        """The outputs of a course. plan : its first part; None where some inputs are sequences or optionals"""
        if plan is None:
            return course.start("", self._graph_with(outputs), outputs, values)
        result = course.run(plan, values)
        return result if plan.rest is None else course.finish(plan, values, result, outputs)

    def _watched(self, feeds: dict, watch) -> None:
        """Run once; watch : as of a Course, for the first part too."""
        with UnderWay(self):
            values = dict(zip(self._input_types, checked(self._input_types, feeds)))
            course = Course(self._plans.get, self._routine, self._pool, self._pool.cancels, watch=watch)
            self._source.check()
            plan = None
            if self._has_tensors_only:
                plan = self._plan({n: Fact(a.dtype, a.shape) for n, a in values.items()}, self._output_names)
            self._through(course, plan, values, self._output_names)

    def __call__(self, x, *, timeout: float | None = None) -> np.ndarray | list[np.ndarray]:
        """Run a model of one input; its output, or the list of them where it has several."""
        if len(self._input_types) != 1:
            raise InputError(f"the model has {len(self._input_types)} inputs "
                             f"({', '.join(self._input_types)}); call run(None, {{name: array, ...}})")
        result = self.run(None, {next(iter(self._input_types)): x}, timeout=timeout)
        return result[0] if len(result) == 1 else result

    def cancel(self) -> None:
        """End the runs under way, from any thread; each raises `Cancelled`, within milliseconds unless a step
        in NumPy lasts longer."""
        self._pool.cancel()
        for session in self._fed_sessions():
            session.cancel()

    # ---- memory

    def warmup(self, shapes) -> None:
        """Make the plans for these sizes now, weights packed, so that first runs are as quick as later ones.

        shapes : dict of input name -> sizes, or a list of such. The plans stay until the session is closed.
        """
        self._pool.refuse_closed()
        for each in [shapes] if isinstance(shapes, dict) or shapes is None else listed(shapes):
            self._plan_for(each, pin=True)

    def trim(self) -> None:
        """Give back the memory that no run is using: workspaces, and plans but for those of `warmup` and of a
        model of fixed sizes. Later runs take anew what they need."""
        self._plans.trim()
        self._feeding.clear()
        self._pool.trim()

    def close(self) -> None:
        """Give back everything; runs under way come to their end, later ones raise `cinfer.Error`. The
        process keeps the threads of OpenMP's pool, asleep, for the sessions to come."""
        if self._pool.begin_closing():
            self._close()

    def _close(self) -> None:
        self._pool.close()
        self._plans.close()
        for session in self._fed_sessions():
            session.close()
        self._feeding.clear()

    def _forget(self) -> None:
        """What goes with the routines that were dropped: what plans for other sizes would take from them, packed
        weights if it was all of them, and the model when the session is closed."""
        self._raw = None
        self._packed.forget_sizes()
        for graph in all_graphs(self._graph):
            if graph.prepared is not None:
                graph.prepared.shared.forget()
        if not self._plans.routines:
            self._packed.clear()
        if self._pool.closed:
            self._graph = self.model.graph = Graph()
            self.model.defaults.clear()
            self._source.close()

    def __enter__(self) -> Session:
        self._pool.refuse_closed()
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def memory(self, shapes: dict | None = None) -> int:
        """Bytes that a run needs beside weights, inputs and outputs, scratch of each thread included. Outputs, which
        max_memory counts too, come on top; where sizes depend on data, so does what is planned during the run.

        shapes : sizes by input name; free sizes of inputs that are not named count as 1
        Raises InputError for sizes that do not fit, LimitError for runs that would take more than max_memory.
        """
        return self._plan_for(shapes).workspace_bytes

    def profile(self, feeds: dict | None = None, runs: int = 10):
        """Time per step: a `cinfer.profile.Profile`.

        feeds : as for run; zeros by default, and free sizes count as 1 then, so of a model that has some it says little
        """
        number = whole(runs)
        if number is None or number < 1:
            raise InputError(f"runs={shown(runs)}: how many runs to time is an int of at least 1")
        from .profile import profile
        return profile(self, feeds, number)

    def summary(self, shapes: dict | None = None) -> dict | None:
        """{'macs', 'planned_bytes', 'kernels': {name: steps}, 'in_numpy': {operator: names of nodes without a kernel},
        'later': nodes that are planned during the run, for what it finds} for these shapes, as of `memory`; None where
        no shapes are given and sizes are free."""
        self._pool.refuse_closed()
        if shapes is None and not all(is_fixed(t) for t in self._input_types.values()):
            return None
        plan = self._plan_for(shapes)
        kernels: dict[str, int] = {}
        in_numpy: dict[str, list[str]] = {}
        for step in plan.steps:
            kernels[step.label] = kernels.get(step.label, 0) + 1
            if step.label == "numpy":
                in_numpy.setdefault(step.node.op_type, []).append(step.node.name or step.node.outputs[0])
        return {"macs": sum(s.flops for s in plan.steps) // 2, "planned_bytes": plan.workspace_bytes,
                "kernels": kernels, "in_numpy": in_numpy,
                "later": 0 if plan.rest is None else len(plan.rest.graph.nodes) + len(plan.rest.evaluated)}

    def integers(self, shapes: dict | None = None) -> dict:
        """{'on_bytes': {operator: nodes that compute on bytes}, 'in_float': [{'operator', 'nodes': their names,
        'why', 'macs'}] of those that are computed in float32 beside them}. shapes : as of `summary`; without any that
        are fixed, macs are None, and sums of 16 bits count as those of bytes, though float32 may be faster."""
        from .passes.islands import GRID, in_float, on_bytes, planned_in_float
        found = {"on_bytes": on_bytes(self._graph), "in_float": in_float(self._graph)}
        is_planned = shapes or all(is_fixed(t) for t in self._input_types.values())
        steps = self._plan_for(shapes).steps if is_planned and any(found.values()) else ()
        for group in planned_in_float(steps):
            operator = group["operator"]
            left = found["on_bytes"].pop(operator) - len(group["nodes"])
            found["on_bytes"] |= {operator: left} if left else {}
            found["in_float"].append({**group, "operator": operator.removeprefix(GRID)})
        macs: dict[str, int] = {}
        for step in steps:
            if step.flops:                              # conversions have none, and no node
                name = step.node.name or step.node.outputs[0]
                macs[name] = macs.get(name, 0) + step.flops // 2
        for group in found["in_float"]:
            group["macs"] = sum(macs.get(name, 0) for name in group["nodes"]) if is_planned else None
        return found

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
            self._pool.refuse_closed()
            session = self._feeding_session(names)
            self._feeding.clear()                               # one is kept: it holds weights of its own
            self._feeding[names] = session
            self._fed_refs = [weakref.ref(each) for each in (*self._fed_sessions(), session)]
        return session

    def _fed_sessions(self) -> list[Session]:
        return [session for ref in self._fed_refs if (session := ref()) is not None]

    def _feeding_session(self, names: tuple[str, ...]) -> Session:
        return self._again(self._source, names)

    def _again(self, source: Source, names: tuple[str, ...]) -> Session:
        """Another session of these bytes that is fed these inputs too."""
        session = Session.__new__(Session)
        session._fed = names
        session.__init__(source, threads=self.threads, isa=self._asked_isa, max_memory=self._max_memory,
                         precision=self._asked_precision)
        return session

    def _wanted(self, names) -> tuple[str, ...]:
        if isinstance(names, str):
            raise InputError(f"output_names is the string {names!r}; pass a list: [{names!r}]")
        if not isinstance(names, (list, tuple)) or not all(isinstance(n, str) for n in names):
            raise InputError(f"output_names is {shown(names)}; pass a list of names, such as "
                             f"[{next(iter(self._output_names), 'name')!r}], or None for all outputs")
        return tuple(names)

    def _graph_with(self, outputs: tuple[str, ...]) -> Graph:
        """A graph with these outputs: the rewritten one, or the file's own where that has lost a value."""
        if self._graph.values().issuperset(outputs):
            return self._graph
        if self._raw is None:
            self._raw = self._read().graph
            separate(self._raw)
        raw = self._raw
        known = raw.values()
        for name in outputs:
            if name not in known:
                raise InputError(f"no output or inner value {name!r}; the outputs are "
                                 f"{', '.join(map(repr, self._output_names))}; the nodes in session.model.graph.nodes "
                                 "say what inner values are called")
        return raw

    def _plan(self, specs: dict[str, Fact], outputs: tuple[str, ...], pin: bool = False) -> Routine:
        key = outputs, tuple([s.shape for s in specs.values()])
        try:
            return self._routine(key, None, specs, outputs, None, pin)
        except Error as error:
            raise error if isinstance(error, InputError) else self._located(error) from None

    def _routine(self, key, graph: Graph | None, specs: dict[str, Fact], outputs: tuple[str, ...], given: dict | None,
                 pin: bool = False, in_use=()) -> Routine:
        """The routine for these facts, made unless it is kept under its key. graph : None for the model's own"""
        return self._plans.find(key, lambda: self._make(graph or self._graph_with(outputs), specs, outputs, given),
                               pin, in_use)

    def _make(self, graph: Graph, specs: dict[str, Fact], outputs: tuple[str, ...], given: dict | None) -> Routine:
        try:
            planned = make_plan(self._table, graph, specs, outputs, self.threads, self._packed, given)
            routine = Routine(self._table, planned)
            check_limit(planned, routine.run_bytes, self._max_memory)
        except ModelError as error:
            raise self._refusal(error, specs) from None
        except MemoryError as error:
            raise LimitError(f"there is not enough memory to prepare it: {error}") from None
        self._check_outputs(routine)
        return routine

    def _check_outputs(self, routine: Routine) -> None:
        """ModelError for an output of the model that is declared with another type than it has."""
        for name, _, dtype in routine.outputs:
            declared = self._graph.outputs.get(name)
            if type(declared) is TensorType and declared.dtype is not None and declared.dtype != dtype:
                raise ModelError(f"{self._where}: output {name!r} is declared as {declared.dtype}, but it is {dtype}")

    def _located(self, error: Error) -> Error:
        """The error of a run, with the file's name."""
        if isinstance(error, Cancelled) or self._pool.closed or str(error).startswith(self._where):
            return error
        return type(error)(f"{self._where}: {error}")

    def _refusal(self, error: ModelError, specs: dict[str, Fact]) -> Error:
        """What is wrong where sizes contradict each other: those that were given, if any of them is free."""
        if all(is_fixed(t) for t in self._input_types.values()):
            return ModelError(f"{self._where}: {error}")
        sizes = ", ".join(f"{name} {'x'.join(map(str, fact.shape)) or 'scalar'}"
                          for name, fact in specs.items())
        return InputError(f"{self._where} cannot take {sizes}: {error}")

    def _plan_for(self, shapes: dict | None, pin: bool = False) -> Routine:
        """The routine for sizes by input name; free sizes that are not given are 1."""
        specs = supposed(self._input_types, shapes)
        self._source.check()
        try:
            return self._plan(specs, self._output_names, pin)
        except InputError as error:
            if all(is_fixed(t) or name in (shapes or ()) for name, t in self._input_types.items()):
                raise
            raise InputError(f"{error}; free sizes that were not given count as 1: say them with "
                             "shapes={...}") from None

    def _refuse_unknown_operators(self) -> None:
        registry.refuse_unknown(self._graph, self._where)

    # ---- copies, in other processes and here

    def __reduce__(self):
        """What was asked for, and the bytes, or the path of the file and what it is told by."""
        self._pool.refuse_closed()
        return _restore, (self._source.origin, self._source.identity(), self._asked_threads, self._asked_isa,
                          self._max_memory, self._asked_precision, own_operators(self._graph))

    def __copy__(self) -> Session:
        """A session of the same bytes, whatever became of their file, that is closed for itself."""
        self._pool.refuse_closed()
        return self._again(copy(self._source), self._fed)

    def __deepcopy__(self, memo) -> Session:
        return self.__copy__()


class UnderWay:
    """A run of several parts: `close` takes effect behind it."""
    __slots__ = ("session",)

    def __init__(self, session: Session):
        self.session = session

    def __enter__(self) -> None:
        self.session._pool.begin_course()

    def __exit__(self, *_) -> None:
        if self.session._pool.end_course():
            self.session._close()


SESSIONS: weakref.WeakSet = weakref.WeakSet()


def renew_locks() -> None:
    """In a forked child: whoever held a lock in the parent is not there to give it back."""
    for session in SESSIONS:
        session._plans.renew_lock()
        session._pool.renew_lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=renew_locks)


def own_operators(graph: Graph) -> tuple:
    """What registers, in another process, the operators of one's own that a graph has."""
    nodes = [node for each in all_graphs(graph) for node in each.nodes if registry.traits(node).own]
    if not nodes:
        return ()
    from .custom import told
    return told(nodes)


def _restore(source, identity: tuple, threads, isa, max_memory, precision, operators: tuple) -> Session:
    """A session as it was pickled. Raises ModelError where its path leads to another file here."""
    if operators:
        from .custom import register_told
        register_told(operators)
    if isinstance(source, (str, os.PathLike)) and not os.path.exists(source):
        raise InputError(f"{source}: {NOT_HERE}")
    return Session(Source(source, identity), threads=threads, isa=isa, max_memory=max_memory, precision=precision)


def copied(value):
    """A copy of an output: an array, a list of them, or None."""
    if isinstance(value, list):
        return [copied(each) for each in value]
    return None if value is None else value.copy()


def system_info() -> dict:
    """What `cinfer info` shows without a model: version, ISA levels, threads and why."""
    from .version import __version__
    openmp = _ops.executor().have_openmp()
    threads, why = default_threads() if openmp else (1, "built without OpenMP")
    return {"version": __version__, "isa_built": _ops.built_levels(), "isa_usable": _ops.usable_levels(),
            "isa": _ops.table().level, "bf16": bf16_rate(_ops.table()) > 0, "threads": threads,
            "threads_why": why, "openmp": openmp}

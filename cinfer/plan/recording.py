"""A plan made once for all sizes: emission with sizes that are expressions, replayed with numbers.

Placement and emission run once with the symbolic facts of the formulas (`Formulas.symbolic`). What candidates ask
of sizes and not all sizes answer alike is answered for the sizes at hand, and becomes a condition (choices.py);
how work is divided is asked later, when numbers are there (`Tiles.ask`), and so are tables of offsets
(`Emitter.table_of`). What comes out is a program of whole numbers (formulas.py): for other sizes that meet the
conditions it is run, and its numbers are written into copies of the parameter structs.
"""
from __future__ import annotations

import numpy as np

from ..ops.limits import holds_symbols
from ..ops.symbols import Symbol, Undecided
from .choices import Tracing
from .emit import Emitter, Step, address, channel_at
from .formulas import Conditions, run
from .placement import cheapest
from .store import Fixed, constant
from .tiles import Tiles
from .values import Facts
from .views import ABSOLUTE, Buffer, Plain, Ref


class Traced(Tracing):
    """Placement among sizes that are expressions; the cheapest candidates are those of the sizes at hand."""

    def __init__(self, bound, table, tiles, store, example: dict):
        super().__init__(bound, table, tiles, store)
        self.example = Facts(example)
        self.later: list[tuple[Buffer, str]] = []       # constants that are others for other sizes

    def cheapest(self, candidates):
        return candidates[cheapest(candidates, self.example)]

    def constant_view(self, name: str, value) -> Plain:
        fact = self.facts[name]
        if type(value) is np.ndarray and value.dtype == fact.dtype and Symbol not in map(type, fact.shape):
            return self.store.array(name, value)
        view = super().constant_view(name, value)
        self.later.append((view.buffer, name))
        return view


class Recorder(Emitter):
    """Emission whose sizes are expressions. tables : (buffer, function, its arguments), made for each plan"""

    def __init__(self, placed: Traced, program, sizes):
        super().__init__(placed)
        self.program, self.sizes = program, sizes
        self.tables: list[tuple] = []
        self.later = placed.later

    def note(self, function, numbers, count: int):
        """What Tiles ask later; for the sizes at hand it is asked now."""
        found = self.program.call(function, numbers, count)
        values = function(*map(self.sizes.exemplary, numbers))
        for symbol, value in zip(found, values if count > 1 else (values,)):
            self.sizes.exemplify(symbol, int(value))
        return found[0] if count == 1 else found

    def table_of(self, make, *numbers) -> Ref:
        buffer = Buffer(0, ABSOLUTE)
        self.tables.append((buffer, make, numbers))
        return Ref(buffer, 0)

    def known(self, name: str) -> Plain:
        fact = self.fact(name)
        return self._placed.constant_view(name, fact.value)

    def vector(self, name: str) -> Ref:
        if type(self.constant(name)) is not np.ndarray:
            raise Undecided
        return super().vector(name)


class Recording:
    """What a Recorder has noted, ready for numbers.

    conditions : for which sizes it holds, of those for which the same candidates are the cheapest
    steps : (node, label, slot of the flops, jobs, host, instead) in order; a job is (kernel, first byte, end, slot of
        its tiles)
    """

    def __init__(self, recorder: Recorder, assumed, table):
        self.program = program = recorder.program
        self.keep, self.table = recorder.keep, table
        self.own_bytes = recorder.own_bytes
        self._number: dict[int, int] = {}                   # id of a buffer -> its number
        self._buffers: list[Buffer] = []
        self._ints: list[tuple[int, int]] = []              # (place in the structs, slot)
        self._refs: list[tuple[int, int, int]] = []         # (place, slot of the offset, number of the buffer)
        template, self.steps, at = [], [], 0
        for step in recorder.steps:
            jobs = []
            for kernel, params, tiles in step.jobs:
                name, rest = (kernel.kernel, kernel.data) if type(kernel) is Fixed else (kernel, None)
                data = self._job(name, rest, params, at)
                jobs.append((name, 8 * at, 8 * at + len(data), program.slot(tiles)))
                template.append(data)
                at += len(data) // 8
            self.steps.append((step.node, step.label, program.slot(step.flops), jobs,
                               *(in_numpy(step, self._view) for step in (step.host, step.instead))))
        self.template = np.frombuffer(b"".join(template), np.int64)
        self.places, self.slots = (np.array(v, np.int64) for v in zip(*self._ints)) if self._ints else 2 * [_NONE]
        self.ref_places, self.ref_slots, self.ref_buffers = (
            (np.array(v, np.int64) for v in zip(*self._refs)) if self._refs else 3 * [_NONE])
        self.placed = [self.number(buffer) for buffer in recorder.buffers]
        self.within = []
        for buffer in recorder._within.values():
            other, offset = buffer.within
            self.within.append((self.number(buffer), self.number(other), program.slot(offset)))
        self.tables = [(self.number(buffer), make, list(map(program.slot, numbers)))
                       for buffer, make, numbers in recorder.tables]
        self.address_tables = [
            (self.number(self._buffer_of(array)), len(sources),
             [(self.number(x.buffer), program.slot(x.offset), x.dtype.itemsize, int(c), program.slot(x.bs),
               program.slot(x.rs), program.slot(x.ns)) for x, c in sources])
            for array, sources in recorder.address_tables]
        self.later = [(self.number(buffer), name) for buffer, name in recorder.later]
        made = {number for number, *_ in (*self.tables, *self.address_tables, *self.later)}
        for number, buffer in enumerate(self._buffers):
            if buffer.base == ABSOLUTE and number not in made and (
                    buffer.keep is None or type(buffer.keep) is np.ndarray and holds_symbols(buffer.keep)):
                raise Undecided                             # a constant that is another one for other sizes
        self.buffers = [(program.slot(b.bytes), b.base, b.offset if b.base == ABSOLUTE else 0, b.keep, b.first, b.last)
                        for b in self._buffers]
        self.conditions = Conditions(program, assumed)

    def number(self, buffer: Buffer) -> int:
        found = self._number.get(id(buffer))
        if found is None:
            found = self._number[id(buffer)] = len(self._buffers)
            self._buffers.append(buffer)
        return found

    def _buffer_of(self, array) -> Buffer:
        return next(b for b in self._buffers if b.keep is array)

    def _view(self, view):
        """A plain view in slots."""
        if view is None:
            return None
        slot = self.program.slot
        return (self.number(view.buffer), slot(view.offset), tuple(map(slot, view.shape)),
                tuple(map(slot, view.strides)), view.dtype)

    def _job(self, name: str, rest, params: dict, at: int) -> bytes:
        """The struct with what is fixed; what is not is entered for later. at : its place, in 8 bytes"""
        slot, fixed, place = self.program.slot, {}, at
        fields = dict.fromkeys(params)
        for kind, field in self.table.fields(name):
            value = params.get(field)
            many = int(kind[1:] or 1)
            if value is None:
                pass
            elif kind == "B":
                if type(value) is tuple:
                    fixed[field] = value
                else:
                    fixed[field] = value.buffer.base, 0
                    self._refs.append((place + 1, slot(value.offset), self.number(value.buffer)))
            elif kind == "F":
                fixed[field] = float(value)
            elif kind == "I":
                self._enter(fixed, field, place, value)
            else:
                numbers = list(value)
                fixed[field] = [0 if type(v) is Symbol else int(v) for v in numbers]
                self._ints.extend((place + i, slot(v)) for i, v in enumerate(numbers) if type(v) is Symbol)
            fields.pop(field, None)
            place += 2 if kind == "B" else many
        if fields:
            self.table.fill(name, {field: 0 for field in fields})       # says which parameter it does not have
        return self.table.fill(name, fixed, rest) if rest is not None else self.table.fill(name, fixed)

    def _enter(self, fixed: dict, field: str, place: int, value) -> None:
        if type(value) is Symbol:
            fixed[field] = 0
            self._ints.append((place, self.program.slot(value)))
        else:
            fixed[field] = int(value)

    def hold(self, bound) -> list[int] | None:
        """What is in the slots for the sizes of a bound graph; None where it does not hold for them."""
        program = self.program
        v = bound.slots + program.start[len(bound.slots):]
        try:
            run(program.steps, v)
        except ZeroDivisionError:
            return None
        return v if self.conditions.hold(v) else None


_NONE = np.zeros(0, np.int64)


def in_numpy(step: tuple | None, view) -> tuple | None:
    """A NumPy step with its views as a function gives them."""
    if step is None:
        return None
    operator, node, inputs, outputs = step
    return operator, node, list(map(view, inputs)), list(map(view, outputs))


class Replayed:
    """What an Emitter has for `Plan`, from a recording and the numbers in its slots."""

    def __init__(self, recording: Recording, v: list[int], bound, store):
        self.recording, self.v = recording, v
        self.keep, self.own_bytes = list(recording.keep), recording.own_bytes
        self.buffers = []
        for size, base, offset, keep, first, last in recording.buffers:
            buffer = Buffer(v[size], base, offset, keep)
            buffer.first, buffer.last = first, last
            self.buffers.append(buffer)
        values = Facts(bound.facts)
        for number, name in recording.later:
            source = store.array(name, values.constant(name)).buffer
            self.buffers[number].offset, self.buffers[number].keep = source.offset, source.keep
            self.keep.append(source.keep)
        for number, make, arguments in recording.tables:
            self._fill(number, np.ascontiguousarray(make(values, *[v[slot] for slot in arguments])))
        self.steps: list[Step] = []
        for node, label, flops, _, host, instead in recording.steps:
            self.steps.append(Step(node, label, in_numpy(host, self._view), v[flops], in_numpy(instead, self._view)))

    def _fill(self, number: int, array: np.ndarray) -> None:
        buffer = self.buffers[number]
        source = constant(array).buffer
        buffer.offset, buffer.keep, buffer.bytes = source.offset, array, array.nbytes
        self.keep.append(array)
        self.own_bytes += array.nbytes

    def _view(self, view):
        if view is None:
            return None
        number, offset, shape, strides, dtype = view
        v = self.v
        return Plain(self.buffers[number], v[offset], [v[i] for i in shape], [v[i] for i in strides], dtype)

    def lay_out(self, place) -> int:
        """As Emitter.lay_out; then the parameters of all jobs are packed."""
        recording, v, buffers = self.recording, self.v, self.buffers
        size = place([buffers[number] for number in recording.placed])
        for number, outer, offset in recording.within:
            buffers[number].within = buffers[outer], v[offset]
        for number, *_ in recording.within:
            buffers[number].base, buffers[number].offset = address(buffers[number])
        for number, count, sources in recording.address_tables:
            table = np.zeros((count, 3), np.int64)
            for i, (at, offset, itemsize, c, bs, rs, ns) in enumerate(sources):
                table[i] = channel_at(buffers[at].offset + v[offset], itemsize, c, v[bs], v[rs], v[ns])
            self._fill(number, table)
        numbers = np.array(v, np.int64)
        data = recording.template.copy()
        data[recording.places] = numbers[recording.slots]
        offsets = np.array([b.offset for b in buffers], np.int64)
        data[recording.ref_places] = numbers[recording.ref_slots] + offsets[recording.ref_buffers]
        bases = np.array([b.base for b in buffers], np.int64)
        data[recording.ref_places - 1] = bases[recording.ref_buffers]
        raw = data.tobytes()
        for step, (_, _, _, jobs, _, _) in zip(self.steps, recording.steps):
            step.jobs = [(kernel, raw[first:end], v[tiles]) for kernel, first, end, tiles in jobs]
        return size


def record(formulas, bound, table, threads: int, store) -> Recording | None:
    """A recording for the sizes of a bound graph; None where there can be none."""
    from .bind import Bound
    symbolic = Bound(bound.nodes, formulas.symbolic, bound.inputs, bound.outputs, bound.index)
    sizes, tiles = formulas.program.sizes, Tiles(threads)
    with sizes.supposing(formulas.example(bound.slots), pinning=True) as assumed:
        try:
            placed = Traced(symbolic, table, tiles, store, bound.facts)
            placed.choose()
            placed.settle()
            placed.freeze()
            recorder = Recorder(placed, formulas.program.branch(), sizes)
            tiles.notes = recorder.note
            recorder.run()
            return Recording(recorder, assumed, table)
        except (Undecided, TypeError):          # an emit does with a size what expressions cannot
            return None
        finally:
            tiles.notes = None                  # else a ring holds all that was recorded


MOST_RECORDINGS, MOST_IN_ALL = 3, 12            # that are kept for one way to choose, and for a graph
MOST_WAYS = 64                  # that are counted for a graph
AFTER = 2                       # plans of a way, before one is recorded, which takes ten times as long


class Way:
    """What was recorded for a choice and the cheapest of its candidates. count : plans that no recording gave"""
    __slots__ = ("found", "count")

    def __init__(self):
        self.found, self.count = [], 0


def replay(choices, bound, table, threads: int, store) -> Replayed | None:
    """The emission for the sizes of a bound graph, if a recording holds for them; a new one is made where plans
    are made again and again. choices : that hold for them"""
    values = Facts(bound.facts)
    picks = tuple([cheapest(candidates, values) for _, candidates in choices.chosen if len(candidates) > 1])
    ways = store.recordings.setdefault(bound.formulas, {})
    way = ways.get((choices, picks))
    if way is None:
        if len(ways) < MOST_WAYS:
            ways[choices, picks] = Way()
    else:
        for recording in way.found:
            if (v := recording.hold(bound)) is not None:
                return Replayed(recording, v, bound, store)
    if way is None or len(way.found) >= MOST_RECORDINGS \
            or sum(len(each.found) for each in ways.values()) >= MOST_IN_ALL:
        return None
    way.count += 1
    if way.count < AFTER * (1 + len(way.found)):
        return None
    recording = record(bound.formulas, bound, table, threads, store)
    v = None if recording is None else recording.hold(bound)
    if v is None:
        way.count = -1 << 30                    # nor will there be one
        return None
    way.found.insert(0, recording)
    return Replayed(recording, v, bound, store)

# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Runs programs: lists of steps whose tiles threads draw by ticket (steps.h), one OpenMP region a run, the
GIL released.

The only module that knows OpenMP. Tensors are pointers here, nothing is known of graphs."""
from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.mem cimport PyMem_Calloc, PyMem_Free
from cpython.pycapsule cimport PyCapsule_GetPointer
from cython.parallel cimport parallel, threadid
from libc.stdint cimport int64_t, uint64_t, uintptr_t
from libc.string cimport memcpy, memset

include "api.pxi"

cdef extern from "clock.h" nogil:
    int64_t now_ns()

cdef extern from "control.h" nogil:
    enum: GO, CANCELLED, TIMED_OUT, INTERRUPTED, REFUSED
    ctypedef struct control_t:
        int stop
        const void *refused
    void control_begin(control_t *, int, int64_t, int (*)(uint64_t) noexcept nogil)
    bint control_look(control_t *)
    bint on_main_thread()

cdef extern from "relaxed.h" nogil:
    int64_t GET(...)
    void SET(...)

cdef extern from *:
    """
    static int raise_what_is_set(void) { return PyErr_Occurred() ? -1 : 0; }
    """
    int raise_what_is_set() except -1

cdef extern from "Python.h":
    int PyErr_CheckSignals()

cdef extern from "team.h" nogil:
    ctypedef struct crowd_t:
        pass
    ctypedef struct seen_t:
        int64_t work_ns, others
        int used, look
    ctypedef struct team_t:
        int without_crowd, without_spread
    ctypedef struct run_t:
        seen_t seen
    int64_t online_cpus(), running_tasks()
    void seen_begin(seen_t *)
    void crowd_begin(crowd_t *, int, int64_t, seen_t *)
    void crowd_learn(crowd_t *, int, int64_t, int64_t, seen_t *, int64_t)
    void team_begin(team_t *, run_t *, int, int64_t)
    void team_wake(team_t *, run_t *)
    void team_join(team_t *, run_t *, int)
    void team_end(team_t *, run_t *, int64_t, int64_t, bint)

cdef extern from "room.h" nogil:
    int room_for(int, int64_t), threads_possible(int)
    void room_taken(int)

cdef extern from "steps.h" nogil:
    ctypedef struct job_t:
        tile_fn run
        const void *params
        int64_t tiles
    ctypedef struct step_t:
        job_t *jobs
        int64_t n_jobs, tiles
    ctypedef struct tickets_t:
        pass
    int64_t tickets_bytes(int64_t, int64_t)
    tickets_t tickets_reset(void *, int64_t, int64_t)
    void steps_work(const step_t *, const tickets_t *, int64_t, char *const *, char *, int64_t *, control_t *,
                    seen_t *)
    void steps_alone(const step_t *, int64_t, char *const *, char *, int64_t *, control_t *)

cdef extern from "denormals.h" nogil:
    uint64_t float_mode(), flush_denormals()
    void set_float_mode(uint64_t)

cdef extern from "cpu.h" nogil:
    int cpu_runs(const char *)

cdef extern from "memory.h" nogil:
    void *block_new(size_t)
    void block_free(void *, size_t)

cdef extern from "omp_or_not.h" nogil:
    int HAVE_OPENMP
    ctypedef struct binding_t:
        pass
    void omp_give_back()
    int omp_bound_cpus()
    void binding_note(binding_t *)
    void binding_undo(const binding_t *)


def addresses_of(list arrays):
    """Where C-contiguous arrays begin. (`array.ctypes.data` takes some microseconds.)"""
    cdef Py_buffer view
    cdef list found = []
    for array in arrays:
        try:
            PyObject_GetBuffer(array, &view, PyBUF_SIMPLE)
        except (ValueError, BufferError):       # of a type that buffers do not know: bfloat16 and others
            found.append(array.ctypes.data)
            continue
        found.append(<uintptr_t>view.buf)
        PyBuffer_Release(&view)
    return found


def can_run(str level):
    """Whether CPU and operating system run this ISA level."""
    return bool(cpu_runs(level.encode()))


def have_openmp():
    """Whether this build has threads at all."""
    return bool(HAVE_OPENMP)


def give_threads_back():
    """End the idle OpenMP threads. Registered to run before a fork: a child that inherits them hangs in its
    first run."""
    omp_give_back()
    room_taken(1)


def bound_cpus():
    """CPUs to which OpenMP binds its threads, as OMP_PROC_BIND and OMP_PLACES say; 0: it binds none."""
    return omp_bound_cpus()


def more_threads(int n):
    """How many of n more threads the system would allow now (room.h)."""
    return threads_possible(n)


cdef class Place:
    """Where a field lies in a parameter struct. kind: as in api.h; offset: in bytes; count: of an array"""
    cdef char kind
    cdef int64_t offset, count

    def __init__(self, char kind, int64_t offset, int64_t count):
        self.kind, self.offset, self.count = kind, offset, count


cdef class Table:
    """The kernels of one ISA level.

    capsule, over : the tables of a level that has all kernels, and of those that add to it, the last one this level.
        Each has some kernels of its own, which are taken, as is what it says of the packed forms"""
    cdef const table_t *c
    cdef const table_t *of_bytes
    cdef readonly str level
    cdef readonly int vw, conv_oc, conv_half, gemm_n, dot_group, bf16_rate, bf16_group
    cdef readonly double s16_rate
    cdef readonly dict index, unary, binary, arithmetic, elements
    cdef dict structs

    def __init__(self, str level, capsule, *over):
        cdef const table_t *table
        self.c = self.of_bytes = <const table_t *>PyCapsule_GetPointer(capsule, "cinfer.table")
        self.level, self.dot_group, self.bf16_rate = level, self.c.dot_group, self.c.bf16_rate
        self.vw, self.conv_oc, self.conv_half = self.c.vw, self.c.conv_oc, self.c.conv_half
        self.gemm_n, self.bf16_group, self.s16_rate = self.c.gemm_n, 2, self.c.s16_rate
        self.unary = {n: i for i, n in enumerate(self.c.unary.decode().split())}
        self.binary = {n: i for i, n in enumerate(self.c.binary.decode().split())}
        self.arithmetic = {n: i for i, n in enumerate(self.c.arithmetic.decode().split())}
        self.elements = {n: i for i, n in enumerate(self.c.elements.decode().split())}
        self.index, self.structs = {}, {}
        self.enter(self.c)
        for each in over:
            table = <const table_t *>PyCapsule_GetPointer(each, "cinfer.table")
            if table.dot_group:
                self.of_bytes, self.dot_group = table, table.dot_group
            self.s16_rate = table.s16_rate or self.s16_rate
            if table.bf16_rate:
                self.bf16_rate, self.bf16_group = table.bf16_rate, table.bf16_group or 2
            self.enter(table)

    cdef enter(self, const table_t *table):
        cdef const kernel_t *kernel
        cdef int i
        for i in range(table.kernels):
            kernel = table.kernel + i
            if kernel.below != NULL:
                kernel.below[0] = self.kernel(kernel.name.decode()).run
            self.index[kernel.name.decode()] = <uintptr_t>kernel

    cdef const kernel_t *kernel(self, str name) except NULL:
        return <const kernel_t *><uintptr_t>self.index[name]

    cdef tuple struct(self, str name):
        """The parameter struct of a kernel: [(kind, field), ...] in its order, and {field: Place}. Made when first
        asked for: a model has few of all kernels."""
        cdef tuple found = self.structs.get(name)
        cdef Place place
        cdef int64_t offset = 0
        if found is None:
            fields, places = [], {}
            for each in self.kernel(name).fields.decode().split():
                kind, field = each.split(":")
                fields.append((kind, field))
                places[field] = place = Place(ord(kind[0]), offset, int(kind[1:] or 1))
                offset += 16 if place.kind == b"B" else 8 * place.count
            assert offset == <int64_t>self.kernel(name).size, name
            found = self.structs[name] = fields, places
        return found

    def fields(self, str name):
        """[(kind, field), ...] of a kernel's parameter struct, in its order; kinds as in api.h."""
        return self.struct(name)[0]

    def pack(self, str name, **values):
        """The parameter struct of a kernel as bytes.

        A buffer is (base, offset), or a reference with `offset` into a `buffer` that has `base` and `offset`;
        a missing buffer is absent, a missing number 0."""
        return self.fill(name, values)

    def fill(self, str name, dict values, bytes rest=None):
        """As pack(name, **values); what is missing is as in `rest`, a struct of the same kernel."""
        cdef dict places = <dict>self.struct(name)[1]
        cdef Py_ssize_t size = self.kernel(name).size
        cdef bytes packed = PyBytes_FromStringAndSize(NULL, size)
        cdef char *to = PyBytes_AS_STRING(packed)
        cdef Place place
        cdef int64_t *whole
        cdef int64_t i
        if rest is None:
            memset(to, 0, size)
        else:
            memcpy(to, PyBytes_AS_STRING(rest), size)
        for field, value in values.items():
            place = places.get(field)
            if place is None:
                known = ", ".join(places)
                raise TypeError(f"kernel {name} has no parameter {field}; it has {known}")
            if value is None:
                continue
            whole = <int64_t *>(to + place.offset)
            if place.kind == b"I":
                whole[0] = value if type(value) is int else int(value)
            elif place.kind == b"F":
                (<double *>whole)[0] = value
            elif place.kind == b"B":
                if type(value) is tuple:
                    whole[0], whole[1] = (<tuple>value)[0], (<tuple>value)[1]
                else:
                    buffer = value.buffer
                    whole[0], whole[1] = buffer.base, <int64_t>buffer.offset + <int64_t>value.offset
            else:
                if len(value) > place.count:
                    raise ValueError(f"kernel {name}: {field} has {len(value)} numbers, "
                                     f"{place.count} are most")
                i = 0
                for number in value:
                    whole[i] = number
                    i += 1
        return packed

    def packed(self, str name, bytes params):
        """(bytes, tiles, parts) that a kernel writes which packs weights, as api.h says."""
        cdef char *base[1]
        cdef packed_t found
        base[0] = NULL
        found = self.kernel(name).packed(PyBytes_AS_STRING(params), base)
        return found.bytes, found.tiles, found.parts

    def panel_u8(self, int64_t k):
        """Words of 4 bytes of a packed panel of a product of bytes with k terms (gemm_u8.h)."""
        return self.of_bytes.panel_u8(k)

    def room_u8(self, int64_t k):
        """The least bytes of scratch that such a product takes."""
        return self.of_bytes.room_u8(k)

    def runs_u8(self, int64_t ic, int64_t kw, int64_t dw):
        """Whether conv_u8 reads so few channels from plain memory, kw taps dw apart (conv_u8.pxi)."""
        return bool(self.of_bytes.runs_u8(ic, kw, dw))

    def peak_flops(self):
        """Most float32 operations a second that one core reaches: best of 20 rounds of independent
        multiply-adds."""
        cdef double best = 0, flops
        cdef int64_t t
        for _ in range(20):
            t = now_ns()
            flops = self.c.fma(20000)
            best = max(best, flops * 1e9 / (now_ns() - t))
        return best


cdef class Memory:
    """Zeroed memory, 64-byte aligned (huge pages where large); a writable buffer for NumPy."""
    cdef char *p
    cdef readonly int64_t size
    cdef Py_ssize_t shape, stride

    def __cinit__(self, int64_t size):
        self.size = size
        self.p = <char *>block_new(max(size, 64))
        if self.p == NULL:
            raise MemoryError(f"no memory for {size} bytes")

    def __dealloc__(self):
        if self.p != NULL:
            block_free(self.p, max(self.size, 64))

    @property
    def address(self):
        return <uintptr_t>self.p

    def __getbuffer__(self, Py_buffer *view, int flags):
        self.shape, self.stride = self.size, 1
        view.buf, view.obj, view.len, view.readonly, view.itemsize = self.p, self, self.size, 0, 1
        view.format, view.ndim, view.shape, view.strides = b"B", 1, &self.shape, &self.stride
        view.suboffsets, view.internal = NULL, NULL


cdef int64_t asked_ns = 0, dear_ns = 0      # when the interpreter was asked last, and how long to leave it


cdef int ask_python(uint64_t callers) noexcept nogil:
    """Let Python run the handlers of signals that have come; whether one has raised: the error stays set.

    Other threads of Python may hold the GIL for milliseconds: asking is left for 20 times as long as it took
    to get it, so that it never costs more than 5 %."""
    cdef int64_t now = now_ns()
    cdef uint64_t mode = float_mode()
    cdef int raised
    global asked_ns, dear_ns
    if now - asked_ns < dear_ns or not on_main_thread():
        return 0
    set_float_mode(callers)              # handlers are the caller's code
    with gil:
        dear_ns = 20 * (now_ns() - now)
        raised = PyErr_CheckSignals() < 0
    asked_ns = now_ns()
    set_float_mode(mode)
    return raised


cdef class Workspace:
    """What one run at a time writes to: a block of `size` bytes, in which a program puts its arena, tickets
    and the scratch of each thread; and the word that stops it."""
    cdef readonly Memory memory
    cdef readonly int64_t size
    cdef control_t control
    cdef public int64_t used                # for the pool: the last run that had it, and when that was over
    cdef public double left
    cdef readonly int64_t refused           # behind a run that gave REFUSED: the step

    def __init__(self, int64_t size):
        self.memory, self.size = Memory(size), size
        self.begin(False)

    cpdef begin(self, bint watched, int64_t deadline_ns=0):
        """Before a run. watched: whether it looks at the clock and for signals; deadline_ns: 0 for none"""
        SET(self.control.stop, GO)
        control_begin(&self.control, watched, deadline_ns, ask_python)

    def cancel(self):
        """End the run under way; from any thread."""
        SET(self.control.stop, CANCELLED)

    def stopped(self):
        """Between stages: 0, or why the run has to end, CANCELLED or TIMED_OUT."""
        if self.control.stop == GO:
            control_look(&self.control)
        raise_what_is_set()
        return self.control.stop


cdef class Program:
    """Steps ready to run; immutable: any number of Python threads may run it at once.

    Parameters
    ----------
    table : the kernels
    steps : list of steps, each a list of (kernel name, packed parameters, number of tiles)
    arena_bytes, scratch_bytes : memory of a run, and what each thread needs on top: as much as any of the kernels
        says that it takes for its parameters
    brief : whether a run is over in less time than another thread of Python takes to wake up; it keeps the GIL
        then. Threads that wait for it ask for it only after 5 ms in which it was not given back: runs of a few
        microseconds in a row, which gave it back and took it again each time, would not let them have it
    """
    cdef step_t *steps
    cdef job_t *jobs
    cdef readonly bint brief
    cdef readonly int64_t n_steps
    cdef readonly int64_t arena_bytes, scratch_bytes, params_bytes
    cdef list keep

    def __init__(self, Table table, list steps, int64_t arena_bytes, bint brief=False):
        cdef int64_t i, tiles
        cdef const kernel_t *kernel
        self.keep, self.brief = [table], brief
        self.arena_bytes, self.scratch_bytes = whole_pages(arena_bytes), 0
        self.n_steps = len(steps)
        self.steps = <step_t *>PyMem_Calloc(max(1, self.n_steps), sizeof(step_t))
        self.jobs = <job_t *>PyMem_Calloc(max(1, sum(len(s) for s in steps)), sizeof(job_t))
        if self.steps == NULL or self.jobs == NULL:
            raise MemoryError("no memory for the steps of a plan")
        cdef job_t *job = self.jobs
        self.params_bytes = 0
        for i, step in enumerate(steps):
            self.steps[i].jobs, self.steps[i].n_jobs = job, len(step)
            tiles = 0
            for name, params, count in step:
                self.keep.append(params)
                self.params_bytes += len(<bytes>params)
                kernel = table.kernel(name)
                job.run = kernel.run
                job.params = <const void *>PyBytes_AS_STRING(params)
                job.tiles = count
                tiles += count
                self.scratch_bytes = max(self.scratch_bytes, scratch_of(kernel, job.params))
                job += 1
            self.steps[i].tiles = tiles
        self.scratch_bytes = whole_pages(self.scratch_bytes)

    def __dealloc__(self):
        PyMem_Free(self.steps)
        PyMem_Free(self.jobs)

    def needs(self, int threads):
        """The size of a workspace in which so many threads can run it."""
        return self.size_for(threads)

    cdef int64_t size_for(self, int threads):
        return self.arena_bytes + threads * self.scratch_bytes + tickets_bytes(self.n_steps, threads)

    def workspace(self, int threads):
        """A workspace of its own."""
        return Workspace(self.needs(threads))

    def run(self, Workspace w, list addresses, int threads, int64_t first=0, int64_t last=-1, ended=None):
        """Run steps first..last-1 (all by default). 0, or why not all were run: CANCELLED, TIMED_OUT, or REFUSED
        behind step `w.refused`; what a handler of a signal raises is raised.

        addresses: of bases 2, 3, ... ; ended: int64 array for the time in ns at which each step was over"""
        cdef char *base[67]
        cdef int64_t i, n = len(addresses)
        cdef char **bases = base + 1
        cdef Py_buffer times
        cdef int64_t *when = NULL
        cdef Memory more
        cdef char *scratch
        if last < 0:
            last = self.n_steps
        if last <= first:
            return GO
        if w.size < self.size_for(threads):
            raise ValueError("the workspace is too small")
        if n > 64:
            more = Memory((n + 3) * sizeof(char *))
            bases = <char **>more.p + 1
        w.control.refused = NULL
        (bases - 1)[0] = <char *>&w.control.refused
        bases[0] = NULL
        bases[1] = w.memory.p
        scratch = bases[1] + self.arena_bytes
        for i in range(n):
            bases[2 + i] = <char *><uintptr_t>addresses[i]
        if ended is not None:                   # no typed memoryview: their set-up at import loses a Ctrl-C
            PyObject_GetBuffer(ended, &times, PyBUF_WRITABLE)
            if times.len < last * <int64_t>sizeof(int64_t):
                PyBuffer_Release(&times)
                raise ValueError("no room for the times of all steps")
            when = <int64_t *>times.buf + first
        cdef char *tickets = scratch + threads * self.scratch_bytes
        if self.brief:
            run_steps(self.steps + first, tickets, last - first, bases, scratch, self.scratch_bytes, threads, when,
                      &w.control)
        else:
            with nogil:
                run_steps(self.steps + first, tickets, last - first, bases, scratch, self.scratch_bytes, threads,
                          when, &w.control)
        if when != NULL:
            PyBuffer_Release(&times)
        if w.control.stop != GO:
            raise_what_is_set()
        elif w.control.refused != NULL:
            w.refused = self.step_of(w.control.refused)
            return REFUSED
        return w.control.stop

    cdef int64_t step_of(self, const void *params):
        cdef int64_t i, j
        for i in range(self.n_steps):
            for j in range(self.steps[i].n_jobs):
                if self.steps[i].jobs[j].params == params:
                    return i
        return -1


cdef int64_t whole_pages(int64_t size):
    return (size + 4095) // 4096 * 4096


cdef class Crowd:
    """What runs of a process learn about the CPUs that are left to them (team.h). Times are in ns."""
    cdef crowd_t c

    def run(self, int wanted, int64_t began, wall_ns, int64_t cpus):
        """One run: how many threads it has, and whether it counts the `others`.

        wall_ns: function of the number of threads that gives (wall_ns, work_ns, others)."""
        cdef seen_t seen
        crowd_begin(&self.c, wanted, began, &seen)
        wall, work, others = wall_ns(seen.used)
        seen.work_ns = work
        if seen.look:
            seen.others = others
        crowd_learn(&self.c, wanted, began + <int64_t>wall, wall, &seen, cpus)
        return seen.used, bool(seen.look)


def system_counts():
    """(CPUs in operation, running tasks or 0 where that is unknown) of this machine."""
    return online_cpus(), running_tasks()


cdef team_t team                        # of the process: zeroed
cdef int64_t cpus = online_cpus()
PARTS = "crowd", "spread"


def set_team(str without=""):
    """Which parts of team.h are at work: all but those named, as in CINFER_TEAM=-crowd,-spread."""
    names = [name.strip() for name in without.split(",") if name.strip()]
    if not all(name[0] == "-" and name[1:] in PARTS for name in names):
        raise ValueError(f"CINFER_TEAM={without}: parts to leave out are -{', -'.join(PARTS)}")
    team.without_crowd, team.without_spread = ["-" + part in names for part in PARTS]


cdef void run_steps(const step_t *steps, void *memory, int64_t n, char **bases, char *scratch,
                    int64_t scratch_bytes, int threads, int64_t *ended, control_t *control) noexcept nogil:
    cdef run_t run
    cdef tickets_t tickets
    cdef binding_t binding
    if threads == 1 or not HAVE_OPENMP:
        alone(steps, n, bases, scratch, ended, control)
        return
    team_begin(&team, &run, threads, now_ns())
    if run.seen.used > 1:
        run.seen.used = room_for(run.seen.used, now_ns())
    if run.seen.used == 1:
        seen_begin(&run.seen)
        alone(steps, n, bases, scratch, ended, control)
    else:
        tickets = tickets_reset(memory, n, run.seen.used)
        team_wake(&team, &run)
        binding_note(&binding)
        with parallel(num_threads=run.seen.used):
            share(steps, &tickets, bases, scratch, scratch_bytes, threadid(), ended, control, &run)
        binding_undo(&binding)
        room_taken(run.seen.used)
    team_end(&team, &run, now_ns(), cpus, GET(control.stop) == GO)


cdef void alone(const step_t *steps, int64_t n, char **bases, char *scratch, int64_t *ended,
                control_t *control) noexcept nogil:
    cdef uint64_t mode = flush_denormals()
    steps_alone(steps, n, bases, scratch, ended, control)
    set_float_mode(mode)


cdef void share(const step_t *steps, const tickets_t *tickets, char **bases, char *scratch,
                int64_t scratch_bytes, int me, int64_t *ended, control_t *control, run_t *run) noexcept nogil:
    cdef uint64_t mode = flush_denormals()
    team_join(&team, run, me)
    steps_work(steps, tickets, me, bases, scratch + me * scratch_bytes, ended if me == 0 else NULL, control,
               &run.seen)
    set_float_mode(mode)


cdef int64_t scratch_of(const kernel_t *kernel, const void *params) noexcept nogil:
    """Bytes that a thread needs for a kernel with these parameters."""
    cdef char *base = NULL
    return kernel.scratch(params, &base) if kernel.scratch != NULL else 0


def run_tile(Table table, str name, bytes params):
    """One tile of a kernel on this thread, for those that need no scratch without a workspace."""
    if scratch_of(table.kernel(name), PyBytes_AS_STRING(params)) > 0:
        return run_once(table, name, params, 1)
    cdef tile_fn run = table.kernel(name).run
    cdef const void *refused = NULL
    cdef char *base[2]
    cdef const void *at = PyBytes_AS_STRING(params)
    cdef uint64_t mode
    with nogil:
        base[0], base[1] = <char *>&refused, NULL
        mode = flush_denormals()
        run(at, base + 1, NULL, 0)
        set_float_mode(mode)


def run_once(Table table, str name, bytes params, int64_t tiles, int threads=1):
    """One kernel outside any plan, all its buffers at absolute addresses: packing, pictures, tests, benchmarks."""
    cdef Program p = Program(table, [[(name, params, tiles)]], 0)
    if p.run(p.workspace(threads), [], threads) == REFUSED:
        raise ValueError(f"kernel {name} does not take what it reads")


"""What is prepared once for all plans of a session: weights in the layouts of kernels, vectors, other
constants.

An entry's key says all that was read to make it: the name of the constant, the kernel that packs it, and
every parameter of that kernel. A constant computed from sizes may be another array under the same name in the
next plan: an entry holds the array that it was made from, and serves no other.
"""
from __future__ import annotations

import mmap
from operator import is_
from weakref import WeakKeyDictionary

import numpy as np

from .. import _ops
from .views import BLOCK, F32, IN_BLOCKS, Blocked, Buffer, NO_HALO, Plain, Ref, ncdhw, round_up, row_major

LARGE = 1 << 18                 # bytes of weights whose pages are worth a call of the system


class Fixed:
    """The parameters of a step that do not depend on sizes. data : the parameter struct, the others being 0

    keep : what the addresses in it point into
    """
    __slots__ = ("kernel", "data", "keep")

    def __init__(self, table, kernel: str, params: dict):
        self.kernel, self.data = kernel, table.pack(kernel, **params)
        self.keep = [value.buffer.keep for value in params.values() if type(value) is Ref]


class Store:
    """Shared by the plans of one session, which are made one at a time.

    any_size : whether pictures differ in size, so that each layout of weights that is best for some would be kept
    bf16_rate : 0, or where products may be of bfloat16: how many are done in the time of one of float32
    """

    def __init__(self, table, threads: int, any_size: bool = False, bf16_rate: int = 0):
        self.table, self.threads, self.any_size, self.bf16_rate = table, threads, any_size, bf16_rate
        self._made: dict[tuple, tuple] = {}     # key -> (arrays it was made from, what was made)
        # these go with the formulas
        self.choices = WeakKeyDictionary()      # Formulas -> what was chosen (choices.py), None: it cannot be
        self.recordings = WeakKeyDictionary()   # Formulas -> what was recorded (recording.py)
        self.of_node: dict = {}                 # (what, node) -> what its attributes say, whatever the sizes

    def __len__(self) -> int:
        return len(self._made)

    def clear(self) -> None:
        """Forget everything; what plans still use lives on with them."""
        self._made.clear()
        self.of_node.clear()
        self.forget_sizes()

    def forget_sizes(self) -> None:
        """Forget what was found of plans for some sizes, for others."""
        self.choices.clear()
        self.recordings.clear()

    def once(self, key: tuple, arrays, make):
        """make(), the first time for this key and array, or tuple of arrays; then what it gave."""
        found = self._made.get(key)
        if found is None or not (found[0] is arrays
                                 or type(arrays) is tuple and all(map(is_, found[0], arrays))):
            found = self._made[key] = arrays, make()
        return found[1]

    def fixed(self, kernel: str, key: tuple, arrays: tuple, make) -> Fixed:
        """The parameters of a step that do not depend on sizes, as a kernel takes them.

        key : what they are made from, beside the constants `arrays`; make : function that gives them by name
        """
        return self.once(("fixed", kernel, *key), arrays, lambda: Fixed(self.table, kernel, make()))

    def array(self, name: str, array: np.ndarray) -> Plain:
        """A constant as a contiguous plain value."""
        return self.once(("array", name), array, lambda: constant(np.asarray(array, order="C")))

    def matrix(self, name: str, array: np.ndarray) -> Plain:
        """A constant as contiguous float32."""
        return self.once(("float32", name), array, lambda: constant(np.ascontiguousarray(array, np.float32)))

    def vector(self, name: str, array: np.ndarray) -> Ref:
        """A number per channel."""
        return self.once(("vector", name), array, lambda: channel_vector(array))

    def zeros(self, count: int) -> Ref:
        return self.once(("zeros", count), None, lambda: channel_vector(np.zeros(count, np.float32)))

    def blocked(self, name: str, array: np.ndarray, shape) -> Blocked:
        """A constant, seen in this shape of rank 2 to 5, in blocks; no halo."""
        return self.once(("blocked", name, tuple(shape)), array,
                         lambda: blocked_constant(array.reshape(shape)))

    def packed(self, kernel: str, name: str, array: np.ndarray, offset: int = 0, *, shifted=None, **params) -> Ref:
        """Weights in the layout a kernel reads.

        kernel : the one that packs; name : of the constant, or of what was derived from it; array : its values
        offset : the element at which the kernel begins to read; params : its other parameters
        shifted : None, for a kernel that reads float32; else function that gives the weights as it reads them: int16,
            their zero points subtracted
        """
        def make() -> Ref:
            source = np.ascontiguousarray(array, np.float32) if shifted is None else shifted()
            return self._written(kernel, array, dict(params, w=(0, source.ctypes.data + source.itemsize * offset)))
        return self.once((kernel, name, array.shape, offset, *params.items()), array, make)

    def made_by(self, kernel: str, key: tuple, arrays: tuple, params: dict) -> Ref:
        """What a kernel that packs writes, from what its parameters point at.

        key : what it is made from, beside the constants `arrays`, the first of which is large
        """
        return self.once((kernel, *key), arrays, lambda: self._written(kernel, arrays[0], {
            name: (0, value.buffer.offset + value.offset) if type(value) is Ref else value
            for name, value in params.items()}))

    def _written(self, kernel: str, source: np.ndarray, params: dict) -> Ref:
        """New memory, written by a kernel that says how much it takes. source : what is not read again"""
        size, tiles, parts = self.table.packed(kernel, self.table.pack(kernel, **params))
        if parts:
            params["parts"] = parts
        memory = _ops.executor().Memory(size)
        job = self.table.pack(kernel, y=(0, memory.address), **params)
        _ops.executor().run_once(self.table, kernel, job, tiles, self.threads)
        let_go(source)
        return Ref(Buffer(memory.size, 0, memory.address, memory), 0)


def let_go(array: np.ndarray) -> None:
    """Give back the pages of a mapped file under an array that was packed and will hardly be read again; if it is, they
    come from the system's cache of files."""
    owner = array
    while isinstance(owner, np.ndarray):
        owner = owner.base
    if isinstance(owner, memoryview):
        owner = owner.obj
    if array.nbytes < LARGE or not isinstance(owner, mmap.mmap) or not hasattr(mmap, "MADV_DONTNEED"):
        return
    first = array.ctypes.data - np.frombuffer(owner, np.uint8, 1).ctypes.data
    begin, end = -(-first // mmap.PAGESIZE) * mmap.PAGESIZE, (first + array.nbytes) // mmap.PAGESIZE * mmap.PAGESIZE
    if array.flags.c_contiguous and end > begin:
        owner.madvise(mmap.MADV_DONTNEED, begin, end - begin)


def constant(array: np.ndarray) -> Plain:
    """A contiguous array as a plain value."""
    buffer = Buffer(array.nbytes, 0, array.ctypes.data if array.size else 0, array)
    return Plain(buffer, 0, array.shape, row_major(array.shape), array.dtype)


def channel_vector(value: np.ndarray) -> Ref:
    """A number per channel, padded with zeros to whole blocks."""
    value = np.asarray(value, np.float32).reshape(-1)
    padded = np.zeros(round_up(value.size), np.float32)
    padded[:value.size] = value
    return constant(padded).ref()


def blocked_constant(value: np.ndarray) -> Blocked:
    n, c, d, h, w = ncdhw(value.shape)
    blocks = -(-c // BLOCK)
    array = np.zeros((n, blocks * BLOCK, d, h, w), value.dtype if value.dtype in IN_BLOCKS else F32)
    array[:, :c] = value.reshape(n, c, d, h, w)
    array = np.ascontiguousarray(array.reshape(n, blocks, BLOCK, d, h, w).transpose(0, 3, 1, 4, 5, 2))
    rs = w * BLOCK
    return Blocked(constant(array).buffer, 0, value.shape, blocks * h * rs, h * rs, rs, NO_HALO, array.dtype)

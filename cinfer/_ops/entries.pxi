# What all families of kernels share, and how they enter the table of their module (kernels.pyx, kernels_bytes.pyx).
from cpython.pycapsule cimport PyCapsule_New
from libc.math cimport INFINITY
from libc.stdint cimport INT64_MAX, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memset

include "api.pxi"

cdef extern from "vec.h" nogil:
    enum: CB, VW, NV, HAS_AMX
    ctypedef float vf                    # a vector for C; Cython passes it through, so `a * b + c` is one FMA
    vf bc(float)
    vf ld(const float *)
    void st(float *, vf)
    vf vmax(vf, vf)
    vf vmin(vf, vf)

cdef extern from "vec_math.h" nogil:
    vf ld_part(const float *, int64_t, float)
    void st_part(float *, vf, int64_t)
    vf first_of(vf, int64_t, float)
    float sum_of_lanes(vf)
    float max_of_lanes(vf)
    vf vexp_near(vf, float)
    vf vexp_near_unit(vf)
    vf vlog(vf)

cdef extern from "sums.h" nogil:
    enum: RUN, ROW_PIECE, COLUMN_PIECE, PRODUCT_WHOLE, PRODUCT_PIECE
    void add_to_total(double *, const float *, int64_t, int)
    void rounded_total(const double *, float *, int64_t)
    ctypedef struct pieces_t:
        int64_t blocks, most_blocks, b, i, j, nb, ni, nj
        bint alone, last
    pieces_t pieces_of(int64_t, int64_t, int64_t, int64_t)
    pieces_t one_piece(int64_t, int64_t, int64_t)
    bint next_piece(pieces_t *)
    int64_t number_of_pieces(const pieces_t *)

cdef extern from "range.h" nogil:
    ctypedef struct range_t:
        pass
    range_t range_of_zero()
    void range_row(range_t *, const float *, int64_t)
    void range_pixels(range_t *, const float *, int64_t, int64_t)
    void range_end(const range_t *, float *)

cdef extern from "depth.h" nogil:
    ctypedef struct slices_t:
        int64_t volume, out, first, before, inside
    slices_t slices_of(int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t)
    int64_t taps_below(int64_t, int64_t, int64_t, int64_t)

cdef extern from "activation.h" nogil:
    enum: U_none, U_prelu
    const char *unary_names
    ctypedef struct epilogue_t:
        int64_t act
        float alpha, beta
    bint acts_later(int64_t)
    void activate_rows(float *, int64_t, int64_t, int64_t, int, float, float)

cdef extern from "conv_tile.h" nogil:
    enum: OCT, HALF
    void pixel_offsets(int64_t *, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t)

cdef extern from "winograd_tile.h" nogil:
    enum: WINO_OC, WINO_PX

ctypedef struct part_t:
    # What a tile of a blocked tensor is: picture, block, how many of its lanes are channels, rows.
    int64_t image, block, row, end
    int lanes


cdef part_t part_of(int64_t tile, int64_t c, int64_t h, int64_t row_tiles, int64_t rows) noexcept nogil:
    cdef part_t k
    cdef int64_t blocks = (c + CB - 1) // CB
    k.row = tile // blocks % row_tiles * rows
    k.end = min(h, k.row + rows)
    k.block = tile % blocks
    k.image = tile // blocks // row_tiles
    k.lanes = <int>min(CB, c - k.block * CB)
    return k


cdef inline int64_t even(int64_t n, int64_t most) noexcept nogil:
    """n in as few parts of at most `most` as there may be: the size of one."""
    cdef int64_t parts = (n + most - 1) // most
    return (n + parts - 1) // parts


cdef inline packed_t packed_floats(int64_t count, int64_t tiles) noexcept nogil:
    cdef packed_t found
    found.bytes, found.tiles, found.parts = count * <int64_t>sizeof(float), tiles, 0
    return found

# How a parameter struct that is declared in Cython is described to the plan, as PARAMS of api.h does it for those of C.
# setup.py lists their fields in that header: a dict of each, which Cython would make, is a tenth of all code.
cdef extern from "fields.h":
    const char *fields_of(const char *) except NULL

DEF MOST_KERNELS = 128
cdef kernel_t[MOST_KERNELS] entries
cdef int n_entries = 0

cdef void enter(const char *name, const char *fields, size_t size, tile_fn run, scratch_fn scratch=NULL,
                packed_fn packed=NULL, tile_fn *below=NULL) noexcept:
    """One more kernel in the table; called by the families while the module is initialised."""
    global n_entries
    entries[n_entries].name = name
    entries[n_entries].fields = fields
    entries[n_entries].size = size
    entries[n_entries].run = run
    entries[n_entries].scratch = scratch
    entries[n_entries].packed = packed
    entries[n_entries].below = below
    n_entries += 1

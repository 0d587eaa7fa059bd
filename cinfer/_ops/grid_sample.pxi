# GridSample; the contract and the loops are in grid_sample.h.

cdef extern from "grid_sample.h" nogil:
    enum: POINTS
    ctypedef struct grid_sample_t:
        buf_t x, grid, y
        int64_t n
        int64_t out[3]
        int64_t outer
    ctypedef struct places_t:
        pass
    const char *grid_sample_t_fields
    void sample_piece(const grid_sample_t *, const float *, const float *, float *, int64_t, int64_t,
                      places_t *)


cdef void grid_sample_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const grid_sample_t *A = <const grid_sample_t *>params
    cdef int64_t pieces = (A.out[2] + POINTS - 1) // POINTS, i
    cdef places_t f[3]
    for i in range(tile * A.outer, min(A.n * A.out[0] * A.out[1] * pieces, (tile + 1) * A.outer)):
        sample_piece(A, <const float *>at(base, A.x), <const float *>at(base, A.grid), <float *>at(base, A.y),
                     i // pieces, i % pieces, f)


enter("grid_sample", grid_sample_t_fields, sizeof(grid_sample_t), grid_sample_run)

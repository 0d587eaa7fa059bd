# The places of what is not zero, in row-major order, as many as there turn out to be.
#
# x contiguous, n elements of `size` bytes (1, 2, 4, 8) over axes dims[0..rank), rank 1 to 8; floats have -0: of
# `signless` ones the sign does not count. y: how many there are, m; then [rank][m] indices. So y has 1 + rank * n
# elements, of which the first 1 + rank * m are written, and some of those behind it. n < 2^31.
#
# First all numbers of elements that are not zero, packed without a branch, then these in axes.
# Kernel tile: all, for each place depends on how many are before it.

cdef struct nonzero_t:
    buf_t x, y
    int64_t dims[8]
    int64_t rank, n, size, signless

ctypedef fused bits_t:
    uint8_t
    uint16_t
    uint32_t
    uint64_t


cdef int64_t pack_nonzero(const bits_t *x, int64_t n, bint signless, int64_t *y) noexcept nogil:
    cdef bits_t mask = <bits_t>((<bits_t>-1) >> signless)
    cdef int64_t m = 0, i
    for i in range(n):
        y[m] = i
        m += (x[i] & mask) != 0
    return m


cdef void nonzero_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const nonzero_t *A = <const nonzero_t *>params
    cdef const void *x = at(base, A.x)
    cdef int64_t *y = <int64_t *>at(base, A.y)
    cdef int64_t *first = y + 1
    cdef int64_t m, axis, j
    cdef bint signless = A.signless != 0
    cdef uint32_t d, number, outer
    if A.size == 1:
        m = pack_nonzero(<const uint8_t *>x, A.n, signless, first)
    elif A.size == 2:
        m = pack_nonzero(<const uint16_t *>x, A.n, signless, first)
    elif A.size == 4:
        m = pack_nonzero(<const uint32_t *>x, A.n, signless, first)
    else:
        m = pack_nonzero(<const uint64_t *>x, A.n, signless, first)
    y[0] = m
    for axis in range(A.rank - 1, 0, -1):
        d = <uint32_t>A.dims[axis]
        for j in range(m):
            number = <uint32_t>first[j]
            outer = number // d
            first[axis * m + j] = number - outer * d
            first[j] = outer


enter("nonzero", fields_of("nonzero_t"), sizeof(nonzero_t), nonzero_run)

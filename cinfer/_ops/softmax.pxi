# Softmax and LogSoftmax along one axis of a plain tensor seen as [outer][n][inner].
#
# y = exp(scale*x - m) / sum, or scale*x - m - log(sum) where `log` is set; m is the largest scale*x
#
# xo, xs (yo, ys): floats between outer indices and along the axis; inner elements lie side by side. y may
# be x. Kernel tile: `rows` outer indices, of each `columns` of the inner elements. Order of the sums: along
# a contiguous axis VW or 2 VW lanes side by side, then the lanes pairwise; else along the axis. A piece is
# ROW_PIECE or COLUMN_PIECE terms, the sums of several are added in float64 (sums.h): good to 1.6e-5 at any
# length. The logarithm of one class, or of one beside which the others vanish, is exactly 0.

cdef struct softmax_t:
    buf_t x, y
    int64_t outer, n, inner, xo, xs, yo, ys, log
    double scale
    int64_t rows, columns


cdef void softmax_row(const float *x, float *y, int64_t n, bint log, float scale) noexcept nogil:
    """Along a contiguous axis. exp() of a NaN is a NaN in the sum, so that one NaN makes the whole row NaN."""
    cdef int64_t i = 0, whole = n // VW * VW, end = 0
    cdef double total = 0                       # of the pieces before this one
    cdef vf s = bc(scale), top = bc(-INFINITY), top2 = top, rest = top, sum = bc(0), sum2 = sum, m, k, a, b
    if whole < n:                               # the lanes beyond n are -inf, whose exp() adds nothing
        rest = first_of(ld_part(x + whole, n - whole, 0) * s, n - whole, -INFINITY)
        top = rest
    while i + 2 * VW <= whole:
        top = vmax(top, s * ld(x + i))
        top2 = vmax(top2, s * ld(x + i + VW))
        i += 2 * VW
    if i < whole:
        top = vmax(top, s * ld(x + i))
    m = bc(max_of_lanes(vmax(top, top2)))
    i = 0
    if log:
        while i < whole:
            if end > 0:
                total += sum_of_lanes(sum)
                sum = bc(0)
            end = min(whole, i + ROW_PIECE)
            while i < end:
                sum += vexp_near_unit(s * ld(x + i) - m)
                i += VW
        if whole < n:
            sum += vexp_near_unit(rest - m)
        k = vlog(bc(<float>(total + sum_of_lanes(sum))))
        i = 0
        while i < whole:
            st(y + i, s * ld(x + i) - m - k)
            i += VW
        if whole < n:
            st_part(y + whole, rest - m - k, n - whole)
        return
    while i < whole:
        if end > 0:
            total += sum_of_lanes(sum + sum2)
            sum = bc(0)
            sum2 = sum
        end = min(whole, i + ROW_PIECE)
        while i + 2 * VW <= end:
            a = vexp_near(s * ld(x + i) - m, 1)
            b = vexp_near(s * ld(x + i + VW) - m, 1)
            st(y + i, a)
            st(y + i + VW, b)
            sum += a
            sum2 += b
            i += 2 * VW
        if i < end:
            a = vexp_near(s * ld(x + i) - m, 1)
            st(y + i, a)
            sum += a
            i += VW
    if whole < n:
        rest = vexp_near(rest - m, 1)
        sum2 += rest
    k = bc(1 / <float>(total + sum_of_lanes(sum + sum2)))
    i = 0
    while i < whole:
        st(y + i, ld(y + i) * k)
        i += VW
    if whole < n:
        st_part(y + whole, rest * k, n - whole)


cdef vf next_sum(vf sum, double *total) noexcept nogil:
    """total += sum. What the next piece begins with: 0"""
    cdef float[VW] part
    st(part, sum)
    add_to_total(total, part, VW, 0)
    return bc(0)


cdef vf sum_of_pieces(vf sum, double *total) noexcept nogil:
    cdef float[VW] part
    next_sum(sum, total)
    rounded_total(total, part, VW)
    return ld(part)


cdef inline vf some(const float *p, int64_t lanes) noexcept nogil:
    return ld(p) if lanes == VW else ld_part(p, lanes, 0)


cdef inline void put_some(float *p, vf v, int64_t lanes) noexcept nogil:
    if lanes == VW:
        st(p, v)
    else:
        st_part(p, v, lanes)


cdef inline void softmax_columns(const float *x, int64_t xs, float *y, int64_t ys, int64_t n, int64_t lanes, bint log,
                          float scale) noexcept nogil:
    """Along a strided axis, for `lanes` neighbours at once."""
    cdef vf s = bc(scale), top = bc(-INFINITY), sum = bc(0), e
    cdef double[VW] total
    cdef int64_t i = 0, j, end = 0
    for j in range(VW):
        total[j] = 0
    for j in range(n):
        top = vmax(top, s * some(x + j * xs, lanes))
    while i < n:
        if end > 0:
            sum = next_sum(sum, total)
        end = min(n, i + COLUMN_PIECE)
        if log:
            while i < end:
                sum += vexp_near_unit(s * some(x + i * xs, lanes) - top)
                i += 1
        else:
            while i < end:
                e = vexp_near(s * some(x + i * xs, lanes) - top, 1)
                put_some(y + i * ys, e, lanes)
                sum += e
                i += 1
    if n > COLUMN_PIECE:
        sum = sum_of_pieces(sum, total)
    if log:
        sum = vlog(sum)
        for i in range(n):
            put_some(y + i * ys, s * some(x + i * xs, lanes) - top - sum, lanes)
    else:
        sum = bc(1) / sum
        for i in range(n):
            put_some(y + i * ys, some(y + i * ys, lanes) * sum, lanes)


cdef void softmax_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const softmax_t *A = <const softmax_t *>params
    cdef const float *x = <const float *>at(base, A.x)
    cdef float *y = <float *>at(base, A.y)
    cdef int64_t stripes = (A.inner + A.columns - 1) // A.columns
    cdef int64_t row = tile // stripes * A.rows, column = tile % stripes * A.columns, i, j
    cdef int64_t end = min(A.inner, column + A.columns)
    for i in range(row, min(A.outer, row + A.rows)):
        if A.inner == 1 and A.xs == 1 and A.ys == 1:
            softmax_row(x + i * A.xo, y + i * A.yo, A.n, A.log != 0, <float>A.scale)
        else:
            j = column
            while j + VW <= end:
                softmax_columns(x + i * A.xo + j, A.xs, y + i * A.yo + j, A.ys, A.n, VW, A.log != 0, <float>A.scale)
                j += VW
            if j < end:
                softmax_columns(x + i * A.xo + j, A.xs, y + i * A.yo + j, A.ys, A.n, end - j, A.log != 0,
                                <float>A.scale)


enter("softmax", fields_of("softmax_t"), sizeof(softmax_t), softmax_run)

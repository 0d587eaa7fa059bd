# From exact sums to bytes or floats, and tables of bytes, for the kernels of integers.

cdef extern from "requantise.h" nogil:
    ctypedef struct requant_t:
        int32_t cut
        float step
        const float *slope
        epilogue_t e
    ctypedef struct look_up_t:
        pass
    ctypedef struct added_t:
        pass
    requant_t requant_of(int64_t, int64_t, int64_t)
    added_t added_of(int64_t, int64_t, int64_t, double, double, int64_t, double, int64_t)
    void added_row(const added_t *, uint8_t *, const uint8_t *, int64_t)
    int32_t requant_cut(const float *, int64_t, int64_t)
    void look_up_begin(look_up_t *, const uint8_t *)
    void look_up_row(const look_up_t *, const uint8_t *, uint8_t *, int64_t)

cdef extern from "real_sums.h" nogil:
    ctypedef struct real_sums_t:
        const float *scale
        const float *bias
        const float *slope
        const float *res
        epilogue_t e
        float by
        int32_t ranges
        int64_t channels
        range_t range
    void real_sums_row(real_sums_t *, int64_t, float *, const float *, int64_t)
    int real_at_once(const real_sums_t *, int64_t, int64_t)
    void real_sums_list(real_sums_t *, int64_t, float *, const int64_t *, const float *, const int64_t *, int64_t)


# How convolutions of bytes end in float32 (real_sums.h), by a zero point of x that the run finds: the last fields of
# their parameters. Where wsum is given, y is float32, `bias` may be absent, and `table`, yz, lo, hi and xz say nothing.
#   wsum         absent, or int32: the sums of the weights
#   zero         the zero point of x, a byte; `scale` may be of the run, too
#   by           absent, or a float32 of the run that all scales are multiplied by
#   range        absent, or where the range of what a tile writes goes (range.h); it has so many `channels`
#   add, slope   absent, or float32; all vectors are padded to whole blocks
#   res          absent, or float32 blocks like y, strides rn rb rr
#   act alpha beta  as activation.h has them; these, slope and `step` say what becomes of bytes, too (requantise.h)
ctypedef struct real_end_t:
    buf_t wsum, zero, add, slope, res, by, range
    int64_t rn, rb, rr, act, channels
    double alpha, beta, step


cdef inline real_sums_t real_sums_of(const real_end_t *A, char *const *base, const float *scale,
                                     int64_t image) noexcept nogil:
    """What becomes of the sums of a picture."""
    cdef real_sums_t f
    f.scale, f.bias, f.slope = scale, <const float *>at(base, A.add), <const float *>at(base, A.slope)
    f.res = <const float *>at(base, A.res)
    if f.res != NULL:
        f.res += image * A.rn
    f.e.act, f.e.alpha, f.e.beta = A.act, <float>A.alpha, <float>A.beta
    cdef const float *by = <const float *>at(base, A.by)
    f.by = 1 if by == NULL else by[0]
    f.ranges, f.channels, f.range = at(base, A.range) != NULL, A.channels, range_of_zero()
    return f


cdef inline void real_sums_end(const real_sums_t *f, const real_end_t *A, char *const *base,
                               int64_t tile) noexcept nogil:
    """Of a tile."""
    if f.ranges:
        range_end(&f.range, <float *>at(base, A.range) + 2 * tile)


cdef inline requant_t requant_by(const real_end_t *A, int64_t zero, int64_t lo, int64_t hi) noexcept nogil:
    """What becomes of sums that are bytes in the end, but for `cut` and slopes, which are of channels."""
    cdef requant_t q = requant_of(zero, lo, hi)
    q.step = <float>A.step
    q.e.act, q.e.alpha, q.e.beta = A.act, <float>A.alpha, <float>A.beta
    return q


cdef inline void requant_from(requant_t *q, const real_end_t *A, char *const *base, const float *scale, int64_t c,
                              int64_t n) noexcept nogil:
    """For n channels from c on. scale : theirs"""
    q.cut = requant_cut(scale, n, A.act)
    q.slope = <const float *>at(base, A.slope)
    if q.slope != NULL:
        q.slope += c


# The bytes that are added before those of a convolution are stored (requantise.h): the last fields of its parameters.
# Then `res` has blocks of bytes like y; where `res` is absent, or wsum is given, these say nothing.
ctypedef struct added_end_t:
    double sa, sb, sy
    int64_t zb, zy


cdef inline void begin_sums(int32_t *start, const int32_t *packed, const int32_t *bias, int64_t n) noexcept nogil:
    """packed : NULL, or what the sums of products begin with"""
    cdef int64_t i
    for i in range(n):
        start[i] = (packed[i] if packed != NULL else 0) + bias[i]


cdef inline void begin_by_zero(int32_t *start, const int32_t *packed, const int32_t *bias, int64_t c,
                               const int32_t *wsum, int32_t zero, int64_t n) noexcept nogil:
    """With what the zero point of x makes, and the bias if there is one, of n channels from c on. Unsigned: it may wrap
    around, as the sums do."""
    cdef int64_t i
    for i in range(n):
        start[i] = <int32_t>(<uint32_t>(packed[i] if packed != NULL else 0)
                             + <uint32_t>(bias[c + i] if bias != NULL else 0)
                             - <uint32_t>zero * <uint32_t>wsum[c + i])

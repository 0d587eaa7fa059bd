# What this core can do at most, measured by the profile and the benchmarks.

cdef double fma(long n) noexcept nogil:
    """n rounds of 12 independent vector multiply-adds; the flops done (0 never happens: it keeps the sums
    alive)."""
    cdef vf[12] s
    cdef vf m = bc(1.0001), c = bc(0.9999)
    cdef float[16] out
    cdef long i
    cdef int j
    for j in range(12):
        s[j] = bc(j)
    for i in range(n):
        for j in range(12):
            s[j] = s[j] * m + c
    for j in range(12):
        st(out, s[j])
        if out[0] == 12345.0:
            return 0
    return 24.0 * VW * n

# From exact sums to bytes, and tables of bytes, for the kernels of integers.

cdef extern from "requantise.h" nogil:
    ctypedef struct requant_t:
        int32_t cut
    ctypedef struct look_up_t:
        pass
    requant_t requant_of(int64_t, int64_t, int64_t)
    int32_t requant_cut(const float *, int64_t)
    void look_up_begin(look_up_t *, const uint8_t *)
    void look_up_row(const look_up_t *, const uint8_t *, uint8_t *, int64_t)

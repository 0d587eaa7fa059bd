# What executor and kernels agree on (api.h), for Cython.

cdef extern from "api.h" nogil:
    ctypedef struct buf_t:
        int64_t base, off
    ctypedef void (*tile_fn)(const void *, char *const *, char *, int64_t) noexcept nogil
    ctypedef int64_t (*scratch_fn)(const void *, char *const *) noexcept nogil
    ctypedef struct packed_t:
        int64_t bytes, tiles, parts
    ctypedef packed_t (*packed_fn)(const void *, char *const *) noexcept nogil
    ctypedef struct kernel_t:
        const char *name
        const char *fields
        size_t size
        tile_fn run
        scratch_fn scratch
        packed_fn packed
        tile_fn *below
    ctypedef struct table_t:
        int vw, conv_oc, conv_half, gemm_n
        const char *unary
        const char *binary
        const char *arithmetic
        const char *elements
        double (*fma)(long) noexcept nogil
        int64_t (*panel_u8)(int64_t k) noexcept nogil
        int64_t (*room_u8)(int64_t k) noexcept nogil
        int (*runs_u8)(int64_t ic, int64_t kw, int64_t dw) noexcept nogil
        int dot_group
        int kernels
        const kernel_t *kernel
        int bf16_rate, bf16_group
        double s16_rate
    void *at(char *const *, buf_t)
    void refuse(char *const *, const void *)

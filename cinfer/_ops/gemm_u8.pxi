# Products of matrices of bytes; contracts and loops are in gemm_u8.h.

cdef extern from "gemm_u8.h" nogil:
    enum: OCTU
    ctypedef struct gemm_u8_t:
        int64_t scratch_bytes
    const char *gemm_u8_t_fields
    int64_t panel_u8(int64_t)
    int64_t room_u8(int64_t)
    void gemm_u8_tile(const gemm_u8_t *, char *const *, char *, int64_t)
    void pack_panel_u8(const uint8_t *, int64_t, int64_t, const uint8_t *, int64_t, int, int, int64_t, int64_t, int *)

ctypedef struct pack_gemm_u8_t:
    buf_t w, w_zero, y
    int64_t batch0, batch1, k, n, sk, sn, w0, w1, zeros, flip, few


cdef void gemm_u8_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    gemm_u8_tile(<const gemm_u8_t *>params, base, scratch, tile)


cdef void pack_gemm_u8_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const pack_gemm_u8_t *A = <const pack_gemm_u8_t *>params
    cdef int64_t panels = (A.n + OCTU - 1) // OCTU, b = tile // panels, n = tile % panels * OCTU
    cdef const uint8_t *zero = <const uint8_t *>at(base, A.w_zero)
    if zero != NULL:
        zero += n * A.zeros
    pack_panel_u8(<const uint8_t *>at(base, A.w) + b // A.batch1 * A.w0 + b % A.batch1 * A.w1 + n * A.sn, A.sk, A.sn,
                  zero, A.zeros, <int>A.flip, <int>A.few, A.k, min(A.n - n, <int64_t>OCTU),
                  <int *>at(base, A.y) + tile * panel_u8(A.k))


cdef int64_t gemm_u8_scratch(const void *params, char *const *base) noexcept nogil:
    return (<const gemm_u8_t *>params).scratch_bytes


cdef packed_t pack_gemm_u8_packed(const void *params, char *const *base) noexcept nogil:
    cdef const pack_gemm_u8_t *A = <const pack_gemm_u8_t *>params
    cdef packed_t found
    found.tiles, found.parts = A.batch0 * A.batch1 * ((A.n + OCTU - 1) // OCTU), 0
    found.bytes = found.tiles * panel_u8(A.k) * <int64_t>sizeof(int)
    return found


enter("gemm_u8", gemm_u8_t_fields, sizeof(gemm_u8_t), gemm_u8_run, gemm_u8_scratch)
enter("pack_gemm_u8", fields_of("pack_gemm_u8_t"), sizeof(pack_gemm_u8_t), pack_gemm_u8_run, NULL,
      pack_gemm_u8_packed)

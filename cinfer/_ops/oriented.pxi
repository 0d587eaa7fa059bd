# Boxes at angles that others cover; the contract and the loops are in oriented.h.

cdef extern from "oriented.h" nogil:
    ctypedef struct oriented_t:
        pass
    void covered(const oriented_t *, const int32_t *, int64_t, double, double, uint8_t *)

ctypedef struct covered_t:
    buf_t box, rank, gone
    int64_t n
    double radius, far


cdef void covered_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const covered_t *A = <const covered_t *>params
    covered(<const oriented_t *>at(base, A.box), <const int32_t *>at(base, A.rank), A.n, A.radius, A.far,
            <uint8_t *>at(base, A.gone))


enter("covered", fields_of("covered_t"), sizeof(covered_t), covered_run)

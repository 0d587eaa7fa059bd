# RoiAlign; the contract and the loops are in roi.h.

cdef extern from "roi.h" nogil:
    ctypedef struct roi_align_t:
        buf_t x, rois, batches, y
        int64_t n, c, h, w, xn, xb, xr, count, oh, ow, rs, cs, stride "is", wide, outer
    ctypedef struct axis_t:
        pass
    ctypedef struct roi_work_t:
        axis_t rows, columns
        float *t
        float *o
    const char *roi_align_t_fields
    roi_work_t roi_work(const roi_align_t *, char *)
    int axis_of(axis_t *, double, double, const roi_align_t *)
    void roi_block(const float *, int64_t, const axis_t *, const axis_t *, float *, float *)
    void roi_store(const roi_work_t *, float *, int64_t)


cdef void roi_align_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const roi_align_t *A = <const roi_align_t *>params
    cdef const float *x = <const float *>at(base, A.x)
    cdef const char *batches = <const char *>at(base, A.batches)
    cdef const float *roi
    cdef float *y = <float *>at(base, A.y)
    cdef int64_t blocks = (A.c + CB - 1) // CB, ready = -1, i, region, block, batch = 0
    cdef roi_work_t k = roi_work(A, scratch)
    for i in range(tile * A.outer, min(A.count * blocks, (tile + 1) * A.outer)):
        region, block = i // blocks, i % blocks
        if region != ready:
            roi = <const float *>at(base, A.rois) + region * A.rs
            if A.wide:
                batch = (<const int64_t *>batches)[region * A.stride]
            else:
                batch = (<const int32_t *>batches)[region * A.stride]
            if not (0 <= batch < A.n and axis_of(&k.columns, roi[0], roi[2 * A.cs], A)
                    and axis_of(&k.rows, roi[A.cs], roi[3 * A.cs], A)):
                refuse(base, params)
                return
            ready = region
        roi_block(x + batch * A.xn + block * A.xb, A.xr, &k.rows, &k.columns, k.t, k.o)
        roi_store(&k, y + (region * A.c + block * CB) * A.oh * A.ow, min(<int64_t>CB, A.c - block * CB))


enter("roi_align", roi_align_t_fields, sizeof(roi_align_t), roi_align_run)

# RoiAlign and MaxRoiPool; the contract and the loops are in roi.h.

cdef extern from "roi.h" nogil:
    ctypedef struct roi_align_t:
        buf_t x, rois, batches, y
        int64_t n, c, h, w, xn, xb, xr, count, oh, ow, rs, cs, is_, wide, outer
    ctypedef struct axis_t:
        pass
    ctypedef struct roi_work_t:
        axis_t rows, columns
        float *t
        float *o
    const char *roi_align_t_fields
    roi_work_t roi_work(const roi_align_t *, char *)
    int axis_of(axis_t *, double, double, const roi_align_t *)
    int64_t roi_room(const roi_align_t *)
    void roi_block(const float *, int64_t, const axis_t *, const axis_t *, float *, float *)
    void roi_store(const float *, int64_t, float *, int64_t)
    int bins_of(int64_t *, int64_t, int64_t, double, double, double)
    void max_roi_block(const float *, int64_t, const int64_t *, int64_t, const int64_t *, int64_t, float *)

ctypedef struct max_roi_pool_t:
    buf_t x, rois, y
    int64_t n, c, h, w, xn, xb, xr, count, oh, ow, rs, cs, outer
    double scale


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
                batch = (<const int64_t *>batches)[region * A.is_]
            else:
                batch = (<const int32_t *>batches)[region * A.is_]
            if not (0 <= batch < A.n and axis_of(&k.columns, roi[0], roi[2 * A.cs], A)
                    and axis_of(&k.rows, roi[A.cs], roi[3 * A.cs], A)):
                refuse(base, params)
                return
            ready = region
        roi_block(x + batch * A.xn + block * A.xb, A.xr, &k.rows, &k.columns, k.t, k.o)
        roi_store(k.o, A.oh * A.ow, y + (region * A.c + block * CB) * A.oh * A.ow, min(<int64_t>CB, A.c - block * CB))


cdef void max_roi_pool_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const max_roi_pool_t *A = <const max_roi_pool_t *>params
    cdef const float *x = <const float *>at(base, A.x)
    cdef const float *roi
    cdef float *y = <float *>at(base, A.y)
    cdef float *o = <float *>scratch
    cdef int64_t bins = A.oh * A.ow, blocks = (A.c + CB - 1) // CB, ready = -1, i, region, block, batch = 0
    cdef int64_t *rows = <int64_t *>(o + bins * CB)
    cdef int64_t *columns = rows + 2 * A.oh
    for i in range(tile * A.outer, min(A.count * blocks, (tile + 1) * A.outer)):
        region, block = i // blocks, i % blocks
        if region != ready:
            roi = <const float *>at(base, A.rois) + region * A.rs
            if not (0 <= roi[0] < A.n and bins_of(columns, A.ow, A.w, roi[A.cs], roi[3 * A.cs], A.scale)
                    and bins_of(rows, A.oh, A.h, roi[2 * A.cs], roi[4 * A.cs], A.scale)):
                refuse(base, params)
                return
            batch, ready = <int64_t>roi[0], region
        max_roi_block(x + batch * A.xn + block * A.xb, A.xr, rows, A.oh, columns, A.ow, o)
        roi_store(o, bins, y + (region * A.c + block * CB) * bins, min(<int64_t>CB, A.c - block * CB))


cdef int64_t roi_align_scratch(const void *params, char *const *base) noexcept nogil:
    return roi_room(<const roi_align_t *>params)


cdef int64_t max_roi_pool_scratch(const void *params, char *const *base) noexcept nogil:
    cdef const max_roi_pool_t *A = <const max_roi_pool_t *>params
    return A.oh * A.ow * CB * <int64_t>sizeof(float) + 2 * (A.oh + A.ow) * <int64_t>sizeof(int64_t)


enter("roi_align", roi_align_t_fields, sizeof(roi_align_t), roi_align_run, roi_align_scratch)
enter("max_roi_pool", fields_of("max_roi_pool_t"), sizeof(max_roi_pool_t), max_roi_pool_run, max_roi_pool_scratch)

# RNN, GRU, LSTM; the contract and the cells are in recurrent.h.

cdef extern from "recurrent.h" nogil:
    enum: FEW_ROWS, FEW_TILES, RNN, GRU, GRU_BEFORE, LSTM
    ctypedef struct cell_t:
        int64_t kind, hidden
        bint input_forget
        const float *rb
        const float *p
        epilogue_t f, g, h
        float clip, c_clip
    ctypedef void (*few_fn)(const float *, const float *, int64_t, float *, int64_t) noexcept nogil
    const few_fn few[3][FEW_TILES]
    void round_by_range(const float *, float *, int64_t)
    void lstm_cell(const cell_t *, const float *, float *, float *, float *)
    void gru_reset(const cell_t *, const float *, float *, const float *, float *)
    void gru_cell(const cell_t *, const float *, float *, float *, float *)
    void rnn_cell(const cell_t *, const float *, float *, float *)

ctypedef struct recurrent_t:
    buf_t x, r, r2, rb, p, lens, h0, c0, state, y, yh, yc
    int64_t kind, input_forget, backwards, steps, begin, end, batch, hidden, rows, xt, xb, sb, yt, yb, f, g, h, round
    double f_alpha, f_beta, g_alpha, g_beta, h_alpha, h_beta, clip, c_clip


cdef void times_packed(const float *x, int64_t rows, int64_t k, const float *w, int64_t n, float *y,
                       bint backwards) noexcept nogil:
    """y = x w; n columns, a multiple of 16, of packed tiles; backwards: from the last tile to the first."""
    cdef int64_t tiles = n // OCT, most = FEW_TILES if rows == 1 else FEW_TILES // 2, groups, i, j, first, end
    cdef product_t P
    product_begin(&P, U_none, 0, 0)
    product_of_rows(&P, x, k, w, y, n, rows, k, n)
    groups = (tiles + most - 1) // most
    for i in range(groups):                      # of nearly the same number of tiles
        j = groups - 1 - i if backwards else i
        first, end = tiles * j // groups, tiles * (j + 1) // groups
        if rows <= FEW_ROWS and k <= PRODUCT_WHOLE:
            few[rows][end - first](w + first * OCT * k, x, k, y + first * OCT, n)
        else:
            multiply(&P, 0, rows, first * OCT, end * OCT)
    if tiles * OCT < n:
        multiply(&P, 0, rows, tiles * OCT, n)


cdef inline void copy_row(float *y, const float *x, int64_t n) noexcept nogil:
    """y = x, or 0 where there is no x."""
    if x == NULL:
        memset(y, 0, 4 * n)
    else:
        memcpy(y, x, 4 * n)


cdef inline int64_t packed_gates(const recurrent_t *A) noexcept nogil:
    """Columns of r."""
    cdef int64_t gates = 4 if A.kind == LSTM else 3 if A.kind == GRU_BEFORE else 2 if A.kind == GRU else 1
    return (gates * A.hidden + CB - 1) // CB * CB


cdef inline int64_t packed_hidden(const recurrent_t *A) noexcept nogil:
    """Columns of r2."""
    return (A.hidden + CB - 1) // CB * CB


cdef void recurrent_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const recurrent_t *A = <const recurrent_t *>params
    cdef int64_t n = A.hidden, first = tile * A.rows, rows = min(A.rows, A.batch - first), i, b, t, length
    cdef int64_t ls = packed_gates(A), lt = packed_hidden(A)
    cdef const float *x = <const float *>at(base, A.x) + first * A.xb
    cdef const float *r = <const float *>at(base, A.r)
    cdef const float *r2 = <const float *>at(base, A.r2)
    cdef const float *h0 = <const float *>at(base, A.h0)
    cdef const float *c0 = <const float *>at(base, A.c0)
    cdef const int32_t *lens = <const int32_t *>at(base, A.lens)
    cdef float *y = <float *>at(base, A.y)
    cdef float *yh = <float *>at(base, A.yh)
    cdef float *yc = <float *>at(base, A.yc)
    cdef float *h = <float *>at(base, A.state) + first * n
    cdef float *c = h + A.batch * n
    cdef float *s = <float *>scratch
    cdef float *s2 = s + rows * ls               # GRU: of the candidate
    cdef float *rh = s2 + rows * lt
    cdef const float *xt
    cdef cell_t cell
    cell.kind, cell.hidden, cell.input_forget, cell.clip = A.kind, n, A.input_forget != 0, <float>A.clip
    cell.c_clip = <float>A.c_clip
    cell.rb, cell.p = <const float *>at(base, A.rb), <const float *>at(base, A.p)
    cell.f.act, cell.f.alpha, cell.f.beta = A.f, <float>A.f_alpha, <float>A.f_beta
    cell.g.act, cell.g.alpha, cell.g.beta = A.g, <float>A.g_alpha, <float>A.g_beta
    cell.h.act, cell.h.alpha, cell.h.beta = A.h, <float>A.h_alpha, <float>A.h_beta
    if A.begin == 0:
        for b in range(rows):
            copy_row(h + b * n, h0 + (first + b) * A.sb if h0 != NULL else NULL, n)
            if A.kind == LSTM:
                copy_row(c + b * n, c0 + (first + b) * A.sb if c0 != NULL else NULL, n)
    for i in range(A.begin, A.end):
        if A.round:
            round_by_range(h, rh, rows * n)
        times_packed(rh if A.round else h, rows, n, r, ls, s, i & 1)
        if A.kind == GRU:
            for b in range(rows):
                length = lens[first + b] if lens != NULL else A.steps
                t = length - 1 - i if A.backwards and i < length else i
                gru_reset(&cell, x + t * A.xt + b * A.xb, s + b * ls, h + b * n, rh + b * n)
            times_packed(rh, rows, n, r2, lt, s2, i & 1)
        for b in range(rows):
            length = lens[first + b] if lens != NULL else A.steps
            t = length - 1 - i if A.backwards and i < length else i
            xt = x + t * A.xt + b * A.xb
            if i < length:
                if A.kind == LSTM:
                    lstm_cell(&cell, xt, s + b * ls, h + b * n, c + b * n)
                elif A.kind == GRU:
                    gru_cell(&cell, xt, s + b * ls, s2 + b * lt, h + b * n)
                elif A.kind == GRU_BEFORE:
                    gru_cell(&cell, xt, s + b * ls, s + b * ls + 2 * n, h + b * n)
                else:
                    rnn_cell(&cell, xt, s + b * ls, h + b * n)
            if y != NULL:
                copy_row(y + t * A.yt + (first + b) * A.yb, h + b * n if i < length else NULL, n)
    if A.end == A.steps:
        for b in range(rows):
            if yh != NULL:
                copy_row(yh + (first + b) * A.sb, h + b * n, n)
            if yc != NULL:
                copy_row(yc + (first + b) * A.sb, c + b * n, n)


cdef int64_t recurrent_scratch(const void *params, char *const *base) noexcept nogil:
    cdef const recurrent_t *A = <const recurrent_t *>params
    return A.rows * (packed_gates(A) + packed_hidden(A) + A.hidden) * <int64_t>sizeof(float)


enter("recurrent", fields_of("recurrent_t"), sizeof(recurrent_t), recurrent_run, recurrent_scratch)

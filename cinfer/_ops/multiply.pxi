# Products in register tiles: `multiply` drives those of conv_tile.h, and of conv_bf16_tile.h, over pixels and channels.

cdef extern from "conv_tile.h" nogil:
    enum: OCV, PM, PM_HALF, FETCHING, FORM_NEAR, FORM_LIST, FORM_NEAR_FETCHING, FORM_LIST_FETCHING
    enum: PART_GOES_ON, PART_IS_ADDED, PART_STAYS
    ctypedef struct tile_t:
        const float *w
        const float *bias
        const float *slope
        const float *res
        float *y
        const int32_t *koff
        int64_t full, last, kh, kw, xb, xr, xt, yb, rb, head, slices, xs, part
        const float *before
        float *after
        const char *ahead
        int64_t ahead_by
        float scale
        epilogue_t e
    ctypedef void (*tile_run)(const tile_t *, const float *, const int64_t *, const int64_t *,
                              const int64_t *) noexcept nogil
    ctypedef struct product_t:
        const float *x
        const float *w
        const float *bias
        const float *slope
        const float *res
        float *y
        int64_t k, first, terms, across, xi, xj, yi, yj, ri, rj, pixel_bytes, whole, packed_n, n, near, list
        float *copy
        const int64_t *reads
        int64_t goc, gic
        const tile_run *full
        const tile_run *half
        tile_t t
    void rows_to_blocks(const float *, int64_t, int64_t, int64_t, float *)

DEF MOST_PIXELS = 448                   # of a chunk: their offsets are on the stack
DEF CHUNK_BYTES = 262144                # of input under all channel tiles: a part of L2
DEF PANELS_ABOVE = 1024                 # terms of a sum: fewer gain nothing by panels


cdef void activate_tile(const tile_t *T, const int64_t *yo, int64_t pixels, int64_t channels) noexcept nogil:
    """An activation that needs more than the sums' registers, on what a tile has just stored."""
    cdef int64_t p = 0, q, c, step, width = channels if T.yb == CB else min(channels, CB)
    while p < pixels:                            # pixels at equal steps in one call
        q, step = p + 1, yo[p + 1] - yo[p] if p + 1 < pixels else 0
        while q < pixels and yo[q] - yo[q - 1] == step:
            q += 1
        for c in range((channels + width - 1) // width):
            activate_rows(T.y + yo[p] + c * T.yb, width, q - p, step, <int>T.e.act, T.e.alpha, T.e.beta)
        p = q


cdef float[PM * OCT] no_sums

cdef float own_sum(const product_t *P, const tile_t *T, int64_t c, int64_t lane, int64_t width,
                   const float *x) noexcept nogil:
    """The sum of channel c + lane at the pixel at x, without what its tile, from c on, reads of others' groups."""
    cdef const int64_t *reads = P.reads + c // HALF * 3
    cdef int64_t group = (c + lane) // P.goc, low = group * P.gic, high = low + P.gic
    cdef int64_t first, end, slice, i, j, k
    cdef const float *w = T.w + lane
    cdef const float *v
    cdef double total = 0
    for slice in range(T.slices):
        first = reads[0]
        while first < reads[0] + reads[1]:
            end = min(first // CB * CB + CB, reads[0] + reads[1])       # of a block
            v = x + slice * T.xs + first // CB * T.xb
            for i in range(T.kh):
                for j in range(T.kw):
                    for k in range(first, end):
                        if low <= k < high:
                            total += v[i * T.xr + j * T.xt + k % CB] * w[0]
                        w += width
            first = end
    return <float>total


cdef void long_tile(const tile_run run, const tile_t *T, pieces_t all, const float *x, const int64_t *xo,
                    const int64_t *yo, const int64_t *ro, int64_t pixels, int64_t width, const product_t *groups,
                    int64_t c) noexcept nogil:
    """A tile in pieces: of the list of a stem (kh = 0), else of blocks, rows and taps of each slice. groups : NULL,
    or the product of which it is the tile from channel c on, and reads other groups than that of each channel"""
    cdef float[PM * OCT] sums
    cdef double[PM * OCT] total
    cdef tile_t P = T[0]
    cdef int64_t n = pixels * width, added = 0, folds = 0, slice = 0, headed = T.head > 0, terms
    cdef int64_t p, lane, i
    cdef const float *at_piece
    cdef pieces_t q = all
    P.before, P.after = no_sums, sums
    while next_piece(&q):
        if added == RUN:
            add_to_total(total, sums, n, folds == 0)
            P.before = no_sums
            added, folds = 0, folds + 1
        if q.last and slice == T.slices - 1:
            if groups == NULL:
                P.after = NULL
            if folds > 0:
                if added > 0:
                    add_to_total(total, sums, n, 0)
                rounded_total(total, sums, n)
                P.before = sums
        if T.kh > 0:
            at_piece = x + q.b * T.xb + q.i * T.xr + q.j * T.xt
            if q.b < headed:                     # a piece of its own
                P.full, P.last = 0, T.head
                at_piece += CB - T.head
            else:
                P.full = min(q.nb, T.full - (q.b - headed))
                P.last = T.last if P.full < q.nb else 0
            P.kh, P.kw = q.ni, q.nj
            run(&P, at_piece, xo, yo, ro)
            terms = (P.full * CB + P.last) * q.ni * q.nj
            P.w += terms * width
            P.ahead += terms * P.ahead_by
        else:
            P.koff, P.last = T.koff + q.b, q.nb
            run(&P, x, xo, yo, ro)
            P.w += q.nb * width
        P.before = sums
        added += 1
        if q.last and slice < T.slices - 1:
            slice, q = slice + 1, all
            x += T.xs
    if groups != NULL:
        for p in range(pixels):
            for lane in range(width):
                i = (lane // VW * pixels + p) * VW + lane % VW
                if sums[i] != sums[i]:
                    sums[i] = own_sum(groups, T, c, lane, width, groups.x + xo[p])
        P.full, P.last, P.after = 0, 0, NULL                    # bias and all that
        run(&P, x, xo, yo, ro)


cdef void partial_tile(const tile_run run, const tile_t *T, const float *x, const int64_t *xo,
                       const int64_t *yo, const int64_t *ro, int64_t pixels, int64_t width, int64_t n,
                       const pieces_t *pieces) noexcept nogil:
    """A tile whose channels from n on are not in y (nor in res): through a copy. Row-major only."""
    cdef float[PM * OCT] y, res
    cdef int64_t[PM_HALF] offsets
    cdef tile_t P = T[0]
    cdef int64_t p, c
    P.y = y
    pixel_offsets(offsets, pixels, 0, 0, pixels, 0, width)
    if T.res != NULL:
        P.res = res
        for p in range(pixels):
            for c in range(width):
                res[p * width + c] = T.res[ro[p] + c] if c < n else 0
    if T.part & (PART_GOES_ON | PART_IS_ADDED):
        for p in range(pixels):
            for c in range(width):
                y[p * width + c] = T.y[yo[p] + c] if c < n else 0
    if pieces != NULL:
        long_tile(run, &P, pieces[0], x, xo, offsets, offsets, pixels, width, NULL, 0)
    else:
        run(&P, x, xo, offsets, offsets)
    for p in range(pixels):
        for c in range(n):
            T.y[yo[p] + c] = y[p * width + c]


cdef float[OCT] no_bias

cdef void read_of(tile_t *T, int64_t first, int64_t n) noexcept nogil:
    """Let a tile read n channels from `first` on, which lies in the block where x begins."""
    first %= CB
    T.head = CB - first if first > 0 and first + n > CB else 0
    T.full, T.last = (n - T.head) // CB, (n - T.head) % CB


cdef void multiply_tiles(const product_t *P, int64_t c, int64_t width, int64_t n, const int64_t *xo,
                         const int64_t *yo, const int64_t *ro) noexcept nogil:
    """Tiles of `width` channels, OCT or HALF, from c on, over the n pixels of a chunk."""
    cdef tile_t T = P.t
    cdef int64_t pm = PM if width == OCT else PM_HALF
    cdef int64_t tiles = (n + pm - 1) // pm, px = (n + tiles - 1) // tiles, smaller = px * tiles - n, t
    cdef int64_t have = min(width, P.n - c), terms = P.terms
    cdef const tile_run *run = P.full if width == OCT else P.half
    cdef const tile_run *near = run + P.near * (pm + 1)
    cdef int64_t fetching = 0, to_fetching = (FORM_NEAR_FETCHING - FORM_NEAR) * (pm + 1)
    cdef const char *ahead
    cdef const float *x = P.x
    cdef const int64_t *reads = P.reads
    cdef bint later = acts_later(T.e.act) and not T.part & PART_STAYS, long_sums
    cdef pieces_t pieces
    cdef const product_t *groups = NULL
    run += P.list * (pm + 1)
    if reads == NULL:
        T.w = P.w + c * P.k + P.first * width
    else:
        reads += c // HALF * 3
        terms *= reads[1]
        read_of(&T, reads[0], reads[1] if terms > 0 else 0)
        x += reads[0] // CB * T.xb + (reads[0] % CB if T.head == 0 else 0)
        T.w = P.w + reads[2] + P.first * reads[1] * width
    T.bias = P.bias + c if P.bias != NULL else no_bias
    T.slope = P.slope + c
    T.y = P.y + c // CB * T.yb + c % CB
    T.res = P.res + c // CB * T.rb + c % CB if P.res != NULL else NULL
    long_sums = terms > PRODUCT_WHOLE and not P.whole or T.head > 0 or T.slices > 1 and terms > 0
    if reads != NULL and P.goc > 0 and reads[1] > P.gic and terms > 0:
        groups = P
    if long_sums:
        pieces = (pieces_of((T.head > 0) + T.full + (T.last > 0), T.kh, T.kw, CB) if T.kh > 0
                  else pieces_of(T.last, 1, 1, 1))
        pieces.alone = T.head > 0
    elif groups != NULL:
        pieces, long_sums = one_piece(T.full + (T.last > 0), T.kh, T.kw), True
    if P.list == FORM_LIST and c + width < P.n:
        fetching = min(tiles, FETCHING)
        T.ahead_by = (width * sizeof(float) + fetching - 1) // fetching
        ahead = <const char *>(T.w + (P.k if reads == NULL else terms) * width)
        run, near = run + to_fetching, near + to_fetching
    for t in range(tiles):                       # of nearly the same width
        if t == tiles - smaller:
            px -= 1
        if t < fetching:
            T.ahead = ahead + t * terms * T.ahead_by
        elif t > 0 and t == fetching:
            run, near = run - to_fetching, near - to_fetching
        if have < width:
            partial_tile(run[px], &T, x, xo, yo, ro, px, width, have, &pieces if long_sums else NULL)
        elif P.near != P.list and xo[px - 1] - xo[0] == (px - 1) * P.xj:
            if long_sums:
                long_tile(near[px], &T, pieces, x + xo[0], xo, yo, ro, px, width, groups, c)
            else:
                near[px](&T, x + xo[0], xo, yo, ro)
        elif long_sums:
            long_tile(run[px], &T, pieces, x, xo, yo, ro, px, width, groups, c)
        else:
            run[px](&T, x, xo, yo, ro)
        if later:
            activate_tile(&T, yo, px, have)
        xo, yo, ro = xo + px, yo + px, ro + px


cdef struct chunks_t:                    # how the pixels of a product are divided
    bint by_panels
    pieces_t panels                      # of the k, where it goes by them
    int64_t tiles, bytes                 # register tiles of a chunk at most, and their input in a panel


cdef chunks_t chunks_of(const product_t *P, int64_t pixels) noexcept nogil:
    """One panel of the k after another is multiplied by all channels where the input of a few pixels fills L2, and
    weights would come from memory for each. The sums wait in y, which must not be res."""
    cdef chunks_t found
    cdef int64_t bytes = P.pixel_bytes, most = CHUNK_BYTES
    memset(&found, 0, sizeof(chunks_t))
    if not (P.whole or P.terms <= PANELS_ABOVE or pixels <= PM or P.t.kh == 0 or P.reads != NULL or P.t.slices > 1
            or P.res == P.y):
        found.panels = pieces_of(P.t.full + (P.t.last > 0), P.t.kh, P.t.kw, CB)
        found.by_panels = number_of_pieces(&found.panels) <= RUN
    if found.by_panels:
        bytes, most = bytes * found.panels.most_blocks // found.panels.blocks, CHUNK_BYTES // 2
    found.tiles = max(1, min(MOST_PIXELS // PM, most // (bytes * PM)))
    found.bytes = found.tiles * PM * bytes
    return found


cdef void multiply(product_t *P, int64_t first, int64_t end, int64_t c0, int64_t c1) noexcept nogil:
    """Pixels first .. end-1 and channels c0 .. c1-1, in chunks of pixels whose input stays in L2."""
    cdef int64_t[MOST_PIXELS] xo, yo, ro
    cdef chunks_t division = chunks_of(P, end - first)
    cdef int64_t tiles = (end - first + PM - 1) // PM, most = division.tiles
    cdef int64_t chunks = (tiles + most - 1) // most, chunk, p, n, i, j, c, width
    cdef pieces_t q
    cdef product_t part
    if P.slope == NULL:
        P.slope = P.w                            # not read
    for chunk in range(chunks):
        # near-equal numbers of near-equal tiles
        p = first + (end - first) * (tiles * chunk // chunks) // tiles
        n = first + (end - first) * (tiles * (chunk + 1) // chunks) // tiles - p
        i, j = p // P.across, p % P.across
        if P.copy != NULL:
            pixel_offsets(xo, n, 0, 0, n, 0, CB)
        else:
            pixel_offsets(xo, n, i, j, P.across, P.xi, P.xj)
        pixel_offsets(yo, n, i, j, P.across, P.yi, P.yj)
        if P.res != NULL:
            pixel_offsets(ro, n, i, j, P.across, P.ri, P.rj)
        part, q = P[0], division.panels
        part.t.part = 0
        while True:
            if division.by_panels:
                take_panel(P, &q, &part)
            if P.copy != NULL:
                rows_to_blocks(part.x + i * P.xi + j * P.xj, P.xj, n, part.terms, P.copy)
                part.x, part.t.xb, part.xj, part.near = P.copy, n * CB, CB, FORM_NEAR
            c = c0
            while c < c1:
                width = OCT if c + OCT <= P.packed_n else HALF
                if P.reads != NULL and width == OCT and P.reads[(c // HALF + 1) * 3 + 1] >= 0:
                    width = HALF
                multiply_tiles(&part, c, width, n, xo, yo, ro)
                c += width
            if not part.t.part & PART_STAYS:
                break


cdef void take_panel(const product_t *P, pieces_t *q, product_t *part) noexcept nogil:
    """The next panel of P."""
    cdef int64_t before = PART_GOES_ON if P.terms <= PRODUCT_WHOLE else PART_IS_ADDED
    if part.t.part:
        part.first += part.terms
    else:
        part.first, before = P.first, 0
    next_piece(q)
    part.x = P.x + q.b * P.t.xb + q.i * P.t.xr + q.j * P.t.xt
    part.t.full = min(q.nb, P.t.full - q.b)
    part.t.last = P.t.last if part.t.full < q.nb else 0
    part.t.kh, part.t.kw = q.ni, q.nj
    part.terms = (part.t.full * CB + part.t.last) * q.ni * q.nj
    part.t.part = before | (0 if q.last else PART_STAYS)


cdef inline void product_of_tiles(product_t *P, const tile_run *full, const tile_run *half, int64_t act, float alpha,
                                  float beta) noexcept nogil:
    """A product without operands in these register tiles, of an activation; the caller goes on with what lies where."""
    memset(P, 0, sizeof(product_t))
    P.full, P.half = full, half
    P.near, P.list, P.t.slices, P.t.scale = FORM_LIST, FORM_LIST, 1, 1
    P.t.e.act, P.t.e.alpha, P.t.e.beta = act, alpha, beta


cdef inline void product_of_rows(product_t *P, const float *x, int64_t ldx, const float *w, float *y, int64_t ldy,
                                 int64_t m, int64_t k, int64_t n) noexcept nogil:
    """y = x w: m rows of k floats, packed columns n."""
    P.x, P.w, P.y, P.k, P.terms = x, w, y, k, k
    P.across, P.xj, P.yj = m, ldx, ldy                                  # a row of m pixels
    P.pixel_bytes = (k + CB - 1) // CB * CB * 4
    P.n, P.packed_n = n, (n + CB - 1) // CB * CB
    P.t.full, P.t.last, P.t.kh, P.t.kw = k // CB, k % CB, 1, 1
    P.t.xb, P.t.xt, P.t.yb, P.t.rb = CB, CB, CB, CB

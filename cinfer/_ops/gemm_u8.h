/* Products of matrices of bytes, exact in int32.
 *
 * gemm_u8       t[b, m, n] = sum_k (a[b, m, k] - a_zero) (w[b, k, n] - w_zero[n]), b = (b0, b1), which wraps around
 *   to          TO_int32  y = t + bias[n]
 *               TO_real   y = act(t * (scale[n] * by) + bias[n] + res[b, m, n]); by: NULL, or a float32 of the run;
 *                         range: NULL, or where the range of what a tile writes goes (range.h)
 *               TO_byte   y = table[min(hi, max(lo, rint(act((t + bias[n]) * scale[n]) / step) + zero))], ties to even;
 *                         without a table, that itself
 *   a           bytes, rows lda apart, columns side by side; batches a0 a1 apart, 0: the same for all; likewise y by
 *               ldy, y0, y1 and res by ldr, r0, r1, in elements. Nothing is read beyond k columns of a or n of res,
 *               nothing written beyond n of y
 *   a_zero      a byte of the type of a, or NULL for 0
 *   flip        0x80 where the bytes of a are signed: they and a_zero become unsigned ones, which are 128 more
 *   w           packed by pack_gemm_u8; batches w0 w1 words of 4 bytes apart
 *   scale       float32, `each` apart: 1, or 0, one for all
 *   bias        NULL, or float32 for TO_real, else int32
 *   offset      NULL, or int32, added to the sums
 *   act         of TO_real and TO_byte: activation.h; slope: of columns, for prelu of TO_byte; TO_real has none
 *   step        of TO_byte, or 0: none
 *   zero lo hi  of the type of y: 0 to 255 or -128 to 127
 *   Kernel tile = ((b0*batch1 + b1)*row_tiles + r)*col_tiles + c: rows r*rows .., columns c*cols ..; cols is a multiple
 *   of table.gemm_n unless col_tiles is 1.
 *   scratch     scratch_bytes, room_u8(k) at least
 * pack_gemm_u8  w[b][k][n] of any strides (sk, sn; w0 w1 of the batch) -> y[b][panel], panels = ceil(n / table.gemm_n)
 *               of panel_u8(k) words each; w_zero is `zeros` apart (1 or 0), or NULL for 0; flip: as above; few: it is
 *               for few rows, so that reading it takes the time. Kernel tile = batch*panels + panel.
 * A panel       [16] 0, IN_PAIRS, or IN_BYTES (such pairs, of bytes); whether anything of w_zero is left; how many
 *               quads of each vector are split; [OCTU] sums over k of w - w_zero; [OCTU] what is left to subtract of
 *               w_zero; the numbers of the quads that are split; [group][OCTU] weights, zero beyond k and n; [of those
 *               that are split][VW] their second part. Only what is needed is written, so that pages of large panels
 *               stay untouched.
 *
 * As GotoBLAS has it (K. Goto, R. van de Geijn, Anatomy of High-Performance Matrix Multiplication, 2008): rows of a, as
 * many as the scratch holds, stay in L2, a panel of w passes by all of them and stays in L1. Rows that lie as the tiles
 * want them are read in place, others are copied. In pairs of int16, it is w less its zero point that is packed; in
 * quads, w has to be a byte, and the sum of each row of a times what is left of the zero point is subtracted. The zero
 * point of a is a constant for each column, with which the sums begin. All this is integers: the order does not
 * matter, nor which panels are of pairs. A single row meets several panels at once. Where the CPU has AMX, its tiles
 * multiply quads of long rows (IN_AMX). */
#ifndef GEMM_U8_H
#define GEMM_U8_H
#include "gemm_u8_pack.h"
#include "activation.h"
#include "range.h"
#define GEMM_U8_FIELDS(B, I, F, A) B(a) B(a_zero) B(w) B(scale) B(bias) B(res) B(table) B(slope) B(y) \
    I(batch0) I(batch1) I(m) I(n) I(k) I(lda) I(ldy) I(ldr) I(a0) I(a1) I(w0) I(w1) I(y0) I(y1) I(r0) I(r1) \
    I(flip) I(to) I(each) I(act) F(alpha) F(beta) F(step) I(zero) I(lo) I(hi) \
    I(row_tiles) I(rows) I(col_tiles) I(cols) I(scratch_bytes) B(by) B(range) B(offset)
PARAMS(gemm_u8_t, GEMM_U8_FIELDS)
enum { TO_int32, TO_real, TO_byte };
enum { HEAD = 16, ROWS_AT_ONCE = 768 };                         /* words of a panel; rows whose sums are held */
enum { IN_PAIRS = -1, IN_BYTES = -2 };

typedef struct { int32_t *head, *more, *sum, *left, *at, *w, *w2; } panel_t;
INL int64_t quads_of(int64_t k) { return IN_AMX(k) ? (k + 63) / 64 * 16 : (k + 3) / 4; }
INL int64_t rows_of_tile(int64_t k) { return IN_AMX(k) ? ROWS_AMX : PMU; }
INL int64_t round_16(int64_t n) { return (n + 15) & ~15; }
INL int64_t before_weights(int64_t k) { return HEAD + 2 * OCTU + (SPLIT ? round_16(quads_of(k)) : 0); }
INL panel_t panel_of(int32_t *p, int64_t k)
{
    int32_t *w = p + before_weights(k);
    return (panel_t){p, p + 2, p + HEAD, p + HEAD + OCTU, p + HEAD + 2 * OCTU, w, w + quads_of(k) * OCTU};
}
static int64_t panel_u8(int64_t k) { return before_weights(k) + quads_of(k) * OCTU * (1 + PAIRS); }
/* words from row to row of what is copied: an odd number of cache lines, so that rows fall on different sets */
INL int64_t rows_ld(int64_t groups) { return ((groups + 15) / 16 | 1) * 16; }
static int64_t room_u8(int64_t k) { return 4 * rows_of_tile(k) * rows_ld(quads_of(k) * (1 + PAIRS)); }

#define COPY_ROWS(name, type) \
static __attribute__((noinline)) void copy_as_##name(const uint8_t *a, int64_t lda, int64_t rows, int64_t k, int flip, \
                                                     int32_t *x, int64_t ldx) \
{ \
    for (int64_t r = 0; r < rows; r++, a += lda, x += ldx) { \
        type *y = (type *)x; \
        for (int64_t i = 0; i < k; i++) y[i] = (type)(a[i] ^ flip); \
        for (int64_t i = k; i < 4 * quads_of(k); i++) y[i] = 0; \
    } \
}
COPY_ROWS(quads, uint8_t)
COPY_ROWS(pairs, int16_t)
/* Of rows of quads, ldx bytes apart; where there are only pairs, nobody asks. */
static __attribute__((noinline)) void row_sums(const uint8_t *p, int64_t ldx, int64_t rows, int64_t k, int32_t *sums)
{
    for (int64_t r = 0; r < rows; r++, p += ldx) {
        int32_t lanes[VW], s = 0;
        int64_t i = 0;
#if HAS_QUADS
        vi sum = {0};
        for (; i + 4 * VW <= k; i += 4 * VW) sum = plus_quads(sum, ldi(p + i), (vi){0} + 0x01010101);
        memcpy(lanes, &sum, sizeof sum);
        for (int j = 0; j < VW; j++) s += lanes[j];
        if (QUADS_LESS_128) s += (int32_t)(128 * i);
#else
        (void)lanes;
#endif
        for (; i < k; i++) s += p[i];
        sums[r] = s;
    }
}
static void add_row(int32_t *t, const int32_t *more)
{
    FOR(v, OVU) { const vi a = ldi(t + v * VW) + ldi(more + v * VW); memcpy(t + v * VW, &a, sizeof a); }
}
/* t[r] -= sums[r] * left */
static __attribute__((noinline)) void take_left(int32_t *t, const int32_t *sums, const int32_t *left, int64_t rows)
{
    vi l[OVU];
    FOR(v, OVU) l[v] = ldi(left + v * VW);
    for (int64_t r = 0; r < rows; r++, t += OCTU) {
        const vi s = bci(sums + r);
        FOR(v, OVU) { const vi a = ldi(t + v * VW) - s * l[v]; memcpy(t + v * VW, &a, sizeof a); }
    }
}
/* n numbers of 16 bits as bytes, in place, if they are. */
static int narrowed(int16_t *w, int64_t n)
{
    for (int64_t i = 0; i < n; i++) if (w[i] != (int8_t)w[i]) return 0;
    for (int64_t i = 0; i < n; i++) ((int8_t *)w)[i] = (int8_t)w[i];
    return 1;
}
static void pack_panel_u8(const uint8_t *w, int64_t sk, int64_t sn, const uint8_t *zero, int64_t zeros, int flip,
                          int few, int64_t k, int64_t n, int32_t *panel)
{
    panel_t p = panel_of(panel, k);
    int32_t less[OCTU] = {0};
    memset(panel, 0, 4 * (HEAD + 2 * OCTU));
    for (int64_t c = 0; c < n; c++) less[c] = (zero ? zero[c * zeros] : 0) ^ flip;
    if (HAS_QUADS) {
        int32_t whole[OCTU];
        for (int64_t c = 0; c < OCTU; c++) whole[c] = 128;      /* w - 128 is a byte */
        for (int64_t c = 0; c < n; c++) {
            p.left[c] = less[c] - 128;
            p.head[1] |= p.left[c] != 0;
            p.sum[c] = (int32_t)-((uint32_t)k * (uint32_t)p.left[c]);
        }
        pack_quads(w, sk, sn, flip, k, n, whole, (int8_t *)p.w, p.sum);
        const int64_t quads = (k + 3) / 4;
        memset(p.w + quads * OCTU, 0, 4 * OCTU * (size_t)(quads_of(k) - quads));
#if SPLIT
        if (IN_AMX(k) || split_quads(p.w, p.w2, p.at, p.more, quads_of(k))) return;
#else
        return;
#endif
        memset(panel, 0, 4 * (HEAD + 2 * OCTU));
    }
    p.head[0] = IN_PAIRS;
    pack_pairs(w, sk, sn, flip, k, n, less, (int16_t *)p.w, p.sum);
    if (SPLIT && few && narrowed((int16_t *)p.w, 4 * OCTU * quads_of(k))) p.head[0] = IN_BYTES;
}

/* Whether so many panels, `apart` words from each other, are all in pairs, in bytes or in quads. */
static int of_one_form(const int32_t *w, int64_t apart, int panels)
{
    for (int i = 1; i < panels; i++) if (w[i * apart] != w[0]) return 0;
    return 1;
}

/* What is done to sums before they are stored, of the columns of one panel. */
typedef struct {
    const float *scale, *bias, *res, *slope;
    const uint8_t *table;
    char *y;
    int64_t ldy, ldr, n, to;
    float low, high;                    /* of rint(..), before the zero point */
    float step;
    int32_t zero;
    epilogue_t e;
    range_t *range;
} finish_t;

INL void store_part(void *to, vi v, int64_t n)
{
    if (n >= VW) st(to, (vf)v);
    else if (n > 0) st_part(to, (vf)v, n);
}
INL vf ld_up_to_n(const float *p, int64_t n) { return n >= VW ? ld(p) : ld_part(p, n > 0 ? n : 0, 0); }
/* n: a constant where the panel is whole */
INL void finish_real_of(const finish_t *f, const int32_t *t, int64_t rows, int64_t n)
{
    const int later = acts_later(f->e.act), ranges = f->range && !later;
    range_t range = f->range ? *f->range : range_of_zero();
    vf scale[OVU], bias[OVU];
    FOR(v, OVU) {
        scale[v] = ld(f->scale + v * VW);
        bias[v] = f->bias ? ld_up_to_n(f->bias + v * VW, n - v * VW) : (vf){0};
    }
    for (int64_t r = 0; r < rows; r++, t += OCTU) {
        float *y = (float *)f->y + r * f->ldy;
        vf a[OVU];
        FOR(v, OVU) a[v] = rounded(to_float(ldi(t + v * VW)) * scale[v]) + bias[v];
        if (f->res) FOR(v, OVU) a[v] += ld_up_to_n(f->res + r * f->ldr + v * VW, n - v * VW);
        activate_sums(a, OVU, &f->e, NULL);
        FOR(v, OVU) store_part(y + v * VW, (vi)a[v], n - v * VW);
        if (ranges) FOR(v, OVU) {
            const int64_t lanes = n - v * VW;
            range_take(&range, lanes >= VW ? a[v] : first_of(a[v], lanes > 0 ? lanes : 0, 0));
        }
    }
    if (later) activate_rows((float *)f->y, n, rows, f->ldy, (int)f->e.act, f->e.alpha, f->e.beta);
    if (f->range) {
        if (later)
            for (int64_t r = 0; r < rows; r++)
                FOR(v, OVU) range_take(&range, ld_up_to_n((float *)f->y + r * f->ldy + v * VW, n - v * VW));
        *f->range = range;
    }
}
static __attribute__((noinline)) void finish_real(const finish_t *f, const int32_t *t, int64_t rows)
{
    if (f->n == OCTU) finish_real_of(f, t, rows, OCTU);
    else finish_real_of(f, t, rows, f->n);
}
static __attribute__((noinline)) void finish_int32(const finish_t *f, const int32_t *t, int64_t rows)
{
    for (int64_t r = 0; r < rows; r++, t += OCTU)
        FOR(v, OVU) store_part((int32_t *)f->y + r * f->ldy + v * VW, ldi(t + v * VW), f->n - v * VW);
}
/* act(x) / step of columns from c on */
static __attribute__((noinline)) vf before_rounding(const finish_t *f, vf x, int64_t c)
{
    if (acts_later(f->e.act)) unary_row((float *)&x, (float *)&x, VW, (int)f->e.act, f->e.alpha, f->e.beta);
    else activate_sums(&x, 1, &f->e, f->slope ? f->slope + c : NULL);
    if (f->step > 0) x /= f->step;
    return x;
}
static __attribute__((noinline)) void finish_bytes(const finish_t *f, const int32_t *t, int64_t rows)
{
    const vf low = bc(f->low), high = bc(f->high);
    vf scale[OVU];
    FOR(v, OVU) scale[v] = ld(f->scale + v * VW);
    for (int64_t r = 0; r < rows; r++, t += OCTU) {
        uint8_t *y = (uint8_t *)f->y + r * f->ldy, part[OCTU];
        uint8_t *to = f->n < OCTU ? part : y;
        FOR(v, OVU) {
            vf q = to_float(ldi(t + v * VW)) * scale[v];
            if (__builtin_expect(f->e.act, 0)) q = before_rounding(f, q, v * VW);
            q = vrint(vmin(high, vmax(low, q)));
            st_u8(to + v * VW, (to_int(q) + f->zero) & 255);
        }
        if (f->table) for (int64_t c = 0; c < f->n; c++) to[c] = f->table[to[c]];
        if (f->n < OCTU) memcpy(y, part, (size_t)f->n);
    }
}

static void finish_rows(const finish_t *f, const int32_t *t, int64_t rows)
{
    if (f->to == TO_real) finish_real(f, t, rows);
    else if (f->to == TO_byte) finish_bytes(f, t, rows);
    else finish_int32(f, t, rows);
}
#if HAS_AMX
# include "gemm_u8_amx.h"
#endif

static void gemm_u8_tile(const gemm_u8_t *A, char *const *base, char *scratch, int64_t tile)
{
    int64_t column = tile % A->col_tiles * A->cols, row = tile / A->col_tiles % A->row_tiles * A->rows;
    int64_t b = tile / A->col_tiles / A->row_tiles, b0 = b / A->batch1, b1 = b % A->batch1;
    int64_t end = A->n - column < A->cols ? A->n : column + A->cols;
    int64_t bottom = A->m - row < A->rows ? A->m : row + A->rows;
    const uint8_t *a = (const uint8_t *)at(base, A->a) + b0 * A->a0 + b1 * A->a1, *zero = at(base, A->a_zero);
    int32_t *w = (int32_t *)at(base, A->w) + b0 * A->w0 + b1 * A->w1;
    const float *scale = at(base, A->scale), *res = at(base, A->res), *slope = at(base, A->slope);
    const float *by = at(base, A->by);
    float *part = at(base, A->range);
    range_t range = range_of_zero();
    const void *bias = at(base, A->bias);
    const int32_t *offset = at(base, A->offset);
    char *y = at(base, A->y);
    int64_t size = A->to == TO_byte ? 1 : 4, quads = quads_of(A->k);
    int64_t ld_quads = rows_ld(quads), ld_pairs = rows_ld(2 * quads);
    int64_t most = A->scratch_bytes / (4 * (PAIRS ? ld_pairs : ld_quads));
    int32_t a_zero = (zero ? *zero : 0) ^ (int32_t)A->flip;
    int32_t shift[OCTU] __attribute__((aligned(64))) = {0}, t[PMU * OCTU] __attribute__((aligned(64)));
    int32_t t_row[ROW_PANELS * OCTU] __attribute__((aligned(64))), sums[ROWS_AT_ONCE];
    float scales[OCTU] __attribute__((aligned(64))) = {0}, slopes[OCTU] __attribute__((aligned(64))) = {0};
    finish_t f = {.table = at(base, A->table), .ldy = A->ldy, .ldr = A->ldr, .to = A->to, .zero = (int32_t)A->zero,
                  .low = (float)(A->lo - A->zero), .high = (float)(A->hi - A->zero),
                  .step = (float)A->step, .e = {A->act, (float)A->alpha, (float)A->beta},
                  .range = part ? &range : NULL};
    int in_place = A->flip == 0 && A->k % 4 == 0 && A->lda % 4 == 0;
    y += size * (b0 * A->y0 + b1 * A->y1);
    if (res) res += b0 * A->r0 + b1 * A->r1;
    most = (most < ROWS_AT_ONCE ? most : ROWS_AT_ONCE) / rows_of_tile(A->k) * rows_of_tile(A->k);
    if (in_place) ld_quads = A->lda / 4;
    for (int64_t r0 = row, rows; r0 < bottom; r0 += rows) {
        int have = 0, summed = 0;               /* what the scratch has of these rows: 1 quads, 2 pairs */
        int together = 0;                       /* panels whose products with a single row are in t_row */
        rows = bottom - r0 < most ? bottom - r0 : most;
#if HAS_AMX
        amx_panels_t amx;
        if (IN_AMX(A->k)) {
            begin_amx(&amx, a + r0 * A->lda, A->lda, rows, A->k, (int)A->flip, (int32_t *)scratch, rows_ld(quads));
            have = 1;
        }
#endif
        for (int64_t c = column; c < end; c += OCTU) {
            panel_t p = panel_of(w + c / OCTU * panel_u8(A->k), A->k);
            int in_bytes = SPLIT && p.head[0] == IN_BYTES, in_pairs = PAIRS && (!HAS_QUADS || p.head[0] < 0);
            const gemm_u8_tile_fn *tiles = in_bytes ? bytes_tiles : in_pairs ? pairs_tiles : quads_tiles;
            const int64_t groups = in_pairs ? 2 * quads : quads, apart = panel_u8(A->k);
            const uint8_t *from = a + r0 * A->lda;
            const int32_t *x = !in_pairs && in_place ? (const int32_t *)from : (const int32_t *)scratch;
            int64_t ldx = in_pairs ? ld_pairs : ld_quads;
            if (in_pairs && have != 2) {
                copy_as_pairs(from, A->lda, rows, A->k, (int)A->flip, (int32_t *)scratch, ldx);
                have = 2;
            } else if (!in_pairs && !in_place && have != 1) {
                copy_as_quads(from, A->lda, rows, A->k, (int)A->flip, (int32_t *)scratch, ldx);
                have = 1;
            }
            if (rows == 1 && together == 0 && !IN_AMX(A->k) && (end - c + OCTU - 1) / OCTU >= ROW_PANELS
                && of_one_form(p.head, apart, ROW_PANELS)) {
                memset(t_row, 0, sizeof t_row);
                (in_bytes ? bytes_row : in_pairs ? pairs_row : quads_row)(x, p.w, apart, groups, t_row);
                together = ROW_PANELS;
            }
            f.n = end - c < OCTU ? end - c : OCTU;
            for (int j = 0; j < f.n; j++) {
                shift[j] = (int32_t)-((uint32_t)a_zero * (uint32_t)p.sum[j]);
                if (QUADS_LESS_128)
                    shift[j] += (int32_t)(128 * ((uint32_t)p.sum[j] + (uint32_t)A->k * (uint32_t)p.left[j]));
                if (offset) shift[j] = (int32_t)((uint32_t)shift[j] + (uint32_t)offset[c + j]);
                if (bias && A->to != TO_real) shift[j] += ((const int32_t *)bias)[c + j];
                if (scale) scales[j] = scale[(c + j) * A->each] * (by ? *by : 1);
                if (slope) slopes[j] = slope[c + j];
            }
            if (p.head[1] && !summed) {
                const uint8_t *first = (const uint8_t *)x;
                int64_t apart = 4 * ldx;
#if HAS_AMX
                if (IN_AMX(A->k)) first = (const uint8_t *)amx.piece[0].x, apart = amx.piece[0].ld;
#endif
                row_sums(first, apart, rows, A->k, sums);
                summed = 1;
            }
            f.scale = scales;
            f.slope = slope ? slopes : NULL;
            f.bias = bias && A->to == TO_real ? (const float *)bias + c : NULL;
#if HAS_AMX
            if (IN_AMX(A->k)) {
                f.y = y + size * (r0 * A->ldy + c);
                f.res = res ? res + r0 * A->ldr + c : NULL;
                panel_amx(&amx, &f, p, p.head[1] ? sums : NULL, shift, rows, quads);
                continue;
            }
#endif
            for (int64_t r = 0, q; r < rows; r += q) {
                q = rows - r < PMU ? rows - r : PMU;
                f.y = y + size * ((r0 + r) * A->ldy + c);
                for (int64_t i = 0; i < q; i++) __builtin_prefetch(f.y + i * size * A->ldy, 1);
                tiles[q - 1](x + r * ldx, ldx, p.w, together ? 0 : groups, p.w2, p.at, p.more, shift, t);
                if (together > 0) add_row(t, t_row + (ROW_PANELS - together--) * OCTU);
                if (p.head[1]) take_left(t, sums + r, p.left, q);
                f.res = res ? res + (r0 + r) * A->ldr + c : NULL;
                finish_rows(&f, t, q);
            }
        }
#if HAS_AMX
        if (IN_AMX(A->k)) end_amx(&amx);
#endif
    }
    if (part) range_end(&range, part + 2 * tile);
}
#endif

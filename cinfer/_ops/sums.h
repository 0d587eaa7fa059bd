/* How long sums stay exact: no float32 accumulator takes more than a bounded number of terms, what it holds
 * then goes to a float64 total. Adding n terms of one sign to one accumulator is off by at most n/2^24 of
 * the sum, by n/2^25 where they are all alike; the lengths below are such that the sums of every kernel are
 * good to 1e-5 of the sum of the magnitudes, however many terms there are. A sum that fits into one piece
 * never sees float64: it is what a plain loop would give, and as fast.
 *
 * row_piece_sum, long_row_sum    of a contiguous row, (x - centre) or its square
 * block_sum                      the same of h x w pixels of a block of 16 channels, rows `row` floats apart,
 *                                one sum a lane
 *
 * Order of a row: pieces of ROW_PIECE terms, in each 4 vectors side by side, then these, then the lanes
 * pairwise. Of a block: pieces of RUN rows of BLOCK_PIECE pixels; in each the pixels of a row in 8/NV sums
 * side by side, then these one after another, then the rows. */
#ifndef SUMS_H
#define SUMS_H
#include "vec_math.h"
enum {
    RUN = 64,                           /* terms, and again so many partial sums, one after another */
    ROW_PIECE = 256 * VW,               /* terms of a row, in up to 4 vectors of sums */
    BLOCK_PIECE = RUN * 8 / NV,         /* pixels of a row of a block, in 8/NV sums a lane */
    COLUMN_PIECE = 256,                 /* terms along a strided axis, or a side of a window */
    PRODUCT_WHOLE = 2048,               /* a product of up to so many terms a sum is done at once, */
    PRODUCT_PIECE = 512                 /* a longer one in pieces of up to so many, whose sums are added */
};

/* total += part; first: from zero. */
static __attribute__((noinline, unused)) void add_to_total(double *total, const float *part, int64_t n,
                                                           int first)
{
    if (first) for (int64_t i = 0; i < n; i++) total[i] = (double)part[i];
    else for (int64_t i = 0; i < n; i++) total[i] += (double)part[i];
}
static __attribute__((noinline, unused)) void rounded_total(const double *total, float *y, int64_t n)
{
    for (int64_t i = 0; i < n; i++) y[i] = (float)total[i];
}

/* The pieces of a sum over blocks x kh x kw, each of `terms` terms: in order, each a box that lies together
 * in weights [blocks][kh][kw], of at most PRODUCT_PIECE terms. */
typedef struct {
    int64_t blocks, kh, kw, most_blocks, most_kh, most_kw;
    int64_t b, i, j, nb, ni, nj;        /* this piece: blocks b .. b+nb-1, rows i .., taps j .. */
    int alone, last;                    /* whether the first block is in no piece with others; the last piece */
} pieces_t;
static inline int64_t near_equal(int64_t n, int64_t most)
{
    int64_t parts = (n + most - 1) / most;
    return (n + parts - 1) / parts;
}
static inline pieces_t pieces_of(int64_t blocks, int64_t kh, int64_t kw, int64_t terms)
{
    int64_t most = PRODUCT_PIECE / terms;
    pieces_t p = {.blocks = blocks, .kh = kh, .kw = kw, .most_blocks = 1, .most_kh = 1};
    p.most_kw = near_equal(kw, most);
    if (kw <= most) p.most_kh = near_equal(kh, most / kw);
    if (kw <= most && kh <= most / kw) p.most_blocks = near_equal(blocks, most / (kh * kw));
    return p;
}
static inline pieces_t one_piece(int64_t blocks, int64_t kh, int64_t kw)
{
    return (pieces_t){.blocks = blocks, .kh = kh, .kw = kw, .most_blocks = blocks, .most_kh = kh, .most_kw = kw};
}
static inline int64_t number_of_pieces(const pieces_t *p)
{
#define PARTS(n, most) (((n) + (most) - 1) / (most))
    return PARTS(p->blocks, p->most_blocks) * PARTS(p->kh, p->most_kh) * PARTS(p->kw, p->most_kw);
#undef PARTS
}
static inline int next_piece(pieces_t *p)
{
    if ((p->j += p->nj) >= p->kw) { p->j = 0; p->i += p->ni; }
    if (p->i >= p->kh) { p->i = 0; p->b += p->nb; }
    if (p->b >= p->blocks) return 0;
#define AT_MOST(n, most) ((n) < (most) ? (n) : (most))
    p->nb = p->alone && p->b == 0 ? 1 : AT_MOST(p->blocks - p->b, p->most_blocks);
    p->ni = AT_MOST(p->kh - p->i, p->most_kh);
    p->nj = AT_MOST(p->kw - p->j, p->most_kw);
#undef AT_MOST
    p->last = p->b + p->nb == p->blocks && p->i + p->ni == p->kh && p->j + p->nj == p->kw;
    return 1;
}

#define SUMS 4
INL float row_piece_sum(const float *x, int64_t n, float centre, int squared)
{
    vf s[SUMS] = {{0}}, m = bc(centre);
    int64_t i = 0;
#define TERM(x) vf d = (x) - m; if (squared) d *= d
    for (; i + SUMS * VW <= n; i += SUMS * VW) FOR(k, SUMS) { TERM(ld(x + i + k * VW)); s[k] += d; }
    for (; i + VW <= n; i += VW) { TERM(ld(x + i)); s[0] += d; }
    if (i < n) { TERM(ld_part(x + i, n - i, centre)); s[1] += d; }
#undef TERM
    return sum_of_lanes((s[0] + s[1]) + (s[2] + s[3]));
}
static __attribute__((noinline, unused)) float long_row_sum(const float *x, int64_t n, float centre,
                                                            int squared)
{
    double total = 0;
    for (int64_t i = 0; i < n; i += ROW_PIECE) {
        int64_t m = n - i < ROW_PIECE ? n - i : ROW_PIECE;
        total += (double)(squared ? row_piece_sum(x + i, m, centre, 1) : row_piece_sum(x + i, m, centre, 0));
    }
    return (float)total;
}
INL void block_piece_sum(const float *x, int64_t h, int64_t w, int64_t row, const vf *centre, int squared,
                         vf *total)
{
    enum { U = 8 / NV };
    FOR(v, NV) total[v] = (vf){0};
    for (int64_t i = 0; i < h; i++, x += row) {
        vf s[U][NV];
        int64_t j = 0;
        FOR(u, U) FOR(v, NV) s[u][v] = (vf){0};
#define TERM(x) { vf d = (x) - centre[v]; if (squared) d *= d; s[u][v] += d; }
        for (; j + U <= w; j += U) FOR(u, U) FOR(v, NV) TERM(ld(x + (j + u) * CB + v * VW))
        FOR(u, U) if (j + u < w) FOR(v, NV) TERM(ld(x + (j + u) * CB + v * VW))
#undef TERM
        FOR(u, U - 1) FOR(v, NV) s[0][v] += s[u + 1][v];
        FOR(v, NV) total[v] += s[0][v];
    }
}
static __attribute__((noinline, unused)) void long_block_sum(const float *x, int64_t h, int64_t w,
                                                             int64_t row, const float *centre, int squared,
                                                             float *sum)
{
    double total[CB] = {0};
    vf c[NV], t[NV];
    FOR(v, NV) c[v] = ld(centre + v * VW);
    for (int64_t i = 0; i < h; i += RUN)
        for (int64_t j = 0; j < w; j += BLOCK_PIECE) {
            const float *p = x + i * row + j * CB;
            int64_t m = h - i < RUN ? h - i : RUN, n = w - j < BLOCK_PIECE ? w - j : BLOCK_PIECE;
            if (squared) block_piece_sum(p, m, n, row, c, 1, t);
            else block_piece_sum(p, m, n, row, c, 0, t);
            FOR(v, NV) st(sum + v * VW, t[v]);
            add_to_total(total, sum, CB, 0);
        }
    rounded_total(total, sum, CB);
}
INL void block_sum(const float *x, int64_t h, int64_t w, int64_t row, const vf *centre, int squared, vf *sum)
{
    if (h <= RUN && w <= BLOCK_PIECE) {
        block_piece_sum(x, h, w, row, centre, squared, sum);
        return;
    }
    float c[CB], s[CB];
    FOR(v, NV) st(c + v * VW, centre[v]);
    long_block_sum(x, h, w, row, c, squared, s);
    FOR(v, NV) sum[v] = ld(s + v * VW);
}
#endif

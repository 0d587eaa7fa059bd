/* Products of bfloat16 in AMX tiles (amx_tile.h), in float32 all around: sums, and what becomes of them.
 *
 * y[oc, p] = act(scale * sum_k x[k, p] w[k, oc] + bias[oc] + res[oc, p])
 *
 * x     a strip of bfloat16, k in groups of 32, 64 bytes each; pieces and steps as amx_tile.h has them. Rows lie at one
 *       step; pixel p is row at[p] of them, and rows between pixels are multiplied for nothing
 * w     packed by pack_bf16 (bf16.pxi), whole groups: [oc tile][group][16 pairs][oc tile][2]
 * y     channel c of pixel p is c/16*yb + yo[p] + c%16 floats from it, in res rb and ro; yb = 16 makes rows of a
 *       matrix. Of the last block, `last` channels are read and written
 * Order of sums: group after group, each as amx_dot_bf16 adds it, whatever the tile; then scale, bias, residual. A sum
 * has at most MOST_GROUPS additions, of sums of 16 terms twice (sums.h; longer ones are not offered, plan/kernels/
 * bf16.py).
 *
 * Sums are finished beside the products of the next tiles: these take 64 cycles a group, of 1024 sums, which are 64
 * vectors to load, add, and store. So up to two or three groups that is what takes the time, and less beyond. Weights
 * of the next channels are fetched into L2 meanwhile: they may come from memory. */
#ifndef BF16_AMX_H
#define BF16_AMX_H
#include "activation.h"
#include "amx_tile.h"
#include "pairs.h"
enum { ROWS_OF_TILE = 16, WIDE_BF16 = 32, GROUP_BYTES = 64 };

typedef struct {                        /* pixels of the sums t, whose first row is `row`; blocks of them, of 16 */
    float *t;
    const float *bias, *slope, *res;    /* of these blocks */
    float *y;
    const int64_t *at, *yo, *ro;
    int64_t row, blocks, last, yb, rb;  /* last: channels in the last of these blocks */
    int64_t y_step, r_step;
    float scale;
    epilogue_t e;
    int in_place;                       /* what is done needs more than registers, or ends within a vector */
} bf16_pixels_t;

/* Four at a time: the choice of an activation is theirs together. */
INL void bf16_block(const bf16_pixels_t *k, int64_t b, int64_t from, int64_t to, int partly)
{
    enum { PIXELS = 4 / NV > 0 ? 4 / NV : 1 };
    const int64_t wide = k->blocks * CB, have = b == k->blocks - 1 ? k->last : CB;
    float *t = k->t + b * CB - k->row * wide, *y = k->y + b * k->yb;
    const float *res = k->res ? k->res + b * k->rb : NULL;
    const vf scale = bc(k->scale);
    vf bias[NV];
    FOR(v, NV) bias[v] = ld(k->bias + b * CB + v * VW);
    for (int64_t p = from; p < to; p += PIXELS) {
        vf a[NV][PIXELS];
        int64_t pixel[PIXELS];
        FOR(i, PIXELS) pixel[i] = p + i < to ? p + i : to - 1;          /* the last one again, to the same place */
        FOR(i, PIXELS) FOR(v, NV) a[v][i] = ld(t + k->at[pixel[i]] * wide + v * VW) * scale + bias[v];
        if (res && !partly)
            FOR(i, PIXELS) FOR(v, NV) a[v][i] += ld(res + k->ro[pixel[i]] + v * VW);
        else if (res)
            FOR(i, PIXELS) FOR(v, NV) {
                const int64_t n = have - v * VW;
                const float *r = res + k->ro[pixel[i]] + v * VW;
                if (n >= VW) a[v][i] += ld(r);
                else if (n > 0) a[v][i] += ld_part(r, n, 0);
            }
        FOR(v, NV) activate_sums(a[v], PIXELS, &k->e, k->slope + b * CB + v * VW);
        if (partly) FOR(i, PIXELS) FOR(v, NV) st(t + k->at[pixel[i]] * wide + v * VW, a[v][i]);
        else FOR(i, PIXELS) FOR(v, NV) st(y + k->yo[pixel[i]] + v * VW, a[v][i]);
    }
}
/* Rows from .. to - 1 of one block of a matrix, whose activation is none or left for later: to y, or where they are. */
INL void bf16_row_block(const bf16_pixels_t *k, int64_t b, int64_t from, int64_t to, int in_place)
{
    const int64_t wide = k->blocks * CB, have = b == k->blocks - 1 ? k->last : CB, rows = to - from;
    const float *t = k->t + (from - k->row) * wide + b * CB, *res = k->res + b * k->rb + from * k->r_step;
    const int64_t step = in_place ? wide : k->y_step;
    float *y = in_place ? (float *)t : k->y + b * k->yb + from * step;
    const vf scale = bc(k->scale);
    vf bias[NV];
    FOR(v, NV) bias[v] = ld(k->bias + b * CB + v * VW);
    if (!k->res)
        UNROLL(4) for (int64_t p = 0; p < rows; p++)
            FOR(v, NV) st(y + p * step + v * VW, ld(t + p * wide + v * VW) * scale + bias[v]);
    else if (have == CB)
        UNROLL(4) for (int64_t p = 0; p < rows; p++)
            FOR(v, NV) st(y + p * step + v * VW,
                          ld(t + p * wide + v * VW) * scale + bias[v] + ld(res + p * k->r_step + v * VW));
    else
        for (int64_t p = 0; p < rows; p++, res += k->r_step)
            FOR(v, NV) {
                const int64_t n = have - v * VW;
                const vf r = n >= VW ? ld(res + v * VW) : ld_part(res + v * VW, n > 0 ? n : 0, 0);
                st(y + p * step + v * VW, ld(t + p * wide + v * VW) * scale + bias[v] + r);
            }
}
INL void bf16_rows(const bf16_pixels_t *k, int64_t from, int64_t to)
{
    const int64_t wide = k->blocks * CB, rows = to - from;
    float *t = k->t + (from - k->row) * wide;
    if (!k->in_place) {
        for (int64_t b = 0; b < k->blocks; b++) bf16_row_block(k, b, from, to, 0);
        return;
    }
    for (int64_t b = 0; b < k->blocks; b++) bf16_row_block(k, b, from, to, 1);
    if (acts_later(k->e.act)) activate_rows(t, rows * wide, 1, 0, (int)k->e.act, k->e.alpha, k->e.beta);
    for (int64_t b = 0; b < k->blocks; b++, t += CB) {
        float *y = k->y + b * k->yb + from * k->y_step;
        if (b < k->blocks - 1 || k->last == CB)
            UNROLL(4) for (int64_t p = 0; p < rows; p++)
                FOR(v, NV) st(y + p * k->y_step + v * VW, ld(t + p * wide + v * VW));
        else
            for (int64_t p = 0; p < rows; p++) memcpy(y + p * k->y_step, t + p * wide, 4 * k->last);
    }
}
static __attribute__((noinline)) void finish_bf16(const void *of, int64_t from, int64_t to)
{
    const bf16_pixels_t *k = of;
    if (k->y_step && (k->e.act == U_none || acts_later(k->e.act))) {
        bf16_rows(k, from, to);
        return;
    }
    const int64_t wide = k->blocks * CB, first = k->at[from], rows = k->at[to - 1] + 1 - first;
    if (!k->in_place) {
        for (int64_t b = 0; b < k->blocks; b++) bf16_block(k, b, from, to, 0);
        return;
    }
    for (int64_t b = 0; b < k->blocks; b++) bf16_block(k, b, from, to, 1);
    if (acts_later(k->e.act))           /* rows between pixels too: they are no one's */
        activate_rows(k->t + (first - k->row) * wide, wide, rows, wide, (int)k->e.act, k->e.alpha, k->e.beta);
    for (int64_t b = 0; b < k->blocks; b++) {
        const size_t bytes = 4 * (b == k->blocks - 1 ? k->last : CB);
        for (int64_t p = from; p < to; p++)
            memcpy(k->y + b * k->yb + k->yo[p], k->t + (k->at[p] - k->row) * wide + b * CB, bytes);
    }
}

/* A product over the pixels of a chunk. */
typedef struct {
    const amx_piece_t *piece;
    int64_t pieces, x_step, groups;     /* groups: of all pieces */
    const char *w;
    int64_t wide, packed_n;             /* channels of a packed tile, and packed at all, whole blocks */
    const float *bias, *slope, *res;
    float *y;
    int64_t n, yb, rb;                  /* n: channels that y has */
    const int64_t *at, *yo, *ro;
    int64_t y_step, r_step;             /* of a matrix, whose at, yo and ro are p times 1, these two; else 0 */
    float scale;
    epilogue_t e;
} bf16_amx_t;
/* What a kernel tile has on its stack. Sums lie twice: those of one pair of tiles are finished beside the next. */
typedef struct {
    float t[2][WIDE_BF16 * WIDE_BF16];
    bf16_pixels_t of[2];
    amx_behind_t behind;
    int64_t now, rows;
} __attribute__((aligned(64))) bf16_stack_t;
static const float no_bias_bf16[WIDE_BF16];            /* nor slopes: these are not read then */

INL void begin_bf16(bf16_stack_t *S)
{
    S->behind = (amx_behind_t){.run = finish_bf16};
    S->now = S->rows = 0;
}
/* Pixels offset[0] .. offset[n - 1] of a block, and of the one `second` floats behind it. */
INL void fetch_pixels(const float *block, const int64_t *offset, int64_t n, int64_t second, int to_write)
{
    UNROLL(4) for (int64_t p = 0; p < n; p++) {
        const float *pixel = block + offset[p];
        if (to_write) {
            __builtin_prefetch(pixel, 1);
            __builtin_prefetch(pixel + second, 1);
        } else {
            __builtin_prefetch(pixel);
            __builtin_prefetch(pixel + second);
        }
    }
}
/* Channels c0 .. c1 - 1 of the n pixels of a chunk. at, yo and ro have to stay until amx_behind_all. */
static __attribute__((noinline)) void multiply_bf16(bf16_stack_t *S, const bf16_amx_t *P, int64_t n, int64_t c0,
                                                    int64_t c1)
{
    const int64_t rows = P->at[n - 1] + 1, height = rows < ROWS_OF_TILE ? rows : ROWS_OF_TILE;
    const int64_t each = GROUP_BYTES * P->groups;       /* bytes of w for a channel */
    if (S->rows != height) {
        S->rows = height;
        amx_begin(height);
    }
    for (int64_t c = c0, width; c < c1; c += width) {
        const int64_t left = P->packed_n - c, packed = left < P->wide ? left : P->wide;
        width = c1 - c > CB ? WIDE_BF16 : CB;
        amx_job_t J = {
            .piece = P->piece, .pieces = P->pieces, .parts = 1, .groups = P->groups, .x_step = P->x_step,
            .w = P->w + c * each, .ldw = 4 * packed, .w_step = 64 * packed,
            .w_second = P->wide == WIDE_BF16 ? 64 : CB * each};
        const int64_t blocks = width / CB, have = P->n - c < width ? P->n - c : width;
        const int64_t lines = P->wide == WIDE_BF16 && c + width < c1 ? J.w_step / 64 : 0;
        const int64_t pairs = (rows + 2 * ROWS_OF_TILE - 1) / (2 * ROWS_OF_TILE);    /* of tiles: each has its part */
        int64_t row = 0, p = 0;
        J.next = J.w + width * each;
        for (int64_t pair = 0; row < rows; pair++) {
            J.from = lines * pair / pairs;
            J.to = lines * (pair + 1) / pairs;
            const amx_rows_t now = amx_rows(row, rows);
            bf16_pixels_t *of = S->of + S->now;
            int64_t end = p;
            while (end < n && P->at[end] < now.end) end++;
            fetch_pixels(P->y + c / CB * P->yb, P->yo + p, end - p, (blocks - 1) * P->yb, 1);
            if (P->res) fetch_pixels(P->res + c / CB * P->rb, P->ro + p, end - p, (blocks - 1) * P->rb, 0);
            amx_bf16[now.tiles - 1][blocks - 1](&J, now.first, now.second, S->t[S->now], &S->behind);
            *of = (bf16_pixels_t){
                .t = S->t[S->now], .bias = P->bias ? P->bias + c : no_bias_bf16,
                .slope = P->slope ? P->slope + c : no_bias_bf16,
                .res = P->res ? P->res + c / CB * P->rb : NULL, .y = P->y + c / CB * P->yb, .at = P->at, .yo = P->yo,
                .ro = P->ro, .row = now.first, .blocks = blocks, .last = have - (blocks - 1) * CB, .yb = P->yb,
                .rb = P->rb, .y_step = P->y_step, .r_step = P->r_step, .scale = P->scale, .e = P->e};
            of->in_place = acts_later(P->e.act) || of->last < CB;
            S->behind.of = of;
            S->behind.at = p;
            S->behind.end = p = end;
            S->now ^= 1;
            row = now.end;
        }
    }
}
#endif

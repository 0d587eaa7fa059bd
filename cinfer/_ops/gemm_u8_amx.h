/* Products of matrices of bytes in AMX tiles (amx_tile.h), for gemm_u8.h: from LEAST_K_AMX terms on, whose panels have
 * quads up to a multiple of 16, so that 16 of them and 16 columns are a tile.
 *
 * Rows of a are read where they lie, but for what does not fill 64 columns at their ends, which is copied; rows of
 * signed bytes, and those 1024 bytes apart or a multiple, which fall on few sets of the cache, are copied whole. Sums
 * are finished beside the products of the next, also where these are of the next panel. */
#ifndef GEMM_U8_AMX_H
#define GEMM_U8_AMX_H
#include "amx_tile.h"

typedef struct {                        /* rows of sums, from `row` on, of one panel */
    int32_t *t;
    const int32_t *left, *sums;
    int64_t row;
    finish_t f;
    float scale[OCTU], slope[OCTU];
} __attribute__((aligned(64))) amx_finish_t;
typedef struct {
    int32_t t[2][ROWS_AMX * OCTU];
    amx_finish_t of[2];
    amx_behind_t behind;
    amx_piece_t piece[2];
    int pieces, now;
} __attribute__((aligned(64))) amx_panels_t;

static void finish_amx(const void *of, int64_t from, int64_t to)
{
    const amx_finish_t *k = of;
    int32_t *t = k->t + (from - k->row) * OCTU;
    finish_t f = k->f;
    f.y += (f.to == TO_byte ? 1 : 4) * from * f.ldy;
    if (f.res) f.res += from * f.ldr;
    f.scale = k->scale;
    if (f.slope) f.slope = k->slope;
    if (k->left) take_left(t, k->sums + from, k->left, to - from);
    finish_rows(&f, t, to - from);
}

/* Rows of a for all panels, from `a` on; what has to be copied goes to x, rows ldx groups apart. */
static void begin_amx(amx_panels_t *S, const uint8_t *a, int64_t lda, int64_t rows, int64_t k, int flip, int32_t *x,
                      int64_t ldx)
{
    const int64_t whole = k / 64;
    S->behind = (amx_behind_t){.run = finish_amx};
    S->now = S->pieces = 0;
    amx_begin(rows < 16 ? rows : 16);
    if (flip || lda % 1024 == 0) {
        copy_as_quads(a, lda, rows, k, flip, x, ldx);
        S->piece[S->pieces++] = (amx_piece_t){(const char *)x, 4 * ldx, (k + 63) / 64};
        return;
    }
    S->piece[S->pieces++] = (amx_piece_t){(const char *)a, lda, whole};
    if (k % 64 == 0) return;
    copy_as_quads(a + 64 * whole, lda, rows, k % 64, 0, x, 16);
    S->piece[S->pieces++] = (amx_piece_t){(const char *)x, 64, 1};
}
/* One panel: f of its first row; sums: NULL, or of rows of a, where the panel has zero points left. Of scales and
 * shift, nothing is read later. */
static void panel_amx(amx_panels_t *S, const finish_t *f, panel_t p, const int32_t *sums, const int32_t *shift,
                      int64_t rows, int64_t quads)
{
    amx_job_t J = {.piece = S->piece, .pieces = S->pieces, .parts = 1, .groups = quads / 16, .w = (const char *)p.w,
                   .start = shift, .ldw = 4 * OCTU, .w_step = 64 * OCTU, .w_second = 64};
    for (int64_t row = 0; row < rows;) {
        const amx_rows_t now = amx_rows(row, rows);
        const int64_t size = f->to == TO_byte ? 1 : 4;
        amx_finish_t *of = S->of + S->now;
        for (int64_t i = row; i < now.end; i++) __builtin_prefetch(f->y + i * size * f->ldy, 1);
        amx_u8[now.tiles - 1][OCTU / 16 - 1](&J, now.first, now.second, S->t[S->now], &S->behind);
        *of = (amx_finish_t){.t = S->t[S->now], .left = sums ? p.left : NULL, .sums = sums, .row = now.first, .f = *f};
        memcpy(of->scale, f->scale, sizeof of->scale);
        if (f->slope) memcpy(of->slope, f->slope, sizeof of->slope);
        S->behind.of = of;
        S->behind.at = row;
        S->behind.end = row = now.end;
        S->now ^= 1;
    }
}
static void end_amx(amx_panels_t *S)
{
    amx_behind_all(&S->behind);
    amx_end();
}
#endif

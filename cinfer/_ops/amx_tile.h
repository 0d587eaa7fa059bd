/* Sums of products in AMX tiles: up to 32 rows x 32 columns at a time.
 *
 * t[r][c] = start[c] + sum_k x[r, k] w[k, c]
 *
 * x     in pieces, one after another: k of each runs over `groups` of 64 bytes in a row, side by side (u8) or x_step
 *       bytes apart (bf16); rows are ld bytes apart. All 64 bytes of a group are read; w is zero for those that do not
 *       count
 * w     for each piece and group a tile for 16 columns: 16 rows of 4 bytes of k for each column, ldw bytes apart;
 *       from group to group it is w_step bytes, from the first 16 columns to the others w_second. `parts` such weights,
 *       one behind the other, add up (dot_u8.h)
 * start of 16 or 32 columns: a load of tiles whose rows are 0 bytes apart (u8), or 0 (bf16)
 * t     rows of as many sums as there are columns; those from `row` on and from `second` on, 16 each, which may
 *       overlap: so the last of many rows need no tiles of another height. Of fewer than 16 rows, as many as amx_begin
 *       was told
 *
 * Four tiles of sums, two of x, two of w: each load serves two products, of 16 cycles each, for which the vector units
 * are idle. So the sums of the tiles before (`behind`) are rounded and stored meanwhile, some of their rows at each
 * group: at small k that is most of the work. */
#ifndef AMX_TILE_H
#define AMX_TILE_H
#include "amx.h"
#include "vec.h"
typedef struct { const char *x; int64_t ld, groups; } amx_piece_t;
typedef struct {
    const amx_piece_t *piece;
    const char *w;
    const void *start;
    int64_t pieces, parts, groups, ldw, w_step, w_second, x_step;  /* groups: of all pieces and parts together */
    const char *next;                   /* bf16: weights that come next, of which beside each group the cache lines */
    int64_t from, to;                   /* from .. to - 1 of theirs are fetched into L2 */
} amx_job_t;
/* What is to be done with rows at .. end - 1 of earlier sums: run(of, from, to), from first to last. */
typedef struct { void (*run)(const void *of, int64_t from, int64_t to); const void *of; int64_t at, end; } amx_behind_t;

INL void amx_behind(amx_behind_t *k, int64_t rows)
{
    if (k->at >= k->end) return;
    const int64_t to = k->end - k->at < rows ? k->end : k->at + rows;
    k->run(k->of, k->at, to);
    k->at = to;
}
static inline void amx_behind_all(amx_behind_t *k) { amx_behind(k, k->end - k->at); }

#define FROM_START(t, at) amx_load(t, at, 0)
#define FROM_ZERO(t, at) amx_zero(t)
#define FETCH_NONE
#define FETCH_NEXT for (int64_t i = J->from; i < J->to; i++) __builtin_prefetch(J->next + (w - J->w) + 64 * i, 0, 2);
#define AMX_TILE(name, dot, BEGIN, STEP, FETCH, R, C) \
static __attribute__((noinline)) void amx_##name##_##R##_##C(const amx_job_t *J, int64_t row, int64_t second, \
                                                             void *t, amx_behind_t *behind) \
{ \
    const int64_t each = ((behind->end - behind->at + J->groups - 1) / J->groups + 3) & ~3, ldt = 64 * C; \
    const char *w = J->w, *start = J->start; \
    const int64_t x_step = STEP; \
    char *low = (char *)t + (second - row) * ldt; \
    BEGIN(0, start); \
    if (C == 2) BEGIN(1, start + 64); \
    if (R == 2) BEGIN(2, start); \
    if (R == 2 && C == 2) BEGIN(3, start + 64); \
    for (int64_t part = 0; part < J->parts; part++) \
        for (const amx_piece_t *p = J->piece, *end = p + J->pieces; p < end; p++) { \
            const int64_t ld = p->ld; \
            const char *x = p->x + row * ld, *x2 = p->x + second * ld; \
            for (int64_t g = p->groups; g > 0; g--, x += x_step, x2 += x_step, w += J->w_step) { \
                FETCH \
                amx_load(4, x, ld); \
                amx_load(6, w, J->ldw); \
                if (C == 2) amx_load(7, w + J->w_second, J->ldw); \
                if (R == 2) amx_load(5, x2, ld); \
                dot(0, 4, 6); \
                if (C == 2) dot(1, 4, 7); \
                if (R == 2) dot(2, 5, 6); \
                if (R == 2 && C == 2) dot(3, 5, 7); \
                amx_behind(behind, each); \
            } \
        } \
    amx_store(0, t, ldt); \
    if (C == 2) amx_store(1, (char *)t + 64, ldt); \
    if (R == 2) amx_store(2, low, ldt); \
    if (R == 2 && C == 2) amx_store(3, low + 64, ldt); \
    (void)low, (void)start; \
}
#define AMX_TILES(name, ...) \
    AMX_TILE(name, __VA_ARGS__, 1, 1) AMX_TILE(name, __VA_ARGS__, 1, 2) \
    AMX_TILE(name, __VA_ARGS__, 2, 1) AMX_TILE(name, __VA_ARGS__, 2, 2) \
    static const amx_tile_fn amx_##name[2][2] = {{amx_##name##_1_1, amx_##name##_1_2}, \
                                                 {amx_##name##_2_1, amx_##name##_2_2}};
typedef void (*amx_tile_fn)(const amx_job_t *, int64_t, int64_t, void *, amx_behind_t *);
AMX_TILES(u8, amx_dot_u8s8, FROM_START, 64, FETCH_NONE)
AMX_TILES(bf16, amx_dot_bf16, FROM_ZERO, J->x_step, FETCH_NEXT)

/* Rows of the tiles whose first row that is not done yet is `row`, of n rows. */
typedef struct { int64_t first, second, end, tiles; } amx_rows_t;
INL amx_rows_t amx_rows(int64_t row, int64_t n)
{
    const int64_t left = n - row, last = n > 16 ? n - 16 : 0;
    amx_rows_t r = {.tiles = left > 16 ? 2 : 1, .end = left > 32 ? row + 32 : n};
    r.first = row < last ? row : last;
    r.second = row + 16 < last ? row + 16 : last;
    return r;
}
#endif

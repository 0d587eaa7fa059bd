/* Maps read between their values, and which of them is the largest there: the numbers read go nowhere.
 *
 * A map is c planes of ih x iw floats: planes, rows and columns are xc, xr and xx floats apart, xx or xc is 1. It is
 * read at oh x ow places, of rows iy[i] + ty[i] and columns jx[j] + tx[j], which rise:
 *     line[j] = a + (b - a) * ty,  a, b the rows iy, iy + 1;   value = l + (r - l) * tx,  l, r of line at jx, jx + 1
 * each operation rounded to float32 by itself, so labels are the same at every ISA level. Behind the last row or column
 * ty or tx is 0. NaN counts as -MOST_READ, what is beyond +-MOST_READ as that: no difference of two overflows.
 *
 * kernel `labels`: y[oh][ow], of `wide` bytes, 1 or 2, each: `first` + the number of the plane whose value is the
 *     largest and above `least`, of equal ones the first; where there is none 0. Tile: `rows` rows of places
 * kernel `masks`: for each box x1 y1 x2 y2 (int64) of places, where a sum of planes is above 0: to the address masks[n]
 *     (int64) [y2 - y1][x2 - x1] bytes 0 or 1. numbers [n][c]: how much each plane counts. Tile: a box
 *
 * Lanes are VW rows of places: their lines are turned to [plane][column][row], so that neighbours are two loads. A
 * value lies between the two of its line but for three roundings: among PLACES places a plane whose largest number in a
 * line is below the smallest of another by more than these cannot win, and where one is left alone nothing is computed.
 * So the labels are those of the formula. Scratch: as lines_for says; `masks`: and a plane. */
#ifndef BILINEAR_H
#define BILINEAR_H
#include "api.h"
#include "transpose.h"
#include "sums.h"
#define MOST_READ 1e38f
enum { PLACES = 64,
       LINES_ROOM = 1 << 18,            /* bytes: a part of the second cache */
       WIDE = 4 };                      /* vectors */

typedef struct {
    const float *x;
    int64_t c, ih, iw, xc, xr, xx, oh, ow;
    const int32_t *iy, *jx;
    const float *ty, *tx;
    uint8_t *y;
    int64_t first, wide;
    float least;
} reading_t;

/* What rows of places work in: lines of `block` places at once, [c][span][VW]; span is odd, so that planes lie in
 * different sets of the cache. */
typedef struct { int64_t block, span, bytes; } lines_t;

/* Columns of a map between the first and the last of any n places side by side, and one more */
static int64_t columns_of(const int32_t *jx, int64_t ow, int64_t n)
{
    int64_t most = jx[(n < ow ? n : ow) - 1] - jx[0];
    for (int64_t j = 1; j + n <= ow; j++) if (jx[j + n - 1] - jx[j] > most) most = jx[j + n - 1] - jx[j];
    return most + 2;
}
static lines_t lines_for(int64_t c, const int32_t *jx, int64_t ow)
{
    const int64_t each = c * VW * (int64_t)sizeof(float);
    lines_t L = {(ow + PLACES - 1) / PLACES * PLACES};
    while ((L.span = columns_of(jx, ow, L.block)) * each > LINES_ROOM && L.block > PLACES)
        L.block = (L.block / 2 + PLACES - 1) / PLACES * PLACES;
    L.span = (L.span + VW - 1) / VW * VW + 1;
    L.bytes = (L.span + 2) * each + PLACES * VW * (int64_t)sizeof(int32_t)
              + c * (int64_t)(sizeof(int64_t) + sizeof(float));
    return L;
}

INL vf readable(vf x) { return vmin(bc(MOST_READ), vmax(x, bc(-MOST_READ))); }
INL vf mixed(vf a, vf b, vf t) { return a + rounded((b - a) * t); }

/* Lines of places i .. i + VW - 1, those beyond the last as the last, at columns from .. from + n - 1; those from
 * `there` on hold any numbers. */
static __attribute__((noinline)) void bilinear_lines(const reading_t *M, int64_t i, int64_t from, int64_t n,
                                                     int64_t there, int64_t span, float *lines)
{
    /* what lies side by side, and of what there are rows */
    const int by_column = M->xx == 1;
    const int64_t inner = by_column ? there : M->c, outer = by_column ? M->c : n, apart = by_column ? M->xc : M->xx;
    const int64_t room = by_column ? span : M->c, one = by_column ? VW : span * VW, next = by_column ? span * VW : VW;
    const float *a[VW], *b[VW];
    vf t[VW];
    FOR(r, VW) {
        const int64_t row = i + r < M->oh ? i + r : M->oh - 1, up = M->iy[row];
        a[r] = M->x + up * M->xr + from * M->xx;
        b[r] = M->x + (up + 1 < M->ih ? up + 1 : up) * M->xr + from * M->xx;
        t[r] = bc(M->ty[row]);
    }
    for (int64_t o = 0; o < outer; o++)
        for (int64_t k = 0; k < (by_column ? n : inner); k += VW) {
            const int64_t at = (by_column || o < there ? o : there - 1) * apart + k, left = inner - k;
            float *to = lines + o * next + k * one;
            vf v[VW];
            if (left >= VW) {
                FOR(r, VW) v[r] = mixed(readable(ld(a[r] + at)), readable(ld(b[r] + at)), t[r]);
            } else {
                const int64_t part = left > 0 ? left : 0;
                FOR(r, VW)
                    v[r] = mixed(readable(ld_part(a[r] + at, part, 0)), readable(ld_part(b[r] + at, part, 0)), t[r]);
            }
            transpose(v);
            if (k + VW <= room) FOR(m, VW) st(to + m * one, v[m]);
            else for (int64_t m = 0; k + m < room; m++) st(to + m * one, v[m]);
        }
}

/* Which planes may win somewhere among `there` columns of lines, in their order; their number. *alone: one wins
 * everywhere, or (0) none. bounds: [c][2] vectors */
static __attribute__((noinline)) int64_t bilinear_able(const reading_t *M, const float *lines, int64_t span,
                                                       int64_t there, float *bounds, int64_t *able, int *alone)
{
    const vf least = bc(M->least);
    vf floor = least;
    int64_t n = 0;
    for (int64_t c = 0; c < M->c; c++) {
        const float *p = lines + c * span * VW;
        vf high = ld(p), low = high;
        for (int64_t j = 1; j < there; j++) {
            const vf v = ld(p + j * VW);
            high = vmax(v, high);
            low = vmin(v, low);
        }
        const vf slack = vmax(vabs(high), vabs(low)) * 0x1p-20f;        /* three roundings, and those of this */
        st(bounds + 2 * c * VW, high + slack);
        st(bounds + (2 * c + 1) * VW, low - slack);
        floor = vmax(low - slack, floor);
    }
    for (int64_t c = 0; c < M->c; c++) {
        const vm below = lt(ld(bounds + 2 * c * VW), floor);
        if (any(~below)) able[n++] = c;
    }
    *alone = n == 0;
    if (n == 1) {
        const vm above = lt(least, ld(bounds + (2 * able[0] + 1) * VW));
        *alone = !any(~above);
    }
    return n;
}

/* Labels at m places: t [m][row], of bytes or, where they are wide, of int32 */
static __attribute__((noinline)) void bilinear_labels(const reading_t *M, const float *lines, int64_t span, int64_t j,
                                                      int64_t m, const int64_t *able, const float *names, int64_t n,
                                                      char *t)
{
    const float *from = lines - (int64_t)M->jx[j] * VW;
    for (int64_t k = 0; k < m; k += 2) {                /* two at a time: one waits for its largest so far */
        const int64_t at[2] = {j + k, k + 1 < m ? j + k + 1 : j + k};
        const float *p[2];
        vf share[2], best[2], name[2];
        FOR(u, 2) {
            p[u] = from + (int64_t)M->jx[at[u]] * VW;
            share[u] = bc(M->tx[at[u]]);
            best[u] = bc(M->least);
            name[u] = (vf){0};
        }
        for (int64_t a = 0; a < n; a++) {
            const int64_t plane = able[a] * span * VW;
            const vf its = bc(names[a]);
            FOR(u, 2) {
                const float *q = p[u] + plane;
                const vf v = mixed(ld(q), ld(q + VW), share[u]);
                name[u] = pick(lt(best[u], v), its, name[u]);
                best[u] = vmax(v, best[u]);
            }
        }
        FOR(u, 2) {
            const vi label = to_int(name[u]);
            if (M->wide == 1) st_u8((uint8_t *)t + (at[u] - j) * VW, label);
            else memcpy(t + (at[u] - j) * (int64_t)sizeof label, &label, sizeof label);
        }
    }
}

/* m labels, m <= PLACES, of `rows` rows to y: t [m][row], or one for all. y: rows `yr` labels apart */
static __attribute__((noinline)) void put_bytes(uint8_t *y, int64_t yr, int64_t rows, int64_t m, const char *t, int one)
{
    if (t == NULL) {
        for (int64_t r = 0; r < rows; r++) memset(y + r * yr, one, (size_t)m);
        return;
    }
    for (int64_t k = 0; k < m; k += 16) {
        const size_t n = m - k < 16 ? (size_t)(m - k) : 16;
        bytes_v v[VW];
        memcpy(v, t + k * VW, sizeof v);
        columns_to_rows(v, VW);
        if (n == 16) for (int64_t r = 0; r < rows; r++) memcpy(y + r * yr + k, &v[r], 16);
        else for (int64_t r = 0; r < rows; r++) memcpy(y + r * yr + k, &v[r], n);
    }
}
static void put_wide(uint16_t *y, int64_t yr, int64_t rows, int64_t m, const char *t, int one)
{
    for (int64_t r = 0; r < rows; r++)
        for (int64_t k = 0; k < m; k++) y[r * yr + k] = (uint16_t)(t != NULL ? ((const int32_t *)t)[k * VW + r] : one);
}

/* Labels of rows i .. end - 1 of places, at most VW. room: as `lines_for` says */
static void label_rows(const reading_t *M, int64_t i, int64_t end, const lines_t *L, char *room)
{
    float *lines = (float *)room, *bounds = lines + M->c * L->span * VW;
    char *t = (char *)(bounds + 2 * M->c * VW);
    int64_t *able = (int64_t *)(t + PLACES * VW * sizeof(int32_t));
    float *names = (float *)(able + M->c);
    const int64_t rows = end - i < VW ? end - i : VW;
    int64_t from = 0;
    for (int64_t j = 0; j < M->ow; j += PLACES) {
        if (j % L->block == 0) {
            const int64_t last = M->jx[j + L->block < M->ow ? j + L->block - 1 : M->ow - 1];
            from = M->jx[j];
            bilinear_lines(M, i, from, last + 2 - from, (last + 2 < M->iw ? last + 2 : M->iw) - from, L->span,
                           lines);
        }
        const int64_t m = M->ow - j < PLACES ? M->ow - j : PLACES, end_column = M->jx[j + m - 1] + 2;
        const int64_t there = (end_column < M->iw ? end_column : M->iw) - M->jx[j];
        const float *here = lines + (M->jx[j] - from) * VW;
        int alone;
        const int64_t n = bilinear_able(M, here, L->span, there, bounds, able, &alone);
        if (!alone) {
            for (int64_t a = 0; a < n; a++) names[a] = (float)(M->first + able[a]);
            bilinear_labels(M, here, L->span, j, m, able, names, n, t);
        }
        const int label = alone && n ? (int)(M->first + able[0]) : 0;
        uint8_t *y = M->y + (i * M->ow + j) * M->wide;
        if (M->wide == 1) put_bytes(y, M->ow, rows, m, alone ? NULL : t, label);
        else put_wide((uint16_t *)y, M->ow, rows, m, alone ? NULL : t, label);
    }
}

/* V vectors side by side of a sum of c planes `apart` floats from each other; n: of one vector, floats. Terms one after
 * another, in pieces of RUN (sums.h). */
#define SUM_PLANES(V, load) \
    vf total[V] = {{0}}; \
    for (int64_t k = 0; k < c; k += RUN) { \
        vf sum[V] = {{0}}; \
        for (int64_t m = k; m < c && m < k + RUN; m++, x += apart) \
            FOR(v, V) sum[v] += rounded(bc(numbers[m]) * load); \
        FOR(v, V) total[v] += sum[v]; \
    }
INL void sum_wide(const float *x, const float *numbers, int64_t c, int64_t apart, float *y)
{
    SUM_PLANES(WIDE, ld(x + v * VW))
    FOR(v, WIDE) st(y + v * VW, total[v]);
}
INL void sum_part(const float *x, const float *numbers, int64_t c, int64_t apart, float *y, int64_t n)
{
    SUM_PLANES(1, ld_part(x, n, 0))
    st_part(y, *total, n);
}
/* A sum of c planes wherever places read it: plane [ih][iw] */
static __attribute__((noinline)) void sum_planes(const reading_t *M, const float *x, const float *numbers, int64_t c,
                                                 float *plane)
{
    const int64_t below = M->iy[M->oh - 1] + 2 < M->ih ? M->iy[M->oh - 1] + 2 : M->ih, apart = M->ih * M->iw;
    const int64_t right = M->jx[M->ow - 1] + 2 < M->iw ? M->jx[M->ow - 1] + 2 : M->iw, wide = WIDE * VW;
    for (int64_t i = M->iy[0]; i < below; i++) {
        int64_t j = M->jx[0];
        if (M->iw >= wide) for (; j < right; j += wide) {           /* the last ones of a row may begin before j */
            const int64_t at = i * M->iw + (j <= M->iw - wide ? j : M->iw - wide);
            sum_wide(x + at, numbers, c, apart, plane + at);
        }
        else for (; j < right; j += VW - 1)                         /* ld_part takes less than a vector */
            sum_part(x + i * M->iw + j, numbers, c, apart, plane + i * M->iw + j,
                     right - j < VW - 1 ? right - j : VW - 1);
    }
}
#endif

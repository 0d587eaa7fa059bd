/* Between plain tensors and NCHW16c blocks, moves of channels among blocks.
 *
 * to_blocked       y[n][b][i][j][lane] = x[n][b*16 + lane][i][j]; lanes beyond the last channel become 0
 * from_blocked     the reverse; writes real channels only. coff: the place of each channel in y (int64, in
 *                  floats) instead of c*yc
 * gather_channels  blocked to blocked. table[c] = (floats from x to the channel's value at pixel (0, 0) of
 *                  picture 0, row stride, picture stride); pixels 16 floats apart; x is 64-byte aligned
 *
 * Plain strides n c h w, blocked strides n b r, all in floats. Pictures are d slices of each volume, in plain
 * memory xd or yd floats apart (d = 0: pictures). Tile = (image*row_tiles + r)*blocks + b, rows
 * r*rows .. of the picture. */
#ifndef LAYOUT_H
#define LAYOUT_H
#include "api.h"
#include "transpose.h"

/* Pixel p of a run that may go over the ends of rows: w pixels a row, rows `row` floats apart. */
typedef struct { int64_t at, left, w, end; } run_t;
INL run_t run_at(int64_t p, int64_t w, int64_t row)
{
    return (run_t){p / w * row + p % w * CB, w - p % w, w, row - (w - 1) * CB};
}
INL void run_next(run_t *r)
{
    if (--r->left) r->at += CB;
    else { r->at += r->end; r->left = r->w; }
}

/* n pixels side by side in each of `lanes` planes -> blocked, in squares; the last starts early enough. */
INL void block_planes(const float *x, int64_t plane, int lanes, int64_t n, float *y, int64_t w, int64_t row)
{
    for (int64_t p = 0; p < n; p += VW) {
        if (p > n - VW && n >= VW) p = n - VW;
        int64_t m = n < VW ? n : VW;
        run_t start = run_at(p, w, row);
        FOR(v, NV) {
            vf r[VW];
            if (m == VW) {
                FOR(k, VW) r[k] = v * VW + k < lanes ? ld(x + (v * VW + k) * plane + p) : (vf){0};
            } else {
                float t[VW * VW] = {0};
                for (int k = 0; k < VW && v * VW + k < lanes; k++)
                    for (int64_t i = 0; i < m; i++) t[k * VW + i] = x[(v * VW + k) * plane + p + i];
                FOR(k, VW) r[k] = ld(t + k * VW);
            }
            transpose(r);
            if (m == VW && start.left >= VW) {
                FOR(k, VW) st(y + start.at + k * CB + v * VW, r[k]);
            } else {
                float t[VW * VW];
                run_t q = start;
                FOR(k, VW) st(t + k * VW, r[k]);
                for (int64_t k = 0; k < m; k++, run_next(&q)) st(y + q.at + v * VW, ld(t + k * VW));
            }
        }
    }
}
static __attribute__((noinline)) void block_planes_whole(const float *x, int64_t plane, int64_t n, float *y,
                                                         int64_t w, int64_t row)
{
    block_planes(x, plane, CB, n, y, w, row);
}
static __attribute__((noinline)) void block_planes_part(const float *x, int64_t plane, int lanes, int64_t n,
                                                        float *y, int64_t w, int64_t row)
{
    block_planes(x, plane, lanes, n, y, w, row);
}

/* The reverse: n pixels of a blocked run to planes at y + off[lane]. */
static __attribute__((noinline)) void unblock_planes(const float *x, int64_t w, int64_t row, int64_t n,
                                                     float *y, const int64_t *off, int lanes)
{
    for (int64_t p = 0; p < n; p += VW) {
        if (p > n - VW && n >= VW) p = n - VW;
        int64_t m = n < VW ? n : VW;
        run_t start = run_at(p, w, row);
        FOR(v, NV) {
            if (v * VW >= lanes) break;
            vf r[VW];
            if (m == VW && start.left >= VW) {
                FOR(k, VW) r[k] = ld(x + start.at + k * CB + v * VW);
            } else {
                float t[VW * VW] = {0};
                run_t q = start;
                for (int64_t k = 0; k < m; k++, run_next(&q)) st(t + k * VW, ld(x + q.at + v * VW));
                FOR(k, VW) r[k] = ld(t + k * VW);
            }
            transpose(r);
            if (m == VW) {
                FOR(k, VW) if (v * VW + k < lanes) st(y + off[v * VW + k] + p, r[k]);
            } else {
                float t[VW * VW];
                FOR(k, VW) st(t + k * VW, r[k]);
                for (int k = 0; k < VW && v * VW + k < lanes; k++)
                    for (int64_t i = 0; i < m; i++) y[off[v * VW + k] + p + i] = t[k * VW + i];
            }
        }
    }
}

/* One row of pixels with channels side by side (NHWC), and of any strides. */
static __attribute__((noinline)) void block_pixels(const float *x, int64_t xc, int64_t xw, int lanes,
                                                   int64_t w, float *y)
{
    if (xc == 1 && lanes == CB)
        for (; w > 0; w--, x += xw, y += CB) FOR(v, NV) st(y + v * VW, ld(x + v * VW));
    else if (xc == 1)
        for (; w > 0; w--, x += xw, y += CB)
            FOR(v, NV) {
                int n = lanes - v * VW;
                st(y + v * VW, n >= VW ? ld(x + v * VW) : n > 0 ? ld_part(x + v * VW, n, 0) : (vf){0});
            }
    else
        for (; w > 0; w--, x += xw, y += CB) for (int k = 0; k < CB; k++) y[k] = k < lanes ? x[k * xc] : 0;
}
static __attribute__((noinline)) void unblock_pixels(const float *x, int64_t w, float *y, int64_t yw,
                                                     int lanes)
{
    if (lanes == CB)
        for (; w > 0; w--, x += CB, y += yw) FOR(v, NV) st(y + v * VW, ld(x + v * VW));
    else
        for (; w > 0; w--, x += CB, y += yw)
            FOR(v, NV) {
                int n = lanes - v * VW;
                if (n >= VW) st(y + v * VW, ld(x + v * VW));
                else if (n > 0) st_part(y + v * VW, ld(x + v * VW), n);
            }
}
/* One row of pixels of one lane. */
INL void unblock_lane(const float *x, int64_t w, float *y, int64_t yw)
{
    if (yw == 2) for (int64_t i = 0; i < w; i++) y[2 * i] = x[i * CB];
    else for (int64_t i = 0; i < w; i++) y[i * yw] = x[i * CB];
}

/* Where the channels of one block come from, in elements. Lanes of up to 4 source blocks are permuted in registers
 * where there is such an instruction, else one element is moved after another. */
typedef struct {
    int64_t lane[CB], row[CB];          /* each channel's value at pixel (0, 0), and its row stride */
    int sources;                        /* different source blocks; -1 if there are more than 4 */
    int64_t source[4], source_row[4];
    int32_t from[CB];                   /* source * 16 + lane of each channel */
} lanes_t;
static __attribute__((noinline)) lanes_t find_lanes(const int64_t *table, int64_t image, int lanes)
{
    lanes_t f;
    f.sources = 0;
    for (int k = 0; k < CB; k++) {
        const int64_t *t = table + (k < lanes ? k : lanes - 1) * 3;
        int64_t place = t[0] + image * t[2], lane = place & (CB - 1);
        f.lane[k] = place;
        f.row[k] = t[1];
        if (f.sources < 0) continue;
        int s = 0;
        while (s < f.sources && (f.source[s] != place - lane || f.source_row[s] != t[1])) s++;
        if (s == 4) { f.sources = -1; continue; }
        if (s == f.sources) { f.source[s] = place - lane; f.source_row[s] = t[1]; f.sources++; }
        f.from[k] = (int32_t)(s * CB + lane);
    }
    return f;
}
static __attribute__((noinline)) void gather_row(const lanes_t *f, const float *x, int64_t row, int64_t w, float *y)
{
#if VW == 16
    if (f->sources > 0) {
        const float *a = x + f->source[0] + row * f->source_row[0], *b = a, *c = a, *d = a;
        vi from = ldi(f->from);
        if (f->sources > 1) b = x + f->source[1] + row * f->source_row[1];
        if (f->sources > 2) c = x + f->source[2] + row * f->source_row[2];
        if (f->sources > 3) d = x + f->source[3] + row * f->source_row[3];
        vm high = bit_of(from, 2 * CB);
        for (int64_t i = 0; i < w * CB; i += CB) {
            vf v = _mm512_permutex2var_ps(ld(a + i), (__m512i)from, ld(b + i));
            if (f->sources > 2) {
                vf u = _mm512_permutex2var_ps(ld(c + i), (__m512i)from, ld(d + i));
                v = pick(high, u, v);
            }
            st(y + i, v);
        }
        return;
    }
#endif
    for (int h = 0; h < CB; h += 8) {           /* 8 pointers stay in registers */
        const float *p[8];
        FOR(k, 8) p[k] = x + f->lane[h + k] + row * f->row[h + k];
        for (int64_t i = 0; i < w * CB; i += CB) FOR(k, 8) y[i + h + k] = p[k][i];
    }
}
#endif

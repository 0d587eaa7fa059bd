/* Convolutions of bytes in AMX tiles: rows of bytes gathered from blocks, sums that become blocks of bytes. */
#ifndef CONV_U8_AMX_H
#define CONV_U8_AMX_H
#include "amx_tile.h"
#include "dot_u8.h"
#include "requantise.h"
enum { MOST_PIECES = 128, WIDE = 2 * CB };

/* n pixels of `blocks` blocks of 16 bytes, xb bytes apart, pixels `step` apart -> y, pixels yp apart, the channels of
 * each side by side. Four blocks at a time: few streams to read, a cache line to write. */
static __attribute__((noinline)) void gather_pixels(const uint8_t *x, int64_t n, int64_t step, int64_t blocks,
                                                    int64_t xb, char *y, int64_t yp)
{
    for (; blocks >= 4; blocks -= 4, x += 4 * xb, y += 4 * CB)
        for (int64_t i = 0; i < n; i++) FOR(b, 4) memcpy(y + i * yp + b * CB, x + i * step + b * xb, CB);
    for (; blocks > 0; blocks--, x += xb, y += CB)
        for (int64_t i = 0; i < n; i++) memcpy(y + i * yp, x + i * step, CB);
}
/* n pixels of `bytes` bytes that are all one. */
static inline void fill_pixels(int byte, int64_t n, int64_t bytes, char *y, int64_t yp)
{
    for (int64_t i = 0; i < n; i++) memset(y + i * yp, byte, (size_t)bytes);
}

/* Pixels of the output: pixel p is row at[p] - row of the sums t, and goes to y + yo[p]; block 1 is yb behind. */
typedef struct {
    const int32_t *t;
    const float *scale;
    char *y;                            /* bytes or int32, as yo and yb are */
    const int64_t *at, *yo;
    int64_t row, blocks, yb;
    requant_t q;
} amx_pixels_t;
static __attribute__((noinline)) void finish_pixels(const void *of, int64_t from, int64_t to)
{
    const amx_pixels_t *k = of;
    const requant_t q = k->q;
    for (int64_t b = 0; b < k->blocks; b++) {
        const int64_t wide = k->blocks * CB;
        const int32_t *t = k->t + b * CB - k->row * wide;
        uint8_t *y = (uint8_t *)k->y + b * k->yb;
        vf scale[NV];
        FOR(v, NV) scale[v] = ld(k->scale + b * CB + v * VW);
        for (int64_t p = from; p < to; p += 2) {
            const int64_t next = p + 1 < to ? p + 1 : p;
            const int32_t *one = t + k->at[p] * wide, *other = t + k->at[next] * wide;
            vi s[NV], u[NV];
            FOR(v, NV) {
                vi both[2] = {ldi(one + v * VW), ldi(other + v * VW)};
                requant_lanes(both, 2, scale[v], b * CB + v * VW, &q);
                s[v] = both[0];
                u[v] = both[1];
            }
            requant_store(y + k->yo[p], y + k->yo[next], s, u, &q);
        }
    }
}

static void store_sums(const void *of, int64_t from, int64_t to)
{
    const amx_pixels_t *k = of;
    for (int64_t b = 0; b < k->blocks; b++)
        for (int64_t p = from; p < to; p++)
            memcpy((int32_t *)k->y + b * k->yb + k->yo[p], k->t + ((k->at[p] - k->row) * k->blocks + b) * CB, 4 * CB);
}

/* What a kernel tile has on its stack. Sums lie twice: those of one pair of tiles are finished beside the next. */
typedef struct {
    int32_t t[2][WIDE * WIDE], start[WIDE];
    amx_piece_t piece[MOST_PIECES];
    amx_pixels_t of[2];
} __attribute__((aligned(64))) amx_stack_t;

#endif

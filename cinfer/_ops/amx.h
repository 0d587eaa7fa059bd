/* Intel's AMX: eight tiles of up to 16 rows of 64 bytes, and products of two of them that a third sums up.
 *
 * amx_begin(rows)           configures this thread: tiles 0, 1 and 4 of so many rows (1 to 16), all others of 16, all
 *                           of 64 bytes; what tiles held is gone
 * amx_end()                 no tile is in use: a switch of threads has nothing to save, the host program finds nothing
 * amx_load(t, p, ld)        rows ld bytes apart; ld 0: each row the same 64 bytes
 * amx_zero(t)
 * amx_store(t, p, ld)
 * amx_dot_u8s8(c, a, b)     c[r][n] += sum over k < 64 of a[r][k] * b[k/4][4n + k%4]: int32, which wraps around, of
 *                           unsigned bytes and signed ones
 * amx_dot_bf16(c, a, b)     likewise over k < 32 of bfloat16, in float32: even and odd k have sums of their own, from
 *                           0, one multiply-add after another, and the sum of both is added to c. To nearest, ties to
 *                           even; denormals are zeros, as operands and as results (Intel's manual: TDPBF16PS)
 * Tiles are named by literal numbers: they are part of the instructions. Asm that says "memory" keeps what was written
 * before a load and what is read behind a store in their places, which the compilers' own intrinsics do not all do.
 *
 * With AMX_IN_C all this is plain C on arrays, which ends the process where a CPU would refuse: what loads, stores and
 * arranges around the products can be tested without one (tools/as_amx.py). */
#ifndef AMX_H
#define AMX_H
#include <stdint.h>
#include <string.h>
typedef struct { uint8_t palette, start_row, none[14]; uint16_t bytes[16]; uint8_t rows[16]; } amx_config_t;

static inline amx_config_t amx_config(int64_t rows)
{
    amx_config_t c = {.palette = 1};
    for (int t = 0; t < 8; t++) {
        c.bytes[t] = 64;
        c.rows[t] = t < 2 || t == 4 ? (uint8_t)rows : 16;
    }
    return c;
}

#if !defined(AMX_IN_C)
# define amx_end() __asm__ volatile("tilerelease")
# define amx_load(t, p, ld) \
    __asm__ volatile("tileloadd (%0,%1,1), %%tmm" #t : : "r"(p), "r"((int64_t)(ld)) : "memory")
# define amx_store(t, p, ld) \
    __asm__ volatile("tilestored %%tmm" #t ", (%0,%1,1)" : : "r"(p), "r"((int64_t)(ld)) : "memory")
# define amx_zero(t) __asm__ volatile("tilezero %tmm" #t)
# define amx_dot_bf16(c, a, b) __asm__ volatile("tdpbf16ps %tmm" #b ", %tmm" #a ", %tmm" #c)
# define amx_dot_u8s8(c, a, b) __asm__ volatile("tdpbusd %tmm" #b ", %tmm" #a ", %tmm" #c)
static inline void amx_begin(int64_t rows)
{
    const amx_config_t c = amx_config(rows);
    __asm__ volatile("ldtilecfg %0" : : "m"(c));        /* the intrinsic lets GCC drop what is written to c */
}
#else
# include <stdlib.h>
static _Thread_local struct { amx_config_t config; uint8_t tile[8][16][64]; } amx;
static inline void amx_need(int holds) { if (!holds) abort(); }
static inline void amx_need_tile(int t)
{
    amx_need(amx.config.palette == 1 && amx.config.rows[t] >= 1 && amx.config.rows[t] <= 16 &&
             amx.config.bytes[t] == 64);
}
static inline void amx_begin(int64_t rows)
{
    memset(amx.tile, 0, sizeof amx.tile);
    amx.config = amx_config(rows);
}
static inline void amx_end(void) { memset(&amx.config, 0, sizeof amx.config); }
static inline void amx_load(int t, const void *p, int64_t ld)
{
    amx_need_tile(t);
    memset(amx.tile[t], 0, sizeof amx.tile[t]);
    for (int r = 0; r < amx.config.rows[t]; r++) memcpy(amx.tile[t][r], (const char *)p + r * ld, 64);
}
static inline void amx_zero(int t)
{
    amx_need_tile(t);
    memset(amx.tile[t], 0, sizeof amx.tile[t]);
}
static inline void amx_store(int t, void *p, int64_t ld)
{
    amx_need_tile(t);
    for (int r = 0; r < amx.config.rows[t]; r++) memcpy((char *)p + r * ld, amx.tile[t][r], 64);
}
static inline void amx_need_product(int c, int a, int b)
{
    amx_need_tile(c);
    amx_need_tile(a);
    amx_need_tile(b);
    amx_need(c != a && c != b && a != b && amx.config.rows[c] == amx.config.rows[a] && amx.config.rows[b] == 16);
}
static __attribute__((noinline, unused)) void amx_dot_u8s8(int c, int a, int b)
{
    amx_need_product(c, a, b);
    for (int r = 0; r < amx.config.rows[c]; r++) {
        uint32_t sum[16];
        memcpy(sum, amx.tile[c][r], 64);
        for (int k = 0; k < 64; k++)
            for (int n = 0; n < 16; n++)
                sum[n] += (uint32_t)(amx.tile[a][r][k] * (int8_t)amx.tile[b][k / 4][4 * n + k % 4]);
        memcpy(amx.tile[c][r], sum, 64);
    }
}
static inline float amx_flushed(float x) { return __builtin_fabsf(x) < __FLT_MIN__ ? __builtin_copysignf(0, x) : x; }
static inline float amx_of_bf16(const uint8_t *p)
{
    float x;
    const uint8_t bytes[4] = {0, 0, p[0], p[1]};
    memcpy(&x, bytes, sizeof x);
    return amx_flushed(x);
}
static __attribute__((noinline, unused)) void amx_dot_bf16(int c, int a, int b)
{
    amx_need_product(c, a, b);
    float w[16][32];
    for (int k = 0; k < 16; k++)
        for (int n = 0; n < 32; n++) w[k][n] = amx_of_bf16(amx.tile[b][k] + 2 * n);
    for (int r = 0; r < amx.config.rows[c]; r++) {
        float sum[32] = {0}, total[16];
        memcpy(total, amx.tile[c][r], 64);
        for (int k = 0; k < 16; k++) {
            const float x[2] = {amx_of_bf16(amx.tile[a][r] + 4 * k), amx_of_bf16(amx.tile[a][r] + 4 * k + 2)};
            for (int n = 0; n < 32; n++) sum[n] = amx_flushed(__builtin_fmaf(x[n % 2], w[k][n], sum[n]));
        }
        for (int n = 0; n < 16; n++)
            total[n] = amx_flushed(amx_flushed(total[n]) + amx_flushed(sum[2 * n] + sum[2 * n + 1]));
        memcpy(amx.tile[c][r], total, 64);
    }
}
#endif
#endif

/* y = table[x] over 256 bytes, in registers where bytes can be permuted.
 *
 * x86: a permutation of 16 bytes reads the low 4 bits of an index and gives 0 where its highest bit is set. So rows of
 * 16 are kept as differences: with row[i] = table[16i ..] ^ table[16(i-1) ..], all rows up to the one x lies in are
 * added up, each index being 16 less than the one before, until it is negative and stays so. The two halves of the
 * table are two such chains, the second of x - 128. Arm has permutations of 64 bytes, AVX-512 VBMI of 128: CPUs with
 * AVX-512 have it or not, whatever else they have, so it is no level, but asked for. */
#ifndef LOOK_UP_H
#define LOOK_UP_H
#include "vec_u8.h"
#if defined(__SSSE3__)
typedef struct { ub row[16]; const uint8_t *table; } look_up_t;
# if UB == 32
INL ub permuted(ub t, ub x)    { return (ub)_mm256_shuffle_epi8((__m256i)t, (__m256i)x); }
INL ub less_by_16(ub x)        { return (ub)_mm256_subs_epi8((__m256i)x, _mm256_set1_epi8(16)); }
# else
INL ub permuted(ub t, ub x)    { return (ub)_mm_shuffle_epi8((__m128i)t, (__m128i)x); }
INL ub less_by_16(ub x)        { return (ub)_mm_subs_epi8((__m128i)x, _mm_set1_epi8(16)); }
# endif
INL void look_up_begin(look_up_t *k, const uint8_t *table)
{
    k->table = table;
    FOR(i, 16) k->row[i] = ld_two(table + 16 * i, table + 16 * i);
    for (int i = 15; i > 0; i--) if (i != 8) k->row[i] ^= k->row[i - 1];
}
/* The rows are added up one after another: a compiler that regroups the sum keeps all of them until its end. */
INL ub look_up_ub(const look_up_t *k, ub x)
{
    ub low = x, high = x ^ 0x80;
    ub y = permuted(k->row[0], low) ^ permuted(k->row[8], high);
    FOR(i, 7) {
        low = less_by_16(low);
        high = less_by_16(high);
        y ^= permuted(k->row[i + 1], low);
        y ^= permuted(k->row[i + 9], high);
        __asm__("" : "+x"(y));
    }
    return y;
}
#elif defined(__aarch64__)
typedef struct { uint8x16x4_t row[4]; const uint8_t *table; } look_up_t;
INL void look_up_begin(look_up_t *k, const uint8_t *table)
{
    k->table = table;
    FOR(i, 4) k->row[i] = vld1q_u8_x4(table + 64 * i);
}
INL ub look_up_ub(const look_up_t *k, ub x)
{
    uint8x16_t y = vqtbl4q_u8(k->row[0], (uint8x16_t)x);
    FOR(i, 3) y = vqtbx4q_u8(y, k->row[i + 1], (uint8x16_t)(x - (uint8_t)(64 * (i + 1))));
    return (ub)y;
}
#else
typedef struct { const uint8_t *table; } look_up_t;
INL void look_up_begin(look_up_t *k, const uint8_t *table) { k->table = table; }
INL ub look_up_ub(const look_up_t *k, ub x)
{
    FOR(i, UB) x[i] = k->table[x[i]];
    return x;
}
#endif

#if defined(__AVX512BW__)
# define LOOK_UP_64
/* The first n of them, rounded down to a multiple of 64, which is returned. */
static __attribute__((noinline, target("avx512vbmi"))) int64_t look_up_64(const uint8_t *table, const uint8_t *x,
                                                                          uint8_t *y, int64_t n)
{
    __m512i t[4];
    int64_t i = 0;
    FOR(j, 4) t[j] = _mm512_loadu_si512(table + 64 * j);
    for (; i + 64 <= n; i += 64) {
        __m512i v = _mm512_loadu_si512(x + i);
        __m512i low = _mm512_permutex2var_epi8(t[0], v, t[1]), high = _mm512_permutex2var_epi8(t[2], v, t[3]);
        _mm512_storeu_si512(y + i, _mm512_mask_mov_epi8(low, _mm512_movepi8_mask(v), high));
    }
    return i;
}
#endif

/* n bytes; y may be x */
static __attribute__((noinline)) void look_up_row(const look_up_t *k, const uint8_t *x, uint8_t *y, int64_t n)
{
    int64_t i = 0;
#if defined(LOOK_UP_64)
    if (__builtin_cpu_supports("avx512vbmi")) i = look_up_64(k->table, x, y, n);
#endif
#if defined(__SSSE3__) || defined(__aarch64__)
    for (; i + 2 * UB <= n; i += 2 * UB) {
        ub a = look_up_ub(k, ld_ub(x + i)), b = look_up_ub(k, ld_ub(x + i + UB));
        st_ub(y + i, a);
        st_ub(y + i + UB, b);
    }
    for (; i + CB <= n; i += CB) {
        uint8_t t[UB];
        st_ub(t, look_up_ub(k, ld_two(x + i, x + i)));
        memcpy(y + i, t, CB);
    }
#endif
    for (; i < n; i++) y[i] = k->table[x[i]];
}
#endif

/* Weights of a panel in the order in which the tiles of integer products read them (gemm_u8_tile.h), in vectors.
 *
 * y[group][OCTU][G] = (w[k][c] ^ flip) - less[c], as int8 in quads (G = 4; less is 128, so a top bit is flipped) or as
 * int16 in pairs (G = 2), and 0 beyond k rows and n columns; sum[c] += the sum of a column.
 *
 * Where rows are bytes side by side, those of a group are interleaved; where columns are, squares of VW groups x VW
 * columns are transposed; what has other strides is gathered row by row. What is missing of a row or a column is filled
 * with bytes that become 0: less[c] ^ flip. */
#ifndef GEMM_U8_PACK_H
#define GEMM_U8_PACK_H
#include "gemm_u8_tile.h"
#include "transpose.h"
#include "vec_u8.h"
typedef int16_t halves_t __attribute__((vector_size(VW * 4), may_alias));
typedef int8_t bytes_t __attribute__((vector_size(VW * 4), may_alias));
typedef uint8_t half_bytes_t __attribute__((vector_size(VW * 2)));
/* a + the sums of the numbers in each group of w */
#if HAS_QUADS
INL vi add_quads(vi a, vi w) { return dot_quads(a, (vi){0} + 0x01010101, w); }
#else
INL vi add_quads(vi a, vi w) { (void)w; return a; }
#endif
INL vi add_pairs(vi a, vi w) { return a + mul_pairs((vi){0} + 0x00010001, w); }

/* 16 columns of a group of rows. less: of pairs, each number twice */
INL void interleave_quads(const uint8_t *const *row, int c, int flip, const int16_t *less, void *y)
{
    const uint8_t f = (uint8_t)(flip ^ 128);
    b16_t r[4];
    (void)less;
    FOR(i, 4) r[i] = ld_b16(row[i] + c) ^ f;
    const b16_t a = low_bytes(r[0], r[1]), b = high_bytes(r[0], r[1]);
    const b16_t d = low_bytes(r[2], r[3]), e = high_bytes(r[2], r[3]);
    st_b16(y, (b16_t)low_halves(a, d));
    st_b16((char *)y + 16, (b16_t)high_halves(a, d));
    st_b16((char *)y + 32, (b16_t)low_halves(b, e));
    st_b16((char *)y + 48, (b16_t)high_halves(b, e));
}
INL void interleave_pairs(const uint8_t *const *row, int c, int flip, const int16_t *less, void *y)
{
    const uint8_t f = (uint8_t)flip;
    const b16_t a = ld_b16(row[0] + c) ^ f, b = ld_b16(row[1] + c) ^ f, low = low_bytes(a, b), high = high_bytes(a, b);
    const b16_t wide[4] = {low_bytes(low, (b16_t){0}), high_bytes(low, (b16_t){0}), low_bytes(high, (b16_t){0}),
                           high_bytes(high, (b16_t){0})};
    FOR(i, 4) {
        s8_t l;
        memcpy(&l, less + 2 * c + 8 * i, sizeof l);
        st_b16((char *)y + 16 * i, (b16_t)((s8_t)wide[i] - l));
    }
}
/* VW groups of a column, at p */
INL vi column_of_quads(const uint8_t *p, int flip, int less)
{
    (void)less;
    return ldi(p) ^ (int32_t)(0x01010101u * (uint32_t)(flip ^ 128));
}
INL vi column_of_pairs(const uint8_t *p, int flip, int less)
{
    half_bytes_t b;
    memcpy(&b, p, sizeof b);
    return (vi)(__builtin_convertvector(b ^ (uint8_t)flip, halves_t) - (int16_t)less);
}

#define PACK_WEIGHTS(name, type, G) \
static __attribute__((noinline, unused)) void pack_rows_##name(const uint8_t *w, int64_t sk, int64_t sn, int flip, \
                                                               int64_t k, int64_t n, const int32_t *less, type *y, \
                                                               int32_t *sum) \
{ \
    uint8_t part[G][OCTU], none[OCTU]; \
    const uint8_t *row[G]; \
    int16_t twice[2 * OCTU]; \
    vi s[OVU] = {{0}}; \
    for (int c = 0; c < OCTU; c++) { \
        none[c] = (uint8_t)(less[c] ^ flip); \
        twice[2 * c] = twice[2 * c + 1] = (int16_t)less[c]; \
        FOR(j, G) part[j][c] = none[c]; \
    } \
    for (int64_t i = 0; i < (k + 3) / 4 * 4; i += G, y += OCTU * G) { \
        for (int j = 0; j < G; j++) { \
            const uint8_t *from = w + (i + j) * sk; \
            row[j] = i + j < k ? part[j] : none; \
            if (i + j >= k) continue; \
            if (sn == 1 && n == OCTU) row[j] = from; \
            else if (sn == 1) memcpy(part[j], from, (size_t)n); \
            else for (int64_t c = 0; c < n; c++) part[j][c] = from[c * sn]; \
        } \
        FOR(c, OCTU / 16) interleave_##name(row, 16 * c, flip, twice, y + 16 * c * G); \
        FOR(v, OVU) s[v] = add_##name(s[v], ldi(y + v * VW * G)); \
    } \
    FOR(v, OVU) { s[v] += ldi(sum + v * VW); memcpy(sum + v * VW, &s[v], sizeof(vi)); } \
} \
static __attribute__((noinline, unused)) void pack_columns_##name(const uint8_t *w, int64_t sn, int flip, int64_t k, \
                                                                  int64_t n, const int32_t *less, type *y, \
                                                                  int32_t *sum) \
{ \
    const int64_t groups = 4 / G * ((k + 3) / 4); \
    for (int64_t c = 0; c < n; c += VW) { \
        vi s = ldi(sum + c); \
        for (int64_t g = 0; g < groups; g += VW) { \
            vf r[VW]; \
            for (int i = 0; i < VW; i++) { \
                const int64_t have = c + i < n ? k - g * G : 0; \
                const uint8_t *from = w + (c + i) * sn + g * G; \
                uint8_t part[VW * G]; \
                if (have < VW * G) { \
                    memset(part, (int)less[c + i] ^ flip, sizeof part); \
                    if (have > 0) memcpy(part, from, (size_t)have); \
                    from = part; \
                } \
                r[i] = (vf)column_of_##name(from, flip, (int)less[c + i]); \
            } \
            transpose(r); \
            for (int j = 0; j < VW && g + j < groups; j++) { \
                s = add_##name(s, (vi)r[j]); \
                memcpy(y + ((g + j) * OCTU + c) * G, &r[j], sizeof(vi)); \
            } \
        } \
        memcpy(sum + c, &s, sizeof s); \
    } \
    for (int64_t c = (n + VW - 1) / VW * VW; c < OCTU; c += VW) \
        for (int64_t g = 0; g < groups; g++) memset(y + (g * OCTU + c) * G, 0, sizeof(vi)); \
} \
static __attribute__((unused)) void pack_##name(const uint8_t *w, int64_t sk, int64_t sn, int flip, int64_t k, \
                                                int64_t n, const int32_t *less, type *y, int32_t *sum) \
{ \
    if (sk == 1 && sn != 1) pack_columns_##name(w, sn, flip, k, n, less, y, sum); \
    else pack_rows_##name(w, sk, sn, flip, k, n, less, y, sum); \
}
PACK_WEIGHTS(quads, int8_t, 4)
PACK_WEIGHTS(pairs, int16_t, 2)

#if SPLIT
# if VW == 16
INL int any_bit(vi v) { return _mm512_test_epi32_mask((__m512i)v, (__m512i)v) != 0; }
# else
INL int any_bit(vi v) { return !_mm256_testz_si256((__m256i)v, (__m256i)v); }
# endif
/* Where two weights of one sign add up to more than 128, half of them goes to the second list, with the vector of quads
 * that they are in: how many of each of the OVU vectors to more[], which quads to at[]. False where they are too many,
 * more than 5 of 16, and it is better to have pairs. */
static int split_quads(int32_t *w, int32_t *w2, int32_t *at, int32_t *more, int64_t quads)
{
    int64_t left = 5 * OVU * quads / 16;
    FOR(v, OVU) {
        int32_t *quad = w + v * VW, found = 0;
        for (int64_t g = 0; g < quads; g++, quad += OCTU) {
            const halves_t pair = (halves_t)ldi(quad), s = (pair << 8 >> 8) + (pair >> 8);
            const halves_t beyond = (halves_t)((s > 128) | (s < -128));
            if (__builtin_expect(!any_bit((vi)beyond), 1)) continue;
            if (left-- == 0) return 0;
            const bytes_t b = (bytes_t)pair, rest = (b - (b >> 1)) & (bytes_t)beyond, first = b - rest;
            memcpy(w2, &rest, sizeof rest);
            memcpy(quad, &first, sizeof first);
            w2 += VW;
            *at++ = (int32_t)g;
            found++;
        }
        more[v] = found;
    }
    return 1;
}
#endif
#endif

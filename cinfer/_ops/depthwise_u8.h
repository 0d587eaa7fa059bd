/* Depthwise convolution of bytes, blocked in and out: lanes are channels, the sums of a run of pixels in registers.
 *
 * A product takes DOT_K neighbours of k (dot_u8.h); here these are rows of the window. So DOT_K rows of the picture are
 * interleaved, once, to a strip [column][16][DOT_K], which meets all taps of a row and both of two rows of output where
 * the stride is 1: row i of them by weights that begin i rows further down, after zeros. That is a *phase*, with
 * weights of its own. Rows of which a window of the picture needs none are not read. Each slice of a window of a volume
 * has strips of its own.
 *
 * w     [int32[16] that the sums begin with][phase][part][strip][tap][16][DOT_K]
 *
 * Register tiles, one vector of channels x PX pixels of a row, so many after each other:
 *   dw_u8_K_S_PX   K x K taps, stride S, dilation 1: a vector is loaded once a strip and meets all its taps
 *   dw_u8_any_S_PX any kernel: one load a product; S = 1 when the stride is 1 */
#ifndef DEPTHWISE_U8_H
#define DEPTHWISE_U8_H
#include "dot_u8.h"
#include "real_sums.h"
#include "requantise.h"
typedef struct {
    int32_t start[CB];                  /* what sums begin with, and the bias */
    const float *scale;                 /* or NULL: then the sums are stored, int32, or floats (real_sums.h) */
    real_sums_t *real;                  /* of these, channels from c on, or NULL */
    const float *row, *res;             /* of these, a row of y, and NULL or what is added to it */
    int64_t c;
    int64_t rounds;                     /* sums are only rounded and stored; if not, dw_u8_end has them */
    const dot_w_t *w;                   /* of a phase */
    const dot_x_t **strips;
    int64_t parts, groups, kw, dw, sw;  /* groups: strips */
    requant_t q;
} dw_u8_t;
#define DW_U8_ARGS const dw_u8_t *T, int64_t column, void *to, int64_t tiles
#define DW_U8_PX 8
#define EACH_DW_U8(X, K, S) X(K,S,1) X(K,S,2) X(K,S,3) X(K,S,4) X(K,S,5) X(K,S,6) X(K,S,7) X(K,S,8)
#define DW_U8_STEP (CB * DOT_K)

#define DW_U8_TILE(K, S, PX) \
static __attribute__((noinline)) void dw_u8_##K##_##S##_##PX(DW_U8_ARGS) \
{ \
    DW_U8_BEGIN(PX) { \
        const dot_x_t *r = strips[g] + column * DW_U8_STEP + h * VW * DOT_K; \
        DW_U8_POINTER(r); \
        vi q[K]; \
        FOR(j, K) q[j] = dot_w(w + j * DW_U8_STEP); \
        FOR(j, (PX - 1) * S + K) { \
            vi v = DW_U8_X(r + j * DW_U8_STEP); \
            DW_U8_KEEP(v); \
            FOR(p, PX) if (j - p * S >= 0 && j - p * S < K) DOT_ADD(a[p], v, q[j - p * S]); \
        } \
        w += K * DW_U8_STEP; \
    } \
    DW_U8_END(S ? S : T->sw, PX) \
}
#define DW_U8_ANY(K, S, PX) \
static __attribute__((noinline)) void dw_u8_any_##S##_##PX(DW_U8_ARGS) \
{ \
    const size_t step = (S ? S : T->sw) * DW_U8_STEP, tap = T->dw * DW_U8_STEP; \
    DW_U8_BEGIN(PX) { \
        const dot_x_t *r = strips[g] + column * DW_U8_STEP + h * VW * DOT_K; \
        for (int64_t j = T->kw; j > 0; j--, r += tap, w += DW_U8_STEP) { \
            const vi q = dot_w(w); \
            FOR(p, PX) { const vi v = DW_U8_X(r + p * step); DOT_ADD(a[p], v, q); } \
        } \
    } \
    DW_U8_END(S ? S : T->sw, PX) \
}
/* One address and constants beyond it, rather than a register for each of them */
#define DW_U8_POINTER(p) __asm__("" : "+r"(p))
/* the lanes of x, as dot_x has one group of it in all */
#if DOT_START
# define DW_U8_X(p) (ldi(p) ^ (int32_t)0x80808080)
#else
# define DW_U8_X(p) ldi(p)
#endif
#if defined(__x86_64__) && !defined(__clang__)
# define DW_U8_KEEP(v) __asm__("" : "+v"(v))   /* GCC would load it again for each of its uses */
#else
# define DW_U8_KEEP(v) ((void)0)
#endif
#define DW_U8_BEGIN(PX) \
    uint8_t *y = to; \
    const int64_t parts = DOT_K == 2 ? 1 : T->parts, groups = T->groups; \
    const dot_x_t *const *strips = T->strips; \
    for (; tiles > 0; tiles--) { \
        vi done[PX][NV]; \
        for (int h = 0; h < NV; h++) { \
            const dot_w_t *w = T->w + h * VW * DOT_K; \
            vi a[PX]; \
            FOR(p, PX) a[p] = ldi(T->start + h * VW); \
            for (int64_t part = parts; part > 0; part--) \
                UNROLL(1) for (int64_t g = 0; g < groups; g++)
#define DW_U8_END(STEP, PX) \
            if (__builtin_expect(T->rounds, 1)) requant_round(a, PX, ld(T->scale + h * VW)); \
            FOR(p, PX) done[p][h] = a[p]; \
        } \
        column += PX * (STEP); \
        if (__builtin_expect(!T->rounds, 0)) { \
            y += dw_u8_end(T, done[0], PX, y); \
            continue; \
        } \
        if (T->q.plain) { \
            const requant_t known = requant_of(0, 0, 255); \
            DW_U8_STORE(PX, &known) \
        } else { \
            const requant_t q = requant_limits(&T->q); \
            DW_U8_STORE(PX, &q) \
        } \
        y += PX * CB; \
    }
/* Sums [px][NV] that are not only rounded: they become bytes or floats, or are stored. How many bytes that takes. */
static __attribute__((noinline)) int64_t dw_u8_end(const dw_u8_t *T, vi *done, int px, uint8_t *y)
{
    if (T->real) {
        static const int64_t at[DW_U8_PX] = {0, CB, 2 * CB, 3 * CB, 4 * CB, 5 * CB, 6 * CB, 7 * CB};
        real_lanes(T->real, T->c, done, NV, 1, px, NV, (float *)y, 0, at,
                   T->res ? T->res + ((float *)y - T->row) : NULL, 0, at);
        return (int64_t)sizeof(float) * CB * px;
    }
    if (!T->scale) {
        memcpy(y, done, sizeof(vi) * (size_t)(NV * px));
        return (int64_t)sizeof(vi) * NV * px;
    }
    for (int h = 0; h < NV; h++) {
        vi a[DW_U8_PX];
        for (int p = 0; p < px; p++) a[p] = done[p * NV + h];
        requant_lanes(a, px, ld(T->scale + h * VW), h * VW, &T->q);
        for (int p = 0; p < px; p++) done[p * NV + h] = a[p];
    }
    for (int p = 0; p < px; p++, done += NV, y += CB) requant_store(y, y, done, done, &T->q);
    return CB * px;
}
#define DW_U8_STORE(PX, f) \
    FOR(p, PX) if (p % 2 == 0) { \
        const int next = p + 1 < PX ? p + 1 : p; \
        requant_store(y + p * CB, y + next * CB, done[p], done[next], f); \
    }
EACH_DW_U8(DW_U8_TILE, 3, 1)
EACH_DW_U8(DW_U8_TILE, 3, 2)
EACH_DW_U8(DW_U8_TILE, 5, 1)
EACH_DW_U8(DW_U8_TILE, 5, 2)
EACH_DW_U8(DW_U8_ANY, any, 0)
EACH_DW_U8(DW_U8_ANY, any, 1)
typedef void (*dw_u8_fn)(DW_U8_ARGS);
#define DW_U8_REF(K, S, PX) dw_u8_##K##_##S##_##PX,
static const dw_u8_fn dw_u8_tiles[6][DW_U8_PX + 1] = {
    {0, EACH_DW_U8(DW_U8_REF, 3, 1)}, {0, EACH_DW_U8(DW_U8_REF, 3, 2)}, {0, EACH_DW_U8(DW_U8_REF, 5, 1)},
    {0, EACH_DW_U8(DW_U8_REF, 5, 2)}, {0, EACH_DW_U8(DW_U8_REF, any, 0)}, {0, EACH_DW_U8(DW_U8_REF, any, 1)}};
/* by the taps and the step along a row: strips know nothing of those across */
INL const dw_u8_fn *dw_u8_form(int64_t kw, int64_t sw, int64_t dw)
{
    if ((kw == 3 || kw == 5) && sw <= 2 && dw == 1) return dw_u8_tiles[(kw == 5) * 2 + sw - 1];
    return dw_u8_tiles[4 + (sw == 1)];
}

/* Where the channels of a block of y lie in x, if `each` of them read one: in block `first` and, if `second` is 1, the
 * one behind; lane: of each channel, those of the second block from CB on. */
typedef struct {
    int64_t first, second;
    uint8_t lane[CB];
} spread_t;
/* c: channels of y. The lanes beyond them read what the last one does. */
static inline spread_t spread_of(int64_t block, int64_t each, int64_t c)
{
    spread_t s = {.first = block * CB / each / CB};
    for (int64_t i = 0; i < CB; i++) {
        const int64_t o = block * CB + i < c ? block * CB + i : c - 1;
        s.lane[i] = (uint8_t)(o / each - s.first * CB);
        if (s.lane[i] >= CB) s.second = 1;
    }
    return s;
}
/* n pixels of a row of x, whose blocks are xb apart, as the channels of y. */
static __attribute__((noinline)) void spread_row(const spread_t *s, const uint8_t *x, int64_t xb, int64_t n, uint8_t *y)
{
    const uint8_t *behind = s->second ? x + xb : x;
#if defined(__SSSE3__)
    const __m128i lane = _mm_loadu_si128((const __m128i *)s->lane), few = _mm_set1_epi8(CB - 1);
    const __m128i beyond = _mm_cmpgt_epi8(lane, few);
    const __m128i left = _mm_or_si128(lane, beyond), right = _mm_or_si128(_mm_sub_epi8(lane, _mm_set1_epi8(CB)),
                                                                          _mm_andnot_si128(beyond, _mm_set1_epi8(-1)));
    for (int64_t i = 0; i < n * CB; i += CB)
        _mm_storeu_si128((__m128i *)(y + i), _mm_or_si128(
            _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(x + i)), left),
            _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(behind + i)), right)));
#elif defined(__aarch64__)
    const uint8x16_t lane = vld1q_u8(s->lane);
    for (int64_t i = 0; i < n * CB; i += CB)
        vst1q_u8(y + i, vqtbl2q_u8((uint8x16x2_t){{vld1q_u8(x + i), vld1q_u8(behind + i)}}, lane));
#else
    for (int64_t i = 0; i < n * CB; i += CB)
        FOR(c, CB) y[i + c] = s->lane[c] < CB ? x[i + s->lane[c]] : behind[i + s->lane[c] - CB];
#endif
}
/* n pixels of DOT_K rows, channel by channel. */
static __attribute__((noinline)) void interleave_rows(const uint8_t *const *row, int64_t n, dot_x_t *y)
{
#if defined(__SSE2__) && DOT_K == 2
    const uint8_t *first = row[0], *second = row[1];
    for (int64_t i = 0; i < n * CB; i += CB, y += DW_U8_STEP) {
        const __m128i a = _mm_loadu_si128((const __m128i *)(first + i));
        const __m128i b = _mm_loadu_si128((const __m128i *)(second + i));
# if defined(__AVX2__)                  /* both halves have all: moves across them are slower than loads */
        const __m256i both = _mm256_broadcastsi128_si256(a), other = _mm256_broadcastsi128_si256(b);
        const __m256i to16 = _mm256_setr_epi8(0, -1, 1, -1, 2, -1, 3, -1, 4, -1, 5, -1, 6, -1, 7, -1,
                                              8, -1, 9, -1, 10, -1, 11, -1, 12, -1, 13, -1, 14, -1, 15, -1);
        _mm256_storeu_si256((__m256i *)y, _mm256_shuffle_epi8(_mm256_unpacklo_epi8(both, other), to16));
        _mm256_storeu_si256((__m256i *)y + 1, _mm256_shuffle_epi8(_mm256_unpackhi_epi8(both, other), to16));
# else
        const __m128i zero = _mm_setzero_si128(), low = _mm_unpacklo_epi8(a, b), high = _mm_unpackhi_epi8(a, b);
        _mm_storeu_si128((__m128i *)y, _mm_unpacklo_epi8(low, zero));
        _mm_storeu_si128((__m128i *)y + 1, _mm_unpackhi_epi8(low, zero));
        _mm_storeu_si128((__m128i *)y + 2, _mm_unpacklo_epi8(high, zero));
        _mm_storeu_si128((__m128i *)y + 3, _mm_unpackhi_epi8(high, zero));
# endif
    }
#elif defined(__SSE2__)
    for (int64_t i = 0; i < n * CB; i += CB, y += DW_U8_STEP) {
        __m128i r[4];
        FOR(k, 4) r[k] = _mm_loadu_si128((const __m128i *)(row[k] + i));
        const __m128i a = _mm_unpacklo_epi8(r[0], r[1]), b = _mm_unpackhi_epi8(r[0], r[1]);
        const __m128i c = _mm_unpacklo_epi8(r[2], r[3]), d = _mm_unpackhi_epi8(r[2], r[3]);
        _mm_storeu_si128((__m128i *)y, _mm_unpacklo_epi16(a, c));
        _mm_storeu_si128((__m128i *)y + 1, _mm_unpackhi_epi16(a, c));
        _mm_storeu_si128((__m128i *)y + 2, _mm_unpacklo_epi16(b, d));
        _mm_storeu_si128((__m128i *)y + 3, _mm_unpackhi_epi16(b, d));
    }
#else
    for (int64_t i = 0; i < n * CB; i += CB, y += DW_U8_STEP)
        FOR(c, CB) FOR(k, DOT_K) y[c * DOT_K + k] = row[k][i + c];
#endif
}
#endif

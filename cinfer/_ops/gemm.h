/* Matrix products, row-major: y[b, m, n] = act(scale * sum over k of a[b, m, k] * w[b, k, n] + bias[n] + res[b, m, n]).
 *
 * a     rows lda apart, k consecutive; never read beyond k. Batches in two axes, strides a0 a1 (0: broadcast), as for w, y, res
 * w     packed by pack_gemm: [b][n tile][k][width], width GEMM_N, in the last tile what is left of n rounded up to 16 (packed_n):
 *       k * packed_n floats a matrix
 * y     rows ldy apart; never written beyond n. bias, slope (may be absent) are padded to packed_n
 * Kernel tile = ((b0*batch1 + b1)*row_tiles + r)*col_tiles + c: rows r*rows .., columns c*cols .. (a multiple of GEMM_N).
 * Order of sums: over k, whatever the tile.
 * Register tile: OV vectors of columns x PX rows. Few rows and wide tiles: the addresses of the rows fit the registers, and rows whose
 * distance is a multiple of 4 KB do not fight for one set of the cache. */
#ifndef GEMM_H
#define GEMM_H
#include "epilogue.h"
#define GEMM_FIELDS(B, I, F, A) B(a) B(w) B(bias) B(slope) B(res) B(y) I(batch0) I(batch1) I(m) I(n) I(k) I(lda) I(ldy) I(ldr) I(a0) I(a1) \
    I(w0) I(w1) I(y0) I(y1) I(r0) I(r1) F(scale) I(act) F(alpha) F(beta) I(row_tiles) I(rows) I(col_tiles) I(cols)
PARAMS(gemm_t, GEMM_FIELDS)
#define PACK_GEMM_FIELDS(B, I, F, A) B(w) B(y) I(batch0) I(batch1) I(k) I(n) I(sk) I(sn) I(w0) I(w1)
PARAMS(pack_gemm_t, PACK_GEMM_FIELDS)
/* m <= 8 rows times a matrix that stays where it is, read once: sk == 1 ([n][k]) or sn == 1 ([k][n]) floats between its elements.
 * Tile = columns tile*cols ... Order of sums: sk == 1: VW*4 partial sums, then across them; sn == 1: over k. */
#define GEMV_FIELDS(B, I, F, A) B(x) B(w) B(bias) B(slope) B(y) I(m) I(n) I(k) I(ldx) I(ldy) I(sk) I(sn) F(scale) I(act) F(alpha) F(beta) I(cols)
PARAMS(gemv_t, GEMV_FIELDS)

#if VW == 16
# define GEMM_OV 4
# define GEMM_PX 7
# define EACH_GEMM(X, OV) X(OV,1) X(OV,2) X(OV,3) X(OV,4) X(OV,5) X(OV,6) X(OV,7)
# define EACH_GEMM_OV(X) EACH_GEMM(X,1) EACH_GEMM(X,2) EACH_GEMM(X,3) EACH_GEMM(X,4)
# define GEMM_TABLE {0}, {0, EACH_GEMM(GEMM_REF,1)}, {0, EACH_GEMM(GEMM_REF,2)}, {0, EACH_GEMM(GEMM_REF,3)}, {0, EACH_GEMM(GEMM_REF,4)}
#elif defined(__aarch64__)
# define GEMM_OV 4
# define GEMM_PX 5
# define EACH_GEMM(X, OV) X(OV,1) X(OV,2) X(OV,3) X(OV,4) X(OV,5)
# define EACH_GEMM_OV(X) EACH_GEMM(X,4)
# define GEMM_TABLE {0}, {0}, {0}, {0}, {0, EACH_GEMM(GEMM_REF,4)}
#elif VW == 8
# define GEMM_OV 2
# define GEMM_PX 6
# define EACH_GEMM(X, OV) X(OV,1) X(OV,2) X(OV,3) X(OV,4) X(OV,5) X(OV,6)
# define EACH_GEMM_OV(X) EACH_GEMM(X,2)
# define GEMM_TABLE {0}, {0}, {0, EACH_GEMM(GEMM_REF,2)}
#else
# define GEMM_OV 4
# define GEMM_PX 2
# define EACH_GEMM(X, OV) X(OV,1) X(OV,2)
# define EACH_GEMM_OV(X) EACH_GEMM(X,4)
# define GEMM_TABLE {0}, {0}, {0}, {0}, {0, EACH_GEMM(GEMM_REF,4)}
#endif
#define GEMM_N (GEMM_OV * VW)
#define GEMM_ARGS const float *a, size_t lda, const float *w, int64_t k, float scale, const float *bias, const float *slope, \
    const epilogue_t *e, const float *res, size_t ldr, float *y, size_t ldy, int64_t n
#define GEMM_TILE(OV, PX) \
static __attribute__((noinline)) void gemm_##OV##_##PX(GEMM_ARGS) \
{ \
    const float *r[PX]; \
    FOR(p, PX) r[p] = a + p * lda; \
    vf s[PX][OV]; \
    FOR(p, PX) FOR(o, OV) s[p][o] = (vf){0}; \
    UNROLL(2) for (int64_t c = 0; c < k; c++, w += OV * VW) { \
        vf q[OV]; \
        FOR(o, OV) q[o] = ld(w + o * VW); \
        FOR(p, PX) { vf v = bc(r[p][c]); FOR(o, OV) s[p][o] += q[o] * v; } \
    } \
    vf f = bc(scale); \
    FOR(o, OV) { \
        vf t[PX], b = bias ? ld(bias + o * VW) : (vf){0}; \
        int64_t room = n - o * VW; \
        FOR(p, PX) t[p] = s[p][o] * f + b; \
        if (room >= VW) { \
            if (res) FOR(p, PX) t[p] += ld(res + p * ldr + o * VW); \
            activate_sums(t, PX, e, slope + o * VW); \
            FOR(p, PX) st(y + p * ldy + o * VW, t[p]); \
        } else if (room > 0) { \
            float part[VW]; \
            if (res) FOR(p, PX) { \
                st(part, (vf){0}); \
                memcpy(part, res + p * ldr + o * VW, room * sizeof *part); \
                t[p] += ld(part); \
            } \
            activate_sums(t, PX, e, slope + o * VW); \
            FOR(p, PX) { st(part, t[p]); memcpy(y + p * ldy + o * VW, part, room * sizeof *part); } \
        } \
    } \
}
typedef void (*gemm_fn)(GEMM_ARGS);
#define GEMM_REF(OV, PX) gemm_##OV##_##PX,
EACH_GEMM_OV(GEMM_TILE)
static const gemm_fn gemm_tiles[][GEMM_PX + 1] = {GEMM_TABLE};

INL float across(vf v) { float t[VW], s; st(t, v); s = t[0]; for (int i = 1; i < VW; i++) s += t[i]; return s; }
/* sums[j] = x . w[j], rows of w ldw apart */
#define GEMV_ROWS(N) \
static __attribute__((noinline)) void gemv_rows_##N(const float *x, const float *w, size_t ldw, int64_t k, float *sums) \
{ \
    enum { U = N == 1 ? 4 : 2 }; \
    vf s[N][U]; \
    int64_t c = 0; \
    FOR(j, N) FOR(u, U) s[j][u] = (vf){0}; \
    for (; c + U * VW <= k; c += U * VW) \
        FOR(u, U) { vf v = ld(x + c + u * VW); FOR(j, N) s[j][u] += v * ld(w + j * ldw + c + u * VW); } \
    FOR(j, N) { \
        vf t = s[j][0]; \
        for (int u = 1; u < U; u++) t += s[j][u]; \
        float sum = across(t); \
        for (int64_t i = c; i < k; i++) sum += x[i] * w[j * ldw + i]; \
        sums[j] = sum; \
    } \
}
GEMV_ROWS(1)
GEMV_ROWS(4)
/* y[0..U*VW) = x W, rows of W ldw apart; k in the order of memory */
#define GEMV_COLUMNS(U) \
static __attribute__((noinline)) void gemv_columns_##U(const float *x, const float *w, size_t ldw, int64_t k, float *y) \
{ \
    vf s[U]; \
    FOR(u, U) s[u] = (vf){0}; \
    for (int64_t c = 0; c < k; c++, w += ldw) { vf v = bc(x[c]); FOR(u, U) s[u] += v * ld(w + u * VW); } \
    FOR(u, U) st(y + u * VW, s[u]); \
}
GEMV_COLUMNS(8)
GEMV_COLUMNS(1)
#endif

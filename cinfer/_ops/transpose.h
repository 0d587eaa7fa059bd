/* Transposition in registers, in shuffles whose patterns are constants: squares of VW x VW floats, 16 columns of
 * bytes. */
#ifndef TRANSPOSE_H
#define TRANSPOSE_H
#include "vec_math.h"

/* r[i][j] -> r[j][i]. First within groups of 4 rows and 4 columns (UNPACK, MOVE), then the groups (LANES). */
#if VW == 16
# define EACH4(f, ...) f(0, __VA_ARGS__), f(4, __VA_ARGS__), f(8, __VA_ARGS__), f(12, __VA_ARGS__)
#elif VW == 8
# define EACH4(f, ...) f(0, __VA_ARGS__), f(4, __VA_ARGS__)
#else
# define EACH4(f, ...) f(0, __VA_ARGS__)
#endif
#define FOUR(at, a, b, c, d) (at) + (a), (at) + (b), (at) + (c), (at) + (d)
#define UNPACK_LOW(a, b)  SHUFFLE(a, b, EACH4(FOUR, 0, VW, 1, VW + 1))
#define UNPACK_HIGH(a, b) SHUFFLE(a, b, EACH4(FOUR, 2, VW + 2, 3, VW + 3))
#define MOVE_LOW(a, b)    SHUFFLE(a, b, EACH4(FOUR, 0, 1, VW, VW + 1))
#define MOVE_HIGH(a, b)   SHUFFLE(a, b, EACH4(FOUR, 2, 3, VW + 2, VW + 3))
#define QUAD(at) (at), (at) + 1, (at) + 2, (at) + 3
#if VW == 16
# define LANES_EVEN(a, b) SHUFFLE(a, b, QUAD(0), QUAD(8), QUAD(16), QUAD(24))
# define LANES_ODD(a, b)  SHUFFLE(a, b, QUAD(4), QUAD(12), QUAD(20), QUAD(28))
#elif VW == 8
# define LANES_EVEN(a, b) SHUFFLE(a, b, QUAD(0), QUAD(8))
# define LANES_ODD(a, b)  SHUFFLE(a, b, QUAD(4), QUAD(12))
#endif
INL void transpose(vf *r)
{
    vf t[VW];
    FOR(g, VW / 4) {
        vf *p = r + 4 * g;
        vf a = UNPACK_LOW(p[0], p[1]), b = UNPACK_HIGH(p[0], p[1]);
        vf c = UNPACK_LOW(p[2], p[3]), d = UNPACK_HIGH(p[2], p[3]);
        t[4 * g] = MOVE_LOW(a, c);
        t[4 * g + 1] = MOVE_HIGH(a, c);
        t[4 * g + 2] = MOVE_LOW(b, d);
        t[4 * g + 3] = MOVE_HIGH(b, d);
    }
#if VW == 16
    FOR(k, 4) {
        vf a = LANES_EVEN(t[k], t[4 + k]), b = LANES_ODD(t[k], t[4 + k]);
        vf c = LANES_EVEN(t[8 + k], t[12 + k]), d = LANES_ODD(t[8 + k], t[12 + k]);
        r[k] = LANES_EVEN(a, c);
        r[4 + k] = LANES_EVEN(b, d);
        r[8 + k] = LANES_ODD(a, c);
        r[12 + k] = LANES_ODD(b, d);
    }
#elif VW == 8
    FOR(k, 4) { r[k] = LANES_EVEN(t[k], t[4 + k]); r[4 + k] = LANES_ODD(t[k], t[4 + k]); }
#else
    FOR(k, 4) r[k] = t[k];
#endif
}
/* y[j][i] = x[i][j] for i, j < VW; rows xr and yr floats apart */
INL void transpose_square(const float *x, int64_t xr, float *y, int64_t yr)
{
    vf r[VW];
    FOR(i, VW) r[i] = ld(x + i * xr);
    transpose(r);
    FOR(i, VW) st(y + i * yr, r[i]);
}

typedef uint8_t bytes_v __attribute__((vector_size(16), may_alias));
#if defined(__has_builtin)
# if __has_builtin(__builtin_shufflevector)
#  define MIX_BYTES(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
# endif
#endif
#ifndef MIX_BYTES
# define MIX_BYTES(a, b, ...) __builtin_shuffle(a, b, (bytes_v){__VA_ARGS__})
#endif
/* One round of a perfect shuffle of n vectors: the highest bit of a byte's number becomes the lowest. */
INL void shuffle_bytes(bytes_v *v, int n)
{
    bytes_v t[16];
    FOR(i, n / 2) {
        t[2 * i] = MIX_BYTES(v[i], v[i + n / 2], 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
        t[2 * i + 1] = MIX_BYTES(v[i], v[i + n / 2], 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    }
    FOR(i, n) v[i] = t[i];
}
/* [16 columns][n rows] -> [n rows][16 columns], n 4, 8 or 16 */
INL void columns_to_rows(bytes_v *v, int n)
{
    FOR(k, 4) shuffle_bytes(v, n);
}
#endif

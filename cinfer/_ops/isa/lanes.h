/* Vectors as types of C (GCC's and Clang's vector extensions) of the width VW that a header of this folder has set, and
 * what needs no instruction by name. */
#ifndef LANES_H
#define LANES_H
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#define CB 16                           /* channels in a block of NCHWc, the same for all vector sets */
#define NV (CB / VW)                    /* vectors in a block */
typedef float    vf  __attribute__((vector_size(VW * 4), may_alias));
typedef float    vfu __attribute__((vector_size(VW * 4), may_alias, aligned(4)));
typedef int32_t  vi  __attribute__((vector_size(VW * 4), may_alias));
typedef uint32_t vu  __attribute__((vector_size(VW * 4), may_alias));      /* wrapping is no fault */
typedef uint8_t  vb  __attribute__((vector_size(VW)));
typedef int8_t   vsb __attribute__((vector_size(VW)));
typedef uint16_t vus __attribute__((vector_size(VW * 2)));
#define INL static inline __attribute__((always_inline))
#define PRAGMA_(x) _Pragma(#x)
#define PRAGMA(x)  PRAGMA_(x)
#define UNROLL(n)  PRAGMA(GCC unroll n)
#define FOR(i, n)  UNROLL(64) for (int i = 0; i < (n); i++)     /* constant n: unrolled away */

INL vf   ld(const float *p)    { return *(const vfu *)p; }
INL void st(float *p, vf v)    { *(vfu *)p = v; }
INL vf   bc(float x)           { return x - (vf){0}; }
INL vi   ldi(const void *p)    { vi v; memcpy(&v, p, sizeof v); return v; }
INL vi   bci(const void *p)    { int32_t x; memcpy(&x, p, 4); return x - (vi){0}; }
INL vi   to_int(vf x)          { return __builtin_convertvector(x, vi); }
INL vf   to_float(vi x)        { return __builtin_convertvector(x, vf); }

#if VW >= 8
# define UB 32
#else
# define UB 16
#endif
typedef uint8_t ub __attribute__((vector_size(UB), may_alias));
INL ub   ld_ub(const uint8_t *p)     { ub v; memcpy(&v, p, UB); return v; }
INL void st_ub(uint8_t *p, ub v)     { memcpy(p, &v, UB); }
INL ub   bc_ub(int x)                { return (uint8_t)x - (ub){0}; }
INL void st_one(uint8_t *p, ub v)    { memcpy(p, &v, CB); }     /* the first of two pixels */
#endif

/* What SSE2, AVX2 and AVX-512 have alike. */
#ifndef X86_H
#define X86_H
#include <immintrin.h>
#define HELD(v) __asm__("" : "+v"(v))
#define KEEP(v) HELD(v)
INL vf     rounded(vf x)            { __asm__("" : "+x"(x)); return x; }
INL double rounded_double(double x) { __asm__("" : "+x"(x)); return x; }
#endif

/* Denormal numbers cost a hundred cycles each and mean nothing here: flushed to zero during a run, the
 * caller's mode restored. */
#ifndef CINFER_DENORMALS_H
#define CINFER_DENORMALS_H
#include <stdint.h>
#if defined(__x86_64__)
# include <immintrin.h>
static const uint64_t FLUSH = 0x8040;                   /* FTZ and DAZ of MXCSR */
static inline uint64_t float_mode(void) { return _mm_getcsr(); }
static inline void set_float_mode(uint64_t mode) { _mm_setcsr((unsigned)mode); }
#elif defined(__aarch64__)
static const uint64_t FLUSH = 1 << 24;                  /* FZ of FPCR */
static inline uint64_t float_mode(void)
{
    uint64_t mode;
    __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
    return mode;
}
static inline void set_float_mode(uint64_t mode) { __asm__ volatile("msr fpcr, %0" : : "r"(mode)); }
#else
static const uint64_t FLUSH = 0;
static inline uint64_t float_mode(void) { return 0; }
static inline void set_float_mode(uint64_t mode) { (void)mode; }
#endif

/* Flush from now on. Returns the mode that set_float_mode restores. */
static inline uint64_t flush_denormals(void)
{
    const uint64_t mode = float_mode();
    set_float_mode(mode | FLUSH);
    return mode;
}
#endif

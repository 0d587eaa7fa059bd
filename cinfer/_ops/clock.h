/* Clocks, in nanoseconds. */
#ifndef CINFER_CLOCK_H
#define CINFER_CLOCK_H
#include <stdint.h>
#include <time.h>
static inline int64_t clock_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}
static inline int64_t now_ns(void) { return clock_ns(CLOCK_MONOTONIC); }
/* What the calling thread has computed. */
static inline int64_t thread_ns(void) { return clock_ns(CLOCK_THREAD_CPUTIME_ID); }
#endif

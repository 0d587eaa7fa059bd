/* Which ISA levels this CPU and operating system can run; baseline code. */
#ifndef CINFER_CPU_H
#define CINFER_CPU_H
#include <string.h>
static int cpu_runs(const char *level)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    int avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    int avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                 __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    if (!strcmp(level, "avx2")) return avx2;
    if (!strcmp(level, "avx512")) return avx512;
#elif defined(__aarch64__)
    if (!strcmp(level, "neon")) return 1;
#endif
    return !strcmp(level, "baseline");
}
#endif

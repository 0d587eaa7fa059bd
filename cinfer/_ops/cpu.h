/* Which ISA levels this CPU and operating system can run; baseline code. */
#ifndef CINFER_CPU_H
#define CINFER_CPU_H
#include <string.h>
#if defined(__x86_64__)
# include <cpuid.h>
# if defined(__linux__)
#  include <sys/syscall.h>
#  include <unistd.h>
# endif
static int cpu_has_in_7_1(int bit)      /* of eax */
{
    unsigned a, b, c, d;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && a >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d) && a >> bit & 1;
}
static int cpu_has_avxvnni(void) { return cpu_has_in_7_1(4); }
static int cpu_has_avx512bf16(void) { return cpu_has_in_7_1(5); }
/* Tiles, their products of bytes and of bfloat16, and what rounds to bfloat16 (AVX512_BF16, which all CPUs with tiles
 * have). The system saves tiles (bits 17 and 18 of XCR0), and allows them to a process that asks: once is enough for
 * all its threads, those that run already too, and for what it forks; again does no harm. It refuses where a thread has
 * a stack for signals on which tiles find no room. */
static int cpu_has_amx(void)
{
# if defined(__linux__)
    const unsigned needed = 1u << 22 /* bf16 */ | 1u << 24 /* tile */ | 1u << 25 /* int8 */, saved = 3u << 17;
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c >> 27 & 1)) return 0;    /* xgetbv */
    if (!cpu_has_avx512bf16() || !__get_cpuid_count(7, 0, &a, &b, &c, &d) || (d & needed) != needed) return 0;
    __asm__ volatile("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
    return (a & saved) == saved && syscall(SYS_arch_prctl, 0x1023 /* ARCH_REQ_XCOMP_PERM */, 18 /* tile data */) == 0;
# else
    return 0;
# endif
}
/* Of AMD's CPUs: on Intel's vdpbf16ps takes four times as long as a multiply-add of float32 for twice the products
 * (measured on Emerald Rapids: 42 G/s against 85), so there it would only lose digits. */
static int cpu_has_fast_avx512bf16(void) { return __builtin_cpu_is("amd") && cpu_has_avx512bf16(); }
#elif defined(__aarch64__) && defined(__linux__)
# include <sys/auxv.h>                  /* bits of AT_HWCAP and AT_HWCAP2, as Linux names them */
# define HWCAP_ASIMDDP_ (1ul << 20)
# define HWCAP2_I8MM_ (1ul << 13)
# define HWCAP2_BF16_ (1ul << 14)
#endif
static int cpu_runs(const char *level)
{
#if defined(__x86_64__)
    __builtin_cpu_init();               /* whether the system saves their registers is asked for there */
    int avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    int avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                 __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    if (!strcmp(level, "sse41")) return __builtin_cpu_supports("sse4.1") && __builtin_cpu_supports("ssse3");
    if (!strcmp(level, "avx2")) return avx2;
    if (!strcmp(level, "avxvnni")) return avx2 && cpu_has_avxvnni();
    if (!strcmp(level, "avx512")) return avx512;
    int avx512vnni = avx512 && __builtin_cpu_supports("avx512vnni");
    if (!strcmp(level, "avx512vnni")) return avx512vnni;
    if (!strcmp(level, "amx")) return avx512vnni && cpu_has_amx();
    if (!strcmp(level, "avx512bf16")) return avx512vnni && cpu_has_fast_avx512bf16();
#elif defined(__aarch64__)
    if (!strcmp(level, "neon")) return 1;
# if defined(__linux__)
    int dotprod = (getauxval(AT_HWCAP) & HWCAP_ASIMDDP_) != 0;
    if (!strcmp(level, "dotprod")) return dotprod;
    int i8mm = dotprod && (getauxval(AT_HWCAP2) & HWCAP2_I8MM_) != 0;
    if (!strcmp(level, "i8mm")) return i8mm;
    if (!strcmp(level, "bf16")) return i8mm && (getauxval(AT_HWCAP2) & HWCAP2_BF16_) != 0;
# endif
#endif
    return !strcmp(level, "baseline");
}
#endif

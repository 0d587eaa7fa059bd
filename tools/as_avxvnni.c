/* AVX-VNNI on a CPU that has AVX2 only: each VEX-coded vpdpbusd and vpdpwssd of registers traps, and is done here on
 * the registers that the system saved. For tests: a trap takes microseconds. */
#define _GNU_SOURCE
#include <cpuid.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <ucontext.h>

enum { XMM = 160, HEADER = 512, AVX_STATE = 4 };        /* of an XSAVE area: where the lower halves are, its header */
static uint32_t upper;                                  /* and the upper ones */

static void load(const char *area, int r, void *v)
{
    memcpy(v, area + XMM + 16 * r, 16);
    memcpy((char *)v + 16, area + upper + 16 * r, 16);
}

static void on_illegal(int signal, siginfo_t *info, void *context)
{
    greg_t *rip = &((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
    char *area = (char *)((ucontext_t *)context)->uc_mcontext.fpregs;
    const uint8_t *code = (const uint8_t *)*rip;
    int of_bytes = code[3] == 0x50;
    (void)info;
    /* three-byte VEX, map 0F38, W0, L1, prefix 66, both operands registers */
    if (code[0] != 0xc4 || (code[1] & 0x1f) != 2 || (code[2] & 0x87) != 5 || (code[3] != 0x50 && code[3] != 0x52) ||
        code[4] < 0xc0) {
        struct sigaction usual = {.sa_handler = SIG_DFL};
        sigaction(signal, &usual, NULL);
        return;
    }
    int to = (code[4] >> 3 & 7) | (~code[1] >> 4 & 8), a = ~code[2] >> 3 & 15, b = (code[4] & 7) | (~code[1] >> 2 & 8);
    uint64_t *state = (uint64_t *)(area + HEADER);
    if (!(*state & AVX_STATE)) {                        /* all upper halves are zero, and were not written */
        memset(area + upper, 0, 256);
        *state |= AVX_STATE;
    }
    uint8_t u[32], v[32];
    uint32_t sum[8];
    load(area, to, sum);
    load(area, a, u);
    load(area, b, v);
    for (int i = 0; i < 8; i++)
        if (of_bytes)
            for (int k = 0; k < 4; k++) sum[i] += (uint32_t)(u[4 * i + k] * (int8_t)v[4 * i + k]);
        else
            for (int k = 0; k < 2; k++) {
                int16_t x, y;
                memcpy(&x, u + 4 * i + 2 * k, 2);
                memcpy(&y, v + 4 * i + 2 * k, 2);
                sum[i] += (uint32_t)(x * y);
            }
    memcpy(area + XMM + 16 * to, sum, 16);
    memcpy(area + upper + 16 * to, sum + 4, 16);
    *rip += 5;
}

void begin(void)
{
    uint32_t size, c, d;
    struct sigaction ours = {.sa_sigaction = on_illegal, .sa_flags = SA_SIGINFO};
    __cpuid_count(0xd, 2, size, upper, c, d);
    sigaction(SIGILL, &ours, NULL);
}

/* Bochs' CPU inside a process of the host: a shared library that executes code the host's CPU cannot.
 *
 * in_process_begin starts Bochs and takes SIGILL; in_process_add names ranges of code. Where an instruction of a range
 * traps, the registers that the system saved become those of Bochs' CPU, which goes on from there on the process's own
 * memory (no paging: its linear addresses are the host's) until a call, a jump or a return leaves the ranges; then the
 * registers go back, and so does the host. What is outside of the ranges runs at the host's speed. By the calling
 * convention no register that the host lacks holds anything across a call, but for AMX' tiles, which are kept.
 * One thread at a time is emulated. bochs.patch has what this asks of Bochs' own files. */
#define NEED_CPU_REG_SHORTCUTS 1
#include "bochs.h"
#include "cpu.h"
#include "icache.h"
#include "pc_system.h"
#include "gui/siminterface.h"
#include "avx/amx.h"
#include "in_process.h"
#define LOG_THIS BX_CPU_THIS_PTR

#include <new>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <ucontext.h>

extern int bxmain(void);

bool bx_in_process = false;
jmp_buf bx_in_process_ready;
int bx_in_process_ranges = 0;
uint64_t bx_in_process_range[BX_IN_PROCESS_RANGES][2];

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;    // one CPU for all threads
static uint64_t entered = 0;
static struct sigaction before;                             // what was done about SIGILL before

// What a thread keeps from one trap to the next of registers that the host's CPU may not have
struct Kept {
  AMX amx;
  Bit64u opmask[8];
  bx_zmm_reg_t vmm[BX_XMM_REGISTERS];
};
static __thread Kept *kept;

// An XSAVE area of the host: component 2 the upper halves of ymm 0-15, 5 k, 6 those of zmm 0-15, 7 zmm 16-31
enum { XMM_AT = 160, HEADER_AT = 512, MXCSR_AT = 24 };
static unsigned at[8];

// An exception in emulated code: an instruction that this CPU does not have either, or a tile that is not configured
void bx_in_process_fault(unsigned vector, unsigned error_code)
{
  fprintf(stderr, "in_process: exception %u (error %u) at rip %llx\n", vector, error_code, (unsigned long long)RIP);
  const unsigned char *code = (const unsigned char *) BX_CPU_THIS_PTR prev_rip;
  fprintf(stderr, "in_process: at %p:", code);
  for (int i = 0; i < 16; i++) fprintf(stderr, " %02x", code[i]);
  fprintf(stderr, "\n");
  abort();
}

void BX_CPU_C::in_process_begin(void)
{
  bx_pc_system.set_enable_a20(1);
  BX_CPU_THIS_PTR cr0.set32(0x00050033);        // PE MP ET NE WP AM: no paging, linear addresses are the host's
  BX_CPU_THIS_PTR cr4.set((1 << 9) | (1 << 10) | (1 << 16) | (1 << 18));   // OSFXSR OSXMMEXCPT FSGSBASE OSXSAVE
  BX_CPU_THIS_PTR efer.set32((1 << 8) | (1 << 10));                          // LME LMA
  BX_CPU_THIS_PTR xcr0.set32(BX_CPU_THIS_PTR xcr0_suppmask);
  for (unsigned s = 0; s < 6; s++) {
    bx_segment_reg_t *seg = &BX_CPU_THIS_PTR sregs[s];
    parse_selector(s == BX_SEG_REG_CS ? 0x33 : 0x2b, &seg->selector);
    seg->cache.valid = SegValidCache | SegAccessROK | SegAccessWOK | SegAccessROK4G | SegAccessWOK4G;
    seg->cache.p = 1;
    seg->cache.dpl = 3;
    seg->cache.segment = 1;
    seg->cache.type = s == BX_SEG_REG_CS ? BX_CODE_EXEC_READ_ACCESSED : BX_DATA_READ_WRITE_ACCESSED;
    seg->cache.u.segment.base = 0;
    seg->cache.u.segment.limit_scaled = 0xffffffff;
    seg->cache.u.segment.g = 1;
    seg->cache.u.segment.d_b = s != BX_SEG_REG_CS;
    seg->cache.u.segment.l = s == BX_SEG_REG_CS;
    seg->cache.u.segment.avl = 0;
  }
  handleCpuContextChange();
  handleAvxModeChange();
  BX_CPU_THIS_PTR async_event = 0;
}

static void load(void *to, const char *area, unsigned offset, unsigned size, unsigned component)
{
  const Bit64u *state = (const Bit64u *)(area + HEADER_AT);
  if (at[component] == 0) return;
  if (*state >> component & 1) memcpy(to, area + offset, size);
  else memset(to, 0, size);
}

void BX_CPU_C::in_process_run(void *context)
{
  static const int order[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
  ucontext_t *uc = (ucontext_t *) context;
  greg_t *gregs = uc->uc_mcontext.gregs;
  char *area = (char *) uc->uc_mcontext.fpregs;
  Bit64u *state = (Bit64u *)(area + HEADER_AT);

  for (int r = 0; r < 16; r++) BX_CPU_THIS_PTR gen_reg[r].rrx = gregs[order[r]];
  BX_CPU_THIS_PTR gen_reg[BX_64BIT_REG_RIP].rrx = gregs[REG_RIP];
  setEFlags((Bit32u) gregs[REG_EFL] & 0xcd5);
  MSR_FSBASE = (Bit64u) __builtin_thread_pointer();
  BX_CPU_THIS_PTR mxcsr.mxcsr = *(Bit32u *)(area + MXCSR_AT);
  *BX_CPU_THIS_PTR amx = kept->amx;
  memcpy(&BX_CPU_THIS_PTR vmm[0], kept->vmm, sizeof kept->vmm);
  for (int r = 0; r < 8; r++) {
    BX_CPU_THIS_PTR opmask[r].rrx = kept->opmask[r];
    load(&BX_CPU_THIS_PTR opmask[r].rrx, area, at[5] + 8 * r, 8, 5);
  }
  for (int r = 0; r < 16; r++) {
    char *v = (char *) &BX_CPU_THIS_PTR vmm[r];
    memcpy(v, area + XMM_AT + 16 * r, 16);
    load(v + 16, area, at[2] + 16 * r, 16, 2);
    load(v + 32, area, at[6] + 32 * r, 32, 6);
    load(&BX_CPU_THIS_PTR vmm[16 + r], area, at[7] + 64 * r, 64, 7);
  }

  volatile Bit8u stack_anchor = 0;
  BX_CPU_THIS_PTR cpuloop_stack_anchor = &stack_anchor;
  BX_CPU_THIS_PTR prev_rip = RIP;
  BX_CPU_THIS_PTR speculative_rsp = false;
  do {
    BX_CPU_THIS_PTR async_event = 0;                        // no timer and no device interrupts
    BX_CPU_THIS_PTR icount_last_sync = BX_CPU_THIS_PTR icount;
    bxInstruction_c *i = getICacheEntry()->i;
    RIP += i->ilen();
    BX_CPU_CALL_METHOD(i->execute1, (i));
  } while (bx_in_process_has(RIP));

  for (int r = 0; r < 16; r++) gregs[order[r]] = BX_CPU_THIS_PTR gen_reg[r].rrx;
  gregs[REG_RIP] = RIP;
  gregs[REG_EFL] = (gregs[REG_EFL] & ~0xcd5) | (read_eflags() & 0xcd5);
  *(Bit32u *)(area + MXCSR_AT) = BX_CPU_THIS_PTR mxcsr.mxcsr;
  kept->amx = *BX_CPU_THIS_PTR amx;
  memcpy(kept->vmm, &BX_CPU_THIS_PTR vmm[0], sizeof kept->vmm);
  for (int r = 0; r < 8; r++) {
    kept->opmask[r] = BX_CPU_THIS_PTR opmask[r].rrx;
    if (at[5]) memcpy(area + at[5] + 8 * r, &BX_CPU_THIS_PTR opmask[r].rrx, 8);
  }
  for (int r = 0; r < 16; r++) {
    const char *v = (const char *) &BX_CPU_THIS_PTR vmm[r];
    memcpy(area + XMM_AT + 16 * r, v, 16);
    memcpy(area + at[2] + 16 * r, v + 16, 16);
    if (at[6]) memcpy(area + at[6] + 32 * r, v + 32, 32);
    if (at[7]) memcpy(area + at[7] + 64 * r, &BX_CPU_THIS_PTR vmm[16 + r], 64);
  }
  *state |= 7 | (at[5] ? 0xe0 : 0);
}

static void on_illegal(int number, siginfo_t *info, void *context)
{
  ucontext_t *uc = (ucontext_t *) context;
  if (! bx_in_process_has(uc->uc_mcontext.gregs[REG_RIP])) {
    sigaction(number, &before, NULL);
    return;
  }
  if (kept == NULL) {
    // The emulated code pushes where a frame of this handler would lie: the thread gets another stack, and traps again.
    size_t size = 1 << 20;
    char *memory = (char *) mmap(NULL, size + sizeof(Kept) + 4096, PROT_READ | PROT_WRITE,
                                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) abort();
    kept = new (memory + size) Kept();
    uc->uc_stack.ss_sp = memory;
    uc->uc_stack.ss_size = size;
    uc->uc_stack.ss_flags = 0;
    return;
  }
  pthread_mutex_lock(&lock);
  entered++;
  BX_CPU(0)->in_process_run(context);
  pthread_mutex_unlock(&lock);
}

extern "C" __attribute__((visibility("default"))) int in_process_begin(const char *configuration)
{
  static const char *arguments[] = {"bochs", "-q", "-f", configuration, NULL};
  struct sigaction interrupt, alarm;
  sigaction(SIGINT, NULL, &interrupt);
  sigaction(SIGALRM, NULL, &alarm);
  bx_startup_flags.argc = 4;
  bx_startup_flags.argv = (char **) arguments;
  bx_in_process = true;
  if (setjmp(bx_in_process_ready) == 0) {
    bxmain();
    return -1;
  }
  struct itimerval none;
  memset(&none, 0, sizeof none);
  setitimer(ITIMER_REAL, &none, NULL);                      // shows the speed
  sigaction(SIGINT, &interrupt, NULL);
  sigaction(SIGALRM, &alarm, NULL);
  BX_CPU(0)->in_process_begin();
  unsigned a, b, c, d, low = 7, high;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  for (int component = 2; component < 8; component++) {
    __asm__("cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "0"(0xd), "2"(component));
    if (low >> component & 1) at[component] = b;
  }
  struct sigaction ours;
  memset(&ours, 0, sizeof ours);
  ours.sa_sigaction = on_illegal;
  ours.sa_flags = SA_SIGINFO | SA_ONSTACK;
  return sigaction(SIGILL, &ours, &before);
}

extern "C" __attribute__((visibility("default"))) int in_process_add(uint64_t from, uint64_t to)
{
  if (bx_in_process_ranges == BX_IN_PROCESS_RANGES) return -1;
  bx_in_process_range[bx_in_process_ranges][0] = from;
  bx_in_process_range[bx_in_process_ranges++][1] = to;
  return 0;
}

extern "C" __attribute__((visibility("default"))) uint64_t in_process_entered(void) { return entered; }

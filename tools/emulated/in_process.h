/* Bochs' CPU inside a process of the host (in_process.cc): what the files that bochs.patch changes ask. */
#ifndef BX_IN_PROCESS_H
#define BX_IN_PROCESS_H
#include <setjmp.h>
#include <stdint.h>

extern bool bx_in_process;
extern jmp_buf bx_in_process_ready;             // Bochs is set up; instead of running a guest it jumps here
enum { BX_IN_PROCESS_RANGES = 64 };
extern int bx_in_process_ranges;
extern uint64_t bx_in_process_range[BX_IN_PROCESS_RANGES][2];

/* Is this the address of an instruction that is to be emulated? */
static inline bool bx_in_process_has(uint64_t rip)
{
  for (int i = 0; i < bx_in_process_ranges; i++)
    if (rip >= bx_in_process_range[i][0] && rip < bx_in_process_range[i][1]) return true;
  return false;
}

void bx_in_process_fault(unsigned vector, unsigned error_code);
#endif

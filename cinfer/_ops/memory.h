/* Zeroed blocks straight from the system: 64-byte aligned at least, on huge pages where they are large. */
#ifndef CINFER_MEMORY_H
#define CINFER_MEMORY_H
#include <stdlib.h>
#include <string.h>
#if defined(__linux__)
# include <sys/mman.h>
#endif
enum { HUGE_PAGE = 1 << 21 };
static void *block_new(size_t size)
{
    void *p = NULL;
    if (posix_memalign(&p, size >= HUGE_PAGE ? HUGE_PAGE : 64, size)) return NULL;
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    if (size >= HUGE_PAGE) madvise(p, size / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE);
#endif
    memset(p, 0, size);
    return p;
}
static void block_free(void *p, size_t size) { (void)size; free(p); }
#endif

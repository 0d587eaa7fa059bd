/* Zeroed blocks straight from the system: 64-byte aligned at least; large ones are mapped, on huge pages
 * where there are any, and go back to the system when freed. */
#ifndef CINFER_MEMORY_H
#define CINFER_MEMORY_H
#include <stdlib.h>
#include <string.h>
#if defined(__linux__)
# include <sys/mman.h>
#endif
enum { LARGE_BLOCK = 1 << 20 };
static void *block_new(size_t size)
{
    void *p = NULL;
#if defined(__linux__)
    if (size >= LARGE_BLOCK) {
        p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED) return NULL;
        madvise(p, size, MADV_HUGEPAGE);
        return p;
    }
#endif
    if (posix_memalign(&p, 64, size)) return NULL;
    memset(p, 0, size);
    return p;
}
static void block_free(void *p, size_t size)
{
#if defined(__linux__)
    if (size >= LARGE_BLOCK) { munmap(p, size); return; }
#endif
    free(p);
}
#endif

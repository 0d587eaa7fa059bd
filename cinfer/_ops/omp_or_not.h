/* OpenMP where the compiler has it; without it cinfer is single-threaded. */
#ifndef CINFER_OMP_H
#define CINFER_OMP_H
#if defined(__linux__)
# include <sched.h>
#endif
#if defined(_OPENMP)
# include <omp.h>
enum { HAVE_OPENMP = 1 };
static inline int omp_binds(void) { return omp_get_proc_bind() != omp_proc_bind_false; }
/* CPUs of the places to which OpenMP binds threads; 0: it binds none. */
static inline int omp_bound_cpus(void)
{
    int n = 0;
    for (int i = 0; omp_binds() && i < omp_get_num_places(); i++) n += omp_get_place_num_procs(i);
    return n;
}
static inline void omp_give_back(void)
{
# if !defined(__clang__) && __GNUC__ >= 9               /* libgomp; Clang's libomp minds forks itself */
    omp_pause_resource_all(omp_pause_hard);
# endif
}
#else
enum { HAVE_OPENMP = 0 };
static inline int omp_binds(void) { return 0; }
static inline int omp_bound_cpus(void) { return 0; }
static inline void omp_give_back(void) {}
static inline int omp_get_thread_num(void) { return 0; }
#endif

/* Where OMP_PROC_BIND or OMP_PLACES say so, OpenMP binds its threads for good, and the thread that leads a
 * region with them. That one is the host program's: whatever it starts later would be bound too. So it gets
 * its CPUs back. */
#if defined(__linux__)
typedef struct { int bound; cpu_set_t cpus; } binding_t;
static inline void binding_note(binding_t *b)
{
    b->bound = omp_binds() && !sched_getaffinity(0, sizeof b->cpus, &b->cpus);
}
static inline void binding_undo(const binding_t *b)
{
    cpu_set_t now;
    if (b->bound && !sched_getaffinity(0, sizeof now, &now) && !CPU_EQUAL(&now, &b->cpus))
        sched_setaffinity(0, sizeof b->cpus, &b->cpus);
}
#else
typedef struct { int bound; } binding_t;
static inline void binding_note(binding_t *b) { b->bound = 0; }
static inline void binding_undo(const binding_t *b) { (void)b; }
#endif
#endif

/* OpenMP where the compiler has it; without it cinfer is single-threaded. */
#ifndef CINFER_OMP_H
#define CINFER_OMP_H
#if defined(_OPENMP)
# include <omp.h>
enum { HAVE_OPENMP = 1 };
static inline void omp_give_back(void)
{
# if !defined(__clang__) && __GNUC__ >= 9               /* libgomp; Clang's libomp minds forks itself */
    omp_pause_resource_all(omp_pause_hard);
# endif
}
#else
enum { HAVE_OPENMP = 0 };
static inline void omp_give_back(void) {}
static inline int omp_get_thread_num(void) { return 0; }
#endif
#endif

/* OpenMP where the compiler has it; without it cinfer is single-threaded. */
#ifndef CINFER_OMP_H
#define CINFER_OMP_H
#if defined(_OPENMP)
# include <omp.h>
enum { HAVE_OPENMP = 1 };
static inline void omp_give_back(void)
{
/* GCC has it, though it claims OpenMP 4.5 */
# if _OPENMP >= 201811 || (defined(__GNUC__) && __GNUC__ >= 9)
    omp_pause_resource_all(omp_pause_hard);
# endif
}
#else
enum { HAVE_OPENMP = 0 };
static inline void omp_give_back(void) {}
static inline int omp_get_thread_num(void) { return 0; }
#endif
#endif

/* A run is a list of steps, a step a list of jobs, a job a number of tiles. The tiles of each job are divided
 * evenly among the threads, in their order, so that in step after step a thread works on the same part of
 * the picture, which is in its cache. Each draws its own tiles by ticket, then those that others have not
 * begun. A step is over when all its tiles are DONE, not when all threads have arrived: a thread that the
 * system has put aside delays nobody (unless it has a tile in hand), and a run never becomes much slower
 * than one thread alone. All threads leave a run that is stopped (control.h) after the tile in hand, and one in
 * which a job has refused (api.h) behind its step. */
#ifndef CINFER_STEPS_H
#define CINFER_STEPS_H
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include "api.h"
#include "clock.h"
#include "control.h"
#include "team.h"
#if defined(__x86_64__)
# include <immintrin.h>
# define PAUSE() _mm_pause()
#elif defined(__aarch64__)
# define PAUSE() __asm__ volatile("yield")
#else
# define PAUSE() ((void)0)
#endif

typedef struct { tile_fn run; const void *params; int64_t tiles; } job_t;
typedef struct { job_t *jobs; int64_t n_jobs, tiles; } step_t;
/* done: tiles of each of n steps; next: tickets drawn of thread 0's tiles of each step, then, `stride` on, of
 * thread 1's, ...: no two threads share a cache line. */
typedef struct { int64_t n, threads, stride; atomic_llong *done, *next; } tickets_t;

/* About 30 us of pauses, then the CPU is offered to others, then sleep. */
enum { SPINS = 2000, YIELDS = 1000 };

/* The first of a job's tiles in the part of thread `owner` of `threads`. */
static inline int64_t part_begin(const job_t *j, int64_t owner, int64_t threads)
{
    return j->tiles * owner / threads;
}

/* Tiles in a thread's part of a step. */
static inline int64_t part_tiles(const step_t *s, int64_t owner, int64_t threads)
{
    int64_t n = 0;
    for (const job_t *j = s->jobs; j < s->jobs + s->n_jobs; j++)
        n += part_begin(j, owner + 1, threads) - part_begin(j, owner, threads);
    return n;
}

/* Tile t of a thread's part. */
static inline void run_tile(const step_t *s, int64_t owner, int64_t threads, int64_t t, char *const *base,
                            char *scratch)
{
    for (const job_t *j = s->jobs;; j++) {
        const int64_t first = part_begin(j, owner, threads), n = part_begin(j, owner + 1, threads) - first;
        if (t < n) {
            j->run(j->params, base, scratch, first + t);
            return;
        }
        t -= n;
    }
}

/* Whether a job of this step has refused what it read; other threads may be in later steps already. */
static inline int has_refused(const step_t *s, const control_t *control)
{
    const void *params = __atomic_load_n(&control->refused, __ATOMIC_RELAXED);
    if (params)
        for (const job_t *j = s->jobs; j < s->jobs + s->n_jobs; j++) if (j->params == params) return 1;
    return 0;
}

static inline int64_t tickets_bytes(int64_t n, int64_t threads)
{
    return (n + 7) / 8 * 8 * (1 + threads) * (int64_t)sizeof(atomic_llong);
}

static inline tickets_t tickets_reset(void *memory, int64_t n, int64_t threads)
{
    const int64_t stride = (n + 7) / 8 * 8;
    memset(memory, 0, (size_t)tickets_bytes(n, threads));
    return (tickets_t){n, threads, stride, memory, (atomic_llong *)memory + stride};
}

/* The part of thread `me`; thread 0 is the caller's. ended: NULL, or room for the time at which each step was
 * over (only one thread passes it). */
static void steps_work(const step_t *steps, const tickets_t *k, int64_t me, char *const *base, char *scratch,
                       int64_t *ended, control_t *control, seen_t *seen)
{
    seen_begin(seen);
    int64_t work = -thread_ns();                        /* without long waits, where the CPU is given up */
    for (int64_t i = 0; i < k->n; i++) {
        const step_t *s = steps + i;
        int64_t mine = 0, w = 0;
        for (int64_t v = 0, owner = me; v < k->threads; v++, owner = owner + 1 < k->threads ? owner + 1 : 0) {
            const int64_t n = part_tiles(s, owner, k->threads);
            atomic_llong *next = k->next + owner * k->stride + i;
            int64_t t;
            while (n && atomic_load_explicit(next, memory_order_relaxed) < n &&
                   control_go(control, me == 0) &&
                   (t = atomic_fetch_add_explicit(next, 1, memory_order_relaxed)) < n) {
                run_tile(s, owner, k->threads, t, base, scratch);
                mine++;
            }
        }
        if (mine) atomic_fetch_add_explicit(k->done + i, mine, memory_order_acq_rel);
        for (; atomic_load_explicit(k->done + i, memory_order_acquire) < s->tiles && !GET(control->stop);
             w++) {
            if (w == SPINS) work += thread_ns();
            if (w < SPINS) PAUSE();
            else if (!control_go(control, me == 0)) break;
            else if (w < SPINS + YIELDS) sched_yield();
            else nanosleep(&(struct timespec){0, 20000}, NULL);
        }
        if (w > SPINS) work -= thread_ns();
        if (GET(control->stop) || has_refused(s, control)) break;
        if (ended) ended[i] = now_ns();
    }
    atomic_fetch_add_explicit(&seen->work_ns, work + thread_ns(), memory_order_relaxed);
}

static void steps_alone(const step_t *steps, int64_t n, char *const *base, char *scratch, int64_t *ended,
                        control_t *control)
{
    for (int64_t i = 0; i < n; i++) {
        for (const job_t *j = steps[i].jobs; j < steps[i].jobs + steps[i].n_jobs; j++)
            for (int64_t t = 0; t < j->tiles; t++) {
                if (!control_go(control, 1)) return;
                j->run(j->params, base, scratch, t);
            }
        if (has_refused(steps + i, control)) return;
        if (ended) ended[i] = now_ns();
    }
}

#endif

/* Threads that wake on one CPU while another is idle.
 *
 * A virtual machine gives an idle CPU back to its host, and Linux then takes it for one that the host has
 * preempted and avoids it: a thread woken after a pause shares the CPU of the thread that woke it, for up to
 * some milliseconds, until the load is balanced, or in every short run again. So after a pause thread 0 steps
 * aside for a moment, and the others move if they find themselves on a CPU where a thread of this run has
 * begun. Their affinity is what it was afterwards. */
#ifndef CINFER_SPREAD_H
#define CINFER_SPREAD_H
#include <sched.h>
#include "relaxed.h"

#if defined(__linux__)
static const int64_t REST_NS = 500000;                  /* a CPU that idles so long may be given back */
enum { MOST_MOVES = 4 };

/* Of the process: when its last run ended, and whether threads have met since they last made room. */
typedef struct { atomic_llong ended_ns; atomic_int met; } rest_t;
/* Of a run: whether thread 0 steps aside, and the CPUs on which threads have begun. */
typedef struct { rest_t *rest; int aside; atomic_ullong cpus[CPU_SETSIZE / 64]; } spread_t;

/* Marks a CPU; whether it was marked before. */
static inline int spread_mark(spread_t *s, int cpu)
{
    const unsigned long long bit = 1ull << cpu % 64;
    if (cpu < 0 || cpu >= CPU_SETSIZE) return 0;
    return (atomic_fetch_or_explicit(s->cpus + cpu / 64, bit, memory_order_relaxed) & bit) != 0;
}
static inline int spread_marked(spread_t *s, int cpu)
{
    return GET(s->cpus[cpu / 64]) >> cpu % 64 & 1;
}

/* Thread 0, before the others wake. */
static inline void spread_begin(spread_t *s, rest_t *rest, int64_t now_ns)
{
    s->rest = rest;
    s->aside = now_ns - GET(rest->ended_ns) > REST_NS || GET(rest->met);
    if (s->aside) SET(rest->met, 0);
    for (int i = 0; i < CPU_SETSIZE / 64; i++) SET(s->cpus[i], 0);
    spread_mark(s, sched_getcpu());
}

/* Each thread, when it begins. */
static inline void spread_out(spread_t *s, int me)
{
    cpu_set_t allowed, idle;
    int moves = 0;
    if (me == 0) {
        if (s->aside) sched_yield();
        return;
    }
    while (spread_mark(s, sched_getcpu()) && moves < MOST_MOVES) {      /* another may have moved there too */
        if (!moves && sched_getaffinity(0, sizeof allowed, &allowed)) return;
        idle = allowed;
        for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
            if (spread_marked(s, cpu)) CPU_CLR(cpu, &idle);
        if (!CPU_COUNT(&idle) || sched_setaffinity(0, sizeof idle, &idle)) break;
        moves++;
    }
    if (!moves) return;
    SET(s->rest->met, 1);
    sched_setaffinity(0, sizeof allowed, &allowed);
}

static inline void spread_end(rest_t *rest, int64_t now_ns)
{
    SET(rest->ended_ns, now_ns);
}
#else
typedef struct { int unused; } rest_t, spread_t;
static inline void spread_begin(spread_t *s, rest_t *rest, int64_t now_ns)
{
    (void)s; (void)rest; (void)now_ns;
}
static inline void spread_out(spread_t *s, int me) { (void)s; (void)me; }
static inline void spread_end(rest_t *rest, int64_t now_ns) { (void)rest; (void)now_ns; }
#endif
#endif

/* How many threads a run has of those that it may have, and on which CPUs they are: what earlier runs teach.
 *
 * Two parts, each of which can be left out (CINFER_TEAM=-crowd,-spread), to see what it brings
 * (tools/bench_team.py) or whether it is to blame. Results depend on none: tiles are fixed by the plan. */
#ifndef CINFER_TEAM_H
#define CINFER_TEAM_H
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "relaxed.h"

/* ---- crowd
 *
 * How many threads pay while other processes keep CPUs busy.
 *
 * The system takes a CPU away from a thread for milliseconds (a time slice), and a run must wait when that
 * happens with a tile in hand, or before a thread comes to the end of the OpenMP region: beside one busy
 * process two threads on two CPUs are hardly faster than one alone, and far slower now and then. So runs of
 * this process take one thread less after two of them within 100 ms were slower than that and the system
 * counts more running tasks than CPUs (/proc/loadavg; where that is not to be read, all threads run). They
 * take it back when the count leaves room, which is looked up every 50 ms, or for a trial every 3 s: a
 * neighbour of low priority counts, but does no harm. Never below the share of the CPUs that would be fair.
 * Results do not depend on all this: tiles are fixed by the plan. */
typedef struct {
    atomic_llong fewer;                 /* threads that runs do without */
    atomic_llong slow_ns;               /* the last run that was slower than with one thread less */
    atomic_llong looked_ns, changed_ns; /* when others were counted, and when `fewer` changed */
} crowd_t;

/* SIGN: two slow runs so close are no accident; SOON, LOOK: reading /proc/loadavg takes 20 us, so it is read
 * at most so often; TRIAL: a trial beside a neighbour that does harm costs a time slice, 4 ms of these 3 s.
 * To fit again: tools/bench_team.py beside a busy process, -crowd against all parts. */
static const int64_t SIGN_NS = 100000000, SOON_NS = 5000000, LOOK_NS = 50000000, TRIAL_NS = 3000000000;

/* What the threads of a run saw. */
typedef struct {
    atomic_llong work_ns;               /* CPU time that they worked, together */
    atomic_llong arrived;               /* threads that have begun */
    atomic_llong others;                /* running tasks of the system besides them; -1: not counted */
    int used, look;                     /* threads of this run; whether it counts the others */
} seen_t;

/* The beginning of a file of the system, or "". */
static inline void read_head(const char *path, char *text, size_t size)
{
    const int f = open(path, O_RDONLY | O_CLOEXEC);
    const ssize_t n = f < 0 ? 0 : read(f, text, size - 1);
    text[n < 0 ? 0 : n] = 0;
    if (f >= 0) close(f);
}

/* Running tasks of the system, those of this process included; 0: unknown. */
static inline int64_t running_tasks(void)
{
    char text[128];
    int running = 0;
    read_head("/proc/loadavg", text, sizeof text);      /* "0.29 0.81 0.95 2/312 4711": 2 are running */
    return sscanf(text, "%*s %*s %*s %d/", &running) == 1 ? running : 0;
}

/* CPUs in operation; more than any machine has: unknown. */
static inline int64_t online_cpus(void)
{
    char text[1024], *at = text;
    int64_t n = 0;
    read_head("/sys/devices/system/cpu/online", text, sizeof text);      /* "0-3,6" */
    for (char *end; *at; at = *end == ',' ? end + 1 : end) {
        long first = strtol(at, &end, 10), last = first;
        if (end == at) break;
        if (*end == '-') last = strtol(end + 1, &end, 10);
        n += last - first + 1;
    }
    return n ? n : 1 << 20;
}

/* Each thread as it begins. The last to come counts: by then all of them run, or would. */
static inline void seen_begin(seen_t *s)
{
    if (!s->look || atomic_fetch_add_explicit(&s->arrived, 1, memory_order_relaxed) + 1 != s->used) return;
    const int64_t running = running_tasks();
    SET(s->others, running < s->used ? 0 : running - s->used);
}

/* The run that begins at now_ns and may have `wanted` threads. */
static inline void crowd_begin(crowd_t *c, int wanted, int64_t now_ns, seen_t *s)
{
    const int64_t fewer = GET(c->fewer), unseen_ns = now_ns - GET(c->looked_ns);
    SET(s->work_ns, 0);
    SET(s->arrived, 0);
    SET(s->others, -1);
    s->used = wanted - fewer > 1 ? (int)(wanted - fewer) : 1;
    s->look = (now_ns - GET(c->slow_ns) < SIGN_NS && unseen_ns > SOON_NS) || (fewer && unseen_ns > LOOK_NS);
}

/* After a run that ended at now_ns and took wall_ns, on a machine of `cpus` CPUs. */
static inline void crowd_learn(crowd_t *c, int wanted, int64_t now_ns, int64_t wall_ns, seen_t *s,
                               int64_t cpus)
{
    const int64_t used = s->used, others = GET(s->others), free = cpus - others;
    const int64_t fair = cpus * wanted / (wanted + (others > 0 ? others : 0));
    const int64_t room = free > fair ? free : fair;
    const int slow = used > 1 && wall_ns * (used - 1) > GET(s->work_ns);
    if (others >= 0) SET(c->looked_ns, now_ns);
    if (slow && others >= 0 && used > room) {
        SET(c->fewer, wanted - used + 1);
    } else if (used < wanted && ((others >= 0 && used < room) || now_ns - GET(c->changed_ns) > TRIAL_NS)) {
        SET(c->fewer, wanted - used - 1);
    } else {
        if (slow) SET(c->slow_ns, now_ns);
        return;
    }
    SET(c->changed_ns, now_ns);
}

/* ---- spread
 *
 * Threads that wake on one CPU while another is idle.
 *
 * A virtual machine gives an idle CPU back to its host, and Linux then takes it for one that the host has
 * preempted and avoids it: a thread woken after a pause shares the CPU of the thread that woke it, for up to
 * some milliseconds, until the load is balanced, or in every short run again. So after a pause thread 0 steps
 * aside for a moment, and the others move if they find themselves on a CPU where a thread of this run has
 * begun. Only threads of OpenMP's pool move, never the caller's; they may run where they might before at once
 * afterwards, unless others (taskset) have said otherwise meanwhile. What others say within the microsecond
 * between reading a thread's CPUs and moving it is lost. */
#if defined(__linux__)
/* A CPU that idles so long may be given back to the host. To fit again: tools/bench_team.py at a camera's
 * pace, -spread against all parts, on a virtual machine that is otherwise idle. */
static const int64_t REST_NS = 500000;
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
    cpu_set_t allowed, idle, now;
    int moves = 0;
    if (me == 0) {
        if (s->aside) sched_yield();
        return;
    }
    while (spread_mark(s, sched_getcpu()) && moves < MOST_MOVES) {      /* another may have moved there too */
        if (!moves && sched_getaffinity(0, sizeof allowed, &allowed)) return;
        cpu_set_t left = allowed;
        for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
            if (spread_marked(s, cpu)) CPU_CLR(cpu, &left);
        if (!CPU_COUNT(&left) || sched_setaffinity(0, sizeof left, &left)) break;
        idle = left;
        moves++;
    }
    if (!moves) return;
    SET(s->rest->met, 1);
    if (!sched_getaffinity(0, sizeof now, &now) && CPU_EQUAL(&now, &idle))      /* else others have set it */
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

/* ---- all of it */

typedef struct { crowd_t crowd; rest_t rest; int without_crowd, without_spread; } team_t;
/* Of a run: the threads that it may have, what they see, where they are. */
typedef struct { int wanted; int64_t began_ns; seen_t seen; spread_t spread; } run_t;

/* Before a run that may have `wanted` threads; it has seen.used. */
static inline void team_begin(team_t *t, run_t *r, int wanted, int64_t now_ns)
{
    r->wanted = wanted, r->began_ns = now_ns;
    crowd_begin(&t->crowd, wanted, now_ns, &r->seen);
    if (t->without_crowd) r->seen.used = wanted, r->seen.look = 0;
}

/* The leading thread before the others wake, and each thread as it begins. */
static inline void team_wake(team_t *t, run_t *r)
{
    if (!t->without_spread) spread_begin(&r->spread, &t->rest, r->began_ns);
}
static inline void team_join(team_t *t, run_t *r, int me)
{
    if (!t->without_spread) spread_out(&r->spread, me);
}

/* After a run on a machine of `cpus` CPUs; whole: all of it was done. */
static inline void team_end(team_t *t, run_t *r, int64_t now_ns, int64_t cpus, int whole)
{
    spread_end(&t->rest, now_ns);
    if (whole && !t->without_crowd)                     /* what was not finished teaches nothing */
        crowd_learn(&t->crowd, r->wanted, now_ns, now_ns - r->began_ns, &r->seen, cpus);
}
#endif

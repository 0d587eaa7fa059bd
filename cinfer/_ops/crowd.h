/* How many threads pay while other processes keep CPUs busy.
 *
 * The system takes a CPU away from a thread for milliseconds (a time slice), and a run must wait when that
 * happens with a tile in hand, or before a thread comes to the end of the OpenMP region: beside one busy
 * process two threads on two CPUs are hardly faster than one alone, and far slower now and then. So runs of
 * this process take one thread less after two of them within 100 ms were slower than that and the system
 * counts more running tasks than CPUs (/proc/loadavg; where that is not to be read, all threads run). They
 * take it back when the count leaves room, which is looked up every 50 ms, or for a trial every 3 s: a
 * neighbour of low priority counts, but does no harm. Never below the share of the CPUs that would be fair.
 * Results do not depend on all this: tiles are fixed by the plan. */
#ifndef CINFER_CROWD_H
#define CINFER_CROWD_H
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "relaxed.h"

typedef struct {
    atomic_llong fewer;                 /* threads that runs do without */
    atomic_llong slow_ns;               /* the last run that was slower than with one thread less */
    atomic_llong looked_ns, changed_ns; /* when others were counted, and when `fewer` changed */
} crowd_t;

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
#endif

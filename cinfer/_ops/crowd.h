/* How many threads pay while other processes keep CPUs busy.
 *
 * The system takes a CPU away from a thread for milliseconds (a time slice), and a run must wait when that
 * happens with a tile in hand, or before a thread comes to the end of the OpenMP region: beside one busy
 * process two threads on two CPUs are hardly faster than one alone, and far slower now and then. A run that
 * had to wait so and took longer than one thread less would have is a stall. Two stalls within 100 ms are
 * taken as a sign, one is not (systems have hiccups): the next runs of this process take one thread less.
 * After a pause the thread is tried again; if there is another stall within 200 ms, the next pause is eight
 * times as long (50 ms to 3.2 s). Results do not depend on all this: tiles are fixed by the plan. */
#ifndef CINFER_CROWD_H
#define CINFER_CROWD_H
#include <stdatomic.h>
#include <stdint.h>

typedef struct {
    atomic_llong fewer;                 /* threads that runs do without */
    atomic_llong stall_ns;              /* the last stall that was not acted upon */
    atomic_llong pause_ns, retry_ns;    /* the last pause, and its end */
} crowd_t;

static const int64_t STALL_NS = 300000, SIGN_NS = 100000000, TRIAL_NS = 200000000, SHORT_PAUSE_NS = 50000000,
                     LONG_PAUSE_NS = 3200000000;
enum { LONGER = 8 };

#define GET(x) ((int64_t)atomic_load_explicit(&(x), memory_order_relaxed))
#define SET(x, v) atomic_store_explicit(&(x), v, memory_order_relaxed)

/* What the threads of a run saw. */
typedef struct {
    atomic_llong work_ns;               /* CPU time that they worked, together */
    atomic_llong away_ns;               /* the longest that the system kept one of them from its tiles */
    atomic_llong over_ns;               /* when the first of them came to the end */
} seen_t;

static inline void seen_add(seen_t *s, int64_t work_ns, int64_t away_ns, int64_t now_ns)
{
    long long old = GET(s->away_ns), none = 0;
    atomic_fetch_add_explicit(&s->work_ns, work_ns, memory_order_relaxed);
    while (old < away_ns && !atomic_compare_exchange_weak(&s->away_ns, &old, away_ns)) {}
    atomic_compare_exchange_strong(&s->over_ns, &none, now_ns);
}

/* Threads for a run that begins at now_ns and may have `wanted`. */
static inline int crowd_threads(crowd_t *c, int wanted, int64_t now_ns)
{
    int64_t fewer = GET(c->fewer);
    if (fewer && now_ns >= GET(c->retry_ns)) fewer--;
    return wanted - fewer > 1 ? (int)(wanted - fewer) : 1;
}

/* After a run with `used` threads that ended at now_ns and took wall_ns. */
static inline void crowd_learn(crowd_t *c, int wanted, int used, int64_t now_ns, int64_t wall_ns, seen_t *s)
{
    const int64_t late_ns = now_ns - GET(s->over_ns), retry_ns = GET(c->retry_ns);
    const int waited = late_ns > STALL_NS || GET(s->away_ns) > STALL_NS;
    const int trial = retry_ns && retry_ns <= now_ns && now_ns < retry_ns + TRIAL_NS;
    if (waited && wall_ns * (used - 1) > GET(s->work_ns) * 5 / 4) {
        if (!trial && (!GET(c->stall_ns) || now_ns - GET(c->stall_ns) > SIGN_NS)) {
            SET(c->stall_ns, now_ns);
            return;
        }
        const int64_t pause = trial ? GET(c->pause_ns) * LONGER : SHORT_PAUSE_NS;
        SET(c->pause_ns, pause < LONG_PAUSE_NS ? pause : LONG_PAUSE_NS);
        SET(c->retry_ns, now_ns + GET(c->pause_ns));
        SET(c->fewer, wanted - used + 1);
        SET(c->stall_ns, 0);
    } else if (!trial && used > wanted - GET(c->fewer)) {               /* it goes well: try the next */
        SET(c->fewer, wanted - used);
        SET(c->retry_ns, now_ns);
    }
}
#endif

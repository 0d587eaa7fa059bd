/* Whether all threads pay for a program, or half of them are quicker.
 *
 * Threads whose CPUs share no cache hand on each other's borders at a high price, and a slow core among quick
 * ones is waited for in each step: a run of a millisecond is then quicker on fewer threads. No formula knows,
 * so now and then two runs have half the threads, or all again, and the quicker way is kept. Trials begin
 * 50 ms after the first run, then each waits twice as long as the last, up to a minute, after a change one
 * second. Runs of more than 5 ms are left alone: they gain little, and a trial costs much. */
#ifndef CINFER_PACE_H
#define CINFER_PACE_H
#include "relaxed.h"

typedef struct {
    atomic_llong halved;                /* whether runs have half the threads */
    atomic_llong usual_ns;              /* what runs take: the least of late */
    atomic_llong trials, trial_ns;      /* runs of this trial so far, and the least that they took */
    atomic_llong next_ns, wait_ns;      /* when the next trial begins, and how long it has waited */
} pace_t;

static const int64_t FIRST_WAIT_NS = 50000000, AGAIN_NS = 1000000000, LONGEST_WAIT_NS = 60000000000,
                     LONG_RUN_NS = 5000000;
enum { TRIALS = 2 };

static inline int pace_on_trial(pace_t *p, int64_t now_ns)
{
    const int64_t next_ns = GET(p->next_ns);
    return next_ns && now_ns >= next_ns && GET(p->usual_ns) < LONG_RUN_NS;
}

/* Threads for a run that begins at now_ns and may have `wanted`. */
static inline int pace_threads(pace_t *p, int wanted, int64_t now_ns)
{
    return wanted > 1 && (GET(p->halved) != 0) != pace_on_trial(p, now_ns) ? wanted / 2 : wanted;
}

/* After a run that pace_threads gave `asked` of `wanted` threads. */
static inline void pace_learn(pace_t *p, int wanted, int asked, int64_t now_ns, int64_t wall_ns)
{
    const int64_t halved = GET(p->halved) != 0, usual_ns = GET(p->usual_ns), slack_ns = usual_ns / 64;
    if (wanted < 2) return;
    if ((asked < wanted) == halved) {                   /* not a trial */
        SET(p->usual_ns, !usual_ns || wall_ns < usual_ns + slack_ns ? wall_ns : usual_ns + slack_ns);
        if (!GET(p->next_ns)) SET(p->next_ns, now_ns + FIRST_WAIT_NS);
        return;
    }
    const int64_t n = GET(p->trials) + 1, old_ns = GET(p->trial_ns);
    const int64_t least_ns = n == 1 || wall_ns < old_ns ? wall_ns : old_ns;
    SET(p->trials, n < TRIALS ? n : 0);
    SET(p->trial_ns, least_ns);
    if (n < TRIALS) return;
    int64_t wait_ns = GET(p->wait_ns) * 2;
    if (wait_ns < AGAIN_NS) wait_ns = AGAIN_NS;
    if (wait_ns > LONGEST_WAIT_NS) wait_ns = LONGEST_WAIT_NS;
    if (least_ns < usual_ns - usual_ns / 16) {
        SET(p->halved, !halved);
        SET(p->usual_ns, least_ns);
        wait_ns = AGAIN_NS;
    }
    SET(p->wait_ns, wait_ns);
    SET(p->next_ns, now_ns + wait_ns);
}
#endif

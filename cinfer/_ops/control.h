/* What may end a run early: a stop word that every thread reads before each tile, and, in runs that may last,
 * the clock, at which the leading thread (the caller's) looks between tiles: for the deadline, and every
 * ASK_NS for a signal such as Ctrl-C, whose handler only the interpreter can run. */
#ifndef CINFER_CONTROL_H
#define CINFER_CONTROL_H
#include <unistd.h>
#if defined(__linux__)
# include <sys/syscall.h>
#endif
#include "clock.h"
#include "denormals.h"
#include "relaxed.h"

enum { GO, CANCELLED, TIMED_OUT, INTERRUPTED, REFUSED };
typedef struct control {
    atomic_int stop;                    /* one of the above, but not REFUSED */
    const void *refused;                /* the parameters of a job that did not take what it read (api.h), or NULL */
    int watched;                        /* whether the leading thread looks at the clock */
    int64_t deadline_ns, ask_ns;        /* 0: none; when the interpreter is asked next */
    uint64_t mode;                      /* the caller's, of floating-point numbers */
    int (*ask)(uint64_t mode);          /* whether a handler has raised */
} control_t;

static const int64_t ASK_NS = 5000000;

static inline void control_begin(control_t *c, int watched, int64_t deadline_ns,
                                 int (*ask)(uint64_t))
{
    c->watched = watched, c->deadline_ns = deadline_ns, c->ask = ask, c->mode = float_mode();
    c->ask_ns = watched ? now_ns() + ASK_NS : 0;
}

/* The leading thread: whether the run goes on. */
static inline int control_look(control_t *c)
{
    const int64_t now = now_ns();
    if (GET(c->stop)) return 0;
    if (c->deadline_ns && now >= c->deadline_ns) {
        SET(c->stop, TIMED_OUT);
        return 0;
    }
    if (now < c->ask_ns) return 1;
    if (c->ask(c->mode)) {
        SET(c->stop, INTERRUPTED);
        return 0;
    }
    c->ask_ns = now_ns() + ASK_NS;
    return 1;
}

/* Before each tile: whether the run goes on. leads: the calling thread is the caller's. */
static inline int control_go(control_t *c, int leads)
{
    return leads && c->watched ? control_look(c) : !GET(c->stop);
}

/* Whether Python may run handlers of signals in this thread; 1 where that is unknown. */
static inline int on_main_thread(void)
{
#if defined(__linux__)
    return syscall(SYS_gettid) == getpid();
#else
    return 1;
#endif
}
#endif

/* Whether the system allows as many threads as OpenMP is about to make.
 *
 * Where no more can be made (pids.max of a container, RLIMIT_NPROC, no memory for a stack), libgomp ends the
 * process. So before a region for which it must make threads, as many are made here, and one to spare, that
 * wait for each other; what could not be made, the region does without. A run on fewer threads gives the same
 * bits.
 *
 * libgomp keeps a pool for each thread that leads regions: as many threads as its last region had. So this
 * costs some 100 us when a thread runs a session for the first time, and nothing later. Two things it cannot
 * know: whether others take the last places within the microseconds until the region begins (the one to
 * spare is for them), and whether a region of the host program on the same libgomp, led by the same thread,
 * has made the pool smaller meanwhile. */
#ifndef CINFER_ROOM_H
#define CINFER_ROOM_H
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>
#if defined(__linux__)
# include <sys/syscall.h>
#endif
#include "clock.h"

static const int64_t ROOM_AGAIN_NS = 1000000000;    /* after a refusal it is asked again so much later */
static _Thread_local int pool_threads = 1;          /* of the pool that the calling thread leads, with it */
static _Thread_local int64_t refused_ns;

typedef struct { pthread_t thread; pthread_mutex_t *gate; long tid; } trial_t;

static void *trial_wait(void *argument)
{
    trial_t *t = argument;
#if defined(__linux__)
    t->tid = syscall(SYS_gettid);
#endif
    pthread_mutex_lock(t->gate);
    pthread_mutex_unlock(t->gate);
    return NULL;
}

/* How many of n more threads there could be now. None of them is left, nor counted by the system. */
static int threads_possible(int n)
{
    pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
    trial_t *trials = calloc((size_t)n, sizeof *trials);
    sigset_t all, before;
    int made = 0;
    if (!trials) return 0;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);        /* signals are for the program's own threads */
    pthread_mutex_lock(&gate);
    for (; made < n; made++) {
        trials[made].gate = &gate;
        if (pthread_create(&trials[made].thread, NULL, trial_wait, trials + made)) break;
    }
    pthread_mutex_unlock(&gate);
    for (int i = 0; i < made; i++) {
        pthread_join(trials[i].thread, NULL);
#if defined(__linux__)                                  /* joined before the system has forgotten it */
        for (int k = 0; k < 10000 && !syscall(SYS_tgkill, getpid(), trials[i].tid, 0); k++) sched_yield();
#endif
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    free(trials);
    return made;
}

/* Threads of a region that the calling thread is about to lead and that should have `wanted`. */
static int room_for(int wanted, int64_t now_ns)
{
    const int more = wanted - pool_threads;
    if (more <= 0) return wanted;
    if (refused_ns && now_ns - refused_ns < ROOM_AGAIN_NS) return pool_threads;
    const int possible = threads_possible(more + 1) - 1;
    refused_ns = possible < more ? now_ns : 0;
    return pool_threads + (possible > 0 ? possible : 0);
}

static inline void room_taken(int threads) { pool_threads = threads; }
#endif

/* Numbers that threads share without order: what runs learn is a hint, and no result depends on it. */
#ifndef CINFER_RELAXED_H
#define CINFER_RELAXED_H
#include <stdatomic.h>
#include <stdint.h>
#define GET(x) ((int64_t)atomic_load_explicit(&(x), memory_order_relaxed))
#define SET(x, v) atomic_store_explicit(&(x), v, memory_order_relaxed)
#endif

/* Vectors of LANES floats, and the helpers that all kernels share.
 *
 * Each .c file here is compiled once for each kind of CPU, without system headers or libraries.
 */

#ifndef IMPASTO_VECTOR_H
#define IMPASTO_VECTOR_H

typedef long long i64;

#if defined(__AVX512F__)
#define LANES 16
#elif defined(__AVX2__)
#define LANES 8
#else /* NEON */
#define LANES 4
#endif

#define INLINE static inline __attribute__((always_inline))
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif
#if defined(_WIN32)
#define PUBLIC __declspec(dllexport)
#else
#define PUBLIC __attribute__((visibility("default")))
#endif

typedef float vec __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int ivec __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

INLINE vec load(const float *p) { return *(const vec *)p; }
INLINE void store(float *p, vec v) { *(vec *)p = v; }
INLINE vec all(float value) { return value - (vec){}; } /* value + 0 would be a real addition, since -0 + 0 is 0 */
INLINE vec choose(ivec which, vec yes, vec no) { return (vec)((which & (ivec)yes) | (~which & (ivec)no)); }

/* v, and zero where the mask is not above zero. A NaN in the mask keeps v, so that NaNs propagate and are detected. */
INLINE vec cut(vec mask, vec v) { return (vec)(~(mask <= all(0.0f)) & (ivec)v); }

/* A shared counter: each call, from any thread, returns the next of 0, 1, 2 … */
INLINE i64 take(i64 *next) { return __atomic_fetch_add(next, 1, __ATOMIC_RELAXED); }

/* A step that several threads share: the number of items taken, and the number of items done. */
typedef struct {
    i64 taken, done;
} Step;

/* The next item of the step, or -1 if all items below the limit are taken. */
INLINE i64 take_below(Step *step, i64 limit) {
    i64 item = __atomic_load_n(&step->taken, __ATOMIC_RELAXED);
    while (item < limit)
        if (__atomic_compare_exchange_n(&step->taken, &item, item + 1, 1, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
            return item;
    return -1;
}

INLINE void done(Step *step) { __atomic_fetch_add(&step->done, 1, __ATOMIC_RELEASE); }

#if defined(_WIN32)
__declspec(dllimport) int SwitchToThread(void);
#define YIELD SwitchToThread
#else
int sched_yield(void);
#define YIELD sched_yield
#endif

/* Spins until count items are done. Every taken item has a thread working on it, so the wait is short, unless that
   thread waits for the core of the spinning thread; hence the yield. */
INLINE void wait_for(Step *step, i64 count) {
    for (int turn = 0; __atomic_load_n(&step->done, __ATOMIC_ACQUIRE) < count; turn++) {
        if (turn % 1024 == 1023)
            YIELD();
#if defined(__x86_64__)
        __builtin_ia32_pause();
#elif defined(__aarch64__)
        __asm__ volatile("yield");
#endif
    }
}

#endif

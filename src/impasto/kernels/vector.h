/* Vectors of as many floats as the processor has lanes for, and what every kernel needs of them.
 *
 * Each .c file here is compiled once for each kind of processor. None needs a header or a library of the system's.
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
INLINE vec all(float value) { return value - (vec){}; } /* adding zero would cost an addition: -0 + 0 is 0 */
INLINE vec choose(ivec which, vec yes, vec no) { return (vec)((which & (ivec)yes) | (~which & (ivec)no)); }

/* v, and zero where the mask is not above zero. What is not a number stays, so that whoever looks for it finds it. */
INLINE vec cut(vec mask, vec v) { return (vec)(~(mask <= all(0.0f)) & (ivec)v); }

/* Numbers 0, 1, 2 …, each once, to the threads that ask. */
INLINE i64 take(i64 *next) { return __atomic_fetch_add(next, 1, __ATOMIC_RELAXED); }

/* A step that several threads take together: items that somebody works at, and those that are done. */
typedef struct {
    i64 taken, done;
} Step;

/* The next item of the step, or -1 where all below the limit are taken. */
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

/* Until so many items are done. Whoever took one works at it now, so this does not take long, unless that thread
   waits for this one's core. */
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

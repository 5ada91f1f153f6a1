/* Runs one kernel on several threads, each with its own scratch memory. */

#include "vector.h"

/* impasto.kernels.compiled.Team must have the same layout. */
typedef struct {
    void (*kernel)(const void *job, float *scratch);
    const void *job;
    float *const *scratch; /* for each thread */
    i64 started;
} Team;

/* Each thread calls this function, with the same team. */
PUBLIC void impasto_join(Team *team) {
    team->kernel(team->job, team->scratch[__atomic_fetch_add(&team->started, 1, __ATOMIC_RELAXED)]);
}

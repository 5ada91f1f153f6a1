/* One kernel on several threads, each with memory of its own. */

#include "vector.h"

/* impasto.kernels.compiled.Team is its twin. */
typedef struct {
    void (*kernel)(const void *job, float *scratch);
    const void *job;
    float *const *scratch; /* for each thread */
    i64 started;
} Team;

/* What each thread calls, with the same team. */
PUBLIC void impasto_join(Team *team) {
    team->kernel(team->job, team->scratch[__atomic_fetch_add(&team->started, 1, __ATOMIC_RELAXED)]);
}

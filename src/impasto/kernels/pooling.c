/* Max pooling of 2 x 2 pixels, channels last, and its gradient. A last odd row or column is ignored, as in torch. */

#include "vector.h"

/* The arguments of a pooling; impasto.kernels.pooling.Job must have the same layout. Strides are in floats. */
typedef struct {
    const float *x; /* (pictures, height, width, channels) */
    const float *g; /* backward only: (pictures, height / 2, width / 2, channels) */
    float *y;       /* the maxima; backward: the gradient at x */
    i64 *next;      /* shared counter: the next pair of rows to process */
    i64 pictures, height, width, channels;
    i64 x_picture, x_row, g_picture, g_row, y_picture, y_row;
} Job;

INLINE vec larger(vec a, vec b) { return choose(a > b, a, choose(a == a, b, a)); }

PUBLIC void impasto_max_pool(const Job *job) {
    const i64 channels = job->channels, rows = job->height / 2, columns = job->width / 2;
    for (i64 at; (at = take(job->next)) < job->pictures * rows;) {
        const i64 picture = at / rows, row = at % rows;
        const float *x = job->x + picture * job->x_picture + 2 * row * job->x_row, *below = x + job->x_row;
        float *y = job->y + picture * job->y_picture + row * job->y_row;
        for (i64 j = 0; j < columns; j++, x += 2 * channels, below += 2 * channels, y += channels)
            for (i64 c = 0; c < channels; c += LANES)
                store(y + c, larger(larger(load(x + c), load(x + channels + c)),
                                    larger(load(below + c), load(below + channels + c))));
    }
}

/* Each gradient flows to the first of its four pixels, row by row, that has the maximum. */
PUBLIC void impasto_max_pool_back(const Job *job) {
    const i64 channels = job->channels, rows = (job->height + 1) / 2, columns = job->width / 2;
    for (i64 at; (at = take(job->next)) < job->pictures * rows;) {
        const i64 picture = at / rows, row = at % rows;
        const float *x = job->x + picture * job->x_picture + 2 * row * job->x_row, *below = x + job->x_row;
        const float *g = job->g + picture * job->g_picture + row * job->g_row;
        float *y = job->y + picture * job->y_picture + 2 * row * job->y_row, *under = y + job->y_row;
        if (2 * row + 1 == job->height) { /* an odd last row has no gradient */
            for (i64 c = 0; c < job->width * channels; c += LANES)
                store(y + c, all(0.0f));
            continue;
        }
        for (i64 j = 0; j < columns; j++, x += 2 * channels, below += 2 * channels, g += channels,
                 y += 2 * channels, under += 2 * channels)
            for (i64 c = 0; c < channels; c += LANES) {
                vec a = load(x + c), b = load(x + channels + c), d = load(below + c);
                vec maximum = larger(larger(a, b), larger(d, load(below + channels + c)));
                vec left = load(g + c);
                ivec none = (ivec){};
                ivec to_a = a == maximum, to_b = ~to_a & (b == maximum), to_d = ~(to_a | to_b) & (d == maximum);
                ivec to_e = ~(to_a | to_b | to_d);
                store(y + c, choose(to_a, left, (vec)none));
                store(y + channels + c, choose(to_b, left, (vec)none));
                store(under + c, choose(to_d, left, (vec)none));
                store(under + channels + c, choose(to_e, left, (vec)none));
            }
        if (job->width % 2)
            for (i64 c = 0; c < channels; c += LANES) {
                store(y + c, all(0.0f));
                store(under + c, all(0.0f));
            }
    }
}

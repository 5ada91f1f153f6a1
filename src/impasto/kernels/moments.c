/* First and second moments of a feature map, the sums that style losses compare, and their gradient. Channels last. */

#include "product.h"

#define DEPTH 128 /* pixels at a time: few enough to stay in a near cache while all pairs of channels are summed */

/* The arguments of a sum; impasto.kernels.moments.Job must have the same layout. */
typedef struct {
    const float *features; /* (pixels, channels) */
    const float *factors;  /* backward only: (channels / PANEL, channels, PANEL) */
    float *gradient;       /* backward only: (pixels, channels), accumulated in place */
    float *sums;           /* for each part (channels,), then (groups, channels / PANEL, ROWS, PANEL) */
    i64 *next;             /* shared counter: the next part to process */
    i64 pixels, channels;
    i64 parts; /* parts of the pixels; the sum of a part is bit-identical on every thread */
} Job;

/* Number of groups of ROWS channels; the last group overlaps the one before. */
INLINE i64 groups_of(i64 channels) { return (channels + ROWS - 1) / ROWS; }

/* Size of the sums of one part, in floats. */
PUBLIC i64 impasto_moments_size(i64 channels) {
    return channels + groups_of(channels) * (channels / PANEL) * ROWS * PANEL;
}

/* Size of a thread's scratch memory, in floats. */
PUBLIC i64 impasto_moments_scratch(i64 channels) { return DEPTH * (channels + LANES); }

/* One thread's share of the first moments, and of the second moments on and above the diagonal. */
PUBLIC void impasto_moments(const Job *job, float *scratch) {
    const i64 channels = job->channels, panels = channels / PANEL, groups = groups_of(channels);
    const i64 size = impasto_moments_size(channels), blocks = (job->pixels + DEPTH - 1) / DEPTH;
    /* Padded, since with a power-of-two stride pixels would compete for few sets of the first-level cache. */
    const i64 apart = channels + LANES;
    for (i64 part; (part = take(job->next)) < job->parts;) {
        float *first = job->sums + part * size, *second = first + channels;
        for (i64 k = 0; k < size; k += LANES)
            store(first + k, all(0.0f));
        for (i64 block = part * blocks / job->parts; block < (part + 1) * blocks / job->parts; block++) {
            const i64 from = DEPTH * block, depth = job->pixels - from < DEPTH ? job->pixels - from : DEPTH;
            const float *features = job->features + from * channels;
            for (i64 k = 0; k < depth; k++)
                for (i64 c = 0; c < channels; c += LANES) {
                    vec value = load(features + k * channels + c);
                    store(first + c, load(first + c) + value);
                    store(scratch + k * apart + c, value);
                }
            for (i64 panel = 0; panel < panels; panel++)
                for (i64 group = 0; group < groups; group++) {
                    const i64 row = group == groups - 1 ? channels - ROWS : group * ROWS;
                    if (row < (panel + 1) * PANEL)
                        product(scratch + row, 1, apart, scratch + panel * PANEL, apart,
                                second + (group * panels + panel) * ROWS * PANEL, PANEL, depth, 1);
                }
        }
    }
}

/* gradient += features factors */
PUBLIC void impasto_moments_back(const Job *job) {
    const i64 channels = job->channels;
    const i64 block = 16 * ROWS; /* pixels */
    float rest[ROWS][PANEL];
    for (i64 from; (from = block * take(job->next)) < job->pixels;) {
        const i64 count = job->pixels - from < block ? job->pixels - from : block;
        const float *features = job->features + from * channels;
        float *gradient = job->gradient + from * channels;
        for (i64 panel = 0; panel < channels; panel += PANEL) {
            const float *factors = job->factors + panel * channels;
            i64 p = 0;
            for (; p + ROWS <= count; p += ROWS)
                product(features + p * channels, channels, 1, factors, PANEL, gradient + p * channels + panel, channels,
                        channels, 1);
            if (p == count)
                continue;
            if (job->pixels < ROWS) { /* fewer pixels than the product has rows */
                for (; p < count; p++)
                    for (i64 c = 0; c < PANEL; c += LANES) {
                        vec sum = load(gradient + p * channels + panel + c);
                        for (i64 k = 0; k < channels; k++)
                            sum += all(features[p * channels + k]) * load(factors + k * PANEL + c);
                        store(gradient + p * channels + panel + c, sum);
                    }
                continue;
            }
            /* The last rows: the product also recomputes rows before them, which are not added again. */
            const i64 back = ROWS - (count - p);
            product(features + (p - back) * channels, channels, 1, factors, PANEL, rest[0], PANEL, channels, 0);
            for (i64 r = back; r < ROWS; r++)
                for (i64 c = 0; c < PANEL; c += LANES) {
                    float *to = gradient + (p - back + r) * channels + panel + c;
                    store(to, load(to) + load(rest[r] + c));
                }
        }
    }
}

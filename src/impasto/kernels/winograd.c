/* 3 x 3 Winograd convolutions in float32, fused for each block of tiles.
 *
 * A tile of M x M outputs is computed from N x N inputs d, N = M + 2, as A' [(G k G') . (B' d B)] A (Winograd 1980;
 * Lavin and Gray 2016, arXiv:1509.09308). A thread takes a few tiles that fit its cache and does all three steps for
 * them: the input transform, one small matrix product for each of the N x N points, and the output transform. The
 * operations before and after a convolution are fused: the mask of a backward pass is applied when inputs are read,
 * bias and ReLU before outputs are written.
 *
 * Pictures are channels last. Vectors run along the channels, so the number of input channels is a multiple of LANES,
 * and the number of filters a multiple of PANEL.
 */

#include "product.h"

/* The arguments of a convolution; impasto.kernels.winograd.Job must have the same layout. Strides are in floats. */
typedef struct {
    const float *x;      /* (pictures, height, width, channels) */
    const float *mask;   /* shaped as x, or null; x counts as 0 where the mask is not positive */
    const float *kernel; /* transformed: (N x N, filters / PANEL, channels, PANEL) */
    const float *bias;   /* (filters,) */
    float *y;            /* (pictures, out_height, out_width, filters) */
    i64 *next;           /* shared counter: the next block to process */
    float *shared;       /* memory that all threads share, or null if each thread works in its own */
    Step *steps;         /* the three steps that all threads share */
    i64 tiles;           /* number of tiles in all pictures */
    i64 height, width, channels, out_height, out_width, filters;
    i64 x_picture, x_row, mask_picture, mask_row, y_picture, y_row;
    i64 top, left; /* zero padding above and left of the picture */
    i64 relu;      /* whether to apply ReLU */
    i64 block;     /* tiles in a block, a multiple of ROWS */
} Job;

PUBLIC i64 impasto_lanes(void) { return LANES; }
PUBLIC i64 impasto_panel(void) { return PANEL; }
PUBLIC i64 impasto_rows(void) { return ROWS; }

/* Tiles of 4 x 4, with the points 0, +-sqrt(1/2), +-sqrt(2) and infinity: half the error of 0, +-1, +-2. */
#define M 4
#define A 0.70710678118654752f
#define B 1.41421356237309505f

INLINE void into4(const vec *x, vec *out) {
    vec even1 = x[4] - 2.0f * x[2], odd1 = x[3] - 2.0f * x[1];
    vec even2 = x[4] - 0.5f * x[2], odd2 = x[3] - 0.5f * x[1];
    out[0] = x[0] - 2.5f * x[2] + x[4];
    out[1] = even1 + A * odd1;
    out[2] = even1 - A * odd1;
    out[3] = even2 + B * odd2;
    out[4] = even2 - B * odd2;
    out[5] = x[1] - 2.5f * x[3] + x[5];
}

INLINE void back4(const vec *m, vec *out) {
    vec sum1 = m[1] + m[2], sum2 = m[3] + m[4];
    vec difference1 = A * (m[1] - m[2]), difference2 = B * (m[3] - m[4]);
    out[0] = m[0] + sum1 + sum2;
    out[1] = difference1 + difference2;
    out[2] = 0.5f * sum1 + 2.0f * sum2;
    out[3] = 0.5f * difference1 + 2.0f * difference2 + m[5];
}

#define INTO into4
#define BACK back4
#define NAMED(name) name##4
#include "winograd_tile.h"

/* Tiles of 6 x 6, with the points 0, +-1, +-2, +-1/2 and infinity. */
#define M 6

INLINE void into6(const vec *x, vec *out) {
    vec even1 = x[6] - 4.25f * x[4] + x[2], odd1 = x[5] - 4.25f * x[3] + x[1];
    vec even2 = x[6] - 1.25f * x[4] + 0.25f * x[2], odd2 = x[5] - 1.25f * x[3] + 0.25f * x[1];
    vec even3 = x[6] - 5.0f * x[4] + 4.0f * x[2], odd3 = x[5] - 5.0f * x[3] + 4.0f * x[1];
    out[0] = x[6] - x[0] + 5.25f * (x[2] - x[4]);
    out[1] = even1 + odd1;
    out[2] = even1 - odd1;
    out[3] = even2 + 2.0f * odd2;
    out[4] = even2 - 2.0f * odd2;
    out[5] = even3 + 0.5f * odd3;
    out[6] = even3 - 0.5f * odd3;
    out[7] = x[7] - x[1] + 5.25f * (x[3] - x[5]);
}

INLINE void back6(const vec *m, vec *out) {
    vec sum1 = m[1] + m[2], sum2 = m[3] + m[4], sum3 = m[5] + m[6];
    vec difference1 = m[1] - m[2], difference2 = m[3] - m[4], difference3 = m[5] - m[6];
    out[0] = m[0] + sum1 + sum2 + sum3;
    out[1] = difference1 + 2.0f * difference2 + 0.5f * difference3;
    out[2] = sum1 + 4.0f * sum2 + 0.25f * sum3;
    out[3] = difference1 + 8.0f * difference2 + 0.125f * difference3;
    out[4] = sum1 + 16.0f * sum2 + 0.0625f * sum3;
    out[5] = difference1 + 32.0f * difference2 + 0.03125f * difference3 + m[7];
}

#define INTO into6
#define BACK back6
#define NAMED(name) name##6
#include "winograd_tile.h"

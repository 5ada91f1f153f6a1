/* The matrix product of all kernels. Its ROWS x WIDE accumulators fill the vector registers. */

#ifndef IMPASTO_PRODUCT_H
#define IMPASTO_PRODUCT_H

#include "vector.h"

#if LANES == 16
#define ROWS 14
#define WIDE 2
#elif LANES == 8
#define ROWS 6
#define WIDE 2
#else
#define ROWS 6
#define WIDE 4
#endif
#define PANEL (LANES * WIDE)

/* c (ROWS, PANEL) = a (ROWS, depth) b (depth, PANEL); with add, c += a b.
 *
 * a_row and a_depth are the strides of a along rows and along depth, in floats; likewise for b and c. */
INLINE void product(const float *restrict a, i64 a_row, i64 a_depth, const float *restrict b, i64 b_depth,
                    float *restrict c, i64 c_row, i64 depth, int add) {
    vec sum[ROWS][WIDE];
    UNROLL for (int r = 0; r < ROWS; r++)
        UNROLL for (int w = 0; w < WIDE; w++)
            sum[r][w] = all(0.0f);
    for (i64 k = 0; k < depth; k++, a += a_depth, b += b_depth) {
        vec own[WIDE];
        UNROLL for (int w = 0; w < WIDE; w++)
            own[w] = load(b + w * LANES);
        UNROLL for (int r = 0; r < ROWS; r++) {
            vec value = all(a[r * a_row]);
            UNROLL for (int w = 0; w < WIDE; w++)
                sum[r][w] += value * own[w];
        }
    }
    UNROLL for (int r = 0; r < ROWS; r++)
        UNROLL for (int w = 0; w < WIDE; w++) {
            float *to = c + r * c_row + w * LANES;
            if (add)
                sum[r][w] += load(to);
            store(to, sum[r][w]);
        }
}

#endif

/* The convolution with tiles of M x M. winograd.c includes this once for each M, with the transforms INTO and BACK. */

#define N (M + 2)

/* The input transform of a tile of x, for all channels: point (i, j) is stored at v + (i N + j) plane. */
INLINE void NAMED(transform)(const float *x, i64 row, i64 column, const float *mask, i64 mask_row, i64 channels,
                             float *v, i64 plane) {
    for (i64 c = 0; c < channels; c += LANES) {
        vec half[N][N];
UNROLL for (int j = 0; j < N; j++) {
            vec own[N];
UNROLL for (int i = 0; i < N; i++) {
                own[i] = load(x + i * row + j * column + c);
                if (mask)
                    own[i] = cut(load(mask + i * mask_row + j * column + c), own[i]);
            }
            INTO(own, half[j]);
        }
UNROLL for (int i = 0; i < N; i++) {
            vec own[N], out[N];
UNROLL for (int j = 0; j < N; j++)
                own[j] = half[j][i];
            INTO(own, out);
UNROLL for (int j = 0; j < N; j++)
                store(v + (i * N + j) * plane + c, out[j]);
        }
    }
}

/* The output transform: the outputs of a tile, for all filters, from its N x N products. */
INLINE void NAMED(finish)(const float *products, i64 plane, const float *bias, int relu, i64 filters, float *y,
                          i64 row, i64 column) {
    for (i64 k = 0; k < filters; k += LANES) {
        vec half[N][M];
UNROLL for (int j = 0; j < N; j++) {
            vec own[N];
UNROLL for (int i = 0; i < N; i++)
                own[i] = load(products + (i * N + j) * plane + k);
            BACK(own, half[j]);
        }
        vec add = load(bias + k);
UNROLL for (int i = 0; i < M; i++) {
            vec own[N], out[M];
UNROLL for (int j = 0; j < N; j++)
                own[j] = half[j][i];
            BACK(own, out);
UNROLL for (int j = 0; j < M; j++) {
                vec value = out[j] + add;
                if (relu)
                    value = cut(value, value);
                store(y + i * row + j * column + k, value);
            }
        }
    }
}

/* A copy of a tile of x that extends beyond the picture, padded with zeros: (N, N, channels). */
INLINE void NAMED(gather)(const Job *job, i64 picture, i64 top, i64 left, float *edge) {
    i64 channels = job->channels;
    for (i64 i = 0; i < N; i++)
        for (i64 j = 0; j < N; j++, edge += channels) {
            i64 row = top + i, column = left + j;
            if (row < 0 || column < 0 || row >= job->height || column >= job->width) {
                for (i64 c = 0; c < channels; c += LANES)
                    store(edge + c, all(0.0f));
                continue;
            }
            const float *x = job->x + picture * job->x_picture + row * job->x_row + column * channels;
            const float *mask = job->mask;
            if (mask)
                mask += picture * job->mask_picture + row * job->mask_row + column * channels;
            for (i64 c = 0; c < channels; c += LANES) {
                vec value = load(x + c);
                if (mask)
                    value = cut(load(mask + c), value);
                store(edge + c, value);
            }
        }
}

/* Reads and transforms a tile: (N x N points, channels), with the stride v_plane between points. */
INLINE void NAMED(read)(const Job *job, i64 tile, int masked, float *v, i64 v_plane, float *edge) {
    const i64 channels = job->channels, across = (job->out_width + M - 1) / M;
    const i64 each = across * ((job->out_height + M - 1) / M), picture = tile / each, own = tile % each;
    const i64 top = own / across * M - job->top, left = own % across * M - job->left;
    if (top < 0 || left < 0 || top + N > job->height || left + N > job->width) {
        NAMED(gather)(job, picture, top, left, edge);
        NAMED(transform)(edge, N * channels, channels, 0, 0, channels, v, v_plane);
        return;
    }
    const float *x = job->x + picture * job->x_picture + top * job->x_row + left * channels;
    if (masked) {
        const float *mask = job->mask + picture * job->mask_picture + top * job->mask_row + left * channels;
        NAMED(transform)(x, job->x_row, channels, mask, job->mask_row, channels, v, v_plane);
    } else
        NAMED(transform)(x, job->x_row, channels, 0, 0, channels, v, v_plane);
}

/* Computes and writes the outputs of a tile from its products. */
INLINE void NAMED(write)(const Job *job, i64 tile, int relu, const float *products, i64 m_plane, float *edge) {
    const i64 filters = job->filters, across = (job->out_width + M - 1) / M;
    const i64 each = across * ((job->out_height + M - 1) / M), picture = tile / each, own = tile % each;
    const i64 top = own / across * M, left = own % across * M;
    float *y = job->y + picture * job->y_picture + top * job->y_row + left * filters;
    if (top + M <= job->out_height && left + M <= job->out_width) {
        NAMED(finish)(products, m_plane, job->bias, relu, filters, y, job->y_row, filters);
        return;
    }
    NAMED(finish)(products, m_plane, job->bias, relu, filters, edge, M * filters, filters);
    for (i64 i = 0; i < M && top + i < job->out_height; i++)
        for (i64 j = 0; j < M && left + j < job->out_width; j++)
            for (i64 k = 0; k < filters; k += LANES)
                store(y + i * job->y_row + j * filters + k, load(edge + (i * M + j) * filters + k));
}

INLINE void NAMED(multiply)(const Job *job, i64 point, i64 from, i64 to, const float *v, float *products, i64 tiles) {
    const i64 channels = job->channels, v_row = channels + LANES, m_row = job->filters + LANES;
    for (i64 panel = from; panel < to; panel += PANEL) {
        const float *kernel = job->kernel + (point * job->filters + panel) * channels;
        for (i64 t = 0; t < tiles; t += ROWS)
            product(v + t * v_row, v_row, 1, kernel, PANEL, products + t * m_row + panel, m_row, channels, 0);
    }
}

/* For a kernel that fits the cache: each thread takes a few tiles through all steps, in its own memory. */
INLINE void NAMED(apart)(const Job *job, float *scratch, int masked, int relu) {
    /* Padded, since with a power-of-two stride rows would compete for few sets of the first-level cache. */
    const i64 block = job->block, v_row = job->channels + LANES, m_row = job->filters + LANES;
    const i64 v_plane = block * v_row, m_plane = block * m_row;
    float *v = scratch, *products = v + N * N * v_plane, *edge = products + N * N * m_plane;
    for (i64 first; (first = block * take(job->next)) < job->tiles;) {
        const i64 count = job->tiles - first < block ? job->tiles - first : block;
        for (i64 t = 0; t < count; t++)
            NAMED(read)(job, first + t, masked, v + t * v_row, v_plane, edge);
        for (i64 point = 0; point < N * N; point++)
            NAMED(multiply)(job, point, 0, job->filters, v + point * v_plane, products + point * m_plane, count);
        for (i64 t = 0; t < count; t++)
            NAMED(write)(job, first + t, relu, products + t * m_row, m_plane, edge);
    }
}

/* For a large kernel: all threads take many tiles through one step after the other, so that the kernel is read once
   for all of them. */
INLINE void NAMED(together)(const Job *job, float *scratch, int masked, int relu) {
    const i64 block = job->block, v_row = job->channels + LANES, m_row = job->filters + LANES;
    const i64 v_plane = block * v_row, m_plane = block * m_row;
    float *v = job->shared, *products = v + N * N * v_plane;
    const i64 share = PANEL * ((job->filters / PANEL + 3) / 4), shares = (job->filters + share - 1) / share;
    i64 reads = 0, products_made = 0, writes = 0;
    for (i64 first = 0, item; first < job->tiles; first += block) {
        const i64 count = job->tiles - first < block ? job->tiles - first : block;
        const i64 base = reads, base_products = products_made, written = writes;
        reads += count, products_made += N * N * shares, writes += count;
        while ((item = take_below(job->steps, reads)) >= 0) {
            NAMED(read)(job, first + item - base, masked, v + (item - base) * v_row, v_plane, scratch);
            done(job->steps);
        }
        wait_for(job->steps, reads);
        wait_for(job->steps + 2, written);
        while ((item = take_below(job->steps + 1, products_made)) >= 0) {
            const i64 point = (item - base_products) / shares, from = (item - base_products) % shares * share;
            const i64 to = from + share < job->filters ? from + share : job->filters;
            NAMED(multiply)(job, point, from, to, v + point * v_plane, products + point * m_plane, count);
            done(job->steps + 1);
        }
        wait_for(job->steps + 1, products_made);
        while ((item = take_below(job->steps + 2, writes)) >= 0) {
            NAMED(write)(job, first + item - written, relu, products + (item - written) * m_row, m_plane, scratch);
            done(job->steps + 2);
        }
    }
}

INLINE void NAMED(work)(const Job *job, float *scratch, int masked, int relu) {
    if (job->shared)
        NAMED(together)(job, scratch, masked, relu);
    else
        NAMED(apart)(job, scratch, masked, relu);
}

/* One thread's share of a convolution. */
PUBLIC void NAMED(impasto_winograd)(const Job *job, float *scratch) {
    if (job->mask && job->relu)
        NAMED(work)(job, scratch, 1, 1);
    else if (job->mask)
        NAMED(work)(job, scratch, 1, 0);
    else if (job->relu)
        NAMED(work)(job, scratch, 0, 1);
    else
        NAMED(work)(job, scratch, 0, 0);
}

/* Size of the memory for one block of tiles, in floats. */
PUBLIC i64 NAMED(impasto_room)(i64 channels, i64 filters, i64 block) {
    return N * N * block * (channels + filters + 2 * LANES);
}

/* Size of the additional memory for a tile at the edge, in floats. */
PUBLIC i64 NAMED(impasto_edge)(i64 channels, i64 filters) {
    return N * N * channels > M * M * filters ? N * N * channels : M * M * filters;
}

#undef M
#undef N
#undef INTO
#undef BACK
#undef NAMED

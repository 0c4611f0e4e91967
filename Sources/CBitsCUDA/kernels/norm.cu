// Root-mean-square norm and layer norm over rows, and their gradients.
//
// x: input, w: weight, b: bias, y: output; n: the input less its mean, times the reciprocal of its deviation; dy, dx, dw, db: gradients.

#include "rows.cuh"

extern "C" __global__ void __launch_bounds__(1024) rms_norm(
    const void *x, int x_type, const void *w, int w_type, float epsilon, void *y, int y_type, float *reciprocals, int64 rows, int64 width,
    int is_warp) {
    begin_launch();
    __shared__ float squares[32];
    const Group group(is_warp);
    if (group.row >= rows) return;
    const KeptRow input(group, x, x_type, group.row * width, width);
    const KeptRow weight(group, w, w_type, 0, width);
    const Row output(y, y_type, group.row * width, width);

    float part = 0;
    for_fours(group, width, 0, [&](int64 i, int k) {
        const float4 v = input.four(i, k);
        part += sum_of_four(make_float4(v.x * v.x, v.y * v.y, v.z * v.z, v.w * v.w));
    });
    const float reciprocal = 1.0f / sqrtf(group.sum(part, squares) / (float)width + epsilon);

    for_fours(group, width, 0, [&](int64 i, int k) {
        const float4 v = input.four(i, k), g = weight.four(i, k);
        output.write(i, make_float4(v.x * reciprocal * g.x, v.y * reciprocal * g.y, v.z * reciprocal * g.z, v.w * reciprocal * g.w));
    });
    if (reciprocals && group.lane == 0) reciprocals[group.row] = reciprocal;
}

extern "C" __global__ void __launch_bounds__(1024) layer_norm(
    const void *x, int x_type, const void *w, int w_type, const void *b, int b_type, float epsilon, void *y, int y_type, float *means,
    float *reciprocals, int64 rows, int64 width, int is_warp) {
    begin_launch();
    __shared__ float sums[32], squares[32];
    const Group group(is_warp);
    if (group.row >= rows) return;
    const KeptRow input(group, x, x_type, group.row * width, width);
    const Row weight(w, w_type, 0, width), bias(b, b_type, 0, width), output(y, y_type, group.row * width, width);

    float part = 0;
    for_fours(group, width, 0, [&](int64 i, int k) { part += sum_of_four(input.four(i, k)); });
    const float mean = group.sum(part, sums) / (float)width;

    part = 0;
    for_fours(group, width, 0, [&](int64 i, int k) {
        const float4 v = input.four(i, k, mean);
        const float4 d = make_float4(v.x - mean, v.y - mean, v.z - mean, v.w - mean);
        part += sum_of_four(make_float4(d.x * d.x, d.y * d.y, d.z * d.z, d.w * d.w));
    });
    const float reciprocal = 1.0f / sqrtf(group.sum(part, squares) / (float)width + epsilon);

    for_fours(group, width, 0, [&](int64 i, int k) {
        const float4 v = input.four(i, k);
        float4 n = make_float4((v.x - mean) * reciprocal, (v.y - mean) * reciprocal, (v.z - mean) * reciprocal, (v.w - mean) * reciprocal);
        if (w) {
            const float4 g = weight.widened(weight.read(i), i);
            n = make_float4(n.x * g.x, n.y * g.y, n.z * g.z, n.w * g.w);
        }
        if (b) {
            const float4 g = bias.widened(bias.read(i), i);
            n = make_float4(n.x + g.x, n.y + g.y, n.z + g.z, n.w + g.w);
        }
        output.write(i, n);
    });
    if (group.lane == 0) {
        if (means) means[group.row] = mean;
        if (reciprocals) reciprocals[group.row] = reciprocal;
    }
}

// MARK: Gradients

// dx of both norms: RMS norm has no means.
extern "C" __global__ void __launch_bounds__(512) norm_gradient(
    const void *x, int x_type, const void *w, int w_type, const float *means, const float *reciprocals, const void *dy, int dy_type, void *dx,
    int dx_type, int64 rows, int64 width, int is_warp) {
    begin_launch();
    __shared__ float sums[32], products[32];
    const Group group(is_warp);
    if (group.row >= rows) return;
    const KeptRow input(group, x, x_type, group.row * width, width), slope(group, dy, dy_type, group.row * width, width);
    const Row weight(w, w_type, 0, width), output(dx, dx_type, group.row * width, width);
    const float mean = means ? means[group.row] : 0.0f, reciprocal = reciprocals[group.row];

    // dy * w, and n.
    auto weighted = [&](int64 i, int k) {
        float4 g = slope.four(i, k);
        if (w) {
            const float4 v = weight.widened(weight.read(i), i);
            g = make_float4(g.x * v.x, g.y * v.y, g.z * v.z, g.w * v.w);
        }
        return g;
    };
    auto normalized = [&](int64 i, int k) {
        const float4 v = input.four(i, k);
        return make_float4((v.x - mean) * reciprocal, (v.y - mean) * reciprocal, (v.z - mean) * reciprocal, (v.w - mean) * reciprocal);
    };

    float sum = 0, product = 0;
    for_fours(group, width, 0, [&](int64 i, int k) {
        const float4 g = weighted(i, k), n = normalized(i, k);
        if (means) sum += sum_of_four(g);
        product += sum_of_four(make_float4(g.x * n.x, g.y * n.y, g.z * n.z, g.w * n.w));
    });
    const float mean_g = means ? group.sum(sum, sums) / (float)width : 0.0f;
    const float mean_gn = group.sum(product, products) / (float)width;

    for_fours(group, width, 0, [&](int64 i, int k) {
        const float4 g = weighted(i, k), n = normalized(i, k);
        output.write(i, make_float4(
            reciprocal * (g.x - mean_g - n.x * mean_gn), reciprocal * (g.y - mean_g - n.y * mean_gn), reciprocal * (g.z - mean_g - n.z * mean_gn),
            reciprocal * (g.w - mean_g - n.w * mean_gn)));
    });
}

enum { WARPS = 8, COLUMNS = 128 };

// dw and db over the rows of one chunk: those of chunk c are at c * width. A block has COLUMNS columns, a warp every eighth row, a lane four columns.
extern "C" __global__ void __launch_bounds__(32 * WARPS) norm_weight_gradient(
    const void *x, int x_type, const float *means, const float *reciprocals, const void *dy, int dy_type, void *dw, int dw_type, void *db,
    int db_type, int64 rows, int64 width, int64 chunk_rows) {
    begin_launch();
    __shared__ float4 weight_sums[WARPS][32], bias_sums[WARPS][32];
    const int warp = threadIdx.x >> 5, lane = threadIdx.x & 31;
    const int64 column = (int64)blockIdx.x * COLUMNS + 4 * lane, first = blockIdx.y * chunk_rows;
    const int64 end = first + chunk_rows < rows ? first + chunk_rows : rows;

    float4 weight = make_float4(0, 0, 0, 0), bias = weight;
    if (column < width) {
#pragma unroll 4
        for (int64 row = first + warp; row < end; row += WARPS) {
            const Row input(x, x_type, row * width, width), slope(dy, dy_type, row * width, width);
            const float4 v = input.widened(input.read(column), column), g = slope.widened(slope.read(column), column);
            const float mean = means ? means[row] : 0.0f, reciprocal = reciprocals[row];
            weight.x += g.x * ((v.x - mean) * reciprocal);
            weight.y += g.y * ((v.y - mean) * reciprocal);
            weight.z += g.z * ((v.z - mean) * reciprocal);
            weight.w += g.w * ((v.w - mean) * reciprocal);
            bias.x += g.x;
            bias.y += g.y;
            bias.z += g.z;
            bias.w += g.w;
        }
    }
    weight_sums[warp][lane] = weight;
    bias_sums[warp][lane] = bias;
    __syncthreads();

    // The first half of the threads has a column of dw each, the second of db.
    const bool is_bias = threadIdx.x >= COLUMNS;
    const int own = threadIdx.x % COLUMNS;
    const int64 target = (int64)blockIdx.x * COLUMNS + own;
    if (target >= width || !(is_bias ? db : dw)) return;
    const float *const sums = (const float *)(is_bias ? bias_sums : weight_sums) + own;
    float total = 0;
#pragma unroll
    for (int k = 0; k < WARPS; k++) total += sums[k * COLUMNS];
    store_float(is_bias ? db : dw, is_bias ? db_type : dw_type, blockIdx.y * width + target, total);
}

// The sum of the chunks of each column, in their order.
extern "C" __global__ void __launch_bounds__(256) norm_sum_chunks(const float *sums, int chunks, void *y, int y_type, int64 width) {
    begin_launch();
    const int64 column = thread_index();
    if (column >= width) return;
    float total = 0;
#pragma unroll 8
    for (int k = 0; k < chunks; k++) total += sums[k * width + column];
    store_float(y, y_type, column, total);
}

// moe4j's fused kernels: softmax loss, weighted sum of expert outputs, bias and GELU, residual and layer norm. NVRTC
// compiles them at run time. This file includes no headers: NVRTC finds none, and the tests compile the same source with a
// C++ compiler after host.h. The Java class Kernels launches the kernels and documents the shapes.

typedef long long i64;
typedef unsigned char u8;

// Storage type. All kernels compute in float.
struct bf16 {
    unsigned short bits;
};

__device__ inline float load(const float *p) {
    return *p;
}

__device__ inline float load(const bf16 *p) {
    return __uint_as_float((unsigned)p->bits << 16);
}

__device__ inline void store(float *p, float value) {
    *p = value;
}

// Rounds to nearest, ties to even, like libtorch.
__device__ inline void store(bf16 *p, float value) {
    unsigned bits = __float_as_uint(value);
    p->bits = value != value ? 0x7fc0 : (unsigned short)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

__device__ inline float infinity() {
    return __uint_as_float(0x7f800000);
}

#ifndef HOST
// The dynamic shared memory of the launch.
__device__ inline int *sharedInts() {
    extern __shared__ int ints[];
    return ints;
}
#endif

// 16 bytes of elements, read or written in one memory access. Rows are a multiple of 16 bytes.
template <typename T>
struct alignas(16) Pack {
    static const int SIZE = 16 / sizeof(T);
    T at[16 / sizeof(T)];
};

// All-reduce over the threads of a block: the sum or the maximum. blockDim.x must be a multiple of 32.
template <bool SUM>
__device__ float overBlock(float value, float *shared) {
    for (int lane = 16; lane > 0; lane /= 2) {
        float other = __shfl_xor_sync(0xffffffff, value, lane);
        value = SUM ? value + other : fmaxf(value, other);
    }
    __syncthreads(); // threads may still read the previous result
    if (threadIdx.x % 32 == 0) {
        shared[threadIdx.x / 32] = value;
    }
    __syncthreads();
    float result = shared[0];
    for (unsigned warp = 1; warp < blockDim.x / 32; warp++) {
        result = SUM ? result + shared[warp] : fmaxf(result, shared[warp]);
    }
    return result;
}

// Computes the cross-entropy loss of a row of logits and, if gradient is set, overwrites the logits by their gradient
// p - onehot(target).
template <typename T>
__device__ void softmaxLossRow(T *logits, const i64 *target, float *loss, i64 columns, int gradient) {
    __shared__ float shared[32];
    T *row = logits + blockIdx.x * columns;
    float largest = -infinity();
    float sum = 0;
    for (i64 i = threadIdx.x * (i64)Pack<T>::SIZE; i < columns; i += blockDim.x * (i64)Pack<T>::SIZE) {
        Pack<T> pack = *(const Pack<T> *)(row + i);
        float most = largest;
        for (int j = 0; j < Pack<T>::SIZE; j++) {
            most = fmaxf(most, load(&pack.at[j]));
        }
        if (most > largest) {
            sum *= expf(largest - most);
            largest = most;
        }
        for (int j = 0; largest > -infinity() && j < Pack<T>::SIZE; j++) {
            sum += expf(load(&pack.at[j]) - largest);
        }
    }
    float most = overBlock<false>(largest, shared);
    float own = largest > -infinity() ? sum * expf(largest - most) : 0;
    float total = overBlock<true>(own, shared);
    i64 wanted = target[blockIdx.x];
    if (threadIdx.x == 0) {
        loss[blockIdx.x] = logf(total) + most - load(row + wanted);
    }
    if (!gradient) {
        return;
    }
    __syncthreads(); // the target's logit must be read before it is overwritten
    float share = 1 / total;
    for (i64 i = threadIdx.x * (i64)Pack<T>::SIZE; i < columns; i += blockDim.x * (i64)Pack<T>::SIZE) {
        Pack<T> pack = *(const Pack<T> *)(row + i);
        for (int j = 0; j < Pack<T>::SIZE; j++) {
            float p = expf(load(&pack.at[j]) - most) * share;
            store(&pack.at[j], i + j == wanted ? p - 1 : p);
        }
        *(Pack<T> *)(row + i) = pack;
    }
}

// Adds the gate-weighted outputs of a token's experts to its residual.
template <typename T>
__device__ void combineRow(
        const T *residual, const T *outputs, const float *weights, const i64 *rowOf, T *sum, int topK, i64 columns) {
    i64 token = blockIdx.x;
    for (i64 i = threadIdx.x * (i64)Pack<T>::SIZE; i < columns; i += blockDim.x * (i64)Pack<T>::SIZE) {
        Pack<T> pack = *(const Pack<T> *)(residual + token * columns + i);
        float values[Pack<T>::SIZE];
        for (int j = 0; j < Pack<T>::SIZE; j++) {
            values[j] = load(&pack.at[j]);
        }
        for (int k = 0; k < topK; k++) {
            float weight = weights[token * topK + k];
            if (weight == 0) {
                continue; // a dropped choice: rowOf does not refer to a row of this token
            }
            Pack<T> output = *(const Pack<T> *)(outputs + rowOf[token * topK + k] * columns + i);
            for (int j = 0; j < Pack<T>::SIZE; j++) {
                values[j] += weight * load(&output.at[j]);
            }
        }
        for (int j = 0; j < Pack<T>::SIZE; j++) {
            store(&pack.at[j], values[j]);
        }
        *(Pack<T> *)(sum + token * columns + i) = pack;
    }
}

// Computes the gradient of one row of expert outputs, and of the gate weight of the choice in this row.
template <typename T>
__device__ void combineBackwardRow(
        const T *gradient,
        const T *outputs,
        const float *weights,
        const i64 *choiceOf,
        const T *filled,
        T *outputGradient,
        float *weightGradient,
        int topK,
        i64 columns) {
    __shared__ float shared[32];
    i64 row = blockIdx.x;
    bool holds = load(filled + row) != 0; // the same for the whole block
    i64 choice = choiceOf[row];
    float weight = holds ? weights[choice] : 0;
    const T *from = gradient + choice / topK * columns;
    float dot = 0;
    for (i64 i = threadIdx.x * (i64)Pack<T>::SIZE; i < columns; i += blockDim.x * (i64)Pack<T>::SIZE) {
        Pack<T> result;
        if (holds) {
            Pack<T> g = *(const Pack<T> *)(from + i);
            Pack<T> output = *(const Pack<T> *)(outputs + row * columns + i);
            for (int j = 0; j < Pack<T>::SIZE; j++) {
                dot += load(&g.at[j]) * load(&output.at[j]);
                store(&result.at[j], weight * load(&g.at[j]));
            }
        } else {
            for (int j = 0; j < Pack<T>::SIZE; j++) {
                store(&result.at[j], 0);
            }
        }
        *(Pack<T> *)(outputGradient + row * columns + i) = result;
    }
    dot = overBlock<true>(dot, shared);
    if (holds && threadIdx.x == 0) {
        weightGradient[choice] = dot;
    }
}

// The standard normal distribution function.
__device__ inline float normalCdf(float x) {
    return 0.5f * (1 + erff(x * 0.70710678f));
}

// Adds an expert's bias to a row in place, and writes GELU of the result. Skips rows after the last expert's end.
template <typename T>
__device__ void biasGeluRow(T *x, const T *bias, const i64 *expertOf, const int *ends, T *active, int experts, i64 columns) {
    i64 row = blockIdx.x;
    if (row >= ends[experts - 1]) {
        return;
    }
    const T *added = bias + expertOf[row] * columns;
    for (i64 i = threadIdx.x * (i64)Pack<T>::SIZE; i < columns; i += blockDim.x * (i64)Pack<T>::SIZE) {
        Pack<T> pack = *(const Pack<T> *)(x + row * columns + i);
        Pack<T> b = *(const Pack<T> *)(added + i);
        Pack<T> result;
        for (int j = 0; j < Pack<T>::SIZE; j++) {
            store(&pack.at[j], load(&pack.at[j]) + load(&b.at[j]));
            float inner = load(&pack.at[j]); // rounded, as the backward pass reads it
            store(&result.at[j], inner * normalCdf(inner));
        }
        *(Pack<T> *)(x + row * columns + i) = pack;
        *(Pack<T> *)(active + row * columns + i) = result;
    }
}

// Replaces the gradient of GELU's output by the gradient of its input. Skips rows after the last expert's end.
template <typename T>
__device__ void geluBackwardRow(T *gradient, const T *inner, const int *ends, int experts, i64 columns) {
    i64 row = blockIdx.x;
    if (row >= ends[experts - 1]) {
        return;
    }
    for (i64 i = threadIdx.x * (i64)Pack<T>::SIZE; i < columns; i += blockDim.x * (i64)Pack<T>::SIZE) {
        Pack<T> g = *(const Pack<T> *)(gradient + row * columns + i);
        Pack<T> x = *(const Pack<T> *)(inner + row * columns + i);
        for (int j = 0; j < Pack<T>::SIZE; j++) {
            float value = load(&x.at[j]);
            float slope = normalCdf(value) + value * 0.39894228f * expf(-0.5f * value * value);
            store(&g.at[j], load(&g.at[j]) * slope);
        }
        *(Pack<T> *)(gradient + row * columns + i) = g;
    }
}

// Adds branch to residual and computes the layer norm of the sum, with its mean and reciprocal standard deviation. The sum
// may overwrite branch.
template <typename T>
__device__ void addNormRow(
        const T *residual,
        const T *branch,
        const T *weight,
        const T *bias,
        T *sum,
        T *normed,
        float *statistics,
        unsigned epsilon,
        i64 columns) {
    __shared__ float shared[32];
    i64 row = blockIdx.x;
    T *own = sum + row * columns;
    float total = 0;
    for (i64 i = threadIdx.x * (i64)Pack<T>::SIZE; i < columns; i += blockDim.x * (i64)Pack<T>::SIZE) {
        Pack<T> pack = *(const Pack<T> *)(residual + row * columns + i);
        Pack<T> added = *(const Pack<T> *)(branch + row * columns + i);
        for (int j = 0; j < Pack<T>::SIZE; j++) {
            store(&pack.at[j], load(&pack.at[j]) + load(&added.at[j]));
            total += load(&pack.at[j]); // rounded, as later sections read it
        }
        *(Pack<T> *)(own + i) = pack;
    }
    float mean = overBlock<true>(total, shared) / columns;
    // A second pass over the row, which is in cache. E[x^2] - E[x]^2 would lose precision by cancellation.
    float squares = 0;
    for (i64 i = threadIdx.x * (i64)Pack<T>::SIZE; i < columns; i += blockDim.x * (i64)Pack<T>::SIZE) {
        Pack<T> pack = *(const Pack<T> *)(own + i);
        for (int j = 0; j < Pack<T>::SIZE; j++) {
            float difference = load(&pack.at[j]) - mean;
            squares += difference * difference;
        }
    }
    float inverse = 1 / sqrtf(overBlock<true>(squares, shared) / columns + __uint_as_float(epsilon));
    if (threadIdx.x == 0) {
        statistics[2 * row] = mean;
        statistics[2 * row + 1] = inverse;
    }
    for (i64 i = threadIdx.x * (i64)Pack<T>::SIZE; i < columns; i += blockDim.x * (i64)Pack<T>::SIZE) {
        Pack<T> pack = *(const Pack<T> *)(own + i);
        Pack<T> w = *(const Pack<T> *)(weight + i);
        Pack<T> b = *(const Pack<T> *)(bias + i);
        for (int j = 0; j < Pack<T>::SIZE; j++) {
            store(&pack.at[j], (load(&pack.at[j]) - mean) * inverse * load(&w.at[j]) + load(&b.at[j]));
        }
        *(Pack<T> *)(normed + row * columns + i) = pack;
    }
}

// Computes the gradient of the residual, which is also the gradient of the branch: the gradient through the layer norm plus
// the gradient of the sum, if any. Each block computes several rows and their partial sums for the gradients of weight and
// bias.
template <typename T>
__device__ void addNormBackwardRows(
        const T *sumGradient,
        const T *normedGradient,
        const T *sum,
        const float *statistics,
        const T *weight,
        T *gradient,
        float *parts,
        i64 rows,
        int rowsEach,
        i64 columns) {
    __shared__ float shared[32];
    // Layout [element of a pack, pack]: adjacent threads access adjacent memory.
    float *weightPart = (float *)sharedInts();
    float *biasPart = weightPart + columns;
    i64 packs = columns / Pack<T>::SIZE;
    for (i64 p = threadIdx.x; p < packs; p += blockDim.x) {
        for (int j = 0; j < Pack<T>::SIZE; j++) {
            weightPart[j * packs + p] = 0;
            biasPart[j * packs + p] = 0;
        }
    }
    i64 first = blockIdx.x * (i64)rowsEach;
    for (i64 row = first; row < first + rowsEach && row < rows; row++) {
        float mean = statistics[2 * row];
        float inverse = statistics[2 * row + 1];
        float slope = 0;
        float along = 0;
        for (i64 p = threadIdx.x; p < packs; p += blockDim.x) {
            i64 i = p * Pack<T>::SIZE;
            Pack<T> g = *(const Pack<T> *)(normedGradient + row * columns + i);
            Pack<T> x = *(const Pack<T> *)(sum + row * columns + i);
            Pack<T> w = *(const Pack<T> *)(weight + i);
            for (int j = 0; j < Pack<T>::SIZE; j++) {
                float unit = (load(&x.at[j]) - mean) * inverse;
                float value = load(&g.at[j]);
                weightPart[j * packs + p] += value * unit;
                biasPart[j * packs + p] += value;
                slope += value * load(&w.at[j]);
                along += value * load(&w.at[j]) * unit;
            }
        }
        slope = overBlock<true>(slope, shared) / columns;
        along = overBlock<true>(along, shared) / columns;
        for (i64 p = threadIdx.x; p < packs; p += blockDim.x) {
            i64 i = p * Pack<T>::SIZE;
            Pack<T> g = *(const Pack<T> *)(normedGradient + row * columns + i);
            Pack<T> x = *(const Pack<T> *)(sum + row * columns + i);
            Pack<T> w = *(const Pack<T> *)(weight + i);
            float values[Pack<T>::SIZE];
            for (int j = 0; j < Pack<T>::SIZE; j++) {
                float unit = (load(&x.at[j]) - mean) * inverse;
                values[j] = inverse * (load(&g.at[j]) * load(&w.at[j]) - slope - unit * along);
            }
            if (sumGradient) {
                Pack<T> more = *(const Pack<T> *)(sumGradient + row * columns + i);
                for (int j = 0; j < Pack<T>::SIZE; j++) {
                    values[j] += load(&more.at[j]);
                }
            }
            for (int j = 0; j < Pack<T>::SIZE; j++) {
                store(&g.at[j], values[j]);
            }
            *(Pack<T> *)(gradient + row * columns + i) = g;
        }
    }
    float *own = parts + blockIdx.x * 2 * columns;
    for (i64 p = threadIdx.x; p < packs; p += blockDim.x) {
        for (int j = 0; j < Pack<T>::SIZE; j++) {
            own[p * Pack<T>::SIZE + j] = weightPart[j * packs + p];
            own[columns + p * Pack<T>::SIZE + j] = biasPart[j * packs + p];
        }
    }
}

extern "C" {

#define KERNELS(T, NAME) \
    __global__ void softmaxLoss_##NAME(T *logits, const i64 *target, float *loss, i64 columns, int gradient) { \
        softmaxLossRow<T>(logits, target, loss, columns, gradient); \
    } \
    __global__ void combine_##NAME( \
            const T *residual, const T *outputs, const float *weights, const i64 *rowOf, T *sum, int topK, i64 columns) { \
        combineRow<T>(residual, outputs, weights, rowOf, sum, topK, columns); \
    } \
    __global__ void combineBackward_##NAME( \
            const T *gradient, \
            const T *outputs, \
            const float *weights, \
            const i64 *choiceOf, \
            const T *filled, \
            T *outputGradient, \
            float *weightGradient, \
            int topK, \
            i64 columns) { \
        combineBackwardRow<T>( \
                gradient, outputs, weights, choiceOf, filled, outputGradient, weightGradient, topK, columns); \
    } \
    __global__ void biasGelu_##NAME( \
            T *x, const T *bias, const i64 *expertOf, const int *ends, T *active, int experts, i64 columns) { \
        biasGeluRow<T>(x, bias, expertOf, ends, active, experts, columns); \
    } \
    __global__ void geluBackward_##NAME(T *gradient, const T *inner, const int *ends, int experts, i64 columns) { \
        geluBackwardRow<T>(gradient, inner, ends, experts, columns); \
    } \
    __global__ void addNorm_##NAME( \
            const T *residual, \
            const T *branch, \
            const T *weight, \
            const T *bias, \
            T *sum, \
            T *normed, \
            float *statistics, \
            unsigned epsilon, \
            i64 columns) { \
        addNormRow<T>(residual, branch, weight, bias, sum, normed, statistics, epsilon, columns); \
    } \
    __global__ void addNormBackward_##NAME( \
            const T *sumGradient, \
            const T *normedGradient, \
            const T *sum, \
            const float *statistics, \
            const T *weight, \
            T *gradient, \
            float *parts, \
            i64 rows, \
            int rowsEach, \
            i64 columns) { \
        addNormBackwardRows<T>( \
                sumGradient, normedGradient, sum, statistics, weight, gradient, parts, rows, rowsEach, columns); \
    }

KERNELS(float, float32)
KERNELS(bf16, bfloat16)
}

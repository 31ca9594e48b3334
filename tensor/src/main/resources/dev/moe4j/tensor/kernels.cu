// Kernels of moe4j, compiled at run time by NVRTC. No header is included, so that NVRTC needs none and a plain C++
// compiler takes the same source behind host.h. Shapes are those of the Java methods in Kernels that launch them.

typedef long long i64;
typedef unsigned char u8;

// Elements of both types are computed on in float.
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

// To the nearest, ties to even, as libtorch rounds.
__device__ inline void store(bf16 *p, float value) {
    unsigned bits = __float_as_uint(value);
    p->bits = value != value ? 0x7fc0 : (unsigned short)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

__device__ inline float infinity() {
    return __uint_as_float(0x7f800000);
}

#ifndef HOST
// The shared memory that the launch asks for.
__device__ inline int *sharedInts() {
    extern __shared__ int ints[];
    return ints;
}
#endif

// 16 bytes of elements, read and written at once. Rows are a multiple of that long.
template <typename T>
struct alignas(16) Pack {
    static const int SIZE = 16 / sizeof(T);
    T at[16 / sizeof(T)];
};

// The sum or the largest over a block, known to all its threads; blockDim.x is a multiple of 32.
template <bool SUM>
__device__ float overBlock(float value, float *shared) {
    for (int lane = 16; lane > 0; lane /= 2) {
        float other = __shfl_xor_sync(0xffffffff, value, lane);
        value = SUM ? value + other : fmaxf(value, other);
    }
    __syncthreads(); // an earlier result may still be read
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

// A row of logits becomes its negative log-likelihood and, where asked for, the gradient p - 1 at the target.
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
    __syncthreads(); // the target's logit has been read
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

// A token's residual and the weighted outputs of its experts.
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
                continue; // dropped: its row is another's
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

// The gradients of a row of outputs and of the weight of the choice that fills it.
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

__device__ inline float normalBelow(float x) {
    return 0.5f * (1 + erff(x * 0.70710678f));
}

// Adds an expert's bias to a row, in place, and gives the row's GELU. Rows past the last end stay as they are.
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
            float inner = load(&pack.at[j]); // as backward will see it
            store(&result.at[j], inner * normalBelow(inner));
        }
        *(Pack<T> *)(x + row * columns + i) = pack;
        *(Pack<T> *)(active + row * columns + i) = result;
    }
}

// The gradient at x + bias, in place of that of its GELU.
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
            float slope = normalBelow(value) + value * 0.39894228f * expf(-0.5f * value * value);
            store(&g.at[j], load(&g.at[j]) * slope);
        }
        *(Pack<T> *)(gradient + row * columns + i) = g;
    }
}

extern "C" {

// Each warp finds the experts of one token's k highest logits; of equal ones the lower number.
__global__ void routeHighest(const float *logits, i64 *expertOf, i64 tokens, int experts, int topK) {
    i64 token = (blockIdx.x * (i64)blockDim.x + threadIdx.x) / 32;
    int lane = threadIdx.x % 32;
    if (token >= tokens) {
        return; // with its whole warp
    }
    const float *row = logits + token * experts;
    float earlier = infinity();
    int earlierExpert = -1;
    for (int k = 0; k < topK; k++) {
        float best = -infinity();
        int bestExpert = experts;
        for (int e = lane; e < experts; e += 32) {
            // Those chosen before come earlier in the order by falling logit and rising number.
            bool later = row[e] < earlier || (row[e] == earlier && e > earlierExpert);
            if (later && (bestExpert == experts || row[e] > best)) {
                best = row[e];
                bestExpert = e;
            }
        }
        for (int distance = 16; distance > 0; distance /= 2) {
            float other = __shfl_xor_sync(0xffffffff, best, distance);
            int otherExpert = __shfl_xor_sync(0xffffffff, bestExpert, distance);
            if (otherExpert < experts
                    && (bestExpert == experts || other > best || (other == best && otherExpert < bestExpert))) {
                best = other;
                bestExpert = otherExpert;
            }
        }
        // Without an order, as among NaN, some expert that is there: the loss is no number then.
        int chosen = bestExpert < experts ? bestExpert : k;
        earlier = best;
        earlierExpert = bestExpert;
        if (lane == 0) {
            expertOf[token * topK + k] = chosen;
        }
    }
}

// How many of a block's choices go to each expert; counts [blocks, experts]. kept is per choice.
__global__ void routeCount(const i64 *expertOf, const u8 *kept, int *counts, i64 choices, int experts) {
    int *histogram = sharedInts();
    for (int e = threadIdx.x; e < experts; e += blockDim.x) {
        histogram[e] = 0;
    }
    __syncthreads();
    i64 choice = blockIdx.x * (i64)blockDim.x + threadIdx.x;
    if (choice < choices && kept[choice]) {
        atomicAdd(&histogram[expertOf[choice]], 1);
    }
    __syncthreads();
    for (int e = threadIdx.x; e < experts; e += blockDim.x) {
        counts[blockIdx.x * (i64)experts + e] = histogram[e];
    }
}

// One block: the counts become the first row of each block's choices of each expert. Ends are rounded up to a multiple
// of rows, of which each expert has one at least.
__global__ void routeStarts(int *counts, i64 *totals, int *ends, int blocks, int experts, int multiple) {
    int *start = sharedInts();
    for (int e = threadIdx.x; e < experts; e += blockDim.x) {
        int sum = 0;
        for (int block = 0; block < blocks; block++) {
            int count = counts[block * (i64)experts + e];
            counts[block * (i64)experts + e] = sum;
            sum += count;
        }
        totals[e] = sum;
        start[e] = sum;
    }
    __syncthreads();
    if (threadIdx.x == 0) {
        int end = 0;
        for (int e = 0; e < experts; e++) {
            int blocksOfRows = (start[e] + multiple - 1) / multiple;
            start[e] = end;
            end += (blocksOfRows > 0 ? blocksOfRows : 1) * multiple;
            ends[e] = end;
        }
    }
    __syncthreads();
    for (int e = threadIdx.x; e < experts; e += blockDim.x) {
        for (int block = 0; block < blocks; block++) {
            counts[block * (i64)experts + e] += start[e];
        }
    }
}

// Every row before choices fill some: empty, of the expert in whose rows it is.
__global__ void routeRows(const int *ends, i64 *choiceOf, i64 *tokenOf, u8 *filled, i64 *expertOfRow, i64 rows, int experts) {
    i64 row = blockIdx.x * (i64)blockDim.x + threadIdx.x;
    if (row >= rows) {
        return;
    }
    int low = 0;
    int high = experts - 1;
    while (low < high) {
        int middle = (low + high) / 2;
        if (ends[middle] > row) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    choiceOf[row] = 0;
    tokenOf[row] = 0;
    filled[row] = 0;
    expertOfRow[row] = low;
}

// Each choice takes the next of its expert's rows, in the order of choices. blockDim.x is as in routeCount.
__global__ void routePlace(
        const i64 *expertOf,
        const u8 *kept,
        const int *starts,
        i64 *rowOf,
        i64 *choiceOf,
        i64 *tokenOf,
        u8 *filled,
        i64 choices,
        int experts,
        int topK) {
    int *before = sharedInts(); // [warps, experts]: choices in earlier warps of the block
    int warps = blockDim.x / 32;
    int warp = threadIdx.x / 32;
    int lane = threadIdx.x % 32;
    for (int i = threadIdx.x; i < warps * experts; i += blockDim.x) {
        before[i] = 0;
    }
    __syncthreads();
    i64 choice = blockIdx.x * (i64)blockDim.x + threadIdx.x;
    int expert = choice < choices && kept[choice] ? (int)expertOf[choice] : -1;
    unsigned same = __match_any_sync(0xffffffff, expert);
    int earlier = __popc(same & ((1u << lane) - 1));
    if (expert >= 0 && earlier == 0) {
        before[warp * experts + expert] = __popc(same);
    }
    __syncthreads();
    for (int e = threadIdx.x; e < experts; e += blockDim.x) {
        int sum = 0;
        for (int w = 0; w < warps; w++) {
            int count = before[w * experts + e];
            before[w * experts + e] = sum;
            sum += count;
        }
    }
    __syncthreads();
    if (choice >= choices) {
        return;
    }
    if (expert < 0) {
        rowOf[choice] = 0;
        return;
    }
    i64 row = starts[blockIdx.x * (i64)experts + expert] + before[warp * experts + expert] + earlier;
    rowOf[choice] = row;
    choiceOf[row] = choice;
    tokenOf[row] = choice / topK;
    filled[row] = 1;
}

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
    }

KERNELS(float, float32)
KERNELS(bf16, bfloat16)
}

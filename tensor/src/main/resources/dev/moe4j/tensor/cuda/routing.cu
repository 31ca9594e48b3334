// Routing kernels: router top-k, and the assignment of chosen tokens to expert rows. Compiled as one source with kernels.cu.
// A choice is one of the k experts of a token.

extern "C" {

// Router top-k. Each warp finds the experts with the k highest logits of one token. Among equal logits the lower number wins.
__global__ void routeHighest(const float *logits, i64 *expertOf, i64 tokens, int experts, int topK) {
    i64 token = (blockIdx.x * (i64)blockDim.x + threadIdx.x) / 32;
    int lane = threadIdx.x % 32;
    if (token >= tokens) {
        return; // the same for all threads of a warp
    }
    const float *row = logits + token * experts;
    float earlier = infinity();
    int earlierExpert = -1;
    for (int k = 0; k < topK; k++) {
        float best = -infinity();
        int bestExpert = experts;
        for (int e = lane; e < experts; e += 32) {
            // Experts are ordered by descending logit and ascending number. Skip the experts chosen so far.
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
        // NaN logits are unordered. Choose any valid expert: the loss is NaN in any case.
        int chosen = bestExpert < experts ? bestExpert : k;
        earlier = best;
        earlierExpert = bestExpert;
        if (lane == 0) {
            expertOf[token * topK + k] = chosen;
        }
    }
}

// Counts each block's choices of each expert: counts [blocks, experts]. Choices that are not kept do not count.
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

// Runs in a single block. Replaces each count by the first row of this block's choices of this expert. Each expert's number
// of rows is rounded up to a multiple, and is at least one multiple.
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

// Initializes every row as empty, and sets its expert.
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

// Places each choice in the next row of its expert, in the order of choices. blockDim.x must be the same as in routeCount.
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
}

// Runs CUDA kernels on the CPU, for machines without a GPU. Defines CUDA's language extensions for a plain C++ compiler. The
// threads of a block are coroutines that switch at synchronization points. Blocks run sequentially.
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <ucontext.h>
#include <vector>

#define HOST
#define __device__
#define __global__
#define __shared__ static

struct Index {
    unsigned x;
};

static Index blockIdx, threadIdx, blockDim;

namespace host {

const int STACK = 64 * 1024;

struct Thread {
    ucontext_t context;
    std::vector<char> stack;
    bool ended;
};

// A barrier.
struct Barrier {
    int arrived;
    int round;
};

static std::vector<Thread> threads;
static ucontext_t scheduler;
static Barrier block;
static Barrier warps[32];
static unsigned long long slots[1024];
static void (*body)(void **);
static void **arguments;
alignas(16) static char dynamic[64 * 1024];

inline int alive(int from, int count) {
    int living = 0;
    for (int i = from; i < from + count && i < (int)threads.size(); i++) {
        living += !threads[i].ended;
    }
    return living;
}

inline void yield() {
    unsigned self = threadIdx.x;
    swapcontext(&threads[self].context, &scheduler);
    threadIdx.x = self;
}

// Returns when all running threads of the range have arrived.
inline void meet(Barrier &barrier, int from, int count) {
    int round = barrier.round;
    barrier.arrived++;
    while (barrier.round == round) {
        if (barrier.arrived >= alive(from, count)) {
            barrier.arrived = 0;
            barrier.round++;
        } else {
            yield();
        }
    }
}

inline void meetWarp() {
    int warp = threadIdx.x / 32;
    meet(warps[warp], warp * 32, 32);
}

template <typename T>
inline T fromLane(T value, int lane) {
    memcpy(&slots[threadIdx.x], &value, sizeof value);
    meetWarp();
    T other;
    memcpy(&other, &slots[threadIdx.x / 32 * 32 + lane], sizeof other);
    meetWarp();
    return other;
}

static void run() {
    body(arguments);
    threads[threadIdx.x].ended = true;
    swapcontext(&threads[threadIdx.x].context, &scheduler);
}

inline void launch(void (*kernel)(void **), int blocks, int size, void **given) {
    body = kernel;
    arguments = given;
    blockDim.x = size;
    threads.resize(size);
    for (int b = 0; b < blocks; b++) {
        blockIdx.x = b;
        block = Barrier();
        memset(warps, 0, sizeof warps);
        memset(dynamic, 0x7f, sizeof dynamic); // shared memory is uninitialized on a GPU
        for (Thread &thread : threads) {
            thread.stack.resize(STACK);
            thread.ended = false;
            getcontext(&thread.context);
            thread.context.uc_stack.ss_sp = thread.stack.data();
            thread.context.uc_stack.ss_size = STACK;
            thread.context.uc_link = &scheduler;
            makecontext(&thread.context, run, 0);
        }
        while (alive(0, size) > 0) {
            for (int i = 0; i < size; i++) {
                if (!threads[i].ended) {
                    threadIdx.x = i;
                    swapcontext(&scheduler, &threads[i].context);
                }
            }
        }
    }
}

} // namespace host

// Calls a kernel whose parameters are pointers and integers. Each argument is passed in 64 bits.
extern "C" void launchOnHost(void *kernel, int blocks, int size, const long long *given) {
    typedef void (*Kernel)(
            long long, long long, long long, long long, long long, long long, long long, long long, long long, long long);
    static Kernel called;
    called = (Kernel)kernel;
    host::launch(
            [](void **a) {
                const long long *g = (const long long *)a;
                called(g[0], g[1], g[2], g[3], g[4], g[5], g[6], g[7], g[8], g[9]);
            },
            blocks,
            size,
            (void **)given);
}

static int *sharedInts() {
    return (int *)host::dynamic;
}

static void __syncthreads() {
    host::meet(host::block, 0, blockDim.x);
}

template <typename T>
static T __shfl_xor_sync(unsigned, T value, int mask) {
    return host::fromLane(value, (threadIdx.x % 32) ^ mask);
}

static unsigned __match_any_sync(unsigned, int value) {
    unsigned same = 0;
    for (int lane = 0; lane < 32; lane++) {
        same |= host::fromLane(value, lane) == value ? 1u << lane : 0;
    }
    return same;
}

static int __popc(unsigned bits) {
    return __builtin_popcount(bits);
}

static int atomicAdd(int *place, int value) {
    int before = *place;
    *place += value;
    return before;
}

static float __uint_as_float(unsigned bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static unsigned __float_as_uint(float value) {
    unsigned bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

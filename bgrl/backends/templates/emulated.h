// Stands in for CUDA where the same source is compiled by a C++ compiler.
//
// Blocks run one after the other. With one thread, barriers do nothing. Without -DTHREADS=1, there are as
// many as BGRL_THREADS says. They are run in turn, each until it has to wait; BGRL_ORDER is the order: 0
// forwards, 1 backwards, 2 changing. A barrier that only some threads reach ends the program. If BGRL_RACES
// is 1, every access of an array is noted, and two of different threads that no barrier keeps apart are
// printed, if one of them writes. BGRL_SKIP is the number of a barrier between pieces that is left out.
// Memory that nothing was written into holds NaN.
#pragma once
#include <algorithm>
#include <csetjmp>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ucontext.h>
#include <vector>
#ifndef THREADS
#include <set>
#include <string>
#endif
#define __device__
#define __global__ static
#define __shared__
#define __noinline__ __attribute__((noinline))
#define __align__(bytes) __attribute__((aligned(bytes)))
#define __launch_bounds__(threads, blocks)
#define __grid_constant__

static int setting(const char* const name, const int otherwise)
{
    return getenv(name) ? atoi(getenv(name)) : otherwise;
}
#ifndef THREADS
static const int THREADS = setting("BGRL_THREADS", 64);
static const bool noting = setting("BGRL_RACES", 0);
static const int skipped = setting("BGRL_SKIP", -1);
#define ONE_THREAD 0
#else
#define ONE_THREAD 1
#endif

struct dim3 {
    unsigned x, y, z;
    dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};
static dim3 threadIdx(0), blockIdx(0);
// What a block may have of it at most, on cards of compute capability 9.0.
static const size_t MOST_SHARED = 232448;
__align__(16) char shared_memory[MOST_SHARED];

// Threads ---------------------------------------------------------------------------------------------

enum State { READY, AT_WARP, AT_BLOCK, DONE };
struct Thread {
    std::vector<char> stack;
    jmp_buf place;
    State state;
    double given[2];
    int parity;
    int64_t block_barriers, warp_barriers;  // that it has passed
    const char* piece;
};
static std::vector<Thread> threads(THREADS);
static jmp_buf scheduler;
static void (*kernel_body)();
#define ME ((int)threadIdx.x)

static void wait(const State state)
{
    if (ONE_THREAD) return;
    threads[ME].state = state;
    if (!_setjmp(threads[ME].place)) _longjmp(scheduler, 1);
}
static void __syncthreads()
{
    wait(AT_BLOCK);
    threads[ME].block_barriers++;
}
static void __syncwarp()
{
    wait(AT_WARP);
    threads[ME].warp_barriers++;
}
// An exchange of values is no barrier for memory.
template <typename T> static T __shfl_xor_sync(unsigned, const T value, const int distance)
{
    Thread& me = threads[ME];
    const int parity = me.parity;
    me.parity = 1 - parity;
    me.given[parity] = value;
    wait(AT_WARP);
    return threads[ME ^ distance].given[parity];
}

static void enter()
{
    kernel_body();
    wait(DONE);
}
// A thread's own stack is entered once by a context; after that, jumps are quicker.
static void start(const int t)
{
    static ucontext_t from, to;
    threads[t].stack.resize(1 << 18);
    getcontext(&to);
    to.uc_stack.ss_sp = threads[t].stack.data();
    to.uc_stack.ss_size = threads[t].stack.size();
    to.uc_link = nullptr;
    makecontext(&to, enter, 0);
    threads[t].parity = 0;
    swapcontext(&from, &to);
}
static void resume(const int t, const bool first)
{
    threadIdx.x = t;
    if (_setjmp(scheduler)) return;
    if (first) start(t);
    _longjmp(threads[t].place, 1);
}
static int turn(const int k)
{
    static const int order = setting("BGRL_ORDER", 0);
    static uint64_t random = 88172645463325252ull;
    if (order == 0) return k;
    if (order == 1) return THREADS - 1 - k;
    if (k == 0) random = random*6364136223846793005ull + 1442695040888963407ull;
    return ((random >> 40) + 37*k) % THREADS;
}
static void run_block()
{
    if (ONE_THREAD) return kernel_body();
    bool first = true;
    for (Thread& thread : threads) thread.state = READY;
    while (true) {
        bool ran = false;
        for (int k = 0; k < THREADS; k++) {
            const int t = turn(k);
            if (threads[t].state != READY) continue;
            resume(t, first);
            ran = true;
        }
        first = false;
        int at_block = 0, done = 0;
        for (int w = 0; w < THREADS; w += 32) {
            int at_warp = 0;
            for (int t = w; t < w + 32; t++) {
                at_warp += threads[t].state == AT_WARP;
                at_block += threads[t].state == AT_BLOCK;
                done += threads[t].state == DONE;
            }
            if (at_warp == 32) {
                for (int t = w; t < w + 32; t++) threads[t].state = READY;
                ran = true;
            }
        }
        if (done == THREADS) return;
        if (at_block == THREADS) for (Thread& thread : threads) thread.state = READY;
        else if (!ran) {
            fprintf(stderr, "a barrier that not all threads reach\n");
            exit(8);
        }
    }
}

// Races -----------------------------------------------------------------------------------------------

#if !ONE_THREAD
struct Access {
    int thread = -1;
    int64_t block = 0, warp = 0;
    const char* piece = "";
};
struct History { Access write, reads[2]; };
#endif
// What was allocated of the memory of the card, to refuse copies that leave it.
struct Allocated {
    const char* place;
    size_t bytes;
#if !ONE_THREAD
    std::vector<History> histories;
#endif
};
static std::vector<Allocated> allocated;
#if !ONE_THREAD
// Of every word of the shared memory, and of what was allocated of the card's.
static std::vector<History> shared_histories(MOST_SHARED/4);
static std::set<std::string> races;
static History& history(const char* const place)
{
    if (place >= shared_memory && place < shared_memory + MOST_SHARED)
        return shared_histories[(place - shared_memory)/4];
    static Allocated* last = nullptr;
    if (!last || place < last->place || place >= last->place + last->bytes)
        for (Allocated& block : allocated)
            if (place >= block.place && place < block.place + block.bytes) last = &block;
    return last->histories[(place - last->place)/4];
}
static void forget()
{
    if (!noting) return;
    std::fill(shared_histories.begin(), shared_histories.end(), History());
    for (Allocated& block : allocated) block.histories.assign(block.bytes/4 + 1, History());
}
// Two accesses are apart if a barrier of the block lies between them, or within a warp one of the warp.
static void compare(const Access& before, const Access& now, const char* kind)
{
    if (before.thread < 0 || before.thread == now.thread || before.block != now.block) return;
    if (before.thread/32 == now.thread/32 && before.warp != now.warp) return;
    races.insert(std::string(before.piece) + " and " + now.piece + " (" + kind + ")");
}
static void note(const void* const address, const bool writes)
{
    if (!noting) return;
    History& past = history((const char*)address);
    const Thread& me = threads[ME];
    const Access now = {ME, me.block_barriers, me.warp_barriers, me.piece};
    compare(past.write, now, writes ? "both write" : "the second reads");
    for (Access& read : past.reads) if (writes) compare(read, now, "the second writes");
    if (writes) {
        past.write = now;
        past.reads[0] = past.reads[1] = Access();
    } else if (past.reads[0].thread < 0 || past.reads[0].thread == ME || past.reads[0].block != now.block) {
        past.reads[0] = now;
    } else past.reads[1] = now;
}
template <typename T> struct Element {
    T* const place;
    operator T() const { note(place, false); return *place; }
    T operator=(const T value) const { note(place, true); return *place = value; }
    T operator=(const Element& other) const { return *this = (T)other; }
    T operator+=(const T value) const { return *this = (T)*this + value; }
};
template <typename T> struct Noted {
    T* const start;
    Element<T> operator[](const int64_t k) const { return {start + k}; }
};
#define ARRAY(type, start) (Noted<type>{(type*)(start)})
#define PIECE(name) threads[ME].piece = #name;
#define BARRIER(number, wait) if (number != skipped) wait()
#endif

// The host's calls --------------------------------------------------------------------------------------

enum cudaError_t { cudaSuccess, cudaErrorInvalidValue, cudaErrorMemoryAllocation };
enum cudaMemcpyKind { cudaMemcpyHostToDevice, cudaMemcpyDeviceToHost };
enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize };
static size_t shared_allowed = 48 << 10;

static const char* cudaGetErrorString(const cudaError_t error)
{
    return error == cudaErrorMemoryAllocation ? "out of memory" : "invalid argument";
}
static cudaError_t cudaMalloc(void** const place, const size_t bytes)
{
    if (!(*place = malloc(bytes))) return cudaErrorMemoryAllocation;
    memset(*place, 0xff, bytes);
    allocated.push_back({(char*)*place, bytes});
    return cudaSuccess;
}
static cudaError_t cudaMemcpy2D(
    void* const to, const size_t to_pitch, const void* const from, const size_t from_pitch,
    const size_t width, const size_t height, const cudaMemcpyKind kind)
{
    const char* const card = (const char*)(kind == cudaMemcpyHostToDevice ? to : from);
    const size_t pitch = kind == cudaMemcpyHostToDevice ? to_pitch : from_pitch;
    const size_t bytes = height ? pitch*(height - 1) + width : 0;
    bool inside = false;
    for (const Allocated& block : allocated)
        inside = inside || (card == block.place && bytes <= block.bytes);
    if (width > to_pitch || width > from_pitch || !inside) return cudaErrorInvalidValue;
    for (size_t row = 0; row < height; row++)
        memcpy((char*)to + row*to_pitch, (const char*)from + row*from_pitch, width);
    return cudaSuccess;
}
static cudaError_t cudaMemcpy(
    void* const to, const void* const from, const size_t bytes, const cudaMemcpyKind kind)
{
    return cudaMemcpy2D(to, bytes, from, bytes, bytes, 1, kind);
}
template <typename Job>
static cudaError_t cudaFuncSetAttribute(void (*)(Job), cudaFuncAttribute, const int bytes)
{
    if (bytes < 0 || (size_t)bytes > MOST_SHARED) return cudaErrorInvalidValue;
    shared_allowed = std::max(shared_allowed, (size_t)bytes);
    return cudaSuccess;
}
template <typename Job> static cudaError_t cudaLaunchKernel(
    void (*const kernel)(Job), const dim3 grid, const dim3 block, void** const arguments,
    const size_t shared)
{
    static void (*body)(Job);
    static Job* job;
    if (!grid.x || block.x != THREADS || shared > shared_allowed) return cudaErrorInvalidValue;
    body = kernel;
    job = (Job*)arguments[0];
    kernel_body = [] { body(*job); };
    for (blockIdx.x = 0; blockIdx.x < grid.x; blockIdx.x++) {
        memset(shared_memory, 0xff, shared);
#if !ONE_THREAD
        forget();
#endif
        run_block();
    }
    return cudaSuccess;
}
static cudaError_t cudaDeviceSynchronize()
{
#if !ONE_THREAD
    for (const std::string& race : races) printf("%s\n", race.c_str());
    races.clear();
#endif
    return cudaSuccess;
}

// What the code of a step may use; everything is run by the threads of a block, which has one replicate.
#pragma once
#include <cstdint>
#include <math.h>
#include "functions.h"
#define THREAD ((int)threadIdx.x)
#ifndef ONE_THREAD  // of the stand-in for CUDA
#define ONE_THREAD 0
#endif
// Of sums: neighbouring threads that share one. With one thread alone it adds up in the same order.
#define LANES 8
// Sums at a time.
#define PARALLEL (ONE_THREAD ? 1 : THREADS/LANES)
#define UNROLLED _Pragma("unroll")
#define ROLLED _Pragma("unroll 1")
#ifndef ARRAY  // the stand-in for CUDA may look at every access
#define ARRAY(type, start) ((type*)(start))
#endif
#ifndef PIECE  // know which piece makes it, and leave a barrier out
#define PIECE(name)
#define BARRIER(number, wait) wait()
#endif
#define SHARED(type, offset) ARRAY(type, shared_memory + (offset))
#define GLOBAL(type, offset) ARRAY(type, global_memory + (offset))
extern __shared__ __align__(16) char shared_memory[];

static inline __device__ uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30))*0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27))*0x94D049BB133111EBULL;
    return z ^ (z >> 31);
}
// See bgrl.random; exact in single precision too.
static inline __device__ real counter_uniform(
    int64_t seed, int64_t replicate, int64_t stream, int64_t step, int64_t index)
{
    const uint64_t increment = 0x9E3779B97F4A7C15ULL;
    uint64_t z = mix((uint64_t)seed + increment);
    z = mix((z ^ (uint64_t)replicate) + increment);
    z = mix((z ^ (uint64_t)stream) + increment);
    z = mix((z ^ (uint64_t)step) + increment);
    z = mix((z ^ (uint64_t)index) + increment);
    return ((real)(z >> 41) + real(0.5))/real(8388608);
}
static inline __device__ real clipped(real x, real low, real high)
{
    return x < low ? low : x > high ? high : x;
}
static inline __device__ real chosen(real flag, real a, real b) { return flag > 0 ? a : b; }
static inline __device__ int whole(real x) { return (int)x; }
static inline __device__ real absolute(real x) { return fabs(x); }
static inline __device__ real sign(real x) { return (x > 0) - (x < 0); }
static inline __device__ real modulo(real x, real y) { return x - y*floor(x/y); }
static inline __device__ real power(real x, int n)
{
    return n == 2 ? x*x : n == 3 ? x*x*x : pow(x, real(n));
}

// The sum of term(source) over all sources, by LANES threads next to each other; all threads of a warp
// call it, those that have no target with 0 sources. Each lane has every eighth source.
template <typename Term>
static inline __device__ auto total(const Term term, const int sources)
{
    typedef decltype(term(0)) number;
#if ONE_THREAD
    number sums[LANES] = {};
    int first = 0;
    for (; first + LANES <= sources; first += LANES)
        for (int lane = 0; lane < LANES; lane++) sums[lane] += term(first + lane);
    for (int lane = 0; first + lane < sources; lane++) sums[lane] += term(first + lane);
    for (int d = LANES/2; d; d /= 2)
        for (int lane = 0; lane < d; lane++) sums[lane] += sums[lane + d];
    return sums[0];
#else
    number sum = 0;
    for (int source = THREAD % LANES; source < sources; source += LANES) sum += term(source);
    for (int d = LANES/2; d; d /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, d);
    return sum;
#endif
}

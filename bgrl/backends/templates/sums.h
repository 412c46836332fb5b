// Sums of many rows of numbers, in an order that does not depend on the processor's vectors.
#pragma once
namespace bgrl {
// Numbers of one vector.
template <typename T> constexpr int lanes = 32/sizeof(T);

// LANES partial sums of N numbers, each of every LANES-th.
template <int N, typename T>
static inline void partial_sums(T* out, const T* terms)
{
    typedef T vector __attribute__((vector_size(32), aligned(sizeof(T)), may_alias));
    vector sum = *(const vector*)terms;
#pragma GCC unroll 8
    for (int k = lanes<T>; k < N; k += lanes<T>) sum += *(const vector*)(terms + k);
    *(vector*)out = sum;
}
// The sum of N numbers that are STEP apart, pair by pair.
template <int N, int STEP, typename T>
static inline __attribute__((always_inline)) T pairs(const T* from)
{
    if constexpr (N == 1) return from[0];
    else return pairs<N/2, 2*STEP>(from) + pairs<N/2, 2*STEP>(from + STEP);
}
// The sum of the partial sums of each of some rows.
template <typename T>
static inline void add_up(T* __restrict out, const T* __restrict partial, const int rows)
{
#pragma omp simd
    for (int k = 0; k < rows; k++) out[k] = pairs<lanes<T>, 1>(partial + k*lanes<T>);
}
}

// Functions without branches, so that compilers make vector instructions of loops with them.
//
// Each is within one unit in the last place of the exact value, in both precisions and over the whole
// range, and the same to the bit in a vector or alone. The series are Taylor's: 1/k! of exp, sin and cos,
// 2/(2k + 1) of log. What rounding loses where it matters is kept in a second number. Comparisons are
// written such that NaN stays NaN.
#pragma once
#include <cstdint>
#include <cstring>
#include <math.h>
#ifdef __CUDACC__
#define BGRL_INLINE static __device__ __forceinline__
#else
#define BGRL_INLINE static inline __attribute__((always_inline))
#endif
namespace bgrl {
// What differs between precisions. Constants are written as long double, because flags of the compiler
// may make others single.
template <typename T> struct Precision;
template <> struct Precision<float> {
    typedef uint32_t Bits;
    static constexpr int MANTISSA = 23, BIAS = 127, EXP_TERMS = 8, LOG_TERMS = 6, SIN_TERMS = 5;
    // Added to a number, the last bits of the sum are its whole part.
    static constexpr float SHIFT = 12582912.0L;
    static constexpr float LARGEST = 3.40282346638528859812e38L, SMALLEST = 1.17549435082228750797e-38L;
    // exp is infinite from here, and zero.
    static constexpr float ABOVE = 89.0L, BELOW = -105.0L;
    // The sum is log(2); in the second pair the first has so few bits that products with exponents are exact.
    static constexpr float LOG2_1 = 0.693147182464599609375L, LOG2_2 = -1.904654323148236017e-9L;
    static constexpr float LOG2_FEW = 0.693138122558593750L, LOG2_REST = 9.05800061445916e-6L;
    // The sum is pi/2, and up to where quarters of a turn are counted with it.
    static constexpr float PI_1 = 1.57079637050628662109375L, PI_2 = -4.37113900018624283e-8L,
        PI_3 = -1.71512451000588187e-15L, FARTHEST = 8192.0L;
    static constexpr Bits ROOT = 0x3F3504F3;  // of 1/2
};
template <> struct Precision<double> {
    typedef uint64_t Bits;
    static constexpr int MANTISSA = 52, BIAS = 1023, EXP_TERMS = 14, LOG_TERMS = 12, SIN_TERMS = 9;
    static constexpr double SHIFT = 6755399441055744.0L;
    static constexpr double LARGEST = 1.79769313486231570815e308L, SMALLEST = 2.22507385850720138309e-308L;
    static constexpr double ABOVE = 710.0L, BELOW = -746.0L;
    static constexpr double LOG2_1 = 0.693147180559945286226763982995L,
        LOG2_2 = 2.31904681384629955842177796079e-17L;
    static constexpr double LOG2_FEW = 6.93147180369123816490e-01L, LOG2_REST = 1.90821492927058770002e-10L;
    static constexpr double PI_1 = 1.57079632679489655799898173427209L,
        PI_2 = 6.12323399573676603586882014729198e-17L, PI_3 = -1.49738490485916983294350817710599e-33L,
        FARTHEST = 524288.0L;
    static constexpr Bits ROOT = 0x3FE6A09E667F3BCD;
};
#define BGRL_OF(T) typedef Precision<T> P; typedef typename P::Bits Bits; (void)sizeof(Bits)

template <typename T>
BGRL_INLINE T of_bits(const typename Precision<T>::Bits bits) { T x; memcpy(&x, &bits, sizeof(x)); return x; }
template <typename T>
BGRL_INLINE typename Precision<T>::Bits to_bits(const T x)
{
    typename Precision<T>::Bits bits;
    memcpy(&bits, &x, sizeof(x));
    return bits;
}
// a if flag is 1, b if it is 0; both are worked out, so that no branch is made of it.
template <typename T>
BGRL_INLINE T select(const typename Precision<T>::Bits flag, const T a, const T b)
{
    return of_bits<T>((to_bits(a) & -flag) | (to_bits(b) & (flag - 1)));
}
// A product that compilers cannot join with a sum.
template <typename T>
BGRL_INLINE T product(const T a, const T b) { return fma(a, b, T(-0.0L)); }
template <typename T>
BGRL_INLINE T rounded(const T x) { return (x + Precision<T>::SHIFT) - Precision<T>::SHIFT; }
// 2 to the power of a whole number whose power is no less than Precision::SMALLEST.
template <typename T>
BGRL_INLINE T power_of_two(const T whole)
{
    BGRL_OF(T);
    return of_bits<T>(to_bits(whole + (P::SHIFT + P::BIAS)) << P::MANTISSA);
}

// x = whole*log(2) + rest + something, and exp of the last two = 1 + rest + more; |rest| < 0.35.
template <typename T> struct Reduced { T whole, rest, more; };
template <typename T>
BGRL_INLINE Reduced<T> reduced(const T x)
{
    BGRL_OF(T);
    Reduced<T> y;
    y.whole = rounded(x*T(1.442695040888963407359924681L));
    const T first = fma(-y.whole, P::LOG2_1, x), second = product(-y.whole, P::LOG2_2);  // the first is exact
    y.rest = first + second;
    const T lost = (first - y.rest) + second;
    T factor[P::EXP_TERMS + 1];  // 1/k!
    factor[0] = 1;
#pragma GCC unroll 16
    for (int k = 1; k <= P::EXP_TERMS; k++) factor[k] = factor[k - 1]/k;
    T series = factor[P::EXP_TERMS];
#pragma GCC unroll 16
    for (int k = P::EXP_TERMS - 1; k >= 2; k--) series = fma(series, y.rest, factor[k]);
    y.more = fma(y.rest*y.rest, series, fma(lost, y.rest, lost));
    return y;
}
// exp(x) - 1 = 2*(half + rest), for x of which exp is finite and above half a unit in the last place of 1
template <typename T> struct Halved { T half, rest; };
template <typename T>
BGRL_INLINE Halved<T> halved_expm1(const T x)
{
    const Reduced<T> y = reduced(x);
    const T sum = y.rest + y.more, lost = (y.rest - sum) + y.more;
    const T scale = power_of_two(y.whole - 1), ones = scale - T(0.5L);
    Halved<T> z;
    z.half = ones + scale*sum;
    z.rest = fma(scale, sum, ones - z.half) + (((scale - ones) - T(0.5L)) + scale*lost);
    return z;
}
template <typename T>
BGRL_INLINE T exp_of(const T x)
{
    BGRL_OF(T);
    const T upper = x > P::ABOVE ? P::ABOVE : x;
    const Reduced<T> y = reduced(upper < P::BELOW ? P::BELOW : upper);
    const T sum = 1 + y.rest, value = sum + (((1 - sum) + y.rest) + y.more);
    // In two factors, because the results may be too small for one.
    const T part = rounded(y.whole*T(0.5L));
    return value*power_of_two(part)*power_of_two(y.whole - part);
}
template <typename T>
BGRL_INLINE T expm1_of(const T x)
{
    BGRL_OF(T);
    const T upper = x > P::ABOVE ? P::ABOVE : x;
    const Halved<T> y = halved_expm1(upper < -40 ? T(-40) : upper);
    return select(fabs(x) < T(1e-30L), x, 2*(y.half + y.rest));
}
// (exp(2x) - 1)/(exp(2x) + 1)
template <typename T>
BGRL_INLINE T tanh_of(const T x)
{
    const T twice = 2*fabs(x);
    const Halved<T> y = halved_expm1(twice > 40 ? T(40) : twice);
    // Half the denominator, in two numbers too.
    const T sum = y.half + 1, one = sum - y.half;
    const T lost = ((y.half - (sum - one)) + (1 - one)) + y.rest;
    const T inverse = 1/sum, ratio = y.half*inverse;
    const T error = fma(-ratio, sum, y.half) + (y.rest - ratio*lost);
    return copysign(fma(error, inverse, ratio), x);
}
// x = 2^whole (1 + rest) with rest from sqrt(1/2) - 1 to sqrt(2) - 1; of that log is 2 atanh(ratio),
// ratio = rest/(2 + rest).
template <typename T>
BGRL_INLINE T log_of(const T x)
{
    BGRL_OF(T);
    const bool small = x < P::SMALLEST;
    const Bits bits = to_bits(small ? x*T(Bits(1) << P::MANTISSA) : x);
    // The exponent, from 0 on, changes where a mantissa is the square root of one half.
    const Bits one = to_bits(T(1)), moved = bits - P::ROOT + one;
    const T first = T(Bits(1) << P::MANTISSA);
    const T whole = (of_bits<T>((moved >> P::MANTISSA) | to_bits(first)) - first)
        - (small ? P::BIAS + P::MANTISSA : P::BIAS);
    const T rest = of_bits<T>((moved & ((Bits(1) << P::MANTISSA) - 1)) + P::ROOT) - 1;
    const T ratio = rest/(2 + rest), square = ratio*ratio, half = T(0.5L)*rest*rest;
    T series = T(2)/(2*P::LOG_TERMS + 1);
#pragma GCC unroll 16
    for (int k = P::LOG_TERMS - 1; k >= 1; k--) series = fma(series, square, T(2)/(2*k + 1));
    const T more = fma(ratio, fma(square, series, half), whole*P::LOG2_REST);
    T value = whole*P::LOG2_FEW - ((half - more) - rest);
    value = x > P::LARGEST ? x : value;
    value = x == 0 ? -T(INFINITY) : value;
    return x >= 0 ? value : T(NAN);
}

// Where x is so large that pi is needed to more digits; elsewhere the argument is 0. A vector of this is
// a function of its own, whose calls do not keep the loop around them from being one of vectors.
#ifdef __CUDACC__
#define BGRL_FAR(T, name) BGRL_INLINE T name##_far(const T x) { return x == 0 ? 0 : ::name(x); }
#else
#define BGRL_FAR(T, name) \
    _Pragma("omp declare simd notinbranch") \
    static __attribute__((noinline)) T name##_far(const T x) { return x == 0 ? 0 : ::name(x); }
#endif
BGRL_FAR(float, sin)
BGRL_FAR(double, sin)
BGRL_FAR(float, cos)
BGRL_FAR(double, cos)
// The sine of x for odd = 0, the cosine for odd = 1; x = quarters*pi/2 + rest + more, |rest| < 0.8.
template <typename T>
BGRL_INLINE T sine(const T x, const typename Precision<T>::Bits odd)
{
    BGRL_OF(T);
    const T shifted = x*T(0.636619772367581343075535053490L) + P::SHIFT, quarters = shifted - P::SHIFT;
    // The first difference is exact, and so is the sum of the next two.
    const T first = fma(-quarters, P::PI_1, x), second = product(-quarters, P::PI_2);
    const T third = fma(-quarters, P::PI_2, -second), fourth = third - quarters*P::PI_3;
    const T sum = first + second, part = sum - first;
    const T lost = ((first - (sum - part)) + (second - part)) + fourth;
    const T rest = sum + lost, more = (sum - rest) + lost;
    T factor[2*P::SIN_TERMS + 2];  // 1/k!, of alternating sign
    factor[0] = factor[1] = 1;
#pragma GCC unroll 20
    for (int k = 2; k <= 2*P::SIN_TERMS + 1; k++) factor[k] = -factor[k - 2]/(k*(k - 1));
    const T square = rest*rest, half = T(0.5L)*square, begun = 1 - half;
    T of_sine = factor[2*P::SIN_TERMS + 1], of_cosine = factor[2*P::SIN_TERMS];
#pragma GCC unroll 20
    for (int k = P::SIN_TERMS - 1; k >= 1; k--) of_sine = fma(of_sine, square, factor[2*k + 1]);
#pragma GCC unroll 20
    for (int k = P::SIN_TERMS - 1; k >= 2; k--) of_cosine = fma(of_cosine, square, factor[2*k]);
    const T sin = rest + fma(square*rest, of_sine, fma(-half, more, more));
    const T cos = begun + (((1 - begun) - half) + fma(square*square, of_cosine, -rest*more));
    const Bits turns = to_bits(shifted) + odd;
    return of_bits<T>(to_bits(select(turns & 1, cos, sin)) ^ ((turns & 2) << (8*sizeof(T) - 2)));
}
template <typename T>
BGRL_INLINE T sin_of(const T x)
{
    const bool near = fabs(x) < Precision<T>::FARTHEST;
    return select(x == 0, x, select(near, sine(x, 0), sin_far(near ? T(0) : x)));
}
template <typename T>
BGRL_INLINE T cos_of(const T x)
{
    const bool near = fabs(x) < Precision<T>::FARTHEST;
    return select(near, sine(x, 1), cos_far(near ? T(0) : x));
}

#define BGRL_DEFINE(name) \
    BGRL_INLINE float name(const float x) { return name##_of(x); } \
    BGRL_INLINE double name(const double x) { return name##_of(x); } \
    /* Of a whole number, in the precision of constants. */ \
    BGRL_INLINE decltype(1.0) name(const int64_t x) { return name##_of((decltype(1.0))x); } \
    BGRL_INLINE decltype(1.0) name(const int x) { return name##_of((decltype(1.0))x); }
BGRL_DEFINE(exp)
BGRL_DEFINE(expm1)
BGRL_DEFINE(tanh)
BGRL_DEFINE(log)
BGRL_DEFINE(sin)
BGRL_DEFINE(cos)
#undef BGRL_DEFINE
#undef BGRL_FAR
#undef BGRL_OF
}

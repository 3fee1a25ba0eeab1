// Sixteen float lanes on every instruction set, with the same bits on each: only IEEE operations (+ - * / fma sqrt),
// fixed-order reductions and an exponential of our own. Included once per instruction set, inside its own namespace.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#ifndef FLM_ISA
#error "define FLM_ISA as the namespace of this instruction set"
#endif

namespace financellm::FLM_ISA {

#if defined(__AVX512F__)
inline constexpr int kLanes = 16;
#elif defined(__AVX2__)
inline constexpr int kLanes = 8;
#else
inline constexpr int kLanes = 4;
#endif
inline constexpr int kParts = 16 / kLanes;

typedef float PartF __attribute__((vector_size(4 * kLanes)));
typedef int32_t PartI __attribute__((vector_size(4 * kLanes)));
typedef uint32_t PartU __attribute__((vector_size(4 * kLanes)));
typedef uint16_t PartH __attribute__((vector_size(2 * kLanes)));
typedef int8_t PartB __attribute__((vector_size(kLanes)));

struct V16 {
  PartF part[kParts];
};

#if defined(__SANITIZE_ADDRESS__)
#define FLM_INLINE inline  // instrumented code inlined everywhere takes minutes to compile
#define FLM_INLINE_LAMBDA
#else
#define FLM_INLINE_LAMBDA __attribute__((always_inline))
#define FLM_INLINE [[gnu::always_inline]] inline
#endif
#define FLM_EACH_PART _Pragma("GCC unroll 4") for (int i = 0; i < kParts; ++i)

FLM_INLINE V16 load(const float* from) {
  V16 r;
  FLM_EACH_PART std::memcpy(&r.part[i], from + i * kLanes, sizeof(PartF));
  return r;
}

FLM_INLINE V16 load(const int32_t* from) {
  V16 r;
  FLM_EACH_PART {
    PartI v;
    std::memcpy(&v, from + i * kLanes, sizeof v);
    r.part[i] = __builtin_convertvector(v, PartF);
  }
  return r;
}

FLM_INLINE void store(float* to, V16 v) {
  FLM_EACH_PART std::memcpy(to + i * kLanes, &v.part[i], sizeof(PartF));
}

// Not `PartF{} + x`: compilers keep that sum, as it turns -0 into 0.
FLM_INLINE PartF broadcast(float x) {
#if defined(__AVX512F__)
  return (PartF)_mm512_set1_ps(x);
#elif defined(__AVX2__)
  return (PartF)_mm256_set1_ps(x);
#else
  return PartF{x, x, x, x};
#endif
}

FLM_INLINE V16 set1(float x) {
  V16 r;
  FLM_EACH_PART r.part[i] = broadcast(x);
  return r;
}

FLM_INLINE V16 zero() {
  V16 r;
  FLM_EACH_PART r.part[i] = PartF{};
  return r;
}

FLM_INLINE V16 operator+(V16 a, V16 b) {
  FLM_EACH_PART a.part[i] += b.part[i];
  return a;
}

FLM_INLINE V16 operator-(V16 a, V16 b) {
  FLM_EACH_PART a.part[i] -= b.part[i];
  return a;
}

FLM_INLINE V16 operator*(V16 a, V16 b) {
  FLM_EACH_PART a.part[i] *= b.part[i];
  return a;
}

FLM_INLINE V16 operator/(V16 a, V16 b) {
  FLM_EACH_PART a.part[i] /= b.part[i];
  return a;
}

FLM_INLINE PartF fma_part(PartF a, PartF b, PartF c) {
#if defined(__AVX512F__)
  return (PartF)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__FMA__)
  return (PartF)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#elif defined(__aarch64__)
  return (PartF)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
#else
  for (int i = 0; i < kLanes; ++i) c[i] = __builtin_fmaf(a[i], b[i], c[i]);
  return c;
#endif
}

// a * b + c, rounded once.
FLM_INLINE V16 fmadd(V16 a, V16 b, V16 c) {
  FLM_EACH_PART c.part[i] = fma_part(a.part[i], b.part[i], c.part[i]);
  return c;
}

FLM_INLINE V16 max(V16 a, V16 b) {
#if defined(__AVX512F__)
  a.part[0] = (PartF)_mm512_max_ps((__m512)a.part[0], (__m512)b.part[0]);
#elif defined(__AVX2__)
  FLM_EACH_PART a.part[i] = (PartF)_mm256_max_ps((__m256)a.part[i], (__m256)b.part[i]);
#else
  FLM_EACH_PART a.part[i] = a.part[i] > b.part[i] ? a.part[i] : b.part[i];
#endif
  return a;
}

FLM_INLINE V16 min(V16 a, V16 b) {
#if defined(__AVX512F__)
  a.part[0] = (PartF)_mm512_min_ps((__m512)a.part[0], (__m512)b.part[0]);
#elif defined(__AVX2__)
  FLM_EACH_PART a.part[i] = (PartF)_mm256_min_ps((__m256)a.part[i], (__m256)b.part[i]);
#else
  FLM_EACH_PART a.part[i] = a.part[i] < b.part[i] ? a.part[i] : b.part[i];
#endif
  return a;
}

FLM_INLINE V16 abs(V16 a) {
  FLM_EACH_PART a.part[i] = (PartF)((PartI)a.part[i] & 0x7fffffff);
  return a;
}

// True where any lane of a is greater than the same lane of b; NaN is never greater.
FLM_INLINE bool any_greater(V16 a, V16 b) {
#if defined(__AVX512F__)
  return _mm512_cmp_ps_mask((__m512)a.part[0], (__m512)b.part[0], _CMP_GT_OQ) != 0;
#elif defined(__AVX2__)
  int bits = 0;
  FLM_EACH_PART bits |= _mm256_movemask_ps(_mm256_cmp_ps((__m256)a.part[i], (__m256)b.part[i], _CMP_GT_OQ));
  return bits != 0;
#else
  PartI any{};
  FLM_EACH_PART any |= a.part[i] > b.part[i];
  for (int i = 0; i < kLanes; ++i)
    if (any[i]) return true;
  return false;
#endif
}

// Lanes below `count` from a, the others from b.
FLM_INLINE V16 first_lanes(int count, V16 a, V16 b) {
  FLM_EACH_PART {
    PartI lane;
    for (int j = 0; j < kLanes; ++j) lane[j] = i * kLanes + j;
    a.part[i] = lane < count ? a.part[i] : b.part[i];
  }
  return a;
}

// Folds 2 * HALF values to one: (0, HALF), (1, HALF + 1), ... and so on with half as many.
template <int HALF, class Combine>
FLM_INLINE float fold(float* t, Combine combine) {
  for (int i = 0; i < HALF; ++i) t[i] = combine(t[i], t[i + HALF]);
  if constexpr (HALF > 1) fold<HALF / 2>(t, combine);
  return t[0];
}

// Adds the lanes as a balanced tree: (0+8, 1+9, ...) then (0+4, ...), (0+2, ...), (0+1).
FLM_INLINE float reduce_add(V16 v) {
  float t[16];
  store(t, v);
  return fold<8>(t, [](float a, float b) FLM_INLINE_LAMBDA { return a + b; });
}

FLM_INLINE float reduce_max(V16 v) {
  float t[16];
  store(t, v);
  return fold<8>(t, [](float a, float b) FLM_INLINE_LAMBDA { return a > b ? a : b; });
}

inline constexpr float kRoundMagic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer, half to even

// The low byte and the low half of each lane. Compilers take vectors apart for these, lane by lane, so the instructions are
// named where there are some.
FLM_INLINE PartB low_bytes(PartI v) {
#if defined(__AVX512F__)
  return (PartB)_mm512_cvtepi32_epi8((__m512i)v);
#elif defined(__AVX2__)
  const __m256i four = _mm256_shuffle_epi8((__m256i)v, _mm256_set1_epi32(0x0c080400));
  return (PartB)_mm_cvtsi128_si64(_mm_unpacklo_epi32(_mm256_castsi256_si128(four), _mm256_extracti128_si256(four, 1)));
#else
  return __builtin_convertvector(v, PartB);
#endif
}

FLM_INLINE PartH low_halves(PartU v) {
#if defined(__AVX512F__)
  return (PartH)_mm512_cvtepi32_epi16((__m512i)v);
#else
  return __builtin_convertvector(v, PartH);
#endif
}

// Rounds |v| < 2^22 half to even and keeps the low byte of the integer, `flip` xored in.
FLM_INLINE void store_int8(int8_t* to, V16 v, int8_t flip) {
  v = v + set1(kRoundMagic);
  FLM_EACH_PART {
    PartB bytes = low_bytes((PartI)v.part[i]) ^ flip;
    std::memcpy(to + i * kLanes, &bytes, sizeof bytes);
  }
}

FLM_INLINE PartU widened(PartH v) {
#if defined(__AVX512F__)
  return (PartU)_mm512_cvtepu16_epi32((__m256i)v);
#elif defined(__AVX2__)
  return (PartU)_mm256_cvtepu16_epi32((__m128i)v);
#else
  return __builtin_convertvector(v, PartU);
#endif
}

FLM_INLINE V16 load_bf16(const uint16_t* from) {
  V16 r;
  FLM_EACH_PART {
    PartH half;
    std::memcpy(&half, from + i * kLanes, sizeof half);
    r.part[i] = (PartF)(widened(half) << 16);
  }
  return r;
}

// Rounds to bfloat16, half to even.
FLM_INLINE void store_bf16(uint16_t* to, V16 v) {
  FLM_EACH_PART {
    PartU bits = (PartU)v.part[i];
    PartH half = low_halves((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
    std::memcpy(to + i * kLanes, &half, sizeof half);
  }
}

// The int8 of number `index` of each of sixteen groups of four.
FLM_INLINE V16 load_int8_of_four(const int8_t* from, int index) {
  V16 r;
  FLM_EACH_PART {
    PartU four;
    std::memcpy(&four, from + i * kLanes * 4, sizeof four);
    r.part[i] = __builtin_convertvector((PartI)(four << (24 - 8 * index)) >> 24, PartF);
  }
  return r;
}

// 2^x for x clamped to [-125, 126]; relative error below 2e-7. Taylor coefficients ln(2)^n / n! on [-0.5, 0.5].
FLM_INLINE V16 exp2(V16 x) {
  x = max(min(x, set1(126.0f)), set1(-125.0f));
  V16 shifted = x + set1(kRoundMagic);
  V16 f = x - (shifted - set1(kRoundMagic));
  V16 p = set1(1.5403530e-4f);
  p = fmadd(p, f, set1(1.3333558e-3f));
  p = fmadd(p, f, set1(9.6181291e-3f));
  p = fmadd(p, f, set1(5.5504109e-2f));
  p = fmadd(p, f, set1(2.4022651e-1f));
  p = fmadd(p, f, set1(6.9314718e-1f));
  p = fmadd(p, f, set1(1.0f));
  FLM_EACH_PART p.part[i] = (PartF)((PartU)p.part[i] + ((PartU)shifted.part[i] << 23));
  return p;
}

}  // namespace financellm::FLM_ISA

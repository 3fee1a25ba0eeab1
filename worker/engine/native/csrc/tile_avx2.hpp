// AVX2: |w| unsigned times a carrying w's sign. Both stay within +-127, so the 16-bit pair sums (at most 32,258) cannot
// saturate and the integers equal those of the other paths. With AVX-VNNI one instruction replaces three.
#pragma once

#include "kernels.hpp"
#include "vec16.hpp"

namespace financellm::FLM_ISA {

#if defined(__AVXVNNI__) || (defined(__AVX512VNNI__) && defined(__AVX512VL__))
inline constexpr bool kUnsignedActivations = true;
#else
inline constexpr bool kUnsignedActivations = false;
#endif
inline constexpr int kPrefetchBytes = 4096;

// Rows times sixteen columns: half a panel.
template <int ROWS>
FLM_INLINE void product_half(const int8_t* a, int depth_tiles, const int8_t* panel, const int32_t* offsets, int32_t* c,
                             bool stream) {
  __m256i sum[ROWS][2];
#pragma GCC unroll 4
  for (int r = 0; r < ROWS; ++r)
#pragma GCC unroll 2
    for (int h = 0; h < 2; ++h)
      sum[r][h] = kUnsignedActivations ? _mm256_loadu_si256(reinterpret_cast<const __m256i*>(offsets + h * 8))
                                       : _mm256_setzero_si256();
  for (int tile = 0; tile < depth_tiles; ++tile, a += kTileBytes, panel += 2 * kTileBytes) {
    for (int quad = 0; quad < 16; ++quad) {
      const int8_t* at = panel + quad * 64;
      if (stream) _mm_prefetch(reinterpret_cast<const char*>(at) + kPrefetchBytes, _MM_HINT_T0);
      const __m256i w0 = _mm256_load_si256(reinterpret_cast<const __m256i*>(at));
      const __m256i w1 = _mm256_load_si256(reinterpret_cast<const __m256i*>(at + 32));
#if defined(__AVXVNNI__) || (defined(__AVX512VNNI__) && defined(__AVX512VL__))
#else
      const __m256i ones = _mm256_set1_epi16(1);
      const __m256i u0 = _mm256_abs_epi8(w0), u1 = _mm256_abs_epi8(w1);
#endif
#pragma GCC unroll 4
      for (int r = 0; r < ROWS; ++r) {
        int32_t four;
        std::memcpy(&four, a + r * kTileDepth + quad * 4, 4);
        const __m256i x = _mm256_set1_epi32(four);
#if defined(__AVXVNNI__)
        sum[r][0] = _mm256_dpbusd_avx_epi32(sum[r][0], x, w0);
        sum[r][1] = _mm256_dpbusd_avx_epi32(sum[r][1], x, w1);
#elif defined(__AVX512VNNI__) && defined(__AVX512VL__)
        sum[r][0] = _mm256_dpbusd_epi32(sum[r][0], x, w0);
        sum[r][1] = _mm256_dpbusd_epi32(sum[r][1], x, w1);
#else
        const __m256i p0 = _mm256_maddubs_epi16(u0, _mm256_sign_epi8(x, w0));
        const __m256i p1 = _mm256_maddubs_epi16(u1, _mm256_sign_epi8(x, w1));
        sum[r][0] = _mm256_add_epi32(sum[r][0], _mm256_madd_epi16(p0, ones));
        sum[r][1] = _mm256_add_epi32(sum[r][1], _mm256_madd_epi16(p1, ones));
#endif
      }
    }
  }
#pragma GCC unroll 4
  for (int r = 0; r < ROWS; ++r)
#pragma GCC unroll 2
    for (int h = 0; h < 2; ++h)
      _mm256_store_si256(reinterpret_cast<__m256i*>(c + r * kPanelColumns + h * 8), sum[r][h]);
}

template <class Drain>
inline void product_tile(const int8_t* a, int rows, int depth_tiles, const int8_t* panel, const int32_t* offsets,
                         int32_t* c, bool first_use, Drain&) {
  for (int half = 0; half < 2; ++half) {
    const int8_t* weights = panel + half * kTileBytes;
    const int32_t* start = offsets + half * 16;
    for (int r = 0; r < rows; r += 4) {
      const int8_t* from = a + (r / kTileRows) * depth_tiles * kTileBytes + (r % kTileRows) * kTileDepth;
      int32_t* to = c + r * kPanelColumns + half * 16;
      const bool stream = first_use && r == 0;
      switch (rows - r) {
        case 1: product_half<1>(from, depth_tiles, weights, start, to, stream); break;
        case 2: product_half<2>(from, depth_tiles, weights, start, to, stream); break;
        case 3: product_half<3>(from, depth_tiles, weights, start, to, stream); break;
        default: product_half<4>(from, depth_tiles, weights, start, to, stream); break;
      }
    }
  }
}

// 8 rows of 8 columns and 4 depths a round.
inline int64_t multiply_registers(int64_t rounds) {
  __m256i sum[8], x = _mm256_set1_epi32(0x01020304), w = _mm256_set1_epi32(0x04030201);
  for (auto& s : sum) {
    s = _mm256_setzero_si256();
    asm volatile("" : "+x"(s));  // or the compiler sees that all sums are the same
  }
  for (int64_t i = 0; i < rounds; ++i) {
#pragma GCC unroll 8
    for (int r = 0; r < 8; ++r) {
#if defined(__AVXVNNI__)
      sum[r] = _mm256_dpbusd_avx_epi32(sum[r], x, w);
#elif defined(__AVX512VNNI__) && defined(__AVX512VL__)
      sum[r] = _mm256_dpbusd_epi32(sum[r], x, w);
#else
      const __m256i pairs = _mm256_maddubs_epi16(w, _mm256_sign_epi8(x, w));
      sum[r] = _mm256_add_epi32(sum[r], _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
      asm volatile("" : "+x"(x), "+x"(w));
#endif
    }
    asm volatile("" : "+x"(x), "+x"(w));
  }
#pragma GCC unroll 8
  for (int r = 0; r < 8; ++r) asm volatile("" : : "x"(sum[r]));
  return rounds * 8 * 8 * 4;
}

}  // namespace financellm::FLM_ISA

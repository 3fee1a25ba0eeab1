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
// Sixteen columns: what sixteen registers hold for four rows.
inline constexpr int kHalfPanel = kPanelColumns / 2;
inline constexpr int kRowsAtOnce = 4;

// The multiplier must not wait while a panel is read from memory for its first rows: with each tile of this panel a pass
// fetches LINES cache lines of the next one to the second level cache, a part of its own.
template <int ROWS, int LINES>
[[gnu::noinline]] void product_half(const int8_t* a, int depth_tiles, const int8_t* panel, const int32_t* offsets, int32_t* c,
                                    const int8_t* next) {
  __m256i sum[ROWS][2];
#pragma GCC unroll 4
  for (int r = 0; r < ROWS; ++r)
#pragma GCC unroll 2
    for (int h = 0; h < 2; ++h)
      sum[r][h] = kUnsignedActivations ? _mm256_loadu_si256(reinterpret_cast<const __m256i*>(offsets + h * 8))
                                       : _mm256_setzero_si256();
  for (int tile = 0; tile < depth_tiles; ++tile, a += kTileBytes, panel += 2 * kTileBytes, next += LINES * 64) {
    for (int quad = 0; quad < 16; ++quad) {
      if (quad < LINES) _mm_prefetch(reinterpret_cast<const char*>(next + quad * 64), _MM_HINT_T1);
      const int8_t* at = panel + quad * 64;
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

template <int LINES>
FLM_INLINE void product_up_to_four(const int8_t* a, int rows, int tiles, const int8_t* panel, const int32_t* offsets,
                                   int32_t* c, const int8_t* next) {
  switch (rows) {
    // A lone row takes whatever stands below it in its tile along: without it, lines are asked for faster than memory gives
    // them, and the step took an eighth longer (Zen 3).
    case 1:
    case 2: return product_half<2, LINES>(a, tiles, panel, offsets, c, next);
    case 3: return product_half<3, LINES>(a, tiles, panel, offsets, c, next);
    default: return product_half<4, LINES>(a, tiles, panel, offsets, c, next);
  }
}

template <int LINES>
FLM_INLINE void product_passes(const int8_t* a, int rows, int tiles, const int8_t* panel, const int32_t* offsets,
                               int32_t* c, const int8_t* next) {
  for (int half = 0; half < 2; ++half)
    for (int r = 0; r < rows; r += kRowsAtOnce) {
      const int8_t* from = a + (r / kTileRows) * tiles * kTileBytes + (r % kTileRows) * kTileDepth;
      int32_t* to = c + r * kPanelColumns + half * kHalfPanel;
      product_up_to_four<LINES>(from, rows - r, tiles, panel + half * kTileBytes, offsets + half * kHalfPanel, to, next);
      next += tiles * LINES * 64;
    }
}

template <class Drain>
inline void product_tile(const int8_t* a, int rows, int depth_tiles, const int8_t* panel, const int32_t* offsets,
                         int32_t* c, bool first_use, Drain&) {
  const int8_t* next = panel + int64_t{2} * depth_tiles * kTileBytes;
  // A tile of a panel has 32 lines, which the passes share: two for each four rows.
  if (!first_use) return product_passes<0>(a, rows, depth_tiles, panel, offsets, c, next);
  if (rows <= kRowsAtOnce) return product_passes<16>(a, rows, depth_tiles, panel, offsets, c, next);
  if (rows <= 2 * kRowsAtOnce) return product_passes<8>(a, rows, depth_tiles, panel, offsets, c, next);
  if (rows <= 4 * kRowsAtOnce) return product_passes<4>(a, rows, depth_tiles, panel, offsets, c, next);
  product_passes<2>(a, rows, depth_tiles, panel, offsets, c, next);
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

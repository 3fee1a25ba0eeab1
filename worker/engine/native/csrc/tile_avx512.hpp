// AVX512-VNNI: unsigned activations (value + 128) times signed weights; sums start at -128 * column sum.
#pragma once

#include "kernels.hpp"
#include "vec16.hpp"

namespace financellm::FLM_ISA {

inline constexpr bool kUnsignedActivations = true;
inline constexpr int kPrefetchBytes = 4096;

template <int ROWS, bool STREAM>
FLM_INLINE void product_rows(const int8_t* a, int depth_tiles, const int8_t* panel, const int32_t* offsets, int32_t* c) {
  constexpr int kChains = ROWS <= 2 ? 2 : 1;  // enough independent sums to hide the latency
  __m512i sum[kChains][ROWS][2];
#pragma GCC unroll 2
  for (int chain = 0; chain < kChains; ++chain)
#pragma GCC unroll 8
    for (int r = 0; r < ROWS; ++r)
#pragma GCC unroll 2
      for (int h = 0; h < 2; ++h)
        sum[chain][r][h] = chain == 0 ? _mm512_loadu_si512(offsets + h * 16) : _mm512_setzero_si512();
  for (int tile = 0; tile < depth_tiles; ++tile, a += kTileBytes, panel += 2 * kTileBytes) {
#pragma GCC unroll 2
    for (int quad = 0; quad < 16; ++quad) {
      if (STREAM) {
        _mm_prefetch(reinterpret_cast<const char*>(panel) + kPrefetchBytes + quad * 128, _MM_HINT_T0);
        _mm_prefetch(reinterpret_cast<const char*>(panel) + kPrefetchBytes + quad * 128 + 64, _MM_HINT_T0);
      }
      const __m512i w0 = _mm512_load_si512(panel + quad * 64), w1 = _mm512_load_si512(panel + kTileBytes + quad * 64);
      __m512i(*s)[2] = sum[quad % kChains];
#pragma GCC unroll 8
      for (int r = 0; r < ROWS; ++r) {
        int32_t four;
        std::memcpy(&four, a + r * kTileDepth + quad * 4, 4);
        const __m512i x = _mm512_set1_epi32(four);
        s[r][0] = _mm512_dpbusd_epi32(s[r][0], x, w0);
        s[r][1] = _mm512_dpbusd_epi32(s[r][1], x, w1);
      }
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < ROWS; ++r)
#pragma GCC unroll 2
    for (int h = 0; h < 2; ++h) {
      __m512i total = sum[0][r][h];
      if (kChains == 2) total = _mm512_add_epi32(total, sum[kChains - 1][r][h]);
      _mm512_store_si512(c + r * kPanelColumns + h * 16, total);
    }
}

template <bool STREAM>
FLM_INLINE void product_up_to_eight(const int8_t* a, int rows, int tiles, const int8_t* panel, const int32_t* offsets,
                                    int32_t* c) {
  switch (rows) {
    case 1: return product_rows<1, STREAM>(a, tiles, panel, offsets, c);
    case 2: return product_rows<2, STREAM>(a, tiles, panel, offsets, c);
    case 3: return product_rows<3, STREAM>(a, tiles, panel, offsets, c);
    case 4: return product_rows<4, STREAM>(a, tiles, panel, offsets, c);
    case 5: return product_rows<5, STREAM>(a, tiles, panel, offsets, c);
    case 6: return product_rows<6, STREAM>(a, tiles, panel, offsets, c);
    case 7: return product_rows<7, STREAM>(a, tiles, panel, offsets, c);
    default: return product_rows<8, STREAM>(a, tiles, panel, offsets, c);
  }
}

template <class Drain>
inline void product_tile(const int8_t* a, int rows, int depth_tiles, const int8_t* panel, const int32_t* offsets,
                         int32_t* c, bool first_use, Drain&) {
  for (int r = 0; r < rows; r += 8) {
    const int8_t* from = a + (r / kTileRows) * depth_tiles * kTileBytes + (r % kTileRows) * kTileDepth;
    if (first_use && r == 0)
      product_up_to_eight<true>(from, rows - r, depth_tiles, panel, offsets, c);
    else
      product_up_to_eight<false>(from, rows - r, depth_tiles, panel, offsets, c + r * kPanelColumns);
  }
}

// 16 rows of 16 columns and 4 depths a round.
inline int64_t multiply_registers(int64_t rounds) {
  __m512i sum[16], x = _mm512_set1_epi32(0x01020304), w = _mm512_set1_epi32(0x04030201);
  for (auto& s : sum) s = _mm512_setzero_si512();
  for (int64_t i = 0; i < rounds; ++i) {
#pragma GCC unroll 16
    for (int r = 0; r < 16; ++r) sum[r] = _mm512_dpbusd_epi32(sum[r], x, w);
    asm volatile("" : "+v"(x), "+v"(w));
  }
#pragma GCC unroll 16
  for (int r = 0; r < 16; ++r) asm volatile("" : : "v"(sum[r]));
  return rounds * 16 * 16 * 4;
}

}  // namespace financellm::FLM_ISA

// Plain C++: signed integers, one column at a time; compiles on any processor.
#pragma once

#include "kernels.hpp"
#include "vec16.hpp"

namespace financellm::FLM_ISA {

inline constexpr bool kUnsignedActivations = false;

FLM_INLINE void add_tile_row(const int8_t* a, const int8_t* weights, int32_t* sums) {
  for (int quad = 0; quad < 16; ++quad, a += 4, weights += 64)
    for (int n = 0; n < 16; ++n)
      for (int i = 0; i < 4; ++i) sums[n] += static_cast<int32_t>(a[i]) * weights[n * 4 + i];
}

template <class Drain>
inline void product_tile(const int8_t* a, int rows, int depth_tiles, const int8_t* panel, const int32_t*, int32_t* c, bool,
                         Drain&) {
  std::memset(c, 0, sizeof(int32_t) * rows * kPanelColumns);
  for (int tile = 0; tile < depth_tiles; ++tile)
    for (int r = 0; r < rows; ++r) {
      const int8_t* from = a + (r / kTileRows * depth_tiles + tile) * kTileBytes + (r % kTileRows) * kTileDepth;
      const int8_t* weights = panel + tile * 2 * kTileBytes;
      add_tile_row(from, weights, c + r * kPanelColumns);
      add_tile_row(from, weights + kTileBytes, c + r * kPanelColumns + 16);
    }
}

// 16 columns and 64 depths a round.
inline int64_t multiply_registers(int64_t rounds) {
  int8_t x[64], w[kTileBytes];
  std::memset(x, 1, sizeof x);
  std::memset(w, 1, sizeof w);
  int32_t sums[16] = {};
  for (int64_t i = 0; i < rounds; ++i) {
    add_tile_row(x, w, sums);
    asm volatile("" : : "r"(sums), "r"(x) : "memory");
  }
  return rounds * 16 * 64;
}

}  // namespace financellm::FLM_ISA

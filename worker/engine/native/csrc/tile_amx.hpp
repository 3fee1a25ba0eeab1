// AMX-int8: four sum tiles of 16 x 16 from two activation and two weight tiles. While the tile unit works, the vector
// unit drains the epilogue of the tile before. FLM_AMX_EMULATED replaces the instructions by plain C++ for the tests.
#pragma once

#include "kernels.hpp"
#include "vec16.hpp"

namespace financellm::FLM_ISA {

inline constexpr bool kUnsignedActivations = false;
inline constexpr int kPrefetchBytes = 2048;

#if defined(FLM_AMX_EMULATED)

struct EmulatedTile {
  alignas(64) int8_t bytes[kTileRows][kTileDepth];
};
inline thread_local EmulatedTile emulated_tiles[8];

template <int T>
inline void tile_zero() {
  std::memset(&emulated_tiles[T], 0, sizeof(EmulatedTile));
}
template <int T>
inline void tile_load(const void* from, int stride) {
  for (int r = 0; r < kTileRows; ++r)
    std::memcpy(emulated_tiles[T].bytes[r], static_cast<const char*>(from) + r * stride, kTileDepth);
}
template <int T>
inline void tile_store(void* to, int stride) {
  for (int r = 0; r < kTileRows; ++r)
    std::memcpy(static_cast<char*>(to) + r * stride, emulated_tiles[T].bytes[r], kTileDepth);
}
// TDPBSSD of the Intel Architecture Instruction Set Extensions reference.
template <int C, int A, int B>
inline void tile_multiply() {
  for (int m = 0; m < 16; ++m)
    for (int n = 0; n < 16; ++n) {
      int32_t sum;
      std::memcpy(&sum, &emulated_tiles[C].bytes[m][n * 4], 4);
      for (int k = 0; k < 16; ++k)
        for (int i = 0; i < 4; ++i)
          sum += static_cast<int32_t>(emulated_tiles[A].bytes[m][k * 4 + i]) * emulated_tiles[B].bytes[k][n * 4 + i];
      std::memcpy(&emulated_tiles[C].bytes[m][n * 4], &sum, 4);
    }
}
#define FLM_TILE_ZERO(t) tile_zero<t>()
#define FLM_TILE_LOAD(t, from, stride) tile_load<t>(from, stride)
#define FLM_TILE_STORE(t, to, stride) tile_store<t>(to, stride)
#define FLM_TILE_MULTIPLY(c, a, b) tile_multiply<c, a, b>()

inline void prefetch(const int8_t*) {}
inline void start_tiles() {}
inline void stop_tiles() {}

#else

// Macros, because the compilers' intrinsics paste the tile number into the instruction.
#define FLM_TILE_ZERO(t) _tile_zero(t)
#define FLM_TILE_LOAD(t, from, stride) _tile_loadd(t, from, stride)
#define FLM_TILE_STORE(t, to, stride) _tile_stored(t, to, stride)
#define FLM_TILE_MULTIPLY(c, a, b) _tile_dpbssd(c, a, b)

FLM_INLINE void prefetch(const int8_t* at) { _mm_prefetch(reinterpret_cast<const char*>(at), _MM_HINT_T0); }

struct alignas(64) TileConfig {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

inline void start_tiles() {
  static const TileConfig config;
  _tile_loadconfig(&config);
}
inline void stop_tiles() { _tile_release(); }

#endif

template <bool BOTH, class Drain>
FLM_INLINE void product_rows(const int8_t* a, int depth_tiles, const int8_t* panel, int32_t* c, bool stream,
                             Drain& drain) {
  const int8_t* a_next = a + static_cast<int64_t>(depth_tiles) * kTileBytes;
  const int drained_rows = (32 + depth_tiles - 1) / depth_tiles;
  FLM_TILE_ZERO(0);
  FLM_TILE_ZERO(1);
  if constexpr (BOTH) {
    FLM_TILE_ZERO(2);
    FLM_TILE_ZERO(3);
  }
  for (int tile = 0; tile < depth_tiles; ++tile, a += kTileBytes, a_next += kTileBytes, panel += 2 * kTileBytes) {
    if (stream)
      for (int line = 0; line < 2 * kTileBytes; line += 64) prefetch(panel + kPrefetchBytes + line);
    FLM_TILE_LOAD(4, a, kTileDepth);
    FLM_TILE_LOAD(6, panel, kTileDepth);
    if constexpr (BOTH) FLM_TILE_LOAD(5, a_next, kTileDepth);
    FLM_TILE_LOAD(7, panel + kTileBytes, kTileDepth);
    FLM_TILE_MULTIPLY(0, 4, 6);
    FLM_TILE_MULTIPLY(1, 4, 7);
    if constexpr (BOTH) {
      FLM_TILE_MULTIPLY(2, 5, 6);
      FLM_TILE_MULTIPLY(3, 5, 7);
    }
    for (int i = 0; i < drained_rows && !drain.empty(); ++i) drain.drain_row();
  }
  constexpr int kStride = kPanelColumns * 4;
  FLM_TILE_STORE(0, c, kStride);
  FLM_TILE_STORE(1, c + 16, kStride);
  if constexpr (BOTH) {
    FLM_TILE_STORE(2, c + 16 * kPanelColumns, kStride);
    FLM_TILE_STORE(3, c + 16 * kPanelColumns + 16, kStride);
  }
}

template <class Drain>
inline void product_tile(const int8_t* a, int rows, int depth_tiles, const int8_t* panel, const int32_t*, int32_t* c,
                         bool first_use, Drain& drain) {
  if (rows > kTileRows)
    product_rows<true>(a, depth_tiles, panel, c, first_use, drain);
  else
    product_rows<false>(a, depth_tiles, panel, c, first_use, drain);
}

// Four tile products a round.
inline int64_t multiply_registers(int64_t rounds) {
  FLM_TILE_ZERO(0);
  FLM_TILE_ZERO(1);
  FLM_TILE_ZERO(2);
  FLM_TILE_ZERO(3);
  FLM_TILE_ZERO(4);
  FLM_TILE_ZERO(5);
  FLM_TILE_ZERO(6);
  FLM_TILE_ZERO(7);
  for (int64_t i = 0; i < rounds; ++i) {
    FLM_TILE_MULTIPLY(0, 4, 6);
    FLM_TILE_MULTIPLY(1, 4, 7);
    FLM_TILE_MULTIPLY(2, 5, 6);
    FLM_TILE_MULTIPLY(3, 5, 7);
  }
  return rounds * 4 * 16 * 16 * 64;
}

}  // namespace financellm::FLM_ISA

// AVX512-VNNI: unsigned activations (value + 128) times signed weights; sums start at -128 * column sum.
#pragma once

#include "kernels.hpp"
#include "vec16.hpp"

namespace financellm::FLM_ISA {

inline constexpr bool kUnsignedActivations = true;

// What a product fetches ahead of itself. Few rows run at the speed of memory: what comes next is fetched to the second level
// cache, and from there to the first. More rows run at the speed of the multiplier, which must not wait while a panel is read
// for its first rows: a part of the next panel goes to the second level cache with each pass over this one.
enum class Ahead { kNothing, kNear, kFar, kHalfPanel, kThreeEighths, kQuarterPanel };

inline constexpr int kNearBytes = 1024, kFarBytes = 8192;
inline constexpr int kRowsAtMemorySpeed = 4;
inline constexpr int kRowsAtOnce = 8;

FLM_INLINE void prefetch_near(const int8_t* from) { _mm_prefetch(reinterpret_cast<const char*>(from), _MM_HINT_T0); }
FLM_INLINE void prefetch_far(const int8_t* from) { _mm_prefetch(reinterpret_cast<const char*>(from), _MM_HINT_T1); }

// Called for each quad of a tile, which has two cache lines: those of `panel`, and the next of `next`.
template <Ahead AHEAD>
FLM_INLINE void fetch_ahead(const int8_t* panel, const int8_t* next, int quad) {
  if (AHEAD == Ahead::kNear) {
    prefetch_near(panel + kNearBytes + quad * 64);
    prefetch_near(panel + kNearBytes + kTileBytes + quad * 64);
  }
  if (AHEAD == Ahead::kNear || AHEAD == Ahead::kFar) {
    prefetch_far(panel + kFarBytes + quad * 128);
    prefetch_far(panel + kFarBytes + quad * 128 + 64);
  }
  if (AHEAD == Ahead::kHalfPanel) prefetch_far(next + quad * 64);
  if (AHEAD == Ahead::kThreeEighths && quad % 4 != 3) prefetch_far(next + (quad - quad / 4) * 64);
  if (AHEAD == Ahead::kQuarterPanel && quad % 2 == 0) prefetch_far(next + quad * 32);
}

// Bytes of the next panel that are fetched with a tile of this one.
constexpr int next_tile_bytes(Ahead ahead) {
  if (ahead == Ahead::kHalfPanel) return kTileBytes;
  if (ahead == Ahead::kThreeEighths) return kTileBytes * 3 / 4;
  return ahead == Ahead::kQuarterPanel ? kTileBytes / 2 : 0;
}

// A function of its own: inlined into each epilogue it ran out of registers and took 5% longer for one row.
template <int ROWS, Ahead AHEAD>
[[gnu::noinline]] void product_rows(const int8_t* a, int depth_tiles, const int8_t* panel, const int32_t* offsets,
                                    int32_t* c, const int8_t* next) {
  constexpr int kChains = ROWS <= 2 ? 2 : 1;  // enough independent sums to hide the latency
  __m512i sum[kChains][ROWS][2];
#pragma GCC unroll 2
  for (int chain = 0; chain < kChains; ++chain)
#pragma GCC unroll 8
    for (int r = 0; r < ROWS; ++r)
#pragma GCC unroll 2
      for (int h = 0; h < 2; ++h)
        sum[chain][r][h] = chain == 0 ? _mm512_loadu_si512(offsets + h * 16) : _mm512_setzero_si512();
  for (int tile = 0; tile < depth_tiles; ++tile, a += kTileBytes, panel += 2 * kTileBytes, next += next_tile_bytes(AHEAD)) {
    for (int first = 0; first < 16; first += kChains)
#pragma GCC unroll 2
      for (int chain = 0; chain < kChains; ++chain) {
        const int quad = first + chain;
        fetch_ahead<AHEAD>(panel, next, quad);
        const __m512i w0 = _mm512_load_si512(panel + quad * 64), w1 = _mm512_load_si512(panel + kTileBytes + quad * 64);
#pragma GCC unroll 8
        for (int r = 0; r < ROWS; ++r) {
          int32_t four;
          std::memcpy(&four, a + r * kTileDepth + quad * 4, 4);
          const __m512i x = _mm512_set1_epi32(four);
          sum[chain][r][0] = _mm512_dpbusd_epi32(sum[chain][r][0], x, w0);
          sum[chain][r][1] = _mm512_dpbusd_epi32(sum[chain][r][1], x, w1);
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

template <Ahead AHEAD>
FLM_INLINE void product_up_to_eight(const int8_t* a, int rows, int tiles, const int8_t* panel, const int32_t* offsets,
                                    int32_t* c, const int8_t* next) {
  switch (rows) {
    case 1: return product_rows<1, AHEAD>(a, tiles, panel, offsets, c, next);
    case 2: return product_rows<2, AHEAD>(a, tiles, panel, offsets, c, next);
    case 3: return product_rows<3, AHEAD>(a, tiles, panel, offsets, c, next);
    case 4: return product_rows<4, AHEAD>(a, tiles, panel, offsets, c, next);
    case 5: return product_rows<5, AHEAD>(a, tiles, panel, offsets, c, next);
    case 6: return product_rows<6, AHEAD>(a, tiles, panel, offsets, c, next);
    case 7: return product_rows<7, AHEAD>(a, tiles, panel, offsets, c, next);
    default: return product_rows<8, AHEAD>(a, tiles, panel, offsets, c, next);
  }
}

template <Ahead AHEAD>
FLM_INLINE void product_passes(const int8_t* a, int rows, int tiles, const int8_t* panel, const int32_t* offsets,
                               int32_t* c, const int8_t* next) {
  for (int r = 0; r < rows; r += kRowsAtOnce) {
    const int8_t* from = a + (r / kTileRows) * tiles * kTileBytes + (r % kTileRows) * kTileDepth;
    product_up_to_eight<AHEAD>(from, rows - r, tiles, panel, offsets, c + r * kPanelColumns, next);
    next += tiles * next_tile_bytes(AHEAD);
  }
}

template <class Drain>
inline void product_tile(const int8_t* a, int rows, int depth_tiles, const int8_t* panel, const int32_t* offsets,
                         int32_t* c, bool first_use, Drain&) {
  const int8_t* next = panel + int64_t{2} * depth_tiles * kTileBytes;
  if (!first_use) return product_passes<Ahead::kNothing>(a, rows, depth_tiles, panel, offsets, c, next);
  if (rows <= kRowsAtMemorySpeed)
    return product_up_to_eight<Ahead::kNear>(a, rows, depth_tiles, panel, offsets, c, next);
  if (rows <= kRowsAtOnce) return product_up_to_eight<Ahead::kFar>(a, rows, depth_tiles, panel, offsets, c, next);
  if (rows <= 2 * kRowsAtOnce) return product_passes<Ahead::kHalfPanel>(a, rows, depth_tiles, panel, offsets, c, next);
  if (rows <= 3 * kRowsAtOnce) return product_passes<Ahead::kThreeEighths>(a, rows, depth_tiles, panel, offsets, c, next);
  product_passes<Ahead::kQuarterPanel>(a, rows, depth_tiles, panel, offsets, c, next);
}

// 16 rows of 16 columns and 4 depths a round.
inline int64_t multiply_registers(int64_t rounds) {
  __m512i sum[16], x = _mm512_set1_epi32(0x01020304), w = _mm512_set1_epi32(0x04030201);
  for (auto& s : sum) {
    s = _mm512_setzero_si512();
    asm volatile("" : "+v"(s));  // or the compiler sees that all sums are the same
  }
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

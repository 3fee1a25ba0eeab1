// The table of functions that differ by instruction set, and the plain data they work on.
#pragma once

#include <cstdint>

namespace financellm {

inline constexpr int kTileRows = 16;       // activation rows of one tile
inline constexpr int kTileDepth = 64;      // int8 products of one tile row
inline constexpr int kTileBytes = 1024;
inline constexpr int kPanelColumns = 32;   // output columns that two weight tiles make
inline constexpr int kKvBlockTokens = 32;  // tokens of one KV cache block
inline constexpr int kAttentionRows = 8;   // query rows that share one pass over keys and values
inline constexpr int kOutlierFactor = 12;  // an outlier is so many times as large as its row's mean magnitude

// int8 weights [columns, depth] as panels of 32 columns: [panel][depth / 64][2][16][16 columns][4].
struct Matrix {
  const int8_t* tiles = nullptr;
  const float* scales = nullptr;     // [panels * 32] one a column
  const int32_t* offsets = nullptr;  // [panels * 32] -128 * column sum, for unsigned activations
  const float* bias = nullptr;       // [panels * 32] or none
  int32_t columns = 0;               // without padding
  int32_t panels = 0;
  int32_t depth_tiles = 0;

  const int8_t* panel(int index) const { return tiles + static_cast<int64_t>(index) * depth_tiles * 2 * kTileBytes; }
};

// int8 activations [rows, depth] as tiles of 16 rows: [row / 16][depth / 64][16][64], with one scale a row.
struct Activations {
  int8_t* tiles = nullptr;
  float* scales = nullptr;
  int32_t depth_tiles = 0;

  int8_t* row(int index) const {
    return tiles + (static_cast<int64_t>(index / kTileRows) * depth_tiles * kTileBytes) +
           (index % kTileRows) * kTileDepth;
  }
};

// Values of a row that int8 steps fine enough for the others do not reach, in those steps (LLM.int8(), Dettmers et al. 2022,
// keeps whole columns apart; here each row its own). Their int8 places hold zero.
struct Outliers {
  int32_t* counts = nullptr;  // [rows]
  int32_t* depths = nullptr;  // [rows, capacity] rising
  float* steps = nullptr;     // [rows, capacity]
  int32_t capacity = 0;

  // No more of n values can be kOutlierFactor times their mean.
  static constexpr int32_t capacity_for(int32_t n) { return n / kOutlierFactor + 1; }
};

struct PanelRange {
  int first, last;          // panels
  int first_row, last_row;  // activation rows; first_row is a multiple of 32
};

// Consecutive tokens of one sequence inside a step.
struct Run {
  int32_t first_token;
  int32_t tokens;
  int32_t position;       // of the first token in its sequence
  const int32_t* blocks;  // KV block numbers of the sequence
};

struct AttentionShape {
  int32_t heads, kv_heads, head_dim;
  int32_t row_stride;  // floats between two tokens of the qkv buffer
};

// Keys of a block are [head_dim][32 tokens], values [32 tokens][head_dim], both bfloat16.
struct KvLayer {
  uint16_t* base = nullptr;
  int64_t block_stride = 0;  // elements between two blocks
  int64_t head_stride = 0;   // elements between two kv heads: 2 * 32 * head_dim

  uint16_t* keys(int block, int head) const { return base + block * block_stride + head * head_stride; }
};

struct AttentionItem {
  int32_t run, kv_head, first_row, rows;  // a row is token * (heads / kv_heads) + head of the group
};

struct HeadRows {
  float* best;            // [rows] largest logit so far
  int32_t* index;         // [rows] its column; the lowest on ties
  float* const* logits;   // [rows] where the whole row goes, or null
};

struct Kernels {
  const char* name;
  void (*thread_start)();  // before the first product of a step on a thread
  void (*thread_stop)();

  void (*embed_int8)(const Matrix& table, int32_t token, int hidden, float* out);
  void (*embed_bf16)(const uint16_t* row, int hidden, float* out);
  // RMS norm, then int8 per row; returns false where the row is not finite.
  bool (*norm_quantize)(const float* x, const float* weight, int n, float eps, float* scratch, Activations out, int row);
  void (*quantize)(const float* x, int n, Activations out, int row);
  void (*quantize_outliers)(const float* x, int n, Activations out, Outliers outliers, int row);

  void (*product_store)(Activations a, const Matrix& w, PanelRange range, float* out, int stride);
  void (*product_residual)(Activations a, const Matrix& w, PanelRange range, float* x, int stride);
  void (*product_residual_outliers)(Activations a, Outliers outliers, const Matrix& w, PanelRange range, float* x, int stride);
  // Panels hold 16 gate and 16 up columns; out gets silu(gate) * up.
  void (*product_silu)(Activations a, const Matrix& w, PanelRange range, float* out, int stride);
  void (*product_head)(Activations a, const Matrix& w, PanelRange range, HeadRows rows);

  // Rotates queries in place (scaled by log2(e) / sqrt(head_dim)) and writes keys and values to the cache.
  void (*rope_store)(float* qkv, const Run& run, int token, const float* cos, const float* sin, AttentionShape shape,
                     KvLayer kv);
  void (*attend)(const float* qkv, const Run& run, AttentionItem item, AttentionShape shape, KvLayer kv, float* scores,
                 int scores_stride, float* out, int out_stride);

  // Returns the sum of exp((x[i] - shift) * factor) in a fixed order, and writes its terms to `out` unless that is null.
  double (*exp_shifted)(const float* x, int n, float shift, float factor, float* out);

  // Ceilings for the benches: reads memory once; runs products on registers alone and returns how many.
  int32_t (*read_memory)(const int32_t* from, int64_t count);
  int64_t (*multiply_registers)(int64_t rounds);
};

enum class Isa { kPortable, kAvx2, kAvxVnni, kAvx512, kAmx };

const Kernels& kernels_portable();
#if defined(FLM_X86)
const Kernels& kernels_avx2();
const Kernels& kernels_avx_vnni();
const Kernels& kernels_avx512();
const Kernels& kernels_amx();
#endif

}  // namespace financellm

// Norm, quantisation, rotary positions and the exponential of the sampler, per instruction set.
#pragma once

#include "kernels.hpp"
#include "vec16.hpp"

namespace financellm::FLM_ISA {

inline constexpr int8_t kFlip = kUnsignedActivations ? int8_t(-128) : int8_t(0);

FLM_INLINE float largest(const float* x, int n) {
  V16 m = zero();
  for (int i = 0; i < n; i += 16) m = max(m, abs(load(x + i)));
  return reduce_max(m);
}

inline void quantize(const float* x, int n, Activations out, int row) {
  const float top = largest(x, n);
  const V16 factor = set1(top > 0 ? 127.0f / top : 0.0f);
  int8_t* to = out.row(row);
  out.scales[row] = top / 127.0f;
  for (int i = 0; i < n; i += 16) store_int8(to + (i / kTileDepth) * kTileBytes + i % kTileDepth, load(x + i) * factor, kFlip);
}

// Moves the lanes above `threshold` from `lanes` to the outliers of a row, as steps.
inline void take_outliers(float* lanes, int first_depth, float threshold, float factor, Outliers to, int row) {
  const int64_t start = static_cast<int64_t>(row) * to.capacity;
  int32_t& count = to.counts[row];
  for (int lane = 0; lane < 16; ++lane) {
    if (!(__builtin_fabsf(lanes[lane]) > threshold) || count == to.capacity) continue;
    to.depths[start + count] = first_depth + lane;
    to.steps[start + count] = lanes[lane] * factor;
    lanes[lane] = 0;
    ++count;
  }
}

// A row whose values are all below this is taken for zero: the steps of its outliers could overflow.
inline constexpr float kLeastLimit = 1e-30f;

inline void quantize_outliers(const float* x, int n, Activations out, Outliers outliers, int row) {
  V16 most = zero(), sum = zero();
  for (int i = 0; i < n; i += 16) {
    const V16 magnitude = abs(load(x + i));
    most = max(most, magnitude);
    sum = sum + magnitude;
  }
  const float top = reduce_max(most), threshold = kOutlierFactor * reduce_add(sum) / static_cast<float>(n);
  const float limit = top < threshold ? top : threshold;  // not a number where any value is not
  const float factor = limit > kLeastLimit ? 127.0f / limit : 0.0f;
  int8_t* to = out.row(row);
  out.scales[row] = limit / 127.0f;
  outliers.counts[row] = 0;
  for (int i = 0; i < n; i += 16) {
    V16 v = load(x + i);
    if (any_greater(abs(v), set1(threshold))) {
      float lanes[16];
      store(lanes, v);
      take_outliers(lanes, i, threshold, factor, outliers, row);
      v = load(lanes);
    }
    store_int8(to + (i / kTileDepth) * kTileBytes + i % kTileDepth, v * set1(factor), kFlip);
  }
}

inline bool norm_quantize(const float* x, const float* weight, int n, float eps, float* scratch, Activations out, int row) {
  V16 squares = zero();
  for (int i = 0; i < n; i += 16) {
    const V16 v = load(x + i);
    squares = fmadd(v, v, squares);
  }
  const float sum = reduce_add(squares);
  const V16 factor = set1(1.0f / __builtin_sqrtf(sum / static_cast<float>(n) + eps));
  for (int i = 0; i < n; i += 16) store(scratch + i, load(x + i) * factor * load(weight + i));
  quantize(scratch, n, out, row);
  return sum - sum == 0.0f;
}

inline void embed_bf16(const uint16_t* row, int hidden, float* out) {
  for (int i = 0; i < hidden; i += 16) store(out + i, load_bf16(row + i));
}

inline void embed_int8(const Matrix& table, int32_t token, int hidden, float* out) {
  const int8_t* column = table.panel(token / kPanelColumns) + (token % kPanelColumns / 16) * kTileBytes + token % 16 * 4;
  const float scale = table.scales[token];
  for (int d = 0; d < hidden; d += 4) {
    const int8_t* four = column + d / kTileDepth * 2 * kTileBytes + d % kTileDepth / 4 * 64;
    for (int i = 0; i < 4; ++i) out[d + i] = scale * static_cast<float>(four[i]);
  }
}

// Rotary position embedding in the half-split form of GPT-NeoX that Qwen2 uses.
FLM_INLINE void rotate(const float* from, float* to, const float* cos, const float* sin, int half, V16 scale) {
  for (int i = 0; i < half; i += 16) {
    const V16 a = load(from + i), b = load(from + half + i), c = load(cos + i), s = load(sin + i);
    store(to + i, (a * c - b * s) * scale);
    store(to + half + i, (a * s + b * c) * scale);
  }
}

inline void rope_store(float* qkv, const Run& run, int token, const float* cos, const float* sin, AttentionShape shape,
                       KvLayer kv) {
  const int dim = shape.head_dim, half = dim / 2;
  const int position = run.position + token;
  cos += static_cast<int64_t>(position) * half;
  sin += static_cast<int64_t>(position) * half;
  float* row = qkv + static_cast<int64_t>(run.first_token + token) * shape.row_stride;
  const V16 scale = set1(1.4426950408889634f / __builtin_sqrtf(static_cast<float>(dim)));
  for (int head = 0; head < shape.heads; ++head) rotate(row + head * dim, row + head * dim, cos, sin, half, scale);

  const int block = run.blocks[position / kKvBlockTokens], slot = position % kKvBlockTokens;
  float* keys = row + shape.heads * dim;
  const float* values = keys + shape.kv_heads * dim;
  for (int head = 0; head < shape.kv_heads; ++head) {
    uint16_t* to = kv.keys(block, head);
    rotate(keys + head * dim, keys + head * dim, cos, sin, half, set1(1.0f));
    for (int i = 0; i < dim; i += 16) {
      uint16_t rounded[16];
      store_bf16(rounded, load(keys + head * dim + i));
      for (int j = 0; j < 16; ++j) to[(i + j) * kKvBlockTokens + slot] = rounded[j];
      store_bf16(to + kKvBlockTokens * dim + slot * dim + i, load(values + head * dim + i));
    }
  }
}

// Vectors of exponentials that are added as floats before they join the sum.
inline constexpr int kVectorsOfPart = 64;

inline double exp_shifted(const float* x, int n, float shift, float factor, float* out) {
  const V16 minus = set1(shift), times = set1(factor * 1.4426950408889634f);
  double total = 0;
  V16 part = zero();
  for (int i = 0; i < n; i += 16) {
    const int count = n - i < 16 ? n - i : 16;
    float lanes[16] = {};
    if (count < 16) std::memcpy(lanes, x + i, sizeof(float) * count);
    const V16 e = exp2((load(count < 16 ? lanes : x + i) - minus) * times);
    part = part + first_lanes(count, e, zero());
    if (out && count == 16) store(out + i, e);
    if (out && count < 16) {
      store(lanes, e);
      std::memcpy(out + i, lanes, sizeof(float) * count);
    }
    if (i / 16 % kVectorsOfPart == kVectorsOfPart - 1 || count < 16 || i + 16 == n) {
      total += reduce_add(part);
      part = zero();
    }
  }
  return total;
}

}  // namespace financellm::FLM_ISA

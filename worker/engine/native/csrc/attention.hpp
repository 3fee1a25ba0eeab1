// Causal attention of up to eight query rows over the KV blocks of their sequence.
// Every row is computed on its own and in block order, so the grouping of rows never changes a bit.
#pragma once

#include "kernels.hpp"
#include "vec16.hpp"

namespace financellm::FLM_ISA {

// Fetches the block's values, which follow its keys, and the keys of the next block meanwhile.
template <int ROWS>
FLM_INLINE void score_block(const float* const* q, const uint16_t* keys, const uint16_t* next, int dim, float* scores,
                            int stride) {
  V16 sum[ROWS][2];
#pragma GCC unroll 8
  for (int r = 0; r < ROWS; ++r) sum[r][0] = sum[r][1] = zero();
  for (int d = 0; d < dim; ++d) {
    __builtin_prefetch(next + d * kKvBlockTokens);
    __builtin_prefetch(keys + (dim + d) * kKvBlockTokens);
    const V16 k0 = load_bf16(keys + d * kKvBlockTokens), k1 = load_bf16(keys + d * kKvBlockTokens + 16);
#pragma GCC unroll 8
    for (int r = 0; r < ROWS; ++r) {
      const V16 x = set1(q[r][d]);
      sum[r][0] = fmadd(x, k0, sum[r][0]);
      sum[r][1] = fmadd(x, k1, sum[r][1]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < ROWS; ++r) {
    store(scores + r * stride, sum[r][0]);
    store(scores + r * stride + 16, sum[r][1]);
  }
}

// Replaces scores by exp2(score - max), zero from `length` to `padded`; returns 1 / sum.
FLM_INLINE float softmax(float* scores, int length, int padded) {
  const V16 lowest = set1(-3.0e38f);
  V16 top = lowest;
  for (int j = 0; j < length; j += 16) top = max(top, first_lanes(length - j, load(scores + j), lowest));
  top = set1(reduce_max(top));
  V16 sum = zero();
  for (int j = 0; j < length; j += 16) {
    const V16 e = first_lanes(length - j, exp2(load(scores + j) - top), zero());
    sum = sum + e;
    store(scores + j, e);
  }
  for (int j = (length + 15) / 16 * 16; j < padded; j += 16) store(scores + j, zero());
  return 1.0f / reduce_add(sum);
}

template <int ROWS>
void attend_rows(const float* qkv, const Run& run, AttentionItem item, AttentionShape shape, KvLayer kv, float* scores,
                 int stride, float* out, int out_stride) {
  const int group = shape.heads / shape.kv_heads, dim = shape.head_dim;
  const float* q[ROWS];
  float* to[ROWS];
  int length[ROWS];
  for (int r = 0; r < ROWS; ++r) {
    const int token = (item.first_row + r) / group, head = item.kv_head * group + (item.first_row + r) % group;
    q[r] = qkv + static_cast<int64_t>(run.first_token + token) * shape.row_stride + head * dim;
    to[r] = out + static_cast<int64_t>(run.first_token + token) * out_stride + head * dim;
    length[r] = run.position + token + 1;
  }
  const int longest = length[ROWS - 1];
  const int blocks = (longest + kKvBlockTokens - 1) / kKvBlockTokens;
  const auto keys = [&](int b) FLM_INLINE_LAMBDA { return kv.keys(run.blocks[b], item.kv_head); };
  for (int b = 0; b < blocks; ++b)
    score_block<ROWS>(q, keys(b), keys(b + 1 < blocks ? b + 1 : b), dim, scores + b * kKvBlockTokens, stride);
  float inverse[ROWS];
  for (int r = 0; r < ROWS; ++r) inverse[r] = softmax(scores + r * stride, length[r], blocks * kKvBlockTokens);

  for (int d = 0; d < dim; d += 32) {
    V16 sum[ROWS][2];
#pragma GCC unroll 8
    for (int r = 0; r < ROWS; ++r) sum[r][0] = sum[r][1] = zero();
    for (int b = 0; b < blocks; ++b) {
      const uint16_t* values = kv.keys(run.blocks[b], item.kv_head) + kKvBlockTokens * dim + d;
      const int tokens = longest - b * kKvBlockTokens < kKvBlockTokens ? longest - b * kKvBlockTokens : kKvBlockTokens;
      const float* p = scores + b * kKvBlockTokens;
      for (int t = 0; t < tokens; ++t) {
        const V16 v0 = load_bf16(values + t * dim), v1 = load_bf16(values + t * dim + 16);
#pragma GCC unroll 8
        for (int r = 0; r < ROWS; ++r) {
          const V16 x = set1(p[r * stride + t]);
          sum[r][0] = fmadd(x, v0, sum[r][0]);
          sum[r][1] = fmadd(x, v1, sum[r][1]);
        }
      }
    }
#pragma GCC unroll 8
    for (int r = 0; r < ROWS; ++r) {
      store(to[r] + d, sum[r][0] * set1(inverse[r]));
      store(to[r] + d + 16, sum[r][1] * set1(inverse[r]));
    }
  }
}

inline void attend(const float* qkv, const Run& run, AttentionItem item, AttentionShape shape, KvLayer kv, float* scores,
                   int stride, float* out, int out_stride) {
  switch (item.rows) {
    case 1: return attend_rows<1>(qkv, run, item, shape, kv, scores, stride, out, out_stride);
    case 2: return attend_rows<2>(qkv, run, item, shape, kv, scores, stride, out, out_stride);
    case 3: return attend_rows<3>(qkv, run, item, shape, kv, scores, stride, out, out_stride);
    case 4: return attend_rows<4>(qkv, run, item, shape, kv, scores, stride, out, out_stride);
    case 5: return attend_rows<5>(qkv, run, item, shape, kv, scores, stride, out, out_stride);
    case 6: return attend_rows<6>(qkv, run, item, shape, kv, scores, stride, out, out_stride);
    case 7: return attend_rows<7>(qkv, run, item, shape, kv, scores, stride, out, out_stride);
    default: return attend_rows<8>(qkv, run, item, shape, kv, scores, stride, out, out_stride);
  }
}

}  // namespace financellm::FLM_ISA

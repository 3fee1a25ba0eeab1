// Matrix products over packed panels. The integer kernel of the instruction set makes 32 columns of up to 32 rows at
// a time; the epilogue of one tile is drained a row at a time inside the next tile's inner loop where that pays (AMX).
#pragma once

#include "kernels.hpp"
#include "vec16.hpp"

namespace financellm::FLM_ISA {

// Rows of a product tile whose integers wait for their epilogue.
template <class Epilogue>
struct Pending {
  const Epilogue& epilogue;
  const int32_t* sums = nullptr;
  int row = 0, next = 0, count = 0, panel = 0;

  FLM_INLINE void drain_row() {
    epilogue(sums + next * kPanelColumns, row + next, panel);
    ++next;
  }
  FLM_INLINE bool empty() const { return next >= count; }
};

// Bytes of activations that one pass over the weights keeps in the second level cache.
inline constexpr int64_t kActivationBlockBytes = 768 * 1024;

template <class Epilogue>
void product(Activations a, const Matrix& w, PanelRange range, const Epilogue& epilogue) {
  alignas(64) int32_t sums[2][32 * kPanelColumns];
  Pending<Epilogue> pending{epilogue};
  int current = 0;
  const int64_t depth = static_cast<int64_t>(w.depth_tiles) * kTileDepth;
  int block = static_cast<int>(kActivationBlockBytes / depth) / 32 * 32;
  if (block < 32) block = 32;
  for (int start = range.first_row; start < range.last_row; start += block) {
    const int end = start + block < range.last_row ? start + block : range.last_row;
    for (int panel = range.first; panel < range.last; ++panel) {
      for (int row = start; row < end; row += 32) {
        const int rows = end - row < 32 ? end - row : 32;
        int32_t* c = sums[current];
        product_tile(a.row(row), rows, w.depth_tiles, w.panel(panel), w.offsets + panel * kPanelColumns, c, row == start,
                     pending);
        while (!pending.empty()) pending.drain_row();
        pending.sums = c;
        pending.row = row;
        pending.next = 0;
        pending.count = rows;
        pending.panel = panel;
        current ^= 1;
      }
    }
  }
  while (!pending.empty()) pending.drain_row();
}

inline void product_store(Activations a, const Matrix& w, PanelRange range, float* out, int stride) {
  product(a, w, range, [=](const int32_t* sums, int row, int panel) FLM_INLINE_LAMBDA {
    const int column = panel * kPanelColumns;
    float* to = out + static_cast<int64_t>(row) * stride + column;
    const V16 scale = set1(a.scales[row]);
    for (int j = 0; j < kPanelColumns; j += 16) {
      const V16 bias = w.bias ? load(w.bias + column + j) : zero();
      store(to + j, fmadd(load(sums + j), scale * load(w.scales + column + j), bias));
    }
  });
}

FLM_INLINE void add_scaled(float* to, V16 sum, V16 row_scale, const Matrix& w, int column) {
  V16 old = load(to);
  if (w.bias) old = old + load(w.bias + column);
  store(to, fmadd(sum, row_scale * load(w.scales + column), old));
}

inline void product_residual(Activations a, const Matrix& w, PanelRange range, float* x, int stride) {
  product(a, w, range, [=](const int32_t* sums, int row, int panel) FLM_INLINE_LAMBDA {
    const int column = panel * kPanelColumns;
    float* to = x + static_cast<int64_t>(row) * stride + column;
    for (int j = 0; j < kPanelColumns; j += 16) add_scaled(to + j, load(sums + j), set1(a.scales[row]), w, column + j);
  });
}

inline void product_residual_outliers(Activations a, Outliers outliers, const Matrix& w, PanelRange range, float* x, int stride) {
  product(a, w, range, [=](const int32_t* sums, int row, int panel) FLM_INLINE_LAMBDA {
    V16 sum0 = load(sums), sum1 = load(sums + 16);
    const int64_t first = static_cast<int64_t>(row) * outliers.capacity;
    for (int64_t i = first; i < first + outliers.counts[row]; ++i) {
      const int depth = outliers.depths[i];
      const int8_t* four = w.panel(panel) + depth / kTileDepth * 2 * kTileBytes + depth % kTileDepth / 4 * 64;
      const V16 steps = set1(outliers.steps[i]);
      sum0 = fmadd(steps, load_int8_of_four(four, depth % 4), sum0);
      sum1 = fmadd(steps, load_int8_of_four(four + kTileBytes, depth % 4), sum1);
    }
    const int column = panel * kPanelColumns;
    float* to = x + static_cast<int64_t>(row) * stride + column;
    add_scaled(to, sum0, set1(a.scales[row]), w, column);
    add_scaled(to + 16, sum1, set1(a.scales[row]), w, column + 16);
  });
}

inline void product_silu(Activations a, const Matrix& w, PanelRange range, float* out, int stride) {
  product(a, w, range, [=](const int32_t* sums, int row, int panel) FLM_INLINE_LAMBDA {
    const float* scales = w.scales + panel * kPanelColumns;
    const V16 scale = set1(a.scales[row]);
    const V16 gate = load(sums) * (scale * load(scales)), up = load(sums + 16) * (scale * load(scales + 16));
    const V16 e = exp2(gate * set1(-1.4426950408889634f));
    store(out + static_cast<int64_t>(row) * stride + panel * 16, gate * up / (e + set1(1.0f)));
  });
}

inline void product_head(Activations a, const Matrix& w, PanelRange range, HeadRows rows) {
  product(a, w, range, [=](const int32_t* sums, int row, int panel) FLM_INLINE_LAMBDA {
    const int column = panel * kPanelColumns;
    const V16 scale = set1(a.scales[row]);
    const V16 y0 = load(sums) * (scale * load(w.scales + column));
    const V16 y1 = load(sums + 16) * (scale * load(w.scales + column + 16));
    const int valid = w.columns - column < kPanelColumns ? w.columns - column : kPanelColumns;
    if (valid == kPanelColumns && !rows.logits[row] && !any_greater(max(y0, y1), set1(rows.best[row]))) return;
    float y[kPanelColumns];
    store(y, y0);
    store(y + 16, y1);
    if (float* to = rows.logits[row]) std::memcpy(to + column, y, sizeof(float) * valid);
    for (int j = 0; j < valid; ++j)
      if (y[j] > rows.best[row]) {
        rows.best[row] = y[j];
        rows.index[row] = column + j;
      }
  });
}

}  // namespace financellm::FLM_ISA

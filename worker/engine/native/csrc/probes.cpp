#include "probes.hpp"

#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <stdexcept>
#include <vector>

#include "cpu.hpp"
#include "sampler.hpp"
#include "thread_pool.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace financellm {
namespace {

using Matrix2 = nb::ndarray<const float, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Vector = nb::ndarray<const float, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Bytes = nb::ndarray<const int8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Ints = nb::ndarray<const int32_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

template <class T>
nb::ndarray<nb::numpy, T, nb::ndim<2>> to_numpy(std::vector<T>&& values, size_t rows, size_t columns) {
  auto* kept = new std::vector<T>(std::move(values));
  nb::capsule owner(kept, [](void* p) noexcept { delete static_cast<std::vector<T>*>(p); });
  return {kept->data(), {rows, columns}, owner};
}

struct Aligned {
  explicit Aligned(size_t bytes) : data(std::aligned_alloc(4096, (bytes + 8191) / 4096 * 4096), std::free) {
    std::memset(data.get(), 0, (bytes + 8191) / 4096 * 4096);
  }
  template <class T>
  T* as() const {
    return static_cast<T*>(data.get());
  }
  std::unique_ptr<void, void (*)(void*)> data;
};

int pad(int n, int unit) { return (n + unit - 1) / unit * unit; }

// Activation buffer of `rows` int8 rows.
struct Buffer {
  Buffer(int rows, int depth) : depth_tiles(pad(depth, kTileDepth) / kTileDepth), tiles(size_t(pad(rows, 32)) * depth_tiles * kTileDepth), scales(pad(rows, 32) * 4) {}
  Activations view() const { return {tiles.as<int8_t>(), scales.as<float>(), depth_tiles}; }
  int depth_tiles;
  Aligned tiles, scales;
};

// Signed values of one quantised row, whatever sign form the instruction set keeps.
void read_row(const Kernels& kernels, Activations a, int row, int n, int8_t* to) {
  Buffer probe(1, kTileDepth);
  std::vector<float> zeros(kTileDepth);
  kernels.quantize(zeros.data(), kTileDepth, probe.view(), 0);
  const int8_t zero = *probe.view().row(0);
  for (int i = 0; i < n; ++i) to[i] = a.row(row)[i / kTileDepth * kTileBytes + i % kTileDepth] ^ zero;
}

// Room for the outliers of `rows` rows.
struct OutlierBuffer {
  OutlierBuffer(int rows, int depth)
      : capacity(Outliers::capacity_for(depth)), counts(rows), depths(size_t(rows) * capacity), steps(depths.size()) {}
  Outliers view() { return {counts.data(), depths.data(), steps.data(), capacity}; }
  int capacity;
  std::vector<int32_t> counts, depths;
  std::vector<float> steps;
};

// (int8 rows, scales, finite); `mode` is "int8" or "norm" (weight and epsilon used).
auto quantize(const std::string& isa, const std::string& mode, Matrix2 x, Vector weight, float epsilon) {
  const Kernels& k = kernels_for(isa);
  const int rows = static_cast<int>(x.shape(0)), n = static_cast<int>(x.shape(1));
  Buffer buffer(rows, n);
  std::vector<float> scratch(n);
  bool finite = true;
  for (int r = 0; r < rows; ++r) {
    const float* from = x.data() + int64_t{r} * n;
    if (mode == "norm")
      finite &= k.norm_quantize(from, weight.data(), n, epsilon, scratch.data(), buffer.view(), r);
    else
      k.quantize(from, n, buffer.view(), r);
  }
  std::vector<int8_t> values(size_t(rows) * n);
  for (int r = 0; r < rows; ++r) read_row(k, buffer.view(), r, n, values.data() + size_t(r) * n);
  std::vector<float> scales(buffer.view().scales, buffer.view().scales + rows);
  return nb::make_tuple(to_numpy(std::move(values), rows, n), scales, finite);
}

// (int8 rows, scales, outliers in steps as float [rows, depth], zero elsewhere).
auto quantize_outliers(const std::string& isa, Matrix2 x) {
  const Kernels& k = kernels_for(isa);
  const int rows = static_cast<int>(x.shape(0)), n = static_cast<int>(x.shape(1));
  Buffer buffer(rows, n);
  OutlierBuffer outliers(rows, n);
  std::vector<int8_t> values(size_t(rows) * n);
  std::vector<float> steps(size_t(rows) * n);
  for (int r = 0; r < rows; ++r) {
    k.quantize_outliers(x.data() + int64_t{r} * n, n, buffer.view(), outliers.view(), r);
    read_row(k, buffer.view(), r, n, values.data() + size_t(r) * n);
    const size_t first = size_t(r) * outliers.capacity;
    for (int i = 0; i < outliers.counts[r]; ++i) steps[size_t(r) * n + outliers.depths[first + i]] = outliers.steps[first + i];
  }
  std::vector<float> scales(buffer.view().scales, buffer.view().scales + rows);
  return nb::make_tuple(to_numpy(std::move(values), rows, n), scales, to_numpy(std::move(steps), rows, n));
}

// One product with its epilogue: "store", "residual", "residual_outliers", "silu" or "head" (best column and value).
auto product(const std::string& isa, const std::string& kind, Matrix2 x, Bytes tiles, Vector scales, Ints offsets,
             std::optional<Vector> bias, int columns, Matrix2 start) {
  const Kernels& k = kernels_for(isa);
  const int rows = static_cast<int>(x.shape(0)), depth = static_cast<int>(x.shape(1));
  Buffer buffer(rows, depth);
  OutlierBuffer outliers(rows, depth);
  for (int r = 0; r < rows; ++r) {
    const float* from = x.data() + int64_t{r} * depth;
    if (kind == "residual_outliers")
      k.quantize_outliers(from, depth, buffer.view(), outliers.view(), r);
    else
      k.quantize(from, depth, buffer.view(), r);
  }
  Aligned aligned(tiles.size() + 8192);
  std::memcpy(aligned.as<int8_t>(), tiles.data(), tiles.size());
  Matrix w;
  w.tiles = aligned.as<int8_t>();
  w.scales = scales.data();
  w.offsets = offsets.data();
  w.bias = bias ? bias->data() : nullptr;
  w.columns = columns;
  w.panels = pad(columns, kPanelColumns) / kPanelColumns;
  w.depth_tiles = buffer.depth_tiles;
  const int width = kind == "silu" ? w.panels * 16 : w.panels * kPanelColumns;
  if (start.shape(0) != size_t(rows) || start.shape(1) != size_t(width)) throw std::invalid_argument("start has a wrong shape");
  std::vector<float> out(start.data(), start.data() + start.size());
  const PanelRange all{0, w.panels, 0, rows};
  k.thread_start();
  if (kind == "store") k.product_store(buffer.view(), w, all, out.data(), width);
  if (kind == "residual") k.product_residual(buffer.view(), w, all, out.data(), width);
  if (kind == "residual_outliers")
    k.product_residual_outliers(buffer.view(), outliers.view(), w, all, out.data(), width);
  if (kind == "silu") k.product_silu(buffer.view(), w, all, out.data(), width);
  if (kind == "head") {
    std::vector<float> best(rows, -3.0e38f);
    std::vector<int32_t> index(rows, -1);
    std::vector<float*> logits(rows, nullptr);
    k.product_head(buffer.view(), w, all, {best.data(), index.data(), logits.data()});
    for (int r = 0; r < rows; ++r) {
      out[size_t(r) * width] = best[r];
      out[size_t(r) * width + 1] = static_cast<float>(index[r]);
    }
  }
  k.thread_stop();
  return to_numpy(std::move(out), rows, width);
}

// Rotary positions, cache and attention of one sequence, fed in chunks and attended `rows` query rows at a time.
auto attention(const std::string& isa, Matrix2 qkv, int heads, int kv_heads, int head_dim, Matrix2 cos, Matrix2 sin,
               const std::vector<int32_t>& blocks, int chunk, int rows) {
  const Kernels& k = kernels_for(isa);
  const int tokens = static_cast<int>(qkv.shape(0)), width = static_cast<int>(qkv.shape(1)), group = heads / kv_heads;
  const AttentionShape shape{heads, kv_heads, head_dim, width};
  const int64_t head_stride = int64_t{2} * kKvBlockTokens * head_dim;
  const int count = blocks.empty() ? 0 : *std::max_element(blocks.begin(), blocks.end()) + 1;
  std::vector<uint16_t> cache(head_stride * kv_heads * count);
  const KvLayer kv{cache.data(), head_stride * kv_heads, head_stride};
  std::vector<float> buffer(qkv.data(), qkv.data() + qkv.size()), out(size_t(tokens) * heads * head_dim);
  const int stride = pad(tokens, kKvBlockTokens);
  std::vector<float> scores(size_t(kAttentionRows) * stride);
  for (int first = 0; first < tokens; first += chunk) {
    const Run run{first, std::min(chunk, tokens - first), first, blocks.data()};
    for (int t = 0; t < run.tokens; ++t) k.rope_store(buffer.data(), run, t, cos.data(), sin.data(), shape, kv);
    for (int head = 0; head < kv_heads; ++head)
      for (int r = 0; r < run.tokens * group; r += rows)
        k.attend(buffer.data(), run, {0, head, r, std::min(rows, run.tokens * group - r)}, shape, kv, scores.data(), stride,
                 out.data(), heads * head_dim);
  }
  return to_numpy(std::move(out), tokens, heads * head_dim);
}

double seconds() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

// Bytes a second read by all threads together from a buffer far above the caches; the best of `rounds`.
double read_bandwidth(const std::string& isa, int threads, int64_t bytes, int rounds) {
  const Kernels& k = kernels_for(isa);
  ThreadPool pool(threads);
  Aligned memory(bytes);
  const int64_t part = bytes / 4 / threads;
  double best_s = 1e9;
  std::atomic<int32_t> kept{0};
  for (int round = 0; round < rounds; ++round) {
    const double start = seconds();
    pool.run([&](int t) { kept.fetch_add(k.read_memory(memory.as<int32_t>() + part * t, part)); });
    best_s = std::min(best_s, seconds() - start);
  }
  return static_cast<double>(part) * 4 * threads / best_s;
}

// int8 operations a second (a multiply and an add are two) of all threads on registers; the best of `rounds`.
double int8_peak(const std::string& isa, int threads, int64_t iterations, int rounds) {
  const Kernels& k = kernels_for(isa);
  ThreadPool pool(threads);
  double best = 0;
  for (int round = 0; round < rounds; ++round) {
    std::atomic<int64_t> products{0};
    const double start = seconds();
    pool.run([&](int) {
      k.thread_start();
      products.fetch_add(k.multiply_registers(iterations));
      k.thread_stop();
    });
    best = std::max(best, 2 * static_cast<double>(products.load()) / (seconds() - start));
  }
  return best;
}

auto exp_of(const std::string& isa, Vector x, float shift, float factor) {
  std::vector<float> out(x.size());
  const double total = kernels_for(isa).exp_shifted(x.data(), static_cast<int>(x.size()), shift, factor, out.data());
  const size_t n = out.size();
  return nb::make_tuple(to_numpy(std::move(out), 1, n), total);
}

// (token, log probability) for one row of logits.
std::pair<int, float> sample_one(const std::string& isa, Vector logits, float temperature, float top_p, int top_k, uint64_t seed,
                                 uint64_t counter) {
  const Kernels& k = kernels_for(isa);
  std::vector<float> scratch;
  const int n = static_cast<int>(logits.size());
  const int token = sample(k, logits.data(), n, {temperature, top_p, top_k, seed, counter}, scratch);
  return {token, log_probability(k, logits.data(), n, token)};
}

}  // namespace

void bind_probes(nb::module_& m) {
  nb::module_ probes = m.def_submodule("probes", "Single kernels and ceilings for tests and benches.");
  probes.def("quantize", &quantize, "isa"_a, "mode"_a, "x"_a, "weight"_a, "epsilon"_a);
  probes.def("quantize_outliers", &quantize_outliers, "isa"_a, "x"_a);
  probes.def("product", &product, "isa"_a, "kind"_a, "x"_a, "tiles"_a, "scales"_a, "offsets"_a, "bias"_a.none(), "columns"_a,
             "start"_a);
  probes.def("attention", &attention, "isa"_a, "qkv"_a, "heads"_a, "kv_heads"_a, "head_dim"_a, "cos"_a, "sin"_a, "blocks"_a,
             "chunk"_a, "rows"_a);
  probes.def("exp", &exp_of, "isa"_a, "x"_a, "shift"_a, "factor"_a);
  probes.def("uniform", &uniform, "seed"_a, "counter"_a);
  probes.def("sample", &sample_one, "isa"_a, "logits"_a, "temperature"_a, "top_p"_a, "top_k"_a, "seed"_a, "counter"_a);
  probes.def("read_bandwidth", &read_bandwidth, "isa"_a, "threads"_a, "size"_a, "rounds"_a,
             nb::call_guard<nb::gil_scoped_release>());
  probes.def("int8_peak", &int8_peak, "isa"_a, "threads"_a, "iterations"_a, "rounds"_a,
             nb::call_guard<nb::gil_scoped_release>());
}

}  // namespace financellm

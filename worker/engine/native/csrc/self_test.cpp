// Runs every kernel of every instruction set this machine has, and the emulated AMX ones, against the portable path:
// all results must be equal bit for bit. Built with the sanitizers in continuous integration.
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "cpu.hpp"
#include "forward.hpp"

namespace financellm {

const Kernels& kernels_amx_emulated();

namespace {

int failures = 0;

void expect(bool holds, const std::string& what) {
  if (holds) return;
  ++failures;
  std::fprintf(stderr, "FAILED: %s\n", what.c_str());
}

template <class T>
struct Buffer {
  explicit Buffer(size_t count) : count_(count), data_(static_cast<T*>(std::aligned_alloc(4096, (count * sizeof(T) + 4095) / 4096 * 4096))) {
    std::memset(static_cast<void*>(data_), 0, (count * sizeof(T) + 4095) / 4096 * 4096);
  }
  ~Buffer() { std::free(data_); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  T* data() { return data_; }
  T& operator[](size_t i) { return data_[i]; }
  size_t size() const { return count_; }
  std::vector<T> copy() const { return {data_, data_ + count_}; }

 private:
  size_t count_;
  T* data_;
};

std::vector<float> normal(std::mt19937& random, size_t count, float scale = 1) {
  std::normal_distribution<float> draw(0, scale);
  std::vector<float> values(count);
  for (float& v : values) v = draw(random);
  return values;
}

struct Weights {
  Weights(std::mt19937& random, int columns, int depth)
      : tiles(size_t(pad(columns, 32)) * pad(depth, 64)), scales(pad(columns, 32)), offsets(pad(columns, 32)), bias(pad(columns, 32)) {
    const int tiles_deep = pad(depth, 64) / 64;
    for (int n = 0; n < columns; ++n) {
      scales[n] = 0.001f * static_cast<float>(1 + random() % 7);
      bias[n] = 0.1f * static_cast<float>(int(random() % 9) - 4);
      for (int k = 0; k < depth; ++k) {
        const int8_t w = static_cast<int8_t>(int(random() % 255) - 127);
        tiles[((size_t(n / 32) * tiles_deep + k / 64) * 2 + n % 32 / 16) * 1024 + k % 64 / 4 * 64 + n % 16 * 4 + k % 4] = w;
        offsets[n] -= 128 * w;
      }
    }
    matrix = {tiles.data(), scales.data(), offsets.data(), bias.data(), columns, pad(columns, 32) / 32, tiles_deep};
  }
  static int pad(int n, int unit) { return (n + unit - 1) / unit * unit; }
  Buffer<int8_t> tiles;
  Buffer<float> scales;
  Buffer<int32_t> offsets;
  Buffer<float> bias;
  Matrix matrix;
};

std::vector<float> run_product(const Kernels& k, const std::string& kind, const std::vector<float>& x, int rows, int depth,
                               Weights& w, const std::vector<float>& start) {
  const int all = Weights::pad(rows, 32), capacity = Outliers::capacity_for(depth);
  Buffer<int8_t> tiles(size_t(all) * Weights::pad(depth, 64));
  Buffer<float> scales(all);
  const Activations a{tiles.data(), scales.data(), Weights::pad(depth, 64) / 64};
  std::vector<int32_t> counts(rows), depths(size_t(rows) * capacity);
  std::vector<float> steps(size_t(rows) * capacity);
  const Outliers outliers{counts.data(), depths.data(), steps.data(), capacity};
  for (int r = 0; r < rows; ++r) {
    const float* from = x.data() + size_t(r) * depth;
    if (kind == "residual_outliers")
      k.quantize_outliers(from, depth, a, outliers, r);
    else
      k.quantize(from, depth, a, r);
  }
  std::vector<float> out = start;
  const int width = w.matrix.panels * 32;
  const PanelRange range{0, w.matrix.panels, 0, rows};
  k.thread_start();
  if (kind == "store") k.product_store(a, w.matrix, range, out.data(), width);
  if (kind == "residual") k.product_residual(a, w.matrix, range, out.data(), width);
  if (kind == "residual_outliers") k.product_residual_outliers(a, outliers, w.matrix, range, out.data(), width);
  if (kind == "silu") k.product_silu(a, w.matrix, range, out.data(), width);
  if (kind == "head") {
    std::vector<float> best(rows, -3.0e38f);
    std::vector<int32_t> index(rows, -1);
    std::vector<float*> logits(rows, nullptr);
    for (int r = 0; r < rows; r += 2) logits[r] = out.data() + size_t(r) * width;
    k.product_head(a, w.matrix, range, {best.data(), index.data(), logits.data()});
    for (int r = 0; r < rows; ++r) {
      out.push_back(best[r]);
      out.push_back(static_cast<float>(index[r]));
    }
  }
  k.thread_stop();
  return out;
}

void check_products(const std::vector<const Kernels*>& tables) {
  std::mt19937 random(1);
  const int shapes[][3] = {{1, 32, 64}, {2, 96, 128}, {7, 64, 192}, {16, 32, 96}, {17, 96, 64}, {33, 64, 320}, {70, 96, 160}, {9, 70, 64}};
  for (const auto& [rows, columns, depth] : shapes) {
    Weights w(random, columns, depth);
    auto x = normal(random, size_t(rows) * depth, 3);
    for (size_t i = 0; i < x.size(); i += 29) x[i] *= 100;
    const auto start = normal(random, size_t(rows) * w.matrix.panels * 32);
    for (const std::string kind : {"store", "residual", "residual_outliers", "silu", "head"}) {
      const auto wanted = run_product(kernels_portable(), kind, x, rows, depth, w, start);
      for (const Kernels* k : tables)
        expect(run_product(*k, kind, x, rows, depth, w, start) == wanted,
               std::string(k->name) + " " + kind + " of " + std::to_string(rows) + " rows");
    }
  }
}

std::vector<float> run_attention(const Kernels& k, const std::vector<float>& qkv, int tokens, int chunk, int rows) {
  constexpr int kHeads = 6, kKvHeads = 2, kDim = 64, kWidth = (kHeads + 2 * kKvHeads) * kDim;
  const AttentionShape shape{kHeads, kKvHeads, kDim, kWidth};
  const int blocks = (tokens + 31) / 32, stride = blocks * 32;
  std::vector<int32_t> table(blocks);
  for (int b = 0; b < blocks; ++b) table[b] = blocks - 1 - b;
  std::vector<uint16_t> cache(size_t(2) * 32 * kDim * kKvHeads * blocks, 0x7fc0);  // NaN where nothing was written
  const KvLayer kv{cache.data(), int64_t{2} * 32 * kDim * kKvHeads, int64_t{2} * 32 * kDim};
  std::vector<float> cos(size_t(tokens) * kDim / 2), sin(cos.size());
  for (size_t i = 0; i < cos.size(); ++i) {
    cos[i] = std::cos(static_cast<float>(i) * 0.01f);
    sin[i] = std::sin(static_cast<float>(i) * 0.01f);
  }
  std::vector<float> buffer = qkv, out(size_t(tokens) * kHeads * kDim), scores(size_t(8) * stride);
  for (int first = 0; first < tokens; first += chunk) {
    const Run run{first, std::min(chunk, tokens - first), first, table.data()};
    for (int t = 0; t < run.tokens; ++t) k.rope_store(buffer.data(), run, t, cos.data(), sin.data(), shape, kv);
    for (int head = 0; head < kKvHeads; ++head)
      for (int r = 0; r < run.tokens * 3; r += rows)
        k.attend(buffer.data(), run, {0, head, r, std::min(rows, run.tokens * 3 - r)}, shape, kv, scores.data(), stride,
                 out.data(), kHeads * kDim);
  }
  return out;
}

void check_attention(const std::vector<const Kernels*>& tables) {
  std::mt19937 random(2);
  for (const int tokens : {1, 31, 32, 75}) {
    const auto qkv = normal(random, size_t(tokens) * 640);
    const auto wanted = run_attention(kernels_portable(), qkv, tokens, tokens, 8);
    expect(std::all_of(wanted.begin(), wanted.end(), [](float v) { return std::isfinite(v); }), "attention is finite");
    for (const Kernels* k : tables)
      for (const int chunk : {1, 5, 40, 75})
        for (const int rows : {1, 3, 7, 8})
          expect(run_attention(*k, qkv, tokens, chunk, rows) == wanted,
                 std::string(k->name) + " attention of " + std::to_string(tokens) + " tokens in chunks of " + std::to_string(chunk));
  }
}

// A random model in a temporary file.
struct TestModel {
  explicit TestModel(std::mt19937& random) {
    char name[] = "/tmp/financellm-self-test-XXXXXX";
    file = mkstemp(name);
    path = name;
    const ModelShape s = shape;
    for (int i = 0; i < s.layers; ++i) {
      const std::string prefix = "layers." + std::to_string(i) + ".";
      matrix(random, prefix + "qkv", s.qkv_columns(), s.hidden, true);
      matrix(random, prefix + "output", s.hidden, s.heads * s.head_dim, false);
      matrix(random, prefix + "gate_up", 2 * s.intermediate, s.hidden, false);
      matrix(random, prefix + "down", s.hidden, s.intermediate, false);
      ones(prefix + "attention_norm", s.hidden);
      ones(prefix + "mlp_norm", s.hidden);
    }
    matrix(random, "head", s.vocabulary, s.hidden, false);
    ones("final_norm", s.hidden);
    ftruncate_or_die();
  }
  ~TestModel() {
    close(file);
    unlink(path.c_str());
  }
  void put(const std::string& name, const void* data, size_t bytes) {
    expect(pwrite(file, data, bytes, at) == static_cast<ssize_t>(bytes), "write " + name);
    tensors[name] = {at, static_cast<int64_t>(bytes)};
    at += (static_cast<int64_t>(bytes) + 4095) / 4096 * 4096;
  }
  void matrix(std::mt19937& random, const std::string& name, int columns, int depth, bool bias) {
    Weights w(random, columns, depth);
    put(name + ".tiles", w.tiles.data(), w.tiles.size());
    put(name + ".scales", w.scales.data(), w.scales.size() * 4);
    put(name + ".offsets", w.offsets.data(), w.offsets.size() * 4);
    if (bias) put(name + ".bias", w.bias.data(), w.bias.size() * 4);
  }
  void ones(const std::string& name, int count) {
    const std::vector<float> values(count, 1.0f);
    put(name, values.data(), values.size() * 4);
  }
  void ftruncate_or_die() { expect(ftruncate(file, at) == 0, "extend the model file"); }

  ModelShape shape{96, 2, 6, 2, 32, 160, 200, 1e-6f, 10000.0};
  Model::Tensors tensors;
  std::string path;
  int file = -1;
  int64_t at = 0;
};

SequenceInput input(const std::vector<int32_t>& tokens, int first, int count, int block, int choices) {
  SequenceInput in;
  in.tokens.assign(tokens.begin() + first, tokens.begin() + first + count);
  in.position = first;
  for (int b = 0; b * kKvBlockTokens < first + count; ++b) in.blocks.push_back(block + b);
  in.choices = choices;
  return in;
}

void check_forward(const std::vector<const Kernels*>& tables) {
  std::mt19937 random(3);
  TestModel file(random);
  const auto model = std::make_shared<const Model>(file.path, file.shape, file.tensors);
  std::vector<int32_t> tokens(70);
  for (auto& t : tokens) t = static_cast<int32_t>(random() % 200);
  std::vector<float> wanted;
  for (const Kernels* k : tables)
    for (const int threads : {1, 2, 5})
      for (const int chunk : {70, 9}) {
        Forward forward(model, *k, {96, 96, 12, threads});
        std::vector<float> logits;
        for (int first = 0; first < 70; first += chunk) {
          const int count = std::min(chunk, 70 - first);
          // A second sequence runs along and must not matter.
          forward.step({input(tokens, first, count, 4, count), input(tokens, 0, std::min(26, first + 1), 8, 1)}, true);
          const auto& all = forward.last_logits();
          logits.insert(logits.end(), all.begin(), all.begin() + int64_t{count} * 200);
        }
        if (wanted.empty()) wanted = logits;
        expect(logits == wanted, std::string(k->name) + " forward with " + std::to_string(threads) + " threads, chunk " + std::to_string(chunk));
        forward.step({input(tokens, 0, 64, 4, 1), input(tokens, 0, 32, 8, 1)}, true);  // fills every row of the buffers
        const auto& two = forward.last_logits();  // the last layer is computed for two rows alone
        expect(std::equal(two.begin(), two.begin() + 200, wanted.begin() + 63 * 200) &&
                   std::equal(two.begin() + 200, two.end(), wanted.begin() + 31 * 200),
               std::string(k->name) + " chosen rows have the bits they have among all");
        forward.step({input(tokens, 0, 64, 4, 3), input(tokens, 0, 30, 8, 0)}, true);
        expect(std::equal(forward.last_logits().begin(), forward.last_logits().end(), wanted.begin() + 61 * 200),
               std::string(k->name) + " three of a prompt's tokens have the bits they have among all");
        forward.step({input(tokens, 64, 3, 4, 2)}, true);  // so few that threads quantise for themselves
        expect(std::equal(forward.last_logits().begin(), forward.last_logits().end(), wanted.begin() + 65 * 200),
               std::string(k->name) + " two of three tokens have the bits they have among all");
        forward.step({input(tokens, 0, 40, 4, 0)}, true);  // nothing is wanted but keys and values
        forward.step({input(tokens, 40, 30, 4, 1)}, true);
        expect(std::equal(forward.last_logits().begin(), forward.last_logits().end(), wanted.end() - 200),
               std::string(k->name) + " goes on from a prompt without a choice");
        bool refused = false;
        try {
          forward.step({input(tokens, 0, 4, 11, 1), input({7, 8, 900}, 0, 3, 0, 1)}, false);
        } catch (const std::invalid_argument&) {
          refused = true;
        }
        expect(refused, "a token outside the vocabulary is refused");
      }
}

}  // namespace
}  // namespace financellm

int main() {
  using namespace financellm;
  std::vector<const Kernels*> tables;
  for (const auto& name : supported_isas()) tables.push_back(&kernels_for(name));
  tables.push_back(&kernels_amx_emulated());
  check_products(tables);
  check_attention(tables);
  check_forward(tables);
  for (const Kernels* k : tables) std::printf("%s\n", k->name);
  if (failures)
    std::printf("%d failures\n", failures);
  else
    std::printf("all equal\n");
  return failures != 0;
}

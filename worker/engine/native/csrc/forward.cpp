#include "forward.hpp"

#include <sys/mman.h>
#include <time.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <new>
#include <stdexcept>
#include <string>

namespace financellm {
namespace {

constexpr int kRowUnit = 32;  // rows of a buffer come in whole product tiles
// Up to so many rows every thread quantises all of them into buffers of its own, which is cheaper than meeting.
constexpr int kApartRows = 4;

int64_t padded(int64_t n, int64_t unit) { return (n + unit - 1) / unit * unit; }

double now_s() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

}  // namespace

Forward::Forward(std::shared_ptr<const Model> model, const Kernels& kernels, const ForwardLimits& limits)
    : model_(std::move(model)), kernels_(kernels), limits_(limits), pool_(limits.threads) {
  const ModelShape& s = model_->shape;
  attention_ = {s.heads, s.kv_heads, s.head_dim, s.qkv_columns()};
  attention_.row_stride = static_cast<int32_t>(padded(s.qkv_columns(), kPanelColumns));

  kv_layer_elements_ = int64_t{2} * s.kv_heads * kKvBlockTokens * s.head_dim;
  kv_block_elements_ = kv_layer_elements_ * s.layers;
  kv_bytes_ = static_cast<size_t>(kv_block_elements_) * 2 * limits.kv_blocks;
  void* kv = mmap(nullptr, kv_bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (kv == MAP_FAILED) throw std::bad_alloc();
  kv_ = static_cast<uint16_t*>(kv);

  const int half = s.head_dim / 2;
  cos_.resize(static_cast<size_t>(limits.sequence_tokens) * half);
  sin_.resize(cos_.size());
  for (int i = 0; i < half; ++i) {
    const double frequency = std::pow(s.rope_theta, -2.0 * i / s.head_dim);
    for (int64_t position = 0; position < limits.sequence_tokens; ++position) {
      cos_[position * half + i] = static_cast<float>(std::cos(static_cast<double>(position) * frequency));
      sin_[position * half + i] = static_cast<float>(std::sin(static_cast<double>(position) * frequency));
    }
  }

  const auto allocate = [&](int64_t bytes) {
    const size_t size = static_cast<size_t>(padded(bytes, 4096));
    void* memory = std::aligned_alloc(4096, size);
    if (!memory) throw std::bad_alloc();
    std::memset(memory, 0, size);
    buffers_.emplace_back(memory, std::free);
    return memory;
  };
  const int64_t rows = padded(limits.step_tokens, kRowUnit);
  const int64_t narrow = padded(std::max(s.hidden, s.heads * s.head_dim), kTileDepth);
  const int64_t wide = padded(s.intermediate, kTileDepth);
  hidden_ = static_cast<float*>(allocate(rows * padded(s.hidden, kPanelColumns) * 4));
  chosen_hidden_ = static_cast<float*>(allocate(rows * padded(s.hidden, kPanelColumns) * 4));
  qkv_ = static_cast<float*>(allocate(rows * attention_.row_stride * 4));
  attended_ = static_cast<float*>(allocate(rows * s.heads * s.head_dim * 4));
  inner_ = static_cast<float*>(allocate(rows * padded(s.intermediate, 16) * 4));
  const auto activations = [&](int64_t count, int64_t depth) {
    return Activations{static_cast<int8_t*>(allocate(count * depth)), static_cast<float*>(allocate(count * 4)),
                       static_cast<int32_t>(depth / kTileDepth)};
  };
  const auto outliers = [&](int64_t count) {
    const int32_t capacity = Outliers::capacity_for(s.intermediate);
    return Outliers{static_cast<int32_t*>(allocate(count * 4)), static_cast<int32_t*>(allocate(count * capacity * 4)),
                    static_cast<float*>(allocate(count * capacity * 4)), capacity};
  };
  narrow_ = activations(rows, narrow);
  wide_ = activations(rows, wide);
  outliers_ = outliers(rows);
  for (int thread = 0; thread < pool_.size(); ++thread) {
    own_narrow_.push_back(activations(kRowUnit, narrow));
    own_wide_.push_back(activations(kRowUnit, wide));
    own_outliers_.push_back(outliers(kApartRows));
  }

  scores_stride_ = static_cast<int>(padded(limits.sequence_tokens, kKvBlockTokens)) + 16;
  scratch_stride_ = padded(std::max<int64_t>(int64_t{kAttentionRows} * scores_stride_, s.hidden), 32);
  scratch_.resize(scratch_stride_ * pool_.size());
  weights_.resize(pool_.size());
  next_item_ = std::vector<std::atomic<int>>(s.layers);
}

Forward::~Forward() {
  if (kv_) munmap(kv_, kv_bytes_);
}

std::vector<std::vector<Choice>> Forward::step(const std::vector<SequenceInput>& inputs, bool keep_logits) {
  for (const SequenceInput& input : inputs) check(input);
  plan(inputs, keep_logits);
  std::vector<std::vector<Choice>> result(inputs.size());
  if (tokens_ == 0) return result;
  phase_start_s_ = now_s();
  float* to = hidden_;
  for (const SequenceInput& input : inputs) {
    model_->embed(kernels_, input.tokens, to);
    to += input.tokens.size() * model_->shape.hidden;
  }
  pool_.run([this](int thread) { compute(thread); });
  size_t next = 0;
  for (size_t i = 0; i < inputs.size(); ++i) {
    result[i].assign(chosen_.begin() + next, chosen_.begin() + next + inputs[i].choices);
    next += inputs[i].choices;
  }
  return result;
}

std::array<double, Forward::kPhases> Forward::take_profile() {
  const auto result = profile_;
  profile_.fill(0);
  return result;
}

void Forward::end_phase(int thread, Phase phase) {
  if (thread != 0) return;
  const double now = now_s();
  profile_[phase] += now - phase_start_s_;
  phase_start_s_ = now;
}

void Forward::meet(int thread, Phase phase) {
  pool_.barrier();
  end_phase(thread, phase);
}

bool Forward::apart() const { return tokens_ <= kApartRows; }

void Forward::meet_unless_apart(int thread, Phase phase) {
  if (!apart()) pool_.barrier();
  end_phase(thread, phase);
}

Forward::Range Forward::share(int count, int thread) const {
  const int64_t n = count, threads = pool_.size();
  return {static_cast<int>(n * thread / threads), static_cast<int>(n * (thread + 1) / threads)};
}

// Panels are shared first; where threads outnumber them, rows are cut into tiles as well.
PanelRange Forward::panels(const Matrix& w, int rows, int thread) const {
  const int tiles = (rows + kRowUnit - 1) / kRowUnit;
  const int row_cuts = std::clamp(pool_.size() / std::max(w.panels, 1), 1, tiles);
  const int teams = std::max(1, pool_.size() / row_cuts);
  const int cut = thread / teams, member = thread % teams;
  if (cut >= row_cuts) return {0, 0, 0, 0};
  const auto part = [](int64_t n, int64_t parts, int64_t i) { return static_cast<int>(n * i / parts); };
  return {part(w.panels, teams, member), part(w.panels, teams, member + 1), part(tiles, row_cuts, cut) * kRowUnit,
          std::min(rows, part(tiles, row_cuts, cut + 1) * kRowUnit)};
}

void Forward::compute(int thread) {
  kernels_.thread_start();
  end_phase(thread, kEmbed);
  for (int i = 0; i < model_->shape.layers; ++i) layer(thread, i);
  if (!choices_.empty()) head(thread);
  kernels_.thread_stop();
}

void Forward::layer(int thread, int number) {
  const bool last = number + 1 == model_->shape.layers;
  project(thread, number);
  if (!last) {
    attend(thread, number, items_);
    finish_rows(thread, number, {tokens_, hidden_, nullptr});
    return;
  }
  if (choices_.empty()) return;  // keys and values were all that is wanted
  gather_chosen(thread);
  attend(thread, number, chosen_items_);
  finish_rows(thread, number, {static_cast<int>(choices_.size()), chosen_hidden_, chosen_rows_.data()});
}

// Queries, keys and values of every token.
void Forward::project(int thread, int number) {
  const ModelShape& s = model_->shape;
  const LayerWeights& w = model_->layers[number];
  const Range mine = share(tokens_, thread), quantised = apart() ? Range{0, tokens_} : mine;
  float* scratch = scratch_.data() + thread * scratch_stride_;
  Activations a = apart() ? own_narrow_[thread] : narrow_;

  a.depth_tiles = w.qkv.depth_tiles;
  for (int t = quantised.first; t < quantised.last; ++t)
    kernels_.norm_quantize(hidden_ + int64_t{t} * s.hidden, w.attention_norm, s.hidden, s.norm_epsilon, scratch, a, t);
  meet_unless_apart(thread, kNorm);
  kernels_.product_store(a, w.qkv, panels(w.qkv, tokens_, thread), qkv_, attention_.row_stride);
  meet(thread, kQkv);

  const KvLayer kv = kv_layer(number);
  for (int t = mine.first; t < mine.last; ++t) {
    const Run& run = runs_[token_run_[t]];
    kernels_.rope_store(qkv_, run, t - run.first_token, cos_.data(), sin_.data(), attention_, kv);
  }
  meet(thread, kRope);
}

// Done before the barrier that ends attention, so that every thread finds all rows.
void Forward::gather_chosen(int thread) {
  const int64_t hidden = model_->shape.hidden;
  const Range mine = share(static_cast<int>(choices_.size()), thread);
  for (int i = mine.first; i < mine.last; ++i)
    std::memcpy(chosen_hidden_ + i * hidden, hidden_ + chosen_rows_[i] * hidden, hidden * sizeof(float));
}

KvLayer Forward::kv_layer(int number) const {
  return {kv_ + number * kv_layer_elements_, kv_block_elements_, int64_t{2} * kKvBlockTokens * model_->shape.head_dim};
}

void Forward::attend(int thread, int number, const std::vector<AttentionItem>& items) {
  const int width = model_->shape.heads * model_->shape.head_dim;
  float* scores = scratch_.data() + thread * scratch_stride_;
  for (int i; (i = next_item_[number].fetch_add(1, std::memory_order_relaxed)) < static_cast<int>(items.size());)
    kernels_.attend(qkv_, runs_[items[i].run], items[i], attention_, kv_layer(number), scores, scores_stride_, attended_, width);
  meet(thread, kAttention);
}

// Attention's output and the feed-forward part, added to the wanted rows.
void Forward::finish_rows(int thread, int number, Wanted wanted) {
  const ModelShape& s = model_->shape;
  const LayerWeights& w = model_->layers[number];
  const Range quantised = apart() ? Range{0, wanted.count} : share(wanted.count, thread);
  float* scratch = scratch_.data() + thread * scratch_stride_;
  Activations a = apart() ? own_narrow_[thread] : narrow_;
  const Activations wide = apart() ? own_wide_[thread] : wide_;
  const Outliers outliers = apart() ? own_outliers_[thread] : outliers_;
  const int64_t width = int64_t{s.heads} * s.head_dim;

  a.depth_tiles = w.output.depth_tiles;
  for (int i = quantised.first; i < quantised.last; ++i) {
    const int row = wanted.rows ? wanted.rows[i] : i;
    kernels_.quantize(attended_ + row * width, static_cast<int>(width), a, i);
  }
  meet_unless_apart(thread, kNorm);
  kernels_.product_residual(a, w.output, panels(w.output, wanted.count, thread), wanted.hidden, s.hidden);
  meet(thread, kOutput);

  a.depth_tiles = w.gate_up.depth_tiles;
  for (int i = quantised.first; i < quantised.last; ++i)
    kernels_.norm_quantize(wanted.hidden + int64_t{i} * s.hidden, w.mlp_norm, s.hidden, s.norm_epsilon, scratch, a, i);
  meet_unless_apart(thread, kNorm);
  kernels_.product_silu(a, w.gate_up, panels(w.gate_up, wanted.count, thread), inner_, s.intermediate);
  meet(thread, kGateUp);
  for (int i = quantised.first; i < quantised.last; ++i)
    kernels_.quantize_outliers(inner_ + int64_t{i} * s.intermediate, s.intermediate, wide, outliers, i);
  meet_unless_apart(thread, kQuantize);
  kernels_.product_residual_outliers(wide, outliers, w.down, panels(w.down, wanted.count, thread), wanted.hidden, s.hidden);
  meet(thread, kDown);
}

void Forward::head(int thread) {
  const ModelShape& s = model_->shape;
  const int rows = static_cast<int>(choices_.size());
  Activations a = narrow_;
  a.depth_tiles = model_->head.depth_tiles;
  const Range mine = share(rows, thread);
  for (int i = mine.first; i < mine.last; ++i) {
    const float* x = chosen_hidden_ + int64_t{i} * s.hidden;
    chosen_[i].finite = kernels_.norm_quantize(x, model_->final_norm, s.hidden, s.norm_epsilon,
                                               scratch_.data() + thread * scratch_stride_, a, i);
  }
  meet(thread, kNorm);
  const HeadRows out{best_.data() + int64_t{thread} * rows, index_.data() + int64_t{thread} * rows, logits_rows_.data()};
  kernels_.product_head(a, model_->head, panels(model_->head, rows, thread), out);
  meet(thread, kHead);
  for (int i = mine.first; i < mine.last; ++i) choose(i, thread);
}

void Forward::choose(int row, int thread) {
  const int rows = static_cast<int>(choices_.size());
  Choice& choice = chosen_[row];
  float best = kLowest;
  for (int t = 0; t < pool_.size(); ++t) {  // threads own rising columns, so the first of equals is the lowest token
    const float value = best_[int64_t{t} * rows + row];
    if (value <= best) continue;
    best = value;
    choice.token = index_[int64_t{t} * rows + row];
  }
  choice.finite = choice.finite && choice.token >= 0;
  const float* logits = logits_rows_[row];
  if (!logits || !choice.finite) return;
  const ChoiceRow& wanted = choices_[row];
  const int n = model_->shape.vocabulary;
  if (!wanted.sampling.greedy()) choice.token = sample(kernels_, logits, n, wanted.sampling, weights_[thread]);
  if (wanted.logprob) choice.logprob = log_probability(kernels_, logits, n, choice.token);
}

}  // namespace financellm

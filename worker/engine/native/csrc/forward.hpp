// One forward step: tokens of several sequences in, the next token of each asked position out.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <vector>

#include "kernels.hpp"
#include "model.hpp"
#include "sampler.hpp"
#include "thread_pool.hpp"

namespace financellm {

inline constexpr float kLowest = -3.0e38f;  // below every logit

// Consecutive tokens of one sequence; the last `choices` of them get a next token each.
struct SequenceInput {
  std::vector<int32_t> tokens;
  int32_t position = 0;         // of the first token in its sequence
  std::vector<int32_t> blocks;  // KV blocks that cover position + tokens
  int32_t choices = 0;
  Sampling sampling;  // the counter is that of the first choice
  bool logprobs = false;
};

struct Choice {
  int32_t token = -1;
  float logprob = 0;
  bool finite = true;  // false where the hidden state held NaN or infinity: the token means nothing then
};

struct ForwardLimits {
  int32_t step_tokens;
  int32_t sequence_tokens;
  int32_t kv_blocks;
  int32_t threads;
};

class Forward {
 public:
  enum Phase { kEmbed, kNorm, kQkv, kRope, kAttention, kOutput, kGateUp, kQuantize, kDown, kHead, kPhases };

  Forward(std::shared_ptr<const Model> model, const Kernels& kernels, const ForwardLimits& limits);
  ~Forward();
  Forward(const Forward&) = delete;
  Forward& operator=(const Forward&) = delete;

  // Choices of each sequence, in order. Throws std::invalid_argument where an input is out of range; nothing has been
  // computed then. With `keep_logits`, last_logits() holds every choice's logits afterwards.
  std::vector<std::vector<Choice>> step(const std::vector<SequenceInput>& inputs, bool keep_logits);

  // float [choices, vocabulary] of the last step that kept them.
  const std::vector<float>& last_logits() const { return logits_; }

  // Seconds that thread 0 spent in each phase since the last call.
  std::array<double, kPhases> take_profile();

  const Model& model() const { return *model_; }
  int threads() const { return pool_.size(); }

 private:
  struct Range {
    int first, last;
  };
  struct ChoiceRow {
    Sampling sampling;
    bool logprob;
  };
  // What of a layer's output is wanted: every token's, or in the last layer that of tokens with a choice.
  struct Wanted {
    int count;
    float* hidden;        // [count, hidden]
    const int32_t* rows;  // [count] the step's row of each, or null where they are the same
  };

  void check(const SequenceInput& input) const;
  void plan(const std::vector<SequenceInput>& inputs, bool keep_logits);
  void compute(int thread);
  void layer(int thread, int number);
  void project(int thread, int number);
  void gather_chosen(int thread);
  void attend(int thread, int number, const std::vector<AttentionItem>& items);
  void finish_rows(int thread, int number, Wanted wanted);
  KvLayer kv_layer(int number) const;
  void head(int thread);
  void choose(int row, int thread);
  void end_phase(int thread, Phase phase);
  void meet(int thread, Phase phase);
  void meet_unless_apart(int thread, Phase phase);
  bool apart() const;
  Range share(int count, int thread) const;
  PanelRange panels(const Matrix& w, int rows, int thread) const;

  std::shared_ptr<const Model> model_;
  const Kernels& kernels_;
  const ForwardLimits limits_;
  ThreadPool pool_;

  AttentionShape attention_;
  uint16_t* kv_ = nullptr;
  size_t kv_bytes_ = 0;
  int64_t kv_block_elements_ = 0, kv_layer_elements_ = 0;
  std::vector<float> cos_, sin_;

  // The step being computed.
  int tokens_ = 0;
  std::vector<Run> runs_;
  std::vector<int32_t> token_run_;  // [tokens] which run a row belongs to
  std::vector<AttentionItem> items_, chosen_items_;
  std::vector<ChoiceRow> choices_;
  std::vector<int32_t> chosen_rows_;  // [choices] row of the step
  std::vector<Choice> chosen_;
  std::vector<float> logits_;
  std::vector<float*> logits_rows_;
  std::vector<std::atomic<int>> next_item_;  // one a layer

  float *hidden_ = nullptr, *chosen_hidden_ = nullptr, *qkv_ = nullptr, *attended_ = nullptr, *inner_ = nullptr;
  Activations narrow_, wide_;  // depth hidden (or heads * head_dim), depth intermediate
  Outliers outliers_;           // of wide_
  std::vector<Activations> own_narrow_, own_wide_;  // [threads] copies for steps of few rows
  std::vector<Outliers> own_outliers_;
  std::vector<float> scratch_;  // [threads] scores and norms
  int64_t scratch_stride_ = 0;
  int scores_stride_ = 0;
  std::vector<float> best_;      // [threads][choices]
  std::vector<int32_t> index_;
  std::vector<std::vector<float>> weights_;  // [threads] sampler scratch
  std::vector<std::unique_ptr<void, void (*)(void*)>> buffers_;
  std::array<double, kPhases> profile_{};
  double phase_start_s_ = 0;
};

}  // namespace financellm

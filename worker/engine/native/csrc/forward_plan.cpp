// What a step is to compute: its rows, attention items and choices. Bookkeeping of one thread.
#include <algorithm>
#include <stdexcept>
#include <string>

#include "forward.hpp"

namespace financellm {

void Forward::check(const SequenceInput& input) const {
  const int64_t end = int64_t{input.position} + static_cast<int64_t>(input.tokens.size());
  if (input.tokens.empty() || input.position < 0 || end > limits_.sequence_tokens)
    throw std::invalid_argument("positions " + std::to_string(input.position) + " to " + std::to_string(end) +
                                " are outside a sequence of " + std::to_string(limits_.sequence_tokens) + " tokens");
  if (static_cast<int64_t>(input.blocks.size()) * kKvBlockTokens < end)
    throw std::invalid_argument(std::to_string(input.blocks.size()) + " KV blocks do not hold " + std::to_string(end) + " tokens");
  for (const int32_t block : input.blocks)
    if (block < 0 || block >= limits_.kv_blocks) throw std::invalid_argument("KV block " + std::to_string(block) + " does not exist");
  for (const int32_t token : input.tokens)
    if (token < 0 || token >= model_->shape.vocabulary)
      throw std::invalid_argument("token id " + std::to_string(token) + " is outside the vocabulary of " +
                                  std::to_string(model_->shape.vocabulary));
  if (input.choices < 0 || input.choices > static_cast<int>(input.tokens.size()))
    throw std::invalid_argument("more choices than tokens");
}

void Forward::plan(const std::vector<SequenceInput>& inputs, bool keep_logits) {
  const ModelShape& s = model_->shape;
  runs_.clear();
  items_.clear();
  chosen_items_.clear();
  choices_.clear();
  chosen_rows_.clear();
  token_run_.clear();
  tokens_ = 0;
  for (const SequenceInput& input : inputs) {
    const int count = static_cast<int>(input.tokens.size());
    runs_.push_back({tokens_, count, input.position, input.blocks.data()});
    token_run_.insert(token_run_.end(), count, static_cast<int32_t>(runs_.size()) - 1);
    for (int i = 0; i < input.choices; ++i) {
      Sampling sampling = input.sampling;
      sampling.counter += i;
      choices_.push_back({sampling, input.logprobs});
      chosen_rows_.push_back(tokens_ + count - input.choices + i);
    }
    tokens_ += count;
  }
  if (tokens_ > limits_.step_tokens)
    throw std::invalid_argument("a step of " + std::to_string(tokens_) + " tokens is over the limit of " +
                                std::to_string(limits_.step_tokens));
  const int group = s.heads / s.kv_heads;
  // Few rows are cut finer, so that every thread gets some whatever the number of kv heads.
  const auto cut = [&](int64_t tokens) {
    return static_cast<int>(std::clamp<int64_t>(tokens * s.heads / pool_.size(), 1, kAttentionRows));
  };
  const auto add = [&](std::vector<AttentionItem>& items, int run, int first_token, int rows) {
    const int end = runs_[run].tokens * group;
    for (int kv_head = 0; kv_head < s.kv_heads; ++kv_head)
      for (int first = first_token * group; first < end; first += rows)
        items.push_back({run, kv_head, first, std::min(rows, end - first)});
  };
  for (int run = 0; run < static_cast<int>(runs_.size()); ++run) {
    add(items_, run, 0, cut(tokens_));
    add(chosen_items_, run, runs_[run].tokens - inputs[run].choices, cut(static_cast<int64_t>(choices_.size())));
  }
  for (auto& next : next_item_) next.store(0, std::memory_order_relaxed);

  const size_t count = choices_.size();
  chosen_.assign(count, Choice{});
  best_.assign(count * pool_.size(), kLowest);
  index_.assign(count * pool_.size(), -1);
  logits_rows_.assign(count, nullptr);
  size_t kept = 0;
  for (const ChoiceRow& row : choices_) kept += keep_logits || row.logprob || !row.sampling.greedy();
  logits_.resize(kept * s.vocabulary);
  float* next = logits_.data();
  for (size_t i = 0; i < count; ++i) {
    if (!keep_logits && !choices_[i].logprob && choices_[i].sampling.greedy()) continue;
    logits_rows_[i] = next;
    next += s.vocabulary;
  }
}

}  // namespace financellm

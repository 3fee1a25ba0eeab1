#include "sampler.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace financellm {
namespace {

uint64_t mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15ULL;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

// Draws from tokens in the given order; `total` is the sum of their weights.
int32_t draw(const std::vector<int32_t>& tokens, const std::vector<float>& weights, double total, double u) {
  double left = u * total;
  for (const int32_t token : tokens) {
    left -= weights[token];
    if (left < 0) return token;
  }
  // The total was rounded up: what is left over falls to the heaviest.
  return *std::max_element(tokens.begin(), tokens.end(), [&](int32_t a, int32_t b) { return weights[a] < weights[b]; });
}

// Sorts ever longer heads of `tokens` until their weight reaches `enough`, then cuts there; returns the kept weight.
double keep_nucleus(std::vector<int32_t>& tokens, double enough, const auto& heavier, const std::vector<float>& weights) {
  size_t sorted = 0;
  double kept = 0;
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (i == sorted) {
      sorted = std::min(tokens.size(), std::max<size_t>(64, 8 * sorted));
      std::partial_sort(tokens.begin() + i, tokens.begin() + sorted, tokens.end(), heavier);
    }
    kept += weights[tokens[i]];
    if (kept >= enough) {
      tokens.resize(i + 1);
      break;
    }
  }
  return kept;
}

}  // namespace

double uniform(uint64_t seed, uint64_t counter) {
  return static_cast<double>(mix(mix(seed) + counter) >> 11) * 0x1.0p-53;
}

int32_t sample(const Kernels& kernels, const float* logits, int n, const Sampling& sampling, std::vector<float>& scratch) {
  const int32_t best = static_cast<int32_t>(std::max_element(logits, logits + n) - logits);
  if (sampling.greedy()) return best;
  scratch.resize(n);
  double total = kernels.exp_shifted(logits, n, logits[best], 1.0f / sampling.temperature, scratch.data());
  std::vector<int32_t> tokens(n);
  std::iota(tokens.begin(), tokens.end(), 0);
  const auto heavier = [&](int32_t a, int32_t b) {
    return scratch[a] != scratch[b] ? scratch[a] > scratch[b] : a < b;
  };
  if (sampling.top_k > 0 && sampling.top_k < n) {
    std::partial_sort(tokens.begin(), tokens.begin() + sampling.top_k, tokens.end(), heavier);
    tokens.resize(sampling.top_k);
    total = 0;
    for (const int32_t token : tokens) total += scratch[token];
  }
  if (sampling.top_p < 1) total = keep_nucleus(tokens, sampling.top_p * total, heavier, scratch);
  return draw(tokens, scratch, total, uniform(sampling.seed, sampling.counter));
}

float log_probability(const Kernels& kernels, const float* logits, int n, int32_t token) {
  return static_cast<float>(-std::log(kernels.exp_shifted(logits, n, logits[token], 1.0f, nullptr)));
}

}  // namespace financellm

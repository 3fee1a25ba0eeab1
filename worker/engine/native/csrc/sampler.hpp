// Chooses one token from one row of logits.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels.hpp"

namespace financellm {

struct Sampling {
  float temperature = 0;  // 0 is greedy
  float top_p = 1;
  int32_t top_k = 0;  // 0 keeps every token
  uint64_t seed = 0;
  uint64_t counter = 0;  // number of the token within its row

  bool greedy() const { return temperature < 1e-5f; }
};

// A number in [0, 1) that depends on seed and counter only (SplitMix64, Steele et al. 2014).
double uniform(uint64_t seed, uint64_t counter);

// Temperature, then top_k, then top_p, then a draw; ties go to the lower token. `scratch` has room for n floats.
int32_t sample(const Kernels& kernels, const float* logits, int n, const Sampling& sampling, std::vector<float>& scratch);

// log softmax of one token over the untempered logits; -inf for one that is e^80 times less likely than another.
float log_probability(const Kernels& kernels, const float* logits, int n, int32_t token);

}  // namespace financellm

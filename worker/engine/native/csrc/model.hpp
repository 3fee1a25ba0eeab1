// A packed model file, memory-mapped read-only so that several processes share one copy.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "kernels.hpp"

namespace financellm {

struct ModelShape {
  int32_t hidden, layers, heads, kv_heads, head_dim, intermediate, vocabulary;
  float norm_epsilon;
  double rope_theta;

  int32_t qkv_columns() const { return (heads + 2 * kv_heads) * head_dim; }
};

struct LayerWeights {
  Matrix qkv, output, gate_up, down;
  const float* attention_norm = nullptr;
  const float* mlp_norm = nullptr;
};

class Model {
 public:
  // Byte offset and size in the file, by tensor name.
  using Tensors = std::map<std::string, std::pair<int64_t, int64_t>>;

  // Throws std::runtime_error where the file cannot be mapped or a tensor is missing or has a wrong size.
  Model(const std::string& path, const ModelShape& shape, const Tensors& tensors);
  ~Model();
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  // Input embeddings of tokens, float [tokens, hidden]. Throws std::runtime_error where the file cannot be read.
  void embed(const Kernels& kernels, const std::vector<int32_t>& tokens, float* out) const;

  const ModelShape shape;
  std::vector<LayerWeights> layers;
  Matrix head;
  const float* final_norm = nullptr;

 private:
  const char* tensor(const Tensors& tensors, const std::string& name, int64_t bytes) const;
  Matrix matrix(const Tensors& tensors, const std::string& name, int32_t columns, int32_t depth) const;

  std::string path_;
  int file_ = -1;
  const char* base_ = nullptr;
  int64_t bytes_ = 0;
  int64_t embedding_at_ = -1;  // bfloat16 rows in the file; -1 where the tied head serves
};

}  // namespace financellm

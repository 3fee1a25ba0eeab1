#include "model.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace financellm {
namespace {

int32_t padded(int32_t n, int32_t unit) { return (n + unit - 1) / unit * unit; }

}  // namespace

Model::Model(const std::string& path, const ModelShape& shape_, const Tensors& tensors) : shape(shape_), path_(path) {
  file_ = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file_ < 0) throw std::runtime_error("cannot open " + path + ": " + std::strerror(errno));
  struct stat status {};
  fstat(file_, &status);
  bytes_ = status.st_size;
  void* mapped = mmap(nullptr, bytes_, PROT_READ, MAP_SHARED, file_, 0);
  if (mapped == MAP_FAILED) throw std::runtime_error("cannot map " + path + ": " + std::strerror(errno));
  base_ = static_cast<const char*>(mapped);

  const auto floats = [&](const std::string& name, int64_t count) {
    return reinterpret_cast<const float*>(tensor(tensors, name, count * 4));
  };
  for (int i = 0; i < shape.layers; ++i) {
    const std::string prefix = "layers." + std::to_string(i) + ".";
    LayerWeights layer;
    layer.qkv = matrix(tensors, prefix + "qkv", shape.qkv_columns(), shape.hidden);
    layer.output = matrix(tensors, prefix + "output", shape.hidden, shape.heads * shape.head_dim);
    layer.gate_up = matrix(tensors, prefix + "gate_up", 2 * shape.intermediate, shape.hidden);
    layer.down = matrix(tensors, prefix + "down", shape.hidden, shape.intermediate);
    layer.attention_norm = floats(prefix + "attention_norm", shape.hidden);
    layer.mlp_norm = floats(prefix + "mlp_norm", shape.hidden);
    layers.push_back(layer);
  }
  head = matrix(tensors, "head", shape.vocabulary, shape.hidden);
  final_norm = floats("final_norm", shape.hidden);
  if (tensors.contains("embedding")) {
    tensor(tensors, "embedding", int64_t{2} * shape.vocabulary * shape.hidden);
    embedding_at_ = tensors.at("embedding").first;
  }
  // Maps the weights' pages now, so that the first step meets no page fault; embeddings are read by row.
  const int64_t mapped_bytes = embedding_at_ >= 0 ? embedding_at_ : bytes_;
#if defined(MADV_POPULATE_READ)
  madvise(mapped, mapped_bytes, MADV_POPULATE_READ);
#else
  madvise(mapped, mapped_bytes, MADV_WILLNEED);
#endif
}

Model::~Model() {
  if (base_) munmap(const_cast<char*>(base_), bytes_);
  if (file_ >= 0) close(file_);
}

const char* Model::tensor(const Tensors& tensors, const std::string& name, int64_t bytes) const {
  const auto found = tensors.find(name);
  if (found == tensors.end()) throw std::runtime_error(path_ + " has no tensor " + name);
  const auto [offset, size] = found->second;
  if (size != bytes || offset < 0 || offset % 64 != 0 || offset + size > bytes_)
    throw std::runtime_error(path_ + ": tensor " + name + " should have " + std::to_string(bytes) + " bytes, the header says " +
                             std::to_string(size) + " at " + std::to_string(offset));
  return base_ + offset;
}

Matrix Model::matrix(const Tensors& tensors, const std::string& name, int32_t columns, int32_t depth) const {
  Matrix m;
  m.columns = columns;
  m.panels = padded(columns, kPanelColumns) / kPanelColumns;
  m.depth_tiles = padded(depth, kTileDepth) / kTileDepth;
  const int64_t width = int64_t{m.panels} * kPanelColumns;
  m.tiles = reinterpret_cast<const int8_t*>(tensor(tensors, name + ".tiles", width * m.depth_tiles * kTileDepth));
  m.scales = reinterpret_cast<const float*>(tensor(tensors, name + ".scales", width * 4));
  m.offsets = reinterpret_cast<const int32_t*>(tensor(tensors, name + ".offsets", width * 4));
  if (tensors.contains(name + ".bias")) m.bias = reinterpret_cast<const float*>(tensor(tensors, name + ".bias", width * 4));
  return m;
}

void Model::embed(const Kernels& kernels, const std::vector<int32_t>& tokens, float* out) const {
  std::vector<uint16_t> row(shape.hidden);
  for (const int32_t token : tokens) {
    if (embedding_at_ < 0) {
      kernels.embed_int8(head, token, shape.hidden, out);
    } else {
      const int64_t bytes = int64_t{2} * shape.hidden;
      if (pread(file_, row.data(), bytes, embedding_at_ + token * bytes) != bytes)
        throw std::runtime_error("cannot read the embedding of token " + std::to_string(token) + " from " + path_);
      kernels.embed_bf16(row.data(), shape.hidden, out);
    }
    out += shape.hidden;
  }
}

}  // namespace financellm

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/array.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include "cpu.hpp"
#include "forward.hpp"
#include "probes.hpp"

namespace nb = nanobind;
using namespace nb::literals;
using namespace financellm;

namespace {

// (tokens, position, blocks, choices, temperature, top_p, top_k, seed, counter, logprobs)
using SequenceTuple = std::tuple<std::vector<int32_t>, int32_t, std::vector<int32_t>, int32_t, float, float, int32_t,
                                 uint64_t, uint64_t, bool>;
using ChoiceTuple = std::tuple<int32_t, float, bool>;

SequenceInput to_input(SequenceTuple&& t) {
  SequenceInput input;
  input.tokens = std::move(std::get<0>(t));
  input.position = std::get<1>(t);
  input.blocks = std::move(std::get<2>(t));
  input.choices = std::get<3>(t);
  input.sampling = {std::get<4>(t), std::get<5>(t), std::get<6>(t), std::get<7>(t), std::get<8>(t)};
  input.logprobs = std::get<9>(t);
  return input;
}

std::vector<std::vector<ChoiceTuple>> step(Forward& self, std::vector<SequenceTuple> tuples, bool keep_logits) {
  std::vector<SequenceInput> inputs;
  inputs.reserve(tuples.size());
  for (auto& tuple : tuples) inputs.push_back(to_input(std::move(tuple)));
  std::vector<std::vector<Choice>> chosen;
  {
    nb::gil_scoped_release release;
    chosen = self.step(inputs, keep_logits);
  }
  std::vector<std::vector<ChoiceTuple>> result;
  result.reserve(chosen.size());
  for (const auto& choices : chosen) {
    auto& to = result.emplace_back();
    for (const Choice& c : choices) to.emplace_back(c.token, c.logprob, c.finite);
  }
  return result;
}

std::shared_ptr<Model> make_model(const std::string& path, const std::map<std::string, double>& config,
                                  const Model::Tensors& tensors) {
  const auto whole = [&](const char* key) { return static_cast<int32_t>(config.at(key)); };
  const ModelShape shape{whole("hidden"),       whole("layers"),       whole("heads"),
                         whole("kv_heads"),     whole("head_dim"),     whole("intermediate"),
                         whole("vocabulary"),   static_cast<float>(config.at("norm_epsilon")),
                         config.at("rope_theta")};
  nb::gil_scoped_release release;
  return std::make_shared<Model>(path, shape, tensors);
}

using Floats = nb::ndarray<nb::numpy, float, nb::ndim<2>>;

// A copy, so that the next step cannot change it.
Floats last_logits(const Forward& self) {
  const size_t columns = self.model().shape.vocabulary, rows = self.last_logits().size() / columns;
  auto* copy = new std::vector<float>(self.last_logits());
  nb::capsule owner(copy, [](void* p) noexcept { delete static_cast<std::vector<float>*>(p); });
  return Floats(copy->data(), {rows, columns}, owner);
}

}  // namespace

NB_MODULE(_native, m) {
  m.def("supported_isas", &supported_isas);
  nb::class_<Model>(m, "Model");
  m.def("load_model", &make_model, "path"_a, "config"_a, "tensors"_a);
  nb::class_<Forward>(m, "Forward")
      .def(
          "__init__",
          [](Forward* self, std::shared_ptr<Model> model, const std::string& isa, int step_tokens, int sequence_tokens,
             int kv_blocks, int threads) {
            new (self) Forward(std::move(model), kernels_for(isa), {step_tokens, sequence_tokens, kv_blocks, threads});
          },
          "model"_a, "isa"_a, "step_tokens"_a, "sequence_tokens"_a, "kv_blocks"_a, "threads"_a)
      .def("step", &step, "sequences"_a, "keep_logits"_a = false)
      .def("last_logits", &last_logits)
      .def("take_profile", &Forward::take_profile);
  bind_probes(m);
}

// Gathers one instruction set's functions; included last by each isa_*.cpp after its tile header.
#pragma once

#include "attention.hpp"
#include "float_ops.hpp"
#include "gemm.hpp"

namespace financellm::FLM_ISA {

inline int32_t read_memory(const int32_t* from, int64_t count) {
  PartI sums[4] = {};
  for (int64_t i = 0; i + 4 * kLanes <= count; i += 4 * kLanes)
    for (int j = 0; j < 4; ++j) {
      __builtin_prefetch(from + i + j * kLanes + 1024);  // as the products do; a plain loop reads a third less
      PartI v;
      std::memcpy(&v, from + i + j * kLanes, sizeof v);
      sums[j] += v;
    }
  return (sums[0] + sums[1] + sums[2] + sums[3])[0];
}

inline Kernels make_table(const char* name, void (*start)(), void (*stop)()) {
  Kernels k{};
  k.name = name;
  k.thread_start = start;
  k.thread_stop = stop;
  k.embed_int8 = embed_int8;
  k.embed_bf16 = embed_bf16;
  k.norm_quantize = norm_quantize;
  k.quantize = quantize;
  k.quantize_outliers = quantize_outliers;
  k.product_store = product_store;
  k.product_residual = product_residual;
  k.product_residual_outliers = product_residual_outliers;
  k.product_silu = product_silu;
  k.product_head = product_head;
  k.rope_store = rope_store;
  k.attend = attend;
  k.exp_shifted = exp_shifted;
  k.read_memory = read_memory;
  k.multiply_registers = multiply_registers;
  return k;
}

inline void nothing() {}

}  // namespace financellm::FLM_ISA

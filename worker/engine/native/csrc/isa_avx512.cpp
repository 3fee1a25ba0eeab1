#define FLM_ISA isa_avx512
#include "tile_avx512.hpp"

#include "kernel_table.hpp"

namespace financellm {

const Kernels& kernels_avx512() {
  static const Kernels table = FLM_ISA::make_table("avx512", FLM_ISA::nothing, FLM_ISA::nothing);
  return table;
}

}  // namespace financellm

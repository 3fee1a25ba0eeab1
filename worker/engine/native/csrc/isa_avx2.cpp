#define FLM_ISA isa_avx2
#include "tile_avx2.hpp"

#include "kernel_table.hpp"

namespace financellm {

const Kernels& kernels_avx2() {
  static const Kernels table = FLM_ISA::make_table("avx2", FLM_ISA::nothing, FLM_ISA::nothing);
  return table;
}

}  // namespace financellm

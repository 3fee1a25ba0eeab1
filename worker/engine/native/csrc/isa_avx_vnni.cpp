#define FLM_ISA isa_avx_vnni
#include "tile_avx2.hpp"

#include "kernel_table.hpp"

namespace financellm {

const Kernels& kernels_avx_vnni() {
  static const Kernels table = FLM_ISA::make_table("avx2 with AVX-VNNI", FLM_ISA::nothing, FLM_ISA::nothing);
  return table;
}

}  // namespace financellm

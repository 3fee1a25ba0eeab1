#define FLM_ISA isa_portable
#include "tile_portable.hpp"

#include "kernel_table.hpp"

namespace financellm {

const Kernels& kernels_portable() {
  static const Kernels table = FLM_ISA::make_table("portable", FLM_ISA::nothing, FLM_ISA::nothing);
  return table;
}

}  // namespace financellm

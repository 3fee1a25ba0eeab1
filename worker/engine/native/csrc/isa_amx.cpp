#define FLM_ISA isa_amx
#include "tile_amx.hpp"

#include "kernel_table.hpp"

namespace financellm {

const Kernels& kernels_amx() {
  static const Kernels table = FLM_ISA::make_table("amx", FLM_ISA::start_tiles, FLM_ISA::stop_tiles);
  return table;
}

}  // namespace financellm

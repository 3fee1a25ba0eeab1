// The AMX kernels with their eight tile instructions replaced by plain C++, so that their logic runs anywhere.
#define FLM_AMX_EMULATED
#define FLM_ISA isa_amx_emulated
#include "tile_amx.hpp"

#include "kernel_table.hpp"

namespace financellm {

const Kernels& kernels_amx_emulated() {
  static const Kernels table = FLM_ISA::make_table("amx emulated", FLM_ISA::start_tiles, FLM_ISA::stop_tiles);
  return table;
}

}  // namespace financellm

#include "cpu.hpp"

#include <algorithm>
#include <stdexcept>

#if defined(FLM_X86)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace financellm {
namespace {

#if defined(FLM_X86)

bool cpuid_bit(unsigned leaf, unsigned subleaf, int reg, int bit) {
  unsigned r[4] = {};
  if (!__get_cpuid_count(leaf, subleaf, &r[0], &r[1], &r[2], &r[3])) return false;
  return (r[reg] >> bit) & 1;
}

bool has_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }

bool has_avx_vnni() { return has_avx2() && cpuid_bit(7, 1, 0, 4); }

bool has_avx512_vnni() {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vnni");
}

// Tile data must be asked for once a process: Linux x86 "Using XSTATE features in user space applications".
bool request_amx() {
  constexpr int kRequestPermission = 0x1023, kTileData = 18;
  const bool present = cpuid_bit(7, 0, 3, 24) && cpuid_bit(7, 0, 3, 25);
  return present && has_avx512_vnni() && syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

bool has_amx() {
  static const bool granted = request_amx();
  return granted;
}

#endif

}  // namespace

std::vector<std::string> supported_isas() {
  std::vector<std::string> names;
#if defined(FLM_X86)
  if (has_amx()) names.emplace_back("amx");
  if (has_avx512_vnni()) names.emplace_back("avx512");
  if (has_avx_vnni()) names.emplace_back("avx_vnni");
  if (has_avx2()) names.emplace_back("avx2");
#endif
  names.emplace_back("portable");
  return names;
}

const Kernels& kernels_for(const std::string& name) {
  const auto names = supported_isas();
  if (std::find(names.begin(), names.end(), name) == names.end()) {
    std::string known;
    for (const auto& each : names) known += (known.empty() ? "" : ", ") + each;
    throw std::invalid_argument("this processor cannot run the instruction set '" + name + "'; it has " + known);
  }
#if defined(FLM_X86)
  if (name == "amx") return kernels_amx();
  if (name == "avx512") return kernels_avx512();
  if (name == "avx_vnni") return kernels_avx_vnni();
  if (name == "avx2") return kernels_avx2();
#endif
  return kernels_portable();
}

}  // namespace financellm

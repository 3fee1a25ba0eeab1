// Which instruction sets this processor and operating system can run.
#pragma once

#include <string>
#include <vector>

#include "kernels.hpp"

namespace financellm {

// Names from the fastest to the slowest; "portable" is always there.
std::vector<std::string> supported_isas();

// The table of one instruction set. Throws std::invalid_argument where this processor cannot run it.
const Kernels& kernels_for(const std::string& name);

}  // namespace financellm

// Single kernels and ceilings for tests and benches; the engine itself uses none of this.
#pragma once

#include <nanobind/nanobind.h>

namespace financellm {

void bind_probes(nanobind::module_& m);

}  // namespace financellm
